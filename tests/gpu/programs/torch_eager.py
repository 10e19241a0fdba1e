# SPDX-License-Identifier: Apache-2.0
"""A few steps of training in PyTorch, call by call.

How many kernels PyTorch launches it does not say: of launches the witness is CUPTI. Copies to the
device and back are at least those that are made here.
"""

from __future__ import annotations

import hashlib
import json

import torch

STEPS = 8


def main() -> None:
    """Trains, and tells the digest of the weights."""
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    model = torch.nn.Sequential(
        torch.nn.Linear(256, 512), torch.nn.GELU(), torch.nn.Linear(512, 64)
    )
    to_device = [parameter.numel() * 4 for parameter in model.parameters()]
    model = model.to("cuda")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    for _ in range(STEPS):
        batch = torch.randn(128, 256).pin_memory()
        to_device.append(batch.numel() * 4)
        loss = model(batch.to("cuda", non_blocking=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    weights = [parameter.detach().cpu() for parameter in model.parameters()]
    torch.cuda.synchronize()
    digest = hashlib.sha256(b"".join(weight.numpy().tobytes() for weight in weights))
    least = {
        "h2d": len(to_device),
        "h2d_bytes": sum(to_device),
        "d2h": len(weights),
        "d2h_bytes": sum(weight.numel() * 4 for weight in weights),
        "launches": STEPS * 6,
    }
    print(json.dumps({"digest": digest.hexdigest()[:16], "at_least": least}))


main()

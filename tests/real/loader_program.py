# SPDX-License-Identifier: Apache-2.0
"""A PyTorch data loader with worker processes, as training has one: `loader_program.py FOLDER`.

Each file of the folder is read by one of the workers. Prints how many batches and how many bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

BATCH, WORKERS = 8, 2


class Files(Dataset[torch.Tensor]):
    """Random access to the files of a folder, as tensors."""

    def __init__(self, folder: str) -> None:
        self._paths = sorted(Path(folder).glob("*.sample"))

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, place: int) -> torch.Tensor:
        with self._paths[place].open("rb", buffering=0) as file:
            return torch.frombuffer(bytearray(file.read()), dtype=torch.uint8)


def main() -> None:
    print("waits", flush=True)
    sys.stdin.readline()
    loader = DataLoader(Files(sys.argv[1]), batch_size=BATCH, shuffle=True, num_workers=WORKERS)
    batches = [batch.numel() for batch in loader]
    print(len(batches), sum(batches))


if __name__ == "__main__":
    main()

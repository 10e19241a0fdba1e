# SPDX-License-Identifier: Apache-2.0
"""Follows a process until its standard input ends, as a process of its own.

Run where BTF is hidden, it says what the loader of such kernels saw.
"""

from __future__ import annotations

import json
import select
import sys
from pathlib import Path

import numpy as np
from kernel_harness import Samples, kernel, probes


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def main(pid: int, settings: dict[str, int], output: Path) -> None:
    """Writes the records, and beside them what else the plane has to say."""
    samples = Samples()
    before = descriptors()
    loading = probes.Loading(probes.Settings(**settings))
    plane = kernel.KernelPlane.start(kernel.Target(pid), samples.address, 0, loading)
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.02)[0]:
        plane.consume()
    plane.stop()
    plane.stop()
    assert plane.consume() == 0
    np.save(output, np.frombuffer(b"".join(samples.records), np.uint8))
    names = [(int(record["status"]), int(record["object"]), text) for record, text in samples.names]
    said = {
        "loader": plane.loader,
        "names": names,
        "counts": plane.counts(),
        "missing": plane.missing(),
        "left": descriptors() - before,
    }
    output.with_suffix(".json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]), Path(sys.argv[3]))

# SPDX-License-Identifier: Apache-2.0
"""A data loader with worker processes, as training has one: `loader_program.py FOLDER`.

Each file of the folder is read by one of the workers. Prints how many and how many bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import grain.python as grain
import numpy as np


class Files:
    """Random access to the files of a folder, as arrays."""

    def __init__(self, folder: str) -> None:
        self._paths = sorted(Path(folder).glob("*.sample"))

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, place: int) -> np.ndarray:
        with self._paths[place].open("rb", buffering=0) as file:
            return np.frombuffer(file.read(), np.uint8)


def main() -> None:
    print("waits", flush=True)
    sys.stdin.readline()
    source = Files(sys.argv[1])
    sampler = grain.IndexSampler(len(source), shuffle=True, seed=1, num_epochs=1)
    loader = grain.DataLoader(
        data_source=source,
        sampler=sampler,
        operations=[grain.Batch(8)],
        worker_count=2,
        worker_buffer_size=2,
    )
    batches = [len(batch.reshape(-1)) for batch in loader]
    print(len(batches), sum(batches))


if __name__ == "__main__":
    main()

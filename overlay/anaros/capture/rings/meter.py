# SPDX-License-Identifier: Apache-2.0
"""What recording costs while it goes on: read once a second, kept in the run directory.

All of it are counters that only grow, but for the memory; a reading that is left out loses
nothing but detail.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from anaros.capture.kernel.plane import KernelPlane
    from anaros.capture.rings.arena import Arena
    from anaros.store.rundir import RunDirectory

#: In the run directory.
FILE = "overhead.parquet"
#: Stands for what nobody told.
UNKNOWN = -1
#: Readings that are kept; of more every other one goes.
READINGS_MAX = 8192
_APART_NS = 500_000_000
_FIELDS = ("time_ns", "cpu_ns", "rss_bytes", "group_ns", "shim_drops", "kernel_drops", "meter_ns")
_PAGE = os.sysconf("SC_PAGESIZE")


class Meter:
    """Reads the counters; to be used by one thread.

    Args:
        run: Where the readings end.
        arena: Whose shims may lose records.
        group: The cgroup of the workload, whose CPU time the kernel counts; None: it has none.
    """

    def __init__(self, run: RunDirectory, arena: Arena, group: Path | None = None) -> None:
        self._run = run
        self._arena = arena
        self._group = None if group is None else os.fspath(group / "cpu.stat")
        self._readings: list[tuple[int, ...]] = []
        self._probes: tuple[str, ...] = ()
        self._spent_ns = 0

    def read(self, kernel: KernelPlane | None, drops: int | None, *, now: bool = False) -> None:
        """One more reading, if the last one is not too near.

        Args:
            kernel: The kernel plane, if it is at work.
            drops: Records that it lost so far; None: unknown.
            now: However near the last one is.
        """
        began_ns = time.monotonic_ns()
        if not now and self._readings and began_ns - self._readings[-1][0] < _APART_NS:
            return
        run_time = kernel.run_time_ns() if kernel is not None else None
        self._probes = self._probes or tuple(run_time or ())
        spent = [run_time.get(probe, 0) for probe in self._probes] if run_time else []
        self._readings.append(
            (
                began_ns,
                time.process_time_ns(),
                _resident_bytes(),
                self._group_ns(),
                self._arena.drops(),
                UNKNOWN if drops is None else drops,
                self._spent_ns,
                *(spent or [UNKNOWN] * len(self._probes)),
            )
        )
        if len(self._readings) > READINGS_MAX:
            self._readings = self._readings[::2]
        self._spent_ns += time.monotonic_ns() - began_ns

    def _group_ns(self) -> int:
        if self._group is None:
            return UNKNOWN
        try:
            word, value = _head(self._group).split(maxsplit=2)[:2]
        except (OSError, ValueError):
            return UNKNOWN
        return int(value) * 1000 if word == b"usage_usec" else UNKNOWN

    def write(self) -> None:
        """Keeps the readings, where the disk takes them: the records matter more."""
        import numpy as np

        from anaros.errors import RunDirectoryError
        from anaros.store.columnar import write_parquet

        names = (*_FIELDS, *(f"bpf_{probe}_ns" for probe in self._probes))
        table = np.full((len(self._readings), len(names)), UNKNOWN, np.int64)
        for place, reading in enumerate(self._readings):
            table[place, : len(reading)] = reading
        arrays = {name: table[:, place].copy() for place, name in enumerate(names)}
        with contextlib.suppress(RunDirectoryError):
            write_parquet(self._run.path / FILE, arrays, durable=False)


def _head(path: str) -> bytes:
    """The first bytes of a small file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 128)
    finally:
        os.close(descriptor)


def _resident_bytes() -> int:
    try:
        return int(_head("/proc/self/statm").split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return UNKNOWN

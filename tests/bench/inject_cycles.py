# SPDX-License-Identifier: Apache-2.0
"""Loads the shim into a process at work and takes it out again, many times.

    python tests/bench/inject_cycles.py PID [TIMES]

As root. Prints for how long a thread was borrowed, how often the library could be closed at once,
and what the process has mapped before and after.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from pathlib import Path

from anaros.capture.inject.injection import inject, prepare
from anaros.capture.inject.maps import mappings
from anaros.capture.rings.arena import Arena, remove_folder, shared_memory_root

_RECORDED_S = 0.02


def resident_kib(pid: int) -> int:
    """Memory that the process has present."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0])


def cycle(pid: int) -> tuple[float, float, str]:
    """Once: ms borrowed, ms to leave, and why the library stayed."""
    folder = shared_memory_root() / f"anaros-{os.geteuid()}-{os.urandom(6).hex()}"
    arena = Arena.create(folder)
    try:
        arena.recording = True
        injected = inject(pid, prepare(folder, [Path(f"/proc/{pid}").stat().st_uid]))
        time.sleep(_RECORDED_S)
        started = time.monotonic()
        left = injected.detach()
        took = time.monotonic() - started
        return injected.stops.borrowed_ns / 1e6, took * 1e3, left.reason or "closed"
    finally:
        arena.close()
        remove_folder(folder)


def main() -> None:
    """All of them, and the table."""
    pid, times = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    before = len(mappings(pid)), resident_kib(pid)
    rows = [cycle(pid) for _ in range(times)]
    for name, values in (
        ("borrowed", [row[0] for row in rows]),
        ("left", [row[1] for row in rows]),
    ):
        values.sort()
        print(f"{name:9} ms: median {values[times // 2]:.1f}, most {values[-1]:.1f}")
    print(dict(Counter(row[2] for row in rows)))
    print(f"mappings, KiB: {before} before, {(len(mappings(pid)), resident_kib(pid))} after")


if __name__ == "__main__":
    main()

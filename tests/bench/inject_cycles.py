# SPDX-License-Identifier: Apache-2.0
"""Loads the shim into a process at work and takes it out again, many times.

    python tests/bench/inject_cycles.py PID [TIMES]

As root. Prints for how long a thread was borrowed to load, for how long threads were stopped in all
(one after another: the most that a single one can have been), what it took to leave, how often the
library could be closed at once, and what grew from the tenth time to the last.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from pathlib import Path

from left_behind import grown, held

from anaros.capture.inject.injection import inject, prepare
from anaros.capture.rings.arena import Arena, remove_folder, shared_memory_root

_RECORDED_S, _PATIENCE_S, _SETTLED = 0.02, 1.0, 10


def cycle(pid: int) -> tuple[float, float, float, str]:
    """Once: ms borrowed, stopped in all and taken to leave, and why the library stayed."""
    folder = shared_memory_root() / f"anaros-{os.geteuid()}-{os.urandom(6).hex()}"
    arena = Arena.create(folder)
    try:
        arena.recording = True
        injected = inject(pid, prepare(folder, [Path(f"/proc/{pid}").stat().st_uid]))
        time.sleep(_RECORDED_S)
        started = time.monotonic()
        left = injected.detach(0.0)
        took = time.monotonic() - started
        if left.reason is not None:
            late = injected.detach(_PATIENCE_S)
            left = late._replace(reason="closed late" if late.unloaded else late.reason)
        stops = (injected.stops, *left.stops)
        stopped_ns = sum(stop.borrowed_ns + stop.longest_ns for stop in stops)
        borrowed_ns = injected.stops.borrowed_ns
        return borrowed_ns / 1e6, stopped_ns / 1e6, took * 1e3, left.reason or "closed"
    finally:
        arena.close()
        remove_folder(folder)


def main() -> None:
    """All of them, and the table."""
    pid, times = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    rows, first = [], held(pid)
    for place in range(times):
        rows.append(cycle(pid))
        if place == _SETTLED:
            first = held(pid)
    for place, name in enumerate(("borrowed", "stopped", "left")):
        values = sorted(float(row[place]) for row in rows)
        told = ", ".join(
            f"{share} {values[min(int(times * part), times - 1)]:.1f}"
            for share, part in (("median", 0.5), ("99 %", 0.99), ("most", 1.0))
        )
        print(f"{name:9} ms: {told}")
    print(dict(Counter(row[3] for row in rows)))
    print("grown since the tenth:", grown(first, held(pid)))


if __name__ == "__main__":
    main()

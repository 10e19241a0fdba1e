# SPDX-License-Identifier: Apache-2.0
"""Attaches to a process and detaches again, many times, and shows what each took and left behind.

    python tests/bench/attach_cycles.py PID [CYCLES]

Prints the medians of the time and CPU time of a cycle in ms, of what the target sees of its end
(from the word to detach to the last probe gone), and what grew from the tenth cycle to the last.
"""

from __future__ import annotations

import gc
import os
import resource
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from anaros.capture.attach.calls import AttachLoading
from anaros.capture.attach.targets import check
from anaros.session.attach import attach
from anaros.store.rundir import RunDirectory

SETTLED = 10


def held() -> tuple[int, int, int]:
    """Descriptors, threads and bytes of memory of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    return descriptors, threading.active_count(), pages * resource.getpagesize()


def cycle(pid: int, run: Path) -> tuple[float, float, float]:
    """One attachment; its time, its CPU time and that of its detaching, in ms."""
    start, used = time.monotonic(), time.process_time()
    done = attach(check([pid]), AttachLoading(), output=run, duration_s=0.05)
    if done.problem is not None:
        raise done.problem
    took, cpu = time.monotonic() - start, time.process_time() - used
    told = RunDirectory.open(run).meta()["attach"]
    shutil.rmtree(run)
    return took * 1e3, cpu * 1e3, (told["detached_ns"] - told["until_ns"]) / 1e6


def main() -> int:
    pid, cycles = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    rows = []
    first = held()
    with tempfile.TemporaryDirectory() as folder:
        for place in range(cycles):
            rows.append(cycle(pid, Path(folder) / "run"))
            if place == SETTLED:
                first = held()
            if place % 100 == 99:
                print(f"{place + 1} cycles: {held()}", flush=True)
    took, cpu, detach = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"cycle {took:.0f} ms, CPU {cpu:.0f} ms, detach {detach:.1f} ms (medians of {cycles})")
    print(f"detach at most {max(row[2] for row in rows):.0f} ms")
    names = ("descriptors", "threads", "bytes of memory")
    grown = (
        f"{after - before} {name}" for name, before, after in zip(names, first, held(), strict=True)
    )
    print("grown since the tenth:", ", ".join(grown))
    os.kill(pid, 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())

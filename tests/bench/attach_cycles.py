# SPDX-License-Identifier: Apache-2.0
"""Attaches to a process and detaches again, many times, and shows what each took and left behind.

    python tests/bench/attach_cycles.py PID [CYCLES] [--inject]

Prints the medians of the time and CPU time of a cycle in ms, of what the target sees of its end
(from the word to detach to the last probe gone), and what grew from the tenth cycle to the last:
BPF programs, maps and links of the whole machine, descriptors, threads and memory of this process,
and descriptors, mappings and memory of the target.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from left_behind import grown, held

from anaros.capture.attach.calls import AttachLoading
from anaros.capture.attach.targets import check
from anaros.session.attach import attach
from anaros.store.rundir import RunDirectory

SETTLED = 10


def cycle(pid: int, run: Path, *, inject: bool) -> tuple[float, float, float]:
    """One attachment; its time, its CPU time and that of its detaching, in ms."""
    start, used = time.monotonic(), time.process_time()
    done = attach(check([pid]), AttachLoading(), output=run, duration_s=0.05, inject=inject)
    if done.problem is not None:
        raise done.problem
    took, cpu = time.monotonic() - start, time.process_time() - used
    told = RunDirectory.open(run).meta()["attach"]
    shutil.rmtree(run)
    return took * 1e3, cpu * 1e3, (told["detached_ns"] - told["until_ns"]) / 1e6


def main() -> int:
    """All cycles, and what they left."""
    words = [word for word in sys.argv[1:] if word != "--inject"]
    inject = len(words) < len(sys.argv) - 1
    pid, cycles = int(words[0]), int(words[1]) if len(words) > 1 else 1000
    rows = []
    first = held(pid)
    with tempfile.TemporaryDirectory() as folder:
        for place in range(cycles):
            rows.append(cycle(pid, Path(folder) / "run", inject=inject))
            if place == SETTLED:
                first = held(pid)
            if place % 100 == 99:
                print(f"{place + 1} cycles: {grown(first, held(pid))}", flush=True)
    took, cpu, detach = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"cycle {took:.0f} ms, CPU {cpu:.0f} ms, detach {detach:.1f} ms (medians of {cycles})")
    print(f"detach at most {max(row[2] for row in rows):.0f} ms")
    print("grown since the tenth:", grown(first, held(pid)))
    os.kill(pid, 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""Memory: page faults by the kernel's count, and what a thread had to free for others."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from kernel_harness import NEEDS, direct_or_skip, record

from anaros.kinds import Kind

pytestmark = NEEDS

PAGES = 3000
FAULT = 8
TOUCH = f"""
import mmap, resource
before = resource.getrusage(resource.RUSAGE_SELF)
area = mmap.mmap(-1, {PAGES} * 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
area.madvise(mmap.MADV_NOHUGEPAGE)
for page in range({PAGES}):
    area[page * 4096] = 1
after = resource.getrusage(resource.RUSAGE_SELF)
print("minor", after.ru_minflt)
print("major", after.ru_majflt)
print("own", after.ru_minflt - before.ru_minflt)
"""


def python(text: str) -> list[str]:
    return [sys.executable, "-S", "-c", text]


def test_faults_are_those_that_the_kernel_counts() -> None:
    run = record(python(TOUCH), more=True)
    faults = run.of(Kind.MEM_FAULTS)
    assert run.drops["mem"] == 0
    assert set(faults.pid.tolist()) == {run.pid}
    assert run.said["own"] >= PAGES
    # Those of the shell before its exec were before the probes, those of the exit come after.
    minor = int(faults.size_bytes.sum())
    assert run.said["own"] <= minor <= run.said["minor"] + 400
    assert int(faults.context.sum()) <= run.said["major"] + 5


def test_a_file_that_is_not_in_memory_is_waited_for(waits: str, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(os.urandom(PAGES // 10 * 4096))
    direct_or_skip(tmp_path / "other")
    run = record([waits, "touch", str(path)], more=True)
    slept = run.of(Kind.MEM_FAULT, tid=run.pid)
    slept = slept.take(slept.status == 1)
    assert run.said["major"] > PAGES // 20
    # One that finds its page read by then does not sleep.
    assert run.said["major"] * 0.8 <= len(slept) <= run.said["major"] + 10
    assert run.said["major"] <= int(run.of(Kind.MEM_FAULTS, tid=run.pid).context.sum())
    away = run.of(Kind.SCHED_OFFCPU, tid=run.pid)
    faults = away.take((away.address & 0xFFFF) == FAULT)
    assert set(slept.start_ns.tolist()) <= set(faults.start_ns.tolist())
    assert (slept.address > 0).all()


def test_memory_that_is_there_is_not_waited_for() -> None:
    run = record(python(TOUCH), more=True)
    slept = run.of(Kind.MEM_FAULT)
    assert not slept.status.any()
    for kind in (Kind.MEM_RECLAIM,):
        assert len(run.of(kind)) == 0

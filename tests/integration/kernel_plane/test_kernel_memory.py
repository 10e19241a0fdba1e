# SPDX-License-Identifier: Apache-2.0
"""Memory: page faults by the kernel's count, and what a thread had to free for others."""

from __future__ import annotations

import sys

from kernel_harness import NEEDS, record

from anaros.kinds import Kind

pytestmark = NEEDS

PAGES = 3000
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

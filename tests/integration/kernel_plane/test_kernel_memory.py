# SPDX-License-Identifier: Apache-2.0
"""Memory: page faults by the kernel's count, and what a thread had to free for others."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import pytest
from kernel_harness import NEEDS, cgroup, direct_or_skip, record, within

from anaros.kinds import Kind
from anaros.records import FLAG_OTHER_TENANT

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
    assert run.said["major"] <= int(run.of(Kind.MEM_FAULTS, tid=run.pid).context.sum())
    # One that finds its page read by then does not sleep: nearly none does, or nearly all do.
    assert len(slept) <= run.said["major"] + 10
    away = run.of(Kind.SCHED_OFFCPU, tid=run.pid)
    faults = away.take((away.address & 0xFFFF) == FAULT)
    assert set(slept.start_ns.tolist()) <= set(faults.start_ns.tolist())
    assert (slept.address > 0).all()
    if not len(slept):
        pytest.skip("the disk was done each time before the thread could sleep")


LIMIT = 16 << 20


def limited() -> contextlib.AbstractContextManager[Path]:
    """A cgroup that may have so much memory."""
    old = Path("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists()
    return cgroup("memory", **{"memory__limit_in_bytes" if old else "memory__max": LIMIT})


def test_the_limit_of_a_cgroup_makes_a_thread_free_memory(waits: str, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(bytes(2 * LIMIT))
    direct_or_skip(tmp_path / "other")  # a file system in memory frees nothing
    with path.open("rb") as file:
        os.fsync(file)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    with limited() as group:
        run = record(within(group, [waits, "fill", str(path), str(3 * LIMIT)]), more=True)
    stalls = run.of(Kind.MEM_RECLAIM)
    assert len(stalls) > 5
    assert set(stalls.tid.tolist()) == {run.pid}
    assert (stalls.status == 1).all()
    assert (stalls.duration_ns > 0).all()
    assert int(stalls.size_bytes.sum()) > LIMIT // 2
    assert run.drops["mem"] == 0


def test_what_runs_out_of_memory_is_told(waits: str) -> None:
    with limited() as group:
        run = record(within(group, [waits, "take", str(8 * LIMIT)]), more=True)
    assert run.status == -9
    killed = run.of(Kind.MEM_OOM)
    assert killed.pid.tolist() == [run.pid]
    assert killed.object.tolist() == [run.pid]
    assert not (killed.flags & FLAG_OTHER_TENANT).any()


def test_compaction_on_behalf_of_a_thread() -> None:
    compact = Path("/proc/sys/vm/compact_memory")
    if not compact.exists():
        pytest.skip("this kernel compacts nothing")
    run = record(["/bin/sh", "-c", f"echo 1 > {compact}"], more=True)
    compacted, migrated = run.of(Kind.MEM_COMPACT), run.of(Kind.MEM_MIGRATE)
    assert len(compacted)
    assert (compacted.duration_ns > 0).all()
    assert set(compacted.pid.tolist()) == {run.pid}
    # What it moved, it moved meanwhile.
    ends = compacted.start_ns + compacted.duration_ns
    for start, duration in zip(migrated.start_ns, migrated.duration_ns, strict=True):
        assert ((compacted.start_ns <= start) & (start + duration <= ends)).any()


def test_memory_that_is_there_is_not_waited_for() -> None:
    run = record(python(TOUCH), more=True)
    assert not run.of(Kind.MEM_FAULT).status.any()
    stalls = (Kind.MEM_RECLAIM, Kind.MEM_COMPACT, Kind.MEM_MIGRATE, Kind.MEM_OOM)
    assert len(run.of(*stalls)) == 0

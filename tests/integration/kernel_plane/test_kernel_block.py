# SPDX-License-Identifier: Apache-2.0
"""Block requests of the kernel plane: whose they are, and on which device."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from kernel_harness import MS, NEEDS, direct_or_skip, record

from anaros.kinds import Kind, NameClass
from anaros.records import FLAG_OTHER_TENANT

pytestmark = NEEDS


def on_a_disk(path: Path) -> int:
    """The device of the file system as a record has it, or a skip."""
    device = path.stat().st_dev
    disk = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    if not disk.exists():
        pytest.skip(f"{path} does not lie on a block device")
    if (disk / "partition").exists():
        major, minor = (disk / ".." / "dev").resolve().read_text().split(":")
        return int(major) << 20 | int(minor)
    return os.major(device) << 20 | os.minor(device)


def test_direct_writes_are_block_requests_of_the_target(workload: str, tmp_path: Path) -> None:
    device, file = on_a_disk(tmp_path), tmp_path / "direct"
    direct_or_skip(file)
    run = record([workload, "write", str(file), "16", "65536"])
    requests = run.of(Kind.BLOCK_IO)
    own = requests.take((requests.pid == run.pid) & (requests.status == 1))
    assert own.size_bytes.sum() >= 16 * 65536
    assert (own.object == device).all()
    assert (own.tid == run.pid).all()
    assert (own.duration_ns > 0).all()
    assert len(set(own.address.tolist())) == len(own)
    assert (own.context < own.duration_ns + 100 * MS).all()
    assert not (own.flags & FLAG_OTHER_TENANT).any()
    flushes = requests.take(requests.status == 2)
    assert not flushes.size_bytes.any()


def test_writeback_belongs_to_nobody(workload: str, tmp_path: Path) -> None:
    on_a_disk(tmp_path)
    lazy, direct = tmp_path / "lazy", tmp_path / "direct"
    direct_or_skip(direct)
    # The journal and the flusher write while the target is at work on the same device.
    script = f"{workload} buffered {lazy} 4194304; {workload} write {direct} 4 4096"

    def flush() -> None:
        time.sleep(0.05)
        os.sync()

    run = record(["/bin/sh", "-c", script], flush)
    forks = [run.pid, *run.of(Kind.PROC_FORK).object.tolist()]
    requests = run.of(Kind.BLOCK_IO)
    own = requests.take(np.isin(requests.pid, forks) & (requests.status == 1))
    assert own.size_bytes.sum() < 4194304, "writeback was charged to the target"
    unknown = requests.take(requests.pid == 0)
    assert not (unknown.flags & FLAG_OTHER_TENANT).any()


def test_other_tenants_on_the_device_are_shown_while_they_matter(
    workload: str, tmp_path: Path
) -> None:
    on_a_disk(tmp_path)
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    direct_or_skip(mine)
    script = f"sleep 0.1; exec {workload} write {mine} 100 65536"
    with subprocess.Popen([workload, "write", str(theirs), "20000", "65536"]) as other:
        run = record(["/bin/sh", "-c", script])
        other.kill()
    requests = run.of(Kind.BLOCK_IO)
    foreign = requests.take((requests.flags & FLAG_OTHER_TENANT) != 0)
    assert (foreign.pid == other.pid).sum() > 3
    assert run.name(NameClass.PROCESS, other.pid) == ["workload"]
    assert run.counts["block"]["others"] > 0, "before the target began, they were only counted"


def test_requests_tell_whose_they_found_in_the_queue(workload: str, tmp_path: Path) -> None:
    on_a_disk(tmp_path)
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    direct_or_skip(mine)
    with subprocess.Popen([workload, "write", str(theirs), "20000", "262144"]) as other:
        run = record([workload, "write", str(mine), "100", "65536"], more=True)
        other.kill()
    found = run.of(Kind.BLOCK_ISSUE, tid=run.pid)
    requests = run.of(Kind.BLOCK_IO, tid=run.pid)
    assert set(found.start_ns.tolist()) == set(requests.start_ns.tolist())
    assert not found.object.any(), "direct I/O has no pages of a file"
    behind = found.take((found.context & 0xFFFFFFFF) == other.pid)
    assert len(behind) > 5
    assert (behind.status >= (behind.context >> np.uint64(32) & np.uint64(0xFFFF))).all()
    assert (behind.status > 0).all()
    assert (behind.size_bytes > 0).all()


def test_requests_of_one_that_is_alone_find_an_empty_queue(workload: str, tmp_path: Path) -> None:
    on_a_disk(tmp_path)
    mine = tmp_path / "mine"
    direct_or_skip(mine)
    run = record([workload, "write", str(mine), "50", "4096"], more=True)
    found = run.of(Kind.BLOCK_ISSUE, tid=run.pid)
    assert len(found) >= 50
    # The rest of the machine may be at work on the disk too, but not always.
    assert (found.status == 0).any()
    assert not ((found.context & 0xFFFFFFFF) == run.pid).any()

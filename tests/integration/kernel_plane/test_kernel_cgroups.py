# SPDX-License-Identifier: Apache-2.0
"""Cgroups: the target is moved, frozen, and its group removed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from kernel_harness import NEEDS, cgroup, record

from anaros.kinds import Kind, NameClass

pytestmark = NEEDS

EVENTS = (Kind.CGROUP_MOVE, Kind.CGROUP_FREEZE, Kind.CGROUP_REMOVE)


def unified() -> str:
    """The hierarchy of version 2, as a folder below the root."""
    for name in ("unified", "."):
        if Path("/sys/fs/cgroup", name, "cgroup.controllers").exists():
            return name
    pytest.skip("there is no unified hierarchy")


def test_a_move_names_the_group() -> None:
    with cgroup(unified()) as group:
        number = group.stat().st_ino
        script = f"echo $$ > {group}/cgroup.procs; echo $$ > {group.parent}/cgroup.procs"
        run = record(["/bin/sh", "-c", script], more=True)
        root = group.parent.stat().st_ino
    moved = run.of(Kind.CGROUP_MOVE)
    assert moved.object.tolist() == [number, root]
    assert set(moved.pid.tolist()) == {run.pid}
    assert run.name(NameClass.CGROUP, number) == [f"/{group.name}"]


def test_a_frozen_group_says_so(workload: str) -> None:
    with cgroup(unified()) as group:
        if not (group / "cgroup.freeze").exists():
            pytest.skip("this kernel freezes no group")
        number = group.stat().st_ino

        def freeze() -> None:
            deadline = time.monotonic() + 10
            while not (group / "cgroup.procs").read_text():
                assert time.monotonic() < deadline
                time.sleep(0.002)
            for word in ("1", "0"):
                (group / "cgroup.freeze").write_text(word)
                time.sleep(0.05)

        script = f"echo $$ > {group}/cgroup.procs; exec {workload} sleep 20 10000"
        run = record(["/bin/sh", "-c", script], freeze, more=True)
    frozen = run.of(Kind.CGROUP_FREEZE)
    assert frozen.status.tolist() == [1, 0]
    assert frozen.object.tolist() == [number] * 2
    assert int(frozen.start_ns[1] - frozen.start_ns[0]) >= 50_000_000


def test_groups_of_others_are_counted(workload: str) -> None:
    with cgroup(unified()) as group:

        def elsewhere() -> None:
            below = group / "below"
            below.mkdir()
            (below / "cgroup.freeze").write_text("1")
            below.rmdir()
            pid = os.fork()
            if pid == 0:
                (group / "cgroup.procs").write_text(str(os.getpid()))
                os._exit(0)
            os.waitpid(pid, 0)

        run = record([workload, "sleep", "10", "10000"], elsewhere, more=True)
    assert len(run.of(*EVENTS)) == 0
    assert run.counts["cgroup"]["others"] >= 3
    assert run.drops["cgroup"] == 0

# SPDX-License-Identifier: Apache-2.0
"""Which cgroups of a process have a quota of CPU, and what it cost."""

from __future__ import annotations

import os
from pathlib import Path

from anaros.capture.host.quota import Quota, cpus


def _version2(root: Path) -> tuple[Path, list[Path]]:
    """Mounts and groups of a process in /a/b, of which only /a has a quota."""
    (root / "a/b").mkdir(parents=True)
    groups = [root, root / "a", root / "a/b"]
    for group, limit in zip(groups, ("max 100000", "50000 100000", "max 100000"), strict=True):
        (group / "cpu.max").write_text(limit)
        _count(group, 10, 3, 700)
    return groups[1], groups


def _count(group: Path, periods: int, throttled: int, us: int) -> None:
    lines = ("usage_usec 1", f"nr_periods {periods}", f"nr_throttled {throttled}")
    (group / "cpu.stat").write_text("\n".join((*lines, f"throttled_usec {us}", "")))


def _quota(folder: Path, mount: str, groups: str) -> Quota:
    mounts, listed = folder / "mounts", folder / "cgroup"
    mounts.write_text(mount)
    listed.write_text(groups)
    return Quota(1, str(mounts), str(listed))


def test_a_group_above_has_the_quota(tmp_path: Path) -> None:
    root = tmp_path / "fs"
    limited, _ = _version2(root)
    quota = _quota(tmp_path, f"cgroup2 {root} cgroup2 rw 0 0\n", "0::/a/b\n")
    _count(limited, 25, 8, 950)
    assert quota.used() == [
        {"cgroup": str(limited), "periods": 15, "throttled": 5, "throttled_ns": 250_000}
    ]


def test_the_controller_has_a_hierarchy_of_its_own(tmp_path: Path) -> None:
    group = tmp_path / "cpu" / "job: one"
    group.mkdir(parents=True)
    (group / "cpu.cfs_quota_us").write_text("20000\n")
    stat = group / "cpu.stat"
    stat.write_text("nr_periods 1\nnr_throttled 1\nthrottled_time 500\n")
    mounts = f"none {tmp_path}/cpuset cgroup rw,cpuset 0 0\nnone {tmp_path}/cpu cgroup rw,cpu 0 0\n"
    quota = _quota(tmp_path, mounts, "3:cpuset:/x\n1:cpu,cpuacct:/job: one\n0::/\n")
    stat.write_text("nr_periods 4\nnr_throttled 3\nthrottled_time 9500\n")
    [used] = quota.used()
    assert (used["periods"], used["throttled"], used["throttled_ns"]) == (3, 2, 9000)


def test_without_a_quota_there_is_nothing_to_tell(tmp_path: Path) -> None:
    root = tmp_path / "fs"
    limited, _ = _version2(root)
    (limited / "cpu.max").write_text("max 100000")
    assert _quota(tmp_path, f"cgroup2 {root} cgroup2 rw 0 0\n", "0::/a/b\n").used() == []
    assert _quota(tmp_path, "", "0::/a/b\n").used() == []
    assert Quota(1, str(tmp_path / "none"), str(tmp_path / "none")).used() == []


def test_a_group_that_went_is_not_told(tmp_path: Path) -> None:
    root = tmp_path / "fs"
    limited, _ = _version2(root)
    quota = _quota(tmp_path, f"cgroup2 {root} cgroup2 rw 0 0\n", "0::/a/b\n")
    (limited / "cpu.stat").unlink()
    assert quota.used() == []


def test_cpus_are_as_many_as_affinity_and_quotas_allow(tmp_path: Path) -> None:
    root = tmp_path / "fs"
    limited, groups = _version2(root)
    mounts, listed = tmp_path / "mounts", tmp_path / "cgroup"
    mounts.write_text(f"cgroup2 {root} cgroup2 rw 0 0\n")
    listed.write_text("0::/a/b\n")
    assert cpus(os.getpid(), str(mounts), str(listed)) == 0.5
    (groups[2] / "cpu.max").write_text("20000 100000\n")
    assert cpus(os.getpid(), str(mounts), str(listed)) == 0.2
    for group in (limited, groups[2]):
        (group / "cpu.max").write_text("max 100000\n")
    assert cpus(os.getpid(), str(mounts), str(listed)) == len(os.sched_getaffinity(0))


def test_cpus_of_the_first_version(tmp_path: Path) -> None:
    group = tmp_path / "cpu"
    group.mkdir()
    (group / "cpu.cfs_quota_us").write_text("150\n")
    (group / "cpu.cfs_period_us").write_text("1000\n")
    mounts, listed = tmp_path / "mounts", tmp_path / "cgroup"
    mounts.write_text(f"cgroup {group} cgroup rw,cpu 0 0\n")
    listed.write_text("4:cpu:/\n")
    assert cpus(os.getpid(), str(mounts), str(listed)) == 0.15


def test_cpus_of_nobody() -> None:
    assert cpus(2**22 + 1) is None

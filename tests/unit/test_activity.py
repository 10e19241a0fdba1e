# SPDX-License-Identifier: Apache-2.0
"""What the machine has to do, by the kernel's own files."""

from __future__ import annotations

from pathlib import Path

from anaros.capture.host import activity

_STAT = """\
cpu  10 20 30 400 50 6 7 8 9 0
cpu0 10 20 30 400 50 6 7 8 9 0
intr 1000 1 2 3
ctxt 77777
btime 1
softirq 500 1 2 30 40 5 6 7 8 9 10
"""
_DISKS = """\
 254 0 vda 11 0 0 0 22 0 0 0 0 0 0
 254 1 vdb 1 0 0 0 2 0 0 0 0 0 0
"""


def test_counters_are_found(tmp_path: Path) -> None:
    stat, disks = tmp_path / "stat", tmp_path / "diskstats"
    stat.write_text(_STAT)
    disks.write_text(_DISKS)
    assert activity.counted(str(stat), str(disks)) == {
        "busy": 10 + 20 + 30 + 6 + 7,
        "switches": 77777,
        "interrupts": 1500,
        "packets": 70,
        "requests": 36,
    }


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    assert activity.counted(str(tmp_path / "a"), str(tmp_path / "b")) == {}


def test_this_machine_has_all_of_them() -> None:
    first, second = activity.counted(), activity.counted()
    assert first.keys() >= {"busy", "switches", "interrupts", "packets"}
    assert all(second[name] >= first[name] for name in first)

# SPDX-License-Identifier: Apache-2.0
"""Who delayed whom, as text."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from report_example import REPORT, drawn

ROW: dict[str, Any] = {
    "resource": "CPU",
    "cause": "run queue",
    "on": None,
    "owner": "other",
    "delayed_by": "backup",
    "delayed_by_pids": [4242],
    "delayed_by_count": 1,
    "delayed": "serve",
    "delayed_pids": [77],
    "count": 1234,
    "total_ms": 812.0,
    "longest_ms": 20.1,
    "at_most": False,
}
NOBODY = {"owner": "nobody", "delayed_by": None, "delayed_by_pids": [], "delayed_by_count": 0}
ROWS = [
    ROW,
    ROW | {"delayed_by": "cc1", "delayed_by_pids": [5, 6], "delayed_by_count": 12, "count": 9},
    ROW | {"owner": "own", "delayed_by": "serve", "total_ms": 400.0},
    ROW | {"resource": "disk", "cause": "ahead on disk", "on": "254:0", "at_most": True},
    ROW | NOBODY | {"resource": "disk", "cause": "disk queue", "on": "254:0"},
    ROW | NOBODY | {"resource": "memory", "cause": "reclaim", "on": "limit of its group"},
    ROW | NOBODY | {"cause": "quota"},
]
NETWORK: dict[str, Any] = {
    "retransmits": 12,
    "retransmitted_bytes": 17376,
    "dropped": 3,
    "drops": [{"reason": "SOCKET_RCVBUFF", "count": 2}, {"reason": None, "count": 1}],
    "refused": 7,
    "waiting_most": 129,
    "polls": 90,
    "polls_full": 1,
    "backlog_stops": 4,
    "backlog_dropped": 2,
    "accepts": 500,
    "accept_p50_ms": 0.1,
    "accept_p99_ms": 12.5,
    "accept_longest_ms": 40.0,
    "round_trip_p50_ms": 0.25,
    "round_trip_most_ms": 31.0,
}

GOLDEN = """\
delayed by                     how                 times       total   longest
backup (4242)                  run queue           1,234      812 ms  20.10 ms
backup (4242)                  ahead on 254:0      1,234    ≤ 812 ms  20.10 ms
disk 254:0                     disk queue          1,234      812 ms  20.10 ms
limit of its group             reclaim             1,234      812 ms  20.10 ms
its CPU quota                  quota               1,234      812 ms  20.10 ms
cc1 (12 pids)                  run queue               9      812 ms  20.10 ms
its own threads                run queue           1,234      400 ms  20.10 ms

"""

GOLDEN_WHOM = """\
delayed by       how                 times       total   longest  whom
backup (4242)    run queue           1,234      812 ms  20.10 ms  serve
its CPU quota    quota               1,234      812 ms  20.10 ms  a ver…l name
local timer      interrupt             250     5.00 ms         —  all
"""

GOLDEN_LINES = """\
memory    page faults 26 major, 70,510 minor
          1 process killed: no memory was left
          3.0 MiB placed on another node (whole machine)
network   12 retransmissions of 17.0 KiB, slowest round trip 31.00 ms
          3 packets dropped: SOCKET_RCVBUFF 2, — 1
          7 packets of handshakes refused: the listener's queue was full
          500 accepts waited p99 12.50 ms, longest 40.00 ms
          1 poll used up the budget of NAPI
          4 times a CPU left packets lying, 2 dropped
seen      """


@pytest.fixture
def report() -> dict[str, Any]:
    return copy.deepcopy(REPORT)


def test_who_delayed_it(report: dict[str, Any]) -> None:
    before = drawn(report)
    report["delays"] = ROWS
    assert f"device 0 %\n\n{GOLDEN}seen" in drawn(report)
    report["delays"] = [ROW | {"total_ms": 0.9}]
    assert drawn(report) == before


def test_another_program_of_the_target_has_its_name(report: dict[str, Any]) -> None:
    report["delays"] = [ROW | {"owner": "own", "delayed_by": "worker", "delayed_by_pids": [9]}]
    assert "\nworker (9) " in drawn(report)
    report["delays"] = [ROW | {"owner": "own", "delayed_by": None, "delayed": None}]
    assert "\nits own threads " in drawn(report)


def test_what_many_did_hides_no_other_way(report: dict[str, Any]) -> None:
    many = [ROW | {"delayed_by": f"cc{number}", "total_ms": 900.0 - number} for number in range(20)]
    reclaim = ROW | NOBODY | {"cause": "reclaim", "on": "limit of its group", "total_ms": 5.0}
    little = ROW | NOBODY | {"cause": "quota", "total_ms": 4.0}
    report["delays"] = [*many, reclaim, little]
    lines = drawn(report).splitlines()
    first = lines.index(GOLDEN.splitlines()[0])
    names = [line.split()[0] for line in lines[first + 1 : first + 9]]
    assert names == [*(f"cc{number}" for number in range(7)), "limit"]
    assert lines[first + 9] == ""


def test_whom_is_told_where_there_are_several(report: dict[str, Any]) -> None:
    timer = {"cause": "interrupt", "delayed_by": "local timer", "delayed": None, "count": 250}
    whom = {"delayed": "a very long program's special name"}
    report["delays"] = [
        ROW,
        ROW | NOBODY | timer | {"total_ms": 5.0, "longest_ms": None, "delayed_pids": []},
        ROW | NOBODY | {"cause": "quota"} | whom,
    ]
    assert GOLDEN_WHOM in drawn(report)


def test_a_narrow_terminal_has_room(report: dict[str, Any]) -> None:
    report["delays"] = ROWS
    for width in (50, 60, 69, 70, 80):
        said = drawn(report, width=width)
        assert "backup (4242)" in said
        assert " 812 ms" in said
        assert max(map(len, said.splitlines())) <= width


def test_memory_and_network_are_told_where_something_happened(report: dict[str, Any]) -> None:
    before = drawn(report)
    report["faults"] = {"minor": 70_510, "major": 26, "killed": 1, "remote_bytes": 3 << 20}
    report["network"] = NETWORK
    assert GOLDEN_LINES in drawn(report)
    left = {"drops": [{"reason": "QUEUE_PURGE", "count": 3}]}
    quiet = {**dict.fromkeys(("retransmits", "refused", "polls_full", "backlog_stops"), 0), **left}
    report["faults"] = {"minor": 70_510, "major": 0, "killed": 0, "remote_bytes": 0}
    report["network"] = NETWORK | quiet | {"accept_longest_ms": 0.9}
    assert drawn(report) == before

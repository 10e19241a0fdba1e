# SPDX-License-Identifier: Apache-2.0
"""What the report says of what its numbers are worth, as text."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from report_example import REPORT, drawn


@pytest.fixture
def report() -> dict[str, Any]:
    return copy.deepcopy(REPORT)


def test_many_programs_without_the_shim_are_counted(report: dict[str, Any]) -> None:
    one = report["coverage"]["without_shim"][0]
    report["coverage"]["without_shim"] = [{**one, "pid": pid} for pid in range(64)]
    report["coverage"]["without_shim_count"] = 100
    said = drawn(report)
    assert "pid 4 " in said
    assert "pid 5 " not in said
    assert "and 95 programs more without the shim" in said


def test_the_coverage_is_one_line_without_what_is_unknown(report: dict[str, Any]) -> None:
    report["coverage"]["without_shim"] = [
        {"pid": 7, "program": "/opt/go-helper", "reason": "static", "read_bytes": 2048},
        {"pid": 8, "program": "/usr/bin/sudo", "reason": "setuid", "read_bytes": None},
    ]
    report["coverage"]["without_shim_count"] = 2
    report["coverage"]["partly_seen"] = [
        {"pid": 9, "program": "/opt/raw", "read_bytes": 1 << 20, "written_bytes": 0}
    ]
    said = " ".join(drawn(report).split())
    assert (
        "coverage 99.7 % of file bytes · 100 % of launches "
        "2 processes without the shim: go-helper (static), sudo (setuid) drops"
    ) in said
    assert "pid 7 /opt/go-helper: static; by the kernel's count it read 2.0 KiB" in said
    assert "pid 9 /opt/raw: past the shim, by the kernel's count, it read 1.0 MiB" in said


def test_an_end_that_was_not_regular_is_told(report: dict[str, Any]) -> None:
    report["run"] |= {"state": "cut short", "exit_code": 0}
    report["coverage"] |= {
        "cut_short": "cannot write /x: No space left on device",
        "lost_shared_memory": True,
        "left_running": [7, 8],
    }
    said = " ".join(drawn(report).split())
    assert "what came after the recording failed: cannot write /x: No space left" in said
    assert "when the recording ended: its shared memory is gone" in said
    assert "2 processes that went on after the program's end" in said


def test_a_killed_supervisor_is_told_with_the_time(report: dict[str, Any]) -> None:
    report["coverage"]["kernel_until_s"] = 3.25
    said = " ".join(drawn(report).split())
    assert "kernel plane on until 3.25 s" in said
    assert "the kernel's side from 3.25 s after the start on: the supervisor was killed" in said


def test_what_the_kernel_filled_is_told_with_what_was_seen(report: dict[str, Any]) -> None:
    report["coverage"]["shares"]["file_bytes"] = 0.25
    report["coverage"]["filled"]["file_bytes"] = 0.74
    moved = {"read_bytes": 2048, "written_bytes": 2048, "received_bytes": 0, "sent_bytes": 0}
    program = {"pid": 7, "program": "/opt/go-helper", "reason": "static", "filled_bytes": 3072}
    report["coverage"]["without_shim"] = [{**program, **moved}]
    said = " ".join(drawn(report).split())
    assert "25.0 % of file bytes (99.0 % with the kernel's records)" in said
    assert "it read 2.0 KiB, wrote 2.0 KiB, 75.0 % of it on record" in said


def test_what_passed_by_the_shim_is_named(report: dict[str, Any]) -> None:
    one = {"name": "cuFromTheFuture", "version": 13080, "way": "resolver", "count": 1}
    other = {"name": None, "version": None, "way": "second library", "count": 1200}
    longest = {**one, "name": "cuStreamBeginRecaptureToGraph_v2_ptsz", "way": "read-only slot"}
    report["coverage"] |= {"unhooked": 1206, "unhooked_names": [other, one, *[longest] * 5]}
    said = drawn(report)
    assert "1,206 functions resolved past the shim" in said
    assert "  — (second library) 1,200 times\n" in said
    assert "  cuFromTheFuture of CUDA 13.8 (resolver) 1 time\n" in said
    assert said.count("Recapture") == 3
    assert "  and 2 more" in said
    assert max(map(len, said.splitlines())) <= 80
    assert "_v2_ptsz of CUDA 13.8 (read-only slot) 1 time" in " ".join(said.split())


def test_hidden_names_are_told(report: dict[str, Any]) -> None:
    report["run"] |= {"names_hidden": True, "command": ["python"]}
    said = drawn(report)
    assert said.splitlines()[0] == "python (arguments hidden)"
    assert "hidden    names of files, peers and threads, and the command's arguments" in said


BUDGET = {
    "percent": 1.0,
    "cpus": 2.0,
    "readings": 30,
    "mean_percent": 0.512,
    "most_percent": 2.41,
    "probes": [
        {
            "probe": "net",
            "times": 2,
            "away_s": 15.04,
            "intervals_s": [[3.0, 10.24], [12.3, 20.1]],
            "cost_percent": 1.72,
        },
        {
            "probe": "sched",
            "times": 1,
            "away_s": 5.0,
            "intervals_s": [[7.0, 12.0]],
            "cost_percent": 0.6,
        },
    ],
    "changes": [],
}


def test_what_a_budget_cost() -> None:
    throttled = [
        {"cgroup": "/sys/fs/cgroup/a", "periods": 100, "throttled": 12, "throttled_s": 1.2},
        {"cgroup": "/sys/fs/cgroup", "periods": 100, "throttled": 0, "throttled_s": 0.0},
    ]
    lines = drawn({**REPORT, "budget": BUDGET, "throttled": throttled}).splitlines()
    said = "\n".join(line.rstrip() for line in lines)
    assert (
        """\
          1 process without the shim: static (a static program)
          without net for 15.0 s, sched for 5.0 s
"""
        in said
    )
    assert (
        """\
budget    1 % of 2 CPUs · spent 0.51 %, at most 2.4 %
          net (1.7 %) shed 12.3 s to 20.1 s, 2 times, 15.0 s in all
          sched (0.6 %) shed 7.0 s to 12.0 s
"""
        in said
    )
    assert "\nquota     /sys/fs/cgroup/a: used up in 12 of 100 periods, 1.20 s\n" in said
    assert "/sys/fs/cgroup:" not in said


def test_a_budget_that_was_never_measured_is_unknown() -> None:
    unknown = {**BUDGET, "cpus": None, "mean_percent": None, "most_percent": None, "probes": []}
    said = drawn({**REPORT, "budget": unknown})
    assert "1 % of the CPUs · spent —, at most —" in said


def test_probes_that_came_late_are_told() -> None:
    coverage = {**REPORT["coverage"], "probes_since_s": {"sched": 0.0, "mem": 2.5}}
    said = drawn({**REPORT, "coverage": coverage})
    assert "kernel plane on, all of it from 2.50 s" in said

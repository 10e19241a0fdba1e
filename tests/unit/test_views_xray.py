# SPDX-License-Identifier: Apache-2.0
"""The frame of `anaros xray` at 80 columns, and what becomes of it in a narrow terminal."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import pytest
from rich.console import Console, RenderableType

from anaros_cli.snapshot import Busy, Snapshot
from anaros_cli.views.xray import Frame, frame

SNAPSHOT = Snapshot(
    path="/runs/1",
    command=("python", "serve.py"),
    live=True,
    elapsed_s=12.3,
    window_s=10.0,
    records=842_330,
    requests={"count": 4100, "per_second": 410.0, "p50_ms": 3.214, "p99_ms": 9.876},
    stages=[
        {
            "stage": "ingest",
            "self_p50_ms": 0.121,
            "self_p99_ms": 0.453,
            "wait_p50_ms": 0.004,
            "wait_p99_ms": 2.031,
            "share_of_p99": 1.0,
        }
    ],
    slowest={
        "requests": 41,
        "threshold_ms": 9.876,
        "waits": {"runqueue": None, "io": 0.45, "lock": 0.0, "device": 0.2},
    },
    delays=None,
    faults=None,
    network=None,
    memory=None,
    drops={"shim": 3, "kernel": None, "by_probe": {}},
    coverage=dict.fromkeys(("file_bytes", "socket_bytes", "launches", "cpu_time")),
    coverage_age_s=None,
    kernel_plane=None,
    shed=(),
    budget_percent=None,
    device_times_unread=0,
    files=(
        Busy("/data/tiles/" + "0123456789" * 5 + ".png", 1_234_567, 5 << 30, 4_200_000_000),
        Busy("/verdicts.log", 12, None, 900),
    ),
    sockets=(Busy("tcp 127.0.0.1:8000 -> 127.0.0.1:51234", 8200, 1 << 20, 31_000_000),),
    kernels=(Busy("classify", 4100, None, 6_200_000_000),),
    kernels_told=True,
)

GOLDEN = """\
python serve.py                                                   live · 12.30 s
410.0 requests/s · p50 3.21 ms · p99 9.88 ms
84,233 records/s in the last 10.0 s · drops: shim 3, kernel —

stage, ms  self p50  self p99  wait p50  wait p99  share of slowest 1 %
ingest        0.121     0.453     0.004      2.03  ████████████  100 %

slowest 1 %  run queue — · I/O 45 % · lock 0 % · device 20 %

files                                             calls       bytes       time
/data/tiles/012345678…34567890123456789.png   1,234,567     5.0 GiB     4.20 s
/verdicts.log                                        12           —     900 ns

sockets                                           calls       bytes       time
tcp 127.0.0.1:8000 -> 127.0.0.1:51234             8,200     1.0 MiB   31.00 ms

kernels                                           calls       bytes     on GPU
classify                                          4,100           —     6.20 s
"""


def drawn(frame: RenderableType, width: int = 80) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False, markup=False).print(frame)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def test_golden_at_80_columns() -> None:
    assert drawn(frame(SNAPSHOT, 80)) == GOLDEN


def test_device_times_that_were_not_read_are_no_drops() -> None:
    said = drawn(frame(dataclasses.replace(SNAPSHOT, device_times_unread=3), 80)).splitlines()
    assert said[2].endswith("drops: shim 3, kernel —")
    assert said[3] == "device times not read: 3"


MEMORY: dict[str, Any] = {
    "sorts": [
        {
            "pid": 7,
            "sort": "stream_ordered",
            "in_use_bytes": 3 << 30,
            "in_use": 12,
            "high_water_bytes": 4 << 30,
            "holders": [{"tid": 9, "origin": 0x7F0012345678, "bytes": 2 << 30}],
        },
        {
            "pid": 7,
            "sort": "host",
            "in_use_bytes": 0,
            "in_use": 0,
            "high_water_bytes": 1 << 20,
            "holders": [],
        },
    ],
    "failed": 2,
    "allocations_per_second": 12.5,
}

GOLDEN_MEMORY = """\
device memory    in use     most  held  most of it by
stream ordered  3.0 GiB  4.0 GiB    12  thread 9, 0x7f0012345678: 67 %
host                0 B  1.0 MiB     0
12.5 allocations/s · refused: 2 allocations"""


def test_device_memory_that_is_held() -> None:
    held = dataclasses.replace(SNAPSHOT, memory=MEMORY)
    assert GOLDEN_MEMORY in drawn(frame(held, 80))
    assert "pid 7" not in drawn(frame(held, 80))
    assert max(map(len, drawn(frame(held, 50), 50).splitlines())) <= 50
    several = [*MEMORY["sorts"], MEMORY["sorts"][0] | {"pid": 8}]
    held = dataclasses.replace(SNAPSHOT, memory=MEMORY | {"sorts": several})
    said = drawn(frame(held, 80), 80)
    assert "stream ordered, pid 8" in said
    assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize("width", [50, 59, 60, 75, 76])
def test_it_fits(width: int) -> None:
    lines = drawn(frame(SNAPSHOT, width), width).splitlines()
    assert max(map(len, lines)) <= width
    assert "/verdicts.log" in "\n".join(lines)
    assert not [line for line in lines if line.endswith(("…", "·"))]


def test_it_uses_a_wider_terminal_for_names() -> None:
    assert "0123456789" * 5 + ".png" in drawn(frame(SNAPSHOT, 120), 120)


def test_the_script_stays_in_a_long_command() -> None:
    words = ("/opt/venv/bin/python", "/srv/models/serve.py", "--data", "/srv/" + "x" * 90)
    said = drawn(frame(dataclasses.replace(SNAPSHOT, command=words), 60), 60).splitlines()[0]
    assert said.startswith("…/python …/serve.py --data …/")
    assert said.endswith("live · 12.30 s")


def test_a_terminal_that_is_too_narrow_is_told_so() -> None:
    assert drawn(Frame(SNAPSHOT), 40) == "The terminal has 40 columns; xray needs\n50."
    assert drawn(Frame(SNAPSHOT), 80) == GOLDEN


def test_a_finished_run_without_requests() -> None:
    quiet = dataclasses.replace(
        SNAPSHOT,
        live=False,
        requests={"count": 0, "per_second": 0.0, "p50_ms": None, "p99_ms": None},
        stages=[],
        files=(),
        sockets=(),
        kernels=(),
        records=0,
        window_s=0.0,
    )
    said = drawn(frame(quiet, 80))
    assert said.splitlines()[0].endswith("finished · 12.30 s")
    assert "p50 — ms · p99 — ms" in said
    assert "— records/s" in said
    assert said.endswith("Nothing was recorded in this time.")
    assert "stage" not in said


def test_the_coverage_stands_under_the_drops_where_it_is_known() -> None:
    known = {**SNAPSHOT.coverage, "file_bytes": 0.99949, "launches": 1.0}
    said = drawn(frame(dataclasses.replace(SNAPSHOT, coverage=known), 80)).splitlines()
    (place,) = (at for at, line in enumerate(said) if "drops:" in line)
    assert said[place + 1] == "coverage: 99.9 % of file bytes · 100 % of launches"
    assert "coverage" not in drawn(frame(SNAPSHOT, 80))


def test_probes_that_are_away_are_told() -> None:
    without = dataclasses.replace(SNAPSHOT, shed=("net", "sched"), budget_percent=0.5)
    said = drawn(frame(without, 80))
    assert "budget 0.5 %: without net, sched; what they tell is unknown" in said
    assert "budget" not in drawn(frame(SNAPSHOT, 80))


def test_a_coverage_that_the_window_does_not_tell_says_why() -> None:
    def said(**changes: Any) -> str:
        return drawn(frame(dataclasses.replace(SNAPSHOT, **changes), 80))

    assert "coverage" not in said()
    assert "coverage: — (without the kernel plane)" in said(kernel_plane=False)
    assert "coverage: — (the kernel counted nothing in this time)" in said(kernel_plane=True)
    short = said(kernel_plane=True, window_s=0.7)
    assert "coverage: — (it takes 2 s, two readings of the kernel)" in short
    known = {**SNAPSHOT.coverage, "file_bytes": 0.9979}
    assert "\ncoverage: 99.7 % of file bytes\n" in said(coverage=known, kernel_plane=True)
    before = said(coverage=known, coverage_age_s=3.5, kernel_plane=True)
    assert "coverage: 99.7 % of file bytes · 3.50 s ago" in before


def test_who_delays_it_is_three_rows() -> None:
    row = {
        "cause": "run queue",
        "on": None,
        "owner": "other",
        "delayed_by": "backup",
        "delayed_by_pids": [4242],
        "delayed_by_count": 1,
        "delayed": "serve",
        "delayed_pids": [77],
        "count": 9,
        "total_ms": 812.0,
        "longest_ms": 20.1,
        "at_most": False,
    }
    text = drawn(frame(dataclasses.replace(SNAPSHOT, delays=[row | {} for _ in range(4)]), 80))
    assert text.count("backup (4242)") == 3
    assert drawn(frame(dataclasses.replace(SNAPSHOT, delays=[]), 80)) == drawn(frame(SNAPSHOT, 80))


def test_what_memory_cost_is_a_line() -> None:
    faults = {"minor": 70_510, "major": 26, "killed": 0, "remote_bytes": 0}
    text = drawn(frame(dataclasses.replace(SNAPSHOT, faults=faults), 80))
    assert "\nmemory: page faults 26 major, 70,510 minor\n\nfiles" in text

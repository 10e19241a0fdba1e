# SPDX-License-Identifier: Apache-2.0
"""What the report tells of devices, as text."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from report_example import REPORT, drawn


@pytest.fixture
def report() -> dict[str, Any]:
    return copy.deepcopy(REPORT)


GOLDEN_MEMORY = """\
device memory      most      at  at the end  allocated  in calls
stream ordered  3.0 MiB  1.50 s     1.0 MiB   12 times   1.50 ms
host to device, pageable: 2.0 KiB in 2 calls at 5.0 GiB/s
host to device, pinned: 2.0 KiB in 1 call at 5.0 GiB/s
managed to host: 2.0 KiB in 1 move, 500 µs
managed to device 0: 8.0 KiB in 3 moves, 2.0 KiB of it back, 1.00 ms
allocated again: 1.0 MiB 9 times, 250 µs in these calls
refused: 3 allocations; the first at 2.00 s asked for 1.0 TiB while 3.0 MiB were
held (status 2)
  held: 3.0 MiB stream ordered in 2 allocations by thread 9 of 7, stream or pool
0xff"""


KERNELS = [
    {"name": "void gemm<float, 4>(float*)", "launches": 12, "runs": 24, "device_ms": 6.0},
    {"name": "fill", "launches": 3, "runs": 0, "device_ms": None},
]


GOLDEN_KERNELS = """\
kernel                       launches  runs  on device    each
void gemm<float, 4>(float*)        12    24    6.00 ms  250 µs
fill                                3     0          —       —"""


def test_kernels(report: dict[str, Any]) -> None:
    report["device_time"]["kernels"] = KERNELS
    assert GOLDEN_KERNELS in drawn(report)
    lines = drawn(report, width=60).splitlines()
    assert max(map(len, lines)) <= 60
    assert any(line.split()[-2:] == ["6.00", "ms"] for line in lines)
    # Where nobody told when they ran, they are counted.
    report["device_time"]["kernels"] = [KERNELS[1]] * 7
    said = drawn(report)
    assert "kernel  launches\nfill           3\n" in said
    assert "and 2 more, in --json" in said


def test_calls_that_failed(report: dict[str, Any]) -> None:
    row = {"kind": "gpu.launch", "status": 719, "count": 1200}
    report["device_time"]["failed"] = [row, row | {"kind": "gpu.alloc", "status": 2, "count": 1}]
    said = drawn(report)
    assert "failed: 1,200 gpu.launch (status 719) · failed: 1 gpu.alloc (status 2)" in said
    report["device_time"]["failed"] = [row] * 6
    assert "and 2 more sorts of failure, in --json" in drawn(report)


def test_copies_of_which_nobody_told_the_time_have_no_rate(report: dict[str, Any]) -> None:
    copied = {"kind": "gpu.copy_h2d", "host": "pinned", "count": 2, "bytes": 2048}
    nothing = {key: [] for key in ("processes", "migrations", "churn", "failures")}
    report["memory"] = {
        **nothing,
        "failed": 0,
        "copies": [copied | {"bytes_per_second": None}],
    }
    assert "host to device, pinned: 2.0 KiB in 2 calls\n" in drawn(report)


def test_device_memory(report: dict[str, Any]) -> None:
    sort = {
        "sort": "stream_ordered",
        "allocations": 12,
        "high_water_bytes": 3 << 20,
        "high_water_s": 1.5,
        "in_use_bytes": 1 << 20,
        "alloc_ms": 1.0,
        "free_ms": 0.5,
    }
    copied = {"kind": "gpu.copy_h2d", "count": 2, "bytes": 2048, "bytes_per_second": 5 << 30}
    report["memory"] = {
        "processes": [{"pid": 7, "sorts": [sort]}],
        "copies": [copied | {"host": "pageable"}, copied | {"host": "pinned", "count": 1}],
        "migrations": [
            {"to": "host", "count": 1, "bytes": 2048, "returned_bytes": 0, "total_ms": 0.5},
            {"to": "device 0", "count": 3, "bytes": 8192, "returned_bytes": 2048, "total_ms": 1.0},
        ],
        "churn": [{"size_bytes": 1 << 20, "count": 9, "total_ms": 0.25}],
        "failed": 3,
        "failures": [
            {
                "asked_bytes": 1 << 40,
                "held_bytes": 3 << 20,
                "holders": [
                    {
                        "pid": 7,
                        "tid": 9,
                        "sort": "stream_ordered",
                        "origin": 255,
                        "count": 2,
                        "bytes": 3 << 20,
                    }
                ],
                "time_s": 2.0,
                "status": 2,
            },
        ],
    }
    said = drawn(report)
    assert GOLDEN_MEMORY in said
    assert "stream ordered, pid 7" not in said
    report["memory"]["processes"].append({"pid": 8, "sorts": [sort]})
    assert "stream ordered, pid 7" in drawn(report)
    assert max(map(len, drawn(report, width=60).splitlines())) <= 60


def test_device_time(report: dict[str, Any]) -> None:
    assert "device queue" not in drawn(report)
    report["slowest"]["waits"]["device_queue"] = 0.25
    problem = {"fact": "no device time: nsys\x1b holds it", "remedy": "end it", "processes": 2}
    report["device_time"] |= {"told": 1200, "lost": 3, "residual_ns": 900, "problems": [problem]}
    said = drawn(report)
    assert "device queue 25" in said
    assert "execute is a bound" not in said
    assert "device times of 1,200 runs · clock within 900 ns · 3 lost" in said
    assert "no device time: nsys" in said
    assert "(2 processes) · end it" in said
    assert "\x1b" not in said
    report["slowest"]["at_least"] = ["device_queue"]
    report["stages"][0] |= {"stage": "execute", "bound": "at most"}
    assert "\nexecute ≤" in drawn(report)
    launches = {"count": 9000, "told": 0, "bounded": 1, "without": 8999, "execute": "unknown"}
    report["device_time"]["launches"] = launches
    # As one line, wherever it was broken.
    said = " ".join(drawn(report).split())
    assert "device queue at least 25" in said
    assert "execute is a bound: the program's calls bound the times of 1 launch" in said
    assert "8,999 of 9,000 launches without device time" in said
    assert max(map(len, drawn(report, width=60).splitlines())) <= 60


GOLDEN_STREAMS = """\
stream           work  busy at least  at most  share busy      times
0x55d0c1a2b3c0  1,200         500 ms   750 ms  50 to 75 %  25 % told
default           300        1.00 ms  1.00 ms       1.0 %       told
0x7               200        1.00 ms        —           —     bounds
"""


def test_streams(report: dict[str, Any]) -> None:
    names = ("stream", "works", "works_told", "busy_least_ms", "busy_most_ms", "idle_ms")
    report["device_time"]["streams"] = [
        {"pid": 7, "tid": None} | dict(zip(names, row, strict=True))
        for row in (
            (0x55D0C1A2B3C0, 1200, 300, 500.0, 750.0, 250.0),
            (1, 300, 300, 1.0, 1.0, 99.0),
            (7, 200, 0, 1.0, None, 20.0),
        )
    ]
    said = drawn(report)
    assert GOLDEN_STREAMS in said
    shared = dict(zip(names, (0x7FFF_FFFF_FFFF, 10**7, 0, 1e6, 2e6, 3e6), strict=True))
    many = [{"pid": 4_000_000 + pid, "tid": None} | shared for pid in range(8)]
    report["device_time"]["streams"] = many
    for width in (50, 60, 80):
        said = drawn(report, width=width)
        assert "0x7fffffffffff, pid 4000005 10,000,000" in " ".join(said.split())
        assert "pid 4000006" not in said
        assert "and 2 more, in --json" in said
        assert "times: bounds" in said
        assert "…" not in said.split("seen")[0]
        assert max(map(len, said.splitlines())) <= width
    for row, tid in zip(many, (11, 12), strict=False):
        row |= {"tid": tid, "stream": 2}
    assert "per thread, tid 12 10,000,000" in " ".join(drawn(report).split())


def test_device_times_that_were_not_read_are_no_drops(report: dict[str, Any]) -> None:
    before = drawn(report)
    report["coverage"]["device_times_unread"] = 3
    assert drawn(report).splitlines()[-1].strip() == "device times not read: 3"
    assert drawn(report).splitlines()[:-1] == before.splitlines()


def test_captures_that_were_not_followed_are_told(report: dict[str, Any]) -> None:
    before = drawn(report)
    report["coverage"]["captures_lost"] = 2
    assert "capture" not in before
    assert "2 steps of a capture not followed" in drawn(report)


def test_calls_of_one_device_library_for_another_are_told_as_seen(report: dict[str, Any]) -> None:
    before = drawn(report)
    report["coverage"]["device_calls_beneath"] = 1234
    assert "1,234 calls between device libraries" in drawn(report)
    assert "between" not in before


def test_graphs_collectives_and_storage_fit_80_columns() -> None:
    report = copy.deepcopy(REPORT)
    graphs = {"launches": 1200, "launches_not_told": 2, "nodes": 98_000, "kernels": 90_000}
    row = {"count": 12, "bytes": 3 << 30, "total_ms": 812.5, "p99_ms": 80.0, "waits": False}
    storage = {"direction": "read", "way": "direct", "bounced": False, "failed": 0}
    report["offload"] = {
        "graphs": {**graphs, "kernels_captured": 75},
        "collectives": [{**row, "name": "AllReduce RING SIMPLE Bfloat16" * 3}],
        "storage": [{**storage, **row}],
    }
    text = drawn(report)
    assert "98,000 nodes in them" in text
    assert "read direct" in text
    assert max(map(len, text.splitlines())) <= 80

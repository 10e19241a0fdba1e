# SPDX-License-Identifier: Apache-2.0
"""The report as text at 80 columns."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from typing import Any

import pytest
from report_example import REPORT, drawn


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def report() -> dict[str, Any]:
    return copy.deepcopy(REPORT)


GOLDEN = """\
python examples/serve.py --name 'a b'
vm · 2026-11-21 10:33:12 · 12.34 s · 1,842,233 records · exit 0
run anaros-runs/20261121-103312-4242

5,021 requests · 406.9/s · p50 3.21 ms · p99 9.88 ms

stage, ms  self p50  self p99  wait p50  wait p99  share of slowest 1 %
ingest        0.121     0.453     0.004      2.03  ███▊           31 %
execute        1.50      2.90     0.300      3.10  ███████▊       64 %
persist       0.200     0.400         —         —  ▌             4.5 %

the slowest 51 requests, from 9.88 ms on, waited for
  run queue 12 % · I/O 45 % · lock — · device 0 %

seen      3 of 4 programs from inside · kernel plane on
coverage  99.7 % of file bytes · 100 % of launches
          1 process without the shim: static (a static program)
drops     shim 0 · kernel 12 (sched 12)
overhead  41 ns a record, 0.6 % of a CPU · supervisor 1.2 % of a CPU, 84 MB
          BPF 12.00 ms
policy    3f9a2c1d5b7e · tenant research
changed   devices: CUDA 1, OpenCL all
          not applied: fabric: no interface eth9
damaged   records/segment-00000003.parquet: it is cut off
not seen  pid 77 /bin/static: a static program
          this kernel has no tracepoint napi_poll
          2 programs started without the shim"""


GOLDEN_CALLS = """\
No requests were found; what was called, by kind:

kind              count    bytes   total      p50      p99
file.read     1,200,000  4.6 GiB  697 ms   581 ns  2.10 µs
sched.offcpu         14        —  1.20 s  2.00 ms   250 ms"""


def test_golden_at_80_columns(report: dict[str, Any]) -> None:
    assert drawn(report) == GOLDEN


def test_it_fits_60_columns(report: dict[str, Any]) -> None:
    lines = drawn(report, width=60).splitlines()
    assert max(map(len, lines)) <= 60
    assert any(
        line == "execute       1.50     2.90    0.300     3.10 ██▋    64 %" for line in lines
    )


def test_a_program_without_requests_gets_its_calls(report: dict[str, Any]) -> None:
    report["requests"] = {"count": 0, "per_second": 0.0, "p50_ms": None, "p99_ms": None}
    report["calls"] = [
        {
            "kind": "file.read",
            "plane": "program",
            "count": 1_200_000,
            "bytes": 4_915_200_000,
            "total_ms": 697.2,
            "p50_ms": 0.000581,
            "p99_ms": 0.0021,
        },
        {
            "kind": "sched.offcpu",
            "plane": "kernel",
            "count": 14,
            "bytes": None,
            "total_ms": 1200.0,
            "p50_ms": 2.0,
            "p99_ms": 250.0,
        },
    ]
    said = drawn(report)
    assert GOLDEN_CALLS in said
    assert "slowest" not in said


def test_a_run_without_records_says_so(report: dict[str, Any]) -> None:
    report["requests"]["count"] = 0
    report["run"]["records"] = 0
    assert "Nothing was recorded here." in drawn(report)


def test_what_is_unknown_is_a_dash(report: dict[str, Any]) -> None:
    def unknown(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: unknown(item) for key, item in value.items()}
        return [] if isinstance(value, list) else None

    nothing = unknown(report)
    nothing["drops"]["by_probe"] = {}
    lines = drawn(nothing).splitlines()
    assert lines[:3] == ["—", "— · — · — · — records · ending unknown", "run None"]
    assert "seen      — of — programs from inside · kernel plane —" in lines
    assert "drops     shim — · kernel —" in lines
    assert "overhead  — a record · supervisor — of a CPU, — MB · BPF —" in lines
    assert "policy    none" in lines
    assert "0" not in "".join(lines).replace("p50", "")


@pytest.mark.parametrize(
    ("state", "exit_code", "term_signal", "said"),
    [
        ("running", None, None, "still running"),
        ("finished", 3, None, "exit 3"),
        ("finished", None, 9, "ended by signal 9"),
        ("recovered", None, None, "recovered"),
    ],
)
def test_how_it_ended(
    state: str, exit_code: int | None, term_signal: int | None, said: str, report: dict[str, Any]
) -> None:
    report["run"] |= {"state": state, "exit_code": exit_code, "term_signal": term_signal}
    assert drawn(report).splitlines()[1].endswith(f" · {said}")


def test_a_window_is_named(report: dict[str, Any]) -> None:
    report["run"]["window_s"] = [2.0, 5.5]
    assert "window 2.000 s to 5.500 s after the start" in drawn(report)


def test_whom_it_was_attached_to_is_told(report: dict[str, Any]) -> None:
    report["run"] |= {"attached": [12, 3456], "exit_code": None, "state": "finished"}
    assert "records · attached to 12, 3456" in drawn(report)
    for state in ("recovered", "cut short"):
        report["run"] |= {"state": state}
        told = " ".join(drawn(report).split())
        assert f"attached to 12, 3456, {state}" in told
    report["coverage"]["with_shim"] = None
    assert "seen      2 processes from outside · kernel plane on" in drawn(report)


CLOSEST = """\
vm · 2026-11-21 10:33:12 · 12.34 s
1,842,233 records · exit 0
run anaros-runs/20261121-103312-4242

5,021 requests · 406.9/s · p50 3.21 ms
p99 9.88 ms

           self  self  wait wait slowest
stage, ms   p50   p99   p50  p99     1 %
ingest    0.121 0.453 0.004 2.03    31 %
execute    1.50  2.90 0.300 3.10    64 %
persist   0.200 0.400     —    —   4.5 %
"""


def test_it_fits_50_columns(report: dict[str, Any]) -> None:
    said = drawn(report, width=50)
    assert CLOSEST in said
    assert max(map(len, said.splitlines())) <= 50
    report["requests"]["count"] = 0
    report["calls"] = [
        {
            "kind": "sched.runqueue",
            "plane": "kernel",
            "count": 12_345_678,
            "bytes": 123_456_789,
            "total_ms": 123_456.7,
            "p50_ms": 0.3,
            "p99_ms": 1234.5,
        }
    ]
    said = drawn(report, width=50)
    assert "sched.runqueue 12,345,678 117.7 MiB 123 s 1.23 s" in said
    assert max(map(len, said.splitlines())) <= 50


def test_one_is_not_many(report: dict[str, Any]) -> None:
    report["requests"]["count"] = report["slowest"]["requests"] = 1
    report["run"]["records"] = 1
    report["coverage"] |= {"processes": 1, "with_shim": 1, "vfork_calls": 1, "left_running": [5]}
    said = drawn(report)
    for text in (
        "1 request ·",
        "the slowest 1 request,",
        "· 1 record ·",
        "1 of 1 program from inside",
        "1 call in vfork children",
        "1 process that went on",
    ):
        assert text in said


def test_quotas_and_memory_are_told_where_they_were_waited_for(report: dict[str, Any]) -> None:
    report["slowest"]["waits"] |= {"throttled": 0.3, "memory": 0.0}
    said = drawn(report)
    assert "run queue 12 % · throttled 30 % · I/O 45 % · lock" in said

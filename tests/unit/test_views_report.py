# SPDX-License-Identifier: Apache-2.0
"""The report as text at 80 columns."""

from __future__ import annotations

import copy
import io
import time
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from anaros_cli.views.report import frame

REPORT: dict[str, Any] = {
    "run": {
        "path": "anaros-runs/20261121-103312-4242",
        "command": ["python", "examples/serve.py", "--name", "a b"],
        "host": "vm",
        "start_unix_ns": 1_795_257_192_000_000_000,
        "duration_s": 12.34,
        "names_hidden": False,
        "attached": [],
        "records": 1_842_233,
        "state": "finished",
        "exit_code": 0,
        "term_signal": None,
        "window_s": None,
    },
    "memory": None,
    "device_time": {
        "source": "queue",
        "told": 0,
        "lost": 0,
        "residual_ns": None,
        "processes": 0,
        "refused": 0,
        "launches": {"count": 0, "told": 0, "bounded": 0, "without": 0, "execute": None},
        "streams": [],
        "kernels": [],
        "failed": [],
        "outcomes": [],
        "problems": [],
    },
    "offload": None,
    "requests": {"count": 5021, "per_second": 406.9, "p50_ms": 3.214, "p99_ms": 9.876},
    "stages": [
        {
            "stage": "ingest",
            "self_p50_ms": 0.121,
            "self_p99_ms": 0.453,
            "wait_p50_ms": 0.004,
            "wait_p99_ms": 2.031,
            "share_of_p99": 0.31,
        },
        {
            "stage": "execute",
            "self_p50_ms": 1.502,
            "self_p99_ms": 2.9,
            "wait_p50_ms": 0.3,
            "wait_p99_ms": 3.1,
            "share_of_p99": 0.645,
        },
        {
            "stage": "persist",
            "self_p50_ms": 0.2,
            "self_p99_ms": 0.4,
            "wait_p50_ms": None,
            "wait_p99_ms": None,
            "share_of_p99": 0.045,
        },
    ],
    "slowest": {
        "requests": 51,
        "threshold_ms": 9.876,
        "waits": {"runqueue": 0.123, "io": 0.45, "lock": None, "device": 0.0},
    },
    "calls": [],
    "drops": {"shim": 0, "kernel": 12, "by_probe": {"sched": 12, "block": 0}},
    "coverage": {
        "processes": 4,
        "with_shim": 3,
        "without_shim": [{"pid": 77, "program": "/bin/static", "reason": "a static program"}],
        "without_shim_count": 1,
        "shares": {"file_bytes": 0.9979, "socket_bytes": None, "launches": 1.0, "cpu_time": None},
        "partly_seen": [],
        "cut_short": None,
        "lost_shared_memory": False,
        "left_running": [],
        "kernel_plane": True,
        "probes_since_s": {"sched": 0.0, "mem": 0.24},
        "kernel_until_s": None,
        "kernel_reason": None,
        "kernel_missing": ["this kernel has no tracepoint napi_poll"],
        "damaged_segments": [
            {"name": "records/segment-00000003.parquet", "reason": "it is cut off"}
        ],
        "environments_restored": 1,
        "environments_lost": 2,
        "names_dropped": 0,
        "vfork_calls": 0,
        "unhooked": None,
        "unhooked_names": [],
        "nccl_profiler": None,
        "device_times_unread": 0,
        "device_calls_beneath": 0,
        "captures_lost": 0,
    },
    "overhead": {
        "record_ns": 41.2,
        "records": 1_842_233,
        "recording_s": 0.076,
        "recording_percent": 0.617,
        "supervisor_cpu_s": 0.15,
        "supervisor_cpu_percent": 1.216,
        "supervisor_rss_mb": 83.7,
        "bpf_run_time_ms": 12.0,
    },
    "budget": None,
    "throttled": None,
    "policy": {
        "digest": "3f9a2c1d5b7e" + "0" * 52,
        "tenant": "research",
        "files": ["/etc/anaros/a.yaml"],
        "rewrites": ["devices: CUDA 1, OpenCL all"],
        "not_applied": ["fabric: no interface eth9"],
    },
}

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


def drawn(report: dict[str, Any], width: int = 80) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False, markup=False).print(frame(report, width))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


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


def test_whom_it_was_attached_to_is_told(report: dict[str, Any]) -> None:
    report["run"] |= {"attached": [12, 3456], "exit_code": None, "state": "finished"}
    assert "records · attached to 12, 3456" in drawn(report)


def test_hidden_names_are_told(report: dict[str, Any]) -> None:
    report["run"] |= {"names_hidden": True, "command": ["python"]}
    said = drawn(report)
    assert said.splitlines()[0] == "python (arguments hidden)"
    assert "hidden    names of files, peers and threads, and the command's arguments" in said


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


def test_quotas_and_memory_are_told_where_they_were_waited_for(report: dict[str, Any]) -> None:
    report["slowest"]["waits"] |= {"throttled": 0.3, "memory": 0.0}
    said = drawn(report)
    assert "run queue 12 % · throttled 30 % · I/O 45 % · lock" in said


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

# SPDX-License-Identifier: Apache-2.0
"""A report of everything, for the tests of what draws it."""

from __future__ import annotations

import io
from typing import Any

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
    "delays": None,
    "faults": None,
    "network": None,
    "drops": {"shim": 0, "kernel": 12, "by_probe": {"sched": 12, "block": 0}},
    "coverage": {
        "processes": 4,
        "with_shim": 3,
        "without_shim": [{"pid": 77, "program": "/bin/static", "reason": "a static program"}],
        "without_shim_count": 1,
        "shares": {"file_bytes": 0.9979, "socket_bytes": None, "launches": 1.0, "cpu_time": None},
        "filled": {"file_bytes": 0.0, "socket_bytes": None, "launches": 0.0, "cpu_time": None},
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


def drawn(report: dict[str, Any], width: int = 80) -> str:
    """The report as text, without the spaces at the ends of lines."""
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False, markup=False).print(frame(report, width))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())

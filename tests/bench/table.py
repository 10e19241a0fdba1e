# SPDX-License-Identifier: Apache-2.0
"""docs/measured.md: the numbers of the last full run, on which machine and when."""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path

BEGIN = "<!-- bench: begin -->"
END = "<!-- bench: end -->"


def row(key: str, what: str, bar: str) -> tuple[str, str, str]:
    """One line of the table."""
    return key, what, bar


#: Key, what it is, the bar of the design.
ROWS: tuple[tuple[str, str, str], ...] = (
    row("pread_added_ns", "added to each 4 KiB cached `pread`, ns", "≤ 60"),
    row("recv_added_ns", "added to each 64-byte `recv`, ns", "≤ 60"),
    row("opencl_enqueue_added_ns", "added to each kernel enqueued to OpenCL, ns", "≤ 60"),
    row("cuda_launch_added_ns", "added to each launch on the simulated CUDA driver, ns", "≤ 60"),
    row("cuda_launch_8_threads_added_ns", "the same on eight threads, ns of the thread", "≤ 60"),
    row("cuda_launch_p50_added_ns", "p50 of single launches: added, ns", "≤ 60"),
    row("cuda_launch_8_threads_p50_added_ns", "the same on eight threads, ns", "≤ 60"),
    row("cuda_runtime_launch_added_ns", "added to each launch by the CUDA runtime, ns", "≤ 60"),
    row("cuda_runtime_launch_8_threads_added_ns", "the same on eight threads, ns", "≤ 60"),
    row("cuda_copy_added_ns", "added to each copy on the simulated CUDA driver, ns", "≤ 60"),
    row("cuda_queue_added_percent", "`--device-time queue` against `off`, % of a launch", "≤ 1"),
    row("cuda_kernel_added_ns", "`kernel` against `off`, simulated CUPTI, ns a launch", "—"),
    row("cuda_startup_added_ms", "added until a CUDA runtime is ready, ms", "≤ 20"),
    row("cuda_growth_bytes", "memory that 10⁷ launches add to the program, bytes", "0"),
    row("cuda_growth_ring_bytes", "pages of the 128 MiB ring first used meanwhile, bytes", "—"),
    row("cuda_accounted_percent", "launches, copies, bytes recorded on paths A to F, %", "100"),
    row("drain_records_per_s", "records drained to columns each second, one core", "≥ 10 M"),
    row("store_records_per_s", "records written to Parquet each second", "≥ 3 M"),
    row("bytes_per_record", "bytes on disk for each record of the example server", "≤ 8"),
    row("startup_added_ms", "added until the program's first instruction, ms", "≤ 120"),
    row("startup_kernel_added_ms", "the same with the kernel plane, ms", "≤ 200"),
    row("short_run_added_ms", "added to `true` from start to end, ms", "—"),
    row("short_run_kernel_added_ms", "the same with the kernel plane, ms", "—"),
    row("server_throughput_ratio", "requests per second of the example server", "≥ 0.99"),
    row("server_p99_ratio", "p99 of its request time", "≤ 1.02"),
    row("supervisor_cpu_percent", "supervisor at 20 k records/s, % of a core", "≤ 3"),
    row("supervisor_rss_mb", "memory of the supervisor, MB", "≤ 150"),
    row("zero_loss_records_per_s", "records/s that arrived at 1 M/s for 10 s", "all"),
    row("zero_loss_dropped_records", "records dropped meanwhile", "0"),
    row("report_10m_s", "first report on 10 M records, s", "≤ 2"),
    row("real_postgresql_run_ratio", "transactions per second of `pgbench -S`, run", "≥ 0.99"),
    row("real_postgresql_attach_ratio", "the same, attached", "≥ 0.99"),
    row("real_redis_run_ratio", "requests per second of `redis-benchmark`, run", "≥ 0.99"),
    row("real_redis_attach_ratio", "the same, attached", "≥ 0.99"),
    row("real_nginx_run_ratio", "requests per second of `wrk` on nginx, run", "≥ 0.99"),
    row("real_nginx_attach_ratio", "the same, attached", "≥ 0.99"),
    row("real_fio_sync_run_ratio", "fio, reads from a disk per second, `sync`, run", "≥ 0.99"),
    row("real_fio_sync_attach_ratio", "the same, attached", "≥ 0.99"),
    row("real_fio_uring_run_ratio", "fio, the same with `io_uring`, run", "≥ 0.99"),
    row("real_fio_uring_attach_ratio", "the same, attached", "≥ 0.99"),
    row("real_iperf3_run_ratio", "bits per second of iperf3 over loopback, run", "≥ 0.99"),
    row("real_iperf3_attach_ratio", "the same, attached", "≥ 0.99"),
    row("peer_strace_pread_added_ns", "`strace -e pread64`, the same `pread`, ns", ""),
    row("peer_perf_trace_pread_added_ns", "`perf trace -e pread64`, ns", ""),
    row("peer_bpftrace_pread_added_ns", "`bpftrace`, a histogram and no records, ns", ""),
    row("peer_dftracer_pread_added_ns", "DFTracer, ns", ""),
)


def text(value: float | None) -> str:
    """A number as a person reads it; ``—`` for what was not measured."""
    if value is None:
        return "—"
    size = abs(value)
    if size >= 1e6:
        return f"{value / 1e6:.2f} M"
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3f}" if size < 10 else f"{value:.1f}"


def machine() -> str:
    """Processor, cores, memory and kernel of this machine."""
    models = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    memory_kib = int(re.findall(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[0])
    name = models[0] if models else platform.machine()
    cores = len(os.sched_getaffinity(0))
    return f"{name}, {cores} cores, {memory_kib >> 20} GiB, Linux {platform.release()}"


def markdown(
    results: Mapping[str, float | None], notes: Mapping[str, str], earlier: str = ""
) -> str:
    """The block between the two marks; what was not measured now stays as ``earlier`` has it."""
    date = dt.datetime.now(tz=dt.UTC).date()
    lines = [
        BEGIN,
        f"{machine()}; {date}; medians of pairs, with and without in turn.",
        "",
        "| what | measured | bar | key |",
        "|---|---|---|---|",
    ]
    reasons = []
    for key, what, bar in ROWS:
        if key in results:
            lines.append(f"| {what} | {text(results[key])} | {bar} | `{key}` |")
        else:
            lines += re.findall(rf"^\|.*\| `{key}` \|$", earlier, re.M)
            reasons += re.findall(rf"^- `{key}`: .*$", earlier, re.M)
    reasons += [f"- `{key}`: {note.rstrip('.')}." for key, note in notes.items()]
    return "\n".join([*lines, "", *reasons, END]).replace("\n\n" + END, "\n" + END)


def write(path: Path, results: Mapping[str, float | None], notes: Mapping[str, str]) -> None:
    """Puts the block in place of the one in ``path``; the rest of the page stays."""
    page = path.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN, 1)
    earlier, after = rest.split(END, 1)
    path.write_text(before + markdown(results, notes, earlier) + after, encoding="utf-8")

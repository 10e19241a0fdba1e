# SPDX-License-Identifier: Apache-2.0
"""What one recorded call costs, what peers add to it, and what a start costs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from measure import (
    Bench,
    Command,
    NotMeasured,
    in_turn,
    ns_per_call,
    started_ms,
    wall_ms,
)

# Fewer records than a segment holds: the calls are measured, not the writing of Parquet beside
# them, which on two hardware threads of one core doubles the time of any program. What writing
# costs is in the supervisor's share and in the server's ratios.


def _added(bench: Bench, command: Command, extra: dict[str, str] | None = None) -> float:
    output = bench.scratch / "run"
    wrapped = bench.run_under(output, command, kernel=False)
    settled = {"BENCH_SETTLE_MS": "1000", **(extra or {})}

    def with_it() -> float:
        shutil.rmtree(output, ignore_errors=True)
        return ns_per_call(wrapped, settled)

    return in_turn(lambda: ns_per_call(command, settled), with_it, bench.pair_count).added


def pread(bench: Bench) -> float:
    """Added ns for each 4 KiB ``pread`` from the page cache."""
    return _added(bench, [bench.program("pread_loop"), str(bench.calls(400_000))])


def recv(bench: Bench) -> float:
    """Added ns for each 64-byte ``recv`` from a local socket."""
    return _added(bench, [bench.program("recv_loop"), str(bench.calls(200_000))])


def opencl_enqueue(bench: Bench) -> float:
    """Added ns for each kernel enqueued to an OpenCL that does nothing."""
    extra = {"BENCH_OPENCL": str(bench.library("opencl_enqueue_loop"))}
    return _added(bench, [bench.program("opencl_enqueue_loop"), str(bench.calls(400_000))], extra)


def startup(bench: Bench, kernel: bool) -> float:
    """Added ms until the program's first instruction."""
    program = [str(bench.program("started"))]
    output = bench.scratch / "run"
    wrapped = bench.run_under(output, program, kernel)

    def with_it() -> float:
        shutil.rmtree(output, ignore_errors=True)
        return started_ms(wrapped)

    return in_turn(lambda: started_ms(program), with_it, bench.pair_count).added


def short_run(bench: Bench, kernel: bool) -> float:
    """Added ms from the start of ``true`` to its end, all records durable."""
    output = bench.scratch / "run"
    wrapped = bench.run_under(output, ["true"], kernel)

    def with_it() -> float:
        shutil.rmtree(output, ignore_errors=True)
        return wall_ms(wrapped)

    return in_turn(lambda: wall_ms(["true"]), with_it, bench.pair_count).added


def _dftracer(loop: Sequence[str], log: Path) -> tuple[list[str], dict[str, str]]:
    place = Path(os.environ.get("BENCH_DFTRACER", sys.prefix))
    found = sorted(place.glob("lib/python*/site-packages/**/libdftracer_preload.so"))
    if not found:
        raise NotMeasured("no environment with dftracer is named by BENCH_DFTRACER")
    return list(loop), {
        "LD_PRELOAD": str(found[0]),
        "DFTRACER_ENABLE": "1",
        "DFTRACER_INIT": "PRELOAD",
        "DFTRACER_DATA_DIR": "/tmp",
        "DFTRACER_LOG_FILE": str(log),
    }


BPFTRACE_PROGRAM = """
tracepoint:syscalls:sys_enter_pread64 /pid == cpid/ { @start[tid] = nsecs; }
tracepoint:syscalls:sys_exit_pread64 /@start[tid]/ {
    @ns = hist(nsecs - @start[tid]); delete(@start[tid]);
}
"""


def _wrapped(name: str, loop: Sequence[str], log: Path) -> tuple[list[str], dict[str, str]]:
    if name == "dftracer":
        return _dftracer(loop, log)
    tool = shutil.which("perf" if name == "perf_trace" else name)
    if tool is None:
        raise NotMeasured(f"{name} is not installed")
    if name == "strace":
        return [tool, "-f", "-T", "-e", "trace=pread64", "-o", str(log), *loop], {}
    if name == "perf_trace":
        return [tool, "trace", "-e", "pread64", "-o", str(log), "--", *loop], {}
    script = log.with_suffix(".bt")
    script.write_text(BPFTRACE_PROGRAM)
    return [tool, "-o", str(log), "-c", " ".join(loop), str(script)], {}


#: Peers, and how much shorter than ours their loop is.
PEERS = {"strace": 50, "perf_trace": 50, "bpftrace": 4, "dftracer": 10}


def peer_pread(bench: Bench, name: str) -> float:
    """Added ns for each ``pread`` under another tracer, in turn with the bare loop.

    Raises:
        NotMeasured: The tool is not installed, or does not work here.
    """
    calls = max(20_000, bench.calls(400_000) // PEERS[name])
    loop = [str(bench.program("pread_loop")), str(calls)]
    command, extra = _wrapped(name, loop, bench.scratch / f"{name}.log")
    count = min(5, bench.pair_count)
    added = in_turn(lambda: ns_per_call(loop), lambda: ns_per_call(command, extra), count).added
    traced = sum(file.stat().st_size for file in bench.scratch.glob("dftracer*"))
    if name == "dftracer" and traced < calls:
        raise NotMeasured("dftracer recorded nothing")
    return added

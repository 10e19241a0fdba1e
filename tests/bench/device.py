# SPDX-License-Identifier: Apache-2.0
"""What a CUDA program pays, over the simulated driver: calls, start, memory; what is recorded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

from measure import (
    ROOT,
    Bench,
    Command,
    NotMeasured,
    Pairs,
    environment,
    in_turn,
    ns_per_call,
    run_json,
)

NATIVE = ROOT / "tests/native"


def _simulated(*more: str) -> dict[str, str]:
    """Builds the simulated driver and what else is named; the environment that finds it."""
    for name in ("cuda_sim", *more):
        subprocess.run(["make", "-s", "-C", NATIVE / name], check=True)
    return {
        "LD_LIBRARY_PATH": str(NATIVE / "cuda_sim/build"),
        "ANAROS_SIM_SPEED": "0",
        "ANAROS_SIM_INLINE": "1",
        "BENCH_SETTLE_MS": "1000",
    }


def _loop_pairs(
    bench: Bench,
    name: str,
    calls: int,
    first: str | None,
    second: str,
    most: int = 9,
    runtime: bool = False,
    threads: int | None = None,
) -> Pairs:
    """A loop by two ways in turn: bare (None) or with a ``--device-time``.

    ``threads`` is for the loop that takes a number of them.
    """
    needs = [*(["cupti_sim"] if second == "kernel" else []), *(["cudart"] if runtime else [])]
    extra = _simulated(*needs)
    extra["ANAROS_CUPTI"] = str(NATIVE / "cupti_sim/build/libcupti.so.13")
    program = bench.runtime_program(name) if runtime else bench.program(name)
    command: Command = [program, str(bench.calls(calls)), *([str(threads)] if threads else [])]
    output = bench.scratch / "run"

    def once(device_time: str | None) -> float:
        if device_time is None:
            return ns_per_call(command, extra)
        option = f"--device-time={device_time}"
        return ns_per_call(bench.run_under(output, command, False, option), extra)

    return in_turn(lambda: once(first), lambda: once(second), min(most, bench.pair_count))


def launch(bench: Bench) -> float:
    """Added ns for each kernel launched, on one thread."""
    return _loop_pairs(bench, "cuda_launch_loop", 400_000, None, "queue").added


def launch_threads(bench: Bench) -> float:
    """Added ns of a thread's own processor time for each kernel launched, on eight threads."""
    return _loop_pairs(bench, "cuda_threads_loop", 800_000, None, "queue").added


def launch_p50(bench: Bench, threads: int) -> float:
    """Added ns at the median of single launches, each timed by itself, on so many threads."""
    return _loop_pairs(bench, "cuda_each_launch", 400_000, None, "queue", threads=threads).added


def runtime_launch(bench: Bench) -> float:
    """Added ns for each kernel launched by a program that is linked with the runtime."""
    return _loop_pairs(bench, "cuda_launch_loop", 400_000, None, "queue", runtime=True).added


def runtime_launch_threads(bench: Bench) -> float:
    """The same on eight threads: ns of a thread's own processor time."""
    return _loop_pairs(bench, "cuda_threads_loop", 800_000, None, "queue", runtime=True).added


def copy(bench: Bench) -> float:
    """Added ns for each copy enqueued."""
    return _loop_pairs(bench, "cuda_copy_loop", 400_000, None, "queue").added


def queue_percent(bench: Bench) -> float:
    """What ``--device-time queue`` adds to a launch, in % of a recorded one without it."""
    return 100 * (_loop_pairs(bench, "cuda_launch_loop", 400_000, "off", "queue").ratio - 1)


def kernel_added(bench: Bench) -> float:
    """Added ns for each launch where the simulated CUPTI tells device time, against ``off``."""
    return _loop_pairs(bench, "cuda_launch_loop", 400_000, "off", "kernel", most=5).added


def startup(bench: Bench) -> float:
    """Added ms between a CUDA program's first instruction and a runtime that is ready."""
    extra = _simulated("cudart")
    extra["BENCH_CUDART"] = str(NATIVE / "cudart/build/one/libcudart-one.so.13")
    command = [bench.program("cuda_started")]
    output = bench.scratch / "run"

    def with_it() -> float:
        return run_json(bench.run_under(output, command, False), extra)["ms"]

    return in_turn(lambda: run_json(command, extra)["ms"], with_it, bench.pair_count).added


def growth(bench: Bench) -> dict[str, float | None]:
    """What a program's resident memory grew between 10⁵ and 10⁷ launches: its own, and the ring.

    The ring is 128 MiB from the start; a page of it is resident once it was needed, which is when
    the drain lags behind for a moment.
    """
    command: Command = [bench.program("cuda_growth"), str(bench.calls(10_000_000))]
    told = run_json(bench.run_under(bench.scratch / "run", command, False), _simulated())
    shutil.rmtree(bench.scratch / "run", ignore_errors=True)
    return {
        "cuda_growth_bytes": told["own_growth_bytes"],
        "cuda_growth_ring_bytes": told["shared_growth_bytes"],
    }


def accounted_percent() -> float:
    """The least share of launches, copies and bytes that is recorded, over the paths A to F."""
    command = [sys.executable, "-m", "gpu_check", "--simulated", "--quick", "--json"]
    for name in (
        "driver_dlsym",
        "driver_graph",
        "driver_linked",
        "runtime_shared",
        "runtime_static",
        "runtime_entry_point",
        "runtime_dlsym",
    ):
        command += ["--only", name]
    place = environment()
    place["PYTHONPATH"] = f"{ROOT / 'tests/gpu'}:{place['PYTHONPATH']}"
    done = subprocess.run(
        command, env=place, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    if not done.stdout.startswith("{"):
        tail = done.stderr.strip().splitlines()[-1:] or ["no output"]
        raise NotMeasured(f"the check of the paths ended with {done.returncode}: {tail[0]}")
    parts = json.loads(done.stdout)["parts"]
    if absent := [part["name"] for part in parts if part["accounted"] is None]:
        raise NotMeasured(f"not all paths could be checked: {', '.join(absent)}")
    shares: list[float] = [part["accounted"] for part in parts]
    return 100 * min(shares)

# SPDX-License-Identifier: Apache-2.0
"""Device time in a run: told by the simulated CUPTI, and in the stages of a loop."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anaros import report
from anaros.store import sql
from anaros.store.rundir import RunDirectory

NATIVE = Path(__file__).resolve().parents[1] / "native"

#: Steps of a loop: a file is read, bytes go to the device, two kernels run for 1 ms each, and bytes
#: come back.
LOOP = """
import ctypes, hashlib, os, sys
from cuda.bindings import driver as cu

def ok(result):
    assert result[0] == 0, result[0]
    return result[1] if len(result) == 2 else result[1:]

ok(cu.cuInit(0))
device = ok(cu.cuDeviceGet(0))
ok(cu.cuCtxSetCurrent(ok(cu.cuDevicePrimaryCtxRetain(device))))
stream = ok(cu.cuStreamCreate(1))
busy = ok(cu.cuModuleGetFunction(ok(cu.cuModuleLoadData(b"anaros-sim-image\\n\\0")), b"busy"))
operations = ctypes.c_uint64(4_000_000_000)
held = (ctypes.c_void_p * 1)(ctypes.addressof(operations))
memory = ok(cu.cuMemAlloc(4096))
sent, back = ctypes.create_string_buffer(b"x" * 4096), ok(cu.cuMemAllocHost(4096))
data = os.open(sys.executable, os.O_RDONLY)
for step in range(20):
    os.pread(data, 4096, 0)
    ok(cu.cuMemcpyHtoDAsync(memory, ctypes.addressof(sent), 4096, stream))
    for _ in range(2):
        ok(cu.cuLaunchKernel(busy, 1, 1, 1, 1, 1, 1, 0, stream, ctypes.addressof(held), 0))
    ok(cu.cuMemcpyDtoHAsync(back, memory, 4096, stream))
    ok(cu.cuStreamSynchronize(stream))
print(hashlib.sha256(ctypes.string_at(back, 4096)).hexdigest())
raise SystemExit(5)
"""

#: Kernels of 20 ms each, asked for until they are done. What is printed is for how many ns the
#: program itself knows that they were not.
POLL = (
    LOOP[: LOOP.index("memory =")]
    + """
import time
operations.value = 80_000_000_000
known_ns = 0
for step in range(5):
    ok(cu.cuLaunchKernel(busy, 1, 1, 1, 1, 1, 1, 0, stream, ctypes.addressof(held), 0))
    launched_ns = last_ns = time.monotonic_ns()
    while True:
        asked_ns = time.monotonic_ns()
        answer = cu.cuStreamQuery(stream)[0]
        if answer == cu.CUresult.CUDA_SUCCESS:
            break
        assert answer == cu.CUresult.CUDA_ERROR_NOT_READY
        last_ns = asked_ns
    known_ns += last_ns - launched_ns
print(known_ns)
"""
)


@pytest.fixture(scope="module")
def simulated() -> dict[str, str]:
    """An environment with the simulated driver and its CUPTI."""
    pytest.importorskip("cuda.bindings")
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("needs make and a C compiler")
    for name in ("cuda_sim", "cupti_sim"):
        subprocess.run(["make", "-s", "-C", NATIVE / name], check=True, capture_output=True)
    return {
        **os.environ,
        "LD_LIBRARY_PATH": str(NATIVE / "cuda_sim/build"),
        "ANAROS_CUPTI": str(NATIVE / "cupti_sim/build/libcupti.so.13"),
        "ANAROS_SIM_CUPTI_OFFSET_NS": "987654321000",
        "ANAROS_SIM_CUPTI_DRIFT_PPM": "40",
    }


Run = Callable[..., tuple[subprocess.CompletedProcess[str], RunDirectory]]


@pytest.fixture
def recorded(simulated: dict[str, str], tmp_path: Path) -> Run:
    def run(
        source: str, mode: str, **more: str
    ) -> tuple[subprocess.CompletedProcess[str], RunDirectory]:
        out = tmp_path / f"run-{mode}-{len(list(tmp_path.iterdir()))}"
        words = ["run", "--no-kernel", "--device-time", mode, "--output", str(out), "--"]
        done = subprocess.run(
            [sys.executable, "-m", "anaros_cli", *words, sys.executable, "-c", source],
            env={**simulated, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **more},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done, RunDirectory.open(out)

    return run


def kernels(run: RunDirectory) -> list[tuple[Any, ...]]:
    found = sql.query(
        run,
        "SELECT duration_ns, context, tid, pid FROM records WHERE kind = 'gpu.execute'"
        " ORDER BY start_ns",
    )
    return list(found.rows)


def test_the_stage_of_a_loop_is_the_time_on_the_device(recorded: Run) -> None:
    done, run = recorded(LOOP, "kernel")
    assert done.returncode == 5, done.stderr
    ran = kernels(run)
    assert len(ran) == 40
    built = report.build(run)
    told = built["device_time"]
    assert told["source"] == "kernel"
    assert (told["told"], told["lost"], told["refused"]) == (80, 0, 0)
    assert [each["outcome"] for each in told["outcomes"]] == ["on"]
    assert told["residual_ns"] is not None
    spans = sql.query(
        run,
        "SELECT sum(self_ns), sum(wait_device_queue_ns) FROM spans WHERE stage = 'execute'",
    ).rows[0]
    on_device = sum(row[0] for row in ran)
    requests = built["requests"]["count"]
    assert requests >= 18
    # All but the first or last step are requests; each step's kernels are in its execute.
    assert on_device * 0.8 < spans[0] < on_device * 1.1
    assert spans[1] is not None
    assert built["slowest"]["waits"]["device_queue"] is not None
    assert built["slowest"]["at_least"] == []
    assert told["launches"] == {
        "count": 40,
        "told": 40,
        "bounded": 0,
        "without": 0,
        "execute": "told",
    }
    (kernel,) = told["kernels"]
    assert (kernel["name"], kernel["launches"], kernel["runs"]) == ("busy", 40, 40)
    assert kernel["device_ms"] == pytest.approx(on_device / 1e6)
    # No thread waited for the copies: how fast they were is what CUPTI tells.
    moved = sql.query(run, "SELECT kind, timed_bytes, timed_ns FROM copies ORDER BY kind").rows
    took = sql.query(run, "SELECT sum(duration_ns) FROM records WHERE kind = 'gpu.transfer'").rows[
        0
    ][0]
    assert [(row[0], row[1]) for row in moved] == [
        ("gpu.copy_h2d", 20 * 4096),
        ("gpu.copy_d2h", 20 * 4096),
    ]
    assert sum(row[2] for row in moved) == took
    # The stream's times are those that were told, not what the calls bound.
    (stream,) = told["streams"]
    worked = sql.query(
        run, "SELECT sum(duration_ns) FROM records WHERE kind IN ('gpu.execute', 'gpu.transfer')"
    ).rows[0][0]
    assert (stream["works"], stream["works_told"]) == (80, 80)
    assert stream["busy_least_ms"] >= 39  # 40 kernels of 1 ms
    assert (
        stream["busy_least_ms"] == stream["busy_most_ms"] == pytest.approx(worked / 1e6, rel=1e-3)
    )
    assert all(copy["bytes_per_second"] for copy in built["memory"]["copies"])
    rows = sql.query(
        run, "SELECT bool_and(told), sum(sure_ns), sum(end_ns - start_ns) FROM busy"
    ).rows
    assert rows[0][0] is True
    assert rows[0][1] == rows[0][2]


@pytest.mark.parametrize("mode", ["off", "queue"])
def test_without_cupti_nothing_is_loaded_and_told(recorded: Run, mode: str) -> None:
    done, run = recorded(LOOP, mode)
    assert done.returncode == 5, done.stderr
    built = report.build(run)
    assert built["device_time"]["source"] == mode
    assert (built["device_time"]["told"], built["device_time"]["outcomes"]) == (0, [])
    shares, launches = built["slowest"], built["device_time"]["launches"]
    spans = sql.query(
        run,
        "SELECT sum(self_ns), sum(wait_device_ns) FROM spans WHERE stage = 'execute'",
    ).rows[0]
    known = (launches["told"], launches["bounded"], launches["without"], launches["execute"])
    if mode == "off":
        assert (shares["waits"]["device_queue"], shares["at_least"]) == (None, [])
        assert known == (0, 0, 40, "unknown")
        # The kernels are in it all the same, as a wait that nobody can divide.
        assert spans[1] > 36_000_000
    else:
        assert (shares["waits"]["device_queue"], shares["at_least"]) == (0, ["device_queue"])
        assert known == (0, 40, 0, "bounds")
        assert spans[0] > 36_000_000
        assert spans[1] < 4_000_000
    rows = sql.query(run, "SELECT start_ns, end_ns, sure_ns, works FROM busy ORDER BY 1").rows
    if mode == "off":
        assert (rows, built["device_time"]["streams"]) == ([], [])
        return
    (kernel,) = built["device_time"]["kernels"]
    assert kernel == {"name": "busy", "launches": 40, "runs": 0, "device_ms": None}
    # Each step is waited for: 2 ms of kernels lie between what is sure and what may be.
    steps = [row for row in rows if row[3] == 4]
    assert len(steps) == 20
    for start, end, sure, _ in steps:
        assert sure <= end - start
        assert end - start >= 1_800_000
        assert sure >= 1_000_000
    (stream,) = built["device_time"]["streams"]
    assert (stream["works"], stream["works_told"]) == (80, 0)
    assert 0 < stream["busy_least_ms"] <= stream["busy_most_ms"]
    assert stream["idle_ms"] > 0


def test_a_loop_that_asks_proves_all_the_time_until_its_last_no(recorded: Run) -> None:
    done, run = recorded(POLL, "queue")
    assert done.returncode == 0, done.stderr
    known_ns = int(done.stdout)
    assert known_ns > 0
    (stream,) = report.build(run)["device_time"]["streams"]
    residual_ns = run.meta()["clock"]["residual_max_ns"] or 0
    assert stream["busy_least_ms"] * 1e6 >= known_ns - 10 * residual_ns
    assert stream["busy_least_ms"] <= stream["busy_most_ms"]
    asked = sql.query(run, "SELECT count(*) FROM records WHERE kind = 'gpu.query'").rows[0][0]
    assert 5 < asked <= 15  # a yes and at most two noes for each


def test_the_program_is_the_same_whatever_becomes_of_cupti(
    recorded: Run, simulated: dict[str, str]
) -> None:
    bare = subprocess.run(
        [sys.executable, "-c", LOOP],
        env=simulated,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    simulated_file = simulated["ANAROS_CUPTI"]
    for more, outcome, fact, remedy in (
        ({}, "on", "", ""),
        (
            {"ANAROS_SIM_CUPTI_HOLDER": "nsys"},
            "seat held",
            "no device time: nsys holds CUPTI, which serves one tool at a time",
            "end the other tool",
        ),
        (
            {"ANAROS_CUPTI": "/nowhere/libcupti.so.13"},
            "no library",
            "no device time: ANAROS_CUPTI names /nowhere/libcupti.so.13: cannot be read",
            "set ANAROS_CUPTI to the path of a libcupti.so.13 or .12, or unset it",
        ),
        (
            {"ANAROS_CUPTI": "libcupti.so.13"},
            "no library",
            "no device time: ANAROS_CUPTI names libcupti.so.13: is not an absolute path",
            "set ANAROS_CUPTI to the path",
        ),
        (
            {"ANAROS_SIM_CUPTI_VERSION": "140100"},
            "unknown version",
            f"no device time: {simulated_file} is of version 140100, which this anaros does",
            "set ANAROS_CUPTI to the path of one of CUDA 12 or 13",
        ),
    ):
        done, run = recorded(LOOP, "kernel", **more)
        assert (done.returncode, done.stdout) == (bare.returncode, bare.stdout)
        told = report.build(run)["device_time"]
        (said,) = told["outcomes"]
        assert said["outcome"] == outcome
        if outcome == "seat held":
            assert (said["by"], said["result"]) == ("nsys", 39)
        if outcome == "on":
            assert (done.stderr, told["problems"]) == (bare.stderr, [])
            continue
        assert done.stderr.removeprefix(bare.stderr).startswith(f"anaros: {fact}")
        assert done.stderr.count("no device time") == 1
        (problem,) = told["problems"]
        assert problem["fact"].startswith(fact)
        assert problem["remedy"].startswith(remedy)
        assert f"\n  {remedy}" in done.stderr
        assert json.dumps(told)


#: A profiler that takes the seat before the program begins.
TOOL = """
int cuptiSubscribe(void **subscriber, void *callback, void *data);
static void *subscriber;
__attribute__((constructor)) static void begin(void) { cuptiSubscribe(&subscriber, 0, 0); }
"""


@pytest.mark.parametrize("way", ["linked", "injected"])
def test_the_library_that_holds_the_seat_is_named(
    recorded: Run, simulated: dict[str, str], tmp_path: Path, way: str
) -> None:
    """Where CUPTI knows no name of the tool: by what the process has loaded."""
    library = tmp_path / "libsome-profiler.so"
    cupti = simulated["ANAROS_CUPTI"]
    words = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)]
    words += ["-x", "none", cupti, f"-Wl,-rpath,{Path(cupti).parent}"]
    subprocess.run(words, input=TOOL, text=True, check=True)
    more = {"CUDA_INJECTION64_PATH": str(library)} if way == "injected" else {}
    done, run = recorded(LOOP, "kernel", LD_PRELOAD=str(library), **more)
    assert done.returncode == 5, done.stderr
    (said,) = report.build(run)["device_time"]["outcomes"]
    assert (said["outcome"], said["by"]) == ("seat held", "another tool (libsome-profiler.so)")
    assert "no device time: another tool (libsome-profiler.so) holds CUPTI" in done.stderr


def test_with_hidden_names_a_file_is_told_without_its_folder(
    simulated: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = ["run", "--no-kernel", "--hide-names", "--device-time", "kernel", "--output", str(out)]
    subprocess.run(
        [sys.executable, "-m", "anaros_cli", *words, "--", sys.executable, "-c", LOOP],
        env={
            **simulated,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "ANAROS_CUPTI": "/secret/place/libcupti.so.13",
        },
        capture_output=True,
        check=False,
        timeout=60,
    )
    told = json.dumps(report.build(RunDirectory.open(out))["device_time"])
    assert "ANAROS_CUPTI names libcupti.so.13" in told
    assert "secret" not in told


@pytest.mark.parametrize("mode", ["queue", "kernel"])
def test_xray_tells_what_the_device_did(
    simulated: dict[str, str], tmp_path: Path, mode: str
) -> None:
    """On the run while it goes on, and on the finished one, at 80 columns."""
    out, ready = tmp_path / "run", tmp_path / "ready"
    tail = LOOP.index("for step in range(20):")
    loop = LOOP[:tail].replace("import ctypes", "import time, ctypes", 1)
    loop += f"until = time.monotonic() + 30\nstep = 0\nwhile not os.path.exists({str(ready)!r})"
    loop += " and time.monotonic() < until:\n" + "".join(
        line for line in LOOP[tail:].splitlines(keepends=True)[1:] if line.startswith("    ")
    )
    env = {
        **simulated,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "COLUMNS": "80",
    }
    anaros = [sys.executable, "-m", "anaros_cli"]
    words = ["run", "--no-kernel", "--device-time", mode, "--output", str(out), "--"]

    def look(*more: str) -> str:
        words = [*anaros, "xray", "--seconds", "2", *more, str(out)]
        done = subprocess.run(
            words, env=env, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout

    with subprocess.Popen([*anaros, *words, sys.executable, "-c", loop], env=env) as run:
        try:
            live = _until_drawn(look)
        finally:
            ready.touch()
        assert run.wait(60) == 0
    for frame, state in ((live, "live"), (look(), "finished")):
        lines = frame.splitlines()
        assert state in lines[0]
        assert max(map(len, lines)) <= 80
        # What CUPTI has not told yet is bounded as long.
        bounds = mode == "queue" or (state == "live" and "\nexecute ≤" in frame)
        name = "execute ≤" if bounds else "execute"
        (row,) = [line for line in lines if line.startswith("execute")]
        # Two kernels of 1 ms in each step.
        assert row.startswith(name + "  ")
        assert 1.5 < float(row.removeprefix(name).split()[0]) < 20
        (waits,) = [line for line in lines if "device queue" in line]
        assert ("device queue at least" in waits) == bounds
        (heading,) = [line for line in lines if line.startswith("kernels")]
        assert heading.endswith("on GPU" if mode == "kernel" else "in calls")
        (kernel,) = [line for line in lines if line.startswith("busy ")]
        calls, time_ms = kernel.split()[1], _ms(*kernel.split()[-2:])
        each_ms = time_ms / int(calls.replace(",", ""))
        assert 0.9 < each_ms < 20 if mode == "kernel" else each_ms < 0.5, kernel
    told = json.loads(look("--json"))
    assert told["kernels_told"] is (mode == "kernel")
    assert [row["bound"] for row in told["stages"] if row["stage"] == "execute"] == [
        "at most" if mode == "queue" else None
    ]


def _until_drawn(look: Callable[[], str]) -> str:
    """The first frame of a live run that has the kernel in it."""
    said = ""
    for _ in range(40):
        with contextlib.suppress(subprocess.CalledProcessError):
            said = look()
            if "\nbusy " in said and "\nexecute" in said:
                break
        time.sleep(0.1)
    return said


def _ms(number: str, unit: str) -> float:
    return float(number.replace(",", "")) * {"µs": 1e-3, "ms": 1, "s": 1e3}[unit]

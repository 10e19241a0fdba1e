# SPDX-License-Identifier: Apache-2.0
"""Device memory as it is told, against the books of the (simulated) driver itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anaros import report
from anaros.store import sql
from anaros.store.rundir import RunDirectory

NATIVE = Path(__file__).resolve().parents[1] / "native"
SIM = NATIVE / "cuda_sim"

BEGIN = """
import ctypes, json, os, subprocess, sys, time
import numpy as np
from cuda.bindings import driver as cu

def ok(result):
    assert result[0] == 0, result[0]
    return result[1] if len(result) == 2 else result[1:]

def use():
    free, total = ok(cu.cuMemGetInfo())
    return total - free

ok(cu.cuInit(0))
ok(cu.cuCtxSetCurrent(ok(cu.cuDevicePrimaryCtxRetain(ok(cu.cuDeviceGet(0))))))
stream = ok(cu.cuStreamCreate(1))
told = []

def look():
    ok(cu.cuStreamSynchronize(stream))
    told.append([time.monotonic_ns(), use()])

MB = 1 << 20
"""

EVERY_SORT = (
    BEGIN
    + """
look()
kept = [ok(cu.cuMemAlloc(MB * n)) for n in (1, 2, 3)]
look()
ok(cu.cuMemFree(kept.pop(1)))
look()
for _ in range(10):
    ok(cu.cuMemFree(ok(cu.cuMemAlloc(5 * MB))))
ordered = [ok(cu.cuMemAllocAsync(MB * n, stream)) for n in (4, 5, 6)]
look()
ok(cu.cuMemFreeAsync(ordered.pop(), stream))
look()
made = cu.CUmemAllocationProp()
made.type = cu.CUmemAllocationType.CU_MEM_ALLOCATION_TYPE_PINNED
made.location.type = cu.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE
made.location.id = 0
PAGE = 2 * MB
where = ok(cu.cuMemAddressReserve(8 * PAGE, 0, 0, 0))
for n in range(4):
    handle = ok(cu.cuMemCreate(PAGE, made, 0))
    ok(cu.cuMemMap(int(where) + n * PAGE, PAGE, 0, handle, 0))
    if n % 2:
        ok(cu.cuMemRelease(handle))
    else:
        last = handle
look()
ok(cu.cuMemUnmap(int(where), 2 * PAGE))
look()
ok(cu.cuMemUnmap(int(where) + 2 * PAGE, 2 * PAGE))
look()
ok(cu.cuMemRelease(last))
look()
managed = ok(cu.cuMemAllocManaged(MB, 1))
host = ok(cu.cuMemHostAlloc(MB, 0))
page = np.zeros(MB, np.uint8)
ok(cu.cuMemHostRegister(page.ctypes.data, MB, 0))
for source in (int(host), page.ctypes.data, page.ctypes.data + MB // 2):
    ok(cu.cuMemcpyHtoD(kept[0], source, MB // 2))
ok(cu.cuMemHostUnregister(page.ctypes.data))
ok(cu.cuMemcpyHtoD(kept[0], page.ctypes.data, MB // 4))
ok(cu.cuMemcpyDtoH(int(host) + MB // 2, kept[0], MB // 2))
ok(cu.cuMemFreeHost(host)); ok(cu.cuMemFree(managed))
look()
print(json.dumps([os.getpid(), told]))
"""
)

#: It asks for more than there is, gives back what it kept, and asks again.
PRESSURE = (
    BEGIN
    + """
most = ok(cu.cuMemGetInfo())[1] // 10 * 6
kept = ok(cu.cuMemAlloc(most))
refused = int(cu.cuMemAlloc(most)[0])
ok(cu.cuMemFree(kept))
again = ok(cu.cuMemAlloc(most))
print(json.dumps([refused, most]))
"""
)

FAULTY = (
    BEGIN
    + """
print(json.dumps([int(cu.cuMemAlloc(MB)[0]) for _ in range(4)]))
"""
)

#: Children that are programs of their own, and one that is only forked.
FAMILY = (
    BEGIN
    + """
depth = int(sys.argv[1])
children = []
memory = [ok(cu.cuMemAlloc(MB * (n + 1))) for n in range(3 + depth)]
for n in range(2 if depth == 0 else 0):
    env = os.environ | {"ANAROS_SIM_COUNTERS": os.environ["ANAROS_SIM_COUNTERS"] + str(n)}
    children.append(subprocess.Popen([sys.executable, __file__, str(n + 1)], env=env))
if depth == 0 and os.fork() == 0:
    os._exit(0)
for each in children:
    assert each.wait() == 0
for each in memory[depth:]:
    ok(cu.cuMemFree(each))
with open(os.environ["ANAROS_SIM_COUNTERS"] + ".pid", "w") as out:
    out.write(str(os.getpid()))
"""
)

#: It holds memory on two threads and a pool, goes on for a while, and then asks for too much.
HOLDER = (
    BEGIN
    + """
import threading
def more():
    ok(cu.cuCtxSetCurrent(ok(cu.cuDevicePrimaryCtxRetain(ok(cu.cuDeviceGet(0))))))
    ok(cu.cuMemAlloc(7 * MB))
    print(threading.get_native_id(), flush=True)

kept = [ok(cu.cuMemAlloc(3 * MB)) for _ in range(2)]
gone = ok(cu.cuMemAlloc(20 * MB))
ok(cu.cuMemFree(gone))
ordered = ok(cu.cuMemAllocAsync(4 * MB, stream))
host = ok(cu.cuMemHostAlloc(MB, 0))
beside = threading.Thread(target=more)
beside.start()
beside.join()
print(os.getpid(), int(stream), flush=True)
sys.stdin.readline()
print(int(cu.cuMemAlloc(1 << 50)[0]), flush=True)
"""
)

#: Managed memory is filled on the host, fetched, driven out, and fetched again in part.
MOVES = (
    BEGIN
    + """
managed = ok(cu.cuMemAllocManaged(2 * MB, 1))
where = cu.CUmemLocation()
for kind, size in ((2, 2 * MB), (1, 2 * MB), (2, 2 * MB), (1, MB)):
    where.type, where.id = cu.CUmemLocationType(kind), 0
    ok(cu.cuMemPrefetchAsync(managed, size, where, 0, stream))
    ok(cu.cuStreamSynchronize(stream))
print(int(managed))
"""
)

#: The same through other runtimes: allocations of each sort, one of which is given back, and copies
#: from page-locked memory and from the heap.
HIP = """
import ctypes
hip = ctypes.CDLL("libamdhip64.so.6")
def made(call, *words):
    pointer = ctypes.c_void_p()
    assert call(ctypes.byref(pointer), ctypes.c_size_t(1 << 20), *words) == 0
    return pointer
device, gone = made(hip.hipMalloc), made(hip.hipMalloc)
made(hip.hipMallocManaged, 1)
host, ordered = made(hip.hipHostMalloc, 0), made(hip.hipMallocAsync, None)
heap = ctypes.create_string_buffer(4096)
for source in (host, heap):
    assert hip.hipMemcpy(device, source, ctypes.c_size_t(4096), 1) == 0
assert hip.hipFree(gone) == 0
"""
LEVEL_ZERO = """
import ctypes
ze = ctypes.CDLL("libze_loader.so.1")
assert ze.zeInit(0) == 0
none, size = ctypes.c_void_p(), ctypes.c_size_t
def made(call, *words):
    pointer = ctypes.c_void_p()
    assert call(*words, ctypes.byref(pointer)) == 0
    return pointer
device, gone = (
    made(ze.zeMemAllocDevice, none, none, size(1 << 20), size(64), none) for _ in range(2)
)
made(ze.zeMemAllocHost, none, none, size(1 << 20), size(64))
made(ze.zeMemAllocShared, none, none, none, size(1 << 20), size(64), none)
assert ze.zeMemFree(none, gone) == 0
"""
OPENCL = """
import pyopencl as cl
import numpy as np
context = cl.Context([cl.get_platforms()[0].get_devices()[0]])
queue = cl.CommandQueue(context)
device, gone = (cl.Buffer(context, cl.mem_flags.READ_WRITE, 1 << 20) for _ in range(2))
cl.enqueue_copy(queue, device, np.zeros(4096, np.uint8), is_blocking=True)
gone.release()
queue.finish()
"""

ON_DEVICE = "('device', 'stream_ordered', 'physical', 'array')"

#: Keeps a cache of its own, as frameworks do: segments that it frees and asks for under pressure.
CACHING = NATIVE / "build" / "programs" / "cuda" / "caching"

Run = Callable[..., "Recorded"]


class Recorded:
    """A program that ran under observation."""

    def __init__(self, folder: Path, output: str) -> None:
        self.directory = RunDirectory.open(folder / "run")
        self.output, self.folder = output, folder

    def counted(self, number: str = "") -> dict[str, int]:
        counters = json.loads((self.folder / f"counters{number}").read_text())
        return dict(counters["memory"])

    def ask(self, text: str) -> list[tuple[Any, ...]]:
        return sql.query(self.directory, text).rows


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The simulated driver, which keeps books of its own."""
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("make or a C compiler is missing: install build-essential")
    pytest.importorskip("cuda.bindings", reason="cuda-bindings is not installed")
    subprocess.run(["make", "-s", "-C", SIM], check=True)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("CUDA_", "ANAROS_"))}
    return env | {
        "LD_LIBRARY_PATH": str(SIM / "build"),
        "ANAROS_SIM_SPEED": "0",
        "ANAROS_SIM_COUNTERS": str(tmp_path / "counters"),
    }


@pytest.fixture
def run(anaros: Callable[..., list[str]], environment: dict[str, str], tmp_path: Path) -> Run:
    """Runs a program under observation."""

    def record(program: str | Path, *words: str, options: str = "", **more: str) -> Recorded:
        command = anaros("run", "--no-kernel", *options.split(), "--output", tmp_path / "run", "--")
        if isinstance(program, Path):
            command.append(str(program))
        else:
            script = tmp_path / "program.py"
            script.write_text(program)
            command += [sys.executable, str(script)]
        done = subprocess.run(
            [*command, *words],
            cwd=NATIVE,
            env=environment | more,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return Recorded(tmp_path, done.stdout)

    return record


def test_what_is_held_is_told_while_the_program_runs(
    anaros: Callable[..., list[str]], environment: dict[str, str], tmp_path: Path
) -> None:
    """And what was held, and by whom, when it got no more."""
    script = tmp_path / "holder.py"
    script.write_text(HOLDER)
    words = anaros("run", "--no-kernel", "--output", tmp_path / "run", "--", sys.executable, script)
    with subprocess.Popen(
        words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        thread = int(program.stdout.readline())
        pid, stream = map(int, program.stdout.readline().split())
        look = anaros("xray", tmp_path / "run", "--json")
        seen = subprocess.run(look, capture_output=True, text=True, timeout=30, check=True)
        said, _ = program.communicate("go on\n", timeout=30)
    assert (program.returncode, said) == (0, "2\n")
    sorts = {row["sort"]: row for row in json.loads(seen.stdout)["memory"]["sorts"]}
    megabytes = {name: row["in_use_bytes"] >> 20 for name, row in sorts.items()}
    assert megabytes == {"device": 13, "stream_ordered": 4, "host": 1}
    assert sorts["device"]["high_water_bytes"] >> 20 == 26
    assert [(row["tid"], row["count"]) for row in sorts["device"]["holders"]] == [
        (thread, 1),
        (pid, 2),
    ]
    (failure,) = report.build(RunDirectory.open(tmp_path / "run"))["memory"]["failures"]
    assert failure["held_bytes"] == 17 << 20
    holders = [(row["tid"], row["origin"], row["bytes"] >> 20) for row in failure["holders"]]
    assert holders == [(thread, None, 7), (pid, None, 6), (pid, stream, 4)]
    text = subprocess.run(
        anaros("report", tmp_path / "run"), capture_output=True, text=True, timeout=30, check=True
    ).stdout
    assert f"held: 7.0 MiB device in 1 allocation by thread {thread}" in text


def test_bytes_in_use_are_those_of_the_driver(run: Run) -> None:
    recorded = run(EVERY_SORT)
    pid, told = json.loads(recorded.output)
    for when, used in told:
        rows = recorded.ask(
            "SELECT coalesce(sum(size_bytes), 0) FROM (SELECT arg_max(size_bytes, time_ns) AS"
            f" size_bytes FROM memory WHERE time_ns <= {when} AND memory IN {ON_DEVICE}"
            " GROUP BY process, memory)"
        )
        assert rows == [(used,)]
    counted = recorded.counted()
    # Page-locking what the program has is no allocation.
    assert recorded.ask(
        "SELECT count(*), sum(size_bytes) FROM allocations WHERE memory <> 'registered'"
    ) == [(counted["allocations"], counted["allocated_bytes"])]
    found = report.build(recorded.directory)["memory"]
    (process,) = found["processes"]
    assert process["pid"] == pid
    assert process["high_water_bytes"] == max(used for _, used in told)
    assert process["alive"] is False
    (churn,) = (row for row in found["churn"] if row["size_bytes"] == 5 << 20)
    assert (churn["sort"], churn["count"]) == ("device", 9)
    half, quarter = 1 << 19, 1 << 18
    assert [(row["kind"], row["host"], row["count"], row["bytes"]) for row in found["copies"]] == [
        ("gpu.copy_h2d", "pageable", 1, quarter),
        ("gpu.copy_h2d", "pinned", 3, 3 * half),
        ("gpu.copy_d2h", "pinned", 1, half),
    ]
    assert all(row["bytes_per_second"] > 0 for row in found["copies"])


def test_what_was_refused_and_what_helped(run: Run) -> None:
    recorded = run(PRESSURE)
    refused, most = json.loads(recorded.output)
    (failure,) = report.build(recorded.directory)["memory"]["failures"]
    assert refused == failure["status"] == 2
    assert failure["asked_bytes"] == failure["held_bytes"] == failure["freed_bytes"] == most
    assert failure["recovered_ms"] > 0


def test_a_cache_of_the_program_is_told_by_its_segments(run: Run) -> None:
    """What it keeps is held, and what it gives back under pressure lets the next call succeed."""
    subprocess.run(["make", "-s", "-C", NATIVE, CACHING.relative_to(NATIVE)], check=True)
    recorded = run(CACHING, "told")
    told = json.loads(recorded.output)
    found = report.build(recorded.directory)["memory"]
    (process,) = found["processes"]
    assert process["high_water_bytes"] == told["high_water"]
    assert process["in_use_bytes"] == told["in_use"]
    sorts = {
        row["sort"]: [row["high_water_bytes"], row["in_use_bytes"]] for row in process["sorts"]
    }
    assert sorts == told["sorts"]
    churn = [[row["sort"], row["size_bytes"], row["count"]] for row in found["churn"]]
    assert sorted(churn) == sorted(told["churn"])
    assert found["failed"] == len(told["failures"])
    failures = [
        [row["asked_bytes"], row["held_bytes"], row["freed_bytes"]] for row in found["failures"]
    ]
    assert failures == told["failures"]
    for row in found["failures"]:
        assert row["status"] == 2
        assert (row["recovered_ms"] is None) == (row["freed_bytes"] is None)
        assert sum(holder["bytes"] for holder in row["holders"]) == row["held_bytes"]


def test_what_fails_takes_no_memory(run: Run) -> None:
    recorded = run(FAULTY, ANAROS_SIM_FAULTS="alloc@2=2")
    assert json.loads(recorded.output) == [0, 2, 0, 0]
    found = report.build(recorded.directory)["memory"]
    assert found["failed"] == 1
    (failure,) = found["failures"]
    assert (failure["held_bytes"], failure["freed_bytes"]) == (1 << 20, 0)
    assert recorded.counted()["allocations"] == 3
    assert recorded.ask("SELECT ending, count(*) FROM allocations GROUP BY 1 ORDER BY 1") == [
        ("failed", 1),
        ("open", 3),
    ]


def test_each_process_has_its_own_memory(run: Run) -> None:
    recorded = run(FAMILY, "0")
    for number in ("", "0", "1"):
        pid = int((recorded.folder / f"counters{number}.pid").read_text())
        counted = recorded.counted(number)
        assert recorded.ask(
            "SELECT count(*), sum(size_bytes), count(*) FILTER (ending = 'freed'),"
            " coalesce(sum(size_bytes) FILTER (ending = 'freed'), 0)"
            f" FROM allocations WHERE pid = {pid}"
        ) == [
            tuple(
                counted[name] for name in ("allocations", "allocated_bytes", "frees", "freed_bytes")
            )
        ]
    assert len(report.build(recorded.directory)["memory"]["processes"]) == 3


def test_managed_memory_that_is_driven_out_and_comes_back(run: Run) -> None:
    subprocess.run(["make", "-s", "-C", NATIVE / "cupti_sim"], check=True)
    cupti = NATIVE / "cupti_sim" / "build" / "libcupti.so.13"
    recorded = run(MOVES, options="--device-time kernel", ANAROS_CUPTI=str(cupti))
    managed, size = int(recorded.output), 1 << 20
    found = report.build(recorded.directory)["memory"]["migrations"]
    told = [(row["to"], row["bytes"], row["returned_bytes"]) for row in found]
    assert told == [("host", 2 * size, 2 * size), ("device 0", 3 * size, size)]
    assert recorded.ask("SELECT DISTINCT object FROM migrations") == [(managed,)]


def test_a_run_without_a_device_has_no_memory(run: Run) -> None:
    recorded = run("print(1)")
    assert report.build(recorded.directory)["memory"] is None
    assert recorded.ask("SELECT count(*) FROM allocations, memory, copies") == [(0,)]


MADE = {"device": 2, "managed": 1, "host": 1}


@pytest.mark.parametrize(
    ("program", "folder", "made", "copies"),
    [
        (HIP, "hip_sim", MADE | {"stream_ordered": 1}, {"pageable": 4096, "pinned": 4096}),
        (LEVEL_ZERO, "level_zero_sim", MADE, {}),
        (OPENCL, None, {"device": 2}, {"pageable": 4096}),
    ],
)
def test_other_runtimes_are_in_the_same_map(
    program: str, folder: str | None, made: dict[str, int], copies: dict[str, int], run: Run
) -> None:
    more = {"POCL_DEVICES": "pthread"}
    if folder is None:
        pytest.importorskip("pyopencl", reason="pyopencl is not installed")
    else:
        subprocess.run(["make", "-s", "-C", NATIVE / folder], check=True)
        more = {"LD_LIBRARY_PATH": str(NATIVE / folder / "build")}
    recorded = run(program, **more)
    (process,) = report.build(recorded.directory)["memory"]["processes"]
    sorts = {row["sort"]: row for row in process["sorts"]}
    assert {name: row["allocations"] for name, row in sorts.items()} == made
    assert sorts["device"]["frees"] >= 1
    for name, row in sorts.items():
        assert row["high_water_bytes"] == made[name] << 20
    assert recorded.ask("SELECT count(*) FROM allocations WHERE ending = 'failed'") == [(0,)]
    rows = recorded.ask("SELECT host, size_bytes FROM copies WHERE kind = 'gpu.copy_h2d'")
    assert dict(rows) == copies

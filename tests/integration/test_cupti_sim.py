# SPDX-License-Identifier: Apache-2.0
"""The simulated CUPTI tells what the simulated driver did, in CUPTI's own records."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

NATIVE = Path(__file__).resolve().parents[1] / "native"
SIM = NATIVE / "cuda_sim"
CUPTI = NATIVE / "cupti_sim"

PRELUDE = """
import ctypes, json, os, struct, time
import numpy as np
from cuda.bindings import driver as cu

def ok(result):
    assert result[0] == 0, result[0]
    return result[1] if len(result) == 2 else result[1:]

cupti = ctypes.CDLL(os.environ["CUPTI"])
CONCURRENT_KERNEL, MEMCPY, MEMSET, DRIVER, EXTERNAL, GRAPH, UVM = 10, 1, 2, 4, 39, 51, 25
REQUEST = ctypes.CFUNCTYPE(None, ctypes.POINTER(ctypes.c_void_p),
                           ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(ctypes.c_size_t))
COMPLETE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p,
                            ctypes.c_size_t, ctypes.c_size_t)
kept, records = [], []

@REQUEST
def request(buffer, size, most):
    kept.append(ctypes.create_string_buffer(int(os.environ.get("BUFFER", "4096"))))
    buffer[0], size[0], most[0] = ctypes.addressof(kept[-1]), len(kept[-1]), 0

@COMPLETE
def complete(context, stream, buffer, size, valid):
    record = ctypes.c_void_p(None)
    while cupti.cuptiActivityGetNextRecord(ctypes.c_void_p(buffer), ctypes.c_size_t(valid),
                                           ctypes.byref(record)) == 0:
        kind = ctypes.c_uint32.from_address(record.value).value
        length = ctypes.c_size_t()
        assert cupti.cuptiActivityGetStructSize(kind, 0, ctypes.byref(length)) == 0
        records.append((kind, ctypes.string_at(record.value, length.value)))

def enable(*kinds):
    assert cupti.cuptiActivityRegisterCallbacks(request, complete) == 0
    for kind in kinds:
        assert cupti.cuptiActivityEnable(kind) == 0

def of(kind):
    return [raw for k, raw in records if k == kind]

def at(raw, offset, form="Q"):
    return struct.unpack_from("<" + form, raw, offset)[0]

def now():
    value = ctypes.c_uint64()
    assert cupti.cuptiGetTimestamp(ctypes.byref(value)) == 0
    return value.value

ok(cu.cuInit(0))
ok(cu.cuCtxSetCurrent(ok(cu.cuDevicePrimaryCtxRetain(0))))
module = ok(cu.cuModuleLoadData(b"anaros-sim-image\\n"))
stream = ok(cu.cuStreamCreate(1))

def launch(name, *values):
    function = ok(cu.cuModuleGetFunction(module, name))
    types = tuple(t for _, t in values)
    ok(cu.cuLaunchKernel(function, 2, 1, 1, 32, 1, 1, 0, stream,
                         (tuple(v for v, _ in values), types), 0))

def busy(operations):
    launch(b"busy", (operations, ctypes.c_uint64))
"""


@pytest.fixture(scope="session")
def builds() -> tuple[Path, Path]:
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("make or a C compiler is missing: install build-essential")
    pytest.importorskip("cuda.bindings", reason="cuda-bindings is not installed")
    for folder in (SIM, CUPTI):
        subprocess.run(["make", "-s", "-C", folder], check=True)
    return SIM / "build", CUPTI / "build" / "libcupti.so.13"


def run(builds: tuple[Path, Path], program: str, **environment: str) -> Any:
    """Run a program under the simulated pair; return the JSON value that it printed last."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("CUDA_", "ANAROS_"))}
    env |= {"LD_LIBRARY_PATH": str(builds[0]), "CUPTI": str(builds[1]), **environment}
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(program)],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_records_have_names_times_and_correlations(builds: tuple[Path, Path]) -> None:
    fact = run(
        builds,
        """
        enable(CONCURRENT_KERNEL, MEMCPY, MEMSET, DRIVER, EXTERNAL)
        cupti.cuptiActivityPushExternalCorrelationId(3, ctypes.c_uint64(77))
        before = now()
        busy(40_000_000_000)
        cupti.cuptiActivityPopExternalCorrelationId(3, None)
        memory = ok(cu.cuMemAlloc(1 << 20))
        host = np.zeros(1 << 20, np.uint8)
        ok(cu.cuMemcpyHtoD(memory, host.ctypes.data, 1 << 20))
        ok(cu.cuMemsetD8Async(memory, 7, 4096, stream))
        ok(cu.cuStreamSynchronize(stream))
        after = now()
        assert cupti.cuptiActivityFlushAll(1) == 0
        [kernel], [copy], [fill] = of(CONCURRENT_KERNEL), of(MEMCPY), of(MEMSET)
        calls = {at(raw, 32, "I"): at(raw, 4, "I") for raw in of(DRIVER)}
        [external] = of(EXTERNAL)[1:]  # the function is looked up before it is launched
        stream_id = ctypes.c_uint32()
        assert cupti.cuptiGetStreamId(None, ctypes.c_void_p(int(stream)),
                                      ctypes.byref(stream_id)) == 0
        print(json.dumps({
            "name": ctypes.string_at(at(kernel, 104)).decode(),
            "inside": before <= at(kernel, 16) <= at(kernel, 24) <= after,
            "long": at(kernel, 24) - at(kernel, 16),
            "grid": [at(kernel, 52, "i"), at(kernel, 64, "i")],
            "stream": at(kernel, 48, "I") == stream_id.value,
            "launch": calls[at(kernel, 92, "I")], "copy": calls[at(copy, 44, "I")],
            "fill": calls[at(fill, 44, "I")],
            "copied": [at(copy, 4, "B"), at(copy, 8)], "filled": [at(fill, 4, "I"), at(fill, 8)],
            "external": [at(external, 4, "I"), at(external, 8),
                         at(external, 16, "I") == at(kernel, 92, "I")],
            "sizes": [len(kernel), len(copy), len(fill)],
        }))
        """,
    )
    assert fact["name"] == "busy"
    assert fact["inside"]
    assert fact["long"] >= 10_000_000
    assert fact["grid"] == [2, 32]
    assert fact["stream"]
    assert fact["launch"] == 307  # cuLaunchKernel
    assert fact["copy"] == 276  # cuMemcpyHtoD_v2
    assert fact["fill"] == 216  # cuMemsetD8Async
    assert fact["copied"] == [1, 1 << 20]
    assert fact["filled"] == [7, 4096]
    assert fact["external"] == [3, 77, True]
    assert fact["sizes"] == [248, 112, 104]


@pytest.mark.parametrize(
    ("version", "sizes"), [("27", [208, 88]), ("130000", [216, 96]), ("130500", [248, 112])]
)
def test_records_are_as_long_as_the_version_says(
    builds: tuple[Path, Path], version: str, sizes: list[int]
) -> None:
    assert (
        run(
            builds,
            """
            length = ctypes.c_size_t()
            lengths = []
            for kind in (CONCURRENT_KERNEL, MEMCPY):
                assert cupti.cuptiActivityGetStructSize(kind, 0, ctypes.byref(length)) == 0
                lengths.append(length.value)
            print(json.dumps(lengths))
            """,
            ANAROS_SIM_CUPTI_VERSION=version,
        )
        == sizes
    )


def test_one_seat(builds: tuple[Path, Path]) -> None:
    program = """
        class Parameters(ctypes.Structure):
            _fields_ = [("size", ctypes.c_size_t), ("name", ctypes.c_char_p),
                        ("holder", ctypes.c_char_p), ("holder_size", ctypes.c_size_t),
                        ("several", ctypes.c_uint8), ("padding", ctypes.c_uint8 * 7)]
        def subscribe(name):
            who = ctypes.create_string_buffer(32)
            parameters = Parameters(ctypes.sizeof(Parameters), name,
                                    ctypes.cast(who, ctypes.c_char_p), 32, 0)
            handle = ctypes.c_void_p()
            code = cupti.cuptiSubscribe_v2(ctypes.byref(handle), None, None,
                                           ctypes.byref(parameters))
            return code, who.value.decode(), handle
        first, second = subscribe(b"one"), subscribe(b"two")
        freed = cupti.cuptiUnsubscribe(first[2]) if first[0] == 0 else -1
        third = subscribe(b"three")
        cupti.cuptiFinalize()
        fourth = subscribe(b"four")
        print(json.dumps([first[:2], second[:2], freed, third[0], fourth[0]]))
        """
    assert run(builds, program) == [[0, ""], [39, "one"], 0, 0, 0]
    taken = run(builds, program, ANAROS_SIM_CUPTI_HOLDER="Nsight Systems")
    assert taken == [[39, "Nsight Systems"], [39, "Nsight Systems"], -1, 39, 39]


def test_the_clock_has_its_own_offset_and_drift(builds: tuple[Path, Path]) -> None:
    first, second, inside = run(
        builds,
        """
        def both():  # as close to each other as this machine lets them be read
            def once():
                return time.monotonic_ns(), now(), time.monotonic_ns()
            return min((once() for _ in range(200)), key=lambda read: read[2] - read[0])

        enable(CONCURRENT_KERNEL)
        first = both()
        time.sleep(0.2)
        second = both()
        before = now()
        busy(4_000_000_000)
        ok(cu.cuStreamSynchronize(stream))
        third = now()
        cupti.cuptiActivityFlushAll(0)
        [kernel] = of(CONCURRENT_KERNEL)
        print(json.dumps([first, second,
                          before <= at(kernel, 16) <= at(kernel, 24) <= third]))
        """,
        ANAROS_SIM_CUPTI_OFFSET_NS="5000000000",
        ANAROS_SIM_CUPTI_DRIFT_PPM="1000",
    )
    gone_ns = second[1] - first[1]
    least_ns, most_ns = second[0] - first[2], second[2] - first[0]
    assert 1.001 * least_ns - 1000 <= gone_ns <= 1.001 * most_ns + 1000
    assert gone_ns > 1.0002 * most_ns, "a drift, and not only the time that reading took"
    assert abs(first[1] - first[0] - 5_000_000_000) < 100_000_000
    assert inside


GRAPH = """
    enable(CONCURRENT_KERNEL, MEMSET, *json.loads(os.environ["KINDS"]))
    memory = ok(cu.cuMemAlloc(4096))
    mode = cu.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_GLOBAL
    ok(cu.cuStreamBeginCapture(stream, mode))
    busy(400_000_000)
    ok(cu.cuMemsetD8Async(memory, 1, 4096, stream))
    busy(400_000_000)
    graph = ok(cu.cuStreamEndCapture(stream))
    program = ok(cu.cuGraphInstantiate(graph, 0))
    captured = len(records)
    for _ in range(3):
        ok(cu.cuGraphLaunch(program, stream))
    ok(cu.cuStreamSynchronize(stream))
    cupti.cuptiActivityFlushAll(1)
    kernels, graphs = of(CONCURRENT_KERNEL), of(GRAPH)
    exec_id = ctypes.c_uint32()
    cupti.cuptiGetGraphExecId(ctypes.c_void_p(int(program)), ctypes.byref(exec_id))
    print(json.dumps([
        captured, len(kernels), len(of(MEMSET)), len({at(raw, 144) for raw in kernels}),
        len({at(raw, 92, "I") for raw in kernels}),
        {at(raw, 156, "I") for raw in kernels} <= {exec_id.value},
        [at(raw, 16) - at(raw, 8) >= 200_000 for raw in graphs],
        {at(raw, 28, "I") for raw in graphs} <= {exec_id.value}]))
    """


def test_nodes_of_graphs_have_numbers(builds: tuple[Path, Path]) -> None:
    assert run(builds, GRAPH, KINDS="[]") == [0, 6, 3, 2, 3, True, [], True]


def test_whole_graphs_instead_of_nodes(builds: tuple[Path, Path]) -> None:
    assert run(builds, GRAPH, KINDS="[51]") == [0, 0, 0, 0, 0, True, [True] * 3, True]


def test_moved_managed_memory(builds: tuple[Path, Path]) -> None:
    moves = run(
        builds,
        """
        enable(UVM)
        managed = ok(cu.cuMemAllocManaged(1 << 20, 1))
        where = cu.CUmemLocation()
        for kind in (2, 1, 2):
            where.type, where.id = cu.CUmemLocationType(kind), 0
            ok(cu.cuMemPrefetchAsync(managed, 1 << 20, where, 0, stream))
        ok(cu.cuStreamSynchronize(stream))
        cupti.cuptiActivityFlushAll(1)
        print(json.dumps([[at(raw, 4, "I"), at(raw, 8)] for raw in of(UVM)]))
        """,
    )
    assert moves == [[1, 1 << 20], [2, 1 << 20]]


def test_records_without_a_buffer_are_dropped_and_counted(builds: tuple[Path, Path]) -> None:
    assert run(
        builds,
        """
        enable(CONCURRENT_KERNEL)
        for _ in range(5):
            busy(1)
        ok(cu.cuStreamSynchronize(stream))
        cupti.cuptiActivityFlushAll(1)
        dropped = ctypes.c_size_t()
        told = []
        for _ in range(2):
            cupti.cuptiActivityGetNumDroppedRecords(None, 0, ctypes.byref(dropped))
            told.append(dropped.value)
        print(json.dumps([len(records), told]))
        """,
        BUFFER="16",
        ANAROS_SIM_SPEED="0",
    ) == [0, [5, 0]]


def test_small_buffers_lose_nothing(builds: tuple[Path, Path]) -> None:
    assert run(
        builds,
        """
        enable(CONCURRENT_KERNEL)
        function = ok(cu.cuModuleGetFunction(module, b"noop"))
        for _ in range(500):
            ok(cu.cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream, 0, 0))
        ok(cu.cuStreamSynchronize(stream))
        cupti.cuptiActivityFlushAll(1)
        many = len(records)
        starts = [at(raw, 16) for raw in of(CONCURRENT_KERNEL)]
        cupti.cuptiActivityDisable(CONCURRENT_KERNEL)
        busy(1)
        ok(cu.cuStreamSynchronize(stream))
        cupti.cuptiActivityFlushAll(1)
        dropped = ctypes.c_size_t()
        cupti.cuptiActivityGetNumDroppedRecords(None, 0, ctypes.byref(dropped))
        print(json.dumps([many, starts == sorted(starts), len(records), dropped.value,
                          len(kept) > 50]))
        """,
        BUFFER="1024",
        ANAROS_SIM_SPEED="0",
    ) == [500, True, 500, 0, True]


CHECKS = sorted(path.stem for path in (CUPTI / "checks").glob("*.c"))


@pytest.mark.parametrize("name", CHECKS)
def test_check(builds: tuple[Path, Path], name: str) -> None:
    program = builds[1].parent / f"check_{name}"
    subprocess.run(["make", "-s", "-C", CUPTI, f"build/check_{name}"], check=True)
    done = subprocess.run([program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr

# SPDX-License-Identifier: Apache-2.0
"""The simulated CUDA driver, used unmodified by cuda-python."""

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

SIM = Path(__file__).resolve().parents[1] / "native" / "cuda_sim"

PRELUDE = """
import ctypes, json, os, time
import numpy as np
from cuda.bindings import driver as cu

def ok(result):
    assert result[0] == 0, result[0]
    return result[1] if len(result) == 2 else result[1:]

def text(name):
    return name.split(b"\\0")[0].decode()

def kernel(name):
    module = ok(cu.cuModuleLoadData(b"anaros-sim-image\\n"))
    return ok(cu.cuModuleGetFunction(module, name))

def use(ordinal):
    device = ok(cu.cuDeviceGet(ordinal))
    ok(cu.cuCtxSetCurrent(ok(cu.cuDevicePrimaryCtxRetain(device))))
    return device

def launch(function, threads, stream, *values):
    types = tuple(None if isinstance(v, cu.CUdeviceptr) else t for v, t in values)
    block = min(256, threads)
    grid = -(-threads // block)
    ok(cu.cuLaunchKernel(function, grid, 1, 1, block, 1, 1, 0, stream,
                         (tuple(v for v, _ in values), types), 0))

def busy(stream, operations):
    launch(kernel(b"busy"), 1, stream, (operations, ctypes.c_uint64))
"""


@pytest.fixture(scope="session")
def sim_build() -> Path:
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("make or a C compiler is missing: install build-essential")
    pytest.importorskip("cuda.bindings", reason="cuda-bindings is not installed")
    subprocess.run(["make", "-s", "-C", SIM], check=True)
    return SIM / "build"


def run(build: Path, program: str, **environment: str) -> Any:
    """Run a cuda-python program; return the JSON value that it printed last."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("CUDA_", "ANAROS_"))}
    env |= {"LD_LIBRARY_PATH": str(build), "SIM_BUILD": str(build), **environment}
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


NAMES = """
result = cu.cuInit(0)[0]
names = []
if result == 0:
    for i in range(ok(cu.cuDeviceGetCount())):
        names.append(text(ok(cu.cuDeviceGetName(64, ok(cu.cuDeviceGet(i))))))
print(json.dumps([int(result), [name[-1] for name in names]]))
"""

UUID_B = "GPU-b20b7050-0002-4000-8000-5eed0000000b"


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, [0, ["A", "B"]]),
        ("0", [0, ["A"]]),
        ("1,0", [0, ["B", "A"]]),
        (UUID_B, [0, ["B"]]),
        ("GPU-b2,0", [0, ["B", "A"]]),
        ("1,7,0", [0, ["B"]]),
        ("", [100, []]),
        ("0,0", [100, []]),
        ("-1", [100, []]),
    ],
)
def test_visible_devices(sim_build: Path, visible: str | None, expected: object) -> None:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert run(sim_build, NAMES, **environment) == expected


def test_a_real_program_computes_on_both_devices(sim_build: Path, tmp_path: Path) -> None:
    counters = tmp_path / "counters.json"
    result = run(
        sim_build,
        """
        ok(cu.cuInit(0))
        facts = []
        for ordinal in range(2):
            device = use(ordinal)
            n = 50_000
            a = np.arange(n, dtype=np.float32)
            b = np.full(n, 2.0, dtype=np.float32)
            c = np.zeros(n, dtype=np.float32)
            pa, pb, pc = (ok(cu.cuMemAlloc(a.nbytes)) for _ in range(3))
            ok(cu.cuMemcpyHtoD(pa, a.ctypes.data, a.nbytes))
            ok(cu.cuMemcpyHtoD(pb, b.ctypes.data, b.nbytes))
            launch(kernel(b"vector_add"), n, 0,
                   (pa, None), (pb, None), (pc, None), (n, ctypes.c_uint32))
            ok(cu.cuMemcpyDtoH(c.ctypes.data, pc, c.nbytes))
            attribute = cu.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
            facts.append([bool((c == a + b).all()), ok(cu.cuDeviceTotalMem(device)),
                          ok(cu.cuDeviceGetAttribute(attribute, device)),
                          ok(cu.cuMemGetInfo())[1]])
            for pointer in (pa, pb, pc):
                ok(cu.cuMemFree(pointer))
        print(json.dumps(facts))
        """,
        ANAROS_SIM_COUNTERS=str(counters),
    )
    assert [fact[0] for fact in result] == [True, True]
    assert result[0][1] > result[1][1]
    assert result[0][2] > result[1][2]
    assert [fact[1] for fact in result] == [fact[3] for fact in result]
    counted = json.loads(counters.read_text())
    assert counted["calls"]["cuLaunchKernel"] == 2
    assert counted["calls"]["cuMemcpyHtoD_v2"] == 4
    assert counted["bytes"] == {"h2d": 800_000, "d2h": 400_000, "d2d": 0, "h2h": 0, "p2p": 0}


def test_the_second_device_is_slower(sim_build: Path) -> None:
    first, second = run(
        sim_build,
        """
        ok(cu.cuInit(0))
        times = []
        for ordinal in range(2):
            use(ordinal)
            start, end = ok(cu.cuEventCreate(0)), ok(cu.cuEventCreate(0))
            stream = ok(cu.cuStreamCreate(1))
            function = kernel(b"busy")
            ok(cu.cuEventRecord(start, stream))
            launch(function, 1, stream, (20_000_000_000, ctypes.c_uint64))
            ok(cu.cuEventRecord(end, stream))
            ok(cu.cuEventSynchronize(end))
            times.append(ok(cu.cuEventElapsedTime(start, end)))
        print(json.dumps(times))
        """,
    )
    assert first >= 5.0
    assert second >= 20.0


def test_calls_return_before_the_device_is_done(sim_build: Path) -> None:
    fact = run(
        sim_build,
        """
        ok(cu.cuInit(0)); use(0)
        stream = ok(cu.cuStreamCreate(1))
        pinned = ok(cu.cuMemHostAlloc(1 << 20, 0))
        device = ok(cu.cuMemAlloc(1 << 20))
        host = np.frombuffer((ctypes.c_uint8 * (1 << 20)).from_address(pinned), np.uint8)
        t0 = time.monotonic()
        busy(stream, 4_000_000_000_000)                 # 1 s on the device
        host[:] = 1
        ok(cu.cuMemcpyHtoDAsync(device, pinned, 1 << 20, stream))
        enqueued = time.monotonic() - t0
        pending = int(cu.cuStreamQuery(stream)[0])
        host[:] = 9                                     # read in stream order
        ok(cu.cuStreamSynchronize(stream))
        total = time.monotonic() - t0
        back = np.zeros(1 << 20, np.uint8)
        ok(cu.cuMemcpyDtoH(back.ctypes.data, device, 1 << 20))
        print(json.dumps([enqueued, pending, total, int(cu.cuStreamQuery(stream)[0]),
                          int(back[0])]))
        """,
    )
    enqueued, pending, total, after, value = fact
    assert pending == 600
    assert after == 0
    assert total >= 1.0 > enqueued
    assert value == 9


def test_a_pageable_source_is_read_during_the_call(sim_build: Path) -> None:
    assert run(
        sim_build,
        """
        ok(cu.cuInit(0)); use(0)
        stream = ok(cu.cuStreamCreate(1))
        device = ok(cu.cuMemAlloc(4096))
        host = np.full(4096, 1, np.uint8)
        busy(stream, 2_000_000_000_000)
        ok(cu.cuMemcpyHtoDAsync(device, host.ctypes.data, 4096, stream))
        pending = int(cu.cuStreamQuery(stream)[0])
        host[:] = 9
        ok(cu.cuStreamSynchronize(stream))
        ok(cu.cuMemcpyDtoH(host.ctypes.data, device, 4096))
        print(json.dumps([pending, int(host[0])]))
        """,
    ) == [600, 1]


def test_order_between_streams(sim_build: Path) -> None:
    """An event orders two streams; the legacy stream orders blocking ones."""
    assert run(
        sim_build,
        """
        ok(cu.cuInit(0)); use(0)
        n = 1024
        x, y = ok(cu.cuMemAlloc(4 * n)), ok(cu.cuMemAlloc(4 * n))
        one, two = ok(cu.cuStreamCreate(1)), ok(cu.cuStreamCreate(1))
        event = ok(cu.cuEventCreate(2))
        bits = lambda value: int(np.float32(value).view(np.uint32))
        busy(one, 40_000_000_000)
        ok(cu.cuMemsetD32Async(x, bits(3), n, one))
        ok(cu.cuEventRecord(event, one))
        ok(cu.cuStreamWaitEvent(two, event, 0))
        ok(cu.cuMemcpyDtoDAsync(y, x, 4 * n, two))
        launch(kernel(b"saxpy"), n, two, (2.0, ctypes.c_float), (x, None), (y, None),
               (n, ctypes.c_uint32))
        ok(cu.cuStreamSynchronize(two))
        out = np.zeros(n, np.float32)
        ok(cu.cuMemcpyDtoH(out.ctypes.data, y, 4 * n))
        blocking = ok(cu.cuStreamCreate(0))
        busy(blocking, 40_000_000_000)
        ok(cu.cuMemsetD32Async(y, bits(5), n, blocking))
        again = np.zeros(n, np.float32)
        ok(cu.cuMemcpyDtoH(again.ctypes.data, y, 4 * n))
        print(json.dumps([float(out[0]), float(out[-1]), float(again[0])]))
        """,
    ) == [9.0, 9.0, 5.0]


def test_two_streams_overlap_copies_with_kernels(sim_build: Path) -> None:
    fact = run(
        sim_build,
        """
        ok(cu.cuInit(0)); use(0)
        pinned, device = ok(cu.cuMemHostAlloc(1 << 26, 0)), ok(cu.cuMemAlloc(1 << 26))
        one, two = ok(cu.cuStreamCreate(1)), ok(cu.cuStreamCreate(1))
        ok(cu.cuMemcpyHtoD(device, pinned, 1 << 26))
        busy(one, 4_000_000_000_000)                    # 1 s on the device
        for _ in range(4):
            ok(cu.cuMemcpyHtoDAsync(device, pinned, 1 << 24, two))
        ok(cu.cuStreamSynchronize(two))
        meanwhile = int(cu.cuStreamQuery(one)[0])
        ok(cu.cuCtxSynchronize())
        print(json.dumps([meanwhile, int(cu.cuStreamQuery(one)[0])]))
        """,
    )
    assert fact == [600, 0], "the copies are through while the kernel runs"


def test_a_graph_replays_what_was_captured(sim_build: Path) -> None:
    assert run(
        sim_build,
        """
        ok(cu.cuInit(0)); use(0)
        n = 256
        x, y = ok(cu.cuMemAlloc(4 * n)), ok(cu.cuMemAlloc(4 * n))
        ok(cu.cuMemsetD32(x, int(np.float32(1).view(np.uint32)), n))
        ok(cu.cuMemsetD32(y, 0, n))
        stream = ok(cu.cuStreamCreate(1))
        mode = cu.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_GLOBAL
        ok(cu.cuStreamBeginCapture(stream, mode))
        refused = int(cu.cuStreamSynchronize(stream)[0])
        spoiled = int(cu.cuStreamEndCapture(stream)[0])
        ok(cu.cuStreamBeginCapture(stream, mode))
        launch(kernel(b"saxpy"), n, stream, (2.0, ctypes.c_float), (x, None), (y, None),
               (n, ctypes.c_uint32))
        graph = ok(cu.cuStreamEndCapture(stream))
        out = np.zeros(n, np.float32)
        ok(cu.cuMemcpyDtoH(out.ctypes.data, y, 4 * n))
        before = float(out[0])
        program = ok(cu.cuGraphInstantiate(graph, 0))
        for _ in range(3):
            ok(cu.cuGraphLaunch(program, stream))
        ok(cu.cuStreamSynchronize(stream))
        ok(cu.cuMemcpyDtoH(out.ctypes.data, y, 4 * n))
        print(json.dumps([refused, spoiled, before, float(out[0])]))
        """,
    ) == [900, 901, 0.0, 6.0]


def test_images_from_memory_and_file(sim_build: Path) -> None:
    assert run(
        sim_build,
        """
        ok(cu.cuInit(0)); use(0)
        path = os.environ["SIM_BUILD"] + "/image.so"
        n = 128
        x = ok(cu.cuMemAlloc(4 * n))
        out = np.zeros(n, np.float32)
        ok(cu.cuMemsetD32(x, int(np.float32(2).view(np.uint32)), n))
        with open(path, "rb") as file:
            library = ok(cu.cuLibraryLoadData(file.read(), [], [], 0, [], [], 0))
        function = ok(cu.cuKernelGetFunction(ok(cu.cuLibraryGetKernel(library, b"scale"))))
        launch(function, n, 0, (x, None), (5.0, ctypes.c_float))
        module = ok(cu.cuModuleLoad(path.encode()))
        launch(ok(cu.cuModuleGetFunction(module, b"scale")), n, 0, (x, None),
               (3.0, ctypes.c_float))
        ok(cu.cuMemcpyDtoH(out.ctypes.data, x, 4 * n))
        _, size = ok(cu.cuModuleGetGlobal(module, b"image_version"))
        missing = int(cu.cuModuleGetFunction(module, b"absent")[0])
        broken = int(cu.cuModuleLoadData(b"not an image at all")[0])
        print(json.dumps([float(out[0]), size, missing, broken]))
        """,
    ) == [30.0, 4, 500, 200]


def test_errors_are_the_drivers(sim_build: Path) -> None:
    assert run(
        sim_build,
        """
        codes = [int(cu.cuDeviceGetCount()[0])]                       # before cuInit
        ok(cu.cuInit(0))
        codes.append(int(cu.cuMemAlloc(16)[0]))                       # no context
        codes.append(int(cu.cuDeviceGet(2)[0]))                       # no such device
        use(1)
        codes.append(int(cu.cuMemAlloc(4 << 30)[0]))                  # more than B has
        pointer = ok(cu.cuMemAlloc(64))
        host = np.zeros(128, np.uint8)
        codes.append(int(cu.cuMemcpyHtoD(pointer, host.ctypes.data, 128)[0]))
        codes.append(int(cu.cuMemFree(int(pointer) + 8)[0]))
        try:
            launch(kernel(b"noop"), 0, 0)
        except ZeroDivisionError:
            pass
        codes.append(int(cu.cuLaunchKernel(kernel(b"noop"), 1, 1, 1, 2048, 1, 1, 0, 0, 0, 0)[0]))
        codes.append(text(ok(cu.cuGetErrorName(cu.CUresult.CUDA_ERROR_OUT_OF_MEMORY))))
        print(json.dumps(codes))
        """,
    ) == [3, 201, 101, 2, 1, 1, 1, "CUDA_ERROR_OUT_OF_MEMORY"]


def test_async_pools_and_pitch(sim_build: Path) -> None:
    assert run(
        sim_build,
        """
        ok(cu.cuInit(0)); device = use(0)
        stream = ok(cu.cuStreamCreate(1))
        free = ok(cu.cuMemGetInfo())[0]
        pointer = ok(cu.cuMemAllocAsync(1 << 20, stream))
        ok(cu.cuMemsetD8Async(pointer, 7, 1 << 20, stream))
        back = np.zeros(16, np.uint8)
        ok(cu.cuMemcpyDtoHAsync(back.ctypes.data, pointer, 16, stream))
        used = free - ok(cu.cuMemGetInfo())[0]
        ok(cu.cuMemFreeAsync(pointer, stream))
        ok(cu.cuStreamSynchronize(stream))
        pool = ok(cu.cuDeviceGetDefaultMemPool(device))
        other = ok(cu.cuMemAllocFromPoolAsync(4096, pool, stream))
        ok(cu.cuMemFree(other))
        same = ok(cu.cuMemGetInfo())[0] == free

        rows, pitch = ok(cu.cuMemAllocPitch(100, 8, 4))
        copy = cu.CUDA_MEMCPY2D()
        host = np.arange(800, dtype=np.uint8).reshape(8, 100)
        copy.srcMemoryType = cu.CUmemorytype.CU_MEMORYTYPE_HOST
        copy.srcHost, copy.srcPitch = host.ctypes.data, 100
        copy.dstMemoryType = cu.CUmemorytype.CU_MEMORYTYPE_DEVICE
        copy.dstDevice, copy.dstPitch = rows, pitch
        copy.WidthInBytes, copy.Height = 100, 8
        ok(cu.cuMemcpy2D(copy))
        row = np.zeros(100, np.uint8)
        ok(cu.cuMemcpyDtoH(row.ctypes.data, int(rows) + 3 * pitch, 100))
        print(json.dumps([int(back[0]), used, same, pitch, bool((row == host[3]).all())]))
        """,
    ) == [7, 1 << 20, True, 512, True]


def test_virtual_memory_and_pools(sim_build: Path) -> None:
    assert run(
        sim_build,
        """
        ok(cu.cuInit(0)); device = use(0)
        stream = ok(cu.cuStreamCreate(1))
        place = cu.CUmemLocation()
        place.type, place.id = cu.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE, 0
        what = cu.CUmemAllocationProp()
        what.type = cu.CUmemAllocationType.CU_MEM_ALLOCATION_TYPE_PINNED
        what.location = place
        size = ok(cu.cuMemGetAllocationGranularity(
            what, cu.CUmemAllocationGranularity_flags.CU_MEM_ALLOC_GRANULARITY_MINIMUM))
        handle = ok(cu.cuMemCreate(size, what, 0))
        address = ok(cu.cuMemAddressReserve(size, 0, 0, 0))
        ok(cu.cuMemMap(address, size, 0, handle, 0))
        access = cu.CUmemAccessDesc()
        access.location, access.flags = place, cu.CUmemAccess_flags(3)
        ok(cu.cuMemSetAccess(address, size, [access], 1))
        ok(cu.cuMemsetD8(address, 5, size))
        back = np.zeros(4, np.uint8)
        ok(cu.cuMemcpyDtoH(back.ctypes.data, int(address) + size - 4, 4))
        ok(cu.cuMemUnmap(address, size)); ok(cu.cuMemRelease(handle))
        ok(cu.cuMemAddressFree(address, size))

        properties = cu.CUmemPoolProps()
        properties.allocType, properties.location = what.type, place
        pool = ok(cu.cuMemPoolCreate(properties))
        threshold = cu.CUmemPool_attribute.CU_MEMPOOL_ATTR_RELEASE_THRESHOLD
        reserved = cu.CUmemPool_attribute.CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT
        ok(cu.cuMemPoolSetAttribute(pool, threshold, cu.cuuint64_t(1 << 30)))
        pooled = ok(cu.cuMemAllocFromPoolAsync(1 << 20, pool, stream))
        ok(cu.cuMemFreeAsync(pooled, stream))
        ok(cu.cuStreamSynchronize(stream))
        kept = [int(ok(cu.cuMemPoolGetAttribute(pool, reserved)))]
        ok(cu.cuMemPoolTrimTo(pool, 0))
        kept.append(int(ok(cu.cuMemPoolGetAttribute(pool, reserved))))
        ok(cu.cuMemPoolDestroy(pool))

        managed = ok(cu.cuMemAllocManaged(1 << 20, 1))
        ok(cu.cuMemPrefetchAsync(managed, 1 << 20, place, 0, stream))
        ok(cu.cuMemAdvise(managed, 1 << 20, cu.CUmem_advise.CU_MEM_ADVISE_SET_READ_MOSTLY, place))
        ok(cu.cuStreamSynchronize(stream))
        last = cu.CUmem_range_attribute.CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION
        where = int(ok(cu.cuMemRangeGetAttribute(4, last, managed, 1 << 20)))
        kind = cu.CUpointer_attribute.CU_POINTER_ATTRIBUTE_IS_MANAGED
        is_managed = int(ok(cu.cuPointerGetAttribute(kind, managed)))
        print(json.dumps([int(back[3]), kept, where, is_managed]))
        """,
    ) == [5, [1 << 20, 0], 0, 1]


def test_graphs_of_nodes(sim_build: Path) -> None:
    assert run(
        sim_build,
        """
        ok(cu.cuInit(0)); use(0)
        context = ok(cu.cuCtxGetCurrent())
        stream = ok(cu.cuStreamCreate(1))
        n = 64
        memory = ok(cu.cuMemAlloc(4 * n))
        graph = ok(cu.cuGraphCreate(0))
        fill = cu.CUDA_MEMSET_NODE_PARAMS()
        fill.dst, fill.elementSize, fill.width, fill.height = memory, 4, n, 1
        fill.value = int(np.float32(3).view(np.uint32))
        first = ok(cu.cuGraphAddMemsetNode(graph, None, 0, fill, context))
        kernel_node = cu.CUDA_KERNEL_NODE_PARAMS()
        kernel_node.func = kernel(b"saxpy")
        kernel_node.gridDimX, kernel_node.gridDimY, kernel_node.gridDimZ = 1, 1, 1
        kernel_node.blockDimX, kernel_node.blockDimY, kernel_node.blockDimZ = n, 1, 1
        kernel_node.kernelParams = ((2.0, memory, memory, n),
                                    (ctypes.c_float, None, None, ctypes.c_uint32))
        second = ok(cu.cuGraphAddKernelNode(graph, [first], 1, kernel_node))
        edges = ok(cu.cuGraphGetEdges(graph, 8))[-1]
        kind = int(ok(cu.cuGraphNodeGetType(second)))
        program = ok(cu.cuGraphInstantiate(graph, 0))
        ok(cu.cuGraphLaunch(program, stream))
        fill.value = int(np.float32(5).view(np.uint32))
        ok(cu.cuGraphExecMemsetNodeSetParams(program, first, fill, context))
        values = []
        out = np.zeros(n, np.float32)
        for _ in range(2):
            ok(cu.cuStreamSynchronize(stream))
            ok(cu.cuMemcpyDtoH(out.ctypes.data, memory, 4 * n))
            values.append(float(out[n - 1]))
            ok(cu.cuGraphLaunch(program, stream))
        print(json.dumps([edges, kind, values]))
        """,
    ) == [1, 0, [9.0, 15.0]]


def test_libraries_occupancy_and_green_contexts(sim_build: Path) -> None:
    names, parameters, blocks, share, twin = run(
        sim_build,
        """
        ok(cu.cuInit(0)); device = use(0)
        library = ok(cu.cuLibraryLoadData(b"anaros-sim-image\\n", [], [], 0, [], [], 0))
        count = ok(cu.cuLibraryGetKernelCount(library))
        kernels = ok(cu.cuLibraryEnumerateKernels(count, library))
        names = sorted(ok(cu.cuKernelGetName(k)).decode() for k in kernels)
        saxpy = ok(cu.cuLibraryGetKernel(library, b"saxpy"))
        function = ok(cu.cuKernelGetFunction(saxpy))
        parameters = [ok(cu.cuFuncGetParamInfo(function, i)) for i in range(4)]
        blocks = ok(cu.cuOccupancyMaxActiveBlocksPerMultiprocessor(function, 256, 0))
        kind = cu.CUdevResourceType.CU_DEV_RESOURCE_TYPE_SM
        whole = ok(cu.cuDeviceGetDevResource(device, kind))
        groups, made, rest = ok(cu.cuDevSmResourceSplitByCount(2, whole, 0, 32))
        description = ok(cu.cuDevResourceGenerateDesc([groups[0]], 1))
        green = ok(cu.cuGreenCtxCreate(description, device, 1))
        stream = ok(cu.cuGreenCtxStreamCreate(green, 1, 0))
        launch(kernel(b"noop"), 1, stream)
        ok(cu.cuStreamSynchronize(stream))
        print(json.dumps([names, parameters, blocks, [groups[0].sm.smCount, rest.sm.smCount],
                          int(function) != int(saxpy)]))
        """,
    )
    assert {"noop", "saxpy", "matmul"} <= set(names)
    assert parameters == [[0, 4], [8, 8], [16, 8], [24, 4]]
    assert blocks == 8
    assert share == [32, 32]
    assert twin


def test_faults_from_the_environment(sim_build: Path) -> None:
    assert run(
        sim_build,
        """
        ok(cu.cuInit(0)); use(0)
        stream = ok(cu.cuStreamCreate(1))
        codes = [int(cu.cuMemAlloc(64)[0]), int(cu.cuMemAlloc(64)[0])]
        launch(kernel(b"noop"), 1, stream)
        codes.append(int(cu.cuStreamSynchronize(stream)[0]))
        codes.append(int(cu.cuMemAlloc(64)[0]))
        codes.append(text(ok(cu.cuGetErrorString(cu.CUresult(719)))))
        print(json.dumps(codes))
        """,
        ANAROS_SIM_FAULTS="alloc@2=2;kernel@1=719",
    ) == [0, 2, 719, 719, "unspecified launch failure"]


def test_counters_of_work(sim_build: Path, tmp_path: Path) -> None:
    counters = tmp_path / "counters.json"
    run(
        sim_build,
        """
        ok(cu.cuInit(0)); use(0)
        stream = ok(cu.cuStreamCreate(1))
        memory = ok(cu.cuMemAlloc(4096))
        ok(cu.cuMemsetD16Async(memory, 1, 100, stream))
        ok(cu.cuStreamBeginCapture(stream, cu.CUstreamCaptureMode(0)))
        ok(cu.cuMemcpyDtoDAsync(int(memory) + 1024, memory, 512, stream))
        graph = ok(cu.cuStreamEndCapture(stream))
        program = ok(cu.cuGraphInstantiate(graph, 0))
        ok(cu.cuGraphLaunch(program, stream)); ok(cu.cuGraphLaunch(program, stream))
        ok(cu.cuStreamSynchronize(stream))
        print(json.dumps(None))
        """,
        ANAROS_SIM_COUNTERS=str(counters),
    )
    counted = json.loads(counters.read_text())
    assert counted["work"]["fills"] == 1
    assert counted["work"]["fill_bytes"] == 200
    assert counted["bytes"]["d2d"] == 0
    assert (counted["captured"]["copies"], counted["captured"]["d2d"]) == (1, 512)
    assert (counted["replayed"]["copies"], counted["replayed"]["d2d"]) == (2, 1024)
    assert counted["memory"]["allocated_bytes"] == 4096
    assert counted["memory"]["graph_launches"] == 2

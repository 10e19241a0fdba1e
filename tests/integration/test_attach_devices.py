# SPDX-License-Identifier: Apache-2.0
"""`anaros attach` to programs that drive a device: what they call, and what is said of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from anaros.kinds import Kind
from anaros.records import Columns
from anaros.store.names import read_names
from anaros.store.rundir import RunDirectory
from anaros.store.segments import load

ROOT = Path(__file__).resolve().parents[2]
SIM = ROOT / "tests/native/cuda_sim"
Command = Callable[..., list[str]]
#: Given a target and the command: attached meanwhile, by the process that it gives.
Attachment = Callable[..., AbstractContextManager["subprocess.Popen[str]"]]

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="loading BPF programs takes root"),
    pytest.mark.skipif(
        not (ROOT / "ebpf/device.bpf.o").exists(), reason="ebpf/device.bpf.o is not built"
    ),
]

CUDA = """
    import ctypes, sys

    def ready():
        print("ready", flush=True)
        sys.stdin.readline()

    if EARLY:
        cuda = ctypes.CDLL(LIBRARY)
        ready()
    else:
        ready()
        cuda = ctypes.CDLL(LIBRARY)
        ready()
    pointer = ctypes.c_void_p
    device, context, module, kernel, stream = (ctypes.c_int(), *(pointer() for _ in range(4)))
    memory = ctypes.c_uint64()

    def call(name, *words):
        result = getattr(cuda, name)(*words)
        assert result == 0, (name, result)

    call("cuInit", 0)
    call("cuDeviceGet", ctypes.byref(device), 0)
    call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    call("cuCtxSetCurrent", context)
    call("cuModuleLoadData", ctypes.byref(module), b"anaros-sim-image\\n")
    call("cuModuleGetFunction", ctypes.byref(kernel), module, b"busy")
    call("cuStreamCreate", ctypes.byref(stream), 1)
    call("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(4096))
    host = ctypes.create_string_buffer(4096)
    operations = ctypes.c_uint64(1)
    values = (pointer * 1)(ctypes.cast(ctypes.byref(operations), pointer))
    for place in range(LAUNCHES):
        call("cuLaunchKernel", kernel, 2, 1, 1, 32, 1, 1, 0, stream, values, None)
    for place in range(7):
        call("cuLaunchKernel_ptsz", kernel, 1, 1, 1, 1, 1, 1, 0, None, values, None)
    for place in range(50):
        call("cuMemcpyHtoD_v2", memory, host, ctypes.c_size_t(1000 + place))
        call("cuMemcpyDtoHAsync_v2", host, memory, ctypes.c_size_t(2000), stream)
        call("cuStreamSynchronize", stream)
    call("cuCtxSynchronize")
    print(memory.value, ctypes.addressof(host), stream.value, flush=True)
    call("cuMemFree_v2", memory)
    ready()
"""


@pytest.fixture(scope="session")
def library() -> Path:
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("make or a C compiler is missing: install build-essential")
    subprocess.run(["make", "-s", "-C", SIM], check=True)
    return SIM / "build/libcuda.so.1"


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@contextmanager
def program(code: str, *prefix: str, **names: object) -> Iterator[subprocess.Popen[str]]:
    """A Python program that waits until it is told to go on."""
    prelude = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    started = subprocess.Popen(
        [*prefix, sys.executable, "-c", prelude + textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert line(started) == "ready\n"
        yield started
    finally:
        started.kill()
        started.communicate()


@pytest.fixture
def attachment(anaros: Command, until_it_follows: Callable[..., int]) -> Attachment:
    """What it says is checked."""

    @contextmanager
    def attached(pid: int, run: Path) -> Iterator[subprocess.Popen[str]]:
        command = anaros("attach", pid, "--output", run)
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            until_it_follows(process.pid, pid)
            yield process
            process.terminate()
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()
            process.communicate()
        assert (process.returncode, err) == (0, "")
        assert out.endswith(f"{run}\n")

    return attached


def of(run: Path, *kinds: Kind) -> Columns:
    return load(RunDirectory.open(run), kinds=kinds)


def calls(run: Path) -> Counter[str]:
    told: list[dict[str, Any]] = RunDirectory.open(run).meta()["devices"]["calls"]
    return Counter({str(one["symbol"]): int(one["calls"]) for one in told})


@pytest.mark.parametrize("early", [True, False], ids=["mapped before", "mapped later"])
def test_cuda_calls_are_counted(
    attachment: Attachment,
    until_it_follows: Callable[..., int],
    library: Path,
    tmp_path: Path,
    early: bool,
) -> None:
    run = tmp_path / "run"
    with program(CUDA, EARLY=early, LIBRARY=str(library), LAUNCHES=300) as target:
        with attachment(target.pid, run) as supervisor:
            if not early:
                had = len(list(Path(f"/proc/{supervisor.pid}/fd").iterdir()))
                go(target)
                assert line(target) == "ready\n"
                until_it_follows(supervisor.pid, target.pid, had)
            go(target)
            device, host, stream = (int(word) for word in line(target).split())
            assert line(target) == "ready\n"
        assert target.poll() is None

    meta = RunDirectory.open(run).meta()
    (followed,) = meta["devices"]["libraries"]
    assert (followed["path"], followed["family"]) == (str(library), "CUDA")
    counted = calls(run)
    assert counted["cuLaunchKernel"] == 300
    assert counted["cuLaunchKernel_ptsz"] == 7
    assert counted["cuMemcpyHtoD_v2"] == counted["cuMemcpyDtoHAsync_v2"] == 50

    launches = of(run, Kind.GPU_LAUNCH)
    assert Counter(launches.size_bytes.tolist()) == {64: 300, 1: 7}
    assert Counter(launches.object.tolist()) == {stream: 300, 2: 7}
    up = of(run, Kind.GPU_COPY_H2D)
    assert sorted(up.size_bytes.tolist()) == list(range(1000, 1050))
    assert set(up.address.tolist()) == {host}
    assert (up.duration_ns > 0).all()
    assert of(run, Kind.GPU_COPY_D2H).size_bytes.sum() == 100_000
    syncs = of(run, Kind.GPU_SYNC)
    assert Counter(syncs.object.tolist()) == {stream: 50, 0: 1}
    made = of(run, Kind.GPU_ALLOC)
    assert (made.object.tolist(), made.size_bytes.tolist()) == ([device], [4096])
    assert of(run, Kind.GPU_FREE).object.tolist() == [device]


def test_calls_beyond_the_rate_are_counted(
    attachment: Attachment, library: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with (
        program(CUDA, EARLY=True, LIBRARY=str(library), LAUNCHES=40_000) as target,
        attachment(target.pid, run),
    ):
        go(target)
        line(target)
        line(target)
    told = {one["symbol"]: one for one in RunDirectory.open(run).meta()["devices"]["calls"]}
    launches = told["cuLaunchKernel"]
    assert launches["calls"] == 40_000
    seen = of(run, Kind.GPU_LAUNCH).size_bytes == 64
    assert int(seen.sum()) == launches["calls"] - launches["capped"]
    missing = RunDirectory.open(run).meta()["kernel_plane"]["missing"]
    said = any("device calls are counted only" in one for one in missing)
    assert said == (launches["capped"] > 0)


OPENCL = """
    import sys
    import numpy as np
    import pyopencl as cl

    context = cl.Context(cl.get_platforms()[0].get_devices())
    queue = cl.CommandQueue(context)
    source = "kernel void twice(global float *a) { a[get_global_id(0)] *= 2; }"
    twice = cl.Kernel(cl.Program(context, source).build(), "twice")
    host = np.ones(1024, np.float32)
    buffer = cl.Buffer(context, cl.mem_flags.READ_WRITE, host.nbytes)
    print("ready", flush=True)
    sys.stdin.readline()
    for place in range(40):
        cl.enqueue_copy(queue, buffer, host)
        twice(queue, (1024,), None, buffer)
        cl.enqueue_copy(queue, host, buffer)
    queue.finish()
    print(host[0] == 2.0**40, queue.int_ptr, host.ctypes.data, flush=True)
    sys.stdin.readline()
"""


def test_opencl_calls_are_told(attachment: Attachment, tmp_path: Path) -> None:
    pyopencl = pytest.importorskip("pyopencl", reason="pyopencl is not installed")
    try:
        pyopencl.get_platforms()
    except pyopencl.Error as problem:
        pytest.skip(f"there is no OpenCL platform: {problem}")
    run = tmp_path / "run"
    with (
        program(OPENCL) as target,
        attachment(target.pid, run),
    ):
        go(target)
        right, queue, host = line(target).split()
    assert right == "True"
    families = [one["family"] for one in RunDirectory.open(run).meta()["devices"]["libraries"]]
    assert families == ["OpenCL"], "the loader, and not the vendor's library below it as well"
    launches = of(run, Kind.GPU_LAUNCH)
    assert launches.size_bytes.tolist() == [1024] * 40
    assert set(launches.object.tolist()) == {int(queue)}
    for kind in (Kind.GPU_COPY_H2D, Kind.GPU_COPY_D2H):
        copies = of(run, kind)
        assert copies.size_bytes.tolist() == [4096] * 40
        assert set(copies.address.tolist()) == {int(host)}
        assert (copies.duration_ns > 0).all()


COLLECTIVES = """
    int ncclAllReduce(const void *from, void *to, unsigned long count, int type, int op,
                      void *communicator, void *stream)
    {
        return count == 0;
    }

    int ncclReduce(const void *from, void *to, unsigned long count, int type, int op, int root,
                   void *communicator, void *stream)
    {
        return 0;
    }
"""


def test_a_deleted_library_of_collectives(attachment: Attachment, tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("a C compiler is missing: install build-essential")
    (tmp_path / "nccl.c").write_text(textwrap.dedent(COLLECTIVES))
    made = tmp_path / "libanything.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-s", "-o", made, tmp_path / "nccl.c"], check=True)
    code = """
        import ctypes, os, sys
        nccl = ctypes.CDLL(LIBRARY)
        os.unlink(LIBRARY)
        print("ready", flush=True)
        sys.stdin.readline()
        long, pointer = ctypes.c_ulong, ctypes.c_void_p
        for count in (10, 20):
            assert nccl.ncclAllReduce(None, None, long(count), 7, 0, pointer(77), None) == 0
        assert nccl.ncclReduce(None, None, long(5), 8, 0, 1, pointer(99), None) == 0
        print("done", flush=True)
        sys.stdin.readline()
    """
    run = tmp_path / "run"
    with (
        program(code, LIBRARY=str(made)) as target,
        attachment(target.pid, run),
    ):
        go(target)
        assert line(target) == "done\n"
    seen = of(run, Kind.GPU_COLLECTIVE)
    assert seen.size_bytes.tolist() == [40, 80, 40]
    assert seen.object.tolist() == [77, 77, 99]
    names = read_names(RunDirectory.open(run))
    called = dict(zip(names.object.tolist(), names.name, strict=True))
    assert [called[address] for address in seen.address.tolist()] == [
        "AllReduce",
        "AllReduce",
        "Reduce",
    ]
    (library,) = RunDirectory.open(run).meta()["devices"]["libraries"]
    assert "ncclSend" in library["absent"]
    assert library["symbols"] == ["ncclAllReduce", "ncclReduce"]


def test_what_others_call_is_not_recorded(
    attachment: Attachment, library: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with (
        program(CUDA, EARLY=True, LIBRARY=str(library), LAUNCHES=3) as target,
        program(CUDA, EARLY=True, LIBRARY=str(library), LAUNCHES=50) as other,
        attachment(target.pid, run),
    ):
        go(other)
        line(other)
        go(target)
        line(target)
    assert set(of(run, Kind.GPU_LAUNCH).pid.tolist()) == {target.pid}
    assert calls(run)["cuLaunchKernel"] == 3

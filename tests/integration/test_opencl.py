# SPDX-License-Identifier: Apache-2.0
"""OpenCL under the shim, on PoCL: nothing changes for the program, and every call is recorded."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anaros import artifacts
from anaros.errors import AnarosError
from anaros.kinds import Kind, NameClass
from anaros.pofc.streams import busy_of
from anaros.records import FLAG_ASYNC, FLAG_DEVICE_TIME, FLAG_PINNED, Columns

pytest.importorskip("pyopencl", reason="pyopencl is not installed")
pytest.importorskip("pocl_binary_distribution", reason="PoCL is not installed")

HERE = Path(__file__).resolve().parent
GPU_FAMILY = 4
#: The runtime reads its clock by itself, we ours: they agree to less than this.
CLOCK_NS = 2000


@pytest.fixture(scope="module", autouse=True)
def shim() -> None:
    try:
        artifacts.shim_library()
    except AnarosError as error:
        pytest.skip(error.fact)


@dataclass(frozen=True)
class Recording:
    gpu: Columns  # sorted by start_ns
    names: dict[tuple[int, int], str]  # class and object
    output: str
    drops: int
    unread: int

    @property
    def answer(self) -> dict[str, Any]:
        answer = json.loads(self.output)
        assert isinstance(answer, dict)
        return answer

    def of(self, kind: Kind) -> Columns:
        return self.gpu.take(self.gpu.kind == kind)


def environment(devices: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    import pyopencl

    home = Path(pyopencl.__file__).parent
    return {
        **os.environ,
        "POCL_DEVICES": devices,
        # What lets a program other than Python find PoCL in the wheel.
        "PYOPENCL_HOME": str(home),
        "LD_LIBRARY_PATH": str(home / ".libs"),
        **(extra or {}),
    }


def bare(command: Sequence[str | Path], devices: str = "pthread") -> str:
    done = subprocess.run(
        command,
        env=environment(devices),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def record(
    command: Sequence[str | Path],
    devices: str = "pthread",
    order: list[int] | None = None,
    *,
    hide_names: bool = False,
    device_time: str = "queue",
) -> Recording:
    """Runs a command with the shim over an arena of its own, and reads what it left there."""
    from anaros.capture.rings import names
    from anaros.capture.rings.arena import Arena, Segment, remove_folder, shared_memory_root

    folder = Path(tempfile.mkdtemp(prefix="anaros-test-", dir=shared_memory_root()))
    arena = Arena.create(folder / "run")
    try:
        segment = Segment.create(arena.folder / "segment-0")
        arena.start_clock()
        arena.recording = True
        arena.device_time = device_time
        arena.hide_names = hide_names
        if order is not None:
            arena.set_device_map("opencl", order)
        done = subprocess.run(
            command,
            env=environment(devices, {"LD_PRELOAD": arena.preload}),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        arena.end_all()
        assert arena.drain(segment)
        columns = segment.columns()
        columns = columns.take(np.argsort(columns.start_ns, kind="stable"))
        known = names.parse(segment.name_bytes())
        keys = zip(known.name_class.tolist(), known.object.tolist(), strict=True)
        return Recording(
            gpu=columns.take(columns.kind >> 8 == GPU_FAMILY),
            names=dict(zip(keys, known.name, strict=True)),
            output=done.stdout,
            drops=arena.drops(),
            unread=arena.counters()["device_times_unread"],
        )
    finally:
        arena.close()
        remove_folder(folder / "run")
        folder.rmdir()


def compile_c(source: Path, target: Path, *arguments: str | Path) -> Path:
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    flags = ["-O1", "-g", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["cc", *flags, "-o", target, source, *arguments], check=True, timeout=60)
    return target


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    import pyopencl

    (library,) = (Path(pyopencl.__file__).parent / ".libs").glob("libOpenCL*")
    target = tmp_path_factory.mktemp("opencl") / "workload"
    yield compile_c(HERE / "test_opencl_workload.c", target, "-pthread", library)


@pytest.mark.parametrize(
    "mode",
    [
        ("each",),
        ("plain",),
        ("unsynced", "500"),
        ("gated", "100"),
        ("threads", "50"),
        ("callbacks", "100"),
        ("references",),
        ("refused",),
        ("devices",),
    ],
    ids=" ".join,
)
def test_results_are_the_same(workload: Path, mode: tuple[str, ...]) -> None:
    expected = json.loads(bare([workload, *mode]))["result"]
    assert record([workload, *mode]).answer["result"] == expected


#: kind, bytes, the handle or address of what was acted on, flags, in the order of the calls.
EACH = [
    (Kind.GPU_COPY_H2D, 4096, "host", FLAG_ASYNC),
    (Kind.GPU_LAUNCH, 1024, "kernel", FLAG_ASYNC),
    (Kind.GPU_COPY_D2D, 512, "other", FLAG_ASYNC),
    (Kind.GPU_MEMSET, 256, "buffer", FLAG_ASYNC),
    # The second row of 128 bytes, from byte 16.
    (Kind.GPU_COPY_H2D, 256, "host+144", FLAG_ASYNC),
    (Kind.GPU_LAUNCH, 1, "kernel", FLAG_ASYNC),
    (Kind.GPU_SYNC, 0, "", 0),
    (Kind.GPU_EVENT, 0, "marker", FLAG_ASYNC),
    (Kind.GPU_SYNC, 0, "queue", 0),
    (Kind.GPU_MAP, 128, "mapped", 0),
    (Kind.GPU_UNMAP, 0, "mapped", FLAG_ASYNC),
    (Kind.GPU_COPY_D2H, 4096, "answer", 0),
]


@pytest.mark.parametrize("mode", ["each", "plain"])
def test_each_call_is_recorded_exactly(workload: Path, mode: str) -> None:
    run = record([workload, mode])
    handles = run.answer["handles"]

    def address(text: str) -> int:
        name, _, offset = text.partition("+")
        return int(handles[name]) + int(offset or 0) if name else 0

    calls = run.gpu.take(
        ((run.gpu.flags & FLAG_DEVICE_TIME) == 0)
        & ~np.isin(
            run.gpu.kind,
            [Kind.GPU_ALLOC, Kind.GPU_STREAM, Kind.GPU_BUILD, Kind.GPU_CONTEXT],
        )
    )
    assert calls.kind.tolist() == [kind for kind, *_ in EACH]
    sizes = [size for _, size, _, _ in EACH]
    # The wait for the marker tells since when the queue had that.
    sizes[8] = int(calls.start_ns[8] - calls.start_ns[7])
    assert calls.size_bytes.tolist() == sizes
    assert calls.address.tolist() == [address(text) for _, _, text, _ in EACH]
    assert calls.flags.tolist() == [flags for *_, flags in EACH]
    assert set(calls.status.tolist()) == {0}
    # All on the queue, but the wait for the marker.
    expected = [handles["queue"]] * len(EACH)
    expected[8] = handles["marker"]
    assert calls.object.tolist() == expected
    assert np.all(calls.duration_ns > 0)
    allocated = run.of(Kind.GPU_ALLOC)
    assert allocated.object.tolist() == [handles["buffer"], handles["other"]]
    assert allocated.size_bytes.tolist() == [4096, 4096]
    assert run.of(Kind.GPU_STREAM).object.tolist() == [handles["queue"]]
    source, built = run.of(Kind.GPU_BUILD).size_bytes.tolist()
    assert (source > 0, built) == (True, 0)
    # Made; the program ends with it.
    assert run.of(Kind.GPU_CONTEXT).size_bytes.tolist()[0] == 1
    assert run.names[NameClass.KERNEL, handles["kernel"]] == "add"
    assert run.names[NameClass.STREAM, handles["queue"]].startswith("pthread-")
    assert run.drops == 0


def test_hidden_names_are_those_of_files_and_peers(workload: Path) -> None:
    shown, hidden = record([workload, "each"]), record([workload, "each"], hide_names=True)
    kinds = {name_class for name_class, _ in shown.names}
    assert NameClass.FILE in kinds
    assert {name_class for name_class, _ in hidden.names} == kinds - {
        NameClass.FILE,
        NameClass.SOCKET,
    }
    assert {NameClass.KERNEL, NameClass.STREAM, NameClass.PROGRAM} <= kinds


def test_device_times_lie_between_enqueue_and_wait(workload: Path) -> None:
    run = record([workload, "each"])
    on_device = run.gpu.take((run.gpu.flags & FLAG_DEVICE_TIME) != 0)
    enqueued = run.gpu.take(
        np.isin(
            run.gpu.kind,
            [
                *(Kind.GPU_COPY_H2D, Kind.GPU_COPY_D2H, Kind.GPU_COPY_D2D, Kind.GPU_LAUNCH),
                *(Kind.GPU_MEMSET, Kind.GPU_MAP, Kind.GPU_UNMAP),
            ],
        )
    )
    assert len(on_device) == len(enqueued) == 9
    # An in-order queue: the n-th command to run is the n-th that was enqueued.
    is_launch = enqueued.kind == Kind.GPU_LAUNCH
    assert np.array_equal(on_device.kind == Kind.GPU_EXECUTE, is_launch)
    assert on_device.size_bytes.tolist() == enqueued.size_bytes.tolist()
    assert on_device.address.tolist() == enqueued.address.tolist()
    assert on_device.object.tolist() == enqueued.object.tolist()
    ends = on_device.start_ns + on_device.duration_ns
    waits = run.gpu.take(np.isin(run.gpu.kind, [Kind.GPU_SYNC, Kind.GPU_MAP, Kind.GPU_COPY_D2H]))
    finish_ns = int(waits.start_ns[0] + waits.duration_ns[0])
    last_ns = int(waits.start_ns[-1] + waits.duration_ns[-1])
    assert np.all(on_device.start_ns + CLOCK_NS >= enqueued.start_ns)
    assert np.all(ends[:6] <= finish_ns + CLOCK_NS)
    assert np.all(ends <= last_ns + CLOCK_NS)
    assert np.all(ends[:-1] <= on_device.start_ns[1:] + CLOCK_NS)  # one after the other
    # Queued before it started, and for no longer than the program knew of it.
    executed = run.of(Kind.GPU_EXECUTE)
    assert np.all(executed.context <= finish_ns - run.of(Kind.GPU_LAUNCH).start_ns)


def test_a_queue_without_profiling_has_no_device_times(workload: Path) -> None:
    run = record([workload, "plain"])
    assert not np.any(run.gpu.flags & FLAG_DEVICE_TIME)


def test_device_times_are_not_asked_for_where_they_are_off(workload: Path) -> None:
    run = record([workload, "each"], device_time="off")
    assert not np.any(run.gpu.flags & FLAG_DEVICE_TIME)
    assert len(run.of(Kind.GPU_LAUNCH)) == 2


def test_nobody_waits_for_the_commands(workload: Path) -> None:
    run = record([workload, "unsynced", "2000"])
    assert len(run.of(Kind.GPU_LAUNCH)) == 2000
    assert len(run.of(Kind.GPU_EXECUTE)) == 2000 - run.unread
    assert run.drops == 0
    assert len(run.of(Kind.GPU_SYNC)) == 1


def test_device_times_that_cannot_be_kept_are_counted(workload: Path) -> None:
    # The device starts when all are enqueued, so all 700 are pending at once.
    run = record([workload, "gated", "700"])
    assert len(run.of(Kind.GPU_LAUNCH)) == 700
    assert run.unread > 0
    assert len(run.of(Kind.GPU_EXECUTE)) + run.unread == 700
    assert run.drops == 0  # each command's own record is there


def test_threads_share_a_queue(workload: Path) -> None:
    run = record([workload, "threads", "200"])
    assert len(run.of(Kind.GPU_LAUNCH)) == len(run.of(Kind.GPU_SYNC)) == 1600
    assert len(run.of(Kind.GPU_EXECUTE)) + run.unread == 1600
    assert len(set(run.of(Kind.GPU_LAUNCH).tid.tolist())) == 8
    # They enqueue alike at once; each run is of a call all the same, where none is missing.
    found = busy_of(run.gpu)
    assert run.unread > 0 or found.works[found.told == 1].sum() == found.works.sum() == 1602


def test_callbacks_that_enqueue(workload: Path) -> None:
    run = record([workload, "callbacks", "200"])
    assert len(run.of(Kind.GPU_LAUNCH)) == 200
    assert len(run.of(Kind.GPU_EXECUTE)) + run.unread == 200


def test_the_last_release_counts(workload: Path) -> None:
    run = record([workload, "references"])
    handles = run.answer["handles"]
    freed = run.of(Kind.GPU_FREE)
    assert freed.object.tolist() == [handles["more"], handles["buffer"]]
    assert freed.size_bytes.tolist() == [4096, 4096]
    # Made, and destroyed once, after the launch and the read that came between.
    streams = run.of(Kind.GPU_STREAM)
    assert streams.object.tolist() == [handles["queue"]] * 2
    assert streams.start_ns[1] > run.of(Kind.GPU_COPY_D2H).start_ns[0]
    assert len(run.of(Kind.GPU_EXECUTE)) == 1


def test_refused_calls_carry_the_status(workload: Path) -> None:
    run = record([workload, "refused"])
    assert run.of(Kind.GPU_COPY_H2D).status.tolist() == [-36, -38]
    assert run.of(Kind.GPU_COPY_D2H).status.tolist() == [-30]
    assert run.of(Kind.GPU_LAUNCH).status.tolist() == [-53]
    assert run.of(Kind.GPU_LAUNCH).size_bytes.tolist() == [0]
    assert run.of(Kind.GPU_SYNC).status.tolist() == [-36, -30]
    assert run.of(Kind.GPU_ALLOC).status.tolist() == [0, 0, -61]
    assert len(run.of(Kind.GPU_EXECUTE)) == 0


#: PoCL lists "basic" before "pthread", whatever the order in POCL_DEVICES.
@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (None, ["basic", "pthread"]),
        ([1], ["pthread"]),
        ([0], ["basic"]),
        ([1, 0], ["pthread", "basic"]),
        ([1, 1, 9, 0], ["pthread", "basic"]),
        ([9], ["basic", "pthread"]),  # names no device of this machine: changes nothing
    ],
)
def test_device_map(workload: Path, order: list[int] | None, expected: list[str]) -> None:
    result = record([workload, "devices"], "pthread basic", order).answer["result"]
    assert result == {
        "status": 0,
        "platforms": 1,
        "devices": expected,
        "default": expected[0],
        "context": expected,
        "gpus": -1,
    }


def test_device_map_without_devices(workload: Path) -> None:
    result = record([workload, "devices"], "pthread basic", []).answer["result"]
    assert result == {"status": -1001, "platforms": 0}


# The wheel loads its library in a local scope, where RTLD_NEXT finds nothing.
PYOPENCL = """
import json, sys
import numpy as np, pyopencl as cl
devices = cl.get_platforms()[0].get_devices()
context = cl.Context(devices)
profiling = cl.command_queue_properties.PROFILING_ENABLE
queues = [cl.CommandQueue(context, device, properties=profiling) for device in devices]
program = cl.Program(context, "__kernel void square(__global float *a)"
    "{ int i = get_global_id(0); a[i] = a[i] * a[i]; }").build()
kernel = cl.Kernel(program, "square")
source = np.arange(1000, dtype=np.float32)
totals = []
for queue in queues:
    buffer = cl.Buffer(context, cl.mem_flags.ALLOC_HOST_PTR, source.nbytes)
    kernel.set_args(buffer)
    target = np.empty_like(source)
    cl.enqueue_copy(queue, buffer, source)
    event = cl.enqueue_nd_range_kernel(queue, kernel, source.shape, None)
    cl.enqueue_copy(queue, target, buffer)
    event.wait()
    totals.append(float(target.sum()))
    buffer.release()
print(json.dumps({"result": totals, "names": [d.name.split("-")[0] for d in devices],
    "device_ns": event.profile.end - event.profile.start, "kernel": kernel.int_ptr,
    "queues": [q.int_ptr for q in queues]}))
"""


#: Each queue gets a copy, a kernel and a copy ten times, and the last of them is waited for.
WAITED = """
import json
import numpy as np
import pyopencl as cl

context = cl.Context(cl.get_platforms()[0].get_devices()[:1])
kernel = cl.Kernel(cl.Program(context, "kernel void square(global float *x)"
    "{ size_t i = get_global_id(0); x[i] *= x[i]; }").build(), "square")
source = np.arange(100000, dtype=np.float32)
target = np.empty_like(source)
buffer = cl.Buffer(context, cl.mem_flags.READ_WRITE, source.nbytes)
kernel.set_args(buffer)
queues = [cl.CommandQueue(context, properties=cl.command_queue_properties.PROFILING_ENABLE),
    cl.CommandQueue(context)]
copies = []
for queue in queues:
    for _ in range(10):
        # Kept: pyopencl waits for such a copy where nobody else can.
        copies.append(cl.enqueue_copy(queue, buffer, source, is_blocking=False))
        cl.enqueue_nd_range_kernel(queue, kernel, source.shape, None)
        cl.enqueue_copy(queue, target, buffer, is_blocking=False).wait()
print(json.dumps({"queues": [q.int_ptr for q in queues]}))
"""


@pytest.mark.parametrize("order", [None, [1, 0], [1]])
def test_pyopencl_on_two_devices(order: list[int] | None) -> None:
    command = [sys.executable, "-c", PYOPENCL]
    expected = json.loads(bare(command, "pthread basic"))
    run = record(command, "pthread basic", order)
    answer = run.answer
    names = ["basic", "pthread"]
    assert answer["names"] == [names[i] for i in order or (0, 1)]
    assert answer["result"] == expected["result"][: len(answer["names"])]
    count = len(answer["names"])
    assert run.of(Kind.GPU_COPY_H2D).size_bytes.tolist() == [4000] * count
    assert run.of(Kind.GPU_COPY_D2H).size_bytes.tolist() == [4000] * count
    assert run.of(Kind.GPU_LAUNCH).size_bytes.tolist() == [1000] * count
    assert run.of(Kind.GPU_LAUNCH).object.tolist() == answer["queues"]
    assert run.of(Kind.GPU_EXECUTE).object.tolist() == answer["queues"]
    assert int(run.of(Kind.GPU_EXECUTE).duration_ns[-1]) == answer["device_ns"]
    assert run.of(Kind.GPU_ALLOC).flags.tolist() == [FLAG_PINNED] * count
    assert len(run.of(Kind.GPU_FREE)) == count
    assert run.names[NameClass.KERNEL, answer["kernel"]] == "square"
    for queue, name in zip(answer["queues"], answer["names"], strict=True):
        assert run.names[NameClass.STREAM, queue].startswith(name)


def test_times_of_a_queue_that_profiles_are_those_of_its_stream() -> None:
    """All of them, and nothing else; and where none are told a wait for one command ends them."""
    command = [sys.executable, "-c", WAITED]
    run = record(command)
    profiled, plain = run.answer["queues"]
    found = busy_of(run.gpu)
    mine = found.stream == profiled
    assert (found.works[mine].sum(), found.told[mine].tolist()) == (30, [1] * int(mine.sum()))
    ran = run.gpu.take(run.gpu.flags & FLAG_DEVICE_TIME != 0)
    assert found.sure_ns[mine].sum() <= ran.duration_ns.sum()
    assert found.end_ns[mine].max() == int((ran.start_ns + ran.duration_ns).max())
    waits = run.of(Kind.GPU_SYNC)
    bounds = found.stream == plain
    assert (found.works[bounds].tolist(), found.told[bounds].tolist()) == ([3] * 10, [0] * 10)
    assert np.isin(found.end_ns[bounds], waits.start_ns + waits.duration_ns).all()


def test_two_libraries_in_local_scopes(tmp_path: Path) -> None:
    source = HERE / "test_opencl_library.c"
    plugins: list[str | Path] = []
    for number in (3, 4):
        shared = ("-shared", "-fPIC")
        library = compile_c(source, tmp_path / f"cl{number}.so", *shared, f"-DLIBRARY={number}")
        plugin = tmp_path / f"plugin{number}.so"
        plugins.append(compile_c(source, plugin, *shared, "-DPLUGIN", library))
    program = compile_c(source, tmp_path / "program", "-ldl")
    expected = "303\n404\n303\n404\n"
    assert bare([program, *plugins]) == expected
    run = record([program, *plugins])
    assert run.output == expected
    assert run.of(Kind.GPU_SYNC).status.tolist() == [-3, -4, -3, -4]


# ctypes, and any program that loads OpenCL at run time, takes pointers with dlsym.
CTYPES = """
import ctypes, json, pathlib, pyopencl as cl
path = next((pathlib.Path(cl.__file__).parent / ".libs").glob("libOpenCL*"))
library = ctypes.CDLL(str(path))
count = ctypes.c_uint()
found = [library.clGetPlatformIDs(0, None, ctypes.byref(count)), count.value]
context = cl.Context(cl.get_platforms()[0].get_devices()[:1])
queue = cl.CommandQueue(context)
found.append(library.clFinish(ctypes.c_void_p(queue.int_ptr)))
print(json.dumps([found, hasattr(ctypes.CDLL(None), "clFinish")]))
"""


def test_pointers_taken_with_dlsym() -> None:
    command = [sys.executable, "-c", CTYPES]
    run = record(command)
    assert json.loads(run.output) == json.loads(bare(command)) == [[0, 1, 0], False]
    assert len(run.of(Kind.GPU_SYNC)) == 1

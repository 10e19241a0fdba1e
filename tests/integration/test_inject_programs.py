# SPDX-License-Identifier: Apache-2.0
"""The shim in live programs of several kinds: Python, CUDA, with threads or numbers of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from inject_room import Room

from anaros.capture.inject.injection import inject
from anaros.capture.inject.maps import mappings
from anaros.kinds import Kind
from anaros.records import Columns

ROOT = Path(__file__).resolve().parents[2]
SIMULATOR = ROOT / "tests/native/cuda_sim"
WAIT_S = 60

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="tracing a process that is no child takes root"),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="built for x86-64 only"),
]


@pytest.fixture
def room() -> Iterator[Room]:
    """Shared memory with an arena and the library beside it."""
    made = Room()
    try:
        made.arena.start_clock()
        yield made
    finally:
        made.close()


def until(holds: Callable[[], object], what: str) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@contextlib.contextmanager
def running(*words: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A program that has said a first line."""
    process = subprocess.Popen(
        [str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline(), f"{words[0]} ended"
        yield process
    finally:
        process.kill()
        process.communicate(timeout=WAIT_S)


def go(process: subprocess.Popen[str]) -> None:
    """Has it go on until it says that it waits again."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "ready\n"


def of(columns: Columns, kind: Kind, size_bytes: int | None = None) -> Columns:
    """Those of a kind, and of a size."""
    wanted = columns.kind == kind
    if size_bytes is not None:
        wanted &= columns.size_bytes == size_bytes
    return columns.take(np.flatnonzero(wanted))


READS = """
import sys
while True:
    print("ready", flush=True)
    if not sys.stdin.readline():
        break
    for _ in range(100):
        with open("/dev/zero", "rb", buffering=0) as file:
            file.read(123)
"""


def test_a_python_program_that_waits_in_one_place(room: Room) -> None:
    """The thread sleeps in the C library's read first, and in the shim's when it is left."""
    with running(sys.executable, "-c", READS) as process:
        injected = inject(process.pid, room.library)
        go(process)
        seen = of(room.columns(), Kind.FILE_READ, 123)
        assert len(seen) == 100
        assert set(seen.pid.tolist()) == {process.pid}
        left = injected.detach()
        assert (left.restored, left.left) == (injected.slots, 0)
        assert left.reason == "1 threads sleep inside a call that it wraps"
        go(process)
        assert len(of(room.columns(), Kind.FILE_READ, 123)) == 100, "it records no more"
        late = injected.detach()
        assert (late.unloaded, late.reason) == (True, None)
        assert not [line for line in mappings(process.pid) if "anaros" in line.path]
        go(process)


def test_what_stayed_is_closed_by_the_next(room: Room) -> None:
    with running(sys.executable, "-c", READS) as process:
        injected = inject(process.pid, room.library)
        go(process)
        assert not injected.detach().unloaded
        go(process)
        again = inject(process.pid, room.library)
        libraries = [line for line in mappings(process.pid) if line.path == str(room.library)]
        assert len({line.start for line in libraries if line.offset == 0}) == 1
        assert again.detach().unloaded


THREADS = """
import threading, time, sys

def work(size):
    while True:
        with open("/dev/zero", "rb", buffering=0) as file:
            file.read(size)
        time.sleep(0.005)

for size in (11, 22):
    threading.Thread(target=work, args=(size,), daemon=True).start()
print("ready", flush=True)
sys.stdin.readline()
threading.Thread(target=work, args=(33,), daemon=True).start()
print("ready", flush=True)
sys.stdin.readline()
"""


def test_threads_that_run_already_and_later_ones(room: Room) -> None:
    with running(sys.executable, "-c", THREADS) as process:
        inject(process.pid, room.library)
        go(process)
        for size in (11, 22, 33):
            until(
                lambda size=size: len(of(room.columns(), Kind.FILE_READ, size)) > 5,  # type: ignore[misc]
                f"the reads of {size} bytes are not told",
            )
        reads = of(room.columns(), Kind.FILE_READ)
        assert len({int(tid) for tid in reads.tid[reads.size_bytes < 40]}) == 3


CUDA = """
#include <stdio.h>
#include <unistd.h>
int cuInit(unsigned int flags);
int cuDeviceGet(int *device, int number);
int cuDevicePrimaryCtxRetain(void **context, int device);
int cuCtxSetCurrent(void *context);
int cuModuleLoadData(void **module, const void *image);
int cuModuleGetFunction(void **function, void *module, const char *name);
int cuLaunchKernel(void *function, unsigned a, unsigned b, unsigned c, unsigned d, unsigned e,
                   unsigned f, unsigned bytes, void *stream, void **values, void **more);
int cuCtxSynchronize(void);
int main(void)
{
    void *context, *module, *kernel;
    int device;
    char byte;
    if (cuInit(0) || cuDeviceGet(&device, 0) || cuDevicePrimaryCtxRetain(&context, device) ||
        cuCtxSetCurrent(context) || cuModuleLoadData(&module, "anaros-sim-image\\n") ||
        cuModuleGetFunction(&kernel, module, "noop"))
        return 1;
    for (;;) {
        puts("ready");
        fflush(stdout);
        if (read(0, &byte, 1) != 1)
            return 0;
        for (int i = 0; i < 40; i++)
            if (cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL))
                return 2;
        if (cuCtxSynchronize())
            return 3;
    }
}
"""


@pytest.fixture(scope="module")
def driver() -> Path:
    """The simulated driver."""
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("make or a C compiler is missing: install build-essential")
    subprocess.run(["make", "-s", "-C", SIMULATOR], check=True)
    return SIMULATOR / "build/libcuda.so.1"


def test_a_cuda_program_at_work(room: Room, driver: Path, tmp_path: Path) -> None:
    """Its launches are seen from then on, and no more once the shim is gone."""
    (tmp_path / "a.c").write_text(CUDA)
    words = ["cc", "-o", tmp_path / "a", tmp_path / "a.c", driver, f"-Wl,-rpath,{driver.parent}"]
    subprocess.run([str(word) for word in words], check=True)
    with running(tmp_path / "a") as process:
        go(process)
        injected = inject(process.pid, room.library)
        go(process)
        seen = room.columns()
        assert len(of(seen, Kind.GPU_LAUNCH)) == 40
        assert len(of(seen, Kind.GPU_SYNC)) == 1
        injected.detach()
        go(process)
        assert len(of(room.columns(), Kind.GPU_LAUNCH)) == 40
        late = injected.detach()
        assert (late.left, late.unloaded, late.reason) == (0, True, None)
        go(process)


LATER = """
import ctypes, sys
print("ready", flush=True)
sys.stdin.readline()
cuda = ctypes.CDLL(LIBRARY)
device, context = ctypes.c_int(), ctypes.c_void_p()
module, kernel = ctypes.c_void_p(), ctypes.c_void_p()
assert cuda.cuInit(0) == 0
assert cuda.cuDeviceGet(ctypes.byref(device), 0) == 0
assert cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device) == 0
assert cuda.cuCtxSetCurrent(context) == 0
assert cuda.cuModuleLoadData(ctypes.byref(module), b"anaros-sim-image\\n") == 0
assert cuda.cuModuleGetFunction(ctypes.byref(kernel), module, b"noop") == 0
while True:
    for _ in range(40):
        assert cuda.cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, None, None, None) == 0
    assert cuda.cuCtxSynchronize() == 0
    print("ready", flush=True)
    if not sys.stdin.readline():
        break
"""


def test_a_driver_that_is_loaded_later(room: Room, driver: Path) -> None:
    """The program keeps addresses that it was given by name: they work on without the shim."""
    code = f"LIBRARY = {str(driver)!r}\n" + textwrap.dedent(LATER)
    with running(sys.executable, "-c", code) as process:
        injected = inject(process.pid, room.library)
        go(process)
        assert len(of(room.columns(), Kind.GPU_LAUNCH)) == 40
        left = injected.detach()
        assert left.left == 0
        assert left.reason == "the program has functions of the shim that it was given by name"
        go(process)
        assert len(of(room.columns(), Kind.GPU_LAUNCH)) == 40, "it records no more"


def test_process_numbers_of_its_own(room: Room) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    words = ("unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", READS)
    with running(*words) as outer:
        text = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text()
        pid = int(text.split()[0])
        injected = inject(pid, room.library)
        go(outer)
        seen = of(room.columns(), Kind.FILE_READ, 123)
        assert seen.pid.tolist() == [1] * 100, "numbers of the namespace of the call"
        injected.detach()
        go(outer)
        assert injected.detach().unloaded

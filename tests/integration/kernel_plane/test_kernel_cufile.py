# SPDX-License-Identifier: Apache-2.0
"""cuFile: a library with the same probes, opened while the plane looks on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kernel_harness import NEEDS, OBJECT, Samples, kernel, stopped

from anaros.kinds import Kind
from anaros.records import Columns

pytestmark = [
    *NEEDS,
    pytest.mark.skipif(
        not OBJECT.with_name("cufile.bpf.o").exists(), reason="ebpf/cufile.bpf.o is not built"
    ),
]

WRITE, DIRECT, RDMA, BOUNCED, OFFSET = 1, 2, 4, 8, 0x400
PART = 65536
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the program and the library, which is called as the real one is."""
    folder = tmp_path_factory.mktemp("cufile")
    common = ["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread"]
    library = [*common, "-shared", "-fPIC", HERE / "cufile_library.c", "-o"]
    subprocess.run([*library, folder / "libcufile.so.0"], check=True)
    subprocess.run([*library, folder / "libother.so.0"], check=True)
    program = [*common, HERE / "cufile_program.c", "-o", folder / "program", "-ldl"]
    subprocess.run(program, check=True)
    return folder


class Plane:
    """The plane at work on a child that was started and not yet released."""

    def __init__(self, argv: list[str]) -> None:
        self.samples = Samples()
        self.child = stopped(argv)
        target = kernel.Target(self.child.pid)
        self.plane = kernel.KernelPlane.start(target, self.samples.address, 0)

    def release(self) -> None:
        os.kill(self.child.pid, signal.SIGCONT)

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline
            assert self.child.poll() is None
            time.sleep(0.005)

    def finish(self) -> dict[str, int]:
        """What the program said; then the plane is stopped."""
        deadline = time.monotonic() + 30
        while os.waitid(os.P_PID, self.child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            assert time.monotonic() < deadline
            self.plane.consume()
            time.sleep(0.005)
        said, _ = self.child.communicate()
        self.plane.stop()
        return {line.split()[0]: int(line.split()[1]) for line in said.splitlines()}

    def storage(self) -> Columns:
        columns = self.samples.columns()
        return columns.take(columns.kind == Kind.GPU_STORAGE)


def argv(built: Path, folder: Path, library: str = "libcufile.so.0", *more: str) -> list[str]:
    words = [built / "program", built / library, folder / "data", folder / "go"]
    return [*map(str, words), *more]


def test_bytes_and_calls_are_those_of_the_program(built: Path, tmp_path: Path) -> None:
    run = Plane(argv(built, tmp_path))
    run.release()
    run.until(run.plane.cufile)
    began_ns = time.monotonic_ns()
    (tmp_path / "go").touch()
    said = run.finish()
    found = run.storage()
    assert set(run.plane.cufile()) == {str(built / "libcufile.so.0")}
    assert run.plane.missing() == ()
    assert run.plane.drops()["cufile"] == 0
    assert (found.pid == run.child.pid).all()
    assert (found.start_ns >= began_ns).all()
    assert (found.context == 3).all()
    status = (tmp_path / "data").stat()
    assert said["failed"] == -9

    def way(flags: int, offset: bool = False) -> Columns:
        wanted = flags | (OFFSET if offset else 0)
        return found.take((found.flags & (0xF | OFFSET)) == wanted)

    written = way(DIRECT | WRITE)
    assert written.size_bytes.tolist() == [PART] * 4
    assert written.address.tolist() == [said["buffer"] + 512 + i * PART for i in range(4)]
    assert (written.duration_ns > 0).all()
    ends_ns = written.start_ns + written.duration_ns
    assert (written.start_ns[1:] == ends_ns[:-1]).all()
    assert set((written.object & 0xFFFFFFFFFFFF).tolist()) == {status.st_ino}
    read = way(0)
    assert int(read.size_bytes.sum()) == said["read"]
    assert int(read.address[0]) == said["buffer"] + 256 * 1024
    short = way(RDMA)
    assert short.size_bytes.tolist() == [said["short"], 0]
    failed = found.take(found.status < 0)
    assert (failed.status.tolist(), failed.object.tolist()) == ([-9], [0])
    # Of vectors the buffers are not told, and of the library's own thread not the start either.
    vectors = way(DIRECT | BOUNCED, offset=True)
    assert (vectors.size_bytes.tolist(), vectors.address.tolist()) == ([1000, 3000], [0, 1000])
    assert (vectors.duration_ns > 0).all()
    own = way(DIRECT, offset=True)
    assert own.size_bytes.tolist() == [said["asynchronous"]]
    assert (own.address.tolist(), own.duration_ns.tolist()) == ([4096], [0])
    assert own.tid[0] != run.child.pid
    assert len(found) == sum(map(len, (written, read, short, failed, vectors, own)))
    assert len(np.unique(found.object)) == 2


def test_only_the_targets_calls_count(built: Path, tmp_path: Path) -> None:
    """The probes stand in the file: another process runs into them as well."""
    run = Plane(argv(built, tmp_path))
    run.release()
    run.until(run.plane.cufile)
    other = tmp_path / "other"
    other.mkdir()
    (other / "go").touch()
    said = subprocess.run(argv(built, other), capture_output=True, text=True, check=True).stdout
    assert "written 262144" in said
    (tmp_path / "go").touch()
    run.finish()
    assert set(run.storage().pid.tolist()) == {run.child.pid}


def test_without_the_library_nothing_is_loaded(built: Path, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    run = Plane(argv(built, tmp_path, "libother.so.0"))
    run.release()
    run.finish()
    assert run.plane.cufile() == {}
    assert run.plane.missing() == ()
    assert len(run.storage()) == 0


def test_a_library_without_the_probes_is_named(built: Path, tmp_path: Path) -> None:
    """A release that calls them otherwise: the report says so."""
    source = (HERE / "cufile_library.c").read_text().replace('"cufio_', '"moved_')
    (tmp_path / "library.c").write_text(source)
    library = tmp_path / "libcufile-1a2b.so.9"
    command = ["gcc", "-std=gnu11", "-O2", "-shared", "-fPIC", tmp_path / "library.c", "-o"]
    subprocess.run([*command, library], check=True)
    run = Plane(argv(built, tmp_path, str(library)))
    run.release()
    run.until(run.plane.missing)
    (tmp_path / "go").touch()
    run.finish()
    assert run.plane.missing() == (f"no gpu.storage from {library}: it has none of the probes",)


def test_what_is_mapped_is_told_of_any_process(built: Path) -> None:
    from anaros.capture.kernel.mappings import Mappings
    from anaros.capture.kernel.probes import Libbpf

    mappings, found = Mappings(Libbpf(), b"libother"), []
    try:
        command = ["python3", "-c", f"import ctypes; ctypes.CDLL('{built / 'libother.so.0'}')"]
        children = [subprocess.Popen(command) for _ in range(3)]
        while len(found) < len(children):
            mappings.wait()
            found += mappings.take()[0]
        for child in children:
            assert child.wait() == 0
    finally:
        mappings.close()
    assert sorted(found) == sorted((c.pid, str(built / "libother.so.0")) for c in children)

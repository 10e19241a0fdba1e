# SPDX-License-Identifier: Apache-2.0
"""A killed ``anaros attach --inject``: what stays in the program, and what the next takes out."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from inject_room import Room

from anaros import session
from anaros.capture.inject.injection import inject, prepare
from anaros.capture.inject.maps import mappings
from anaros.capture.rings.arena import Arena, remove_folder, shared_memory_root
from anaros.errors import InjectError
from anaros.kinds import Kind
from anaros.store.rundir import RunDirectory
from anaros.store.segments import load

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 60
Command = Callable[..., list[str]]

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="loading BPF programs takes root"),
    pytest.mark.skipif(
        not Path("/sys/kernel/btf/vmlinux").exists(), reason="this kernel has no BTF"
    ),
    pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler"),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="built for x86-64 only"),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A program with threads at work, which says how many reads it made."""
    source = ROOT / "tests/native/live/server.c"
    subprocess.run(["cc", "-O2", "-pthread", "-o", tmp_path / "server", source], check=True)
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen([tmp_path / "server"], stdout=said, text=True)
    yield process
    process.kill()
    process.wait(WAIT_S)


def until(holds: Callable[[], object], what: str) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def parts(pid: int) -> set[str]:
    """What of ours a process has mapped."""
    return {line.path for line in mappings(pid) if "anaros" in line.path}


def test_a_sleeper_is_entered_again_and_again() -> None:
    """Its sleep goes on by another call than it began with, once it was stopped."""
    sleeper = subprocess.Popen(["sleep", "300"])
    call = Path(f"/proc/{sleeper.pid}/syscall")
    room = Room()
    try:
        room.arena.start_clock()
        until(lambda: call.read_text().startswith("230 "), "it does not sleep")
        for _ in range(3):
            left = inject(sleeper.pid, room.library).detach()
            assert left.unloaded, left.reason
            assert not parts(sleeper.pid)
            until(lambda: call.read_text().split()[0] in ("219", "230"), "it sleeps no more")
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait(WAIT_S)
        room.close()


def reads(process: subprocess.Popen[str]) -> int:
    """How many it has made; none of its calls was interrupted."""
    lines = Path(f"/proc/{process.pid}/fd/1").resolve().read_text().split("\n")[:-1]
    if not lines:
        return 0
    made, interrupted = (int(word) for word in lines[-1].split())
    assert interrupted == 0
    return made


@contextlib.contextmanager
def injected(command: list[str], process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """An attachment at work that is killed in the end."""
    anaros = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: anaros.poll() is not None or len(parts(process.pid)) == 2, "no shim came")
        assert anaros.poll() is None, anaros.communicate()
        made = reads(process)
        until(lambda: reads(process) > made + 100, "the program stands still")
        yield anaros
    finally:
        anaros.kill()
        anaros.communicate(timeout=WAIT_S)


@pytest.mark.parametrize("reported", [False, True], ids=["at once", "after a report"])
def test_the_next_attachment_takes_it_out(
    anaros: Command, server: subprocess.Popen[str], tmp_path: Path, *, reported: bool
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    command = anaros("attach", "--inject", "--output", first, server.pid)
    before = parts(server.pid)
    with injected(command, server):
        pass
    assert len(parts(server.pid)) == 2, "its library and its rings"
    if reported:
        assert not session.recover(first), "the program records into its rings still"
    words = anaros("attach", "--inject", "--duration", "0.5", "--output", second, server.pid)
    done = subprocess.run(words, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert parts(server.pid) == before
    (told,) = RunDirectory.open(second).meta()["attach"]["injected"]
    assert (told["words_left"], told["kept"]) == (0, None)
    assert len(load(RunDirectory.open(second), kinds=[Kind.FILE_READ]).kind) > 0
    made = reads(server)
    until(lambda: reads(server) > made, "the program stands still")
    shared = Path(str(RunDirectory.open(first).meta()["shm"]))
    assert session.recover(first), "nobody records into the rings of the first"
    assert not shared.exists()
    assert len(load(RunDirectory.open(first), kinds=[Kind.FILE_READ]).kind) > 0


def test_a_program_that_cannot_be_left_is_told(
    anaros: Command, server: subprocess.Popen[str], tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    before = parts(server.pid)
    with injected(anaros("attach", "--inject", "--output", first, server.pid), server) as attached:
        server.send_signal(signal.SIGSTOP)
        attached.send_signal(signal.SIGINT)
        _, said = attached.communicate(timeout=WAIT_S)
        assert attached.returncode == 0, said
        server.send_signal(signal.SIGCONT)
    plane = RunDirectory.open(first).meta()["kernel_plane"]
    stays = f"the shim stays in process {server.pid}, without work: "
    assert [line for line in plane["missing"] if line.startswith(stays)]
    # To be stopped may interrupt a call, with or without us; its reads go on.
    said_by_server = Path(f"/proc/{server.pid}/fd/1").resolve()
    size = said_by_server.stat().st_size
    until(lambda: said_by_server.stat().st_size > size, "the program stands still")
    words = anaros("attach", "--inject", "--duration", "0.5", "--output", second, server.pid)
    done = subprocess.run(words, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert parts(server.pid) == before


FORKS = """
import os, sys, time
os.write(1, b"up\\n")
sys.stdin.readline()
child = os.fork()
if child:
    print(child, flush=True)
while True:
    with open("/dev/zero", "rb", buffering=0) as file:
        file.read(10)
    time.sleep(0.01)
"""


def test_children_are_left_too(tmp_path: Path) -> None:
    """Their supervisor is a process of ours that ends without a word."""
    folder = shared_memory_root() / f"anaros-{os.geteuid()}-{os.urandom(6).hex()}"
    process = subprocess.Popen(
        [sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    child = 0
    try:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "up\n"
        supervisor = os.fork()
        if supervisor == 0:
            try:
                arena = Arena.create(folder)
                arena.recording = True
                inject(process.pid, prepare(folder, [0]))
            except BaseException as problem:  # noqa: BLE001 - this process is a copy of pytest's
                os.write(2, repr(problem).encode())
                os._exit(1)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(supervisor, 0)[1]) == 0
        process.stdin.write("\n")
        process.stdin.flush()
        child = int(process.stdout.readline())
        assert parts(child) == parts(process.pid) != set()
        again = Room()
        try:
            taken = inject(child, again.library)
            assert not {path for path in parts(process.pid) if path.startswith(str(folder))}
            assert not {path for path in parts(child) if path.startswith(str(folder))}
            left = taken.detach()
            assert (left.left, left.reason) == (0, None)
        finally:
            again.close()
        assert parts(child) == parts(process.pid) == set()
    finally:
        if child:
            os.kill(child, 9)
        process.kill()
        process.communicate(timeout=WAIT_S)
        remove_folder(folder)


def test_what_another_one_reads_is_not_taken(server: subprocess.Popen[str]) -> None:
    first, second = Room(), Room()
    try:
        taken = inject(server.pid, first.library)
        with pytest.raises(InjectError, match="has a shim already, of another anaros"):
            inject(server.pid, second.library)
        left = taken.detach()
        assert (left.restored, left.left, left.reason) == (taken.slots, 0, None)
    finally:
        first.close()
        second.close()

# SPDX-License-Identifier: Apache-2.0
"""Calls of programs without the shim under `anaros run`: the kernel tells of them alone."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from anaros import report
from anaros.kinds import Kind
from anaros.records import FLAG_KERNEL, Columns
from anaros.store.rundir import RunDirectory
from anaros.store.segments import load

ROOT = Path(__file__).resolve().parents[2]
NOBODY, WAIT_S = 65534, 60
#: Of each read, and how many there are in a program that does something.
PIECE, PIECES = 4321, 300
Command = Callable[..., list[str]]

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="loading BPF programs takes root"),
    pytest.mark.skipif(
        not (ROOT / "ebpf/syscalls.bpf.o").exists(), reason="ebpf/syscalls.bpf.o is not built"
    ),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no C compiler"),
]

#: busy FIFO: reads until somebody opens the pipe. move: reads in pieces. idle FIFO: waits for it.
#: bare, kept COMMAND: executes it without an environment, and with all of it; past every wrapper.
MOVER = """
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
static char bytes[PIECE];
int main(int count, char **words)
{
    extern char **environ;
    char *nothing[] = {NULL};
    int zero = open("/dev/zero", O_RDONLY);
    if (!strcmp(words[1], "move"))
        for (int i = 0; i < PIECES; i++)
            if (read(zero, bytes, PIECE) != PIECE)
                return 1;
    if (!strcmp(words[1], "idle"))
        return open(words[2], O_RDONLY) < 0;
    if (!strcmp(words[1], "busy"))
        for (int gate = open(words[2], O_RDONLY | O_NONBLOCK); read(gate, bytes, 1) <= 0;)
            if (usleep(1000) || read(zero, bytes, 1) != 1)
                return 1;
    if (!strcmp(words[1], "bare") || !strcmp(words[1], "kept"))
        syscall(SYS_execve, words[2], words + 2, words[1][0] == 'b' ? nothing : environ);
    return 0;
}
"""


@pytest.fixture(scope="module")
def movers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The program as a static one, as one of another user's, and as any other."""
    folder = tmp_path_factory.mktemp("movers")
    (folder / "mover.c").write_text(MOVER)
    for name, options in {"static": ["-static"], "setuid": [], "plain": []}.items():
        sizes = [f"-DPIECE={PIECE}", f"-DPIECES={PIECES}"]
        command = ["gcc", "-O1", *options, *sizes, "-o", name, "mover.c"]
        if subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode:
            pytest.skip(f"gcc cannot make a {name} program")
    os.chown(folder / "setuid", NOBODY, NOBODY)
    (folder / "setuid").chmod(0o4755)
    return {name: folder / name for name in ("static", "setuid", "plain")}


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A pipe that somebody waits at."""
    os.mkfifo(tmp_path / "gate")
    return tmp_path / "gate"


@contextlib.contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """With a group of its own, so that nothing of it stays."""
    process = subprocess.Popen(command, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(WAIT_S)


def _until(holds: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _told(pipe: Path) -> bool:
    """Whether somebody waited there, and was told to go on."""
    try:
        word = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return False
    with os.fdopen(word, "w") as file:
        file.write("go\n")
    return True


def _follows(pid: int) -> bool:
    """Whether somebody tells of system calls."""
    for path in Path(f"/proc/{pid}/fdinfo").glob("*"):
        with contextlib.suppress(OSError):
            if "tp_name:\tsys_enter" in path.read_text():
                return True
    return False


def _seen(path: Path) -> tuple[Columns, dict[str, Any]]:
    run = RunDirectory.open(path)
    reads = load(run, kinds=[Kind.FILE_READ])
    built = report.build(run)
    assert built["drops"]["shim"] == 0
    if lost := built["drops"]["by_probe"]["calls"]:
        pytest.skip(f"the kernel did not show {lost} calls")
    return reads.take((reads.size_bytes == PIECE).nonzero()[0]), dict(built["coverage"])


def test_each_call_is_told_once_by_the_shim_or_the_kernel(
    anaros: Command, movers: dict[str, Path], gate: Path, tmp_path: Path
) -> None:
    static, setuid, plain = (movers[name] for name in ("static", "setuid", "plain"))
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    # The shell waits too: what it starts then comes after the probes.
    script = f"""
    {static} busy {gate} & read word <{ready}
    {plain} move; {static} move; {setuid} move
    {static} bare {plain} move; {static} kept {plain} move
    echo go >{gate}; wait
    """
    with _running(anaros("run", "--output", tmp_path / "run", "--", "sh", "-c", script)) as process:
        _until(lambda: _follows(process.pid), process)
        _until(lambda: _told(ready), process)
        assert process.wait(WAIT_S) == 0
    reads, found = _seen(tmp_path / "run")
    by_pid = {}
    for pid in set(reads.pid.tolist()):
        mine = reads.take((reads.pid == pid).nonzero()[0])
        assert len(mine) == PIECES
        (kernel,) = set((mine.flags & FLAG_KERNEL).tolist())
        by_pid[pid] = bool(kernel)
    # In the order of their start: with the shim, static, setuid, without its environment, with it.
    assert [by_pid[pid] for pid in sorted(by_pid)] == [False, True, True, True, False]
    total = next(row for row in found["quantities"] if row["quantity"] == "file.read_bytes")
    assert total["seen"] == 2 * PIECES * PIECE + len("go\n")
    assert total["filled"] >= 3 * PIECES * PIECE
    assert total["seen"] + total["filled"] <= total["witnessed"]
    assert {row["reason"].partition(":")[0] for row in found["without_shim"]} >= {"static"}
    for row in found["without_shim"]:
        if row["read_bytes"] and row["read_bytes"] > PIECES * PIECE:
            assert row["filled_bytes"] >= PIECES * PIECE
    assert found["filled_s"][0]["since"] > 0


def test_who_sleeps_brings_no_probes(
    anaros: Command, movers: dict[str, Path], gate: Path, tmp_path: Path
) -> None:
    """As the init of a container does: the others would pay for it."""
    script = f"{movers['static']} idle {gate} & sleep 0.2; echo go >{gate}; wait"
    command = anaros("run", "--output", tmp_path / "run", "--", "sh", "-c", script)
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert RunDirectory.open(tmp_path / "run").meta()["kernel_plane"]["bare"] == []

# SPDX-License-Identifier: Apache-2.0
"""`anaros attach` to what it refuses, ends at a bad moment or is stripped; a supervisor killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from attach_harness import NEEDS, Command, Server, attached, running, until_called

from anaros import session
from anaros.capture.attach.targets import check
from anaros.errors import CaptureError
from anaros.store.rundir import RunDirectory

ROOT = Path(__file__).resolve().parents[2]
SIMULATOR = ROOT / "tests/native/cuda_sim"
WAIT_S = 60

pytestmark = NEEDS


def until(holds: Callable[[], object], what: str) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def pinned() -> set[str]:
    """All that is pinned in the BPF file system."""
    root = Path("/sys/fs/bpf")
    return {str(path) for path in root.rglob("*")} if root.is_dir() else set()


@pytest.mark.parametrize("lives_s", [0.0, 0.1, 0.4])
def test_a_target_that_ends_while_we_begin(anaros: Command, tmp_path: Path, lives_s: float) -> None:
    """It is followed to its end, or there is no run; never half of one."""
    target = subprocess.Popen(["sleep", str(lives_s)])
    run = tmp_path / "run"
    try:
        words = anaros("attach", "--output", run, target.pid)
        anaros_process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        target.wait(WAIT_S)
        try:
            out, err = anaros_process.communicate(timeout=WAIT_S)
        finally:
            anaros_process.kill()
    finally:
        target.kill()
    if anaros_process.returncode == 0:
        assert RunDirectory.open(run).meta()["state"] == "finished"
        assert out.startswith(f"followed process {target.pid} for ")
    else:
        assert anaros_process.returncode == 1
        assert "there is no process" in err or "has ended" in err
        assert not run.exists()


def test_a_look_at_processes_that_end() -> None:
    """Whatever of /proc is gone by then, it is told as that."""
    for step in range(40):
        target = subprocess.Popen(["sleep", "0"])
        time.sleep(0.0002 * step)
        try:
            (found,) = check([target.pid])
        except CaptureError as problem:
            assert "has ended" in problem.fact or "there is no process" in problem.fact
        else:
            assert found.pid == target.pid
        finally:
            target.wait(WAIT_S)


def test_a_killed_supervisor_has_pinned_nothing(
    anaros: Command, sleeper: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    before, run = pinned(), tmp_path / "run"
    process = subprocess.Popen(anaros("attach", "--output", run, sleeper.pid))
    try:
        until(lambda: process.poll() is not None or has_programs(process.pid), "no probe came")
        until(lambda: (run / "meta.json").exists(), "no run came")
        assert process.poll() is None
        assert pinned() == before
    finally:
        process.kill()
        process.wait(WAIT_S)
    assert pinned() == before
    assert sleeper.poll() is None
    assert session.recover(run), "or its memory stays for good"


def has_programs(pid: int) -> bool:
    """Whether a process holds BPF programs."""
    try:
        targets = [path.readlink().name for path in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return False  # one was closed meanwhile
    return "anon_inode:bpf-prog" in targets


LAUNCHES = """
import ctypes, sys
cuda = ctypes.CDLL(sys.argv[1])
assert cuda.cuInit(0) == 0
print("ready", flush=True)
while sys.stdin.readline():
    assert cuda.cuInit(0) == 0
    print("ready", flush=True)
"""


def test_a_stripped_library(anaros: Command, tmp_path: Path) -> None:
    """Its functions are in the dynamic symbols, which stripping leaves."""
    if shutil.which("strip") is None or shutil.which("make") is None:
        pytest.skip("strip or make is missing: install build-essential")
    if not (ROOT / "ebpf/device.bpf.o").exists():
        pytest.skip("ebpf/device.bpf.o is not built")
    subprocess.run(["make", "-s", "-C", SIMULATOR], check=True)
    library = tmp_path / "libcuda.so.1"
    whole = SIMULATOR / "build/libcuda.so.1"
    subprocess.run(["strip", "--strip-all", "-o", library, whole], check=True)
    target = subprocess.Popen(
        [sys.executable, "-c", LAUNCHES, str(library)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert target.stdout is not None
        assert target.stdin is not None
        assert target.stdout.readline() == "ready\n"
        # Libraries are looked for beside the start; nobody says when it is done.
        for seconds in (1, 5, 15):
            run = tmp_path / f"run-{seconds}"
            words = anaros("attach", "--duration", str(seconds), "--output", run, target.pid)
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=WAIT_S, check=False
            )
            assert (done.returncode, done.stderr) == (0, "")
            libraries = RunDirectory.open(run).meta()["devices"]["libraries"]
            if libraries:
                break
    finally:
        target.kill()
        target.communicate(timeout=WAIT_S)
    (found,) = libraries
    assert found["path"] == str(library)
    assert "cuLaunchKernel" not in found["absent"]


@pytest.mark.parametrize(
    ("words", "fact", "remedy"),
    [
        ([], "no process is given", "for example: anaros attach 4711"),
        (["0"], "invalid value for 'PID...': 0 is not in the range x>=1", "see anaros attach"),
        (["4194304"], "there is no process 4194304", "see ps -e"),
        (["2"], "process 2 (kthreadd) is a thread of the kernel", "attach to that"),
        ([str(os.getpid())], "is a process that anaros descends from", "attach to the program"),
    ],
)
def test_what_cannot_be_attached_to(
    anaros: Command, tmp_path: Path, words: list[str], fact: str, remedy: str
) -> None:
    done = attached(anaros("attach", "--output", tmp_path / "run", *words))
    assert done.returncode in (1, 2)
    first, second = done.stderr.splitlines()
    assert fact in first.replace("'[PID]...'", "'PID...'")
    assert remedy in second
    assert not (tmp_path / "run").exists()


def test_a_zombie_and_a_thread(anaros: Command, server: Server) -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    done = attached(anaros("attach", child.pid))
    child.wait()
    assert done.stderr.startswith(f"anaros: process {child.pid} (true) has ended\n")
    threads = [int(task.name) for task in Path(f"/proc/{server.pid}/task").iterdir()]
    thread = next(one for one in threads if one != server.pid)
    done = attached(anaros("attach", thread))
    assert done.stderr == (
        f"anaros: {thread} is a thread of process {server.pid}\n  attach to {server.pid}\n"
    )


def test_a_foreign_owner_and_missing_rights(
    anaros: Command, sleeper: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = attached([*nobody, *anaros("attach", sleeper.pid, "--output", tmp_path / "run")])
    if "Permission denied" in done.stderr or "ModuleNotFoundError" in done.stderr:
        pytest.skip("nobody may not read this checkout")
    assert done.returncode == 1
    assert done.stderr == (
        f"anaros: process {sleeper.pid} (sleep) belongs to root\n"
        "  only its owner and root may attach to it: use sudo\n"
    )
    with running(*nobody, "sleep", "300") as own:
        until_called(own.pid, "sleep")
        done = attached([*nobody, *anaros("attach", own.pid, "--output", tmp_path / "run")])
    assert done.returncode == 1
    assert done.stderr == (
        "anaros: cannot attach without the kernel plane: it takes root, or CAP_BPF and"
        " CAP_PERFMON\n  use sudo\n"
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("without", "fact", "remedy"),
    [
        (
            ["setpriv", "--bounding-set=-all", "--inh-caps=-all"],
            "this root lacks CAP_BPF and CAP_PERFMON",
            "give it both (a container: --cap-add)",
        ),
        (
            ["unshare", "--user", "--map-root-user"],
            "in a user namespace (a container without root) nobody may load BPF",
            "start it outside of that container",
        ),
    ],
)
def test_a_root_of_little_rights(
    anaros: Command,
    sleeper: subprocess.Popen[bytes],
    tmp_path: Path,
    without: list[str],
    fact: str,
    remedy: str,
) -> None:
    if shutil.which(without[0]) is None or subprocess.call([*without, "true"], timeout=WAIT_S):
        pytest.skip(f"{without[0]} does not work here")
    done = attached([*without, *anaros("attach", sleeper.pid, "--output", tmp_path / "run")])
    assert done.returncode == 1
    assert done.stderr == f"anaros: cannot attach without the kernel plane: {fact}\n  {remedy}\n"
    assert not (tmp_path / "run").exists()


def test_a_limit_of_open_files(
    anaros: Command, sleeper: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    words = anaros("attach", sleeper.pid, "--output", tmp_path / "run")
    done = attached(["sh", "-c", 'ulimit -n 20; exec "$@"', "sh", *words])
    assert done.returncode == 1
    assert done.stderr.startswith("anaros: ")
    assert "open files" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_time_that_is_none(anaros: Command, sleeper: subprocess.Popen[bytes]) -> None:
    done = attached(anaros("attach", sleeper.pid, "--duration", "nan"))
    assert done.returncode == 2
    assert "nan is no time" in done.stderr

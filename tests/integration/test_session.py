# SPDX-License-Identifier: Apache-2.0
"""`anaros run` from outside: the program's fate is passed on, and nothing recorded is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anaros import report, session
from anaros.capture.host.checks import State, check_left_behind
from anaros.capture.kernel.plane import PROBES
from anaros.capture.program.cgroup import Leaf
from anaros.capture.rings import live
from anaros.capture.rings.recovery import left_behind
from anaros.kinds import Kind, NameClass
from anaros.records import FLAG_KERNEL
from anaros.store.names import read_names
from anaros.store.rundir import RunDirectory
from anaros.store.segments import load

Command = Callable[..., list[str]]
Recorded = Callable[..., subprocess.CompletedProcess[bytes]]
Started = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def recorded(anaros: Command) -> Recorded:
    """Runs a program under observation, without the kernel plane, to its end."""

    def run(output: Path, *command: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
        done: subprocess.CompletedProcess[bytes] = subprocess.run(
            anaros("run", "--no-kernel", "--output", output, "--", *command),
            capture_output=True,
            timeout=60,
            check=False,
            **more,
        )
        return done

    return run


@pytest.fixture
def started(anaros: Command) -> Started:
    """Starts one."""

    def start(output: Path, *command: str, **more: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            anaros("run", "--no-kernel", "--output", output, "--", *command),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **more,
        )

    return start


def shared_memory(output: Path) -> Path:
    return Path(json.loads((output / "meta.json").read_text())["shm"])


def test_the_program_is_as_it_is_alone(recorded: Recorded, tmp_path: Path) -> None:
    script = "cat; echo out; echo err >&2; exit 3"
    alone = subprocess.run(["sh", "-c", script], input=b"in\n", capture_output=True, check=False)
    done = recorded(tmp_path / "run", "sh", "-c", script, input=b"in\n")
    assert (done.returncode, done.stdout, done.stderr) == (3, alone.stdout, alone.stderr)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_a_signal_that_ends_the_program_ends_us(
    recorded: Recorded, tmp_path: Path, number: int
) -> None:
    done = recorded(tmp_path / "run", "sh", "-c", f"kill -{number} $$")
    assert done.returncode == -number
    meta = RunDirectory.open(tmp_path / "run").meta()
    assert meta["term_signal"] == number
    assert meta["exit_code"] is None


def test_a_signal_sent_to_us_reaches_the_program(started: Started, tmp_path: Path) -> None:
    code = (
        "import signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "print('ready', flush=True)\n"
        "signal.pause()\n"
    )
    process = started(tmp_path / "run", sys.executable, "-c", code)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 7


def test_an_interrupt_of_the_group_comes_once(started: Started, tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "try:\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(30)\n"
        "except KeyboardInterrupt:\n"
        "    time.sleep(0.5)\n"
        "    sys.exit(5)\n"
    )
    process = started(tmp_path / "run", sys.executable, "-c", code, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 5


def test_nccl_is_told_of_us_unless_it_has_a_profiler(recorded: Recorded, tmp_path: Path) -> None:
    command = ["/usr/bin/printenv", "NCCL_PROFILER_PLUGIN"]
    free = {name: value for name, value in os.environ.items() if name != "NCCL_PROFILER_PLUGIN"}
    done = recorded(tmp_path / "free", *command, env=free)
    library = Path(os.fsdecode(done.stdout.strip()))
    assert library.name == "libanaros.so"
    assert library.parent.parent == Path("/dev/shm")
    assert RunDirectory.open(tmp_path / "free").meta()["nccl_profiler"] is None
    done = recorded(tmp_path / "taken", *command, env={**free, "NCCL_PROFILER_PLUGIN": "theirs"})
    assert done.stdout == b"theirs\n"
    coverage = report.build(RunDirectory.open(tmp_path / "taken"))["coverage"]
    assert coverage["nccl_profiler"] == "theirs"


def test_the_program_inherits_no_descriptor_and_no_disposition(
    recorded: Recorded, tmp_path: Path
) -> None:
    code = (
        "import os\n"
        "print(sorted(os.listdir('/proc/self/fd')))\n"
        "lines = open('/proc/self/status').read().splitlines()\n"
        "print([line for line in lines if line.startswith(('SigBlk', 'SigIgn', 'SigCgt'))])\n"
        "print(sorted(set(os.environ) - {'LD_PRELOAD', 'NCCL_PROFILER_PLUGIN'}))\n"
    )
    command = ["/usr/bin/env", "-u", "LD_PRELOAD", sys.executable, "-S", "-c", code]
    alone = subprocess.run(command, capture_output=True, check=True)
    done = recorded(tmp_path / "run", *command)
    assert done.stdout == alone.stdout


@pytest.mark.parametrize(
    ("word", "code", "fact"),
    [
        (
            "no-such-program-x",
            127,
            "anaros: there is no program no-such-program-x\n  check the name",
        ),
        ("/etc/passwd", 126, "anaros: cannot run /etc/passwd: Permission denied\n  make it exec"),
        ("/etc", 126, "anaros: cannot run /etc: Is a directory\n  name a program in it"),
    ],
)
def test_a_program_that_cannot_run(
    recorded: Recorded, tmp_path: Path, word: str, code: int, fact: str
) -> None:
    done = recorded(tmp_path / "run", word)
    assert done.returncode == code
    assert fact in done.stderr.decode()
    assert not (tmp_path / "run").exists()


def test_what_the_program_did_is_in_the_run(recorded: Recorded, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_bytes(b"x" * 5000)
    code = (
        "import os, sys\n"
        "fd = os.open(sys.argv[1], os.O_RDONLY)\n"
        "for _ in range(100): os.pread(fd, 4096, 0)\n"
    )
    assert recorded(tmp_path / "run", sys.executable, "-c", code, str(data)).returncode == 0
    run = RunDirectory.open(tmp_path / "run")
    reads = load(run, kinds=[Kind.FILE_READ])
    wanted = data.stat().st_ino
    mine = reads.take((reads.object & 0xFFFFFFFFFFFF) == wanted)
    assert len(mine) == 100
    assert set(mine.size_bytes.tolist()) == {4096}
    names = read_names(run)
    assert str(data) in names.name
    meta = run.meta()
    assert meta["state"] == "finished"
    assert meta["drops"]["shim"] == 0
    assert meta["counters"]["processes"] == 1


def test_nothing_is_left_behind(started: Started, tmp_path: Path) -> None:
    process = started(tmp_path / "run", "sh", "-c", "echo ready; read x", stdin=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    folder = shared_memory(tmp_path / "run")
    assert folder.is_dir()
    process.communicate(b"\n", timeout=30)
    assert json.loads((tmp_path / "run/meta.json").read_text())["shm"] is None
    assert not folder.exists()


def test_a_killed_supervisor_loses_nothing(started: Started, tmp_path: Path) -> None:
    """The workload goes on unharmed, and the report finds all that the rings hold."""
    data = tmp_path / "data"
    data.write_bytes(b"x" * 100)
    code = (
        "import os, sys, time\n"
        "fd = os.open(sys.argv[1], os.O_RDONLY)\n"
        "for _ in range(5000): os.pread(fd, 7, 0)\n"
        "print('half', flush=True)\n"
        "while not os.path.exists(sys.argv[1] + '.go'): time.sleep(0.01)\n"
        "for _ in range(5000): os.pread(fd, 7, 0)\n"
        "open(sys.argv[1] + '.done', 'w').close()\n"
        "while not os.path.exists(sys.argv[1] + '.end'): time.sleep(0.01)\n"
        "for _ in range(100): os.pread(fd, 7, 0)\n"
    )
    process = started(tmp_path / "run", sys.executable, "-c", code, str(data))
    assert process.stdout is not None
    assert process.stdout.readline() == b"half\n"
    # The drain has taken some of them, the chunks hold the rest.
    time.sleep(0.3)
    folder = shared_memory(tmp_path / "run")
    assert folder not in left_behind()
    process.kill()
    process.wait(timeout=10)
    process.stdout.close()
    assert process.stderr is not None
    process.stderr.close()
    assert folder in left_behind()
    (told,) = check_left_behind()
    assert told.state is State.LIMITED
    assert "anaros report" in told.remedy
    Path(f"{data}.go").touch()
    until = time.monotonic() + 20
    while not Path(f"{data}.done").exists():
        assert time.monotonic() < until, "the workload did not go on"
        time.sleep(0.01)
    # The workload lives: what is there is written, and recording goes on.
    assert not session.recover(tmp_path / "run")
    Path(f"{data}.end").touch()
    until = time.monotonic() + 20
    while not session.recover(tmp_path / "run"):
        assert time.monotonic() < until, "the workload did not end"
        time.sleep(0.05)
    run = RunDirectory.open(tmp_path / "run")
    reads = load(run, kinds=[Kind.FILE_READ])
    mine = (reads.object & 0xFFFFFFFFFFFF) == data.stat().st_ino
    assert int(mine.sum()) == 10_100
    meta = run.meta()
    assert meta["state"] == "recovered"
    assert meta["kernel_plane"]["reason"] == "switched off with --no-kernel"
    assert meta["host"]["hostname"] == os.uname().nodename
    assert meta["overhead"]["record_ns"] > 0
    assert meta["overhead"]["records"] == len(load(run))
    assert not folder.exists()
    assert str(data) in read_names(run).name


def test_the_kernel_plane_of_a_killed_supervisor(anaros: Command, tmp_path: Path) -> None:
    """While it goes on its losses can be seen; afterwards it is known until when it was there."""
    if os.geteuid() != 0:
        pytest.skip("needs root: the kernel plane")
    ready, end = tmp_path / "ready", tmp_path / "end"
    script = f"touch {ready}; while [ ! -e {end} ]; do sleep 0.05; done"
    words = anaros("run", "--output", tmp_path / "run", "--", "sh", "-c", script)
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 30
        while not ready.exists() and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.3)
        lost = live.losses(tmp_path / "run")
    finally:
        process.kill()
        end.touch()
        said = process.communicate(timeout=10)[1]
    killed_ns = time.monotonic_ns()
    if "no kernel plane" in said:
        pytest.skip(said.strip())
    assert lost is not None
    assert lost.by_probe == dict.fromkeys(PROBES, 0)
    assert lost.kernel == lost.shim == lost.device_times_unread == 0
    until = time.monotonic() + 20
    while not session.recover(tmp_path / "run"):
        assert time.monotonic() < until, "the workload did not end"
        time.sleep(0.05)
    run = RunDirectory.open(tmp_path / "run")
    meta, columns = run.meta(), load(run)
    kernel = columns.take(np.flatnonzero(columns.flags & FLAG_KERNEL))
    until_ns = meta["kernel_plane"]["until_ns"]
    assert int(kernel.start_ns.max()) <= until_ns <= killed_ns
    assert meta["drops"] == {"shim": 0, "kernel": 0, "by_probe": dict.fromkeys(PROBES, 0)}
    assert 0 < report.build(run)["coverage"]["kernel_until_s"] < 60


def test_a_full_disk_stops_the_recording_not_the_program(
    recorded: Recorded, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: it mounts a small tmpfs")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small], check=True)
    try:
        code = (
            "import os, random\n"
            "fd = os.open('/proc/self/exe', os.O_RDONLY)\n"
            "for i in range(300000): os.pread(fd, random.randrange(1, 999), 0)\n"
            "print('whole')\n"
        )
        done = recorded(small / "run", sys.executable, "-c", code)
        assert done.returncode == 0
        assert done.stdout == b"whole\n"
        assert "No space left" in done.stderr.decode()
        meta = json.loads((small / "run/meta.json").read_text())
        assert meta["state"] == "cut short"
        assert meta["drops"]["shim"] > 0
    finally:
        subprocess.run(["umount", small], check=True)


def test_an_output_that_cannot_be_written(recorded: Recorded, tmp_path: Path) -> None:
    occupied = tmp_path / "occupied"
    occupied.mkdir()
    (occupied / "file").touch()
    done = recorded(occupied, "touch", str(tmp_path / "ran"))
    assert done.returncode == 1
    assert not (tmp_path / "ran").exists()
    assert str(occupied) in done.stderr.decode()


def test_a_program_that_the_kernel_refuses_leaves_no_run(
    recorded: Recorded, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"#!/no/such/interpreter\n")
    broken.chmod(0o755)
    (tmp_path / "mine").mkdir()
    for output in (tmp_path / "run", tmp_path / "mine"):
        done = recorded(output, str(broken))
        assert done.returncode == 127
        assert str(broken) in done.stderr.decode()
    assert not (tmp_path / "run").exists()
    assert list((tmp_path / "mine").iterdir()) == [], "it was there before, and stays"


def test_words_that_are_not_text(recorded: Recorded, tmp_path: Path) -> None:
    word = os.fsdecode(b"\xff\x00"[:1])
    done = recorded(tmp_path / "run", "echo", word)
    assert done.stdout == b"\xff\n"
    assert RunDirectory.open(tmp_path / "run").meta()["command"] == ["echo", "\\xff"]


def test_programs_without_the_shim_are_told(anaros: Command, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: the kernel plane tells of them")
    program = tmp_path / "alone"
    source = b"int main(void) { return 0; }"
    built = subprocess.run(
        ["cc", "-static", "-x", "c", "-o", program, "-"], input=source, check=False
    )
    if built.returncode != 0:
        pytest.skip("needs a static libc")
    words = anaros("run", "--output", tmp_path / "run", "--", "sh", "-c", f"{program}; true")
    assert subprocess.run(words, check=False, timeout=60).returncode == 0
    meta = RunDirectory.open(tmp_path / "run").meta()
    if not meta["kernel_plane"]["active"]:
        pytest.skip(f"no kernel plane: {meta['kernel_plane']['reason']}")
    (only,) = meta["processes"]["without_shim"]
    assert (only["program"], only["reason"]) == (str(program), "static")
    assert meta["processes"]["with_shim"] == meta["processes"]["seen"] - 1


def test_hidden_names_are_nowhere_in_the_run(anaros: Command, tmp_path: Path) -> None:
    """Whatever the kernel plane sees as well: also paths of programs and names of threads."""
    folder = tmp_path / "secret-folder"
    folder.mkdir()
    tool = folder / "tool"
    tool.symlink_to("/bin/true")
    code = (
        "import socket, subprocess, sys\n"
        "open(sys.argv[1] + '/secret-file', 'w').write('x')\n"
        "open('/proc/self/comm', 'w').write('secret-thread')\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname()).close()\n"
        "subprocess.run([sys.argv[1] + '/tool', 'secret-word'], check=True)\n"
    )
    words = anaros("run", "--hide-names", "--output", tmp_path / "run", "--")
    words += [sys.executable, "-c", code, str(folder)]
    subprocess.run(words, check=True, timeout=60, cwd=folder, capture_output=True)
    run = RunDirectory.open(tmp_path / "run")
    meta, names = run.meta(), read_names(run)
    assert meta["names_hidden"] is True
    assert meta["command"] == [Path(sys.executable).name]
    assert "secret" not in json.dumps(meta)
    assert not [name for name in names.name if "secret" in name or "127.0.0.1" in name]
    kept = {NameClass(name_class) for name_class in np.unique(names.name_class).tolist()}
    assert not kept & {NameClass.FILE, NameClass.SOCKET, NameClass.PROCESS}
    assert Path(sys.executable).name in {name for name in names.name if "/" not in name}


def test_without_rights_two_short_lines_say_what_is_not_seen(
    anaros: Command, tmp_path: Path
) -> None:
    words = anaros("run", "--output", tmp_path / "run", "--", "true")
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("needs setpriv: root must lose its rights")
        words = ["setpriv", "--bounding-set", "-all", *words]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    fact, remedy = "it takes root, or CAP_BPF and CAP_PERFMON", "run as root, or with --no-kernel"
    if os.geteuid() == 0:
        fact = "this root lacks CAP_BPF and CAP_PERFMON"
        remedy = "give it both (a container: --cap-add), or run with --no-kernel"
    assert done.stderr.splitlines() == [
        f"anaros: no kernel plane: {fact}",
        f"  waits for CPU, disk and network are not seen; {remedy}",
    ]
    assert RunDirectory.open(tmp_path / "run").meta()["kernel_plane"]["active"] is False


@pytest.fixture
def empty_cgroup() -> Iterator[Path]:
    """A cgroup that must be empty in the end: of processes, and of cgroups in it."""
    leaf = Leaf.create(f"test-{os.urandom(6).hex()}") if os.geteuid() == 0 else None
    if leaf is None:
        pytest.skip("needs root and cgroup v2")
    yield leaf.path
    assert leaf.processes() == []
    assert leaf.remove(), list(leaf.path.iterdir())


@pytest.mark.parametrize("plane", [[], ["--no-kernel"]])
def test_a_start_that_fails_leaves_nothing_behind(
    anaros: Command, empty_cgroup: Path, plane: list[str]
) -> None:
    done = subprocess.run(
        anaros("run", *plane, "--output", "/proc/run", "--", "sleep", "30"),
        preexec_fn=lambda: (empty_cgroup / "cgroup.procs").write_text("0"),
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert b"cannot write /proc/run" in done.stderr


@pytest.mark.parametrize("delay_ms", range(10, 200, 30))
def test_an_interrupt_while_it_starts_leaves_nothing_behind(
    anaros: Command, tmp_path: Path, empty_cgroup: Path, delay_ms: int
) -> None:
    process = subprocess.Popen(
        anaros("run", "--output", tmp_path / "run", "--", "sleep", "30"),
        preexec_fn=lambda: (empty_cgroup / "cgroup.procs").write_text("0"),
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    time.sleep(delay_ms / 1000)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=20)
    # 1: Python itself was interrupted, before there was anything of ours.
    assert process.returncode in (1, 130, -signal.SIGINT)
    if (tmp_path / "run/meta.json").exists():
        meta = RunDirectory.open(tmp_path / "run").meta()
        assert (meta["state"], meta["term_signal"]) == ("finished", signal.SIGINT)
        assert meta["shm"] is None

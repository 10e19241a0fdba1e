# SPDX-License-Identifier: Apache-2.0
"""`anaros attach` to real processes: what is seen, and that nothing is left behind."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anaros import pofc, report, session
from anaros.capture.rings.recovery import left_behind
from anaros.kinds import Kind, NameClass
from anaros.records import Columns
from anaros.store.names import read_names
from anaros.store.rundir import RunDirectory
from anaros.store.segments import load

ROOT = Path(__file__).resolve().parents[2]
Command = Callable[..., list[str]]
Follow = Callable[..., int]

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="loading BPF programs takes root"),
    pytest.mark.skipif(
        not Path("/sys/kernel/btf/vmlinux").exists(), reason="this kernel has no BTF"
    ),
    pytest.mark.skipif(
        not (ROOT / "ebpf/syscalls.bpf.o").exists(), reason="ebpf/syscalls.bpf.o is not built"
    ),
]

SERVER = """
    import http.server

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            with open(DATA, "rb") as file:
                body = file.read()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
"""


class Server:
    """A threaded Python server with connections that are open already, under load."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "answer"
        self.data.write_bytes(os.urandom(20_000))
        code = f"DATA = {str(self.data)!r}\n" + textwrap.dedent(SERVER)
        self.process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.answers = 0
        self.wrong = 0
        self._stop = threading.Event()
        self._clients = [threading.Thread(target=self._ask) for _ in range(3)]
        for client in self._clients:
            client.start()
        try:
            self.more(10)
        except AssertionError:
            self.close()
            raise

    @property
    def pid(self) -> int:
        return self.process.pid

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        expected = self.data.read_bytes()
        while not self._stop.wait(0.005):
            connection.request("GET", "/")
            self.wrong += connection.getresponse().read() != expected
            self.answers += 1
        connection.close()

    def more(self, answers: int) -> None:
        """Waits until it has answered so many more."""
        wanted, deadline = self.answers + answers, time.monotonic() + 60
        while self.answers < wanted:
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.01)

    def rest(self) -> None:
        self._stop.set()
        for client in self._clients:
            client.join()

    def close(self) -> None:
        self.rest()
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path)
    yield started
    started.close()


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "300"])
    yield process
    process.kill()
    process.wait()


def attached(command: list[str], **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, **more)  # type: ignore[call-overload]


def ours() -> set[str]:
    """BPF programs of attachments on this machine."""
    shown = subprocess.run(["bpftool", "prog"], capture_output=True, text=True, check=True)
    return set(
        re.findall(r"^(\d+): .*name (?:call_enter|call_exit|seed_files)\b", shown.stdout, re.M)
    )


def left(before: set[str]) -> set[str]:
    """Of the programs that came since, those that stay; others' attachments come and go."""
    new = ours() - before
    deadline = time.monotonic() + 60
    while new and time.monotonic() < deadline:
        time.sleep(0.05)
        new &= ours()
    return new


def records(path: Path, *kinds: Kind) -> Columns:
    return load(RunDirectory.open(path), kinds=kinds or None)


def wait_for(path: Path, process: subprocess.Popen[str], key: str = "shm") -> dict[str, object]:
    """meta.json of a run that begins."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if (path / "meta.json").exists():
            meta: dict[str, object] = json.loads((path / "meta.json").read_text())
            if meta.get(key):
                return meta
        time.sleep(0.02)
    raise AssertionError(f"the attachment did not begin: {process.communicate()}")


def test_a_server_under_load(anaros: Command, server: Server, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = attached(anaros("attach", server.pid, "--duration", "2", "--output", run))
    server.rest()
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(
        rf"followed process {server.pid} for \d+\.\d s: {re.escape(str(run))}\n", done.stdout
    )
    assert server.wrong == 0
    assert server.process.poll() is None

    seen = records(run)
    assert set(seen.pid[seen.kind == Kind.NET_RECV].tolist()) == {server.pid}
    assert len(set(seen.tid[seen.kind == Kind.NET_RECV].tolist())) >= 3, "threads that ran already"
    reads = seen.take(np.flatnonzero((seen.kind == Kind.FILE_READ) & (seen.size_bytes > 0)))
    status = server.data.stat()
    device = (status.st_dev ^ status.st_dev >> 16 ^ status.st_dev >> 32) & 0xFFFF
    data = device << 48 | status.st_ino & 0xFFFF_FFFF_FFFF
    assert set(reads.size_bytes[reads.object == data].tolist()) == {20_000}
    names = read_names(RunDirectory.open(run))
    called = {
        (NameClass(kind), name)
        for kind, name in zip(names.name_class.tolist(), names.name, strict=True)
    }
    assert (NameClass.FILE, str(server.data)) in called
    assert any(
        kind == NameClass.SOCKET and name.startswith(f"tcp 127.0.0.1:{server.port} -> 127.0.0.1:")
        for kind, name in called
    )
    requests = pofc.derive(RunDirectory.open(run)).requests
    whole = requests.bytes_out >= 20_000
    assert whole.sum() >= 20, "connections that were open before are told in requests"


def test_what_was_seen_is_what_the_kernel_counted(
    anaros: Command, server: Server, tmp_path: Path
) -> None:
    """Of connections and threads that had moved bytes before, and go on when it ends."""
    run = tmp_path / "run"
    done = attached(anaros("attach", server.pid, "--duration", "1.5", "--output", run))
    assert done.returncode == 0, done.stderr
    found = report.build(RunDirectory.open(run))["coverage"]
    by_name = {row["quantity"]: row for row in found["quantities"]}
    for quantity in (
        *("file.read_bytes", "file.read_calls"),
        *("socket.received_bytes", "socket.sent_bytes"),
    ):
        row = by_name[quantity]
        assert row["seen"] == pytest.approx(row["witnessed"], rel=0.01), quantity
    assert by_name["file.read_bytes"]["witnessed"] > 0
    assert found["shares"]["file_bytes"] >= 0.99
    assert found["shares"]["socket_bytes"] >= 0.99


def test_the_last_targets_end_detaches(
    anaros: Command, until_it_follows: Follow, tmp_path: Path
) -> None:
    short = [subprocess.Popen(["cat"], stdin=subprocess.PIPE) for _ in range(2)]
    run = tmp_path / "run"
    words = anaros("attach", *(one.pid for one in short), "--output", run)
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    until_it_follows(process.pid, short[1].pid)
    for one in short:
        assert process.poll() is None
        one.communicate(timeout=60)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    ends = records(run, Kind.PROC_EXIT)
    assert short[1].pid in ends.pid.tolist()
    meta = RunDirectory.open(run).meta()
    assert [one["pid"] for one in meta["attached"]] == [one.pid for one in short]
    assert meta["state"] == "finished"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_detaches_at_once(
    anaros: Command, until_it_follows: Follow, server: Server, tmp_path: Path, number: int
) -> None:
    run = tmp_path / "run"
    process = subprocess.Popen(
        anaros("attach", server.pid, "--output", run),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    meta = wait_for(run, process)
    until_it_follows(process.pid, server.pid)
    server.more(20)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert out.startswith(f"followed process {server.pid} for ")
    assert not Path(str(meta["shm"])).exists()
    attach = RunDirectory.open(run).meta()["attach"]
    assert attach["detached_ns"] - attach["until_ns"] < 10e9
    assert len(records(run, Kind.NET_SEND)) > 0
    assert server.process.poll() is None


def test_a_killed_supervisor_leaves_no_program_and_no_memory(
    anaros: Command, until_it_follows: Follow, server: Server, tmp_path: Path
) -> None:
    before = ours()
    run = tmp_path / "run"
    process = subprocess.Popen(anaros("attach", server.pid, "--output", run), text=True)
    meta = wait_for(run, process)
    until_it_follows(process.pid, server.pid)
    server.more(50)
    time.sleep(0.7)  # until these are taken from the kernel
    process.kill()
    process.wait()
    assert not left(before)
    shared = Path(str(meta["shm"]))
    assert shared.exists(), "what it had recorded lies there"
    assert shared in left_behind(), "doctor names it"
    assert session.recover(run)
    assert not shared.exists()
    assert len(records(run, Kind.NET_SEND)) > 0
    assert server.wrong == 0


def test_two_supervisors_on_one_target(anaros: Command, server: Server, tmp_path: Path) -> None:
    runs = [tmp_path / "one", tmp_path / "two"]
    both = [
        subprocess.Popen(anaros("attach", server.pid, "--duration", "1.5", "--output", run))
        for run in runs
    ]
    assert [one.wait(180) for one in both] == [0, 0]
    assert all(len(records(run, Kind.NET_RECV)) > 10 for run in runs)
    assert server.wrong == 0


def test_children_are_followed(anaros: Command, until_it_follows: Follow, tmp_path: Path) -> None:
    script = "read line; (echo a > first; sh -c 'echo bb > second')"
    shell = subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, cwd=tmp_path)
    run = tmp_path / "run"
    process = subprocess.Popen(
        anaros("attach", shell.pid, "--output", run), stdout=subprocess.PIPE, text=True
    )
    until_it_follows(process.pid, shell.pid)
    assert shell.stdin is not None
    shell.stdin.write(b"\n")
    shell.stdin.close()
    shell.wait(60)
    process.communicate(timeout=120)
    assert process.returncode == 0
    writes = records(run, Kind.FILE_WRITE)
    assert sorted(writes.size_bytes.tolist()) == [2, 3]
    assert shell.pid not in writes.pid
    execs = records(run, Kind.PROC_EXEC)
    assert len(execs) == 1
    assert set(execs.pid.tolist()) <= set(writes.pid.tolist())


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


STATIC = """
    #include <fcntl.h>
    #include <unistd.h>

    int main(void)
    {
        char buffer[300];
        int fd;

        for (;;) {
            fd = open("/proc/self/stat", O_RDONLY);
            if (read(fd, buffer, 123) != 123)
                return 1;
            close(fd);
            usleep(5000);
        }
    }
"""


@contextmanager
def running(*words: str | Path, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([*map(str, words)], **more)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until_called(pid: int, name: str) -> None:
    """Waits until the program that it is to be has begun."""
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}/comm").read_text() != f"{name}\n":
        assert time.monotonic() < deadline, f"{pid} does not become {name}"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cc") is None:
        pytest.skip("a C compiler is missing: install build-essential")
    folder = tmp_path_factory.mktemp("static")
    (folder / "program.c").write_text(textwrap.dedent(STATIC))
    program = folder / "program"
    subprocess.run(["cc", "-static", "-O1", "-o", program, folder / "program.c"], check=True)
    return program


def reads_of(run: Path, size: int) -> Columns:
    reads = records(run, Kind.FILE_READ)
    return reads.take(np.flatnonzero(reads.size_bytes == size))


def test_a_static_program(anaros: Command, static: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with running(static) as target:
        done = attached(anaros("attach", target.pid, "--duration", "1", "--output", run))
        assert done.returncode == 0
    reads = reads_of(run, 123)
    assert len(reads) > 50
    # Of one whose beginning the kernel did not show only the end is told, with 0 ns.
    assert (reads.duration_ns > 0).mean() > 0.9
    opens = records(run, Kind.FILE_OPEN)
    assert len(opens) > 50
    assert (opens.status >= 3).all()
    # Each open makes the file anew: its object is that of the reads.
    assert set(reads.object.tolist()) <= set(opens.object.tolist())


#: getppid and a short nanosleep, by the way of 32-bit programs into the kernel.
COMPAT = """
    .globl _start
    _start: movl $64, %eax
            int $0x80
            movl $162, %eax
            movl $time, %ebx
            xorl %ecx, %ecx
            int $0x80
            jmp _start
    .data
    time:   .long 0, 5000000
"""


def test_a_32_bit_program(anaros: Command, tmp_path: Path) -> None:
    if os.uname().machine != "x86_64" or shutil.which("as") is None:
        pytest.skip("needs an assembler for x86")
    (tmp_path / "a.s").write_text(COMPAT)
    subprocess.run(["as", "--32", "-o", tmp_path / "a.o", tmp_path / "a.s"], check=True)
    words = ["ld", "-m", "elf_i386", "-o", tmp_path / "program", tmp_path / "a.o"]
    subprocess.run(words, check=True)
    run = tmp_path / "run"
    try:
        with running(tmp_path / "program") as target:
            done = attached(anaros("attach", target.pid, "--duration", "1", "--output", run))
    except OSError as problem:
        pytest.skip(f"32-bit programs do not run here: {problem}")
    assert done.returncode == 0
    meta = RunDirectory.open(run).meta()
    assert meta["attached"][0]["bits"] == 32
    said = "\n".join(meta["kernel_plane"]["missing"])
    counted = re.search(r"(\d+) calls of 32-bit programs, which are only counted", said)
    assert counted is not None
    assert int(counted[1]) > 100
    assert len(records(run, Kind.SCHED_OFFCPU)) > 50


def test_other_namespaces(anaros: Command, static: Path, tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    inside = "mount -t tmpfs tmpfs /mnt && cp $0 /mnt/inside && exec /mnt/inside"
    words = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", inside, static]
    run = tmp_path / "run"
    with running(*words) as outer:
        deadline = time.monotonic() + 60
        child = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
        while not (pids := child.read_text().split()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        pid = int(pids[0])
        until_called(pid, "inside")
        done = attached(anaros("attach", pid, "--duration", "1", "--output", run))
        os.kill(pid, signal.SIGKILL)
    assert done.returncode == 0
    reads = reads_of(run, 123)
    assert len(reads) > 50
    assert set(reads.pid.tolist()) == {pid}
    (one,) = RunDirectory.open(run).meta()["attached"]
    assert one["program"] == "/mnt/inside"
    assert any(name.endswith("/stat") for name in read_names(RunDirectory.open(run)).name)


def test_hidden_names(anaros: Command, server: Server, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = attached(
        anaros("attach", server.pid, "--hide-names", "--duration", "1", "--output", run)
    )
    assert done.returncode == 0
    assert len(records(run, Kind.NET_RECV)) > 0
    names = read_names(RunDirectory.open(run))
    assert not set(names.name_class.tolist()) & {NameClass.FILE, NameClass.SOCKET}
    assert "/" not in "".join(names.name)
    meta = RunDirectory.open(run).meta()
    assert meta["command"] == [Path(sys.executable).name]
    assert server.data.name not in (run / "meta.json").read_text()


def test_a_call_that_waits_longer_than_we_are_there(
    anaros: Command, until_it_follows: Follow, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    code = "import os; [(os.write(1, b'-'), os.read(0, 10)) for _ in range(2)]"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with running(sys.executable, "-c", code, **pipes) as target:
        assert target.stdin is not None
        assert target.stdout is not None
        assert target.stdout.read(1) == b"-"
        words = anaros("attach", target.pid, "--output", run)
        with running(*words, stdout=subprocess.DEVNULL) as process:
            until_it_follows(process.pid, target.pid)
            target.stdin.write(b"12345")
            target.stdin.flush()
            assert target.stdout.read(1) == b"-"
            process.terminate()
            assert process.wait(120) == 0
    reads = records(run, Kind.FILE_READ)
    assert reads.size_bytes.tolist() == [5]
    since_ns = RunDirectory.open(run).meta()["attach"]["calls_since_ns"]
    assert reads.start_ns.tolist() == [since_ns], "it began before, it is told from here on"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_starts(
    anaros: Command, sleeper: subprocess.Popen[bytes], tmp_path: Path, number: int
) -> None:
    before = ours()
    run = tmp_path / "run"
    process = subprocess.Popen(
        anaros("attach", sleeper.pid, "--output", run),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    meta = wait_for(run, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert not Path(str(meta["shm"])).exists()
    assert not left(before)


def test_again_and_again(server: Server, tmp_path: Path) -> None:
    """30 attachments in one process: no descriptor, program or memory stays behind."""
    script = f"""
        import gc, os, shutil, threading
        from pathlib import Path
        from anaros.capture.attach.calls import AttachLoading
        from anaros.capture.attach.targets import check
        from anaros.session.attach import attach

        def memory():
            return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

        def once(place):
            run = Path({str(tmp_path)!r}) / str(place)
            duration_s = 0.001 if place % 10 else 0.3
            done = attach(check([{server.pid}]), AttachLoading(), output=run, duration_s=duration_s)
            assert done.problem is None
            shutil.rmtree(run)

        def held():
            gc.collect()
            return len(os.listdir("/proc/self/fd")), threading.active_count()

        for place in range(11):
            once(place)
        before, bytes_before = held(), memory()
        for place in range(11, 30):
            once(place)
        assert held() == before, (held(), before)
        grown = memory() - bytes_before
        assert grown < 16 << 20, grown
    """
    before = ours()
    paths = f"{ROOT / 'overlay'}:{ROOT / 'cli'}"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not left(before)
    assert server.wrong == 0

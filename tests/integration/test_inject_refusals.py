# SPDX-License-Identifier: Apache-2.0
"""What the shim is not loaded into, and what hardly lets it: each a real process."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from inject_room import Room

from anaros.capture.inject.injection import inject
from anaros.capture.inject.maps import mappings
from anaros.capture.rings.arena import shared_memory_root
from anaros.errors import InjectError
from anaros.govern.cgroups import cgroup2_mounts

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / "tests/native/live/server.c"
WAIT_S = 30
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="tracing a process that is no child takes root"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler"),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="built for x86-64 only"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program with threads at work."""
    program = tmp_path_factory.mktemp("live") / "server"
    subprocess.run(["cc", "-O2", "-pthread", "-o", program, SERVER], check=True)
    return program


@contextlib.contextmanager
def running(*words: str | Path, said: str = "") -> Iterator[subprocess.Popen[str]]:
    """A program; it has said a line, which begins so."""
    process = subprocess.Popen(
        [str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"{words[0]} ended: {process.wait(WAIT_S)}"
        assert line.startswith(said)
        yield process
    finally:
        process.kill()
        process.communicate(timeout=WAIT_S)


def moves_on(process: subprocess.Popen[str], *, interrupted_calls: bool = False) -> None:
    """It reads, and says so, and no call of it was interrupted, unless something else did that."""
    assert process.stdout is not None
    first = int(process.stdout.readline().split()[0])
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        reads, interrupted = (int(word) for word in process.stdout.readline().split())
        assert interrupted_calls or interrupted == 0
        if reads > first:
            return
    raise AssertionError("it reads no more")


def refused(pid: int, room: Room) -> str:
    """Why the shim is not loaded."""
    with pytest.raises(InjectError) as caught:
        inject(pid, room.library)
    return f"{caught.value.fact}; {caught.value.remedy}"


def until(holds: Callable[[], object], what: str) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def test_a_32_bit_program(room: Room, tmp_path: Path) -> None:
    if shutil.which("as") is None or shutil.which("ld") is None:
        pytest.skip("there is no assembler")
    # sys_write of a line, and sys_pause for ever, by the way of 32-bit programs.
    code = (
        ".globl _start\n_start: movl $4,%eax\n movl $1,%ebx\n movl $text,%ecx\n movl $3,%edx\n"
        ' int $0x80\nagain: movl $29,%eax\n int $0x80\n jmp again\n.data\ntext: .ascii "up\\n"\n'
    )
    (tmp_path / "a.s").write_text(code)
    subprocess.run(["as", "--32", "-o", tmp_path / "a.o", tmp_path / "a.s"], check=True)
    words = ["ld", "-m", "elf_i386", "-o", str(tmp_path / "program"), str(tmp_path / "a.o")]
    subprocess.run(words, check=True)
    try:
        with running(tmp_path / "program", said="up") as process:
            assert "is a 32-bit program, and the shim is not" in refused(process.pid, room)
    except OSError as problem:
        pytest.skip(f"this kernel starts no 32-bit programs: {problem.strerror}")


def test_a_musl_program(room: Room, tmp_path: Path) -> None:
    """By what it names as its loader; where musl is not installed, glibc's by that name."""
    (tmp_path / "a.c").write_text('#include <stdio.h>\n#include <unistd.h>\nint main(void){'
                                  'puts("up"); fflush(stdout); for (;;) pause(); }\n')  # fmt: skip
    if shutil.which("musl-gcc") is not None:
        words: list[str | Path] = ["musl-gcc"]
    else:
        loader = tmp_path / "ld-musl-x86_64.so.1"
        loader.symlink_to(next(Path("/lib64").glob("ld-linux-x86-64.so.2")))
        words = ["cc", f"-Wl,--dynamic-linker={loader}"]
    subprocess.run([*map(str, words), "-o", tmp_path / "program", tmp_path / "a.c"], check=True)
    with running(tmp_path / "program", said="up") as process:
        assert "runs on musl, and the shim on glibc" in refused(process.pid, room)


def test_a_stripped_program(room: Room, server: Path, tmp_path: Path) -> None:
    if shutil.which("strip") is None:
        pytest.skip("there is no strip")
    subprocess.run(["strip", "--strip-all", "-o", tmp_path / "bare", server], check=True)
    with running(tmp_path / "bare") as process:
        injected = inject(process.pid, room.library)
        until(lambda: room.records() > 0, "nothing is recorded")
        left = injected.detach()
        assert (left.restored, left.left, left.reason) == (injected.slots, 0, None)
        moves_on(process)


@pytest.mark.parametrize("which", ["its first thread", "another thread"])
def test_a_traced_program(room: Room, server: Path, which: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    with running(server) as process:
        threads = sorted(int(path.name) for path in Path(f"/proc/{process.pid}/task").iterdir())
        tid = threads[0] if which == "its first thread" else threads[-1]
        if libc.ptrace(0x4206, tid, None, None) != 0:  # PTRACE_SEIZE
            pytest.skip(f"threads cannot be traced here: {os.strerror(ctypes.get_errno())}")
        try:
            said = refused(process.pid, room)
        finally:
            libc.ptrace(0x4207, tid, None, None)  # PTRACE_INTERRUPT
            os.waitpid(tid, 0x40000000)
            libc.ptrace(17, tid, None, None)  # PTRACE_DETACH
        named = f"process {process.pid}" if tid == process.pid else f"thread {tid} of process"
        assert said.startswith(named)
        assert f"is traced by {Path('/proc/self/comm').read_text().strip()} ({os.getpid()})" in said
        moves_on(process)


def freezers() -> Iterator[tuple[str, Path, str, str, str]]:
    """Where a cgroup can be made that freezes: its file, and the words for it."""
    for mount in cgroup2_mounts():
        yield "v2", mount, "cgroup.freeze", "1", "0"
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup" and "freezer" in options.split(","):
            yield "v1", Path(place), "freezer.state", "FROZEN", "THAWED"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_frozen_program(room: Room, server: Path, version: str) -> None:
    found = next((one for one in freezers() if one[0] == version), None)
    if found is None:
        pytest.skip(f"no cgroup {version} with a freezer is mounted")
    _, mount, file, freeze, thaw = found
    folder = mount / f"anaros-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as problem:
        pytest.skip(f"no cgroup can be made: {problem.strerror}")
    try:
        with running(server) as process:
            (folder / "cgroup.procs").write_text(str(process.pid))
            try:
                (folder / file).write_text(freeze)
                state = folder / ("cgroup.events" if version == "v2" else file)
                until(lambda: {"frozen 1", "FROZEN"} & set(state.read_text().splitlines()), "warm")
                said = refused(process.pid, room)
            finally:
                (folder / file).write_text(thaw)
            assert f"is frozen by its cgroup /{folder.name}; thaw it first" in said
            moves_on(process, interrupted_calls=True)
    finally:
        until(lambda: not (folder / "cgroup.procs").read_text(), "the cgroup is not empty")
        folder.rmdir()


#: Fills in a filter and runs a program under it; words: actions by call, then the rest's.
CONFINED = """
import ctypes, os, struct, sys
rules, rest, words = eval(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
code = [(0x20, 0, 0, 0)]
for number, action in rules.items():
    code += [(0x15, 0, 1, number), (0x06, 0, 0, action)]
code += [(0x06, 0, 0, rest)]
raw = b"".join(struct.pack("=HBBI", *step) for step in code)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
program = Program(len(code), raw)
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0, os.strerror(ctypes.get_errno())
os.execvp(words[0], words)
"""
ALLOW, FAIL, KILL = 0x7FFF0000, 0x00050001, 0x80000000
#: What a sandbox of a server commonly lets through: all but a few.
COMMON = {
    number: ALLOW
    for number in (*range(335), *range(424, 450))
    if number not in (101, 169, 175, 176, 310, 311)  # ptrace, reboot, modules, others' memory
}


def confined(rules: dict[int, int], rest: int, *words: str | Path) -> list[str]:
    """The words of a program under a filter."""
    return [sys.executable, "-c", CONFINED, repr(rules), str(rest), *map(str, words)]


def test_a_sandbox_that_allows_it(room: Room, server: Path) -> None:
    """The filter ends the program for what it does not know, also a call of no number."""
    with running(*confined(COMMON, KILL, server)) as process:
        try:
            injected = inject(process.pid, room.library)
        except InjectError as problem:
            if "cannot be read" in problem.fact:
                pytest.skip(problem.fact)
            raise
        until(lambda: room.records() > 0, "nothing is recorded")
        left = injected.detach()
        assert (left.restored, left.left, left.reason) == (injected.slots, 0, None)
        moves_on(process)


#: Forbids itself a call; 0: all but to read and write.
CONFINES_ITSELF = """
import ctypes, os, struct, sys
number, action = int(sys.argv[1]), int(sys.argv[2])
code = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, action), (0x06, 0, 0, 0x7FFF0000)]
raw = b"".join(struct.pack("=HBBI", *step) for step in code)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2 if number else 1, ctypes.byref(Program(len(code), raw)), 0, 0) == 0
os.write(1, b"confined\\n")
os.read(0, 1)
"""


@pytest.mark.parametrize(
    ("number", "action", "said"),
    [
        (10, FAIL, "may forbid what the shim calls: mprotect; allow"),
        (332, KILL, "may forbid what the shim calls: statx; allow"),
        (0, KILL, "is in seccomp's strict mode, and may only read and write"),
    ],
)
def test_a_sandbox_that_forbids_it(room: Room, number: int, action: int, said: str) -> None:
    words = [sys.executable, "-c", CONFINES_ITSELF, str(number), str(action)]
    with running(*words, said="confined") as process:
        why = refused(process.pid, room)
        if "cannot be read" in why:
            pytest.skip(why)
        assert said in why
        assert process.poll() is None


def told(
    pid: int, library: Path, *, uid: int = 0, drop: int | None = None, confine: bool = False
) -> str:
    """What somebody with fewer rights is told, in a process of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        said = "nothing"
        try:
            if drop is not None:
                drop_capability(libc, drop)
            if confine:
                forbid_trace(libc)
            if uid:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            inject(pid, library)
        except InjectError as problem:
            said = f"{problem.fact}; {problem.remedy}"
        except BaseException as problem:  # noqa: BLE001 - all is told to the parent
            said = repr(problem)
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        said = file.read()
    os.waitpid(child, 0)
    return said


def drop_capability(libc: ctypes.CDLL, number: int) -> None:
    """Takes one from this thread."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, data) == 0
    place, bit = number // 32 * 3, ~(1 << number % 32)
    data[place] &= bit
    data[place + 1] &= bit
    assert libc.capset(header, data) == 0


def forbid_trace(libc: ctypes.CDLL) -> None:
    """As Yama or a container's profile does: with an error."""
    steps = ((0x20, 0, 0, 0), (0x15, 0, 1, 101), (0x06, 0, 0, FAIL), (0x06, 0, 0, ALLOW))
    raw = b"".join(struct.pack("=HBBI", *step) for step in steps)
    place = ctypes.create_string_buffer(raw, len(raw))
    program = struct.pack("=H6xQ", len(steps), ctypes.addressof(place))
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, program, 0, 0) == 0


def test_a_kernel_that_forbids_to_trace(room: Room, server: Path) -> None:
    """What ``ptrace_scope`` is to somebody who cannot set it: the kernel's error is told."""
    with running(server) as process:
        said = told(process.pid, room.library, confine=True)
        assert said.startswith(f"this kernel forbids to trace process {process.pid}: ")
        assert "Yama" in said
        moves_on(process)


def test_a_foreign_owner(room: Room, server: Path) -> None:
    with running(server) as process:
        said = told(process.pid, room.library, uid=65534)
        assert said == (
            f"process {process.pid} belongs to user 0; only its owner and root may load the shim"
            " into it: use sudo"
        )


def test_root_without_the_capability(room: Room, server: Path) -> None:
    if shutil.which("setpriv") is None:
        pytest.skip("there is no setpriv")
    server.parent.chmod(0o755)
    public = shared_memory_root() / f"anaros-test-{os.getpid()}"
    shutil.copy(server, public)
    public.chmod(0o755)
    try:
        with running(*NOBODY, public) as process:
            said = told(process.pid, room.library, drop=19)
            assert said.startswith(f"process {process.pid} may not be traced by root without CAP_")
            moves_on(process)
    finally:
        public.unlink()


def test_a_program_of_more_rights_than_its_user(room: Room) -> None:
    code = (
        "import ctypes, os\nos.setgroups([])\nos.setresgid(65534, 65534, 65534)\n"
        "os.setresuid(65534, 65534, 65534)\nctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\n"
        "os.write(1, b'up\\n')\nos.read(0, 1)\n"
    )
    with running(sys.executable, "-c", code, said="up") as process:
        said = told(process.pid, room.library, uid=65534)
        assert "may not be traced: it was started with other rights than its user's" in said


def test_other_mounts(room: Room, server: Path) -> None:
    """A container has shared memory of its own."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare")
    script = 'mount -t tmpfs none /dev/shm && exec "$0"'
    with running("unshare", "--mount", "sh", "-c", script, server) as process:
        said = refused(process.pid, room)
        assert f"process {process.pid} does not see {room.folder}: it has other mounts" in said
        moves_on(process)


def test_a_zombie(room: Room) -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    try:
        assert f"process {child.pid} has ended" in refused(child.pid, room)
    finally:
        child.wait(WAIT_S)


def test_a_program_that_is_ending(room: Room, server: Path) -> None:
    """At whichever moment it ends, that is what is told."""
    for step in range(8):
        with running(server) as process:
            if step % 2:
                signal.setitimer(signal.ITIMER_REAL, 0.002 * step)
                before = signal.signal(signal.SIGALRM, lambda *_, of=process: of.kill())
            else:
                process.kill()
            try:
                inject(process.pid, room.library).detach()
            except InjectError as problem:
                told_of = problem.fact
                assert any(word in told_of for word in ("has ended", "no process"))
            finally:
                if step % 2:
                    signal.setitimer(signal.ITIMER_REAL, 0)
                    signal.signal(signal.SIGALRM, before)


#: All its threads block all signals, as workers of many servers do; one sleeps with a deadline.
BLOCKED = """
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
static unsigned long reads, interrupted;
static void *waiting(void *pipe_end)
{
	char byte;
	for (;;)
		if (read(*(int *)pipe_end, &byte, 1) < 0 && errno == EINTR)
			interrupted++;
	return NULL;
}
int main(void)
{
	sigset_t all;
	pthread_t thread;
	int ends[2];
	char byte;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	if (pipe(ends) != 0 || (DEADLINE == 0 && pthread_create(&thread, NULL, waiting, ends) != 0))
		return 1;
	for (;;) {
		int file = open("/dev/zero", O_RDONLY);
		if (file < 0 || read(file, &byte, 1) != 1 || close(file) != 0)
			return 1;
		reads++;
		if (poll(NULL, 0, 20) < 0 && errno == EINTR)
			interrupted++;
		printf("%lu %lu\\n", reads, interrupted);
		fflush(stdout);
	}
}
"""


@pytest.mark.parametrize("sandboxed", [False, True], ids=["free", "sandboxed"])
@pytest.mark.parametrize("deadline", [False, True], ids=["sleeps", "sleeps until"])
def test_a_program_that_lets_no_signal_through(
    room: Room, tmp_path: Path, deadline: bool, sandboxed: bool
) -> None:
    (tmp_path / "a.c").write_text(BLOCKED)
    words = ["cc", "-O1", "-pthread", f"-DDEADLINE={int(deadline)}"]
    subprocess.run([*words, "-o", tmp_path / "blocked", tmp_path / "a.c"], check=True)
    program = [str(tmp_path / "blocked")]
    with running(*(confined(COMMON, KILL, *program) if sandboxed else program)) as process:
        try:
            injected = inject(process.pid, room.library)
        except InjectError as problem:
            if "cannot be read" in problem.fact:
                pytest.skip(problem.fact)
            raise
        until(lambda: room.records() > 0, "nothing is recorded")
        left = injected.detach()
        assert (left.restored, left.left, left.reason) == (injected.slots, 0, None)
        assert not [line for line in mappings(process.pid) if "anaros" in line.path]
        moves_on(process)

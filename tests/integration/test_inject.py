# SPDX-License-Identifier: Apache-2.0
"""The shim in a process that runs already: it records, and leaves no trace behind."""

from __future__ import annotations

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

from anaros.capture.inject.injection import Injected, inject
from anaros.capture.inject.maps import mappings
from anaros.capture.rings.arena import shared_memory_root
from anaros.errors import InjectError

SOURCES = Path(__file__).parents[1] / "native" / "live"
#: How long it stops at a time is the bench's to measure; this is far from anything usual.
STOPPED_MS = 500

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="tracing a process that is no child takes root"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler"),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="built for x86-64 only"),
]

Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Starts a program of ``tests/native/live``."""
    started: list[subprocess.Popen[str]] = []

    def start(name: str, *flags: str) -> subprocess.Popen[str]:
        program = tmp_path / name
        words = ["cc", "-O2", "-pthread", "-o", str(program), str(SOURCES / f"{name}.c"), *flags]
        subprocess.run(words, check=True)
        with (tmp_path / f"{name}.out").open("w") as output:
            process = subprocess.Popen([str(program)], stdout=output, text=True)
        started.append(process)
        until = time.monotonic() + 60
        while name == "server" and not (tmp_path / f"{name}.out").read_text():
            assert time.monotonic() < until, "the server does not begin"
            time.sleep(0.02)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def counts(process: subprocess.Popen[str]) -> tuple[int, int]:
    """What ``server`` says from now on: its reads, and calls that failed with EINTR."""
    said = Path(f"/proc/{process.pid}/fd/1").resolve()
    lines = len(said.read_text().splitlines())
    until = time.monotonic() + 60
    while time.monotonic() < until:
        told = said.read_text().split("\n")[:-1]
        if len(told) > lines + 1:
            reads, interrupted = told[-1].split()
            return int(reads), int(interrupted)
        time.sleep(0.02)
    raise AssertionError("the program says nothing more")


def bound(pid: int) -> dict[int, int]:
    """All words of its objects that lead into the C library, by their addresses.

    But not its own: some of these the loader binds when it is first asked to open something.
    """
    lines = mappings(pid)
    code = next(line for line in lines if "libc.so" in line.path and "x" in line.access)
    found = {}
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in lines:
            if (
                line.path.startswith("/")
                and "x" not in line.access
                and "p" in line.access
                and line.path != code.path
            ):
                memory.seek(line.start)
                data = memory.read(line.end - line.start)
                for place, (word,) in enumerate(struct.iter_unpack("<Q", data)):
                    if code.start <= word < code.end:
                        found[line.start + place * 8] = word
    return found


def settle(injected: Injected) -> None:
    """Leaves the process, which must be as it was."""
    left = injected.detach()
    assert (left.left, left.gone) == (0, 0)
    assert left.restored == injected.slots
    assert left.unloaded, left.reason


def test_records_and_leaves_no_trace(room: Room, run: Run) -> None:
    process = run("server")
    before = bound(process.pid)
    injected = inject(process.pid, room.library)
    assert injected.slots > 0
    first = counts(process)[0]
    time.sleep(0.2)
    made = counts(process)[0] - first
    assert room.records() >= 3 * made > 0  # open, read and close
    settle(injected)
    assert bound(process.pid) == before
    assert not [line for line in mappings(process.pid) if "anaros" in line.path]
    reads = counts(process)[0]
    assert counts(process)[0] > reads
    seen = room.records()
    time.sleep(0.1)
    assert room.records() == seen


def test_fifty_times_without_a_leak_or_an_interruption(run: Run) -> None:
    process = run("server")
    sizes, stops = [], []
    for _ in range(50):
        room = Room()
        try:
            injected = inject(process.pid, room.library)
            stops.append(injected.stops.borrowed_ns / 1e6)
            settle(injected)
        finally:
            room.close()
        sizes.append(len(mappings(process.pid)))
    assert process.poll() is None
    assert counts(process)[1] == 0
    assert max(sizes[25:]) <= max(sizes[:25])
    assert sorted(stops)[len(stops) // 2] < STOPPED_MS


def test_a_program_that_always_allocates(room: Room, run: Run) -> None:
    process = run("allocating")
    started = time.monotonic()
    try:
        settle(inject(process.pid, room.library))
    except InjectError as problem:
        assert "safe point" in problem.fact
    assert time.monotonic() - started < 100
    assert process.poll() is None


def test_a_static_program_is_refused(room: Room, run: Run) -> None:
    process = run("server", "-static")
    with pytest.raises(InjectError, match="static program"):
        inject(process.pid, room.library)


def test_a_stopped_program_is_refused(room: Room, run: Run) -> None:
    process = run("server")
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    with pytest.raises(InjectError, match="is stopped"):
        inject(process.pid, room.library)
    process.send_signal(signal.SIGCONT)


def test_a_second_shim_is_refused(room: Room, run: Run) -> None:
    process = run("server")
    injected = inject(process.pid, room.library)
    other = Room()
    try:
        with pytest.raises(InjectError, match="has a shim already"):
            inject(process.pid, other.library)
    finally:
        other.close()
    settle(injected)


def test_nobody_there(room: Room) -> None:
    with pytest.raises(InjectError, match="no process"):
        inject(2**22 - 1, room.library)


def test_the_program_goes_on_when_we_are_killed(run: Run) -> None:
    """At whichever step: what was begun ends by itself."""
    process = run("server")
    script = (
        "import sys, os; sys.path[:0] = sys.argv[2].split(':')\n"
        "from inject_room import Room\nfrom anaros.capture.inject.injection import inject\n"
        "room = Room(); print(room.folder, flush=True); inject(int(sys.argv[1]), room.library)\n"
        "import time; time.sleep(60)\n"
    )
    root = str(Path(__file__).parents[2])
    path = ":".join([root, *(part for part in sys.path if part)])
    for step in range(6):
        words = [sys.executable, "-c", script, str(process.pid), path]
        killed = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert killed.stdout is not None
        said = killed.stdout.readline().strip()
        if not said:
            # An empty path would be the current folder, which must not be removed below.
            killed.kill()
            killed.communicate(timeout=60)
            pytest.fail("the injecting process did not begin")
        folder = Path(said)
        assert folder.parent == shared_memory_root()
        assert folder.name.startswith("anaros-")
        time.sleep(0.003 * step)
        killed.kill()
        killed.wait(60)
        killed.stdout.close()
        reads = counts(process)[0]
        assert counts(process)[0] > reads
        shutil.rmtree(folder)
        if any("anaros" in line.path for line in mappings(process.pid)):
            break
    assert process.poll() is None
    assert counts(process)[1] == 0


def attach(pid: int, run: Path, seconds: str) -> subprocess.CompletedProcess[str]:
    """``anaros attach --inject`` as a user would."""
    words = ["attach", "--inject", "--duration", seconds, "--output", str(run), str(pid)]
    environment = {**os.environ, "PYTHONPATH": ":".join(part for part in sys.path if part)}
    return subprocess.run(
        [sys.executable, "-m", "anaros_cli", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_an_attachment_records_calls_once(run: Run, tmp_path: Path) -> None:
    process = run("server")
    done = attach(process.pid, tmp_path / "run", "0.5")
    assert done.returncode == 0, done.stderr
    from anaros.store.rundir import RunDirectory
    from anaros.store.sql import query

    opened = RunDirectory.open(tmp_path / "run")
    rows = query(
        opened,
        "SELECT count(*) FILTER (kind = 'file.open'), count(*) FILTER (kind = 'file.read'),"
        " sum(size_bytes) FILTER (kind = 'file.read') FROM records",
    ).rows
    opens, reads, read_bytes = rows[0]
    assert read_bytes == 512 * reads > 0
    assert abs(opens - reads) <= 1
    told = opened.meta()["attach"]["injected"]
    assert [(one["pid"], one["words_left"], one["kept"]) for one in told] == [
        (process.pid, 0, None)
    ]
    assert not [line for line in mappings(process.pid) if "anaros" in line.path]


def test_a_refusal_leaves_no_run(run: Run, tmp_path: Path) -> None:
    process = run("server", "-static")
    done = attach(process.pid, tmp_path / "run", "0.5")
    assert done.returncode == 1
    assert "is a static program" in done.stderr
    assert "attach without --inject" in done.stderr
    assert not (tmp_path / "run").exists()

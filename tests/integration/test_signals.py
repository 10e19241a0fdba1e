# SPDX-License-Identifier: Apache-2.0
"""Signals and job control: the program gets what it would get alone, and as often."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from anaros.capture.program.cgroup import Leaf
from anaros.capture.program.sentinel import Sentinel

Command = Callable[..., list[str]]

#: The number of the call in which the supervisor waits for signals.
SIGTIMEDWAIT = {"x86_64": "128", "aarch64": "137"}.get(os.uname().machine)
ALL = ("SIGHUP", "SIGTERM", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGCONT")
STEP_S = 0.02


class Job:
    """A program that logs its signals, and the supervisor, which leads its process group."""

    def __init__(self, argv: list[str], log: Path) -> None:
        self.log = log
        self.process = subprocess.Popen(argv, process_group=0)
        self.leader = self.process.pid
        self.pid = int(self.until(lambda lines: lines[0] if lines else None))

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def until(self, found: Callable[[list[str]], str | None]) -> str:
        deadline = time.monotonic() + 60
        while (value := found(self.lines())) is None:
            assert time.monotonic() < deadline, self.lines()
            time.sleep(STEP_S)
        return value

    def state(self, pid: int) -> str:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]

    def in_state(self, pid: int, wanted: str) -> None:
        deadline = time.monotonic() + 60
        while self.state(pid) not in wanted:
            assert time.monotonic() < deadline, f"{pid} is {self.state(pid)}, not {wanted}"
            time.sleep(STEP_S)

    def settled(self) -> None:
        """Waits until the supervisor has passed on all that it got, and waits for more."""
        deadline = time.monotonic() + 60
        while self.pending() or self.sleeps_in() != SIGTIMEDWAIT:
            assert time.monotonic() < deadline, (self.pending(), self.sleeps_in())
            time.sleep(STEP_S)

    def pending(self) -> bool:
        status = Path(f"/proc/{self.leader}/status").read_text()
        return any(int(mask, 16) for mask in re.findall(r"^S\w*Pnd:\s*(\w+)", status, re.MULTILINE))

    def sleeps_in(self) -> str:
        """The number of the call; "running" in none."""
        return Path(f"/proc/{self.leader}/syscall").read_text().split()[0]

    def got(self) -> list[str]:
        """What it got, when it has ended; nothing is on its way any more then."""
        self.settled()
        os.kill(self.pid, signal.SIGUSR2)
        assert self.process.wait(60) == 0
        return self.lines()[1:-1]


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The C program, built."""
    built = tmp_path_factory.mktemp("signals") / "program"
    source = Path(__file__).with_name("test_signals_program.c")
    subprocess.run(["gcc", "-O2", "-Wall", "-Werror", source, "-o", built], check=True)
    return str(built)


@pytest.fixture
def job(anaros: Command, program: str, tmp_path: Path) -> Iterator[Callable[..., Job]]:
    """Starts jobs under observation, and leaves none behind."""
    jobs = []

    def start() -> Job:
        log = tmp_path / "signals"
        argv = anaros("run", "--no-kernel", "--output", tmp_path / "run", "--", program, "log", log)
        jobs.append(Job(argv, log))
        return jobs[-1]

    yield start
    for each in jobs:
        if each.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(each.leader, signal.SIGKILL)
            each.process.wait()


@pytest.mark.parametrize("to", ["the supervisor", "the group", "the program"])
def test_each_signal_arrives_once(job: Callable[..., Job], to: str) -> None:
    run = job()
    for times in range(3):
        for name in ALL:
            number = getattr(signal, name)
            if to == "the group":
                os.killpg(run.leader, number)
            else:
                os.kill(run.leader if to == "the supervisor" else run.pid, number)
            count = (times, name)
            run.until(lambda lines, c=count: "yes" if lines.count(c[1]) > c[0] else None)
    assert run.got() == list(ALL) * 3


@pytest.mark.parametrize("patient", [True, False])
def test_signals_of_both_sorts_in_a_row(job: Callable[..., Job], patient: bool) -> None:
    run = job()

    def arrived(each: int) -> None:
        if patient:
            for name in ("SIGTERM", "SIGHUP"):
                run.until(lambda lines, n=name: "yes" if lines.count(n) >= each else None)
            run.settled()

    for times in range(0, 20, 2):
        os.killpg(run.leader, signal.SIGTERM)
        os.kill(run.leader, signal.SIGHUP)
        arrived(times + 1)
        os.kill(run.leader, signal.SIGTERM)
        os.killpg(run.leader, signal.SIGHUP)
        arrived(times + 2)
    got = run.got()
    # Two that are pending at a time are one, here as everywhere; never is one doubled.
    least = 20 if patient else 1
    assert least <= got.count("SIGTERM") <= 20
    assert least <= got.count("SIGHUP") <= 20


def test_a_sentinel_that_gets_no_processor_is_waited_for(job: Callable[..., Job]) -> None:
    leaf = Leaf.create(f"test-{os.urandom(6).hex()}") if os.geteuid() == 0 else None
    if leaf is None:
        pytest.skip("needs root and cgroup v2")
    run = job()
    children = Path(f"/proc/{run.leader}/task/{run.leader}/children").read_text().split()
    (sentinel,) = {int(pid) for pid in children} - {run.pid}
    freezer = leaf.path / "cgroup.freeze"
    try:
        (leaf.path / "cgroup.procs").write_text(str(sentinel))
        freezer.write_text("1")
        os.killpg(run.leader, signal.SIGTERM)
        run.until(lambda lines: "yes" if "SIGTERM" in lines else None)
        time.sleep(0.7)
        os.kill(run.leader, signal.SIGUSR1)
        freezer.write_text("0")
        run.until(lambda lines: "yes" if "SIGUSR1" in lines else None)
        # Of what was done meanwhile nothing looks like a signal to the group.
        os.kill(run.leader, signal.SIGCONT)
        run.until(lambda lines: "yes" if "SIGCONT" in lines else None)
        assert run.got() == ["SIGTERM", "SIGUSR1", "SIGCONT"]
    finally:
        freezer.write_text("0")
        with contextlib.suppress(OSError):  # it has ended with its run
            (leaf.path.parent / "cgroup.procs").write_text(str(sentinel))
        leaf.remove()


def test_the_program_that_signals_its_own_group(anaros: Command, tmp_path: Path) -> None:
    script = "trap 'echo got' TERM; kill -TERM 0; sleep 0.3"
    command = anaros("run", "--no-kernel", "--output", tmp_path / "run", "--", "sh", "-c", script)
    done = subprocess.run(command, capture_output=True, timeout=60, process_group=0)
    assert done.stdout == b"got\n"


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP])
@pytest.mark.parametrize("to", ["the group", "the program"])
def test_a_stopped_program_stops_its_job(
    job: Callable[..., Job], to: str, number: signal.Signals
) -> None:
    run = job()
    send = os.killpg if to == "the group" else os.kill
    for times in range(2):
        send(run.leader if to == "the group" else run.pid, number)
        run.in_state(run.pid, "T")
        run.in_state(run.leader, "T")
        send(run.leader if to == "the group" else run.pid, signal.SIGCONT)
        run.until(lambda lines, n=times: "yes" if len(lines) == n + 2 else None)
        run.in_state(run.leader, "SR")
    assert run.got() == ["SIGCONT"] * 2


@pytest.mark.parametrize("how", ["killed", "never started"])
def test_without_the_sentinel_the_usual_is_assumed(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def full() -> int:
        raise BlockingIOError

    if how == "never started":
        monkeypatch.setattr(os, "fork", full)
    sentinel = Sentinel(os.getpid())
    if sentinel.pid is not None:
        assert sentinel.came_to_the_group(signal.SIGINT) is False
        os.kill(sentinel.pid, signal.SIGKILL)
        os.waitid(os.P_PID, sentinel.pid, os.WEXITED | os.WNOWAIT)
    assert sentinel.came_to_the_group(signal.SIGINT) is True
    assert sentinel.came_to_the_group(signal.SIGTERM) is False
    sentinel.close()


class Shell:
    """An interactive shell with job control on a terminal of its own."""

    def __init__(self) -> None:
        self.terminal, end = pty.openpty()
        self.process = subprocess.Popen(
            ["setsid", "--ctty", "bash", "--norc", "--noprofile", "--noediting", "-i"],
            stdin=end,
            stdout=end,
            stderr=end,
            env={**os.environ, "PS1": "ready> ", "TERM": "dumb", "HISTFILE": ""},
        )
        os.close(end)
        self.unread = ""
        self.until("ready> ")

    def until(self, wanted: str) -> str:
        """What the terminal shows up to ``wanted``; what comes after is kept for the next."""
        deadline = time.monotonic() + 60
        while wanted not in self.unread:
            left = max(0, deadline - time.monotonic())
            assert select.select([self.terminal], [], [], left)[0], self.unread
            self.unread += os.read(self.terminal, 4096).decode()
        before, _, self.unread = self.unread.partition(wanted)
        return before + wanted

    def type(self, text: str, wanted: str = "ready> ") -> str:
        os.write(self.terminal, text.encode())
        return self.until(wanted)

    def close(self) -> None:
        os.close(self.terminal)
        try:
            self.process.wait(60)
        finally:
            self.process.kill()


@pytest.fixture
def shell() -> Iterator[Shell]:
    shell = Shell()
    yield shell
    shell.close()


def session_on_a_terminal(shell: Shell, command: str, stops: bool) -> list[str]:
    """Types the same keys at a program as a person would; returns what the terminal showed."""
    shown = [shell.type(f"{command}\n", "begun\r\n").rpartition("begun")[1]]
    shown.append(shell.type("one\n", "read one\r\n"))
    for _ in range(2):
        if stops:
            shown.append(shell.type("\x1a"))
            shown.append(shell.type("jobs\n"))
            shown.append(shell.type("fg\n", "going on\r\n"))
        else:
            shown.append(shell.type("\x1a", "^Z"))
        shown.append(shell.type("two\n", "read two\r\n"))
    if stops:
        shown.append(shell.type("\x1a"))
        # In the background it may not read: that stops it again.
        until = "until jobs | grep -q Stopped; do sleep 0.1; done"
        shown.append(shell.type(f"bg; {until}; fg\n", "going on\r\n"))
        shown.append(shell.until("going on\r\n"))
    shown.append(shell.type("\x03"))
    shown.append(shell.type("echo $?\n"))
    # The prompt and a program in the background write when they come to it; names differ.
    text = re.sub(r"ready> |sh /\S+", "", "".join(shown))
    return [line.rstrip() for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("stopping", ["default", "ignore", "tidy", "hard"])
def test_job_control_on_a_terminal_is_as_it_is_alone(
    anaros: Command, tmp_path: Path, program: str, shell: Shell, stopping: str
) -> None:
    command = [program, "lines", stopping]
    over = anaros("run", "--no-kernel", "--output", tmp_path / "run", "--", *command)
    for name, words in (("bare", command), ("over", over)):
        (tmp_path / name).write_text("exec " + " ".join(map(shlex.quote, words)))
    alone, below = (
        session_on_a_terminal(shell, f"sh {tmp_path / name}", stopping != "ignore")
        for name in ("bare", "over")
    )
    assert below == alone
    assert alone[-2:] == ["echo $?", "130"]

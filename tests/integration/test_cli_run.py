# SPDX-License-Identifier: Apache-2.0
"""`anaros run` from the outside, and what the other commands tell of the run."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anaros.artifacts import shim_library
from anaros.errors import AnarosError

ANAROS = [sys.executable, "-m", "anaros_cli"]
#: The view steps back behind all other work, so on a busy machine a frame may take seconds.
PATIENCE_S = 60
#: Reads a file now and then until its stdin ends.
WORKLOAD = """
import os, select, sys
print("ready", flush=True)
while not select.select([0], [], [], 0.02)[0]:
    with open(sys.argv[1], "rb") as file:
        file.read()
"""


@pytest.fixture(autouse=True)
def built() -> None:
    try:
        shim_library()
    except AnarosError as error:
        pytest.skip(error.fact)
    pytest.importorskip("anaros._native", exc_type=ImportError)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "ANAROS_RUNS": str(tmp_path / "runs"),
        "COLUMNS": "80",
        "TERM": "xterm",
    }


def anaros(*words: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ANAROS, *words], env=env, capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def running(env: dict[str, str], file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A recorded program that goes on until the block ends."""
    words = [*ANAROS, "run", "--no-kernel", "--", sys.executable, "-c", WORKLOAD, str(file)]
    with subprocess.Popen(words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0


def test_the_exit_code_is_the_childs(environment: dict[str, str]) -> None:
    script = "echo out; echo err >&2; exit 7"
    done = anaros("run", "--no-kernel", "--", "sh", "-c", script, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGPIPE])
def test_a_signal_that_ends_the_child_ends_us(
    number: signal.Signals, environment: dict[str, str]
) -> None:
    restore = "" if number == signal.SIGKILL else f"signal.signal({number}, signal.SIG_DFL);"
    code = f"import os, signal; {restore} os.kill(os.getpid(), {number})"
    done = anaros("run", "--no-kernel", "--", sys.executable, "-c", code, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (-number, "", "")


@pytest.mark.parametrize(
    ("words", "code", "fact"),
    [
        (["--", "no-such-program"], 127, "no-such-program"),
        (["--", "/etc/passwd"], 126, "/etc/passwd"),
        (["--output", "/proc/run", "--", "true"], 1, "/proc/run"),
    ],
)
def test_what_cannot_start(
    words: list[str], code: int, fact: str, environment: dict[str, str]
) -> None:
    done = anaros("run", "--no-kernel", *words, env=environment)
    assert done.returncode == code
    assert done.stdout == ""
    first, *rest = done.stderr.splitlines()
    assert first.startswith("anaros: ")
    assert fact in first
    assert len(rest) <= 1


def test_the_other_commands_explain_the_run(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "input"
    file.write_bytes(b"x" * 1000)
    assert anaros("run", "--no-kernel", "--", "cat", str(file), env=environment).returncode == 0
    sql = f"SELECT kind, size_bytes FROM records WHERE name = '{file}' AND kind = 'file.read'"
    asked = anaros("query", "latest", sql, "--json", env=environment)
    rows = json.loads(asked.stdout)
    assert sum(row["size_bytes"] for row in rows) >= 1000
    assert anaros("query", "latest", sql, "--format", "csv", env=environment).stdout.startswith(
        "kind,size_bytes\nfile.read,"
    )
    report = json.loads(anaros("report", "--json", env=environment).stdout)
    reads = next(row for row in report["calls"] if row["kind"] == "file.read")
    assert reads["bytes"] >= 1000
    assert report["run"]["command"] == ["cat", str(file)]
    assert report["coverage"]["kernel_plane"] is False
    text = anaros("report", env=environment)
    assert text.stderr == ""
    assert "\x1b" not in text.stdout
    assert "file.read" in text.stdout
    frame = anaros("xray", env=environment)
    assert str(file)[-10:] in frame.stdout
    assert "finished" in frame.stdout.splitlines()[0]


def test_a_reader_that_goes_away_ends_every_command_alike(environment: dict[str, str]) -> None:
    assert anaros("run", "--no-kernel", "--", "true", env=environment).returncode == 0
    for words in (
        ["report"],
        ["report", "--json"],
        ["query", "latest", "FROM records"],
        ["query", "latest", "FROM records", "--format", "csv"],
        ["xray", "--once"],
        ["doctor", "--json"],
    ):
        with subprocess.Popen(
            [*ANAROS, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode == 128 + signal.SIGPIPE, words


def test_errors_of_sql_and_of_names(environment: dict[str, str]) -> None:
    assert anaros("run", "--no-kernel", "--", "true", env=environment).returncode == 0
    for words in (["query", "latest", "SELCT 1"], ["report", "no-such-run"], ["xray", "--live"]):
        done = anaros(*words, env=environment)
        assert done.returncode == 1
        assert done.stdout == ""
        assert 1 <= len(done.stderr.splitlines()) <= 2
        assert done.stderr.startswith("anaros: ")


def test_xray_of_a_running_run_without_a_terminal(
    environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "input"
    file.write_bytes(b"x" * 1000)
    with running(environment, file):
        until = time.monotonic() + 60
        names: list[str] = []
        while str(file) not in names and time.monotonic() < until:
            found = json.loads(anaros("xray", "--live", "--json", env=environment).stdout)
            names = [busy["name"] for busy in found["files"]]
        assert str(file) in names
        assert found["live"] is True
        assert found["records"] > 0
        assert found["drops"]["shim"] == 0
        once = anaros("xray", env=environment)
        assert "live" in once.stdout.splitlines()[0]
        assert "\x1b" not in once.stdout


@pytest.mark.parametrize("how", ["q", "control-c", "terminate"])
def test_the_live_view_leaves_the_terminal_as_it_was(
    how: str, environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "input"
    file.write_bytes(b"x" * 1000)
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (30, 80))
    before = termios.tcgetattr(follower)
    env = {key: value for key, value in environment.items() if key != "COLUMNS"}
    with running(environment, file) as recorded:
        with (
            subprocess.Popen(
                [*ANAROS, "xray"],
                env=env,
                stdin=follower,
                stdout=follower,
                stderr=subprocess.PIPE,
                start_new_session=True,
                preexec_fn=lambda: _take_terminal(follower),
            ) as viewer,
            _ended_in_any_case(viewer),
        ):
            shown = _read_until(leader, b"records/s", times=3)
            assert b"\x1b[?1049h" in shown
            if how == "terminate":
                viewer.terminate()
            else:
                os.write(leader, b"q" if how == "q" else b"\x03")
            shown += _read_until(leader, b"\x1b[?1049l")
            shown += _drain(leader, viewer)
            assert viewer.stderr is not None
            assert viewer.stderr.read() == b""
        assert viewer.returncode == {"q": 0, "control-c": 130, "terminate": 143}[how]
        assert b"\x1b[?25h" in shown
        assert recorded.poll() is None
    assert termios.tcgetattr(follower) == before
    os.close(follower)
    os.close(leader)


def test_the_live_view_ends_with_the_run(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "input"
    file.write_bytes(b"x" * 1000)
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (30, 80))
    env = {key: value for key, value in environment.items() if key != "COLUMNS"}
    with running(environment, file):
        viewer = subprocess.Popen([*ANAROS, "xray"], env=env, stdin=follower, stdout=follower)
        _read_until(leader, b"records/s")
    shown = _drain(leader, viewer)
    assert viewer.wait(10) == 0
    last = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", shown.rpartition(b"\x1b[?1049l")[2]).decode()
    assert "finished" in last
    assert str(file)[-10:] in last
    os.close(follower)
    os.close(leader)


def test_run_live_shows_the_view_and_leaves_the_output_alone(
    environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "input"
    file.write_bytes(b"x" * 1000)
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (30, 80))
    env = {key: value for key, value in environment.items() if key != "COLUMNS"}
    words = ["run", "--no-kernel", "--live", "--", sys.executable, "-c", WORKLOAD, str(file)]
    process = subprocess.Popen(
        [*ANAROS, *words],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: _take_terminal(follower),
    )
    shown = _read_until(leader, b"records/s", times=2)
    assert b"live" in shown
    assert process.stdin is not None
    process.stdin.close()
    process.stdin = None
    shown = _drain(leader, process)
    assert b"finished" in shown.rpartition(b"\x1b[?1049l")[2]
    assert process.communicate(timeout=10) == (b"ready\n", b"")
    assert process.returncode == 0
    os.close(follower)
    os.close(leader)


def _take_terminal(descriptor: int) -> None:
    import fcntl

    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)


@contextmanager
def _ended_in_any_case(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """A viewer that nobody reads from waits for ever, and whoever waits for it with it."""
    try:
        yield
    except BaseException:
        process.kill()
        raise


def _read_until(descriptor: int, wanted: bytes, times: int = 1) -> bytes:
    seen = b""
    until = time.monotonic() + PATIENCE_S
    while seen.count(wanted) < times:
        assert time.monotonic() < until, f"{wanted!r} did not come: {seen[-2000:]!r}"
        if select.select([descriptor], [], [], 0.1)[0]:
            seen += os.read(descriptor, 65536)
    return seen


def _drain(descriptor: int, process: subprocess.Popen[bytes]) -> bytes:
    """What comes until ``process`` has ended."""
    seen = b""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        ready = bool(select.select([descriptor], [], [], 0.05)[0])
        if ready:
            seen += os.read(descriptor, 65536)
        elif process.poll() is not None:
            break
    return seen

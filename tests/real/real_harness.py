# SPDX-License-Identifier: Apache-2.0
"""Starts a real program with Anaros, drives it with its own tool, and compares what both say."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from real_table import Cover, Figure, Told

from anaros import report
from anaros.store import sql
from anaros.store.rundir import RunDirectory

ROOT = Path(__file__).resolve().parents[2]

#: How long anything may take: far longer than on a busy machine.
PATIENCE_S = 60

NEEDS = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the kernel's count needs root"),
    pytest.mark.skipif(
        not Path("/sys/kernel/btf/vmlinux").exists(), reason="this kernel has no BTF"
    ),
    pytest.mark.skipif(
        not (ROOT / "shim/libanaros.so").exists(), reason="needs the shim: run make -C shim"
    ),
    pytest.mark.skipif(
        not (ROOT / "ebpf/anaros.bpf.o").exists(), reason="ebpf/anaros.bpf.o is not built"
    ),
]

#: For wrk: what it counted, to the byte, and how long it waited, in us.
EXACTLY = """
function done(summary, latency)
    local refused, took = summary.errors.status, summary.duration
    io.write(string.format("exactly %d %d %d %d", summary.requests, summary.bytes, refused, took))
    io.write(string.format(" mean=%f max=%f", latency.mean, latency.max))
    for _, part in ipairs({50, 95, 99}) do
        io.write(string.format(" p%d=%d", part, latency:percentile(part)))
    end
    io.write("\\n")
end
"""

#: The questions of a client on its connections to a port, and how long each had to wait: from the
#: first byte that it sent to the last one that came before it sent again.
_ANSWERS = """
WITH moved AS (
    SELECT object, kind, start_ns, start_ns + duration_ns AS end_ns,
        lag(kind) OVER (PARTITION BY object ORDER BY start_ns) AS before
    FROM records
    WHERE kind IN ('net.send', 'net.recv') AND size_bytes > 0 AND name LIKE '%:{port}'
), turns AS (
    SELECT *, count(*) FILTER (kind = 'net.send' AND before IS DISTINCT FROM 'net.send')
        OVER (PARTITION BY object ORDER BY start_ns) AS turn
    FROM moved
)
SELECT object, (max(end_ns) - min(start_ns)) / 1e3, max(end_ns) / 1e3
FROM turns GROUP BY object, turn HAVING count(DISTINCT kind) = 2
ORDER BY object, turn
"""

#: States of TCP sockets.
_LISTEN, _TIME_WAIT = "0A", "06"

#: What is attached last of the probes of system calls, and of those that come while one waits.
_CALLS, _MORE = "sys_enter", "io_uring_complete"


def needs(*programs: str) -> list[pytest.MarkDecorator]:
    """What a test of these programs takes."""
    lacking = [program for program in programs if find(program) is None]
    reason = f"not installed: {', '.join(lacking)} (scripts/setup --programs)"
    return [*NEEDS, pytest.mark.skipif(bool(lacking), reason=reason)]


def find(program: str) -> str | None:
    """Where a program is; Debian keeps those of PostgreSQL apart, and servers in sbin."""
    path = os.environ.get("PATH", os.defpath)
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(program, path=os.pathsep.join([path, "/usr/sbin", *map(str, folders)]))


def anaros(*words: str | Path) -> list[str]:
    """The words of an `anaros` command of this checkout."""
    paths = [str(ROOT / "overlay"), str(ROOT / "cli")]
    code = (
        f"import sys; sys.path[:0] = {paths!r}; from anaros_cli.main import main; sys.exit(main())"
    )
    return [sys.executable, "-c", code, *map(str, words)]


def as_user(user: str, *words: str | Path) -> list[str]:
    """The words of a command as somebody else."""
    account = pwd.getpwnam(user)
    rights = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--init-groups"]
    return ["setpriv", *rights, "--", *map(str, words)]


def until(holds: Callable[[], object], what: str) -> None:
    """Waits for something to hold."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.02)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _sockets(port: int, beside: int | str) -> list[str]:
    """States of all TCP sockets with this port at either end, as the kernel numbers them."""
    found = []
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{beside}/net/{table}").read_text().splitlines()[1:]:
                words = line.split()
                if port in (int(end.rpartition(":")[2], 16) for end in words[1:3]):
                    found.append(words[3])
    return found


def listens(port: int, beside: int | str = "self") -> bool:
    """Whether somebody does, without a connection that would be counted.

    Args:
        port: The port.
        beside: A process in the network namespace that is meant.
    """
    return _LISTEN in _sockets(port, beside)


def finish(port: int, beside: int | str = "self") -> None:
    """Waits until all connections are closed, so that what they moved is told."""

    def quiet() -> bool:
        return not set(_sockets(port, beside)) - {_LISTEN, _TIME_WAIT}

    until(quiet, f"port {port} is quiet")


def tool(*words: str | Path, **more: Any) -> str:
    """What a tool prints; it must succeed."""
    done = subprocess.run(
        list(map(str, words)),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        **more,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return str(done.stdout)


@contextlib.contextmanager
def serving(*words: str | Path, ready: Callable[[], object], **options: Any) -> Iterator[None]:
    """A server that nobody watches."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options}
    process = subprocess.Popen(list(map(str, words)), **quiet)
    try:
        until(ready, f"{words[0]} is ready")
        yield
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        finally:
            process.kill()
            process.wait()


class Gate:
    """Holds a program back until it is watched: before it, somebody waits for a word."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "gate"
        self._word = -1
        os.mkfifo(self._path)

    @property
    def wait(self) -> str:
        """What a shell does to wait."""
        return f"read word <{self._path}"

    def before(self, *words: str | Path) -> list[str]:
        """A command that waits, and is this one then."""
        return ["sh", "-c", f'{self.wait}; exec "$@"', "sh", *map(str, words)]

    def reached(self) -> bool:
        """Whether somebody waits."""
        try:
            self._word = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return False
        return True

    def open(self) -> None:
        """Lets it go on."""
        os.write(self._word, b"go\n")
        os.close(self._word)


class Watched:
    """One program with Anaros: its processes, and in the end what the run says of it.

    Args:
        way: `run` or `attach`.
        folder: Where the run and the outputs go.
        told: Where the figures are kept.
        name: What they are kept by.
    """

    def __init__(self, way: str, folder: Path, told: Told, name: str) -> None:
        self.way = way
        self._told, self._name = told, name
        self.path = folder / "run"
        self._said = folder / "said"
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(
        self,
        *words: str | Path,
        ready: Callable[[], object],
        more: bool = False,
        user: str | None = None,
        target: Callable[[], int] | None = None,
        **options: Any,
    ) -> None:
        """Starts it and waits until it is ready, and until it is watched.

        Args:
            words: The command.
            ready: Tells whether the program is at work.
            more: Whether the probes are waited for that are loaded while it runs.
            user: Whom it runs as; None: as the tests do.
            target: Whom to attach to; None: the program itself.
            options: Of `subprocess.Popen`.
        """
        command = list(map(str, words)) if user is None else as_user(user, *words)
        if self.way == "run":
            whom = () if user is None else ("--user", user)
            command = anaros("run", "--output", self.path, *whom, "--", *words)
        self._open(command, "program", **options)
        until(lambda: ready() or self._program.poll() is not None, f"{words[0]} is ready")
        assert self._program.poll() is None, self.said()
        if self.way == "attach":
            pid = self.pid if target is None else target()
            self._open(anaros("attach", "--output", self.path, str(pid)), "anaros")
        watcher = self._processes[-1]
        waited = _MORE if more else _CALLS if self.way == "attach" else None
        if waited is not None:
            until(lambda: waited in _probes(watcher.pid), f"{waited} is followed")

    def run(self, *words: str | Path, **options: Any) -> None:
        """Runs what ends by itself, under `anaros run`."""
        self._open(anaros("run", "--output", self.path, "--", *words), "program", **options)

    def _open(self, command: Sequence[str], name: str, **options: Any) -> None:
        with self._said.with_suffix(f".{name}").open("wb") as said:
            options = {"stdin": subprocess.DEVNULL, **options}
            self._processes.append(subprocess.Popen(command, stdout=said, stderr=said, **options))

    @property
    def _program(self) -> subprocess.Popen[bytes]:
        return self._processes[0]

    @property
    def pid(self) -> int:
        """Of the program where it runs alone; of `anaros` else."""
        return self._program.pid

    def said(self, name: str = "program") -> str:
        """What it printed."""
        return self._said.with_suffix(f".{name}").read_text(errors="replace")

    def wait(self, code: int = 0) -> None:
        """Waits for its end, which somebody has brought about."""
        for process in self._processes:
            process.wait(PATIENCE_S)
        assert self._program.returncode == code, self.said()
        if self.way == "attach":
            assert self._processes[-1].returncode == 0, self.said("anaros")

    def end(self, code: int = 0) -> Seen:
        """Waits for its end, and has what the run says."""
        self.wait(code)
        seen = Seen(self.path)
        self._told.covers.append(Cover(self._name, self.way, seen.coverage))
        return seen

    def same(
        self, what: str, theirs: float, ours: float, within: float = 0.01, spare: float = 0
    ) -> None:
        """A figure that the program or its tool tells, too.

        Args:
            what: The figure, with its unit.
            theirs: What they tell.
            ours: What the run tells.
            within: How much of theirs ours may be away.
            spare: How much more.
        """
        self._told.figures.append(Figure(self._name, self.way, what, theirs, ours))
        assert abs(ours - theirs) <= within * abs(theirs) + spare, f"{what}: {ours}, not {theirs}"

    def as_long(
        self, what: str, theirs: dict[str, float], ours: npt.NDArray[np.float64], near: float = 5
    ) -> None:
        """How long something took, in us, as the tool says and as its calls did.

        What holds a tool up between its reading of the clock and its call is in its own figure
        alone: a mean may be less by that, a median hardly is. The rest is for the table.

        Args:
            what: What took its time.
            theirs: `mean` and `p50`, and what else they tell: `p95`, `p99`, `max`.
            ours: Each of them, of which there are many.
            near: What lies between the tool's clock and its calls, in us, and what it rounds by.
        """
        self._tell_times(what, theirs, ours)
        mean, median = float(ours.mean()), float(np.median(ours))
        assert 0.8 * theirs["mean"] - near <= mean <= 1.01 * theirs["mean"] + near
        assert abs(median - theirs["p50"]) <= 0.01 * theirs["p50"] + near

    def each_as_long(
        self,
        what: str,
        theirs: npt.NDArray[np.float64],
        ours: npt.NDArray[np.float64],
        near: float,
    ) -> None:
        """The same where the tool tells of each, in the same order."""
        told = {name: _figure(name, theirs) for name in ("mean", "p50", "max")}
        self._tell_times(what, told, ours)
        more = theirs - ours
        assert more.min() >= -near
        assert np.median(more) <= 0.01 * told["p50"] + near

    def _tell_times(
        self, what: str, theirs: dict[str, float], ours: npt.NDArray[np.float64]
    ) -> None:
        for name, value in theirs.items():
            what_of = f"{name} of {what}, µs"
            found = _figure(name, ours)
            self._told.figures.append(Figure(self._name, self.way, what_of, value, found))

    def kill(self) -> None:
        """Whatever still runs."""
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _figure(name: str, values: npt.NDArray[np.float64]) -> float:
    """`mean`, `max`, or a percentile such as `p95`."""
    if name.startswith("p"):
        return float(np.percentile(values, float(name[1:])))
    return float(values.mean() if name == "mean" else values.max())


def _probes(pid: int) -> set[str]:
    """The tracepoints that a process has links to."""
    found = set()
    for path in Path(f"/proc/{pid}/fdinfo").glob("*"):
        with contextlib.suppress(OSError):
            text = path.read_text()
            if "tp_name:" in text:
                found.add(text.partition("tp_name:")[2].split()[0])
    return found


class Seen:
    """What a run says."""

    def __init__(self, path: Path) -> None:
        self.run = RunDirectory.open(path)
        self.report = report.build(self.run)
        drops = self.report["drops"]["by_probe"]
        assert not self.report["drops"]["shim"]
        if lost := drops["calls"]:
            assert lost < self.report["run"]["records"] * 0.01
            pytest.skip(f"the kernel did not show {lost} calls, so nothing compares to the percent")

    @property
    def coverage(self) -> dict[str, Any]:
        """Of the report."""
        return dict(self.report["coverage"])

    @property
    def requests(self) -> int:
        """How many it tells of."""
        return int(self.report["requests"]["count"])

    def bytes(self, *kinds: str) -> int:
        """Of all records of these kinds."""
        return sum(row["bytes"] for row in self.report["calls"] if row["kind"] in kinds)

    def count(self, *kinds: str) -> int:
        """Of all records of these kinds."""
        return sum(row["count"] for row in self.report["calls"] if row["kind"] in kinds)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return list(sql.query(self.run, query).rows)

    def answers(self, port: int) -> list[npt.NDArray[np.float64]]:
        """For each connection how long a client of a port waited for each answer, and until when.

        Of shape (answers, 2), in us.
        """
        found: dict[int, list[tuple[float, float]]] = {}
        for connection, took_us, end_us in self.ask(_ANSWERS.format(port=port)):
            found.setdefault(connection, []).append((took_us, end_us))
        return [np.array(each) for each in found.values()]

    def total(self, quantity: str) -> dict[str, Any]:
        """One quantity of the coverage."""
        (found,) = (row for row in self.coverage["quantities"] if row["quantity"] == quantity)
        return dict(found)

    def share(self, name: str) -> float:
        """Seen of what was witnessed."""
        found = self.coverage["shares"][name]
        assert found is not None
        return float(found)

    def named(self, *ways: str) -> float:
        """Of what was witnessed the share that was seen, or is named as missed.

        Args:
            ways: `read`, `written`, `received`, `sent`.
        """
        found = whole = 0
        for way in ways:
            place = "file" if way in ("read", "written") else "socket"
            total = self.total(f"{place}.{way}_bytes")
            found += total["covered"]
            whole += total["witnessed"]
            for row in (*self.coverage["without_shim"], *self.coverage["partly_seen"]):
                found += row[f"{way}_bytes"] or 0
        return found / whole

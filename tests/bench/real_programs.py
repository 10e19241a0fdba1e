# SPDX-License-Identifier: Apache-2.0
"""What recording costs programs that people run: their tools' rates, bare, run and attached."""

from __future__ import annotations

import contextlib
import json
import re
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from measure import ROOT, Bench, NotMeasured

sys.path.insert(0, str(ROOT / "tests/real"))

from real_harness import EXACTLY, Gate, Watched, as_user, find, free_port, listens, serving, tool
from real_servers import OWNER, Postgresql, cluster, nginx, redis
from real_table import Told

#: Who is measured in a round: who goes first changes from round to round.
WAYS = ("bare", "run", "attach")

_CLIENTS = 4


@dataclass(frozen=True, slots=True)
class Server:
    """A server of one way.

    Attributes:
        command: What starts it.
        ready: Whether it answers.
        rate: What its load tool says that it answered in one second.
        user: Whom it runs as; None: as the bench does.
    """

    command: list[str]
    ready: Callable[[], object]
    rate: Callable[[], float]
    user: str | None = None


Rates = dict[str, list[float]]
Make = Callable[[Path, int], Server]


def ratios(rates: Rates) -> tuple[float, float]:
    """Run and attached to bare: the medians over the rounds."""
    run, attach = (
        statistics.median(b / a for a, b in zip(rates["bare"], rates[way], strict=True))
        for way in WAYS[1:]
    )
    return run, attach


def _in_turn(bench: Bench, measures: dict[str, Callable[[], float]]) -> tuple[float, float]:
    rates: Rates = {way: [] for way in WAYS}
    for number in range(bench.pair_count):
        first = number % len(WAYS)
        for way in (*WAYS[first:], *WAYS[:first]):
            rates[way].append(measures[way]())
    return ratios(rates)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """One that all users may enter."""
    with tempfile.TemporaryDirectory(prefix="anaros-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def _watched(way: str, folder: Path) -> Watched:
    return Watched(way, folder, Told(), "bench")


def _servers(bench: Bench, make: Make) -> tuple[float, float]:
    """Three servers stand at once, and have a second of load each in turn."""
    with contextlib.ExitStack() as undo:
        measures = {}
        for way in WAYS:
            folder = undo.enter_context(_folder())
            server = make(folder, free_port())
            measures[way] = server.rate
            if way == "bare":
                words = server.command
                words = words if server.user is None else as_user(server.user, *words)
                undo.enter_context(serving(*words, ready=server.ready, cwd="/"))
            else:
                watched = _watched(way, folder)
                undo.callback(watched.kill)
                watched.start(
                    *server.command, ready=server.ready, user=server.user, more=True, cwd="/"
                )
        for measure in measures.values():
            measure()
        return _in_turn(bench, measures)


def postgresql(bench: Bench) -> tuple[float, float]:
    """Transactions each second of `pgbench --select-only`."""
    with _folder() as first:
        tables = cluster(first)

        def make(folder: Path, port: int) -> Server:
            own = folder / "data"
            tool("cp", "-a", tables, own)
            server = Postgresql(own, port)
            load = server.pgbench("-n", "-S", "-c", str(_CLIENTS), "-T", "1")
            rate = re.compile(r"^tps = ([\d.]+)", re.M)
            return Server(
                server.command, server.ready, lambda: float(rate.findall(tool(*load))[0]), OWNER
            )

        return _servers(bench, make)


def redis_server(bench: Bench) -> tuple[float, float]:
    """Requests each second of `redis-benchmark`, which gets values of 100 bytes."""

    def make(folder: Path, port: int) -> Server:
        load = ["redis-benchmark", "-p", str(port), "-n", "30000", "-c", "20", "-d", "100"]

        def rate() -> float:
            lines = tool(*load, "-t", "get", "--csv").splitlines()
            return float(lines[-1].split(",")[1].strip('"'))

        return Server([*redis(port), "--dir", str(folder)], lambda: listens(port), rate)

    return _servers(bench, make)


def nginx_server(bench: Bench) -> tuple[float, float]:
    """Requests each second of `wrk`, for a page of 20 KB."""

    def make(folder: Path, port: int) -> Server:
        exactly = folder / "exactly.lua"
        exactly.write_text(EXACTLY)
        load = ["wrk", "-t1", "-c8", "-d1", "-s", str(exactly), f"http://127.0.0.1:{port}/page"]

        def rate() -> float:
            words = tool(*load).partition("exactly")[2].split()
            return int(words[0]) / int(words[3]) * 1e6

        return Server(nginx(folder, port), lambda: listens(port), rate)

    return _servers(bench, make)


def iperf3(bench: Bench) -> tuple[float, float]:
    """Bits each second that an iperf3 server receives over the loopback device."""

    def make(folder: Path, port: int) -> Server:
        load = ["iperf3", "--client", "127.0.0.1", "--port", str(port), "--time", "1", "--json"]

        def rate() -> float:
            return float(json.loads(tool(*load))["end"]["sum_received"]["bits_per_second"])

        server = ["iperf3", "--server", "--port", str(port)]
        return Server(server, lambda: listens(port), rate)

    return _servers(bench, make)


def fio(bench: Bench, engine: str) -> tuple[float, float]:
    """Reads of 16 KiB each second from a disk, anywhere in a file, past the page cache."""
    with _folder() as folder:
        data = folder / "data"
        fill = ["fio", "--name=fill", f"--filename={data}", "--size=64M", "--rw=write", "--bs=1M"]
        tool(*fill, "--end_fsync=1")
        command = ["fio", "--name=job", f"--filename={data}", "--size=64M", "--bs=16k"]
        command += [f"--ioengine={engine}", "--iodepth=8", "--thread", "--rw=randread"]
        command += ["--direct=1", "--time_based", "--runtime=1", "--output-format=json"]

        def rate(way: str) -> float:
            with tempfile.TemporaryDirectory(dir=folder) as name:
                return _fio_rate(command, way, Path(name))

        return _in_turn(bench, {way: partial(rate, way) for way in WAYS})


def _fio_rate(command: list[str], way: str, folder: Path) -> float:
    told = folder / "told"
    command = [*command, f"--output={told}"]
    if way == "bare":
        tool(*command, cwd=folder)
    else:
        gate, watched = Gate(folder), _watched(way, folder)
        try:
            held = f"--exec_prerun=sh -c '{gate.wait}'"
            watched.start(*command, held, ready=gate.reached, more=True, cwd=folder)
            gate.open()
            watched.wait()
        finally:
            watched.kill()
    text = told.read_text()
    return float(json.loads(text[text.index("{") :])["jobs"][0]["read"]["iops"])


#: Key of the rows, what is measured, the programs that it needs.
PROGRAMS: dict[str, tuple[Callable[[Bench], tuple[float, float]], tuple[str, ...]]] = {
    "postgresql": (postgresql, ("postgres", "initdb", "pgbench", "setpriv")),
    "redis": (redis_server, ("redis-server", "redis-benchmark")),
    "nginx": (nginx_server, ("nginx", "wrk")),
    "fio_sync": (partial(fio, engine="sync"), ("fio",)),
    "fio_uring": (partial(fio, engine="io_uring"), ("fio",)),
    "iperf3": (iperf3, ("iperf3",)),
}


def cost(bench: Bench, name: str) -> dict[str, float | None]:
    """The two ratios of a program.

    Raises:
        NotMeasured: It is not installed, or does not do its work.
    """
    measure, needed = PROGRAMS[name]
    if lacking := [program for program in needed if find(program) is None]:
        raise NotMeasured(f"not installed: {', '.join(lacking)} (scripts/setup --programs)")
    try:
        run, attach = measure(bench)
    except AssertionError as error:
        raise NotMeasured(str(error)) from error
    return {f"real_{name}_run_ratio": run, f"real_{name}_attach_ratio": attach}

# SPDX-License-Identifier: Apache-2.0
"""The example server with and without: throughput, p99, and the run that it leaves behind."""

from __future__ import annotations

import contextlib
import shutil
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from measure import ROOT, Bench, Command, NotMeasured, environment, in_turn, run_json

SERVE = ROOT / "examples/serve.py"
LOAD = ROOT / "examples/load.py"

_STARTS = 9


@dataclass(frozen=True, slots=True)
class ServerCost:
    """What the whole of Anaros costs a server.

    Attributes:
        throughput_ratio: Requests per second, with it to without.
        p99_ratio: 99th percentile of the request time, with it to without.
        run: The run directory of the recorded server.
    """

    throughput_ratio: float
    p99_ratio: float
    run: Path


@contextlib.contextmanager
def _server(command: Command, log: Path) -> Iterator[str]:
    """Runs a server; gives its address once it says it."""
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            list(map(str, command)),
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment(),
            cwd=ROOT,
            text=True,
        ) as process,
    ):
        try:
            lines = iter(process.stdout or ())
            address = next((line.strip() for line in lines if line.startswith("http")), None)
            if address is None:
                raise NotMeasured(f"the server did not start: {log.read_text().strip()[-200:]}")
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def cost(bench: Bench) -> ServerCost:
    """Both servers run; short windows of load go to one and the other in turn.

    Two bare servers differ by a per cent and more for as long as they live, so both are started
    anew several times; what counts is the median over these starts.

    Raises:
        NotMeasured: The server does not start here (no OpenCL, no CUDA).
    """
    starts = [_windows(bench) for _ in range(2 if bench.quick else _STARTS)]
    throughput, p99 = zip(*starts, strict=True)
    return ServerCost(statistics.median(throughput), statistics.median(p99), _run(bench))


def _run(bench: Bench) -> Path:
    return bench.scratch / "server-run"


def _windows(bench: Bench) -> tuple[float, float]:
    """Throughput and p99, recorded to bare, of one start of both servers."""
    run = _run(bench)
    shutil.rmtree(run, ignore_errors=True)
    commands: list[list[str | Path]] = []
    for name in ("bare", "recorded"):
        data = bench.scratch / f"data-{name}"
        commands.append([sys.executable, SERVE, "--port", "0", "--data", data])
    p99: dict[str, list[float]] = {}

    def window(address: str) -> float:
        result = run_json([sys.executable, LOAD, "--url", address, "--duration", "1", "--json"])
        p99.setdefault(address, []).append(result["p99_ms"])
        return result["throughput_per_s"]

    wrapped = bench.run_under(run, commands[1], kernel=True)
    with (
        _server(commands[0], bench.scratch / "bare.log") as bare,
        _server(wrapped, bench.scratch / "recorded.log") as recorded,
    ):
        window(bare)
        window(recorded)
        p99.clear()
        pairs = in_turn(lambda: window(bare), lambda: window(recorded), bench.pair_count)
    ratios = [b / a for a, b in zip(p99[bare], p99[recorded], strict=True)]
    return pairs.ratio, statistics.median(ratios)

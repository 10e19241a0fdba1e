# SPDX-License-Identifier: Apache-2.0
"""How fast records are stored and explained, and what the supervisor needs for it."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from measure import ROOT, Bench, Command, NotMeasured, environment

from anaros.kinds import Kind
from anaros.records import Columns
from anaros.store.rundir import RunDirectory
from anaros.store.segments import load, read_names, write_names, write_segment

SEGMENT_RECORDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Supervised:
    """A loop that was recorded at a fixed rate.

    Attributes:
        run: The run directory.
        calls: Calls that the loop made.
        seconds: How long it took.
        cpu_percent: Of one core, what the supervisor used.
        rss_mb: The most memory that the supervisor held, in MB.
    """

    run: Path
    calls: float
    seconds: float
    cpu_percent: float
    rss_mb: float


def _percent(samples: list[tuple[float, float]]) -> float:
    """CPU time per time, from two seconds after the start on: its imports are start-up's."""
    settled = [sample for sample in samples if sample[0] - samples[0][0] > 2]
    if len(settled) < 2:
        raise NotMeasured("the run was too short")
    (begin, cpu_begin), (end, cpu_end) = settled[0], settled[-1]
    return 100 * (cpu_end - cpu_begin) / (end - begin)


def supervised(bench: Bench, per_second: int, seconds: int) -> Supervised:
    """Runs the ``pread`` loop at a rate and watches the process that records it."""
    run = bench.scratch / "rated-run"
    loop: Command = [bench.program("pread_loop"), str(per_second * seconds), str(per_second)]
    command = bench.run_under(run, loop, kernel=False)
    rss_bytes = 0
    samples: list[tuple[float, float]] = []
    with subprocess.Popen(command, env=environment(), cwd=ROOT, stdout=subprocess.PIPE) as process:
        supervisor = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                times = supervisor.cpu_times()
                samples.append((time.perf_counter(), times.user + times.system))
                rss_bytes = max(rss_bytes, supervisor.memory_info().rss)
            except psutil.NoSuchProcess:
                break
            time.sleep(0.05)
        output = process.stdout.read() if process.stdout else b""
    if process.returncode:
        raise NotMeasured(f"anaros run ended with {process.returncode}")
    told = json.loads(output.splitlines()[-1])
    return Supervised(run, told["calls"], told["seconds"], _percent(samples), rss_bytes / 1e6)


def _anaros_json(bench: Bench, *words: str | Path) -> object:
    command = bench.anaros(*words)
    done = subprocess.run(
        command, env=environment(), cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        tail = done.stderr.strip().splitlines()[-1:] or ["no output"]
        raise NotMeasured(f"anaros {words[0]} ended with {done.returncode}: {tail[0]}")
    return json.loads(done.stdout)


def zero_loss(bench: Bench) -> tuple[float, int]:
    """Records per second that arrived, and how many were dropped, at one million a second."""
    done = supervised(bench, 1_000_000, 1 if bench.quick else 10)
    run = RunDirectory.open(done.run)
    arrived = len(load(run, kinds=[int(Kind.FILE_READ)], fields=["start_ns"]))
    return arrived / done.seconds, int(run.meta()["drops"]["shim"])


def bytes_per_record(run: Path) -> float:
    """Bytes on disk for each record of a run."""
    files = sum(path.stat().st_size for path in (run / "records").glob("*.parquet"))
    return files / len(load(RunDirectory.open(run), fields=["start_ns"]))


def repeated(columns: Columns, count: int) -> Columns:
    """``count`` records: those of a run again and again, each round later than the last."""
    rounds = -(-count // len(columns))
    span = np.uint64(int(columns.start_ns[-1] - columns.start_ns[0]) + 1_000_000)
    parts = {name: np.tile(column, rounds) for name, column in columns.as_dict().items()}
    parts["start_ns"] = parts["start_ns"] + np.repeat(
        np.arange(rounds, dtype=np.uint64) * span, len(columns)
    )
    return Columns.from_mapping(parts).take(slice(count))


def store_rate(bench: Bench, source: Path) -> float:
    """Records per second that one core sorts into nothing but Parquet: the segment writer alone."""
    columns = repeated(load(RunDirectory.open(source)), SEGMENT_RECORDS)
    path = bench.scratch / "store-run"
    shutil.rmtree(path, ignore_errors=True)
    run = RunDirectory.create(path, {})
    rates = []
    for sequence in range(bench.pair_count):
        start = time.perf_counter()
        write_segment(run, columns, sequence)
        rates.append(len(columns) / (time.perf_counter() - start))
    return statistics.median(rates)


def report_seconds(bench: Bench, source: Path) -> float:
    """Seconds for the first report on a run of ten million records (quick: one million)."""
    origin = RunDirectory.open(source)
    total = bench.calls(10_000_000)
    columns = repeated(load(origin), total)
    path = bench.scratch / "large-run"
    shutil.rmtree(path, ignore_errors=True)
    run = RunDirectory.create(path, origin.meta())
    for sequence, start in enumerate(range(0, total, SEGMENT_RECORDS)):
        write_segment(run, columns.take(slice(start, start + SEGMENT_RECORDS)), sequence)
    write_names(run, read_names(origin))
    begin = time.perf_counter()
    _anaros_json(bench, "report", path, "--json")
    elapsed = time.perf_counter() - begin
    shutil.rmtree(path)
    return elapsed

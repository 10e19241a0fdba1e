# SPDX-License-Identifier: Apache-2.0
"""How fast records go to disk and come back: `python tests/bench/bench_store.py [SEGMENTS]`.

The stream is that of a server: threads that each loop over poll, recv, six preads, copies and
launches, write, fsync and send, out of step with each other; and 28 % records of the kernel plane,
of random threads. Segments hold what ended in their time, as the drain writes them.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "overlay")]

from anaros.kinds import Kind  # noqa: E402
from anaros.records import Columns  # noqa: E402
from anaros.store.rundir import RunDirectory  # noqa: E402
from anaros.store.segments import load, write_segment  # noqa: E402

PID, BEGIN_NS = 4242, 10**12
SEGMENT_RECORDS = 1_000_000
KERNEL_SHARE = 0.28

#: What a thread does for a request: kind, median ns, spread, flags, median bytes.
REQUEST = [
    (Kind.POLL_WAIT, 400_000, 1.0, 0x07, 0),
    (Kind.NET_RECV, 1_800, 0.4, 0x03, 210),
    *[(Kind.FILE_READ, 1_100, 0.35, 0x01, 4096)] * 6,
    (Kind.GPU_COPY_H2D, 9_000, 0.3, 0x10, 150_528),
    (Kind.GPU_LAUNCH, 900, 0.3, 0x10, 16_384),
    (Kind.GPU_LAUNCH, 900, 0.3, 0x10, 16_384),
    (Kind.GPU_EXECUTE, 60_000, 0.2, 0x90, 16_384),
    (Kind.GPU_SYNC, 70_000, 0.4, 0x10, 0),
    (Kind.GPU_COPY_D2H, 9_000, 0.3, 0x10, 4000),
    (Kind.FILE_WRITE, 2_600, 0.4, 0x01, 110),
    (Kind.FILE_SYNC, 700_000, 0.5, 0x01, 0),
    (Kind.NET_SEND, 4_200, 0.4, 0x03, 140),
]
#: What the kernel plane adds: kind, share, median ns.
KERNEL = [
    (Kind.SCHED_OFFCPU, 0.36, 150_000),
    (Kind.SCHED_RUNQUEUE, 0.30, 9_000),
    (Kind.SCHED_WAKEUP, 0.24, 0),
    (Kind.SCHED_MIGRATE, 0.02, 0),
    (Kind.BLOCK_IO, 0.04, 120_000),
    (Kind.NIC_POLL, 0.04, 3_000),
]


def stream(records: int, threads: int = 24, seed: int = 7) -> Columns:
    """About so many records of a server, sorted by start.

    Args:
        records: How many.
        threads: How many threads serve.
        seed: Of all that is random.
    """
    random = np.random.default_rng(seed)
    each = int(records * (1 - KERNEL_SHARE)) // threads
    tids = PID + np.concatenate([[0], 2 + np.arange(threads - 1)])
    parts = [_thread(random, number, tid, each) for number, tid in enumerate(tids)]
    end = max(int(part["start_ns"][-1]) for part in parts)
    parts.append(_kernel(random, tids, records - each * threads, end))
    joined = Columns.concatenate([Columns.from_mapping(part) for part in parts])
    return joined.take(np.argsort(joined.start_ns, kind="stable"))


def _thread(
    random: np.random.Generator, number: int, tid: int, count: int
) -> dict[str, np.ndarray]:
    step, turn = np.arange(count) % len(REQUEST), np.arange(count) // len(REQUEST)
    kind = np.array([row[0] for row in REQUEST])[step]
    median, spread = (np.array([row[at] for row in REQUEST])[step] for at in (1, 2))
    duration = (median * random.lognormal(0, 1, count) ** spread).astype(np.int64)
    pause = (300 * random.lognormal(0, 0.6, count)).astype(np.int64) + 40
    start = BEGIN_NS + random.integers(0, 10**6) + np.cumsum(duration + pause) - duration
    size = np.array([row[4] for row in REQUEST])[step]
    varies = np.isin(kind, [Kind.NET_RECV, Kind.NET_SEND, Kind.FILE_WRITE])
    size = np.where(varies, size + random.integers(-20, 30, count), size)
    file, sets = kind >> 8 == 1, kind == Kind.FILE_READ
    inode = random.integers(10**6, 14 * 10**5, 2000)[random.integers(0, 2000, turn[-1] + 1)]
    queue = 0x55D0C0DE0000 + number % 4 * 0x1A0
    launch = np.isin(kind, [Kind.GPU_LAUNCH, Kind.GPU_EXECUTE])
    buffer = 0x7F5A00000000 + number * 0x800000 + step * 0x10000
    network = kind >> 8 == 2
    return {
        "start_ns": start,
        "duration_ns": duration,
        "pid": np.full(count, PID),
        "tid": np.full(count, tid),
        "kind": kind,
        "flags": np.array([row[3] for row in REQUEST])[step],
        "status": np.where(network | file, size, np.where(step == 0, turn % 3, 0)),
        "object": np.select(
            [sets, file, network, kind >> 8 == 4],
            [inode[turn], np.int64(999_001), 7000 + number * 16 + turn // 50 % 16, np.int64(queue)],
            np.int64(5),
        ),
        "size_bytes": size,
        "address": np.where(launch, 0x55D0C1000000 + step % 3 * 0x240, buffer),
        "context": np.where(
            kind == Kind.GPU_EXECUTE, random.integers(10**3, 6 * 10**4, count), turn * 64 + number
        ),
    }


def _kernel(
    random: np.random.Generator, tids: np.ndarray, count: int, end: int
) -> dict[str, np.ndarray]:
    shares = np.array([row[1] for row in KERNEL])
    chosen = random.choice(len(KERNEL), count, p=shares / shares.sum())
    kind = np.array([row[0] for row in KERNEL])[chosen]
    duration = np.array([row[2] for row in KERNEL])[chosen] * random.lognormal(0, 1, count)
    ours = random.random(count) < 0.7
    other = np.where(ours, random.choice(tids, count), random.integers(1, 32768, count))
    block, nic = kind == Kind.BLOCK_IO, kind == Kind.NIC_POLL
    cpu = random.integers(0, 8, count)
    ran = np.where(ours, PID, other)
    return {
        "start_ns": np.sort(random.integers(BEGIN_NS, end, count)),
        "duration_ns": duration.astype(np.int64),
        "pid": np.full(count, PID),
        "tid": random.choice(tids, count),
        "kind": kind,
        "flags": np.full(count, 0x8000),
        "status": np.where(kind == Kind.SCHED_OFFCPU, random.choice([0, 1, 1, 1, 2], count), 0),
        "object": np.select([block, nic, kind == Kind.SCHED_MIGRATE], [254 << 20, 2, cpu], other),
        "size_bytes": np.select(
            [kind == Kind.SCHED_RUNQUEUE, block, nic], [ran, np.int64(4096), cpu], 0
        ),
        "address": np.select(
            [block, nic], [random.integers(0, 2**28, count) * 8, np.int64(64)], cpu
        ),
        "context": np.where(block, random.integers(300, 3000, count), 0),
    }


def as_drained(columns: Columns, segment_records: int) -> Iterator[Columns]:
    """The stream in segments: each holds what ended in its time, sorted by start."""
    ended = np.argsort(columns.start_ns + columns.duration_ns, kind="stable")
    for at in range(0, len(columns), segment_records):
        yield columns.take(np.sort(ended[at : at + segment_records]))


def measure(
    folder: Path, segments: int = 10, segment_records: int = SEGMENT_RECORDS
) -> dict[str, float]:
    """Write and read so many segments.

    Args:
        folder: Where the run goes; it stays there.
        segments: How many.
        segment_records: Of how many records.

    Returns:
        ``store_records_per_s`` (one core, wall time with the fsync) and
        ``store_records_per_cpu_s``, medians over the segments; ``bytes_per_record``;
        ``load_8_fields_s``, the median of five loads of all of them.
    """
    run = RunDirectory.create(folder / "run", {"start_ns": BEGIN_NS})
    wall, cpu, size, count = [], [], 0, 0
    columns = stream(segments * segment_records)
    for sequence, part in enumerate(as_drained(columns, segment_records)):
        begin_s, begin_cpu_s = time.perf_counter(), time.process_time()
        path = write_segment(run, part, sequence)
        wall.append(len(part) / (time.perf_counter() - begin_s))
        cpu.append(len(part) / (time.process_time() - begin_cpu_s))
        size += path.stat().st_size
        count += len(part)
    del columns
    fields = ("duration_ns", "tid", "kind", "object", "size_bytes", "address", "context")
    loads = []
    for _ in range(5):
        begin_s = time.perf_counter()
        loaded = load(run, fields=fields)
        loads.append(time.perf_counter() - begin_s)
        assert len(loaded) == count
    return {
        "store_records_per_s": round(statistics.median(wall)),
        "store_records_per_cpu_s": round(statistics.median(cpu)),
        "bytes_per_record": round(size / count, 2),
        "load_records": count,
        "load_8_fields_s": round(statistics.median(loads), 3),
    }


def main() -> None:
    """Print the measurement as JSON."""
    segments = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), segments), indent=2))


if __name__ == "__main__":
    main()

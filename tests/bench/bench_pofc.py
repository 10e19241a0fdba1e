# SPDX-License-Identifier: Apache-2.0
"""How long the analysis of 10 M records takes: `python tests/bench/bench_pofc.py [RECORDS]`.

The trace is that of an event loop with a pool of workers under the kernel plane: 60 % records of
the scheduler, 30 % of files, the rest sockets, semaphores, polls and the device.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "overlay")]

from anaros.kinds import Kind  # noqa: E402
from anaros.pofc import analyse, summarise  # noqa: E402
from anaros.records import RECORD_DTYPE, Columns  # noqa: E402

PID, SIGNAL, US = 4000, 900, 1000

#: What a worker does for a request: kind, microseconds after the call before, microseconds long.
_AROUND = [
    (Kind.GPU_COPY_H2D, 900, 60),
    (Kind.GPU_LAUNCH, 4, 6),
    (Kind.GPU_SYNC, 3, 700),
    (Kind.GPU_COPY_D2H, 3, 40),
    (Kind.FILE_WRITE, 30, 8),
    (Kind.FILE_SYNC, 2, 600),
    (Kind.NET_SEND, 10, 4),
]


def make(records: int, requests: int, workers: int = 16, seed: int = 1) -> Columns:
    """A trace of about so many records.

    Args:
        records: How many records there are in all.
        requests: How many requests are served.
        workers: How many threads work on them.
        seed: Of the random delays.
    """
    rng = np.random.default_rng(seed)
    each = records // requests
    reads = max(each * 3 // 10 - 4, 1)
    steps = [(Kind.FILE_OPEN, 10, 8), *[(Kind.FILE_READ, 6, 18)] * reads, *_AROUND]
    gap = np.array([step[1] for step in steps]) * US
    long = np.array([step[2] for step in steps]) * US
    worker = np.arange(requests) % workers
    turn = int((gap + long).sum() * 1.3)
    begun = (np.arange(requests) // workers) * turn + worker * (turn // workers)
    begun = begun + rng.integers(0, 50, requests) * US + 10**9
    lengths = (long * rng.uniform(0.7, 1.2, (requests, len(steps)))).astype(np.int64)
    ends = (begun + 80 * US)[:, None] + np.cumsum(gap + lengths, axis=1)
    parts = [_work(steps, ends, lengths, worker), *_loop(begun, ends[:, -1], worker)]
    used = sum(len(part) for part in parts)
    parts += _scheduler(rng, parts[0], max(records - used, 0))
    joined = np.concatenate(parts)
    return Columns.from_records(joined[np.argsort(joined["start_ns"], kind="stable")])


def _rows(kind: object, start: object, duration: object, tid: object, **more: object) -> object:
    rows = np.zeros(np.shape(start), RECORD_DTYPE)
    fields = {"kind": kind, "start_ns": start, "duration_ns": duration, "tid": tid, "pid": PID}
    for name, values in (fields | more).items():
        rows[name] = values
    return rows.ravel()


def _work(steps: list, ends: object, lengths: object, worker: object) -> object:
    kind = np.array([step[0] for step in steps])
    queue = np.isin(kind >> 8, 4)
    return _rows(
        kind,
        ends - lengths,
        lengths,
        (PID + 1 + worker)[:, None],
        flags=np.where(queue, 0, 1),
        object=np.where(kind == Kind.NET_SEND, SIGNAL, np.where(queue, 0x9000, 77)),
        size_bytes=np.where(kind == Kind.NET_SEND, 1, 65536),
        address=np.where(kind == Kind.GPU_LAUNCH, 5, kind + 0x100000 * (worker[:, None] + 1)),
    )


def _loop(begun: object, done: object, worker: object) -> list:
    """What the loop does around each piece of work, and the idle waits of the workers."""
    connection, semaphore = 10000 + worker, 0x7000 + worker * 32
    tid = PID + 1 + worker
    before = np.full(len(begun), 10**9 - 10**6)
    before[16:] = done[:-16] + 10 * US
    execute = done - 1400 * US
    return [
        _rows(Kind.NET_ACCEPT, np.arange(16) + 10**8, 5, PID, object=10000 + np.arange(16)),
        _rows(Kind.POLL_WAIT, begun - 8 * US, 8 * US, PID, status=1),
        _rows(Kind.NET_RECV, begun + 2 * US, 15 * US, PID, object=connection, size_bytes=180),
        _rows(Kind.POLL_WAIT, begun + 20 * US, 2 * US, PID),
        _rows(Kind.SYNC_WAKE, begun + 40 * US, 3 * US, PID, object=semaphore),
        _rows(Kind.SYNC_WAIT, before, begun + 75 * US - before, tid, object=semaphore),
        _rows(Kind.GPU_EXECUTE, execute, 500 * US, PID, object=0x9000, address=5),
        _rows(Kind.POLL_WAIT, done + 2 * US, 9 * US, PID, status=1),
        _rows(Kind.NET_RECV, done + 14 * US, 2 * US, PID, object=901, size_bytes=1),
        _rows(Kind.NET_SEND, done + 30 * US, 20 * US, PID, object=connection, size_bytes=300),
    ]


def _scheduler(rng: np.random.Generator, work: object, count: int) -> list:
    """Times off the CPU within calls, each with a run queue; and wake-ups and migrations."""
    within = work[rng.integers(0, len(work), count * 3 // 8)]
    start = within["start_ns"] + within["duration_ns"] // 4
    off = within["duration_ns"] // 2
    rest = count - 2 * len(start)
    some = rng.choice(work["start_ns"], rest)
    return [
        _rows(Kind.SCHED_OFFCPU, start, off, within["tid"], status=1, flags=0x8000),
        _rows(Kind.SCHED_RUNQUEUE, start + off // 2, off // 2, within["tid"], flags=0x8000),
        _rows(Kind.SCHED_WAKEUP, some[: rest // 2], 0, PID, object=PID + 1, flags=0x8000),
        _rows(Kind.SCHED_MIGRATE, some[rest // 2 :], 0, PID + 2, flags=0x8000),
    ]


def main() -> None:
    """Prints medians of five rounds for few, many and very many requests."""
    records = int(float(sys.argv[1])) if len(sys.argv) > 1 else 10_000_000
    for requests in (records // 2000, records // 500, records // 200):
        columns = make(records, requests)
        seconds = []
        for _ in range(5):
            begun = time.perf_counter()
            summary = summarise(analyse(columns))
            seconds.append(time.perf_counter() - begun)
        print(
            json.dumps(
                {
                    "records": len(columns),
                    "requests": summary.count,
                    "pofc_seconds": round(statistics.median(seconds), 3),
                    "pofc_seconds_least": round(min(seconds), 3),
                }
            )
        )


if __name__ == "__main__":
    main()

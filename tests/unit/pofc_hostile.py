# SPDX-License-Identifier: Apache-2.0
"""Records that no sane program makes, for hypothesis."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from anaros.kinds import Kind
from anaros.records import RECORD_DTYPE, Columns

_ANY = [
    Kind.POLL_WAIT, Kind.SYNC_WAIT, Kind.SYNC_WAKE, Kind.FILE_OPEN, Kind.FILE_READ,
    Kind.FILE_WRITE, Kind.FILE_SYNC, Kind.FILE_CLOSE, Kind.GPU_COPY_H2D, Kind.GPU_LAUNCH,
    Kind.GPU_SYNC, Kind.GPU_COPY_D2H, Kind.GPU_MAP, Kind.GPU_BUILD, Kind.GPU_EXECUTE,
    Kind.GPU_TRANSFER, Kind.PROC_FORK, Kind.FILE_STAT, Kind.GPU_STORAGE,
]  # fmt: skip
_NET = [Kind.NET_RECV, Kind.NET_SEND, Kind.NET_RECV, Kind.NET_SEND]
_MADE = [Kind.NET_ACCEPT, Kind.NET_CONNECT, Kind.NET_SOCKET]
_SCHED = [
    Kind.SCHED_OFFCPU, Kind.SCHED_OFFCPU, Kind.SCHED_RUNQUEUE, Kind.SCHED_WAKEUP,
    Kind.SCHED_THROTTLE, Kind.MEM_FAULT, Kind.MEM_RECLAIM,
]  # fmt: skip


def _times(wild: bool) -> tuple[st.SearchStrategy[int], st.SearchStrategy[int]]:
    start = st.integers(0, 400)
    duration = st.one_of(st.integers(0, 60), st.just(0), st.integers(99_990, 100_010))
    if wild:
        start = st.one_of(start, st.integers(0, 2**64 - 1))
        duration = st.one_of(duration, st.integers(0, 2**64 - 1))
    return start, duration


@st.composite
def traces(
    draw: st.DrawFn, server: bool = True, kernel: bool = False, wild: bool = False
) -> Columns:
    """Up to 40 records of two processes and five threads."""
    kinds = _ANY + (_NET * 3 + _MADE if server else []) + (_SCHED * 4 if kernel else [])
    start, duration = _times(wild)
    row = st.tuples(
        start,
        duration,
        st.sampled_from([100, 100, 100, 200]),
        st.sampled_from([100, 100, 101, 102, 103] + ([2**32 - 1] if wild else [])),
        st.sampled_from(kinds),
        st.sampled_from([0, 0, 1, 1, 3, 4, 5, 7, 0x10, 0x20, 0x8000, 0x200]),
        st.sampled_from([1, 1, 1, 0, -11, 2]),
        st.sampled_from([7, 7, 8, 9, 101, 102, 0]),
        st.sampled_from([0, 1, 1, 8, 100]),
        st.sampled_from([0, 5, 8, 50, 60, 140]),
        st.just(0),
    )
    rows = draw(st.lists(row, max_size=40))
    records = np.array(rows, RECORD_DTYPE) if rows else np.zeros(0, RECORD_DTYPE)
    if not wild:
        records = records[np.argsort(records["start_ns"], kind="stable")]
    return Columns.from_records(records)


#: What else may happen on the threads of a server.
_BESIDES = [
    Kind.SYNC_WAIT, Kind.SYNC_WAKE, Kind.GPU_SYNC, Kind.GPU_COPY, Kind.GPU_COPY_D2H, Kind.GPU_MAP,
    Kind.GPU_LAUNCH, Kind.GPU_ALLOC, Kind.GPU_BUILD, Kind.FILE_WRITE, Kind.FILE_READ,
    Kind.NET_SEND, Kind.POLL_WAIT, Kind.GPU_STORAGE,
]  # fmt: skip


def disturbed(columns: Columns, seed: int, *, calls: bool, count: int = 80) -> Columns:
    """The records of a server and some of the scheduler's, on its threads and at its times.

    Args:
        columns: The records.
        seed: Of what is added.
        calls: Whether calls are added too, which lie across others.
        count: How many records are added.
    """
    rng = np.random.default_rng(seed)
    base = rng.integers(0, len(columns), count)
    more = np.zeros(count, RECORD_DTYPE)
    for name in ("pid", "tid", "object", "size_bytes"):
        more[name] = getattr(columns, name)[base]
    kinds = [*_SCHED, Kind.MEM_COMPACT]
    more["kind"] = rng.choice(kinds * 2 + _BESIDES if calls else kinds, count)
    late = rng.choice([0, 0, 1], count) * rng.integers(0, 200_000, count)
    long = rng.choice([0, 1, 1], count) * rng.integers(0, 400_000, count)
    # Now and then at the very time at which something else ends.
    ends = rng.integers(0, 2, count).astype(np.uint64) * columns.duration_ns[base]
    more["start_ns"] = columns.start_ns[base] + ends + late.astype(np.uint64)
    more["duration_ns"] = long
    more["address"] = rng.choice([0, 0, 1, 4, 8], count)
    more["status"] = rng.choice([1, 2, 2], count)
    more["flags"] = rng.choice([0, 0, 1, 3, 4, 0x10], count)
    joined = np.concatenate([_records(columns), more])
    return Columns.from_records(joined[np.argsort(joined["start_ns"], kind="stable")])


def _records(columns: Columns) -> np.ndarray:
    records = np.zeros(len(columns), RECORD_DTYPE)
    for name, values in columns.as_dict().items():
        records[name] = values
    return records

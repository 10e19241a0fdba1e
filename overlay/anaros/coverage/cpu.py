# SPDX-License-Identifier: Apache-2.0
"""CPU time: what the scheduler's records leave, and what the kernel counted for each thread."""

from __future__ import annotations

import numpy as np

from anaros.coverage.model import I64, U64
from anaros.coverage.series import by_second, grown, growth
from anaros.kinds import Kind
from anaros.records import FLAG_OTHER_TENANT, Columns

_AT_END = 2


def cpu_rows(columns: Columns, origin_ns: int, seconds: int) -> tuple[U64, U64] | None:
    """By second the ns that the target ran: by the scheduler's records, and by the kernel's count.

    A thread ran from its start to its end but for the times that are on record: asleep, or ready
    without a CPU. One that lives is told as far as the last of these.

    Args:
        columns: Records of the run, in any order.
        origin_ns: When it began.
        seconds: How many seconds it has.

    Returns:
        Two arrays of shape (seconds,); None where the kernel told of no thread.
    """
    told = columns.take(np.flatnonzero(columns.kind == Kind.PROC_CPU))
    if not len(told):
        return None
    owner = _owner(told)
    found, before = growth(owner, told.start_ns, told.status == _AT_END, told.object, origin_ns)
    ran = grown(told.size_bytes, found, before)
    lived = found.end_ns - found.begin_ns
    alive = by_second(lived, found.begin_ns, found.end_ns, origin_ns, seconds)
    away = _away(columns)
    begin, end = _within(away, owner[found.place], found.begin_ns, found.end_ns)
    absent = by_second(end - begin, begin, end, origin_ns, seconds)
    seen = np.maximum(alive.astype(np.int64) - absent.astype(np.int64), 0).astype(np.uint64)
    return seen, by_second(ran, found.begin_ns, found.end_ns, origin_ns, seconds)


def _away(columns: Columns) -> Columns:
    """When threads of the target did not run: asleep, and ready where no sleep covers it."""
    own = columns.flags & FLAG_OTHER_TENANT == 0
    asleep = columns.take(np.flatnonzero((columns.kind == Kind.SCHED_OFFCPU) & own))
    ready = np.isin(columns.kind, (Kind.SCHED_RUNQUEUE, Kind.SCHED_THROTTLE)) & own
    waiting = columns.take(np.flatnonzero(ready))
    # A wait for a CPU is the end of the sleep above it, unless the thread is new.
    ends = np.unique(_key(asleep))
    alone = ~np.isin(_key(waiting), ends)
    return Columns.concatenate([asleep, waiting.take(np.flatnonzero(alone))])


def _key(columns: Columns) -> U64:
    """Thread and end as one number; that two differ and have the same one does not happen."""
    end = columns.start_ns + columns.duration_ns
    return end * np.uint64(1 << 22) + columns.tid


def _owner(columns: Columns) -> U64:
    return columns.pid.astype(np.uint64) << np.uint64(32) | columns.tid


def _within(away: Columns, owner: U64, begin_ns: I64, end_ns: I64) -> tuple[I64, I64]:
    """Begin and end of what of each absence lies in the told life of its thread."""
    threads, number = np.unique(owner, return_inverse=True)
    first = np.full(len(threads), np.iinfo(np.int64).max)
    last = np.zeros(len(threads), np.int64)
    np.minimum.at(first, number, begin_ns)
    np.maximum.at(last, number, end_ns)
    if not len(threads):
        return last, last
    asked = _owner(away)
    place = np.minimum(np.searchsorted(threads, asked), len(threads) - 1)
    mine = np.flatnonzero(threads[place] == asked)
    begin = away.start_ns[mine].astype(np.int64)
    end = begin + away.duration_ns[mine].astype(np.int64)
    begin = np.clip(begin, first[place[mine]], last[place[mine]])
    return begin, np.clip(end, begin, last[place[mine]])

# SPDX-License-Identifier: Apache-2.0
"""When each stream or queue had work: as it was told, else inferred from the program's own calls.

A stream runs what it was given in order. So

* it has work at the earliest from the start of the call that enqueued it, and at the latest until
  something told that it was done: a wait for the stream, for an event behind the work or for the
  device, a blocking copy to the host, or a question that was answered with yes;
* a question that was answered with no, and a wait that took longer than ``WAITED_NS``, tell that
  the latest work was not done then: from the end of the call that enqueued it until there the
  stream surely had work.

Of what was never waited for the end is unknown. Work that waits for another stream counts as work:
what the program itself tells cannot tell them apart.

Where CUPTI or a queue that profiles told when all of that ran, these times stand in place of the
bounds; where some of it was told, they are what the stream surely had of work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from anaros.pofc.model import I64, U8, U32, U64, Arrays, Mask
from anaros.pofc.order import as_time, numbered
from anaros.pofc.proofs import (
    ABOUT,
    OF_THREAD,
    PER_THREAD,
    UNKNOWN_NS,
    WAITED_NS,
    WORK,
    Facts,
    about_streams,
    facts_of,
    works_in,
)
from anaros.pofc.told import Told, covered, told_of
from anaros.records import Columns

__all__ = ["ABOUT", "UNKNOWN_NS", "WAITED_NS", "WORK", "Busy", "busy_of", "summarise_busy"]


@dataclass(frozen=True, slots=True)
class Busy:
    """B times in which a stream had work, stream by stream, each in order.

    ``start_ns`` and ``end_ns`` bound it from outside; ``end_ns`` is ``UNKNOWN_NS`` where it is
    unknown. ``sure_ns`` is for how long of it the stream surely had work. ``works`` counts.
    ``tid`` is the thread whose default stream it is, 0 for any other stream. ``told`` is 1 where
    that is the time itself, as it was told, and no bound; ``works`` then counts those that began.
    """

    pid: U32
    tid: U32
    stream: U64
    start_ns: I64
    end_ns: I64
    sure_ns: I64
    works: I64
    told: U8

    def __len__(self) -> int:
        return len(self.pid)

    @classmethod
    def of(cls, arrays: Arrays) -> Busy:
        """The times of such arrays by name."""
        return cls(**{name: np.ma.getdata(arrays[name]) for name in cls.__slots__})

    @classmethod
    def nothing(cls) -> Busy:
        """No stream had work."""
        wide = np.zeros(0, np.int64)
        narrow = np.zeros(0, np.uint32)
        return cls(
            narrow, narrow, np.zeros(0, np.uint64), wide, wide, wide, wide, np.zeros(0, np.uint8)
        )

    def as_dict(self) -> Arrays:
        """The arrays by name; nothing is copied."""
        return {name: getattr(self, name) for name in self.__slots__}


def busy_of(columns: Columns) -> Busy:
    """When each stream had work.

    Args:
        columns: N records by start.
    """
    columns, _ = about_streams(columns)
    work = works_in(columns)
    if not len(work):
        return Busy.nothing()
    facts, ran = facts_of(columns, work), told_of(columns, work)
    (process,) = numbered(columns.pid[work].astype(np.uint64))
    (handle,) = numbered(columns.object[work])
    (number,) = numbered((process.astype(np.uint64) << np.uint64(32)) | handle.astype(np.uint64))
    order = np.argsort(number, kind="stable")
    first = np.searchsorted(number[order], np.arange(int(number.max()) + 2))
    heads = work[order[first[:-1]]]
    streams = np.stack([columns.pid[heads].astype(np.uint64), columns.object[heads]], axis=1)
    about = _facts_about(facts)
    rows = []
    for at in np.lexsort((streams[:, 1], streams[:, 0])).tolist():
        pid, stream = streams[at].tolist()
        which = order[first[at] : first[at + 1]]
        mine = work[which]
        told = about(pid, stream)
        start = as_time(columns.start_ns[mine])
        end = start + as_time(columns.duration_ns[mine])
        known = facts.asked_ns[told], facts.told_ns[told], facts.done[told]
        found = _stream(start, end, *known, _ran(ran, which))
        count = len(found[0])
        tid, plain = (stream - OF_THREAD, PER_THREAD) if stream >= OF_THREAD else (0, stream)
        same = (np.full(count, pid, np.uint32), np.full(count, tid, np.uint32))
        rows.append((*same, np.full(count, plain, np.uint64), *found))
    return Busy(*(np.concatenate(parts) for parts in zip(*rows, strict=True)))


def _facts_about(facts: Facts) -> Callable[[int, int], I64]:
    """Finds the places of what was told of a process's stream, without a look at all of it."""
    order = np.lexsort((facts.stream, facts.pid))
    pids, streams = facts.pid[order], facts.stream[order]

    def between(values: U32 | U64, value: np.uint32 | np.uint64) -> tuple[int, int]:
        # A value of another type would have all values converted, for each stream.
        low = np.searchsorted(values, value, side="left")
        return int(low), int(np.searchsorted(values, value, side="right"))

    def places(pid: int, stream: int) -> I64:
        low, high = between(pids, np.uint32(pid))
        begin, end = between(streams[low:high], np.uint64(stream))
        own = order[low + begin : low + end]
        if stream == 0:
            return own
        _, end = between(streams[low:high], np.uint64(0))
        device = order[low : low + end]
        # That a device was not done tells of none of its streams.
        return np.concatenate([own, device[facts.done[device]]])

    return places


def _ran(ran: Told, works: I64) -> Told:
    """What was told of some works, which are ascending."""
    first, end = np.searchsorted(ran.work, works), np.searchsorted(ran.work, works, side="right")
    counts = end - first
    place = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
    number = np.repeat(np.arange(len(works)), counts)
    times = ran.run_start_ns[place], ran.run_end_ns[place]
    return Told(ran.whole[works], ran.end_ns[works], number, *times)


def _stream(
    start: I64, end: I64, asked: I64, told: I64, done: Mask, ran: Told
) -> tuple[I64, I64, I64, I64, U8]:
    """One stream: start, end, sure time and works of each time with work, and if it was told."""
    behind = np.searchsorted(start, asked, side="right")
    known_at = np.full(len(start) + 1, UNKNOWN_NS)
    np.minimum.at(known_at, behind[done], told[done])
    known_at[1:] = np.where(ran.whole, np.minimum(known_at[1:], ran.end_ns), known_at[1:])
    # Whatever tells of later work tells of this one, too.
    finished = np.minimum.accumulate(known_at[::-1])[::-1][1:]
    first = np.ones(len(start), np.bool_)
    first[1:] = start[1:] > finished[:-1]
    heads = np.flatnonzero(first)
    ends = np.append(heads[1:], len(start)) - 1
    sure = np.zeros(len(heads), np.int64)
    some = ~done & (behind > 0)
    if some.any():
        latest = behind[some] - 1
        begin, until = end[latest], np.minimum(told[some], finished[latest])
        order = np.lexsort((until, begin))
        begin, until, latest = begin[order], until[order], latest[order]
        seen = np.maximum.accumulate(until)
        begin[1:] = np.maximum(begin[1:], seen[:-1])
        interval = np.searchsorted(heads, latest, side="right") - 1
        np.add.at(sure, interval, np.maximum(until - begin, 0))
    works = np.diff(np.append(heads, len(start)))
    bounds = start[heads], finished[ends], sure, works, np.zeros(len(heads), np.uint8)
    return _with_told(bounds, heads, ran) if len(ran.work) else bounds


def _with_told(
    bounds: tuple[I64, I64, I64, I64, U8], heads: I64, ran: Told
) -> tuple[I64, I64, I64, I64, U8]:
    """The bounds of one stream, with the times themselves where all works in them were told."""
    start, end, sure, works, _ = bounds
    whole = np.logical_and.reduceat(ran.whole, heads)
    interval = np.searchsorted(heads, ran.work, side="right") - 1
    exact = whole[interval]
    parts = []
    if exact.any():
        begin, until, piece = covered(ran.run_start_ns[exact], ran.run_end_ns[exact])
        counted = np.flatnonzero(np.repeat(whole, works))
        # Of the works of one call only the first has runs.
        of = np.maximum(np.searchsorted(ran.work[exact], counted, side="right") - 1, 0)
        of = np.searchsorted(ran.work[exact], ran.work[exact][of])
        count = np.bincount(piece[of], minlength=len(begin)).astype(np.int64)
        parts.append((begin, until, until - begin, count, np.ones(len(begin), np.uint8)))
    if not whole.all():
        sure = np.maximum(sure, _inside(start, end, interval[~exact], ran, ~exact))
        kept = start[~whole], end[~whole], sure[~whole], works[~whole]
        parts.append((*kept, np.zeros(len(kept[0]), np.uint8)))
    start, end, sure, works, told = (np.concatenate(each) for each in zip(*parts, strict=True))
    order = np.argsort(start, kind="stable")
    return start[order], end[order], sure[order], works[order], told[order]


def _inside(start: I64, end: I64, interval: I64, ran: Told, chosen: Mask) -> I64:
    """For how long of each time with work some of the chosen runs were told to run."""
    found = np.zeros(len(start), np.int64)
    if len(interval):
        begin, until, piece = covered(ran.run_start_ns[chosen], ran.run_end_ns[chosen])
        of = np.empty(len(begin), np.int64)
        of[piece] = interval
        inside = np.minimum(until, end[of]) - np.maximum(begin, start[of])
        np.add.at(found, of, np.maximum(inside, 0))
    return found


def summarise_busy(busy: Busy, most: int) -> list[dict[str, object]]:
    """One row for each stream, the busiest first; at most ``most``.

    ``busy_most_ms`` is None where the end of some work is unknown; ``idle_ms`` is the time
    between the first and the last call in which the stream surely had no work. ``works_told`` are
    the works whose time was told: where all are, both bounds are that time.
    """
    if not len(busy):
        return []
    whose = np.stack([busy.pid.astype(np.uint64), busy.tid.astype(np.uint64), busy.stream])
    change = (whose[:, 1:] != whose[:, :-1]).any(axis=0)
    heads = np.flatnonzero(np.concatenate([[True], change]))
    known = busy.end_ns != UNKNOWN_NS
    length = np.where(known, busy.end_ns - busy.start_ns, 0)
    gaps = np.zeros(len(busy), np.int64)
    gaps[:-1] = np.where(known[:-1], np.maximum(busy.start_ns[1:] - busy.end_ns[:-1], 0), 0)
    gaps[np.append(heads[1:], len(busy)) - 1] = 0
    exact = busy.works * busy.told
    sums = [
        np.add.reduceat(each, heads) for each in (busy.works, exact, busy.sure_ns, length, gaps)
    ]
    whole = np.logical_and.reduceat(known, heads)
    rows: list[dict[str, object]] = [
        {
            "pid": int(busy.pid[head]),
            "tid": int(busy.tid[head]) or None,
            "stream": int(busy.stream[head]),
            "works": works,
            "works_told": exact,
            "busy_least_ms": sure / 1e6,
            "busy_most_ms": longest / 1e6 if ended else None,
            "idle_ms": gap / 1e6,
        }
        for head, works, exact, sure, longest, gap, ended in zip(
            heads.tolist(), *(each.tolist() for each in sums), whole.tolist(), strict=True
        )
    ]
    places = np.argsort(-sums[0], kind="stable")[:most]
    return [rows[at] for at in places.tolist()]

# SPDX-License-Identifier: Apache-2.0
"""What the program's own calls prove of the works of streams: when each was done, or was not.

A stream runs what it was given in order. So what tells that a work was done tells it of all before
it, and what tells that it was not done tells it of all behind it. A wait for the device that took
long tells of no stream, but where only one stream can have had work: then that one had it. A stream
that waited for another stream's event and is done tells that what is before the event is done.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from anaros.kinds import Kind
from anaros.pofc.frame import table_of
from anaros.pofc.model import I32, I64, U32, U64, Mask
from anaros.pofc.order import alone, as_time, latest, numbered
from anaros.pofc.told import TOLD
from anaros.records import FLAG_ASYNC, FLAG_CAPTURE, Columns

#: A wait that took longer ended with the work that it waited for.
WAITED_NS = 20_000

#: The end of what was never known to be done.
UNKNOWN_NS = np.iinfo(np.int64).max
#: Before all times.
NEVER_NS = np.iinfo(np.int64).min

#: What a stream does.
WORK = (
    Kind.GPU_LAUNCH,
    Kind.GPU_GRAPH,
    Kind.GPU_COPY_H2D,
    Kind.GPU_COPY_D2H,
    Kind.GPU_COPY_D2D,
    Kind.GPU_COPY,
    Kind.GPU_MEMSET,
    Kind.GPU_HOST_CALL,
    Kind.GPU_PREFETCH,
)

#: What is looked at.
ABOUT = (*WORK, *TOLD, Kind.GPU_SYNC, Kind.GPU_QUERY, Kind.GPU_EVENT)

_WORK, _ABOUT = (table_of(dict.fromkeys(kinds, 1)) for kinds in (WORK, ABOUT))

#: The handle of CUDA and HIP that means another stream in each thread.
PER_THREAD = 2
#: Together with the thread, what stands for that stream here: no handle is as high as this.
OF_THREAD = 1 << 63

#: The answers "not yet" of CUDA and HIP, and of Level Zero and OpenCL. Of those that a thread gets
#: one after the other the first and the last are there.
_NOT_READY = (600, 1)

#: Streams that wait for streams that wait ...: so far it is followed.
_STEPS = 8


@dataclass(frozen=True, slots=True)
class Facts:
    """What was told of a stream, or of a device where ``stream`` is 0.

    ``asked_ns`` is up to when work that was enqueued is meant, ``told_ns`` when it was known,
    ``done`` whether it was done.
    """

    pid: U32
    stream: U64
    asked_ns: I64
    told_ns: I64
    done: Mask

    def where(self, chosen: Mask) -> Facts:
        """Some of them."""
        return Facts(*(getattr(self, name)[chosen] for name in self.__slots__))

    def and_(self, more: Facts) -> Facts:
        """These and others."""
        names = self.__slots__
        return Facts(*(np.concatenate([getattr(self, n), getattr(more, n)]) for n in names))


@dataclass(frozen=True, slots=True)
class Works:
    """W works, stream by stream, each in the order in which they were enqueued.

    ``place`` is that in the columns, ``stream`` a number. A work was done at ``done_ns``
    (``UNKNOWN_NS``: nothing tells), and was not at ``late_ns`` (``NEVER_NS``: nothing tells) by
    what means it as the latest work. At ``waited_ns`` its stream was told last before to wait for
    an event (``NEVER_NS``: it was not).
    """

    place: I64
    stream: I32
    start_ns: I64
    end_ns: I64
    done_ns: I64
    late_ns: I64
    waited_ns: I64

    def __len__(self) -> int:
        return len(self.place)


def about_streams(columns: Columns) -> tuple[Columns, I64]:
    """What is looked at, with a stream for each thread's default one; and its places."""
    place = np.flatnonzero(_ABOUT[columns.kind])
    columns = columns.take(place)
    alike = columns.object == np.uint64(PER_THREAD)
    own = np.uint64(OF_THREAD) | columns.tid.astype(np.uint64)
    return replace(columns, object=np.where(alike, own, columns.object)), place


def works_in(columns: Columns) -> I64:
    """The places of what was enqueued."""
    captured = columns.flags & FLAG_CAPTURE != 0
    # What a program has called back when an event is reached is no work of a queue.
    noted = (columns.kind == Kind.GPU_HOST_CALL) & (columns.flags & FLAG_ASYNC == 0)
    work = (_WORK[columns.kind] != 0) & (columns.status == 0)
    return np.flatnonzero(work & ~captured & ~noted)


def works_of(columns: Columns, work: I64) -> Works:
    """What is proven of each work.

    Args:
        columns: As of ``about_streams``.
        work: Their places, at least one.
    """
    start = as_time(columns.start_ns[work])
    facts = facts_of(columns, work)
    number, asked = streams_of(columns.pid[work], columns.object[work], facts.pid, facts.stream)
    order = np.lexsort((work, number))
    number, start, work = number[order], start[order], work[order]
    end = start + as_time(columns.duration_ns[work])
    last = latest(number, start, asked, facts.asked_ns)
    done = np.full(len(work), UNKNOWN_NS)
    late = np.full(len(work), NEVER_NS)
    yes, no = (last >= 0) & facts.done, (last >= 0) & ~facts.done
    np.minimum.at(done, last[yes], facts.told_ns[yes])
    np.maximum.at(late, last[no], facts.told_ns[no])
    whole = facts.where(facts.done & (facts.stream == 0))
    np.minimum(done, _first_told(whole, columns.pid[work], start), out=done)
    done = running_least(done[::-1], number[::-1])[::-1]
    late = np.where(late > NEVER_NS, np.minimum(late, done), late)
    return Works(work, number, start, end, done, late, _waited(columns, work, start))


def _waited(columns: Columns, work: I64, start: I64) -> I64:
    """When each work's stream was told last to wait for an event."""
    place = _event_waits(columns)
    if not len(place):
        return np.full(len(work), NEVER_NS)
    begun = as_time(columns.start_ns[place])
    asked, mine = streams_of(
        columns.pid[place], columns.object[place], columns.pid[work], columns.object[work]
    )
    last = latest(asked, begun, mine, start)
    return np.where(last >= 0, begun[np.maximum(last, 0)], NEVER_NS)


def _event_waits(columns: Columns) -> I64:
    return np.flatnonzero(
        (columns.kind == Kind.GPU_EVENT)
        & (columns.size_bytes == 1)
        & (columns.status == 0)
        & (columns.flags & FLAG_CAPTURE == 0)
    )


def streams_of(pid: U32, stream: U64, asked_pid: U32, asked_stream: U64) -> tuple[I32, I32]:
    """Numbers of streams that agree between both: from 0 in the order in which the first come."""
    process = numbered(pid.astype(np.uint64), asked_pid.astype(np.uint64))
    handle = numbered(stream, asked_stream)
    keys = (
        (each.astype(np.uint64) << np.uint64(32)) | of.astype(np.uint64)
        for each, of in zip(process, handle, strict=True)
    )
    mine, asked = numbered(*keys)
    return mine, asked


def running_least(values: I64, group: I32) -> I64:
    """The least of each group so far; groups descend."""
    rank, order, base = _ranked(values, group)
    return values[order[np.minimum.accumulate(base + rank) - base]]


def running_most(values: I64, group: I32) -> I64:
    """The most of each group so far; groups ascend."""
    rank, order, base = _ranked(values, group)
    return values[order[np.maximum.accumulate(base + rank) - base]]


def _ranked(values: I64, group: I32) -> tuple[I64, I64, I64]:
    order = np.argsort(values, kind="stable")
    rank = np.empty(len(values), np.int64)
    rank[order] = np.arange(len(values))
    return rank, order, group.astype(np.int64) * len(values)


def _first_told(facts: Facts, pid: U32, at: I64) -> I64:
    """When it was first known of each process that what it had enqueued by then was done."""
    if not len(facts.pid):
        return np.full(len(at), UNKNOWN_NS)
    mine, asked = numbered(facts.pid.astype(np.uint64), pid.astype(np.uint64))
    return _first(mine, facts.asked_ns, facts.told_ns, asked, at)


def _first(group: I32, asked: I64, told: I64, query: I32, at: I64) -> I64:
    """The least ``told`` of the entries of a group that were asked at or after a time."""
    order = np.lexsort((asked, group))
    group, asked = group[order], asked[order]
    least = running_least(told[order][::-1], group[::-1])[::-1]
    # Turned around in time, the latest before is the first after; of equal ones the last is taken.
    turned = latest(group[::-1], -asked[::-1], query, -at)
    found = len(order) - 1 - turned
    return np.where(turned >= 0, least[np.minimum(found, len(order) - 1)], UNKNOWN_NS)


def facts_of(columns: Columns, work: I64) -> Facts:
    """All that is told.

    Args:
        columns: As of ``about_streams``.
        work: The places of the works, ascending.
    """
    facts, stuck = _asked(columns)
    facts = _through_waits(columns, facts)
    lonely = stuck & (facts.stream[: len(stuck)] == 0)
    return facts if not lonely.any() else facts.and_(_lonely(columns, work, facts, lonely))


def _asked(columns: Columns) -> tuple[Facts, Mask]:
    """What waits and questions tell; and which of these, the first ones, are long waits."""
    start = as_time(columns.start_ns)
    end = start + as_time(columns.duration_ns)
    kind, ok = columns.kind, columns.status == 0
    query = kind == Kind.GPU_QUERY
    plain = columns.flags & (FLAG_ASYNC | FLAG_CAPTURE) == 0
    wait = np.flatnonzero(ok & ((kind == Kind.GPU_SYNC) | ((kind == Kind.GPU_COPY_D2H) & plain)))
    yes = np.flatnonzero(query & ok)
    no = np.flatnonzero(query & np.isin(columns.status, _NOT_READY))
    stuck = wait[end[wait] - start[wait] > WAITED_NS]
    place = np.concatenate([stuck, wait, yes, no])
    told = np.concatenate([end[stuck], end[wait], end[yes], start[no]])
    done = np.zeros(len(place), np.bool_)
    done[len(stuck) : len(place) - len(no)] = True
    stream, asked = _meant(columns, columns.object[place], place, start)
    kept = asked >= 0
    facts = Facts(columns.pid[place], stream, asked, told, done).where(kept)
    return facts, np.ones(int(kept[: len(stuck)].sum()), np.bool_)


def _through_waits(columns: Columns, facts: Facts) -> Facts:
    """What streams that waited for events tell of the streams that these are of."""
    place = _event_waits(columns)
    if not len(place):
        return facts
    start = as_time(columns.start_ns)
    source, asked = _meant(columns, columns.address[place], place, start)
    # An event that was never recorded keeps nobody waiting.
    known = (asked >= 0) & (source != columns.address[place])
    place, source, asked = place[known], source[known], asked[known]
    pid, stream, at = columns.pid[place], columns.object[place], start[place]
    told = np.full(len(place), UNKNOWN_NS)
    for _ in range(_STEPS):
        new = told < UNKNOWN_NS
        more = Facts(
            pid[new], source[new], asked[new], told[new], np.ones(int(new.sum()), np.bool_)
        )
        so_far = facts.and_(more)
        yes = so_far.where(so_far.done & (so_far.stream != 0))
        mine, theirs = streams_of(yes.pid, yes.stream, pid, stream)
        found = _first(mine, yes.asked_ns, yes.told_ns, theirs, at) if len(mine) else told
        if np.array_equal(found, told):
            return so_far
        told = found
    return so_far


def _lonely(columns: Columns, work: I64, facts: Facts, long: Mask) -> Facts:
    """Of long waits for a device: where one stream alone can have had work, that one had it."""
    pid, start = columns.pid[work], as_time(columns.start_ns[work])
    yes = facts.where(facts.done)
    number, asked = streams_of(pid, columns.object[work], yes.pid, yes.stream)
    order = np.lexsort((work, number))
    number, start, pid, work = number[order], start[order], pid[order], work[order]
    done = np.full(len(work), UNKNOWN_NS)
    last = latest(number, start, asked, yes.asked_ns)
    np.minimum.at(done, last[last >= 0], yes.told_ns[last >= 0])
    np.minimum(done, _first_told(yes.where(yes.stream == 0), pid, start), out=done)
    done = running_least(done[::-1], number[::-1])[::-1]
    first = np.ones(len(work), np.bool_)
    first[1:] = (np.diff(number) != 0) | (start[1:] > done[:-1])
    heads = np.flatnonzero(first)
    ends = np.append(heads[1:], len(work)) - 1
    waits = np.flatnonzero(long)
    mine, theirs = numbered(pid[heads].astype(np.uint64), facts.pid[waits].astype(np.uint64))
    only = alone(mine, start[heads], done[ends], theirs, facts.asked_ns[waits])
    waits, only = waits[only >= 0], only[only >= 0]
    return Facts(
        facts.pid[waits],
        columns.object[work[heads[only]]],
        facts.asked_ns[waits],
        facts.told_ns[waits],
        np.zeros(len(waits), np.bool_),
    )


def _meant(columns: Columns, handle: U64, place: I64, start: I64) -> tuple[U64, I64]:
    """The stream that a wait or a question is about, and up to when; -1 where it is not known.

    What an event stands for is where and when it was recorded last; where a wait for one tells
    since when its queue had the command, it is that.
    """
    since = (columns.kind[place] == Kind.GPU_SYNC) & (columns.size_bytes[place] != 0)
    stream = np.where(since, columns.address[place], handle)
    asked = start[place] - np.where(since, as_time(columns.size_bytes[place]), 0)
    records = np.flatnonzero(
        (columns.kind == Kind.GPU_EVENT) & (columns.size_bytes == 0) & (columns.status == 0)
    )
    if not len(records) or not len(place):
        return stream, asked
    mine, asks = streams_of(
        columns.pid[records], columns.address[records], columns.pid[place], handle
    )
    about = np.flatnonzero(np.isin(asks, mine) & ~since)
    # The place stands for the time: of what began at once, the order is that of the records.
    at = latest(mine, records, asks[about], place[about] - 1)
    source = records[np.maximum(at, 0)]
    stream[about] = np.where(at >= 0, columns.object[source], stream[about])
    asked[about] = np.where(at >= 0, start[source], -1)
    return stream, asked

# SPDX-License-Identifier: Apache-2.0
"""Device memory: what was allocated when, by whom, and which copies came from page-locked memory.

An address is allocated, freed, and allocated again. What happens to one address of one process is
put in order, and a *life* is from where something was there until nothing is. An allocation is
there when its call has returned, and gone when the call that frees it begins: no other thread can
be given the address before that.

Physical memory has no address but a handle, and lives as long as the handle is held or it is
mapped somewhere. So the mappings have lives first; each then holds the handle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anaros.kinds import Kind
from anaros.pofc.frame import table_of
from anaros.pofc.memory.copies import Ran, copies_of, told_runs
from anaros.pofc.memory.model import NEVER, Allocations, Ending, Map, Memory, Use
from anaros.pofc.memory.moves import moves_of
from anaros.pofc.memory.ranges import places, spread
from anaros.pofc.model import I32, I64, U64, Ints, Mask
from anaros.pofc.order import as_time, distinct, latest, mix, numbered, ordered
from anaros.records import FLAG_CAPTURE, FLAG_FD_TYPE_MASK, FLAG_PINNED, Columns

I8 = npt.NDArray[np.int8]


#: Kinds without which there is nothing to tell.
ABOUT = (Kind.GPU_ALLOC, Kind.GPU_COPY_H2D, Kind.GPU_COPY_D2H)

_WANTED = table_of(
    dict.fromkeys(
        (
            *ABOUT,
            Kind.GPU_FREE,
            Kind.GPU_VM_MAP,
            Kind.GPU_VM_UNMAP,
            Kind.GPU_CONTEXT,
            Kind.GPU_TRANSFER,
            Kind.GPU_MIGRATE,
            Kind.PROC_SHIM,
            Kind.PROC_EXIT,
        ),
        1,
    )
)


def memory_map(columns: Columns, owner: Ints | None = None) -> Map:
    """Finds what was allocated, when, and where the copies came from and went to.

    Args:
        columns: N records by start.
        owner: The request of each, -1 for none; None: no requests are known.
    """
    wanted = np.flatnonzero(_WANTED[columns.kind])
    records = columns.take(wanted)
    request = np.full(len(wanted), -1, np.int32)
    if owner is not None:
        request[:] = owner[wanted]
    programs = programs_of(records)
    made = _allocations(records, programs, request)
    number, ran = programs.number, told_runs(columns)
    told = Ran(np.searchsorted(wanted, ran.run), np.searchsorted(wanted, ran.copy))
    copies, moves = copies_of(records, number, made, told), moves_of(records, number, made)
    return Map(made, use_of(made), copies, moves)


@dataclass(frozen=True, slots=True)
class Programs:
    """The program that each record (R,) is of, numbered, and when program p (P,) was over."""

    number: I32
    over_ns: I64


def programs_of(records: Columns) -> Programs:
    """A process is another program after an exec; its number may be given to another process."""
    start = as_time(records.start_ns)
    begins = np.flatnonzero((records.kind == Kind.PROC_SHIM) | (records.kind == Kind.PROC_EXIT))
    pid, began = numbered(records.pid, records.pid[begins])
    era = latest(began, start[begins], pid, start)
    (number,) = numbered(mix(records.pid, (era + 1).astype(np.uint64)))
    over = np.full(int(number.max(initial=-1)) + 1, NEVER, np.int64)
    # The program before it was over then.
    before = latest(pid, start, began, start[begins] - 1)
    known = before >= 0
    np.minimum.at(over, number[before[known]], start[begins[known]])
    return Programs(number, over)


def lives(group: Ints, time: I64, change: I8, fresh: Mask) -> tuple[I64, I64, I64]:
    """From what happened to things, when each was there.

    Args:
        group: The thing of each of E events.
        time: When it happened; of equal times the order of the events counts.
        change: 1 holds it, -1 lets it go.
        fresh: Which events begin a life whatever was before.

    Returns:
        For each life the event that it began with, the event that it ended with or -1, and where
        there is none the fresh one that took its place or -1.
    """
    order = ordered(group, time)
    group, change, fresh = group[order], change[order].astype(np.int64), fresh[order]
    restart = fresh | (np.diff(group, prepend=-1) != 0)
    part = np.cumsum(restart) - 1
    starts = np.flatnonzero(restart)
    count = np.cumsum(change)
    held = count - (count[starts] - change[starts])[part]
    # What lets go of nothing does not count: from the lowest that it was, and no part reaches
    # into another.
    apart = part * (len(order) + 1)
    lowest = np.minimum.accumulate(np.minimum(held, 0) - apart) + apart
    held = held - lowest
    before = np.where(restart, 0, np.concatenate([held[:1] * 0, held[:-1]]))
    first = np.flatnonzero((held > 0) & (before == 0))
    gone = np.flatnonzero((held == 0) & (before > 0))
    if not len(first):
        return first, first, first
    near = np.searchsorted(gone, first)
    last = np.concatenate([gone, [len(order)]])[near]
    mine = np.concatenate([part, [-1]])[last] == part[first]
    after = np.concatenate([starts, [len(order)]])[part[first] + 1]
    same = np.concatenate([group, [-1]])[after] == group[first]
    index = np.concatenate([order, [-1]])
    ended = np.where(mine, index[last], -1)
    return order[first], ended, np.where(~mine & same, index[after], -1)


@dataclass(frozen=True, slots=True)
class _Events:
    """What holds or lets go of memory: E events, each the place of its record.

    ``word`` is the address or handle, ``locked`` tells memory of the program's own that was only
    page-locked.
    """

    at: I64
    word: U64
    locked: Mask
    time: I64
    change: I8
    fresh: Mask

    @classmethod
    def of(cls, records: Columns, at: I64, word: U64, change: int) -> _Events:
        """Calls that hold when they return, or let go when they begin."""
        time = as_time(records.start_ns[at])
        if change > 0:
            time = time + as_time(records.duration_ns[at])
        memory = records.flags[at] & FLAG_FD_TYPE_MASK
        alloc = records.kind[at] == Kind.GPU_ALLOC
        locked = (memory == Memory.REGISTERED) & (records.kind[at] <= Kind.GPU_FREE)
        fresh = alloc & (records.size_bytes[at] > 0)
        return cls(at, word, locked, time, np.full(len(at), change, np.int8), fresh)

    @classmethod
    def joined(cls, *parts: _Events) -> _Events:
        """The events of all parts."""
        return cls(*(np.concatenate([getattr(p, n) for p in parts]) for n in cls.__slots__))


def _done(records: Columns) -> Mask:
    """What succeeded, and was not only recorded into a graph."""
    done: Mask = (records.status == 0) & (records.flags & FLAG_CAPTURE == 0)
    done &= records.object != 0
    return done


def _allocations(records: Columns, programs: Programs, request: I32) -> Allocations:
    done = _done(records)
    alloc = np.flatnonzero(done & (records.kind == Kind.GPU_ALLOC))
    free = np.flatnonzero(done & (records.kind == Kind.GPU_FREE))
    events = _Events.joined(
        _Events.of(records, alloc, records.object[alloc], 1),
        *_mappings(records, programs, done),
        _Events.of(records, free, records.object[free], -1),
    )
    number = programs.number[events.at].astype(np.uint64)
    (thing,) = numbered(mix(number * 2 + events.locked, events.word))
    order = np.argsort(events.at, kind="stable")
    events = _Events(*(getattr(events, name)[order] for name in events.__slots__))
    first, last, other = lives(thing[order], events.time, events.change, events.fresh)
    real = records.kind[events.at[first]] == Kind.GPU_ALLOC
    first, last, other = first[real], last[real], other[real]
    made = events.at[first]
    ended = np.where(last >= 0, events.time[last], np.where(other >= 0, events.time[other], NEVER))
    ending = np.where(last >= 0, Ending.FREED, np.where(other >= 0, Ending.REPLACED, Ending.OPEN))
    freed = np.where(last >= 0, records.duration_ns[events.at[last]], 0)
    failed = np.flatnonzero((records.kind == Kind.GPU_ALLOC) & (records.status != 0))
    return _rows(records, programs, request, made, failed, ended, ending, freed)


def _mappings(records: Columns, programs: Programs, done: Mask) -> tuple[_Events, _Events]:
    """What mappings hold, and let go when they are unmapped: the handles of physical memory."""
    maps = np.flatnonzero(done & (records.kind == Kind.GPU_VM_MAP) & (records.address != 0))
    gone = np.flatnonzero(done & (records.kind == Kind.GPU_VM_UNMAP))
    number, begin = programs.number, records.object[gone]
    end = begin + np.maximum(records.size_bytes[gone], 1)
    at, low, high = places(
        (number[maps], records.object[maps]), (number[gone], begin), (number[gone], end)
    )
    known = distinct(at)
    reached, which = spread(np.searchsorted(known, low), np.searchsorted(known, high))
    reached, which = known[reached], gone[which]
    held, let_go = (
        _Events.of(records, maps, records.address[maps], 1),
        _Events.of(records, which, records.object[which], -1),
    )
    group = np.concatenate([at, reached])
    order = np.argsort(np.concatenate([maps, which]), kind="stable")
    both = _Events.joined(held, let_go)
    begun, ended, _ = lives(group[order], both.time[order], both.change[order], both.fresh[order])
    begun, ended = order[begun], np.where(ended >= 0, order[ended], -1)
    word = both.word[begun]
    some = ended >= 0
    return (
        _Events.of(records, both.at[begun], word, 1),
        _Events.of(records, both.at[ended[some]], word[some], -1),
    )


def _rows(
    records: Columns,
    programs: Programs,
    request: I32,
    made: I64,
    failed: I64,
    ended: I64,
    ending: I64,
    freed: U64,
) -> Allocations:
    """The allocations that were made, and when they were gone, and those that failed."""
    at = np.concatenate([made, failed])
    start, took = as_time(records.start_ns[at]), as_time(records.duration_ns[at])
    context = _contexts(records, programs, at)
    process = programs.number[at]
    none = np.zeros(len(failed), np.int64)
    ended = np.concatenate([ended, (start + took)[len(made) :]])
    ending = np.concatenate([ending, none + Ending.FAILED])
    for over, how in (
        (programs.over_ns[process], Ending.PROCESS),
        (_destroyed(records, programs, process, context, start + took), Ending.CONTEXT),
    ):
        earlier = (over < ended) & (ending != Ending.FAILED)
        ended, ending = np.where(earlier, over, ended), np.where(earlier, how, ending)
    begun = np.minimum(start + took, ended)
    order = np.argsort(begun, kind="stable")
    flags = records.flags[at]
    rows = Allocations(
        start_ns=begun.astype(np.uint64),
        end_ns=np.where(ended == NEVER, 0, ended).astype(np.uint64),
        pid=records.pid[at],
        tid=records.tid[at],
        process=process.astype(np.uint32),
        memory=(flags & FLAG_FD_TYPE_MASK).astype(np.uint8),
        ending=ending.astype(np.uint8),
        pinned=(flags & FLAG_PINNED != 0).astype(np.uint8),
        object=records.object[at],
        size_bytes=records.size_bytes[at],
        origin=records.address[at],
        context=context,
        device=_device(records, programs, process, context, start),
        request=request[at],
        status=records.status[at],
        alloc_ns=records.duration_ns[at],
        free_ns=np.concatenate([freed, none]).astype(np.uint64),
    )
    return rows.take(order)


#: ``size_bytes`` of ``gpu.context``.
_DESTROYED, _MADE, _CURRENT, _TAKEN_OFF = 0, 1, 2, 3


def _told(records: Columns, *what: int) -> I64:
    """The successful records of contexts that say one of these."""
    told = (records.kind == Kind.GPU_CONTEXT) & (records.status == 0)
    return np.flatnonzero(told & np.isin(records.size_bytes, what))


def _contexts(records: Columns, programs: Programs, at: I64) -> U64:
    """The context that was current on the thread of records, 0 = unknown.

    Below one that was taken off lies another, but which is not told.
    """
    told = _told(records, _MADE, _CURRENT, _TAKEN_OFF)
    number = programs.number.astype(np.uint64)
    mine, theirs = numbered(mix(number[at], records.tid[at]), mix(number[told], records.tid[told]))
    last = latest(theirs, as_time(records.start_ns[told]), mine, as_time(records.start_ns[at]))
    near = told[np.maximum(last, 0)] if len(told) else at
    known = (last >= 0) & (records.size_bytes[near] != _TAKEN_OFF)
    found: U64 = np.where(known, records.object[near], np.uint64(0))
    return found


def _device(records: Columns, programs: Programs, process: I32, context: U64, time: I64) -> I32:
    """The ordinal of the device that a context was made on, -1 = unknown."""
    told = _told(records, _MADE)
    told = told[records.address[told] > 0]
    mine, theirs = numbered(
        mix(process.astype(np.uint32), context),
        mix(programs.number[told].astype(np.uint32), records.object[told]),
    )
    last = latest(theirs, as_time(records.start_ns[told]), mine, time)
    ordinal = records.address[told[np.maximum(last, 0)]] if len(told) else context
    return np.where((last >= 0) & (context != 0), ordinal.astype(np.int64) - 1, -1).astype(np.int32)


def _destroyed(records: Columns, programs: Programs, process: I32, context: U64, begun: I64) -> I64:
    """When the contexts were destroyed that were there at some times."""
    told = _told(records, _DESTROYED)
    told = told[records.object[told] != 0]
    mine, theirs = numbered(
        mix(process.astype(np.uint32), context),
        mix(programs.number[told].astype(np.uint32), records.object[told]),
    )
    time = as_time(records.start_ns[told])
    # The first one after it is the latest one of a clock that runs backwards.
    next_one = latest(theirs, -time, mine, -begun)
    if not len(told):
        return np.full(len(context), NEVER, np.int64)
    return np.where((next_one >= 0) & (context != 0), time[next_one], NEVER)


def use_of(made: Allocations) -> Use:
    """The curve of the bytes in use, by process and sort of memory."""
    begun = np.flatnonzero(made.ending != Ending.FAILED)
    gone = begun[made.end_ns[begun] != 0]
    # What ends goes first: at the same time its room is there again.
    at = np.concatenate([gone, begun])
    time = as_time(np.concatenate([made.end_ns[gone], made.start_ns[begun]]))
    size = made.size_bytes[at].view(np.int64)
    sign = np.repeat(np.array([-1, 1]), [len(gone), len(begun)])
    (group,) = numbered(made.process[at].astype(np.uint64) << np.uint64(8) | made.memory[at])
    order = ordered(group, time)
    at, group, time = at[order], group[order], time[order]
    first = np.diff(group, prepend=-1) != 0
    part = np.cumsum(first) - 1
    change = np.stack([sign[order] * size[order], sign[order]])
    total = np.cumsum(change, axis=1)
    level = total - (total - change)[:, first][:, part]
    # Of several at one time the last counts.
    kept = np.concatenate([(np.diff(time) != 0) | first[1:], [True]])[: len(at)]
    level, at, time = level[:, kept], at[kept], time[kept]
    return Use(
        time_ns=time.astype(np.uint64),
        pid=made.pid[at],
        process=made.process[at],
        memory=made.memory[at],
        size_bytes=level[0].astype(np.uint64),
        count=level[1].astype(np.uint64),
    )

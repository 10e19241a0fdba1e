# SPDX-License-Identifier: Apache-2.0
"""How long threads were off their CPU, call by call.

A thread makes no calls while it is off its CPU: such a time lies within one call, or between one
call and the next. It counts for the call that it began in or after.

The scheduler writes most of the records, so they are never sorted: in blocks of time small enough
for the cache each is looked up among the calls of its thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from anaros.pofc.blocks import Mapper
from anaros.pofc.frame import Frame, Role
from anaros.pofc.model import I32, I64, U8, U32, Mask
from anaros.pofc.order import as_time, bits
from anaros.records import Columns

_PLACE_BITS = 15
_BLOCK = 1 << _PLACE_BITS

#: With so many, thread and place fit 32 bits.
_FEW_THREADS = 1 << (31 - _PLACE_BITS)

_TID_TABLE = 1 << 22

#: TASK_UNINTERRUPTIBLE: outside of any call that is a page fault.
_UNINTERRUPTIBLE = 2

#: What is longer counts as this long, so that sums stay exact.
_LONGEST_NS = np.uint64(1 << 44)


@dataclass(frozen=True, slots=True)
class OffCpu:
    """For each of M calls, in the order of the frame: ns off the CPU.

    ``times`` are four arrays (M,): off within the call, of that in the run queue, off between
    the call and the next one of its thread, of that in the run queue; ``any_time`` (M,) says
    where one of them is not 0. ``asleep`` (M,) is the part between that was spent in
    uninterruptible sleep.
    """

    times: tuple[I64, I64, I64, I64]
    any_time: Mask
    asleep: I64


@dataclass(frozen=True, slots=True)
class _Sources:
    """What all blocks read; ``times``, ``any_time`` and ``asleep`` are filled by them.

    ``thread`` is the thread of each thread number, -1 for none, ``pid`` (T,) the process of each
    thread. ``order`` (M,) are the calls block by block, ``edge`` (B + 1,) is where each block
    begins there. ``before`` (B + 1, T) is the place in the frame of the first call that each
    thread made in or after each of B blocks, ``last_end`` (B, T) the end of the call before that.
    """

    columns: Columns
    roles: U8
    calls: Frame
    thread: I32
    pid: U32
    order: I64
    edge: I64
    before: I64
    last_end: I64
    times: tuple[I64, I64, I64, I64]
    any_time: Mask
    asleep: I64


@dataclass(frozen=True, slots=True)
class Adding:
    """Sums that are being added up, while other things are looked at."""

    sources: _Sources
    spills: Iterable[I64 | None]

    def done(self) -> OffCpu:
        """The sums."""
        sources = self.sources
        for number, spilled in enumerate(list(self.spills)):
            if spilled is not None:
                threads = np.flatnonzero(spilled.any(axis=0) & (sources.last_end[number] > 0))
                call = sources.before[number][threads] - 1
                sources.any_time[call] = True
                for time, summed in zip(sources.times, spilled, strict=True):
                    time[call] += summed[threads]
        return OffCpu(sources.times, sources.any_time, sources.asleep)


def add_up(columns: Columns, roles: U8, calls: Frame, run: Mapper) -> Adding | None:
    """Adds up the scheduler's records for each call.

    Args:
        columns: N records by start.
        roles: (N,) role of each.
        calls: M of them, thread by thread.
        run: Runs the blocks.

    Returns:
        The sums to come; None where the scheduler was not recorded.
    """
    if not len(calls) or not (roles == Role.OFFCPU).any():
        return None
    sources = _sources(columns, roles, calls)
    return Adding(sources, run(lambda at: _block(sources, at), range(len(sources.last_end))))


def _sources(columns: Columns, roles: U8, calls: Frame) -> _Sources:
    blocks = -(-len(columns) // _BLOCK)
    width = bits(max(len(calls), 2))
    packed = (calls.position >> _PLACE_BITS).view(np.uint64) << np.uint64(width)
    packed |= np.arange(len(calls), dtype=np.uint64)
    packed.sort()
    starts = np.arange(blocks + 1, dtype=np.int64) << _PLACE_BITS
    edge = np.searchsorted(packed, (starts >> _PLACE_BITS).view(np.uint64) << np.uint64(width))
    packed &= np.uint64((1 << width) - 1)
    first = calls.first
    before = np.stack(
        [
            first[each] + np.searchsorted(calls.position[first[each] : first[each + 1]], starts)
            for each in range(len(calls.pid))
        ],
        axis=1,
    )
    last = calls.end(np.maximum(before[:-1].ravel() - 1, 0)).reshape(blocks, -1)
    last[before[:-1] == first[:-1]] = 0
    return _Sources(
        columns=columns,
        roles=roles,
        calls=calls,
        thread=_thread_table(calls),
        pid=calls.pid,
        order=packed.view(np.int64),
        edge=edge,
        before=before,
        last_end=last,
        times=(_zeros(calls), _zeros(calls), _zeros(calls), _zeros(calls)),
        any_time=np.zeros(len(calls), np.bool_),
        asleep=_zeros(calls),
    )


def _zeros(calls: Frame) -> I64:
    return np.zeros(len(calls), np.int64)


def _thread_table(calls: Frame) -> I32:
    """Thread of each thread number, -1 for none; of two with one number the later counts."""
    small = np.flatnonzero(calls.tid < _TID_TABLE)
    # One more, never set: numbers beyond the table are clipped to it.
    table = np.full(int(calls.tid[small].max(initial=0)) + 2, -1, np.int32)
    table[calls.tid[small]] = small
    return table


def _block(sources: _Sources, number: int) -> I64 | None:
    """Adds up the records of a block.

    Returns:
        (4, T) what counts for the last call of each thread before the block; None for nothing.
    """
    first = number * _BLOCK
    block = slice(first, first + _BLOCK)
    columns, role = sources.columns, sources.roles[block]
    at = np.flatnonzero(role >= Role.OFFCPU)
    thread = sources.thread.take(columns.tid[block][at], mode="clip")
    mine = sources.pid.take(thread, mode="clip") == columns.pid[block][at]
    mine &= thread >= 0
    if not mine.all():
        at, thread = at[mine], thread[mine]
    if not len(at):
        return None
    call = sources.order[sources.edge[number] : sources.edge[number + 1]]
    place = sources.calls.position[call] - first
    made = np.diff(sources.before[number : number + 2], axis=0)[0]
    # Sorted by thread and place, calls and records tell which call came last before each record.
    word = np.uint32 if len(made) < _FEW_THREADS else np.uint64
    keys = np.empty(len(at) + len(call), word)
    keys[: len(at)] = (thread.astype(np.int64) << (_PLACE_BITS + 1)) + at * 2 + 1
    keys[len(at) :] = (np.repeat(np.arange(len(made)), made) << (_PLACE_BITS + 1)) + place * 2
    keys.sort()
    hit = np.flatnonzero(np.bitwise_and(keys, word(1)))
    asked = keys[hit].astype(np.int64)
    at, thread = (asked >> 1) & (_BLOCK - 1), asked >> (_PLACE_BITS + 1)
    cell = hit - np.arange(1, len(hit) + 1)
    spilt = np.flatnonzero(cell < (np.cumsum(made) - made)[thread])
    cell[spilt] = len(call) + thread[spilt]
    ends = np.empty(len(call) + len(made), np.int64)
    ends[: len(call)] = as_time(columns.start_ns[block][place])
    ends[: len(call)] += as_time(columns.duration_ns[block][place])
    ends[len(call) :] = sources.last_end[number]
    after = as_time(columns.start_ns[block][at]) >= ends[cell]
    off = role[at] == Role.OFFCPU
    duration = np.minimum(columns.duration_ns[block][at], _LONGEST_NS).view(np.int64)
    asleep = np.flatnonzero(after & off)
    asleep = asleep[columns.status[block][at[asleep]] == _UNINTERRUPTIBLE]
    if len(asleep):
        slept = np.bincount(cell[asleep], weights=duration[asleep], minlength=len(ends))
        sources.asleep[call] = slept[: len(call)]
    spent = np.zeros(len(ends), np.bool_)
    spent[cell] = True
    sources.any_time[call] = spent[: len(call)]
    cell += ((after.view(np.int8) << 1) + ~off).astype(np.int64) * len(ends)
    table = np.bincount(cell, weights=duration, minlength=4 * len(ends)).reshape(4, -1)
    for time, summed in zip(sources.times, table, strict=True):
        if summed[: len(call)].any():
            time[call] = summed[: len(call)]
    return table[:, len(call) :].astype(np.int64)

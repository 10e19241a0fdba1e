# SPDX-License-Identifier: Apache-2.0
"""How long threads were off their CPU, call by call.

A thread makes no calls while it is off its CPU: such a time lies within one call, or between one
call and the next. It counts for the call that it began in or after.

The scheduler writes most of the records, so they are never sorted as a whole: blocks of time are
sorted by thread one by one, each small enough for the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from anaros.pofc.frame import Frame, Role
from anaros.pofc.model import I8, I32, I64, U8, U32, Mask
from anaros.pofc.order import as_time
from anaros.records import Columns

_PLACE_BITS = 14
_BLOCK = 1 << _PLACE_BITS

#: So many fit a word of 32 bits beside the place in a block and two marks.
_FEW_THREADS = 1 << (30 - _PLACE_BITS)

_MARKS = np.zeros(len(Role), np.uint8)
_MARKS[Role.OFFCPU], _MARKS[Role.RUNQUEUE] = 3, 2
_TID_TABLE = 1 << 22

#: TASK_UNINTERRUPTIBLE: outside of any call that is a page fault.
_UNINTERRUPTIBLE = 2

#: What is longer counts as this long, so that sums stay exact.
_LONGEST_NS = np.uint64(1 << 44)

_Key = npt.NDArray[np.uint32] | npt.NDArray[np.uint64]
_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


class Mapper(Protocol):
    """What runs jobs, in turn or at once."""

    def __call__(
        self, function: Callable[[_Job], _Result], jobs: Iterable[_Job], /
    ) -> Iterable[_Result]:
        """The results, in the order of the jobs."""


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
class _Part:
    """What a block could not write: times of calls of blocks before."""

    call: I64
    table: I64


@dataclass(frozen=True, slots=True)
class _Sources:
    """What all blocks read; ``times``, ``any_time`` and ``asleep`` are filled by them.

    ``thread`` is the thread of each thread number, -1 for none, ``pid`` (T,) the process of each
    thread. ``before`` (T, B) is the place
    of the first call that each thread made in or after each of B blocks, ``spilled`` (T, B) the
    end of the call before that, 0 for none.
    """

    columns: Columns
    roles: U8
    thread: I32
    pid: U32
    before: I64
    spilled: I64
    times: tuple[I64, I64, I64, I64]
    any_time: Mask
    asleep: I64


def off_cpu(columns: Columns, roles: U8, calls: Frame, run: Mapper) -> OffCpu | None:
    """Adds up the scheduler's records for each call.

    Args:
        columns: N records by start.
        roles: (N,) role of each.
        calls: M of them, thread by thread.
        run: Runs the blocks.

    Returns:
        The sums; None where the scheduler was not recorded.
    """
    if not len(calls) or not (roles == Role.OFFCPU).any():
        return None
    blocks = -(-len(columns) // _BLOCK)
    edges = np.arange(blocks, dtype=np.int64) * _BLOCK
    threads = range(len(calls.pid))
    before = np.array(
        [
            calls.first[each]
            + np.searchsorted(calls.position[calls.first[each] : calls.first[each + 1]], edges)
            for each in threads
        ]
    )
    spilled = calls.end(np.maximum(before.ravel() - 1, 0)).reshape(before.shape)
    spilled[before == calls.first[:-1, None]] = 0
    sources = _Sources(
        columns,
        roles,
        _thread_table(calls),
        calls.pid,
        before,
        spilled,
        (_zeros(calls), _zeros(calls), _zeros(calls), _zeros(calls)),
        np.zeros(len(calls), np.bool_),
        _zeros(calls),
    )
    parts = [part for part in run(lambda at: _block(sources, at), range(blocks)) if part]
    for part in parts:
        sources.any_time[part.call] = True
        for column, time in enumerate(sources.times):
            time[part.call] += part.table[:, column]
    return OffCpu(sources.times, sources.any_time, sources.asleep)


def _zeros(calls: Frame) -> I64:
    return np.zeros(len(calls), np.int64)


def _thread_table(calls: Frame) -> I32:
    """Thread of each thread number, -1 for none; of two with one number the later counts."""
    small = np.flatnonzero(calls.tid < _TID_TABLE)
    # One more, never set: numbers beyond the table are clipped to it.
    table = np.full(int(calls.tid[small].max(initial=0)) + 2, -1, np.int32)
    table[calls.tid[small]] = small
    return table


def _block(sources: _Sources, number: int) -> _Part | None:
    """Adds up the records of a block."""
    first = number * _BLOCK
    block = slice(first, first + _BLOCK)
    columns, role = sources.columns, sources.roles[block]
    rank = sources.thread.take(columns.tid[block], mode="clip")
    # Thread, place in the block, whether it is the scheduler's, whether it is off the CPU.
    few = len(sources.before) < _FEW_THREADS
    key: _Key = rank.astype(np.uint32) if few else rank.astype(np.uint64)
    word = key.dtype.type
    np.left_shift(key, word(_PLACE_BITS), out=key)
    np.bitwise_or(key, np.arange(len(key), dtype=key.dtype), out=key)
    np.left_shift(key, word(2), out=key)
    np.bitwise_or(key, _MARKS[role], out=key)
    mine = columns.pid[block] == sources.pid.take(rank, mode="clip")
    key = key[(role != Role.NONE) & (rank >= 0) & mine]
    key.sort()
    at = np.flatnonzero(key & word(2))
    if not len(at):
        return None
    mine = key[at]
    thread = (mine >> word(_PLACE_BITS + 2)).astype(np.intp)
    made = at - np.arange(len(at))  # calls in this block so far, of all threads
    heads = np.searchsorted(key, np.arange(len(sources.before)) << (_PLACE_BITS + 2))
    head = np.searchsorted(at, heads)
    call = made + (sources.before[:, number] - (heads - head) - 1)[thread]
    calls = _places(key[np.flatnonzero((key & word(2)) == 0)])
    ends = np.zeros(len(calls) + 1, np.int64)
    ends[1:] = as_time(columns.start_ns[block][calls])
    ends[1:] += as_time(columns.duration_ns[block][calls])
    end = ends[made]
    spilt = call < sources.before[:, number][thread]
    end[spilt] = sources.spilled[thread[spilt], number]
    place, off = _places(mine), (mine & word(1)).astype(np.int8)
    known = end > 0
    if not known.all():
        call, place, off, end, spilt = (each[known] for each in (call, place, off, end, spilt))
    return _sum(sources, block, call, place, off, end, spilt) if len(call) else None


def _places(key: _Key) -> I64:
    """Where the records of these keys lie in the block."""
    place: I64 = ((key >> key.dtype.type(2)) & key.dtype.type(_BLOCK - 1)).astype(np.int64)
    return place


def _sum(
    sources: _Sources, block: slice, call: I64, place: I64, off: I8, end: I64, spilt: Mask
) -> _Part:
    """Adds up records by call; they are in the order of calls."""
    columns = sources.columns
    after = as_time(columns.start_ns[block][place]) >= end
    duration = np.minimum(columns.duration_ns[block][place], _LONGEST_NS).view(np.int64)
    head = np.empty(len(call), np.bool_)
    head[0] = True
    np.not_equal(call[1:], call[:-1], out=head[1:])
    heads = np.flatnonzero(head)
    row = np.cumsum(head, dtype=np.int64)
    row -= 1
    cell = row << 2
    cell += (after.view(np.int8) << 1) + 1 - off
    table = np.bincount(cell, weights=duration, minlength=len(heads) * 4).reshape(-1, 4)
    at, spills = call[heads], spilt[heads]
    # What a block before may also write is added when all are done.
    whole, rest = np.flatnonzero(~spills), np.flatnonzero(spills)
    sources.any_time[at[whole]] = True
    for each, time in enumerate(sources.times):
        time[at[whole]] = table[whole, each]
    asleep = np.flatnonzero(after & (off != 0) & ~spilt)
    asleep = asleep[columns.status[block][place[asleep]] == _UNINTERRUPTIBLE]
    if len(asleep):
        summed = np.bincount(row[asleep], weights=duration[asleep], minlength=len(heads))
        sources.asleep[at[whole]] = summed[whole]
    return _Part(at[rest], table[rest].astype(np.int64))

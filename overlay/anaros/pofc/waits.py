# SPDX-License-Identifier: Apache-2.0
"""How long a request made no progress within each stage, and why.

What counts as waiting:

* in a cell that the device is queued for: all but the launch itself, for the device;
* in a wait for a semaphore, and where a request changes from thread to thread: all of it, for a
  lock or a queue;
* in a wait for the device, and in a copy from it that blocks: all of it, for the device;
* with the kernel plane: while the owning thread was off its CPU, for I/O within file and socket
  calls and in uninterruptible sleep (page faults), for the device within device calls, else for
  a lock; the end of it that was spent ready to run is the run queue;
* without the kernel plane: all of a sync to disk, of a receive or connect that took long, and of
  a read or write slower than memory can be; the run queue is unknown.

"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anaros.kinds import KIND_NAMES, Kind
from anaros.pofc.device import DOWNLOADS, QUEUED, RUNS, UPLOADS
from anaros.pofc.frame import table_of
from anaros.pofc.model import I64, STAGES, U8, Mask
from anaros.pofc.order import as_time, sums
from anaros.pofc.owned import Runs
from anaros.pofc.requests import BLOCKED_NS
from anaros.pofc.scheduler import OffCpu
from anaros.pofc.stages import EXECUTE, INGEST, POSTPROCESS, PREPARE, STAGING, Cells
from anaros.records import FLAG_ASYNC, Columns

RUNQUEUE, IO, LOCK, DEVICE = 0, 1, 2, 3
_CAUSES = 4
_NONE = 255

#: A file call that took longer than this and 1 ns for each byte did not come from memory.
SLOW_NS = 50_000


def _causes() -> dict[int, int]:
    family = {0x01: IO, 0x02: IO, 0x03: IO, 0x04: DEVICE}
    return {kind: family.get(kind >> 8, LOCK) for kind in KIND_NAMES}


_CAUSE = table_of(_causes(), LOCK)

_ALWAYS, _UNLESS_ASYNC, _SLOW, _LONG = 1, 2, 3, 4
_BLOCKS_KERNEL = table_of(
    {
        Kind.SYNC_WAIT: _ALWAYS,
        Kind.GPU_SYNC: _ALWAYS,
        Kind.POLL_WAIT: _ALWAYS,
        Kind.GPU_COPY_D2H: _UNLESS_ASYNC,
    }
)
_BLOCKS = table_of(
    {
        Kind.SYNC_WAIT: _ALWAYS,
        Kind.GPU_SYNC: _ALWAYS,
        Kind.POLL_WAIT: _ALWAYS,
        Kind.GPU_COPY_D2H: _UNLESS_ASYNC,
        Kind.FILE_READ: _SLOW,
        Kind.FILE_WRITE: _SLOW,
        Kind.FILE_COPY: _SLOW,
        Kind.FILE_SENDFILE: _SLOW,
        Kind.FILE_SYNC: _ALWAYS,
        Kind.NET_RECV: _LONG,
        Kind.NET_SEND: _LONG,
        Kind.NET_CONNECT: _LONG,
        Kind.NET_ACCEPT: _LONG,
        Kind.FILE_OPEN: _LONG,
        Kind.FILE_STAT: _LONG,
    }
)


@dataclass(frozen=True, slots=True)
class Shares:
    """Time of each of R requests in each of 7 stages, shape (R, 7), and its waits (4, R, 7).

    ``first`` (R, 7) is the cell in which the stage first had time, -1 for none; ``entered`` is
    where on the line that was.
    """

    total: I64
    waits: I64
    first: I64
    entered: I64


def share(
    columns: Columns, cells: Cells, runs: Runs, turns: I64, requests: int, off: OffCpu | None
) -> Shares:
    """Adds up stages and waits.

    Args:
        columns: N records by start.
        cells: The cells.
        runs: The calls of the cells.
        turns: For each turn to a segment the call that the thread waited in before, or -1.
        requests: R, how many requests there are.
        off: Times off the CPU of all calls; None without the kernel plane.
    """
    bins = requests * len(STAGES)
    base = cells.request * len(STAGES)
    stages = [_overlay(stage, cells.layer) for stage in cells.stage]
    waits: I64 = np.zeros((bins, _CAUSES), np.int64)
    blocked = _blocking(columns, runs, kernel=off is not None)
    waiting = _waiting(cells, runs, blocked)
    if off is None:
        _add_blocked(cells, runs, waits, stages, blocked)
    bounds = (cells.begin, cells.middle, cells.rest, cells.end)
    total = np.zeros(bins, np.int64)
    for portion in (2, 1, 0):
        length = bounds[portion + 1] - bounds[portion]
        if portion == 1:
            kept = np.flatnonzero(length)
            where, length = base[kept] + stages[1][kept], length[kept]
            cause = waiting[1][kept]
        else:
            where, cause = base + stages[portion], waiting[portion]
        total += sums(where, length, bins)
        stuck = np.flatnonzero(cause != _NONE)
        at = where[stuck] * _CAUSES + cause[stuck]
        waits += sums(at, length[stuck], waits.size).reshape(waits.shape)
    first, entered = _first(bins, base, stages, bounds)
    _pauses(cells, runs, stages, total, first, entered)
    if off is not None:
        _off_cpu(cells, runs, waits, stages, waiting, off)
        _woken(cells, waits, stages, waiting, turns, off)
    shape = (requests, len(STAGES))
    return Shares(
        total.reshape(shape),
        _within(waits, total).T.reshape(_CAUSES, *shape),
        first.reshape(shape),
        entered.reshape(shape),
    )


def _between_reads(stage: U8) -> U8:
    """The stage of the pauses in a run of this stage: what was read is worked on."""
    return np.where(stage == INGEST, np.uint8(PREPARE), stage)


def _pauses(
    cells: Cells, runs: Runs, stages: list[U8], total: I64, first: I64, entered: I64
) -> None:
    """Takes the pauses in runs of calls out of the calls' stage."""
    run = np.flatnonzero(runs.pause)
    cell = cells.at_call[run]
    free = cells.layer[cell] == 0
    run, cell = run[free], cell[free]
    base = cells.request[cell] * len(STAGES)
    here = stages[0][cell]
    there = base + _between_reads(here)
    total -= sums(base + here, runs.pause[run], len(total))
    total += sums(there, runs.pause[run], len(total))
    # The first of them follows the first call.
    since = runs.calls.end[np.append(-1, runs.tail)[run] + 1]
    order = slice(None, None, -1)
    pause_at = np.full(len(total), np.iinfo(np.int64).max, np.int64)
    pause_in = np.zeros(len(total), np.int64)
    pause_at[there[order]], pause_in[there[order]] = since[order], cell[order]
    earlier = pause_at < entered
    entered[earlier], first[earlier] = pause_at[earlier], pause_in[earlier]


def _overlay(stage: U8, layer: U8) -> U8:
    """The stage with what the device did over it."""
    if not layer.any():
        return stage
    over = np.zeros(5, np.uint8)
    over[1 + RUNS], over[1 + UPLOADS] = EXECUTE, STAGING
    over[1 + DOWNLOADS], over[1 + QUEUED] = POSTPROCESS, EXECUTE
    covered = np.flatnonzero(layer)
    result = stage.copy()
    result[covered] = over[layer[covered]]
    return result


def _blocking(columns: Columns, runs: Runs, *, kernel: bool) -> I64:
    """The calls that wait for all of their time."""
    position = runs.calls.position
    blocks = (_BLOCKS_KERNEL if kernel else _BLOCKS)[runs.calls.kind]
    maybe = np.flatnonzero(blocks)
    return maybe[_blocked(columns, position[maybe], blocks[maybe])]


def _add_blocked(cells: Cells, runs: Runs, waits: I64, stages: list[U8], blocked: I64) -> None:
    """Adds the calls that wait within runs."""
    run = runs.number[blocked]
    cell = cells.at_call[run]
    kept = np.flatnonzero(_in_run(runs, run) & (cells.layer[cell] == 0))
    blocked, cell = blocked[kept], cell[kept]
    where = cells.request[cell] * len(STAGES) + stages[0][cell]
    lasts = runs.calls.end[blocked] - runs.calls.begin[blocked]
    cause = _CAUSE[runs.calls.kind[blocked]]
    waits += sums(where * _CAUSES + cause, lasts, waits.size).reshape(waits.shape)


def _in_run(runs: Runs, run: I64) -> Mask:
    """Which of these runs hold more than one call."""
    head = np.append(-1, runs.tail)[run]
    several: Mask = runs.tail[run] - head > 1
    return several


def _waiting(cells: Cells, runs: Runs, blocked: I64) -> tuple[U8, U8, U8]:
    """Why each portion waits for all of its length, _NONE where it does not."""
    own = np.full(len(cells), _NONE, np.uint8)
    run = runs.number[blocked]
    single = ~_in_run(runs, run)
    kind = runs.calls.kind[blocked[single]]
    own[cells.at_call[run[single]]] = _CAUSE[kind]
    cover = own[cells.cover]
    # A gap in which the request changes hands; before the first record, too.
    gap = np.full(len(cells), _NONE, np.uint8)
    gap[:-1][cells.segment[1:] != cells.segment[:-1]] = LOCK
    gap[:-1][cells.request[1:] != cells.request[:-1]] = _NONE
    if cells.layer.any():
        for portion in (own, cover, gap):
            portion[(cells.layer > 0) & (cells.layer <= QUEUED)] = _NONE
        queued = cells.layer == QUEUED + 1
        own[queued & ~cells.launch] = DEVICE
        cover[queued] = gap[queued] = DEVICE
    return own, cover, gap


def _blocked(columns: Columns, position: I64, blocks: U8) -> Mask:
    stuck: Mask = blocks == _ALWAYS
    copies = np.flatnonzero(blocks == _UNLESS_ASYNC)
    stuck[copies] = columns.flags[position[copies]] & FLAG_ASYNC == 0
    rest = np.flatnonzero(blocks >= _SLOW)
    duration = as_time(columns.duration_ns[position[rest]])
    memory = SLOW_NS + as_time(columns.size_bytes[position[rest]])
    stuck[rest] = duration > np.where(blocks[rest] == _SLOW, memory, BLOCKED_NS)
    return stuck


def _first(bins: int, base: I64, stages: list[U8], bounds: tuple[I64, ...]) -> tuple[I64, I64]:
    """The first cell in which each stage of each request has time, and where it begins there."""
    never = np.iinfo(np.int64).max
    first = np.full(bins, -1, np.int64)
    entered = np.full(bins, never, np.int64)
    for portion in (2, 1, 0):
        has = bounds[portion + 1] > bounds[portion]
        where = base + stages[portion]
        again = where[1:] == where[:-1]
        again &= has[:-1]
        has[1:] &= ~again
        at = np.flatnonzero(has)[::-1]
        found, begin = np.zeros(bins, np.int64), np.full(bins, never, np.int64)
        found[where[at]] = at
        begin[where[at]] = bounds[portion][at]
        earlier = begin < entered
        first[earlier] = found[earlier]
        entered[earlier] = begin[earlier]
    return first, entered


def _off_cpu(
    cells: Cells,
    runs: Runs,
    waits: I64,
    stages: list[U8],
    waiting: tuple[U8, U8, U8],
    off: OffCpu,
) -> None:
    """Adds what the scheduler saw within calls and after them to the waits."""
    known = np.flatnonzero(off.any_time[runs.calls.call])
    cell = cells.at_call[runs.number[known]]
    free = cells.layer[cell] == 0
    known, cell = known[free], cell[free]
    call = runs.calls.call[known]
    where = cells.request[cell] * len(STAGES)

    spent, queued = off.times[0][call], off.times[1][call]
    some = np.flatnonzero(spent | queued)
    cause = _CAUSE[runs.calls.kind[known[some]]]
    at = where[some] + stages[0][cell[some]]
    _spend(waits, at, cause, waiting[0][cell[some]], spent[some], queued[some])

    spent, queued = off.times[2][call], off.times[3][call]
    some = np.flatnonzero(spent | queued)
    last = runs.tail[runs.number[known[some]]] == known[some]
    where, cell, spent, queued = where[some], cell[some], spent[some], queued[some]
    at = where + np.where(last, stages[2][cell], _between_reads(stages[0][cell]))
    stuck = np.where(last, waiting[2][cell], _NONE).astype(np.uint8)
    asleep = np.where(stuck == _NONE, np.minimum(off.asleep[call[some]], spent), 0)
    # The time in the run queue ends a time off the CPU: of the sleep only what it must.
    late = np.maximum(queued - (spent - asleep), 0)
    _add(waits, at, IO, np.maximum(asleep - late, 0))
    _add(waits, at, RUNQUEUE, np.minimum(late, asleep))
    lock = np.full(len(at), LOCK, np.uint8)
    queued = np.where(stuck == _NONE, queued - late, queued)
    _spend(waits, at, lock, stuck, spent - asleep, queued)
    np.maximum(waits, 0, out=waits)


def _spend(waits: I64, where: I64, cause: U8, stuck: U8, spent: I64, queued: I64) -> None:
    """Adds time off the CPU; the part in the run queue is taken from the rest."""
    whole = stuck != _NONE
    bins = where * _CAUSES + np.where(whole, stuck, cause)
    rest = np.where(whole, 0, spent) - queued
    waits += sums(bins, rest, waits.size).reshape(waits.shape)
    _add(waits, where, RUNQUEUE, queued)


def _add(waits: I64, where: I64, cause: int, time: I64) -> None:
    waits[:, cause] += sums(where, time, len(waits))


def _woken(
    cells: Cells,
    waits: I64,
    stages: list[U8],
    waiting: tuple[U8, U8, U8],
    turns: I64,
    off: OffCpu,
) -> None:
    """A woken thread that had to wait for a CPU: that part of the hand-over is the run queue."""
    known = np.flatnonzero((turns >= 0) & (cells.at_turn > 0))
    queued = off.times[1][turns[known]]
    before = cells.at_turn[known] - 1
    gap = (cells.end - cells.rest)[before]
    same = cells.request[before] == cells.request[before + 1]
    kept = np.flatnonzero((queued > 0) & same & (waiting[2][before] == LOCK))
    before, queued = before[kept], np.minimum(queued[kept], gap[kept])
    where = cells.request[before] * len(STAGES) + stages[2][before]
    _add(waits, where, RUNQUEUE, queued)
    _add(waits, where, LOCK, -queued)
    np.maximum(waits, 0, out=waits)


def _within(waits: I64, total: I64) -> I64:
    """The waits (bins, 4), none of them longer together than the stage."""
    left = total.copy()
    result = np.empty_like(waits)
    for cause in range(_CAUSES):
        result[:, cause] = np.minimum(waits[:, cause], left)
        left -= result[:, cause]
    return result

# SPDX-License-Identifier: Apache-2.0
"""When the works of streams ran, where CUPTI or a queue that profiles told it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from anaros.kinds import Kind
from anaros.pofc.model import I32, I64, U64, Mask
from anaros.pofc.order import among, as_time, latest, mix, numbered
from anaros.records import FLAG_DEVICE_TIME, Columns

#: Kinds that tell when work ran.
TOLD = (Kind.GPU_EXECUTE, Kind.GPU_TRANSFER)

#: A clock that is off by more joins no work with a call.
_NEAR_NS = 20_000

#: More runs than any call has: how many runs there should be is not known.
_UNKNOWN = 1 << 40


@dataclass(frozen=True, slots=True)
class Told:
    """What was told of W works.

    ``whole`` (W,) is whether each run of the work was told, ``end_ns`` (W,) the end of the last
    run, meant where it is whole. ``work`` (R,) is the work of each run that has one, ascending;
    ``run_start_ns`` and ``run_end_ns`` (R,) are when it ran. Works of one call have their runs
    together, at the first of them.
    """

    whole: Mask
    end_ns: I64
    work: I64
    run_start_ns: I64
    run_end_ns: I64


@dataclass(frozen=True, slots=True)
class Joined:
    """R runs and the calls that enqueued them.

    ``call`` (W,) is the call of each work, a number; ``first`` (C,) is the first work of each call,
    a place among the works; ``run`` (R,) is the place of each run in the columns, ``of`` (R,) its
    call, ``queue`` (R,) whether a queue that profiles told it, for which each call is one run.
    """

    call: I64
    first: I64
    run: I64
    of: I64
    queue: Mask


def joined(columns: Columns, work: I64, kinds: Sequence[Kind] = TOLD) -> Joined | None:
    """Joins runs with the calls that enqueued them; None where there are none of either.

    A run tells when it was enqueued: it is of the call in which that lies. CUPTI tells the thread
    of the call, a queue that profiles itself and what was enqueued.

    Args:
        columns: N records by start.
        work: (W,) places of what was enqueued, ascending.
        kinds: The kinds of run that are looked at.
    """
    run = np.flatnonzero(
        np.isin(columns.kind, kinds)
        & (columns.flags & FLAG_DEVICE_TIME != 0)
        & (columns.context != 0)
    )
    if not len(run) or not len(work):
        return None
    queue = among(columns.object[run], columns.object[work])
    (thread,) = numbered(_threads(columns, work))
    start = as_time(columns.start_ns[work])
    order = np.lexsort((start, thread))
    change = np.ones(len(work), np.bool_)
    change[1:] = (np.diff(thread[order]) != 0) | (np.diff(start[order]) != 0)
    heads = order[change]
    call = np.empty(len(work), np.int64)
    call[order] = np.cumsum(change) - 1
    of = np.full(len(run), -1, np.int64)
    for chosen, key in ((~queue, _threads), (queue, _enqueued)):
        if chosen.any():
            of[chosen] = _calls_of(columns, work[heads], run[chosen], key)
    known = of >= 0
    return Joined(call, heads, run[known], of[known], queue[known])


def _calls_of(columns: Columns, call: I64, run: I64, key: Callable[[Columns, I64], U64]) -> I64:
    """The call of each run, a place among the calls; -1 where none is near.

    Where there is a run for each call that is alike, the k-th is that of the k-th: threads that
    enqueue the same at once are not told apart by the time.

    Args:
        columns: N records.
        call: (C,) places of calls.
        run: (R,) places of runs.
        key: What a call and its run have in common.
    """
    mine, theirs = numbered(key(columns, call), key(columns, run))
    start = as_time(columns.start_ns[call])
    order = np.lexsort((start, mine))
    end = start + as_time(columns.duration_ns[call])
    at = as_time(columns.start_ns[run]) - as_time(columns.context[run])
    near = _nearest(mine[order], start[order], end[order], theirs, at)
    found = np.where(near >= 0, order[near], -1)
    if key is _enqueued:
        kinds = int(max(mine.max(), theirs.max())) + 1
        even = np.bincount(mine, minlength=kinds) == np.bincount(theirs, minlength=kinds)
        runs = np.lexsort((at, theirs))
        found[runs[even[theirs[runs]]]] = order[even[mine[order]]]
    return found


def told_of(columns: Columns, work: I64) -> Told:
    """What was told of works.

    A call has one run for each of its works, a graph of CUDA one for each of its nodes: with fewer
    of them it is not whole, nor is a graph of which the number of nodes is not known.

    Args:
        columns: N records by start.
        work: (W,) places of what was enqueued, ascending.
    """
    found = joined(columns, work)
    if found is None:
        none = np.zeros(0, np.int64)
        return Told(np.zeros(len(work), np.bool_), np.zeros(len(work), np.int64), none, none, none)
    call, heads, of = found.call, found.first, found.of
    begun = as_time(columns.start_ns[found.run])
    ended = begun + as_time(columns.duration_ns[found.run])
    nodes = as_time(columns.size_bytes[work])
    nodes = np.where(nodes > 0, np.minimum(nodes, _UNKNOWN), _UNKNOWN)
    alone = np.zeros(len(heads), np.bool_)
    alone[of[found.queue]] = True
    due = np.where((columns.kind[work] == Kind.GPU_GRAPH) & ~alone[call], nodes, 1)
    wanted = np.zeros(len(heads), np.int64)
    np.add.at(wanted, call, due)
    end = np.zeros(len(heads), np.int64)
    np.maximum.at(end, of, ended)
    whole = (np.bincount(of, minlength=len(heads)) >= wanted)[call]
    by_work = np.argsort(heads[of], kind="stable")
    return Told(whole, end[call], heads[of][by_work], begun[by_work], ended[by_work])


def _threads(columns: Columns, place: I64) -> U64:
    return (columns.pid[place].astype(np.uint64) << np.uint64(32)) | columns.tid[place]


def _enqueued(columns: Columns, place: I64) -> U64:
    """A queue, and what it was given: its kernel or the host's address, and how much of it."""
    what = mix(columns.pid[place], columns.object[place])
    for word in (columns.address[place], columns.size_bytes[place]):
        what = mix(what, word)
    return what


def _nearest(thread: I32, start: I64, end: I64, asked: I32, at: I64) -> I64:
    """The call of a group in which a time lies, or the one beside it; -1 where none is near.

    Args:
        thread: (C,) the group of each call, a thread say, ascending.
        start: (C,) of each call, ascending in a group.
        end: (C,) of each call.
        asked: (R,) groups.
        at: (R,) times.
    """
    before = latest(thread, start, asked, at)
    after = np.where(before >= 0, before + 1, np.searchsorted(thread, asked))
    best = np.full(len(at), -1, np.int64)
    distance = np.full(len(at), _NEAR_NS + 1)
    for place in (before, after):
        inside = np.clip(place, 0, len(thread) - 1)
        away = np.maximum(np.maximum(start[inside] - at, at - end[inside]), 0)
        nearer = (place == inside) & (thread[inside] == asked) & (away < distance)
        best[nearer], distance[nearer] = inside[nearer], away[nearer]
    return best


def covered(start: I64, end: I64) -> tuple[I64, I64, I64]:
    """The union of intervals: start and end of its pieces, and the piece of each interval.

    Args:
        start: (R,) ns, in any order, at least one.
        end: (R,) ns.
    """
    order = np.lexsort((end, start))
    until = np.maximum.accumulate(end[order])
    fresh = np.ones(len(order), np.bool_)
    fresh[1:] = start[order][1:] > until[:-1]
    heads = np.flatnonzero(fresh)
    piece = np.empty(len(order), np.int64)
    piece[order] = np.cumsum(fresh) - 1
    return start[order][heads], until[np.append(heads[1:], len(order)) - 1], piece

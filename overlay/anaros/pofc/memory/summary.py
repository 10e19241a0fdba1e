# SPDX-License-Identifier: Apache-2.0
"""The map of device memory in a few numbers: what was held, what failed, what was for nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from anaros.kinds import KIND_NAMES, Kind
from anaros.pofc.memory.allocations import use_of
from anaros.pofc.memory.model import (
    ON_DEVICE,
    Allocations,
    Copies,
    Ending,
    Host,
    Map,
    Memory,
    Moves,
)
from anaros.pofc.model import I64, U64, Mask
from anaros.pofc.order import as_time, distinct, latest, mix, numbered, ordered

#: The longest lists: of sizes that were allocated again and again, and of failures.
LISTED_MAX = 16
#: Of those who hold memory so many are named.
HOLDERS_MAX = 8

_ON_DEVICE = np.isin(np.arange(len(Memory)), ON_DEVICE)


def summarise_memory(found: Map) -> dict[str, Any]:
    """Plain values, ready for JSON.

    Returns:
        ``processes``: for each program with allocations its ``pid``, ``high_water_bytes``,
        ``high_water_ns`` and ``in_use_bytes`` (at its end, or that of the recording) of what takes
        room on a device, and ``sorts``, one for each sort of memory. ``churn``: sizes that were
        allocated again after they had been freed, the longest time first. ``failures`` and
        ``failed``: the first failed allocations, and how many there were. ``copies``: by direction
        and the host's side, over all processes. ``migrations``: by where managed memory moved to,
        over all processes.
    """
    made = found.allocations
    good = made.take(np.flatnonzero(made.ending != Ending.FAILED))
    failures = _failures(made)
    return {
        "processes": [_process(good, number) for number in distinct(good.process)],
        "churn": _churn(good),
        "failed": int((made.ending == Ending.FAILED).sum()),
        "failures": failures,
        "copies": _copies(found.copies),
        "migrations": _migrations(found.moves),
    }


def _process(good: Allocations, number: np.uint32) -> dict[str, Any]:
    mine = good.take(np.flatnonzero(good.process == number))
    on_device = mine.take(np.flatnonzero(_ON_DEVICE[mine.memory]))
    high, when = _high_water(on_device)
    return {
        "pid": int(mine.pid[0]),
        "high_water_bytes": high,
        "high_water_ns": when,
        "in_use_bytes": _bytes(on_device, _held(on_device)),
        "sorts": [_sort(mine, Memory(int(memory))) for memory in distinct(mine.memory)],
    }


def _sort(mine: Allocations, memory: Memory) -> dict[str, Any]:
    rows = mine.take(np.flatnonzero(mine.memory == memory))
    high, when = _high_water(rows)
    held = _held(rows)
    return {
        "sort": memory.name.lower(),
        "allocations": len(rows),
        "frees": int((rows.ending == Ending.FREED).sum()),
        "allocated_bytes": _bytes(rows, np.ones(len(rows), np.bool_)),
        "high_water_bytes": high,
        "high_water_ns": when,
        "in_use": int(held.sum()),
        "in_use_bytes": _bytes(rows, held),
        "alloc_ms": float(rows.alloc_ns.sum()) / 1e6,
        "free_ms": float(rows.free_ns.sum()) / 1e6,
    }


def _held(rows: Allocations) -> Mask:
    """What was held at the end of its process, or of the recording where nobody told that end."""
    found: Mask = (rows.ending == Ending.OPEN) | (rows.ending == Ending.PROCESS)
    return found


def _bytes(rows: Allocations, chosen: Mask) -> int:
    return int(rows.size_bytes[chosen].sum())


def _high_water(rows: Allocations) -> tuple[int, int | None]:
    """The most bytes at a time, and when that was first so."""
    together = Allocations.of(rows.as_dict() | {"memory": np.zeros(len(rows), np.uint8)})
    use = use_of(together)
    if not len(use.time_ns):
        return 0, None
    most = int(np.argmax(use.size_bytes))
    return int(use.size_bytes[most]), int(use.time_ns[most])


def _churn(good: Allocations) -> list[dict[str, Any]]:
    """Sizes that were allocated more often than so many were there at a time."""
    (group,) = numbered(mix(good.process * np.uint32(len(Memory)) + good.memory, good.size_bytes))
    kinds = int(group.max(initial=-1)) + 1
    count = np.bincount(group, minlength=kinds)
    again = count - _at_once(good, group, kinds)
    spent = np.bincount(group, good.alloc_ns + good.free_ns, kinds)
    first, last = np.full(kinds, 2**64 - 1, np.uint64), np.zeros(kinds, np.uint64)
    np.minimum.at(first, group, good.start_ns)
    np.maximum.at(last, group, np.maximum(good.start_ns, good.end_ns))
    sample = np.zeros(kinds, np.int64)
    sample[group] = np.arange(len(good))
    rows = np.flatnonzero(again > 0)
    rows = rows[np.lexsort((good.size_bytes[sample[rows]], -again[rows], -spent[rows]))]
    return [
        {
            "pid": int(good.pid[at]),
            "sort": Memory(int(good.memory[at])).name.lower(),
            "size_bytes": int(good.size_bytes[at]),
            "count": int(again[row]),
            "bytes_per_second": _rate(int(again[row]) * int(good.size_bytes[at]), first, last, row),
            "total_ms": float(spent[row]) / 1e6,
        }
        for row, at in zip(rows[:LISTED_MAX], sample[rows[:LISTED_MAX]], strict=True)
    ]


def _rate(size: int, first: U64, last: U64, row: np.int64) -> float | None:
    seconds = float(last[row] - first[row]) / 1e9
    return size / seconds if seconds > 0 else None


def _at_once(good: Allocations, group: np.ndarray[Any, Any], kinds: int) -> I64:
    """How many of each group were there at a time, at most."""
    gone = np.flatnonzero(good.end_ns != 0)
    at = np.concatenate([group[gone], group])
    time = as_time(np.concatenate([good.end_ns[gone], good.start_ns]))
    change = np.repeat(np.array([-1, 1]), [len(gone), len(group)])
    order = ordered(at, time)
    at, change = at[order], change[order]
    total = np.cumsum(change)
    first = np.flatnonzero(np.diff(at, prepend=-1))
    most = np.zeros(kinds, np.int64)
    if len(first):
        most[at[first]] = np.maximum.reduceat(total, first) - (total - change)[first]
    return most


def holders(held: Allocations) -> list[dict[str, Any]]:
    """Who holds memory: by process, thread, sort, and stream or pool; the most bytes first.

    Returns:
        ``pid``, ``tid``, ``sort``, ``origin`` (the stream or pool that it is ordered by, else
        None), ``count`` and ``bytes``; `HOLDERS_MAX` rows at most.
    """
    ordered_by = np.where(held.memory == Memory.STREAM_ORDERED, held.origin, 0).astype(np.uint64)
    word = mix(held.tid, ordered_by) ^ held.memory.astype(np.uint64)
    (group,) = numbered(mix(held.process, word))
    kinds = int(group.max(initial=-1)) + 1
    count, size = np.bincount(group, minlength=kinds), np.zeros(kinds, np.uint64)
    np.add.at(size, group, held.size_bytes)
    sample = np.zeros(kinds, np.int64)
    sample[group] = np.arange(len(held))
    best = np.lexsort((sample, -size.astype(np.int64)))[:HOLDERS_MAX]
    return [
        {
            "pid": int(held.pid[at]),
            "tid": int(held.tid[at]),
            "sort": Memory(int(held.memory[at])).name.lower(),
            "origin": int(ordered_by[at]) or None,
            "count": int(count[row]),
            "bytes": int(size[row]),
        }
        for row, at in zip(best, sample[best], strict=True)
    ]


def _failures(made: Allocations) -> list[dict[str, Any]]:
    """The first failures: what was asked, what was held, and whether asking again helped.

    A program that frees what it kept and asks again has evicted it: ``freed_bytes`` tells how much
    went between the failure and the next allocation of that size by the same thread.
    """
    failed = np.flatnonzero(made.ending == Ending.FAILED)[:LISTED_MAX]
    good = np.flatnonzero((made.ending != Ending.FAILED) & _ON_DEVICE[made.memory])
    asker, other = numbered(
        *(mix(mix(made.process[at], made.tid[at]), made.size_bytes[at]) for at in (failed, good))
    )
    start = as_time(made.start_ns)
    # The first one after it is the latest one of a clock that runs backwards.
    again = latest(other, -start[good], asker, -start[failed])
    rows = []
    for at, later in zip(failed, again, strict=True):
        mine = good[made.process[good] == made.process[at]]
        begun, ended = made.start_ns[mine], made.end_ns[mine]
        held = mine[(begun <= made.start_ns[at]) & ((ended == 0) | (ended > made.start_ns[at]))]
        until = None if later < 0 else made.start_ns[good[later]]
        freed = ended[(ended > made.start_ns[at]) & (ended <= until)] if until else None
        gone = None if freed is None else mine[np.isin(ended, freed)]
        rows.append(
            {
                "pid": int(made.pid[at]),
                "tid": int(made.tid[at]),
                "time_ns": int(made.start_ns[at]),
                "sort": Memory(int(made.memory[at])).name.lower(),
                "status": int(made.status[at]),
                "asked_bytes": int(made.size_bytes[at]),
                "held_bytes": int(made.size_bytes[held].sum()),
                "holders": holders(made.take(held)),
                "recovered_ms": None if until is None else float(until - made.start_ns[at]) / 1e6,
                "freed_bytes": None if gone is None else int(made.size_bytes[gone].sum()),
            }
        )
    return rows


def _copies(copies: Copies) -> list[dict[str, Any]]:
    rows = []
    for kind in (Kind.GPU_COPY_H2D, Kind.GPU_COPY_D2H):
        for host in Host:
            mine = (copies.kind == kind) & (copies.host == host)
            timed_ns = int(copies.timed_ns[mine].sum())
            if mine.any():
                rows.append(
                    {
                        "kind": KIND_NAMES[kind],
                        "host": host.name.lower(),
                        "count": int(copies.count[mine].sum()),
                        "bytes": int(copies.size_bytes[mine].sum()),
                        "bytes_per_second": int(copies.timed_bytes[mine].sum()) / timed_ns * 1e9
                        if timed_ns
                        else None,
                    }
                )
    return rows


def _migrations(moves: Moves) -> list[dict[str, Any]]:
    rows = []
    for to in distinct(moves.moved_to):
        mine = moves.moved_to == to
        rows.append(
            {
                "to": "host" if to == 0 else f"device {int(to) - 1}",
                "count": int(moves.count[mine].sum()),
                "bytes": int(moves.size_bytes[mine].sum()),
                "returned_bytes": int(moves.returned_bytes[mine].sum()),
                "total_ms": float(moves.duration_ns[mine].sum()) / 1e6,
            }
        )
    return rows

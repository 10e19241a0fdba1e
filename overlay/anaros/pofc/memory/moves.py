# SPDX-License-Identifier: Apache-2.0
"""Managed memory that moved between host and devices, and what came back after it had gone.

What is driven out to the host and moved to a device again shows that more is worked with than the
device has room for. So of each move those bytes count whose last move went the other way.
"""

from __future__ import annotations

import numpy as np

from anaros.kinds import Kind
from anaros.pofc.memory.model import NEVER, Allocations, Ending, Memory, Moves
from anaros.pofc.memory.ranges import ASKS, WRITES, last_writes, places, within
from anaros.pofc.model import I32, I64, U64
from anaros.pofc.order import as_time, distinct
from anaros.records import Columns


def moves_of(records: Columns, process: I32, made: Allocations) -> Moves:
    """Sums up the moves.

    Args:
        records: R records by start.
        process: The program of each.
        made: The allocations.
    """
    at = np.flatnonzero(
        (records.kind == Kind.GPU_MIGRATE)
        & (records.size_bytes > 0)
        & (records.address + records.size_bytes > records.address)
    )
    to = records.object[at]
    allocation = _allocation(records, process, made, at)
    back = _returned(records, process, at)
    row = np.stack([process[at], allocation, to.astype(np.int64)])
    order = np.lexsort(row)
    fresh = np.any(np.diff(row[:, order], axis=1, prepend=-2) != 0, axis=0)
    group = np.empty(len(at), np.int64)
    group[order] = np.cumsum(fresh) - 1
    first = order[fresh]
    sums = np.zeros((3, len(first)), np.uint64)
    size, took = records.size_bytes[at], as_time(records.duration_ns[at]).astype(np.uint64)
    for total, values in zip(sums, (size, back, took), strict=True):
        np.add.at(total, group, values)
    whose = allocation[first]
    known = whose >= 0
    base = np.zeros(len(first), np.uint64)
    base[known] = made.object[whose[known]]
    return Moves(
        pid=records.pid[at[first]],
        object=base,
        moved_to=to[first],
        count=np.bincount(group, minlength=len(first)).astype(np.uint64),
        size_bytes=sums[0],
        returned_bytes=sums[1],
        duration_ns=sums[2],
    )


def _allocation(records: Columns, process: I32, made: Allocations, at: I64) -> I64:
    """The managed allocation that each move is of, -1 where it is not known."""
    managed = np.flatnonzero((made.memory == Memory.MANAGED) & (made.ending != Ending.FAILED))
    mine = made.process[managed].astype(np.int64)
    low, high, asked = places(
        (mine, made.object[managed]),
        (mine, made.object[managed] + made.size_bytes[managed]),
        (process[at], records.address[at]),
    )
    ends = made.end_ns[managed]
    found = within(
        low,
        high,
        as_time(made.start_ns[managed]),
        np.where(ends == 0, NEVER, as_time(ends)),
        asked,
        as_time(records.start_ns[at]),
    )
    return np.where(found >= 0, managed[found] if len(managed) else -1, -1)


def _returned(records: Columns, process: I32, at: I64) -> U64:
    """Of each move the bytes whose last move went from a device to the host, or the other way."""
    low, high = records.address[at], records.address[at] + records.size_bytes[at]
    low_at, high_at = places((process[at], low), (process[at], high))
    cells = distinct(np.concatenate([low_at, high_at]))
    address = np.zeros(len(cells), np.uint64)
    first, last = np.searchsorted(cells, low_at), np.searchsorted(cells, high_at)
    address[first], address[last] = low, high
    # Each one asks who moved these bytes before, and then moves them.
    act = np.tile(np.array([ASKS, WRITES], np.uint8), len(at))
    rows = last_writes(act, np.repeat(first, 2), np.repeat(last, 2), len(cells))
    asker, before = rows.asker // 2, rows.writer // 2
    turned = (records.object[at[asker]] == 0) != (records.object[at[before]] == 0)
    back = np.zeros(len(at), np.uint64)
    np.add.at(back, asker[turned], (address[rows.high] - address[rows.low])[turned])
    return back

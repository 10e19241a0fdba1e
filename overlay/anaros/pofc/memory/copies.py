# SPDX-License-Identifier: Apache-2.0
"""Copies between host and device: from page-locked memory or not, and how fast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anaros.kinds import Kind
from anaros.pofc.memory.model import NEVER, Allocations, Copies, Ending, Host, Memory
from anaros.pofc.memory.ranges import places, within
from anaros.pofc.model import I32, I64, U8, U64, Ints
from anaros.pofc.order import as_time, distinct, latest, mix, numbered
from anaros.pofc.proofs import works_in
from anaros.pofc.told import joined
from anaros.records import FLAG_ASYNC, FLAG_CAPTURE, FLAG_PINNED, Columns

_KINDS = (Kind.GPU_COPY_H2D, Kind.GPU_COPY_D2H)


@dataclass(frozen=True, slots=True)
class Ran:
    """Runs of copies whose call is told: the places of ``run`` (R,) and of its ``copy`` (R,)."""

    run: I64
    copy: I64


def told_runs(columns: Columns) -> Ran:
    """The runs of copies of which CUPTI told the call.

    Of a call that makes several copies, the k-th run of so many bytes is that of the k-th copy.

    Args:
        columns: N records by start: all of them, for another call may be nearer.
    """
    moved = (columns.kind == Kind.GPU_TRANSFER) & (columns.context != 0)
    work = works_in(columns) if moved.any() else np.zeros(0, np.int64)
    found = joined(columns, work, (Kind.GPU_TRANSFER,))
    if found is None:
        return Ran(work[:0], work[:0])
    chosen = np.flatnonzero(np.isin(columns.kind[work], _KINDS))
    copy, run, of = work[chosen], found.run[~found.queue], found.of[~found.queue]
    mine, theirs = numbered(
        mix(found.call[chosen].astype(np.uint64), columns.size_bytes[copy]),
        mix(of.astype(np.uint64), columns.size_bytes[run]),
    )
    mine, theirs = numbered(
        *(
            mix(group.astype(np.uint64), _rank(group, columns, at))
            for group, at in ((mine, copy), (theirs, run))
        )
    )
    # Each number is of one copy at most.
    whose = np.full(int(max(mine.max(initial=-1), theirs.max(initial=-1))) + 1, -1)
    whose[mine] = copy
    known = whose[theirs] >= 0
    return Ran(run[known], whose[theirs][known])


def _rank(group: I32, columns: Columns, at: I64) -> U64:
    """How many of its group began before each."""
    order = np.lexsort((at, columns.start_ns[at], group))
    first = np.diff(group[order], prepend=-1) != 0
    place = np.arange(len(order))
    rank = np.empty(len(order), np.uint64)
    rank[order] = place - np.maximum.accumulate(np.where(first, place, 0))
    return rank


def copies_of(records: Columns, process: I32, made: Allocations, told: Ran) -> Copies:
    """Sums up the copies.

    Args:
        records: R records by start.
        process: The program of each.
        made: The allocations.
        told: The runs of which CUPTI told the call, by their places among the records.
    """
    copy = np.flatnonzero(
        np.isin(records.kind, _KINDS) & (records.status == 0) & (records.flags & FLAG_CAPTURE == 0)
    )
    host = host_side(records, process, made, copy)
    timed_bytes, timed_ns = _timed(records, process, copy, told)
    pair = (process[copy].astype(np.uint64) << np.uint64(1)) | (
        records.kind[copy] == Kind.GPU_COPY_D2H
    )
    key = pair * len(Host) + host
    group = distinct(key)
    index = np.searchsorted(group, key)
    first = np.full(len(group), len(copy), np.int64)
    np.minimum.at(first, index, np.arange(len(copy)))
    size = records.size_bytes[copy]
    sums = np.zeros((3, len(group)), np.uint64)
    for row, values in zip(sums, (size, timed_bytes, timed_ns), strict=True):
        np.add.at(row, index, values.astype(np.uint64))
    return Copies(
        pid=records.pid[copy[first]],
        kind=records.kind[copy[first]],
        host=host[first],
        count=np.bincount(index, minlength=len(group)).astype(np.uint64),
        size_bytes=sums[0],
        timed_bytes=sums[1],
        timed_ns=sums[2],
    )


def host_side(records: Columns, process: Ints, made: Allocations, copy: I64) -> U8:
    """What the host's side of copies lay in when they began, as `Host`.

    Args:
        records: R records.
        process: The program of each.
        made: The allocations.
        copy: The places of the copies among the records.
    """
    pinned = (made.pinned != 0) & (made.ending != Ending.FAILED)
    host = np.where(pinned, made.origin, made.object)
    managed = (made.memory == Memory.MANAGED) & (made.ending != Ending.FAILED)
    range_at = np.flatnonzero((pinned | managed) & (host != 0) & (made.size_bytes > 0))
    low, mine = host[range_at], made.process[range_at].astype(np.int64)
    high = low + made.size_bytes[range_at]
    begin = records.address[copy]
    low_at, high_at, first, last = places(
        (mine, low),
        (mine, high),
        (process[copy], begin),
        (process[copy], begin + records.size_bytes[copy]),
    )
    ends = np.where(made.end_ns[range_at] == 0, NEVER, as_time(made.end_ns[range_at]))
    near = within(
        low_at,
        high_at,
        as_time(made.start_ns[range_at]),
        ends,
        first,
        as_time(records.start_ns[copy]),
    )
    found = np.flatnonzero(near >= 0)
    found = found[last[found] <= high_at[near[found]]]
    side = np.full(len(copy), Host.PAGEABLE, np.uint8)
    side[found] = np.where(pinned[range_at[near[found]]], Host.PINNED, Host.MANAGED)
    side[records.flags[copy] & FLAG_PINNED != 0] = Host.PINNED
    return side


def _timed(records: Columns, process: I32, copy: I64, told: Ran) -> tuple[U64, I64]:
    """How many bytes of each copy moved in a known time, and how long that took.

    That is what the device told, else how long a call took that waited.
    """
    ran, mine = _by_address(records, process, copy)
    ran = np.concatenate([ran, told.run])
    mine = np.concatenate([mine, np.searchsorted(copy, told.copy)])
    size, taken = np.zeros(len(copy), np.uint64), np.zeros(len(copy), np.int64)
    np.add.at(size, mine, records.size_bytes[ran])
    np.add.at(taken, mine, as_time(records.duration_ns[ran]))
    waited = (taken == 0) & (records.flags[copy] & FLAG_ASYNC == 0)
    size[waited] = records.size_bytes[copy][waited]
    taken[waited] = as_time(records.duration_ns[copy])[waited]
    size[taken == 0] = 0
    return size, taken


def _by_address(records: Columns, process: I32, copy: I64) -> tuple[I64, I64]:
    """The runs that tell an address of the host, and the copy of each.

    What ran from or to an address of the host is that of the last copy which was begun there.
    """
    ran = np.flatnonzero((records.kind == Kind.GPU_TRANSFER) & (records.address != 0))
    if not len(ran) or not len(copy):
        return ran[:0], ran[:0]
    where, asked = numbered(
        mix(process[copy].astype(np.uint32), records.address[copy]),
        mix(process[ran].astype(np.uint32), records.address[ran]),
    )
    begun = as_time(records.start_ns)
    mine = latest(where, begun[copy], asked, begun[ran])
    known = mine >= 0
    known[known] = records.size_bytes[copy[mine[known]]] == records.size_bytes[ran[known]]
    return ran[known], mine[known]

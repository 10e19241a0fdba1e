# SPDX-License-Identifier: Apache-2.0
"""Copies between host and device: from page-locked memory or not, and how fast."""

from __future__ import annotations

import numpy as np

from anaros.kinds import Kind
from anaros.pofc.memory.model import NEVER, Allocations, Copies, Ending, Host, Memory
from anaros.pofc.memory.ranges import places, within
from anaros.pofc.model import I32, I64, U8, Ints
from anaros.pofc.order import as_time, distinct, latest, mix, numbered
from anaros.records import FLAG_ASYNC, FLAG_CAPTURE, FLAG_PINNED, Columns


def copies_of(records: Columns, process: I32, made: Allocations) -> Copies:
    """Sums up the copies.

    Args:
        records: R records by start.
        process: The program of each.
        made: The allocations.
    """
    copy = np.flatnonzero(
        ((records.kind == Kind.GPU_COPY_H2D) | (records.kind == Kind.GPU_COPY_D2H))
        & (records.status == 0)
        & (records.flags & FLAG_CAPTURE == 0)
    )
    host = host_side(records, process, made, copy)
    timed = _device_time(records, process, copy)
    waited = (timed == 0) & (records.flags[copy] & FLAG_ASYNC == 0)
    timed[waited] = as_time(records.duration_ns[copy])[waited]
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
    for row, values in zip(sums, (size, np.where(timed > 0, size, 0), timed), strict=True):
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


def _device_time(records: Columns, process: I32, copy: I64) -> I64:
    """How long each copy ran on the device, 0 where that was not told.

    What ran from or to an address of the host is that of the last copy which was begun there.
    """
    ran = np.flatnonzero((records.kind == Kind.GPU_TRANSFER) & (records.address != 0))
    taken = np.zeros(len(copy), np.int64)
    if not len(ran) or not len(copy):
        return taken
    where, asked = numbered(
        mix(process[copy].astype(np.uint32), records.address[copy]),
        mix(process[ran].astype(np.uint32), records.address[ran]),
    )
    begun = as_time(records.start_ns)
    mine = latest(where, begun[copy], asked, begun[ran])
    known = mine >= 0
    known[known] = records.size_bytes[copy[mine[known]]] == records.size_bytes[ran[known]]
    np.add.at(taken, mine[known], as_time(records.duration_ns[ran[known]]))
    return taken

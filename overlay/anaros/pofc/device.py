# SPDX-License-Identifier: Apache-2.0
"""What the device did, and for whom: the order of its queues, and the buffers it copies from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anaros.kinds import Kind
from anaros.pofc.frame import Frame, Role, table_of
from anaros.pofc.lineage import Segments
from anaros.pofc.model import I64, PROBABILITY, U8, Evidence
from anaros.pofc.order import as_time, latest, mix, numbered
from anaros.pofc.owned import Owned
from anaros.pofc.requests import Table
from anaros.records import FLAG_CAPTURE, Columns

#: A kernel runs; a copy to the device, to the host runs; from the launch to the kernel's end.
RUNS, UPLOADS, DOWNLOADS, QUEUED = 0, 1, 2, 3

_LAUNCH, _COPY, _EXECUTE, _TRANSFER = 1, 2, 3, 4

_PARTS = table_of(
    {
        Kind.GPU_LAUNCH: _LAUNCH,
        Kind.GPU_COPY_H2D: _COPY,
        Kind.GPU_COPY_D2H: _COPY,
        Kind.GPU_COPY: _COPY,
        Kind.GPU_EXECUTE: _EXECUTE,
        Kind.GPU_TRANSFER: _TRANSFER,
    }
)


@dataclass(frozen=True, slots=True)
class Joined:
    """D pieces of device work, by call: places in the columns of the work and of its call."""

    work: I64
    call: I64


def join(columns: Columns) -> Joined:
    """Joins device work with the calls that enqueued it.

    Args:
        columns: N records by start.

    Returns:
        The k-th kernel (or copy) that ran on a queue with a handle (or host side) and the k-th
        call that enqueued it there; a pair whose work began before its call is left out.
    """
    device = np.flatnonzero((columns.kind ^ np.uint16(Kind.GPU_LAUNCH & 0xFF00)) < 0x100)
    device = device[columns.flags[device] & FLAG_CAPTURE == 0]
    part = _PARTS[columns.kind[device]]
    pairs = [
        _in_order(columns, device[part == work], device[part == call])
        for work, call in ((_EXECUTE, _LAUNCH), (_TRANSFER, _COPY))
    ]
    work, call = (np.concatenate(each) for each in zip(*pairs, strict=True))
    order = np.argsort(call, kind="stable")
    return Joined(work[order], call[order])


def _in_order(columns: Columns, work: I64, calls: I64) -> tuple[I64, I64]:
    if not len(work) or not len(calls):
        return work[:0], calls[:0]
    lane = [mix(columns.pid[at], columns.object[at]) for at in (work, calls)]
    lane = [
        mix(hashed, columns.address[at]) for hashed, at in zip(lane, (work, calls), strict=True)
    ]
    work_lane, call_lane = numbered(*lane)
    work_rank, call_rank = _rank(work_lane), _rank(call_lane)
    found = latest(call_lane, call_rank, work_lane, work_rank)
    paired = (found >= 0) & (call_rank[found] == work_rank)
    work, call = work[paired], calls[found[paired]]
    after = columns.start_ns[work] >= columns.start_ns[call]
    return work[after], call[after]


def _rank(group: I64) -> I64:
    """The how manieth of its group each entry is, from 0."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - np.searchsorted(ordered, ordered)
    return rank


def by_buffer(frame: Frame, segments: Segments, table: Table) -> None:
    """Gives segments without an owner to the one whose bytes they copy to a device.

    The copy's host side must lie in the buffer that a read of a request filled last; of buffers
    that overlap, the one that begins nearest below counts. The request must still be served.

    Args:
        frame: The threads.
        segments: The segments; changed in place.
        table: The requests.
    """
    copies = frame.where(Role.COPY)
    copies = copies[segments.owner[segments.at(copies)] < 0]
    if not len(copies):
        return
    owned = segments.owner >= 0
    reads = np.flatnonzero((frame.role == Role.READ) & owned[segments.numbers(len(frame))])
    columns = frame.columns
    at, by = frame.position[reads], frame.position[copies]
    kept = (columns.size_bytes[at] > 0) & (columns.address[at] != 0)
    reads, at = reads[kept], at[kept]
    if not len(reads):
        return
    pid, copy_pid = numbered(columns.pid[at], columns.pid[by])
    begin, host = as_time(columns.address[at]), as_time(columns.address[by])
    near = latest(pid, begin, copy_pid, host)
    asked = np.flatnonzero(near >= 0)
    buffer, copy_buffer = numbered(
        mix(columns.pid[at], columns.address[at]),
        mix(columns.pid[at[near[asked]]], columns.address[at[near[asked]]]),
    )
    last = latest(buffer, frame.end(reads), copy_buffer, frame.start(copies[asked]))
    fits = last >= 0
    asked, last = asked[fits], last[fits]
    size = as_time(columns.size_bytes[at[last]])
    inside = host[asked] + as_time(columns.size_bytes[by[asked]]) <= begin[last] + size
    owner = segments.owner[segments.at(reads[last])]
    inside &= frame.start(copies[asked]) <= table.end_ns[owner]
    copy = segments.at(copies[asked[inside]])[::-1]
    source = segments.at(reads[last[inside]])[::-1]
    # In reverse: of several copies of a segment the first decides.
    segments.owner[copy] = segments.owner[source]
    segments.evidence[copy] = Evidence.BUFFER
    trust = np.float32(PROBABILITY[Evidence.BUFFER])
    segments.probability[copy] = segments.probability[source] * trust


@dataclass(frozen=True, slots=True)
class Layers:
    """Intervals in which the device worked for a request, or work of it was queued.

    ``request``, ``begin_ns``, ``end_ns`` and ``layer`` (RUNS and so on) are of one length.
    ``works`` are the places of the device's records, ``whose`` the requests they are of.
    """

    request: I64
    begin_ns: I64
    end_ns: I64
    layer: U8
    works: I64
    whose: I64


def layers(columns: Columns, joined: Joined, owned: Owned) -> Layers:
    """What the device did for the requests that own the calls.

    Args:
        columns: N records by start.
        joined: Device work and calls, by place of the call.
        owned: The records that belong to requests.
    """
    if not len(joined.call):
        none = np.zeros(0, np.int64)
        return Layers(none, none, none, np.zeros(0, np.uint8), none, none)
    calls = np.flatnonzero(_PARTS[owned.kind])
    at = np.searchsorted(joined.call, owned.position[calls])
    at = np.minimum(at, len(joined.call) - 1)
    found = joined.call[at] == owned.position[calls]
    work, whose = joined.work[at[found]], owned.request[calls[found]]
    call = joined.call[at[found]]
    begin = as_time(columns.start_ns[work])
    end = begin + as_time(columns.duration_ns[work])
    kind = columns.kind[call]
    layer = np.full(len(work), RUNS, np.uint8)
    layer[(kind == Kind.GPU_COPY_H2D) | (kind == Kind.GPU_COPY)] = UPLOADS
    layer[kind == Kind.GPU_COPY_D2H] = DOWNLOADS
    runs = layer == RUNS
    return Layers(
        np.concatenate([whose, whose[runs]]),
        np.concatenate([begin, as_time(columns.start_ns[call[runs]])]),
        np.concatenate([end, end[runs]]),
        np.concatenate([layer, np.full(int(runs.sum()), QUEUED, np.uint8)]),
        work,
        whose,
    )

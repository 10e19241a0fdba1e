# SPDX-License-Identifier: Apache-2.0
"""What the device did, and for whom: the order of its queues, and the buffers it copies from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anaros.kinds import Kind
from anaros.pofc.frame import Frame, Role
from anaros.pofc.lineage import Segments
from anaros.pofc.model import I32, PROBABILITY, Evidence
from anaros.pofc.native import Struct, checked, lib, pointer
from anaros.pofc.order import as_time, latest, mix, numbered
from anaros.pofc.requests import Table


@dataclass(frozen=True, slots=True)
class Runs:
    """What the device did for M calls: chains of runs, those of graphs of more than one.

    ``first`` (M,) is a run of each call, -1 for none; ``position`` (W,) is the place of each run in
    the columns, ``next`` (W,) another one of the same call, -1 for none. ``native`` is all of that
    for the native side.
    """

    first: I32
    position: I32
    next: I32
    native: Struct

    def of(self, call: int) -> list[int]:
        """The places in the columns of what was done for a call, in no order."""
        found, run = [], int(self.first[call])
        while run >= 0:
            found.append(int(self.position[run]))
            run = int(self.next[run])
        return found


def runs_of(frame: Frame) -> Runs:
    """What the device did for each call.

    The k-th kernel (or copy) that ran on a queue with a handle (or host side) is that of the k-th
    call that enqueued it there; one that began before its call is left out. What ran where no call
    enqueued anything, as CUPTI tells it, but says how long it waited, is that of the nearest call
    of its thread at the time when it was enqueued.
    """
    kind = frame.columns.kind
    room = int(((kind == Kind.GPU_EXECUTE) | (kind == Kind.GPU_TRANSFER)).sum())
    first = np.full(len(frame), -1, np.int32)
    position, following = np.empty(room, np.int32), np.empty(room, np.int32)
    native = Struct("pofc_runs", count=0, first=first, position=position, next=following)
    checked(
        lib.anaros_pofc_device(
            frame.records.pointer, frame.calls.pointer, pointer(frame.call), native.pointer
        )
    )
    count = native.pointer.count
    return Runs(first, position[:count], following[:count], native)


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
    reads = frame.where(Role.READ)
    reads = reads[segments.owner[segments.number[reads]] >= 0]
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
    last = latest(buffer, frame.end_ns[reads], copy_buffer, frame.start_ns[copies[asked]])
    fits = last >= 0
    asked, last = asked[fits], last[fits]
    size = as_time(columns.size_bytes[at[last]])
    inside = host[asked] + as_time(columns.size_bytes[by[asked]]) <= begin[last] + size
    owner = segments.owner[segments.at(reads[last])]
    inside &= frame.start_ns[copies[asked]] <= table.end_ns[owner]
    copy = segments.at(copies[asked[inside]])[::-1]
    source = segments.at(reads[last[inside]])[::-1]
    # In reverse: of several copies of a segment the first decides.
    segments.owner[copy] = segments.owner[source]
    segments.evidence[copy] = Evidence.BUFFER
    trust = np.float32(PROBABILITY[Evidence.BUFFER])
    segments.probability[copy] = segments.probability[source] * trust

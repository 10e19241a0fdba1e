# SPDX-License-Identifier: Apache-2.0
"""What a device surely did for requests, as the program's own calls prove it.

Where nothing tells when works ran, the order of their stream still proves something. A work was
queued for as long as one before it, of another request, was surely not done; and from when all of
these were known to be done, it or one of its own request before it was at work for as long as
it was not done itself. What lies between is not known, and no such time is told of it.

Works of one request on one stream cannot be told apart: from a launch on it is the kernel that
counts as running, before the first launch the copy to the device, and behind the time at which the
last launch was known to be done the copy back. What another stream kept the device busy with is not
known either. So the time that a kernel ran is at most what is told here, and the queue is at least.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anaros.kinds import Kind
from anaros.pofc.device import Runs
from anaros.pofc.frame import Frame
from anaros.pofc.lineage import Segments
from anaros.pofc.model import I32, I64, U8, U16, Launches, Mask
from anaros.pofc.native import Struct
from anaros.pofc.proofs import (
    NEVER_NS,
    UNKNOWN_NS,
    Works,
    about_streams,
    running_most,
    works_in,
    works_of,
)

#: ``enum layer`` of the native side.
RUNS, UPLOADS, DOWNLOADS, QUEUED = range(4)

_LAUNCHES = (Kind.GPU_LAUNCH, Kind.GPU_GRAPH)
_UPLOADS = (Kind.GPU_COPY_H2D, Kind.GPU_COPY, Kind.GPU_MEMSET)


@dataclass(frozen=True, slots=True)
class Spells:
    """Times in which the device surely did something for calls of the frame.

    ``call``, ``layer``, ``begin_ns`` and ``end_ns`` are (S,); ``native`` is all of that for the
    native side.
    """

    call: I32
    layer: U8
    begin_ns: I64
    end_ns: I64
    native: Struct


def launches_of(frame: Frame, runs: Runs, works: Works | None) -> Launches:
    """How many launches there are, and of how many the time on the device is known.

    Args:
        frame: The threads.
        runs: What was told that the device did.
        works: What is proven of the works, if that was asked for.
    """
    mine = frame.call[works_in(frame.columns)]
    mine = mine[mine >= 0]
    mine = mine[np.isin(frame.kind[mine], _LAUNCHES)]
    told = runs.first[mine] >= 0
    bounded = 0
    if works is not None:
        ended = frame.call[works.place[works.done_ns != UNKNOWN_NS]]
        has_end = np.zeros(len(frame), np.bool_)
        has_end[ended[ended >= 0]] = True
        bounded = int((has_end[mine] & ~told).sum())
    return Launches(len(mine), int(told.sum()), bounded)


def proven(frame: Frame, runs: Runs) -> Works | None:
    """What the calls prove of works that nothing tells of; None where there are none."""
    columns, place = about_streams(frame.columns)
    work = works_in(columns)
    call = frame.call[place[work]]
    if not (runs.first[call[call >= 0]] < 0).any():
        return None
    found = works_of(columns, work)
    return Works(place[found.place], *(getattr(found, name) for name in Works.__slots__[1:]))


def spells_of(frame: Frame, segments: Segments, runs: Runs, works: Works) -> Spells | None:
    """What the device surely did for the requests; None if nothing is sure.

    Args:
        frame: The threads.
        segments: Their segments; owners are requests.
        runs: What was told that the device did.
        works: What is proven of the works.
    """
    call = frame.call[works.place]
    owner = np.where(call >= 0, segments.owner[segments.at(np.maximum(call, 0))], -1)
    first = _heads(works, owner)
    group = np.cumsum(first) - 1
    heads = np.flatnonzero(first)[group]
    kind = frame.columns.kind[works.place]
    # Until then one of another request before it was surely not done; by then all were.
    not_before, free = _before(works, heads)
    open_ = (call >= 0) & (owner >= 0)
    open_[open_] &= runs.first[call[open_]] < 0
    sure = open_ & (works.late_ns > NEVER_NS) & ~_waits_between(works, heads)
    begin = np.maximum(works.end_ns, free)
    launched, until = _kernels(works, kind, heads)
    until = np.where(launched, np.minimum(works.late_ns, until), begin)
    queued = open_ & np.isin(kind, _LAUNCHES) & (not_before > works.start_ns)
    own = np.where(
        np.isin(kind, _UPLOADS), UPLOADS, np.where(kind == Kind.GPU_COPY_D2H, DOWNLOADS, RUNS)
    ).astype(np.uint8)
    parts = [
        _part(call, np.full(len(call), QUEUED, np.uint8), works.start_ns, not_before, queued),
        _part(call, np.full(len(call), RUNS, np.uint8), begin, until, sure & launched),
        _part(call, own, np.maximum(begin, until), works.late_ns, sure),
    ]
    calls, layer, begun, ended = (np.concatenate(each) for each in zip(*parts, strict=True))
    if not len(calls):
        return None
    first_of, following = np.full(len(frame), -1, np.int32), np.full(len(calls), -1, np.int32)
    order = np.argsort(calls, kind="stable")
    same = np.flatnonzero(np.diff(calls[order]) == 0)
    following[order[same]] = order[same + 1]
    first_of[calls[order][::-1]] = order[::-1]
    native = Struct(
        "pofc_spells", first=first_of, layer=layer, begin_ns=begun, end_ns=ended, next=following
    )
    return Spells(calls, layer, begun, ended, native)


def _part(call: I32, layer: U8, begin: I64, end: I64, chosen: Mask) -> tuple[I32, U8, I64, I64]:
    kept = chosen & (end > begin)
    return call[kept].astype(np.int32), layer[kept], begin[kept], end[kept]


def _heads(works: Works, owner: I64) -> Mask:
    """Where another request's works begin on a stream, or none was left of those before."""
    first = np.ones(len(works), np.bool_)
    first[1:] = (
        (np.diff(works.stream) != 0)
        | (np.diff(owner) != 0)
        | (works.start_ns[1:] > works.done_ns[:-1])
    )
    return first


def _before(works: Works, heads: I64) -> tuple[I64, I64]:
    """Of what is before a group on its stream: until when it was not done, and when it was."""
    late = running_most(works.late_ns, works.stream)
    before = np.maximum(heads - 1, 0)
    none = (heads == 0) | (works.stream[before] != works.stream[heads])
    return (
        np.where(none, NEVER_NS, late[before]),
        np.where(none, NEVER_NS, works.done_ns[before]),
    )


def _kernels(works: Works, kind: U16, heads: I64) -> tuple[Mask, I64]:
    """Whether a kernel is among a group's works so far, and when the last of these was done."""
    place = np.where(np.isin(kind, _LAUNCHES), np.arange(len(works)), -1)
    last = np.maximum.accumulate(place) if len(place) else place
    return last >= heads, works.done_ns[np.maximum(last, 0)]


def _waits_between(works: Works, heads: I64) -> Mask:
    """Whether the stream was told to wait for an event since the work before a group."""
    before = np.maximum(heads - 1, 0)
    none = (heads == 0) | (works.stream[before] != works.stream[heads])
    found: Mask = works.waited_ns > np.where(none, NEVER_NS, works.start_ns[before])
    return found

# SPDX-License-Identifier: Apache-2.0
"""From owned records to stages and waits, a block of requests at a time.

Records are sorted once, by request and start. Then blocks of whole requests are cut and added
up, each small enough to stay in the cache, as many at once as there are processors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anaros.pofc import device, stages, waits
from anaros.pofc.blocks import Mapper
from anaros.pofc.frame import Frame, Role
from anaros.pofc.lineage import Segments
from anaros.pofc.model import I32, I64, U8, U32, U64, Evidence, Spans
from anaros.pofc.order import as_time, bits
from anaros.pofc.owned import Line, Owned, Runs
from anaros.pofc.scheduler import Adding, OffCpu
from anaros.records import Columns

_WORD_BITS = 64
_BLOCK = 1 << 17


@dataclass(frozen=True, slots=True)
class Times:
    """R requests that were answered: when, and by which thread they were received."""

    start_ns: I64
    duration_ns: I64
    pid: U32
    tid: U32

    def __len__(self) -> int:
        return len(self.start_ns)


@dataclass(frozen=True, slots=True)
class Explained:
    """The spans; owner and evidence of all N records; how many have each kind of evidence.

    ``unowned`` counts the calls of the serving threads that belong to no request.
    """

    spans: Spans
    owner: I64
    evidence: U8
    counts: I64
    unowned: int
    kernel_plane: bool


@dataclass(frozen=True, slots=True)
class _Sources:
    """What all blocks read, and the arrays that each fills its own places of."""

    columns: Columns
    roles: U8
    calls: Frame
    segments: Segments
    number: I32
    times: Times
    turns: tuple[I64, I64]
    joined: device.Joined
    off: OffCpu | None
    owner: I64
    evidence: U8
    places: I32 | None


def explain(
    columns: Columns,
    roles: U8,
    calls: Frame,
    segments: Segments,
    times: Times,
    adding: Adding | None,
    run: Mapper,
) -> Explained:
    """Says what each request did when.

    Args:
        columns: N records by start.
        roles: (N,) role of each.
        calls: M calls, thread by thread.
        segments: The segments of the calls; owners are indices in ``times``.
        times: The requests.
        adding: What the scheduler saw; None without the kernel plane.
        run: Runs the blocks.
    """
    number = segments.numbers(len(calls))
    whose = segments.owner.astype(np.int32)[number]
    whose[segments.start[segments.rests]] = -1
    owner = np.full(len(columns), -1, np.int64)
    evidence = np.zeros(len(columns), np.uint8)
    counts = np.zeros(len(Evidence), np.int64)
    packed, widths = _sorted(columns, calls, whose, len(times))
    sources = _Sources(
        columns=columns,
        roles=roles,
        calls=calls,
        segments=segments,
        number=number,
        times=times,
        turns=_turns(segments),
        joined=device.join(columns),
        off=None if adding is None else adding.done(),
        owner=owner,
        evidence=evidence,
        places=None if widths[2] else _places(calls, len(columns)),
    )
    blocks = _blocks(packed, sum(widths[1:]), len(times))
    done = list(run(lambda block: _block(sources, packed[block[0]], block[1], widths), blocks))
    for _, counted in done:
        counts += counted
    unowned = max(len(calls) - int(counts.sum() - counts[Evidence.DEVICE_ORDER]), 0)
    spans = _joined([each for each, _ in done])
    return Explained(spans, owner, evidence, counts, unowned, adding is not None)


def _sorted(
    columns: Columns, calls: Frame, whose: I32, requests: int
) -> tuple[U64, tuple[int, int, int]]:
    """Request, place in the columns and place in the frame of each owned call, sorted.

    All three fit a word while there are fewer than 2**16 requests in 2**24 records, or as many
    bits in all; beyond that the place in the frame is left out (its width is 0), and is looked
    up by the place in the columns.
    """
    widths = (
        bits(max(requests, 2)),
        bits(max(len(columns), 2)),
        bits(max(len(calls), 2)),
    )
    kept = np.flatnonzero(whose >= 0)
    packed = whose[kept].astype(np.uint64)
    packed <<= np.uint64(widths[1])
    packed |= calls.position[kept].view(np.uint64)
    if sum(widths) > _WORD_BITS:
        widths = (widths[0], widths[1], 0)
    else:
        packed <<= np.uint64(widths[2])
        packed |= kept.view(np.uint64)
    packed.sort()
    return packed, widths


def _places(calls: Frame, count: int) -> I32:
    """For each of ``count`` records its place in the frame; -1 for those that are not in it."""
    places = np.full(count, -1, np.int32)
    places[calls.position] = np.arange(len(calls), dtype=np.int32)
    return places


def _blocks(packed: U64, low_bits: int, requests: int) -> list[tuple[slice, tuple[int, int]]]:
    """Slices of the owned records, and the requests that they are of."""
    cuts = [0]
    edges = [0]
    while cuts[-1] < len(packed):
        probe = min(cuts[-1] + _BLOCK, len(packed)) - 1
        request = int(packed[probe] >> np.uint64(low_bits)) + 1
        if probe == len(packed) - 1:
            request = requests
        bound = np.uint64(request << low_bits)
        cuts.append(int(np.searchsorted(packed, bound)) if request < requests else len(packed))
        edges.append(request)
    return [
        (slice(cuts[at], cuts[at + 1]), (edges[at], edges[at + 1])) for at in range(len(cuts) - 1)
    ]


def _turns(segments: Segments) -> tuple[I64, I64]:
    """Owner and number of the segments that a thread turned to a request with, by owner.

    What a thread did before it received a request was not for it: a segment that begins with a
    receive has no such time, unless the thread was with the same request before.
    """
    before = np.concatenate(([-1], segments.owner[:-1]))
    same = np.concatenate(([False], segments.thread[1:] == segments.thread[:-1]))
    stays = same & (before == segments.owner)
    number = np.flatnonzero((segments.owner >= 0) & (~segments.receives | stays))
    number = number[np.argsort(segments.owner[number], kind="stable")]
    return segments.owner[number], number


def _block(
    sources: _Sources, packed: U64, edges: tuple[int, int], widths: tuple[int, int, int]
) -> tuple[Spans, I64]:
    """The spans of the requests from ``edges[0]`` to ``edges[1]``, and counts of evidence."""
    columns, times, segments = sources.columns, sources.times, sources.segments
    first = edges[0]
    start_ns = times.start_ns[first : edges[1]]
    line = Line.of(start_ns, times.duration_ns[first : edges[1]])
    owned = _owned(sources, packed, widths, first, line)
    proof = segments.evidence[owned.segment]
    proof[sources.roles[owned.position] == Role.ANCHOR] = Evidence.CONNECTION
    sources.owner[owned.position] = owned.request + first
    sources.evidence[owned.position] = proof
    counts = np.bincount(proof, minlength=len(Evidence))
    intervals = device.layers(columns, sources.joined, owned)
    sources.owner[intervals.works] = intervals.whose + first
    sources.evidence[intervals.works] = Evidence.DEVICE_ORDER
    counts[Evidence.DEVICE_ORDER] += len(intervals.works)
    owners, numbers = sources.turns
    turns = slice(*np.searchsorted(owners, edges))
    number = numbers[turns]
    turned = (owners[turns] - first, number, segments.opened_ns[number])
    marks = stages.Marks.of(line, turned, intervals)
    runs = Runs.of(owned, marks.place)
    cells = stages.cut(columns, sources.roles, line, runs.merged, marks)
    turned_to = marks.segment[marks.segment >= 0]
    waited = np.where(segments.rests[turned_to], segments.start[turned_to], -1)
    shares = waits.share(columns, cells, runs, waited, len(start_ns), sources.off)
    return _spans(sources, cells, line, shares, first), counts


def _owned(
    sources: _Sources, packed: U64, widths: tuple[int, int, int], first: int, line: Line
) -> Owned:
    """The calls of a block."""
    columns = sources.columns
    low = [np.uint64((1 << width) - 1) for width in widths]
    call = (packed & low[2]).view(np.int64)
    packed = packed >> np.uint64(widths[2])
    position = (packed & low[1]).view(np.int64)
    if sources.places is not None:
        call = sources.places[position].astype(np.int64)
    packed >>= np.uint64(widths[1])
    request = packed.view(np.int64)
    request -= first
    start = as_time(columns.start_ns[position])
    end = start + as_time(columns.duration_ns[position])
    # Where they lie on the line, and where their requests do.
    start -= (line.start_ns - line.begin)[request]
    end -= (line.start_ns - line.begin)[request]
    low_end, high_end = line.begin[request], line.end[request]
    inside = (start <= high_end) & (end >= low_end)
    if not inside.all():
        kept = np.flatnonzero(inside)
        request, position, call = request[kept], position[kept], call[kept]
        start, end = start[kept], end[kept]
        low_end, high_end = low_end[kept], high_end[kept]
    begin, end = np.clip(start, low_end, high_end), np.clip(end, low_end, high_end)
    kind = columns.kind[position]
    return Owned(position, kind, request, call, sources.number[call], begin, end)


def _spans(
    sources: _Sources, cells: stages.Cells, line: Line, shares: waits.Shares, first: int
) -> Spans:
    frame, segments, times = sources.calls, sources.segments, sources.times
    request, stage = np.nonzero(shares.total)
    cell = shares.first[request, stage]
    total = shares.total[request, stage].astype(np.uint64)
    split = shares.waits[:, request, stage].astype(np.uint64)
    waited = split.sum(axis=0)
    segment = cells.segment[cell]
    thread = segments.thread[np.maximum(segment, 0)]
    known = segment >= 0
    start = line.start_ns[request] + shares.entered[request, stage] - line.begin[request]
    whom = request + first
    return Spans(
        request=whom.astype(np.uint64),
        stage=stage.astype(np.uint8),
        start_ns=start.astype(np.uint64),
        duration_ns=total,
        self_ns=total - waited,
        wait_ns=waited,
        wait_runqueue_ns=split[waits.RUNQUEUE],
        wait_io_ns=split[waits.IO],
        wait_lock_ns=split[waits.LOCK],
        wait_device_ns=split[waits.DEVICE],
        pid=np.where(known, frame.pid[thread], times.pid[whom]),
        tid=np.where(known, frame.tid[thread], times.tid[whom]),
    )


def _joined(parts: list[Spans]) -> Spans:
    if not parts:
        return Spans.empty()
    names = Spans.__slots__
    return Spans.of({n: np.concatenate([getattr(part, n) for part in parts]) for n in names})

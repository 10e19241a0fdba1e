# SPDX-License-Identifier: Apache-2.0
"""The rules of the analysis again, record by record and as slow as that is.

Shares the tables (which kind says what) with the analysis, and none of its array code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from pofc_oracle_kernel import apart
from pofc_oracle_kernel import off_cpu as off_cpu

from anaros.kinds import Kind
from anaros.pofc import stages, steps, waits
from anaros.pofc.frame import ROLES, Role
from anaros.pofc.lineage import Begins
from anaros.pofc.model import STAGES
from anaros.pofc.requests import BLOCKED_NS
from anaros.pofc.stages import Code
from anaros.pofc.waits import Blocks, Cause
from anaros.records import FLAG_ASYNC, FLAG_CAPTURE, FLAG_PEEK, Columns


@dataclass
class Exchange:
    """One request on a connection."""

    connection: int
    first: int
    start: int = 0
    end: int | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    tid: int = 0


def rows(columns: Columns) -> list[dict[str, int]]:
    """The records as dictionaries, with their ends."""
    names = list(columns.as_dict())
    listed = [
        dict(zip(names, map(int, values), strict=True)) for values in zip(*columns, strict=True)
    ]
    for row in listed:
        row["end"] = row["start_ns"] + row["duration_ns"]
    return listed


def exchanges(columns: Columns) -> list[Exchange]:
    """The requests of all server connections, the open ones too, by start."""
    records = rows(columns)
    accepted = {
        row["object"]: row
        for row in records
        if row["kind"] == Kind.NET_ACCEPT and row["status"] >= 0 and row["object"]
    }
    made = {row["object"] for row in records if row["kind"] in (Kind.NET_CONNECT, Kind.NET_SOCKET)}
    connections: dict[int, list[tuple[int, int, int, dict[str, int]]]] = {}
    shapes: dict[int, list[bool]] = {}
    for place, row in enumerate(records):
        receives = row["kind"] == Kind.NET_RECV
        if row["kind"] not in (Kind.NET_RECV, Kind.NET_SEND) or not row["size_bytes"]:
            continue
        if row["flags"] & FLAG_PEEK or not row["object"]:
            continue
        when = row["end"] if receives else row["start_ns"]
        connections.setdefault(row["object"], []).append((when, not receives, place, row))
        shapes.setdefault(row["object"], []).append(receives)
    found: list[Exchange] = []
    for connection, moves in connections.items():
        shape = shapes[connection]
        if connection in accepted:
            pass
        elif connection in made or not shape[0] or all(shape):
            continue
        found += _exchanges(connection, sorted(moves, key=lambda move: move[:3]), records)
    return sorted(found, key=lambda each: each.start)


def _exchanges(
    connection: int,
    moves: list[tuple[int, int, int, dict[str, int]]],
    records: list[dict[str, int]],
) -> list[Exchange]:
    found: list[Exchange] = []
    previous = "send"
    for _, sends, _, row in moves:
        if not sends:
            if previous == "send":
                found.append(Exchange(connection, row["start_ns"], tid=row["tid"]))
                _begin(found, row, records)
            found[-1].bytes_in += row["size_bytes"]
            previous = "receive"
        else:
            previous = "send"
            if found:
                each = found[-1]
                each.end = max(each.end or 0, row["end"])
                each.bytes_out += row["size_bytes"]
    for at, each in enumerate(found):
        before = found[at - 1].end if at else 0
        each.start = max(each.start, before or 0)
        if each.end is not None:
            each.start = min(each.start, each.end)
    return found


def _begin(found: list[Exchange], row: dict[str, int], records: list[dict[str, int]]) -> None:
    """When the bytes of a request were there."""
    floor = (found[-2].end or 0) if len(found) > 1 else 0
    arrived = [
        other["end"]
        for other in records
        if other["kind"] == Kind.NET_ACCEPT
        and other["status"] >= 0
        and other["object"] == row["object"]
        and other["end"] <= row["start_ns"]
    ]
    floor = max(floor, max(arrived, default=0))
    polls = [
        other["end"]
        for other in records
        if other["kind"] == Kind.POLL_WAIT
        and other["status"] > 0
        and (other["pid"], other["tid"]) == (row["pid"], row["tid"])
        and other["end"] <= row["start_ns"]
    ]
    if polls and max(polls) >= floor:
        found[-1].start = max(polls)
    elif row["duration_ns"] >= BLOCKED_NS:
        found[-1].start = row["end"]
    else:
        found[-1].start = row["start_ns"]


def in_turn(requests: list[tuple[int, int]], pieces: list[tuple[int, int]]) -> list[int]:
    """Work is given out piece by piece to the request that waits longest and fits."""
    found = [-1] * len(pieces)
    waiting = sorted(range(len(requests)), key=lambda request: requests[request][0])
    for piece in sorted(range(len(pieces)), key=lambda piece: pieces[piece][0]):
        start, takes = pieces[piece]
        for request in waiting:
            begin, lasts = requests[request]
            if begin <= start and start + takes <= begin + lasts:
                found[piece] = request
                waiting.remove(request)
                break
    return found


def device_pairs(columns: Columns) -> dict[int, int]:
    """Call of each piece of device work, by places."""
    records, pairs = rows(columns), {}
    for work, calls in (
        (Kind.GPU_EXECUTE, (Kind.GPU_LAUNCH,)),
        (Kind.GPU_TRANSFER, (Kind.GPU_COPY_H2D, Kind.GPU_COPY_D2H, Kind.GPU_COPY)),
    ):
        lanes: dict[tuple[int, int, int], tuple[list[int], list[int]]] = {}
        for place, row in enumerate(records):
            lane = lanes.setdefault((row["pid"], row["object"], row["address"]), ([], []))
            if row["flags"] & FLAG_CAPTURE:
                continue
            if row["kind"] == work:
                lane[0].append(place)
            elif row["kind"] in calls:
                lane[1].append(place)
        for works, called in lanes.values():
            pairs |= {
                at: call
                for at, call in zip(works, called, strict=False)
                if records[at]["start_ns"] >= records[call]["start_ns"]
            }
            if not called:
                pairs |= _by_time(records, works)
    return pairs


def _by_time(records: list[dict[str, int]], works: list[int]) -> dict[int, int]:
    """Call of each piece of work that says how long it waited: the nearest of its thread."""
    pairs = {}
    kinds = {
        Kind.GPU_EXECUTE: {Kind.GPU_LAUNCH, Kind.GPU_GRAPH},
        Kind.GPU_TRANSFER: {
            Kind.GPU_COPY_H2D,
            Kind.GPU_COPY_D2H,
            Kind.GPU_COPY,
            Kind.GPU_COPY_D2D,
            Kind.GPU_MEMSET,
            Kind.GPU_GRAPH,
        },
    }
    for work in works:
        row = records[work]
        when = row["start_ns"] - row["context"]
        near = [
            (max(call["start_ns"] - when, when - call["end"], 0), place)
            for place, call in enumerate(records)
            if call["kind"] in kinds[Kind(row["kind"])]
            and (call["pid"], call["tid"]) == (row["pid"], row["tid"])
            and not call["flags"] & FLAG_CAPTURE
        ]
        if row["context"] and near and min(near)[0] <= 20_000:
            pairs[work] = min(near)[1]
    return pairs


@dataclass
class Entry:
    """Something on the time of a request: a call, or a place where a thread turned to it."""

    begin: int
    end: int
    segment: int
    call: int = -1
    code: int = Code.NEUTRAL
    blocked: int | None = None
    kind: int = 0


@dataclass
class Share:
    """Time of a request in each stage, when it entered each, and its waits by cause."""

    total: list[int] = field(default_factory=lambda: [0] * len(STAGES))
    entered: list[int | None] = field(default_factory=lambda: [None] * len(STAGES))
    waits: list[list[int]] = field(default_factory=lambda: [[0] * len(Cause) for _ in STAGES])


def share(columns: Columns, known: Any, request: int) -> Share:
    """The stages of one request, found instant by instant.

    Args:
        columns: The records by start.
        known: What the analysis knows before it cuts: calls, segments, times, and whether the
            kernel plane was there.
        request: Which request.
    """
    records = rows(columns)
    start = int(known.times.start_ns[request])
    end = start + int(known.times.duration_ns[request])
    entries = _entries(records, known, request, start, end)
    _decide(records, known, entries, set(device_pairs(columns).values()))
    layers = _layers(columns, records, known, request, start, end)
    points = {start, end}
    for entry in entries:
        points |= {entry.begin, entry.end}
    for begin, stop, _ in layers:
        points |= {begin, stop}
    result = Share()
    cut = sorted(points)
    for begin, stop in pairwise(cut):
        stage, cause = _instant(entries, layers, begin)
        result.total[stage] += stop - begin
        if result.entered[stage] is None:
            result.entered[stage] = begin
        if cause is not None:
            result.waits[stage][cause] += stop - begin
    if known.kernel:
        off = off_cpu(records, known.calls), apart(records, known.calls)
        _add_off_cpu(result, entries, layers, off, known.segments, end)
    for total, causes in zip(result.total, result.waits, strict=True):
        for cause in Cause:
            causes[cause] = min(max(causes[cause], 0), total)
            total -= causes[cause]
    return result


def _add_off_cpu(
    result: Share,
    entries: list[Entry],
    layers: list[tuple[int, int, str]],
    kernel: tuple[list[list[int]], list[list[tuple[int, int, int]]]],
    segments: Any,
    request_end: int,
) -> None:
    """Adds what the scheduler saw to the waits."""
    off, besides = kernel
    for at, entry in enumerate(entries):
        if entry.call < 0 or any(begin <= entry.begin < end for begin, end, _ in layers):
            continue
        within, within_queued, after, after_queued, asleep = off[entry.call]
        (throttled, memory, awake), (gap_throttled, gap_memory, gap_awake) = besides[entry.call]
        settled = _settled(entries, at, segments)
        after = min(after + gap_awake, _idle_behind(entries, at, settled, request_end))
        gap_throttled = min(gap_throttled, after)
        gap_memory = min(gap_memory, after - gap_throttled)
        after -= gap_throttled + gap_memory
        after_queued = min(after_queued, after)
        own = result.waits[_own(entries, at)]
        cause = int(waits.CAUSE[entry.kind]) if entry.blocked is None else entry.blocked
        spent = within + awake if entry.blocked is None else 0
        own[cause] += spent - within_queued - throttled - memory
        own[Cause.RUNQUEUE] += within_queued
        own[Cause.THROTTLED] += throttled
        own[Cause.MEMORY] += memory
        gap = result.waits[_gap(entries, at)]
        gap[Cause.THROTTLED] += gap_throttled
        gap[Cause.MEMORY] += gap_memory
        if _hands_over(entries, layers, settled):
            gap[Cause.LOCK] -= after_queued + gap_throttled + gap_memory
            gap[Cause.RUNQUEUE] += after_queued
            continue
        asleep = min(asleep, after)
        late = max(after_queued - (after - asleep), 0)
        gap[Cause.IO] += max(asleep - late, 0)
        gap[Cause.RUNQUEUE] += min(late, asleep) + after_queued - late
        gap[Cause.LOCK] += after - asleep - (after_queued - late)
    for causes in result.waits:
        causes[:] = [max(time, 0) for time in causes]
    for at, entry in enumerate(entries):
        if entry.call >= 0 or not at:
            continue
        if segments.kind[entry.segment] not in (Begins.POLL, Begins.IDLE):
            continue
        queued = min(off[segments.start[entry.segment]][1], _handed(entries, layers, at))
        causes = result.waits[_gap(entries, at - 1)]
        causes[Cause.RUNQUEUE] += queued
        causes[Cause.LOCK] -= queued


def _settled(entries: list[Entry], at: int, segments: Any) -> int:
    """The last of the turns to the request that the thread of an entry takes right behind it."""
    thread = segments.thread[entries[at].segment]
    while at + 1 < len(entries):
        following = entries[at + 1]
        if following.call >= 0 or segments.thread[following.segment] != thread:
            break
        at += 1
    return at


def _idle_behind(entries: list[Entry], at: int, settled: int, request_end: int) -> int:
    """How long no thread works on the request behind an entry, until the next one does."""
    until = entries[settled + 1].begin if settled + 1 < len(entries) else request_end
    covers = [e.end for e in entries[:at] if e.kind != Kind.SYNC_WAIT and e.call >= 0]
    return max(until - max([entries[at].end, *covers]), 0)


def _gap(entries: list[Entry], at: int) -> int:
    """The stage of what lies behind an entry."""
    before = next(e.code for e in reversed(entries[: at + 1]) if e.code != Code.NEUTRAL)
    after = next((e.code for e in entries[at + 1 :] if e.code != Code.NEUTRAL), Code.EDGE)
    return int(stages.BETWEEN[before, after])


def _hands_over(entries: list[Entry], layers: list[tuple[int, int, str]], at: int) -> bool:
    """Whether the request changes hands behind an entry, and nothing of the device before that."""
    if at + 1 == len(entries) or entries[at + 1].segment == entries[at].segment:
        return False
    begin, end = entries[at].begin, entries[at + 1].begin
    last = end if entries[at + 1].call >= 0 else end - 1
    return not any(begin < place <= last for layer in layers for place in layer[:2])


def _handed(entries: list[Entry], layers: list[tuple[int, int, str]], at: int) -> int:
    """How long nobody worked on the request before a thread turned to it; 0 if the device did."""
    end = entries[at].begin
    if entries[at].segment == entries[at - 1].segment:
        return 0
    busy = [min(e.end, end) for e in entries[:at] if e.kind != Kind.SYNC_WAIT]
    busy += [place for layer in layers for place in layer[:2] if place < end]
    begin = max([*busy, min(entries[at - 1].end, end)])
    return 0 if any(first <= begin < last for first, last, _ in layers) else end - begin


def _entries(
    records: list[dict[str, int]], known: Any, request: int, start: int, end: int
) -> list[Entry]:
    segments, calls = known.segments, known.calls
    order: list[tuple[int, int, int, Entry]] = []
    begins = set(segments.start[np.isin(segments.kind, (Begins.POLL, Begins.IDLE))].tolist())
    numbers = np.searchsorted(segments.start, np.arange(len(calls)), side="right") - 1

    def clip(time: int) -> int:
        return min(max(time, start), end)

    for number in range(len(segments)):
        if segments.owner[number] != request:
            continue
        same = (
            number > 0
            and segments.thread[number] == segments.thread[number - 1]
            and segments.owner[number - 1] == request
        )
        if segments.receives[number] and not same:
            continue
        at = clip(int(segments.opened_ns[number]))
        order.append((at, 0, number, Entry(at, at, number)))
    for call in range(len(calls)):
        number = int(numbers[call])
        if segments.owner[number] != request or call in begins:
            continue
        place = int(calls.position[call])
        row = records[place]
        if row["start_ns"] > end or row["end"] < start:
            continue
        entry = Entry(clip(row["start_ns"]), clip(row["end"]), number, call, kind=row["kind"])
        order.append((entry.begin, 1, place, entry))
    first = Entry(start, start, -1, code=Code.EDGE)
    return [first, *(each[3] for each in sorted(order, key=lambda each: each[:3]))]


def _decide(  # noqa: C901
    records: list[dict[str, int]], known: Any, entries: list[Entry], ran: set[int]
) -> None:
    """What each entry says about the stage."""
    told: int | None = None
    seen = launched = False
    last_enqueued = -1
    for at, entry in enumerate(entries):
        if entry.call < 0:
            continue
        row = records[int(known.calls.position[entry.call])]
        role = known.calls.role[entry.call]
        entry.code = int(stages.CODES[row["kind"]])
        entry.blocked = _blocked(row, kernel=known.kernel)
        if entry.code == Code.SIDE:
            entry.code = Code.OUTPUT if launched else Code.STAGING
        elif row["kind"] == Kind.GPU_STORAGE:
            entry.code = Code.WRITTEN if row["flags"] & 1 else Code.STAGING
        elif entry.code == Code.SYNC:
            entry.code = told if told in (Code.STAGING, Code.OUTPUT) else Code.DEVICE
            told = entry.code
            continue
        elif entry.code == Code.WRITE:
            regular = row["flags"] & 7 in (0, 1, 6) and role != Role.SIGNAL
            entry.code = Code.WRITTEN if regular else Code.NEUTRAL
        elif entry.code == Code.SEND:
            server = role not in (Role.SIGNAL, Role.NET)
            entry.code = Code.EGRESS if server else Code.NEUTRAL
        if entry.code in (Code.STAGING, Code.LAUNCH):
            last_enqueued = at
        launched = launched or entry.code == Code.LAUNCH
        behind = entry.code == Code.STAGING or row["flags"] & FLAG_ASYNC
        if not Code.STAGING <= entry.code <= Code.OUTPUT:
            continue
        if told == Code.LAUNCH and not seen and behind and entry.code != Code.LAUNCH:
            continue
        told, seen = entry.code, int(known.calls.position[entry.call]) in ran
    for at, entry in enumerate(entries):
        # A wait that turned out to be for staging counts as staging.
        if entry.code == Code.STAGING:
            last_enqueued = max(last_enqueued, at)
    for at, entry in enumerate(entries):
        if entry.code == Code.READ:
            early = last_enqueued < 0 or at < last_enqueued
            entry.code = Code.INGEST if early else Code.NEUTRAL
    for at, entry in enumerate(entries):
        if entry.call < 0:
            continue
        role = known.calls.role[entry.call]
        if role == Role.SIGNAL and entry.kind in (Kind.NET_SEND, Kind.FILE_WRITE):
            following = [each.code for each in entries[at + 1 :] if each.code != Code.NEUTRAL]
            if following and following[0] == Code.EGRESS:
                entry.code = Code.EGRESS


def _blocked(row: dict[str, int], *, kernel: bool) -> int | None:
    rule = int((waits.BLOCKS_KERNEL if kernel else waits.BLOCKS)[row["kind"]])
    limit = {
        0: None,
        Blocks.ALWAYS: -1,
        Blocks.UNLESS_ASYNC: None if row["flags"] & FLAG_ASYNC else -1,
        Blocks.SLOW: waits.SLOW_NS + row["size_bytes"],
        Blocks.LONG: BLOCKED_NS,
    }[rule]
    if limit is None or row["duration_ns"] <= limit:
        return None
    return int(waits.CAUSE[row["kind"]])


def _layers(
    columns: Columns, records: list[dict[str, int]], known: Any, request: int, start: int, end: int
) -> list[tuple[int, int, str]]:
    owned = {
        int(known.calls.position[entry.call])
        for entry in _entries(records, known, request, start, end)
        if entry.call >= 0
    }
    layers = []

    def clip(time: int) -> int:
        return min(max(time, start), end)

    for work, call in device_pairs(columns).items():
        if call not in owned:
            continue
        begin, stop = clip(records[work]["start_ns"]), clip(records[work]["end"])
        kind = records[call]["kind"]
        if kind == Kind.GPU_LAUNCH:
            layers.append((begin, stop, "runs"))
            layers.append((clip(records[call]["start_ns"]), stop, "queued"))
        elif kind == Kind.GPU_COPY_D2H:
            layers.append((begin, stop, "downloads"))
        else:
            layers.append((begin, stop, "uploads"))
    return layers


def _instant(
    entries: list[Entry], layers: list[tuple[int, int, str]], time: int
) -> tuple[int, int | None]:
    """Stage at an instant, and what is waited for."""
    at = max(index for index, entry in enumerate(entries) if entry.begin <= time)
    current = entries[at]
    covers = [entry for entry in entries[:at] if entry.kind != Kind.SYNC_WAIT and entry.call >= 0]
    covering = max(covers, key=lambda entry: entry.end, default=None)
    before = next(e.code for e in reversed(entries[: at + 1]) if e.code != Code.NEUTRAL)
    after = next((e.code for e in entries[at + 1 :] if e.code != Code.NEUTRAL), Code.EDGE)
    gap = int(stages.BETWEEN[before, after])
    launch = False
    if current.end > time:
        stage, cause = _own(entries, at), current.blocked
        launch = current.code == Code.LAUNCH
    elif covering is not None and covering.end > time:
        latest = max(i for i, e in enumerate(entries[:at]) if e.end == covering.end and e in covers)
        stage, cause = _own(entries, latest), entries[latest].blocked
    else:
        following = entries[at + 1] if at + 1 < len(entries) else None
        moved = following is not None and following.segment != current.segment
        stage, cause = gap, Cause.LOCK if moved else None
    active = {name for begin, end, name in layers if begin <= time < end}
    for name, over in (
        ("runs", stages.EXECUTE),
        ("uploads", stages.STAGING),
        ("downloads", stages.POSTPROCESS),
    ):
        if name in active:
            return over, None
    if "queued" in active:
        return stages.EXECUTE, None if launch else Cause.DEVICE_QUEUE
    return stage, cause


def _own(entries: list[Entry], at: int) -> int:
    entry = entries[at]
    if entry.code < len(stages.STAGE_OF):
        return int(stages.STAGE_OF[entry.code])
    before = next(e.code for e in reversed(entries[: at + 1]) if e.code != Code.NEUTRAL)
    after = next((e.code for e in entries[at + 1 :] if e.code != Code.NEUTRAL), Code.EDGE)
    return int(stages.BETWEEN[before, after])


def step_starts(columns: Columns) -> list[tuple[int, int]]:
    """(tid, start) of the steps of loops, the open ones too."""
    records, threads = rows(columns), {}
    for row in records:
        meaning = int(steps._MEANING[row["kind"]])
        talk = meaning == steps._OUTPUT and row["flags"] & 7 in (4, 5)
        if meaning and not talk and ROLES[row["kind"]] != Role.NONE:
            threads.setdefault((row["pid"], row["tid"]), []).append((meaning, row))
    pids = {
        row["pid"]
        for row in records
        if row["kind"] in (Kind.GPU_LAUNCH, Kind.GPU_COPY_H2D, Kind.GPU_GRAPH)
    }
    found = []
    for (pid, tid), told in threads.items():
        if pid not in pids or not any(m in (steps._ENQUEUE, steps._FINISH) for m, _ in told):
            continue
        reads = any(meaning == steps._INGEST for meaning, _ in told)
        wanted = steps._INGEST if reads else steps._ENQUEUE
        ended = not reads
        heads: list[list[tuple[int, dict[str, int]]]] = []
        for meaning, row in told:
            if meaning == wanted and ended:
                heads.append([])
                ended = False
            if heads:
                heads[-1].append((meaning, row))
            if meaning >= steps._FINISH and (reads or meaning != steps._OUTPUT):
                ended = True
        found += [
            (tid, head[0][1]["start_ns"])
            for head in heads
            if any(meaning == steps._ENQUEUE for meaning, _ in head)
        ]
    return sorted(found, key=lambda each: each[1])

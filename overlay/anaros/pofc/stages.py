# SPDX-License-Identifier: Apache-2.0
"""What a request was doing at each instant: the partition of its time into stages.

Requests are laid end to end on one line (see ``Line``), so that the records, gaps and device
intervals of all of them are cut at once. The records of a request cut its piece of the line into
*cells*, each from the start of one record to the start of the next. A cell has three portions:
the record itself while it lasts; then the record that ends last of all that began before, while
that lasts; then a gap. Over this lies what the device did:

1. while a kernel of the request runs, the stage is ``execute``;
2. while a copy of it runs on the device, it is ``staging`` or ``postprocess``;
3. from a launch to the end of its kernel it is ``execute``, waiting for the device;
4. within a record it is the stage of the record (``_CODES``);
5. within a gap, or a record that says nothing, it depends on the records around (``_BETWEEN``).

Each instant is in exactly one portion, so stages add up to the request exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anaros.kinds import Kind
from anaros.pofc.device import DOWNLOADS, QUEUED, RUNS, UPLOADS, Layers
from anaros.pofc.frame import Role, table_of
from anaros.pofc.model import I32, I64, STAGES, U8, Mask
from anaros.pofc.order import last_marked, next_marked
from anaros.pofc.owned import Line, Owned
from anaros.records import FLAG_FD_TYPE_MASK, Columns

INGEST, PREPARE, STAGING, EXECUTE, POSTPROCESS, PERSIST, EGRESS = range(len(STAGES))

# What a record says about the stage. The first eight have a stage of their own; an EDGE is a
# request's begin or end; the rest is decided from the request as a whole.
_I, _P, _S, _L, _D, _O, _W, _G, _NEUTRAL, _EDGE, _READ, _SYNC, _SIDE, _WRITE, _SEND = range(15)

_STAGE_OF = np.array(
    [INGEST, PREPARE, STAGING, EXECUTE, EXECUTE, POSTPROCESS, PERSIST, EGRESS], np.uint8
)

_CODES = table_of(
    {
        Kind.FILE_OPEN: _READ,
        Kind.FILE_READ: _READ,
        Kind.FILE_MMAP: _READ,
        Kind.FILE_STAT: _READ,
        Kind.NET_RECV: _READ,
        Kind.FILE_WRITE: _WRITE,
        Kind.FILE_SYNC: _W,
        Kind.FILE_COPY: _W,
        Kind.FILE_SENDFILE: _G,
        Kind.NET_SEND: _SEND,
        Kind.GPU_BUILD: _P,
        Kind.GPU_ALLOC: _S,
        Kind.GPU_MEMSET: _S,
        Kind.GPU_COPY_H2D: _S,
        Kind.GPU_LAUNCH: _L,
        Kind.GPU_GRAPH: _L,
        Kind.GPU_COPY_D2D: _L,
        Kind.GPU_SYNC: _SYNC,
        Kind.GPU_COPY: _SIDE,
        Kind.GPU_MAP: _SIDE,
        Kind.GPU_UNMAP: _SIDE,
        Kind.GPU_COPY_D2H: _O,
    },
    _NEUTRAL,
)


def _between() -> U8:
    """``table[code before, code after]``: the stage of what lies between two records."""
    table = np.empty((10, 10), np.uint8)
    table[:] = PREPARE
    table[_S] = STAGING
    table[_S, [_I, _P]] = PREPARE
    table[_S, [_O, _W, _G]] = POSTPROCESS
    table[_L] = EXECUTE
    table[_D] = POSTPROCESS
    table[_D, _D] = EXECUTE
    table[_O] = POSTPROCESS
    table[_W, _W] = PERSIST
    table[_W, [_O, _D]] = POSTPROCESS
    table[_W, _G] = EGRESS
    table[_G, [_O, _D, _W, _G]] = EGRESS
    # The end of the request belongs to what came last, its begin to the bytes that come.
    table[: len(_STAGE_OF), _EDGE] = _STAGE_OF
    table[_EDGE] = INGEST
    return table


_BETWEEN = _between()


@dataclass(frozen=True, slots=True)
class Cells:
    """C cells along the line.

    ``begin``, ``middle``, ``rest`` and ``end`` (C,) are the bounds of the three portions.
    ``cover`` is the cell whose record holds the second portion. ``at_call`` are the cells of the
    E calls, ``at_turn`` those of the marks of segments. ``stage`` is the stage of each portion.
    ``segment`` is that of the record; -1 before the first. ``layer`` is what the device did:
    0 nothing, 1 + RUNS and so on. ``launch`` says that the record is a launch.
    """

    begin: I64
    middle: I64
    rest: I64
    end: I64
    cover: I64
    request: I64
    segment: I64
    at_call: I64
    at_turn: I64
    stage: tuple[U8, U8, U8]
    layer: U8
    launch: Mask

    def __len__(self) -> int:
        return len(self.begin)


@dataclass(frozen=True, slots=True)
class Marks:
    """Places on the line where no record begins but something changes.

    ``delta`` is +1 or -1 where the device interval of ``layer`` begins or ends, else 0.
    ``segment`` is the segment that begins there, -1 for the begin of a request and -2 for a mark
    of the device, which leaves the segment as it was.
    """

    place: I64
    request: I64
    segment: I64
    delta: I64
    layer: U8

    @classmethod
    def of(
        cls,
        line: Line,
        segments: tuple[I64, I64, I64],
        intervals: Layers,
    ) -> Marks:
        """The marks of the begins of requests and segments, and of the device.

        Args:
            line: The requests.
            segments: Request, number and time of each segment that a thread turned to.
            intervals: What the device did.
        """
        requests = np.arange(len(line.begin))
        owner, number, opened = segments
        whose, layer = intervals.request, intervals.layer
        place = np.concatenate(
            [
                line.begin,
                line.place(owner, opened),
                line.place(whose, intervals.begin_ns),
                line.place(whose, intervals.end_ns),
            ]
        )
        none = np.zeros(len(requests) + len(owner), np.int64)
        order = np.argsort(place, kind="stable")
        ones = np.ones(len(whose), np.int64)
        return cls(
            place=place[order],
            request=np.concatenate([requests, owner, whose, whose])[order],
            segment=np.concatenate(
                [np.full(len(requests), -1), number, np.full(2 * len(whose), -2)]
            )[order],
            delta=np.concatenate([none, ones, -ones])[order],
            layer=np.concatenate([none.astype(np.uint8), layer, layer])[order],
        )


def cut(columns: Columns, roles: U8, line: Line, owned: Owned, marks: Marks) -> Cells:
    """Cuts the line into cells.

    Args:
        columns: N records by start.
        roles: (N,) role of each.
        line: The requests.
        owned: The calls.
        marks: Where something changes between calls.
    """
    count = len(owned.begin) + len(marks.place)
    slot = np.searchsorted(owned.begin, marks.place, side="left")
    at_mark = slot + np.arange(len(slot))
    is_call = np.ones(count, np.bool_)
    is_call[at_mark] = False
    at_call = np.flatnonzero(is_call)

    def merged(of_calls: I64 | I32, of_marks: I64 | int) -> I64:
        both = np.empty(count, np.int64)
        both[at_call] = of_calls
        both[at_mark] = of_marks
        return both

    begin = merged(owned.begin, marks.place)
    request = merged(owned.request, marks.request)
    position = merged(owned.position, -1)
    segment = merged(owned.segment, marks.segment)
    _hold_segment(segment, at_mark, marks)
    end = np.empty_like(begin)
    end[:-1] = begin[1:]
    end[-1:] = line.end[-1:]
    np.minimum(end, line.end[request], out=end)
    lasts = merged(owned.end, marks.place)
    middle, rest, cover = _portions(columns, begin, end, lasts, owned, at_call)
    edges = at_mark[marks.segment == -1]
    code = _codes(columns, roles, position, request, at_call, edges)
    before, after = _around(code)
    gap = _BETWEEN[before, after]
    own = np.where(code < len(_STAGE_OF), _STAGE_OF[np.minimum(code, _G)], gap)
    return Cells(
        begin=begin,
        middle=middle,
        rest=rest,
        end=end,
        cover=cover,
        request=request,
        segment=segment,
        at_call=at_call,
        at_turn=at_mark[marks.segment >= 0],
        stage=(own, own[cover], gap),
        layer=_layer(count, at_mark, marks),
        launch=code == _L,
    )


def _hold_segment(segment: I64, at_mark: I64, marks: Marks) -> None:
    """A mark of the device leaves the segment as it was."""
    device = at_mark[marks.segment == -2]
    if len(device):
        follows = np.diff(device, prepend=-2) == 1
        head = device[last_marked(~follows)]
        segment[device] = segment[np.maximum(head - 1, 0)]


def _portions(
    columns: Columns, begin: I64, end: I64, lasts: I64, owned: Owned, at_call: I64
) -> tuple[I64, I64, I64]:
    """Where the portions of each cell end, and whose record the second is."""
    # A thread that waits for a lock covers nothing: who it waits for is at work.
    locked = at_call[columns.kind[owned.position] == Kind.SYNC_WAIT]
    covers = lasts
    if len(locked):
        covers = lasts.copy()
        covers[locked] = begin[locked]
    furthest = np.maximum.accumulate(covers)
    holder = last_marked(covers == furthest)
    middle = np.minimum(lasts, end)
    np.maximum(middle, begin, out=middle)
    rest = np.empty_like(furthest)
    rest[1:] = furthest[:-1]
    rest[:1] = 0
    np.minimum(rest, end, out=rest)
    np.maximum(rest, middle, out=rest)
    cover = np.empty_like(holder)
    cover[1:] = holder[:-1]
    cover[:1] = 0
    return middle, rest, cover


def _codes(
    columns: Columns, roles: U8, position: I64, request: I64, at_call: I64, edges: I64
) -> U8:
    """What each cell's record says about the stage; nothing is left undecided but neutral."""
    code = np.full(len(position), _NEUTRAL, np.uint8)
    at = position[at_call]
    code[at_call] = _CODES[columns.kind[at]]
    code[edges] = _EDGE
    device = np.flatnonzero((code >= _S) & (code <= _O) | (code == _SYNC) | (code == _SIDE))
    _decide_device(code, request, device)
    enqueued = device[(code[device] == _S) | (code[device] == _L)]
    last = np.full(int(request[-1]) + 1 if len(request) else 0, -1, np.int64)
    last[request[enqueued]] = enqueued
    reads = np.flatnonzero(code == _READ)
    whose = last[request[reads]]
    code[reads] = np.where((whose < 0) | (reads < whose), _I, _NEUTRAL)
    writes = np.flatnonzero(code == _WRITE)
    place = position[writes]
    regular = np.isin(columns.flags[place] & FLAG_FD_TYPE_MASK, (0, 1, 6))
    code[writes] = np.where(regular & (roles[place] != Role.SIGNAL), _W, _NEUTRAL)
    sends = np.flatnonzero(code == _SEND)
    place = position[sends]
    code[sends] = np.where(columns.kind[place] == Kind.NET_SEND, _G, _NEUTRAL)
    code[sends[np.isin(roles[place], (Role.SIGNAL, Role.NET))]] = _NEUTRAL
    _decide_signals(code, np.sort(np.concatenate([sends, writes])), roles, position)
    return code


def _decide_device(code: U8, request: I64, device: I64) -> None:
    """What a wait waits for, and which way maps and copies go: from the device calls before."""
    if not len(device):
        return
    kind, whose = code[device], request[device]
    head = np.searchsorted(whose, whose)
    launched = last_marked(kind == _L) >= head
    kind = np.where(kind == _SIDE, np.where(launched, _O, _S), kind)
    before = last_marked(kind != _SYNC)
    waited = np.where(before >= head, kind[np.maximum(before, 0)], _D)
    waited = np.where(waited == _L, _D, waited)
    code[device] = np.where(kind == _SYNC, waited, kind)


def _decide_signals(code: U8, asked: I64, roles: U8, position: I64) -> None:
    """The signal that the reply follows is where the reply begins to leave."""
    signals = asked[roles[position[asked]] == Role.SIGNAL]
    if len(signals):
        told = np.flatnonzero(code != _NEUTRAL)
        after = np.searchsorted(told, signals)
        last = np.full(len(signals), _EDGE, np.uint8)
        reach = after < len(told)
        last[reach] = code[told[after[reach]]]
        code[signals[last == _G]] = _G


def _around(code: U8) -> tuple[U8, U8]:
    """The last code that says something up to each cell, and the first after it."""
    told = code != _NEUTRAL
    before = code[np.maximum(last_marked(told), 0)]
    follow = next_marked(told)
    after = np.full(len(code) + 1, _EDGE, np.uint8)
    after[:-1] = code
    return before, after[np.append(follow[1:], len(code))]


def _layer(count: int, at_mark: I64, marks: Marks) -> U8:
    """What the device did in each cell."""
    layer = np.zeros(count, np.uint8)
    device = np.flatnonzero(marks.delta)
    if not len(device):
        return layer
    state = np.zeros(len(device), np.uint8)
    for each in (QUEUED, DOWNLOADS, UPLOADS, RUNS):
        depth = np.cumsum(np.where(marks.layer[device] == each, marks.delta[device], 0))
        state[depth > 0] = each + 1
    place = at_mark[device]
    layer[place[0] :] = np.repeat(state, np.diff(place, append=count))
    return layer

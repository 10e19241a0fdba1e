# SPDX-License-Identifier: Apache-2.0
"""The ledger's quantities of sockets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anaros.coverage.frame import Counted, Frame, Spans
from anaros.coverage.model import I64, U64, Quantity
from anaros.coverage.owners import by_program
from anaros.coverage.series import grown, growth
from anaros.kinds import Kind
from anaros.records import FLAG_PEEK, Columns

_TCP_CLOSE = 7
#: States before the first byte: SYN_SENT, SYN_RECV, CLOSE, LISTEN (its listener), NEW_SYN_RECV.
_BEFORE_OPEN = (2, 3, 7, 10, 12)


#: By program: what its sockets moved by the kernel's count, by the shim's records, and by those of
#: the kernel that fill them.
ByProgram = tuple[U64, U64, U64]


@dataclass(frozen=True, slots=True)
class _Moved:
    """What the kernel counted on sockets, from when to when; each array has shape (N,)."""

    cookie: U64
    image: I64
    received: I64
    sent: I64
    begin_ns: I64
    end_ns: I64

    def and_(self, other: _Moved) -> _Moved:
        pairs = ((getattr(self, name), getattr(other, name)) for name in self.__slots__)
        return _Moved(*(np.concatenate(pair) for pair in pairs))

    def spans(self) -> Spans:
        return Spans.over(self.cookie, self.begin_ns, self.end_ns)


def _tcp(frame: Frame, told: Columns) -> _Moved:
    """By how much the counts of TCP sockets grew."""
    ends = (told.kind == Kind.TCP_STATE) & (told.status == _TCP_CLOSE)
    read = told.take(np.flatnonzero(ends | (told.kind == Kind.TCP_BYTES)))
    closed = (read.kind == Kind.TCP_STATE) & (read.status == _TCP_CLOSE)
    began = _first_told(told, read, frame.origin_ns)
    found, earlier = growth(read.object, read.start_ns, closed, began, frame.since_ns)
    return _Moved(
        read.object[found.place],
        frame.images.at(read.pid[found.place], read.start_ns[found.place]),
        grown(read.size_bytes, found, earlier),
        grown(read.context, found, earlier),
        found.begin_ns,
        found.end_ns,
    )


def _flows(frame: Frame) -> _Moved:
    """What was moved through each socket that is not TCP, as far as they are told one by one."""
    told = frame.of(Kind.NET_FLOW)
    told = told.take(np.flatnonzero(told.object != 0))
    end = told.start_ns + told.duration_ns
    if frame.until_ns is not None:
        whole = np.flatnonzero(end <= np.uint64(frame.until_ns))
        told, end = told.take(whole), end[whole]
    return _Moved(
        told.object,
        frame.images.at(told.pid, told.start_ns),
        told.size_bytes.astype(np.int64),
        told.context.astype(np.int64),
        told.start_ns.astype(np.int64),
        end.astype(np.int64),
    )


def sockets(
    frame: Frame, counted: dict[Quantity, Counted]
) -> tuple[dict[Quantity, ByProgram], int]:
    """Reckons the two quantities of sockets.

    Args:
        frame: What is reckoned.
        counted: Where both are put, unless nobody witnessed anything.

    Returns:
        Both by program, and how many bytes were seen on sockets that nobody witnesses.
    """
    told = frame.witnessed(frame.of(Kind.TCP_STATE, Kind.TCP_BYTES))
    told = told.take(np.flatnonzero(told.object))  # without a cookie nothing was counted either
    calls = frame.of(Kind.NET_RECV, Kind.NET_SEND)
    calls = calls.take(np.flatnonzero(calls.flags & FLAG_PEEK == 0))
    caller = frame.images.at(calls.pid, calls.start_ns)
    own, fills = frame.told(calls, caller)
    ended = calls.start_ns + calls.duration_ns
    tcp, flows = _tcp(frame, told), _flows(frame)
    by_tcp = np.isin(calls.object, told.object)
    # The probe of the others comes while the program runs: what was before is not compared.
    by_flow = flows.spans().hold(calls.object, ended)
    unwitnessed = int(calls.size_bytes[own & ~(by_tcp | by_flow)].sum())
    if frame.attached:
        by_tcp &= tcp.spans().hold(calls.object, ended)
    nothing = np.zeros(len(frame.images), np.uint64)
    by_program_of = dict.fromkeys(
        (Quantity.RECEIVED_BYTES, Quantity.SENT_BYTES), (nothing, nothing, nothing)
    )
    if not len(told) and not len(flows.cookie):
        return by_program_of, unwitnessed
    moved = tcp.and_(flows)
    cookies = np.unique(np.concatenate([told.object, flows.cookie]))
    whose = np.searchsorted(cookies, moved.cookie)
    holder = np.full(len(cookies), -1, np.int64)
    holder[whose] = moved.image
    known = (by_tcp | by_flow) & (own | fills)
    for quantity, kind, amount in (
        (Quantity.RECEIVED_BYTES, Kind.NET_RECV, moved.received),
        (Quantity.SENT_BYTES, Kind.NET_SEND, moved.sent),
    ):
        witnessed = np.zeros(len(cookies), np.uint64)
        np.add.at(witnessed, whose, amount.astype(np.uint64))
        sides, by_caller = [], []
        for side in (own, fills):
            mine = np.flatnonzero(known & (calls.kind == kind) & side)
            size, who = calls.size_bytes[mine], caller[mine]
            by_socket, by_image = np.zeros(len(cookies), np.uint64), nothing.copy()
            np.add.at(by_socket, np.searchsorted(cookies, calls.object[mine]), size)
            np.add.at(by_image, who[who >= 0], size[who >= 0])
            sides.append((by_socket, frame.at(size, ended[mine])))
            by_caller.append(by_image)
        rows = frame.spread(amount, moved.begin_ns, moved.end_ns)
        counted[quantity] = Counted.of(sides[0], sides[1], (witnessed, rows))
        mine = np.flatnonzero(known & (calls.kind == kind))
        socket = np.searchsorted(cookies, calls.object[mine])
        movers = socket, caller[mine], calls.size_bytes[mine]
        kernel = by_program(*movers, witnessed, holder, len(nothing))
        by_program_of[quantity] = kernel, by_caller[0], by_caller[1]
    return by_program_of, unwitnessed


def _first_told(told: Columns, read: Columns, origin_ns: int) -> U64:
    """When each socket began, by the first word of it; one that was open before has no count."""
    order = np.lexsort((told.start_ns, told.object))
    cookies, first = np.unique(told.object[order], return_index=True)
    head = order[first]
    new = (told.kind[head] == Kind.TCP_STATE) & np.isin(told.address[head], _BEFORE_OPEN)
    began = np.where(new, np.maximum(told.start_ns[head], np.uint64(origin_ns)), 1)
    started: U64 = began.astype(np.uint64)[np.searchsorted(cookies, read.object)]
    return started

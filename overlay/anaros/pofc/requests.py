# SPDX-License-Identifier: Apache-2.0
"""Where requests begin and end: on the connections of a server.

On one connection what is received and what is sent alternate; each receive after a send begins
a new request. A request ends with the end of its last send. It begins when its bytes were there:
at the end of the poll that the receiving thread came from. Where no poll tells, it is the start
of the first receive, or its end if that receive was long enough to have slept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anaros.kinds import Kind
from anaros.pofc.model import I64, U32, U64, Ints, Mask
from anaros.pofc.order import TIME_MAX, among, as_time, distinct, latest, mix, numbered, ordered
from anaros.records import FLAG_FD_TYPE_MASK, FLAG_PEEK, Columns

#: A receive that took longer slept until the bytes came.
BLOCKED_NS = 100_000

#: A signal to an event loop is a byte on a socket pair or a counter of eight bytes.
SIGNAL_BYTES_MAX = 8

#: What tells which sockets are connections of a server: whoever analyses a window of a run must
#: hand over these records from before it too.
CONNECTION_KINDS = (Kind.NET_ACCEPT, Kind.NET_SOCKET)


@dataclass(frozen=True, slots=True)
class Table:
    """R requests by start; the open ones (never answered) are among them.

    ``first_ns`` is the start of the first receive, ``answer_ns`` that of the first send,
    ``reply_ns`` that of the last (TIME_MAX for an open one). ``end_ns`` of an open request is
    TIME_MAX.
    """

    start_ns: I64
    end_ns: I64
    first_ns: I64
    answer_ns: I64
    reply_ns: I64
    pid: U32
    tid: U32
    connection: U64
    bytes_in: U64
    bytes_out: U64

    def __len__(self) -> int:
        return len(self.start_ns)

    @property
    def is_open(self) -> Mask:
        """Which requests were never answered."""
        return self.end_ns >= TIME_MAX

    @property
    def pids(self) -> U32:
        """The processes that serve."""
        return distinct(self.pid)


@dataclass(frozen=True, slots=True)
class Anchors:
    """Records that belong to a request beyond doubt: places in the columns, and owners."""

    position: Ints
    owner: I64


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the sockets of a run say.

    ``signal`` and ``signalled`` are the places of the records that wake an event loop, and of
    those that take the signal in.
    """

    table: Table
    anchors: Anchors
    signal: I64
    signalled: I64


def serve(columns: Columns, sockets: I64, polls: I64) -> Traffic:
    """Finds the requests of the servers in the records.

    Args:
        columns: N records by start.
        sockets: The places of what is done on sockets.
        polls: The places of the polls.
    """
    kind, cookie = columns.kind[sockets], columns.object[sockets]
    moved = (
        ((kind == Kind.NET_RECV) | (kind == Kind.NET_SEND))
        & (columns.size_bytes[sockets] > 0)
        & (columns.flags[sockets] & FLAG_PEEK == 0)
        & (cookie != 0)
    )
    accepted = (kind == Kind.NET_ACCEPT) & (columns.status[sockets] >= 0) & (cookie != 0)
    made = (kind == Kind.NET_CONNECT) | (kind == Kind.NET_SOCKET)
    transfers = sockets[moved]
    connections, number = _connections(cookie[moved])
    received = columns.kind[transfers] == Kind.NET_RECV
    alternating, one_way = _shape(number, received, len(connections))
    is_accepted = among(connections, cookie[accepted])
    is_server = is_accepted | (alternating & ~among(connections, cookie[made]))
    table, anchors = _exchanges(columns, transfers, number, is_server, sockets[accepted], polls)
    signal = (
        one_way[number]
        & ~is_server[number]
        & (columns.size_bytes[transfers] <= np.where(received, TIME_MAX, SIGNAL_BYTES_MAX))
    )
    return Traffic(table, anchors, transfers[signal & ~received], transfers[signal & received])


def _connections(cookie: U64) -> tuple[U64, I64]:
    """The cookies, ascending, and the number of each transfer's among them."""
    number = numbered(cookie)[0]
    each = np.empty(int(number.max(initial=-1)) + 1, np.uint64)
    each[number] = cookie
    order = np.argsort(each)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return each[order], rank[number]


def _shape(number: I64, received: Mask, count: int) -> tuple[Mask, Mask]:
    """Which connections begin with a receive and later send, and which go one way only."""
    receives = np.bincount(number[received], minlength=count)
    total = np.bincount(number, minlength=count)
    first = np.full(count, -1, np.int64)
    first[number[::-1]] = np.arange(len(number))[::-1]
    begins = received[first] if count else np.zeros(0, np.bool_)
    return begins & (receives < total), (receives == 0) | (receives == total)


def _exchanges(
    columns: Columns, transfers: I64, number: I64, is_server: Mask, accepts: I64, polls: I64
) -> tuple[Table, Anchors]:
    """Splits the transfers of server connections into requests."""
    kept = is_server[number]
    position, number = transfers[kept], number[kept]
    start = as_time(columns.start_ns[position])
    end = start + as_time(columns.duration_ns[position])
    received = columns.kind[position] == Kind.NET_RECV
    # A receive counts when its bytes came, a send when it began, after what came at that time.
    order = np.concatenate([np.flatnonzero(received), np.flatnonzero(~received)])
    order = order[ordered(number[order], np.where(received, end, start)[order])]
    position, number, received = position[order], number[order], received[order]
    start, end = start[order], end[order]
    same = np.zeros(len(order), np.bool_)
    same[1:] = number[1:] == number[:-1]
    fresh = received & ~(same & np.concatenate(([False], received[:-1])))
    group = np.cumsum(fresh) - 1
    heads = np.flatnonzero(fresh)
    # Sends before the first receive of a connection answer nothing that was seen.
    inside = (group >= 0) & (number[heads[group]] == number) if len(heads) else group >= 0
    position, group, received = position[inside], group[inside], received[inside]
    start, end, number = start[inside], end[inside], number[inside]
    table, rank = _tabulate(columns, position, group, received, start, end, number, accepts, polls)
    return table, Anchors(position, rank[group] if len(group) else group)


def _tabulate(
    columns: Columns,
    position: I64,
    group: I64,
    received: Mask,
    start: I64,
    end: I64,
    number: I64,
    accepts: I64,
    polls: I64,
) -> tuple[Table, I64]:
    """The table of requests, by start, and the rank of each group in it."""
    if not len(position):
        return no_requests(), group
    heads = np.flatnonzero(np.diff(group, prepend=-1))
    size = columns.size_bytes[position]
    answered = np.logical_or.reduceat(~received, heads)
    ended = np.maximum.reduceat(np.where(received, 0, end), heads)
    ended = np.where(answered, ended, TIME_MAX)
    reply = np.maximum.reduceat(np.where(received, 0, start), heads)
    follows = np.zeros(len(heads), np.bool_)
    follows[1:] = number[heads[1:]] == number[heads[:-1]]
    before = np.where(follows, np.concatenate(([0], ended[:-1])), 0)
    begun = _begins(columns, position[heads], before, accepts, polls)
    begun = np.minimum(np.maximum(begun, before), ended)
    order = np.lexsort((number[heads], begun))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    first = position[heads]
    table = Table(
        start_ns=begun[order],
        end_ns=ended[order],
        first_ns=start[heads][order],
        answer_ns=np.minimum.reduceat(np.where(received, TIME_MAX, start), heads)[order],
        reply_ns=np.where(answered, reply, TIME_MAX)[order],
        pid=columns.pid[first][order],
        tid=columns.tid[first][order],
        connection=columns.object[first][order],
        bytes_in=np.add.reduceat(np.where(received, size, 0), heads)[order],
        bytes_out=np.add.reduceat(np.where(received, 0, size), heads)[order],
    )
    return table, rank


def _begins(columns: Columns, first: I64, before: I64, accepts: I64, polls: I64) -> I64:
    """When the bytes of each request were there.

    Args:
        columns: N records by start.
        first: Places of the first receives.
        before: End of the response before on the same connection, 0 for none.
        accepts: Places of the accepts.
        polls: Places of the polls.
    """
    polls = polls[columns.status[polls] > 0]
    start = as_time(columns.start_ns[first])
    duration = as_time(columns.duration_ns[first])
    poll_end = as_time(columns.start_ns[polls]) + as_time(columns.duration_ns[polls])
    poll_thread, thread, accept_socket, socket = numbered(
        mix(columns.pid[polls], columns.tid[polls]),
        mix(columns.pid[first], columns.tid[first]),
        columns.object[accepts],
        columns.object[first],
    )
    accept_end = as_time(columns.start_ns[accepts]) + as_time(columns.duration_ns[accepts])
    accepted = latest(accept_socket, accept_end, socket, start)
    poll = latest(poll_thread, poll_end, thread, start)
    floor = before
    if len(accepts):
        floor = np.maximum(before, np.where(accepted >= 0, accept_end[accepted], 0))
    alone = np.where(duration >= BLOCKED_NS, start + duration, start)
    if not len(polls):
        return alone
    return np.where((poll >= 0) & (poll_end[poll] >= floor), poll_end[poll], alone)


def no_requests() -> Table:
    """An empty table."""
    time, word, number = np.zeros(0, np.int64), np.zeros(0, np.uint32), np.zeros(0, np.uint64)
    return Table(time, time, time, time, time, word, word, number, number, number)


def counters(columns: Columns, others: I64) -> tuple[I64, I64]:
    """The places of the records that wake an event loop by a pipe or a counter, and take it in.

    Args:
        columns: N records by start.
        others: The places of what is done on neither files nor sockets.
    """
    kind = columns.kind[others]
    flags = columns.flags[others] & FLAG_FD_TYPE_MASK
    mine = ((flags == _PIPE) | (flags == _COUNTER)) & (columns.size_bytes[others] > 0)
    written = mine & (kind == Kind.FILE_WRITE) & (columns.size_bytes[others] <= SIGNAL_BYTES_MAX)
    return others[written], others[mine & (kind == Kind.FILE_READ)]


_PIPE, _COUNTER = 4, 7

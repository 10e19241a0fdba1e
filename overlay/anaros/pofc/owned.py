# SPDX-License-Identifier: Apache-2.0
"""The calls that belong to requests, and the line on which requests lie end to end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anaros.kinds import Kind
from anaros.pofc.model import I32, I64, U16


@dataclass(frozen=True, slots=True)
class Line:
    """R requests end to end: request r lies from ``begin[r]`` to ``end[r]``, 1 ns apart.

    ``start_ns`` (R,) is the time at ``begin``.
    """

    start_ns: I64
    begin: I64
    end: I64

    @classmethod
    def of(cls, start_ns: I64, duration_ns: I64) -> Line:
        """The line of requests by start and duration."""
        end = np.cumsum(duration_ns + 1) - 1
        return cls(start_ns, end - duration_ns, end)

    def place(self, request: I64, time: I64) -> I64:
        """Where a time within a request lies on the line; times outside are clipped."""
        begin, end = self.begin[request], self.end[request]
        place: I64 = np.clip(time - self.start_ns[request] + begin, begin, end)
        return place


@dataclass(frozen=True, slots=True)
class Owned:
    """E calls that belong to requests, by request, then by start.

    ``position`` is the place of a call in the columns, ``kind`` its kind, ``call`` its place
    among the calls thread by thread, ``segment`` its segment; ``begin`` and ``end`` are places
    on the line.
    """

    position: I64
    kind: U16
    request: I64
    call: I64
    segment: I32
    begin: I64
    end: I64


@dataclass(frozen=True, slots=True)
class Runs:
    """The E calls in P runs: reads one after the other with nothing between them but the thread.

    A program reads a file in many pieces. They need no cell each: one holds them all, and
    ``pause`` (P,) ns between them. ``merged`` has the runs as if they were calls. ``number`` (E,)
    is the run of each call, ``tail`` (P,) the last call of each run.
    """

    calls: Owned
    merged: Owned
    number: I64
    tail: I64
    pause: I64

    @classmethod
    def of(cls, calls: Owned, places: I64) -> Runs:
        """The runs of calls.

        Args:
            calls: The calls.
            places: Where on the line something changes: no run goes on there.
        """
        begin, end, kind = calls.begin, calls.end, calls.kind
        joins = np.zeros(len(begin), np.bool_)
        if len(begin) > 1:
            # Nothing reaches into the pause, and the call ends before the next begins.
            clear = np.maximum.accumulate(end) == end
            clear[:-1] &= end[:-1] <= begin[1:]
            joins[1:] = (kind[1:] == kind[:-1]) & clear[1:] & clear[:-1]
            joins[1:] &= calls.request[1:] == calls.request[:-1]
            joins[1:] &= calls.segment[1:] == calls.segment[:-1]
            joins &= (kind == Kind.FILE_READ) | (kind == Kind.FILE_STAT)
            slot = np.searchsorted(begin, places, side="left")
            joins[slot[slot < len(begin)]] = False
        heads = np.flatnonzero(~joins)
        tail = np.append(heads[1:], len(begin)) - 1
        merged = Owned(
            calls.position[heads],
            kind[heads],
            calls.request[heads],
            calls.call[heads],
            calls.segment[heads],
            begin[heads],
            end[tail],
        )
        lasts = np.add.reduceat(end - begin, heads) if len(heads) else heads
        pause = merged.end - merged.begin - lasts
        return cls(calls, merged, np.cumsum(~joins) - 1, tail, pause)

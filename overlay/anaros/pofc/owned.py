# SPDX-License-Identifier: Apache-2.0
"""The records that belong to requests, and the line on which requests lie end to end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anaros.pofc.model import I32, I64


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

    ``position`` is the place of a call in the columns, ``call`` that among the calls thread by
    thread, ``segment`` its segment; ``begin`` and ``end`` are places on the line.
    """

    position: I64
    request: I64
    call: I64
    segment: I32
    begin: I64
    end: I64

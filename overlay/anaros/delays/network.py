# SPDX-License-Identifier: Apache-2.0
"""What the network did to a run's packets and connections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from anaros.kinds import Kind
from anaros.records import U32, U64, Columns

#: Kinds that tell of it.
KINDS = (
    Kind.TCP_RETRANSMIT,
    Kind.TCP_BYTES,
    Kind.TCP_STATE,
    Kind.NIC_DROP,
    Kind.NIC_POLL,
    Kind.NIC_BACKLOG,
    Kind.NET_BACKLOG,
    Kind.NET_ACCEPT,
)
#: Of these their ``context`` is needed.
WITH_CONTEXT = (Kind.NET_BACKLOG, Kind.NIC_BACKLOG)

#: States of a socket, by the kernel's numbers.
_TCP_ESTABLISHED, _TCP_SYN_RECEIVED = 1, 3


@dataclass(frozen=True, slots=True)
class Accepts:
    """N connections that were accepted; each array has shape (N,).

    ``start_ns`` is when the kernel had it ready, ``waited_ns`` the time from there to the end of
    the call that took it, ``pid`` and ``tid`` whose call that was, ``object`` the connection's
    cookie and ``listener`` that of the socket that it came to.
    """

    start_ns: U64
    waited_ns: U64
    pid: U32
    tid: U32
    object: U64
    listener: U64

    def as_dict(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name; nothing is copied."""
        return {name: getattr(self, name) for name in self.__slots__}


def accepts_of(states: Columns, calls: Columns) -> Accepts:
    """Which connections waited to be accepted: the kernel tells since when, the call until when.

    Args:
        states: Records of changes of states, in any order.
        calls: Those of calls that accepted.
    """
    established = (states.status == _TCP_ESTABLISHED) & (states.address == _TCP_SYN_RECEIVED)
    ready = states.take(np.flatnonzero(established))
    ready = ready.take(np.argsort(ready.object, kind="stable"))
    place = np.searchsorted(ready.object, calls.object)
    known = place < len(ready)
    known[known] = ready.object[place[known]] == calls.object[known]
    calls, ready = calls.take(known), ready.take(place[known])
    ends_ns = calls.start_ns + calls.duration_ns
    sane = ends_ns >= ready.start_ns
    calls, ready, ends_ns = calls.take(sane), ready.take(sane), ends_ns[sane]
    return Accepts(
        ready.start_ns,
        ends_ns - ready.start_ns,
        calls.pid,
        calls.tid,
        calls.object,
        calls.address,
    )


#: Stands for what is unknown.
UNKNOWN = -1


def network_of(here: Mapping[Kind, Columns]) -> dict[str, npt.NDArray[np.int64]]:
    """What the records of each of ``KINDS`` tell, as one row: each array has shape (1,)."""
    again, backlog = here[Kind.TCP_RETRANSMIT], here[Kind.NET_BACKLOG]
    polls, left = here[Kind.NIC_POLL], here[Kind.NIC_BACKLOG]
    waited = accepts_of(here[Kind.TCP_STATE], here[Kind.NET_ACCEPT]).waited_ns
    trips = here[Kind.TCP_BYTES].address
    trips = trips[trips > 0] * np.uint64(1000)
    row = {
        "retransmits": len(again),
        "retransmitted_bytes": again.size_bytes.sum(),
        "dropped": len(here[Kind.NIC_DROP]),
        "refused": backlog.size_bytes.sum(),
        "waiting_most": backlog.context.max(initial=0),
        "polls": len(polls),
        "polls_full": (polls.status == 1).sum(),
        "backlog_stops": left.context.sum(),
        "backlog_dropped": left.size_bytes.sum(),
        "accepts": len(waited),
        "accept_p50_ns": _quantile(waited, 0.5),
        "accept_p99_ns": _quantile(waited, 0.99),
        "accept_longest_ns": _quantile(waited, 1.0),
        "round_trip_p50_ns": _quantile(trips, 0.5),
        "round_trip_most_ns": _quantile(trips, 1.0),
    }
    return {name: np.array([int(value)], np.int64) for name, value in row.items()}


def drops_of(dropped: Columns) -> dict[str, npt.NDArray[Any]]:
    """How many packets were dropped for each ``reason`` (a number), the most first."""
    reason, count = np.unique(dropped.address, return_counts=True)
    order = np.argsort(-count, kind="stable")
    return {"reason": reason[order], "count": count[order].astype(np.uint64)}


def _quantile(values: U64, part: float) -> float:
    return float(np.quantile(values, part)) if len(values) else UNKNOWN

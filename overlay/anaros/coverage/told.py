# SPDX-License-Identifier: Apache-2.0
"""What the report says of the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from anaros.coverage.ledger import Ledger
from anaros.coverage.model import QUANTITIES, Programs, Quantity, Total
from anaros.kinds import NameClass
from anaros.store.names import Names

#: Programs that are listed.
LISTED = 64
#: A program of which the shim missed less is not listed: so many bytes, or a smaller share of all
#: that the run's programs moved, so that what is not named hides in no share of the report.
_MISSED_BYTES_MIN, _MISSED_SHARE = (4096, 65536), 2000

#: Of less time on CPUs no share is told: the kernel's count of a thread is late by up to a tick.
_CPU_MIN_NS = 1_000_000_000

#: What the line of the report says, and of which quantities.
_SHARES = {
    "file_bytes": (Quantity.READ_BYTES, Quantity.WRITTEN_BYTES),
    "socket_bytes": (Quantity.RECEIVED_BYTES, Quantity.SENT_BYTES),
    "launches": (Quantity.LAUNCHES,),
    "cpu_time": (Quantity.CPU_NS,),
}
_WAYS = ("read", "written", "received", "sent")


def shares_of(ledger: Ledger) -> dict[str, float | None]:
    """Of what was witnessed the share that was seen, by what it is; None where that is unknown."""
    return _shares(ledger, lambda total: total.covered)


def filled_of(ledger: Ledger) -> dict[str, float | None]:
    """Likewise the share that is in the kernel's records of calls that the shim missed."""
    return _shares(ledger, lambda total: total.filled)


def _shares(ledger: Ledger, part: Callable[[Total], int | None]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name, quantities in _SHARES.items():
        totals = [ledger.totals[quantity] for quantity in quantities]
        parts = [size for total in totals if (size := part(total)) is not None]
        witnessed = sum(total.witnessed or 0 for total in totals)
        least = _CPU_MIN_NS if name == "cpu_time" else 1
        found[name] = sum(parts) / witnessed if parts and witnessed >= least else None
    return found


def totals_of(ledger: Ledger) -> list[dict[str, Any]]:
    """Each quantity with both sides and the share; None where unknown."""
    return [
        {
            "quantity": QUANTITIES[quantity],
            "seen": total.seen,
            "filled": total.filled,
            "witnessed": total.witnessed,
            "covered": total.covered,
            "share": total.share,
        }
        for quantity, total in ledger.totals.items()
    ]


def filled(bare: Sequence[Mapping[str, Any]], programs: Programs) -> list[dict[str, Any]]:
    """Programs without the shim, each with what the kernel says that it moved.

    Args:
        bare: What the census says of them, in the order of their starts for each pid.
        programs: The programs of the ledger.

    Returns:
        The same dictionaries with ``read_bytes``, ``written_bytes``, ``received_bytes``,
        ``sent_bytes`` and ``source``: `kernel`; ``filled_bytes``, what of these is in its records
        of calls; all None where it was not counted.
    """
    without = np.flatnonzero((programs.shim == 0) & (programs.start_ns > 0))
    places: dict[int, list[int]] = {}
    for place in without[::-1].tolist():
        places.setdefault(int(programs.pid[place]), []).append(place)
    return [_filled(program, programs, places) for program in bare]


def _filled(
    program: Mapping[str, Any], programs: Programs, places: dict[int, list[int]]
) -> dict[str, Any]:
    mine = places.get(program["pid"])
    place = mine.pop() if mine else None
    told: dict[str, Any] = {"source": None if place is None else "kernel"}
    for way in _WAYS:
        counted = getattr(programs, f"kernel_{way}")
        told[f"{way}_bytes"] = None if place is None else int(counted[place])
    told["filled_bytes"] = None if place is None else _filled_bytes(programs, place)
    return {**program, **told}


def _filled_bytes(programs: Programs, place: int) -> int:
    """What the kernel's records of calls fill of what the shim missed of a program."""
    found = 0
    for way in _WAYS:
        kernel, shim, fills = (
            int(getattr(programs, f"{side}_{way}")[place]) for side in ("kernel", "shim", "filled")
        )
        found += min(fills, max(kernel - shim, 0))
    return found


def partly_seen(programs: Programs, names: Names) -> list[dict[str, Any]]:
    """Programs with the shim that moved bytes past it, those that moved most first."""
    missed = {
        way: np.maximum(
            getattr(programs, f"kernel_{way}").astype(np.int64)
            - getattr(programs, f"shim_{way}").astype(np.int64),
            0,
        )
        for way in _WAYS
    }
    whole = sum(missed.values(), start=np.zeros(len(programs), np.int64))
    whole = np.where(programs.shim == 1, whole, 0)
    order = np.argsort(-whole, kind="stable")
    moved = sum(int(getattr(programs, f"kernel_{way}").sum()) for way in _WAYS)
    least = min(max(moved // _MISSED_SHARE, _MISSED_BYTES_MIN[0]), _MISSED_BYTES_MIN[1])
    chosen = order[whole[order] >= least][:LISTED]
    return [
        {
            "pid": int(programs.pid[place]),
            "program": _program(names, int(programs.pid[place]), int(programs.start_ns[place])),
            "source": "kernel",
            **{f"{way}_bytes": int(missed[way][place]) for way in _WAYS},
            "filled_bytes": _filled_bytes(programs, place),
        }
        for place in chosen.tolist()
    ]


def _program(names: Names, pid: int, start_ns: int) -> str | None:
    """The program that a process had become by then."""
    mine = (names.object == pid) & (names.name_class == NameClass.PROGRAM)
    found = np.flatnonzero(mine & (names.start_ns <= start_ns))
    if not len(found):
        found = np.flatnonzero(mine)[:1]
    return names.name[int(found[np.argmax(names.start_ns[found])])] if len(found) else None

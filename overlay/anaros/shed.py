# SPDX-License-Identifier: Apache-2.0
"""What probes that were given up for a budget leave unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from anaros import pofc

#: From when to when, in ns of the run's clock.
Interval = tuple[int, int]

#: The waits of requests that cannot be told without a probe. The waits for I/O, locks and devices
#: are told by the scheduler where the kernel plane is at work at all.
_TOLD_BY = {
    "sched": ("runqueue", "throttled", "io", "memory", "lock", "device"),
    "mem": ("memory",),
}


def intervals_of(meta: Mapping[str, Any], end_ns: int) -> dict[str, list[Interval]]:
    """When each probe was away, by probe; one that did not come back was until the end."""
    found: dict[str, list[Interval]] = {}
    for change in (meta.get("budget") or {}).get("changes") or ():
        mine = found.setdefault(change["probe"], [])
        time_ns = int(change["time_ns"])
        if change["shed"]:
            mine.append((time_ns, max(end_ns, time_ns)))
        elif mine:
            mine[-1] = (mine[-1][0], time_ns)
    return found


def away(meta: Mapping[str, Any]) -> tuple[str, ...]:
    """The probes that were given up and did not come back, the first one first."""
    gone: list[str] = []
    for change in (meta.get("budget") or {}).get("changes") or ():
        if change["shed"]:
            gone.append(change["probe"])
        elif change["probe"] in gone:
            gone.remove(change["probe"])
    return tuple(gone)


def unseen(
    requests: pofc.Requests, away: Mapping[str, list[Interval]]
) -> dict[str, npt.NDArray[np.bool_]]:
    """By wait, for how many of the R requests it is not known; each array has shape (R,).

    Waits that are always known are left out.
    """
    found: dict[str, npt.NDArray[np.bool_]] = {}
    for probe, waits in _TOLD_BY.items():
        if probe not in away:
            continue
        mine = _overlap(requests, away[probe])
        for wait in waits:
            found[wait] = found[wait] | mine if wait in found else mine
    return found


def _overlap(requests: pofc.Requests, intervals: list[Interval]) -> npt.NDArray[np.bool_]:
    begin = requests.start_ns.astype(np.int64)
    end = begin + requests.duration_ns.astype(np.int64)
    found = np.zeros(len(requests), np.bool_)
    for first, last in intervals:
        found |= (end >= first) & (begin < last)
    return found


def budget_of(meta: Mapping[str, Any], begin_ns: int, end_ns: int) -> dict[str, Any] | None:
    """``budget`` of the report; None where there was none.

    Args:
        meta: What ``meta.json`` says.
        begin_ns: When the run began.
        end_ns: When it ended, or now.
    """
    budget = meta.get("budget")
    if not budget:
        return None
    changes = [
        {
            "probe": change["probe"],
            "shed": change["shed"],
            "time_s": (change["time_ns"] - begin_ns) / 1e9,
            "cost_percent": change["cost_percent"],
            "total_percent": change["total_percent"],
        }
        for change in budget.get("changes") or ()
    ]
    costs: dict[str, float] = {}
    for change in changes:
        probe = change["probe"]
        costs[probe] = max(costs.get(probe, 0.0), change["cost_percent"])
    probes = [
        {
            "probe": probe,
            "times": len(intervals),
            "away_s": sum(last - first for first, last in intervals) / 1e9,
            "intervals_s": [
                [(first - begin_ns) / 1e9, (last - begin_ns) / 1e9] for first, last in intervals
            ],
            "cost_percent": costs[probe],
        }
        for probe, intervals in intervals_of(meta, end_ns).items()
    ]
    known = ("percent", "cpus", "readings", "mean_percent", "most_percent")
    return {**{name: budget.get(name) for name in known}, "probes": probes, "changes": changes}

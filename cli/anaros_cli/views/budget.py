# SPDX-License-Identifier: Apache-2.0
"""Draws what became of the probes under a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from anaros_cli.views import format as fmt

#: Of a probe that was given up more often only the last time is told.
_TIMES_MAX = 1


def budget(budget: Mapping[str, Any]) -> list[str]:
    """The budget, what was spent of it, and which probes were given up for it, and when."""
    cpus = budget["cpus"]
    of = "the CPUs" if cpus is None else "1 CPU" if cpus == 1 else f"{cpus:g} CPUs"
    mean, most = (_percent(budget[f"{name}_percent"]) for name in ("mean", "most"))
    parts = [f"{budget['percent']:g} % of {of}", f"spent {mean}, at most {most}"]
    for probe in budget["probes"]:
        first, last = (_seconds(second) for second in probe["intervals_s"][-1])
        many = probe["times"]
        often = "" if many <= _TIMES_MAX else f", {many} times, {probe['away_s']:.1f} s in all"
        cost = _percent(probe["cost_percent"])
        parts.append(f"{probe['probe']} ({cost}) shed {first} to {last}{often}")
    return parts


def away(probes: Sequence[str], percent: float | None) -> str:
    """The probes that are away now."""
    of = fmt.UNKNOWN if percent is None else f"{percent:g} %"
    return f"budget {of}: without {', '.join(probes)}; what they tell is unknown"


def missed(budget: Mapping[str, Any] | None) -> list[str]:
    """What the coverage says of it."""
    if budget is None or not budget["probes"]:
        return []
    named = (f"{probe['probe']} for {probe['away_s']:.1f} s" for probe in budget["probes"])
    return [f"without {', '.join(named)}"]


def throttled(groups: Sequence[Mapping[str, Any]] | None) -> list[str]:
    """The groups whose quota was used up, and for how long."""
    return [
        f"{group['cgroup']}: used up in {group['throttled']:,} of "
        f"{fmt.number(group['periods'], 'period')}, {fmt.duration(group['throttled_s'] * 1e9)}"
        for group in groups or ()
        if group["throttled"]
    ]


def _percent(value: float | None) -> str:
    return fmt.UNKNOWN if value is None else f"{value:.2g} %"


def _seconds(value: float) -> str:
    return f"{value:.1f} s"

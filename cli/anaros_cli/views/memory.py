# SPDX-License-Identifier: Apache-2.0
"""Draws the device memory of a report: ``memory`` of its dictionary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from anaros_cli.views import format as fmt

#: Below this width the times of the calls go.
_COLUMNS = 66
#: Sorts of memory and sizes that are shown; the others are in the JSON.
_SORTS_MAX = 8
_CHURN_MAX = 3

_WAYS = {"gpu.copy_h2d": "host to device", "gpu.copy_d2h": "device to host"}


def memory(found: Mapping[str, Any], width: int) -> RenderableType:
    """What was held, how bytes moved, what was allocated in vain, and what was refused."""
    lines = [*_copies(found["copies"]), *_churn(found["churn"]), *_refused(found)]
    table = [_sorts(found["processes"], width)] if found["processes"] else []
    return Group(*table, *(Text(line) for line in lines))


def _sorts(processes: Sequence[Mapping[str, Any]], width: int) -> Table:
    """The sorts of memory, those first of which most was held at a time."""
    table = Table(box=None, padding=(0, 1 if width < _COLUMNS else 2, 0, 0), header_style="bold")
    table.add_column("device memory", no_wrap=True)
    names = ["most", "at", "at the end", "allocated"]
    for name in [*names, "in calls"] if width >= _COLUMNS else names:
        table.add_column(name, justify="right", no_wrap=True)
    several = len(processes) > 1
    rows = [(process, sort) for process in processes for sort in process["sorts"]]
    rows.sort(key=lambda row: -row[1]["high_water_bytes"])
    for process, sort in rows[:_SORTS_MAX]:
        name = sort["sort"].replace("_", " ")
        cells = [
            f"{name}, pid {process['pid']}" if several else name,
            fmt.size(sort["high_water_bytes"]),
            _at(sort["high_water_s"]),
            fmt.size(sort["in_use_bytes"]),
            fmt.number(sort["allocations"], "time"),
            fmt.duration((sort["alloc_ms"] + sort["free_ms"]) * 1e6),
        ]
        table.add_row(*cells[: len(table.columns)])
    return table


def _at(seconds: float | None) -> str:
    return fmt.duration(None if seconds is None else seconds * 1e9)


def _copies(copies: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for row in copies:
        moved = f"{fmt.size(row['bytes'])} in {fmt.number(row['count'], 'call')}"
        rate = fmt.size(row["bytes_per_second"])
        yield f"{_WAYS[row['kind']]}, {row['host']}: {moved} at {rate}/s"


def _churn(churn: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for row in churn[:_CHURN_MAX]:
        again = fmt.number(row["count"], "time")
        spent = fmt.duration(row["total_ms"] * 1e6)
        yield f"allocated again: {fmt.size(row['size_bytes'])} {again}, {spent} in these calls"


def _refused(found: Mapping[str, Any]) -> Iterator[str]:
    if not found["failed"]:
        return
    first = found["failures"][0]
    asked, held = fmt.size(first["asked_bytes"]), fmt.size(first["held_bytes"])
    yield (
        f"refused: {fmt.number(found['failed'], 'allocation')}; the first at {_at(first['time_s'])}"
        f" asked for {asked} while {held} were held (status {first['status']})"
    )

# SPDX-License-Identifier: Apache-2.0
"""Draws device memory: that of a report, and that which is held now."""

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
_HOLDERS_MAX = 4

_WAYS = {"gpu.copy_h2d": "host to device", "gpu.copy_d2h": "device to host"}


def memory(found: Mapping[str, Any], width: int) -> RenderableType:
    """What was held, how bytes moved, what was allocated in vain, and what was refused."""
    moved = [*_copies(found["copies"]), *_migrations(found["migrations"])]
    lines = [*moved, *_churn(found["churn"]), *_refused(found)]
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
        # Of what nobody waited for, and no device told the time, the rate is not known.
        per_second = row["bytes_per_second"]
        rate = "" if per_second is None else f" at {fmt.size(per_second)}/s"
        yield f"{_WAYS[row['kind']]}, {row['host']}: {moved}{rate}"


def _migrations(migrations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for row in migrations:
        moved = f"{fmt.size(row['bytes'])} in {fmt.number(row['count'], 'move')}"
        back = f", {fmt.size(row['returned_bytes'])} of it back" if row["returned_bytes"] else ""
        yield f"managed to {row['to']}: {moved}{back}, {fmt.duration(row['total_ms'] * 1e6)}"


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
    for row in first["holders"][:_HOLDERS_MAX]:
        origin = "" if row["origin"] is None else f", stream or pool {row['origin']:#x}"
        yield (
            f"  held: {fmt.size(row['bytes'])} {row['sort'].replace('_', ' ')}"
            f" in {fmt.number(row['count'], 'allocation')} by thread {row['tid']}"
            f" of {row['pid']}{origin}"
        )


def standing(held: Mapping[str, Any], width: int) -> RenderableType:
    """What is held now, by sort: how much of how much at most, and by whom most of it."""
    close = width < _COLUMNS
    table = Table(box=None, padding=(0, 1 if close else 2, 0, 0), header_style="bold")
    table.add_column("device memory", no_wrap=True)
    for name in ("in use", "most", "held"):
        table.add_column(name, justify="right", no_wrap=True)
    if not close:
        table.add_column("most of it by", no_wrap=True)
    sorts = held["sorts"]
    several = len({sort["pid"] for sort in sorts}) > 1
    for sort in sorts[:_SORTS_MAX]:
        name = sort["sort"].replace("_", " ")
        cells = [
            f"{name}, pid {sort['pid']}" if several else name,
            fmt.size(sort["in_use_bytes"]),
            fmt.size(sort["high_water_bytes"]),
            fmt.count(sort["in_use"]),
            _holder(sort),
        ]
        table.add_row(*cells[: len(table.columns)])
    facts = [f"{fmt.rate(held['allocations_per_second'])} allocations/s"]
    if held["failed"]:
        facts.append(f"refused: {fmt.number(held['failed'], 'allocation')}")
    line = Text(fmt.flow(facts, width), "red" if held["failed"] else "")
    return Group(table, line)


def _holder(sort: Mapping[str, Any]) -> str:
    if not sort["holders"]:
        return ""
    first = sort["holders"][0]
    origin = "" if first["origin"] is None else f", {first['origin']:#x}"
    share = first["bytes"] / max(sort["in_use_bytes"], 1)
    return f"thread {first['tid']}{origin}: {share:.0%}".replace("%", " %")

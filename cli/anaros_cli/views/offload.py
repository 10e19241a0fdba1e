# SPDX-License-Identifier: Apache-2.0
"""Draws what a report tells of graphs, NCCL and cuFile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from anaros_cli.views import format as fmt

#: Rows of a table that are shown; the others are in the JSON.
_ROWS_MAX = 8
#: What the numbers beside a name take.
_NUMBERS_COLUMNS = 34


def offload(found: Mapping[str, Any], width: int) -> RenderableType:
    """What graphs ran, what NCCL did and waited for, and what moved to and from storage."""
    parts: list[RenderableType] = []
    if found["graphs"] is not None:
        parts.append(Text(fmt.flow(_graphs(found["graphs"]), width)))
    if found["collectives"]:
        rows = [(row["name"] or fmt.UNKNOWN, row) for row in found["collectives"]]
        parts.append(_table("NCCL", rows, width))
    if found["storage"]:
        parts.append(_table("cuFile", [(_way(row), row) for row in found["storage"]], width))
    return Group(*parts)


def _graphs(graphs: Mapping[str, Any]) -> list[str]:
    facts = [
        f"graphs launched {fmt.count(graphs['launches'])} times",
        f"{fmt.number(graphs['nodes'], 'node')} in them",
        fmt.number(graphs["kernels"], "kernel"),
    ]
    if graphs["launches_not_told"]:
        facts.append(f"of {graphs['launches_not_told']:,} not known what")
    return facts


def _way(row: Mapping[str, Any]) -> str:
    bounced = ", bounced" if row["bounced"] else ""
    return f"{row['direction']} {row['way'] or fmt.UNKNOWN}{bounced}"


def _table(title: str, rows: Sequence[tuple[str, Mapping[str, Any]]], width: int) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(title, no_wrap=True)
    for name in ("count", "bytes", "total"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, row in rows[:_ROWS_MAX]:
        table.add_row(
            fmt.shortened(fmt.printable(name), max(12, width - _NUMBERS_COLUMNS)),
            fmt.count(row["count"]),
            fmt.size(row["bytes"]),
            fmt.duration(row["total_ms"] * 1e6),
        )
    return table

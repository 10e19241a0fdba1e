# SPDX-License-Identifier: Apache-2.0
"""Rows of an SQL answer as a table, as JSON objects or as CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from typing import IO

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from anaros_cli.views.format import UNKNOWN

Rows = Sequence[tuple[object, ...]]

#: A table shows this many rows and counts the others.
ROWS_MAX = 1000


def frame(columns: Sequence[str], rows: Rows) -> RenderableType:
    """A table of the first ROWS_MAX rows; numbers to the right, NULL as a dash."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for position, name in enumerate(columns):
        numeric = _is_numeric(rows, position)
        table.add_column(
            Text(name),
            justify="right" if numeric else "left",
            no_wrap=numeric,
            overflow="fold",
        )
    for row in rows[:ROWS_MAX]:
        table.add_row(*(Text(cell(value)) for value in row))
    if len(rows) <= ROWS_MAX:
        noun = "row" if len(rows) == 1 else "rows"
        return Group(table, Text(f"{len(rows):,} {noun}", "dim"))
    said = f"the first {ROWS_MAX:,} of {len(rows):,} rows; --format csv or json prints all"
    return Group(table, Text(said, "dim"))


def cell(value: object) -> str:
    """One value as text, in full precision."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return UNKNOWN
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def _is_numeric(rows: Rows, position: int) -> bool:
    values = [row[position] for row in rows[:ROWS_MAX] if row[position] is not None]
    return bool(values) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )


def objects(columns: Sequence[str], rows: Rows) -> list[dict[str, object]]:
    """Each row as an object; of two columns with one name the second gets ``_2``."""
    names: list[str] = []
    for name in columns:
        repeat = 2
        unique = name
        while unique in names:
            unique, repeat = f"{name}_{repeat}", repeat + 1
        names.append(unique)
    return [dict(zip(names, row, strict=True)) for row in rows]


def write_csv(stream: IO[str], columns: Sequence[str], rows: Rows) -> None:
    """RFC 4180 with a header; NULL is an empty field."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)

# SPDX-License-Identifier: Apache-2.0
"""Rows of an SQL answer as a table, as JSON objects or as CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from typing import IO

from rich.console import Group, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from anaros_cli.views.format import UNKNOWN, printable

Rows = Sequence[tuple[object, ...]]

#: A table shows this many rows and counts the others.
ROWS_MAX = 1000


def frame(columns: Sequence[str], rows: Rows, width: int) -> RenderableType:
    """The first ROWS_MAX rows: a table where it fits ``width``, else a block for each row."""
    shown = [[cell(value) for value in row] for row in rows[:ROWS_MAX]]
    if _width(columns, shown) <= width:
        body = _table(columns, rows, shown)
    else:
        body = _blocks(columns, shown)
    if len(rows) <= ROWS_MAX:
        noun = "row" if len(rows) == 1 else "rows"
        return Group(body, Text(f"{len(rows):,} {noun}", "dim"))
    said = f"the first {ROWS_MAX:,} of {len(rows):,} rows; --format csv or json prints all"
    return Group(body, Text(said, "dim"))


def _width(columns: Sequence[str], shown: Sequence[Sequence[str]]) -> int:
    widths = [len(name) for name in columns]
    for row in shown:
        widths = [max(width, len(text)) for width, text in zip(widths, row, strict=True)]
    return sum(widths) + 2 * (len(columns) - 1)


def _table(columns: Sequence[str], rows: Rows, shown: Sequence[Sequence[str]]) -> Table:
    """Numbers to the right, NULL as a dash."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for position, name in enumerate(columns):
        justify: JustifyMethod = "right" if _is_numeric(rows, position) else "left"
        table.add_column(Text(printable(name)), justify=justify, no_wrap=True)
    for row in shown:
        table.add_row(*map(Text, row))
    return table


def _blocks(columns: Sequence[str], shown: Sequence[Sequence[str]]) -> Table:
    """Each row as lines of name and value, below its number."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for number, row in enumerate(shown, 1):
        table.add_row(Text(f"row {number:,}", "bold"), "")
        for name, text in zip(columns, row, strict=True):
            table.add_row(Text(f"  {printable(name)}", "dim"), Text(text))
    return table


def cell(value: object) -> str:
    """One value as text, in full precision."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return UNKNOWN
    if isinstance(value, bytes):
        return value.hex()
    return printable(str(value))


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

# SPDX-License-Identifier: Apache-2.0
"""Draws what `anaros doctor` found."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from anaros.capture.host.checks import Check, State

_MARKS = {
    State.WORKS: Text("yes", "green"),
    State.LIMITED: Text("partly", "yellow"),
    State.MISSING: Text("no", "red"),
}


def frame(checks: Sequence[Check], works: bool) -> RenderableType:
    """One line for each check, its remedy below it, and the verdict."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        table.add_row(_MARKS[check.state], Text(check.name, "bold"), Text(check.fact))
        if check.remedy:
            table.add_row("", "", Text(f"→ {check.remedy}", "dim"))
    return Group(table, Text(), _verdict(checks, works))


def _verdict(checks: Sequence[Check], works: bool) -> Text:
    if not works:
        names = [check.name for check in checks if check.required and check.state is State.MISSING]
        return Text(f"anaros run cannot work here yet: {', '.join(names)}.", "bold red")
    unseen = [check.name for check in checks if check.state is not State.WORKS]
    if unseen:
        return Text(f"anaros run works here, without: {', '.join(unseen)}.", "bold")
    return Text("anaros run works here, with all that it can see.", "bold green")

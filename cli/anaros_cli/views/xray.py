# SPDX-License-Identifier: Apache-2.0
"""Draws a snapshot: the frame of `anaros xray`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from anaros_cli.snapshot import Busy, Snapshot
from anaros_cli.terminal import COLUMNS_MIN
from anaros_cli.views import format as fmt
from anaros_cli.views.report import stages, waits_line

#: Cells of a name in the lists of busiest things, at the reference width of 80.
_OTHER_COLUMNS = 38


class Frame:
    """A frame that fits itself to the terminal, or says that the terminal is too narrow."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.max_width < COLUMNS_MIN:
            yield Text(f"The terminal has {options.max_width} columns; xray needs {COLUMNS_MIN}.")
            return
        yield frame(self.snapshot, options.max_width)


def frame(snapshot: Snapshot, width: int) -> RenderableType:
    """The frame at ``width`` columns."""
    parts: list[RenderableType] = [_header(snapshot, width), _rates(snapshot), Text()]
    if snapshot.requests["count"]:
        parts += [stages(snapshot.stages, width), Text()]
        parts += [Text.assemble(("slowest 1 %  ", "bold"), waits_line(snapshot.slowest)), Text()]
    for title, things in (
        ("files", snapshot.files),
        ("sockets", snapshot.sockets),
        ("kernels", snapshot.kernels),
    ):
        if things:
            parts += [_busy(title, things, width), Text()]
    if not snapshot.records:
        parts.append(Text("Nothing was recorded in this time."))
    return Group(*parts)


def _header(snapshot: Snapshot, width: int) -> RenderableType:
    state = "live" if snapshot.live else "finished"
    elapsed = snapshot.elapsed_s
    age = fmt.duration(None if elapsed is None else elapsed * 1e9)
    right = f"{state} · {age}"
    command = fmt.printable(shlex.join(snapshot.command)) or fmt.UNKNOWN
    line = Table.grid(expand=True)
    line.add_column(no_wrap=True)
    line.add_column(justify="right", no_wrap=True)
    line.add_row(
        Text(fmt.shortened(command, max(width - len(right) - 2, 8)), "bold"),
        Text(right, "green" if snapshot.live else "dim"),
    )
    return line


def _rates(snapshot: Snapshot) -> RenderableType:
    requests, drops, window_s = snapshot.requests, snapshot.drops, snapshot.window_s
    p50, p99 = fmt.milliseconds(requests["p50_ms"]), fmt.milliseconds(requests["p99_ms"])
    events = snapshot.records / window_s if window_s else None
    lost = any(drops[plane] for plane in ("shim", "kernel"))
    unread = snapshot.device_times_unread
    lines = [
        Text(f"{fmt.rate(requests['per_second'])} requests/s · p50 {p50} ms · p99 {p99} ms"),
        Text.assemble(
            f"{fmt.rate(events)} records/s in the last {window_s:.1f} s · ",
            (
                f"drops: shim {fmt.count(drops['shim'])}, kernel {fmt.count(drops['kernel'])}",
                "red" if lost else "",
            ),
        ),
    ]
    if unread:
        lines.append(Text(f"device times not read: {fmt.count(unread)}", "yellow"))
    return Group(*lines)


def _busy(title: str, things: Sequence[Busy], width: int) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    name_columns = max(width - _OTHER_COLUMNS, 12)
    table.add_column(title, no_wrap=True, width=name_columns)
    for name, columns in (("calls", 10), ("bytes", 10), ("time", 9)):
        table.add_column(name, justify="right", no_wrap=True, width=columns)
    for thing in things:
        table.add_row(
            Text(fmt.shortened(fmt.printable(thing.name), name_columns)),
            fmt.count(thing.calls),
            fmt.size(thing.size_bytes),
            fmt.duration(thing.total_ns),
        )
    return table

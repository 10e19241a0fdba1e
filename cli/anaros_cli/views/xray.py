# SPDX-License-Identifier: Apache-2.0
"""Draws a snapshot: the frame of `anaros xray`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from anaros_cli.snapshot import Busy, Snapshot
from anaros_cli.terminal import COLUMNS_MIN
from anaros_cli.views import format as fmt
from anaros_cli.views.budget import away
from anaros_cli.views.delays import delays, memory_line, network_line, shown
from anaros_cli.views.kernels import shortened_kernel
from anaros_cli.views.memory import standing
from anaros_cli.views.report import shares, stages, waits

#: Cells of the columns behind the name in the lists of busiest things; fewer in a narrow terminal.
_OTHER_COLUMNS = (("calls", 10), ("bytes", 10), ("time", 9))
_OTHER_COLUMNS_CLOSE = (("calls", 9), ("bytes", 9), ("time", 8))
_CLOSE = 60
#: Rows of the table of delays.
_DELAYS_MAX = 3
#: The kernel's counts are read once a second, and a share takes two readings.
_READINGS_S = 2.0
#: What the time of kernels is: that of the calls to launch them, or that on the device.
_KERNEL_TIME = ("in calls", "on GPU")


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
    parts: list[RenderableType] = [_header(snapshot, width), _rates(snapshot, width), Text()]
    if snapshot.requests["count"]:
        parts += [stages(snapshot.stages, width), Text()]
        first, *others = waits(snapshot.slowest)
        slowest = Text(fmt.flow([f"slowest 1 %  {first}", *others], width))
        slowest.stylize("bold", 0, len("slowest 1 %"))
        parts += [slowest, Text()]
    if delayed := shown(snapshot.delays, _DELAYS_MAX):
        parts += [delays(delayed, width), Text()]
    if happened := list(_happened(snapshot, width)):
        parts += [*happened, Text()]
    if snapshot.memory is not None:
        parts += [standing(snapshot.memory, width), Text()]
    for title, things in (
        ("files", snapshot.files),
        ("sockets", snapshot.sockets),
        ("kernels", snapshot.kernels),
    ):
        if things:
            time = "time" if title != "kernels" else _KERNEL_TIME[snapshot.kernels_told]
            parts += [_busy(title, things, width, time), Text()]
    if not snapshot.records:
        parts.append(Text("Nothing was recorded in this time."))
    return Group(*parts)


def _happened(snapshot: Snapshot, width: int) -> Iterator[Text]:
    """What memory and the network did."""
    for of, line in (
        ("memory", memory_line(snapshot.faults)),
        ("network", network_line(snapshot.network)),
    ):
        if line:
            yield Text(fmt.flow([f"{of}: {line[0]}", *line[1:]], width))


def _header(snapshot: Snapshot, width: int) -> RenderableType:
    state = "live" if snapshot.live else "finished"
    elapsed = snapshot.elapsed_s
    age = fmt.duration(None if elapsed is None else elapsed * 1e9)
    right = f"{state} · {age}"
    line = Table.grid(expand=True)
    line.add_column(no_wrap=True)
    line.add_column(justify="right", no_wrap=True)
    line.add_row(
        Text(fmt.command(snapshot.command, width - len(right) - 2), "bold"),
        Text(right, "green" if snapshot.live else "dim"),
    )
    return line


def _rates(snapshot: Snapshot, width: int) -> RenderableType:
    requests, drops, window_s = snapshot.requests, snapshot.drops, snapshot.window_s
    p50, p99 = fmt.milliseconds(requests["p50_ms"]), fmt.milliseconds(requests["p99_ms"])
    events = snapshot.records / window_s if window_s else None
    lost = any(drops[plane] for plane in ("shim", "kernel"))
    unread = snapshot.device_times_unread
    times = [f"{fmt.rate(requests['per_second'])} requests/s", f"p50 {p50} ms", f"p99 {p99} ms"]
    dropped = f"drops: shim {fmt.count(drops['shim'])}, kernel {fmt.count(drops['kernel'])}"
    seen = Text(
        fmt.flow([f"{fmt.rate(events)} records/s in the last {window_s:.1f} s", dropped], width)
    )
    seen.stylize("red" if lost else "", len(seen) - len(dropped))
    lines = [Text(fmt.flow(times, width)), seen]
    if covered := _coverage(snapshot):
        first, *others = covered
        lines.append(Text(fmt.flow([f"coverage: {first}", *others], width)))
    if snapshot.shed:
        lines.append(
            Text(fmt.flow([away(snapshot.shed, snapshot.budget_percent)], width), "yellow")
        )
    if unread:
        lines.append(Text(f"device times not read: {fmt.count(unread)}", "yellow"))
    return Group(*lines)


def _coverage(snapshot: Snapshot) -> list[str]:
    """The shares, or those of a while ago, or why there are none."""
    told, age_s = shares(snapshot.coverage), snapshot.coverage_age_s
    if told:
        return told if age_s is None else [*told, f"{fmt.duration(age_s * 1e9)} ago"]
    if snapshot.kernel_plane is None:
        return []
    if not snapshot.kernel_plane:
        return [f"{fmt.UNKNOWN} (without the kernel plane)"]
    if snapshot.window_s < _READINGS_S:
        return [f"{fmt.UNKNOWN} (it takes {_READINGS_S:.0f} s, two readings of the kernel)"]
    return [f"{fmt.UNKNOWN} (the kernel counted nothing in this time)"]


def _busy(title: str, things: Sequence[Busy], width: int, time: str) -> Table:
    close = width < _CLOSE
    others, gap = (_OTHER_COLUMNS_CLOSE, 1) if close else (_OTHER_COLUMNS, 2)
    table = Table(box=None, padding=(0, gap, 0, 0), header_style="bold")
    name_columns = width - sum(columns for _, columns in others) - gap * (len(others) + 1)
    table.add_column(title, no_wrap=True, width=name_columns)
    for name, columns in others:
        heading = time if name == "time" else name
        table.add_column(heading, justify="right", no_wrap=True, width=columns)
    cut = shortened_kernel if title == "kernels" else fmt.shortened
    for thing in things:
        table.add_row(
            Text(cut(fmt.printable(thing.name), name_columns)),
            fmt.count(thing.calls),
            fmt.size(thing.size_bytes),
            fmt.duration(thing.total_ns),
        )
    return table

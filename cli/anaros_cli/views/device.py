# SPDX-License-Identifier: Apache-2.0
"""Draws what became of device time: one line of a report, and when its streams had work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from anaros_cli.views import format as fmt
from anaros_cli.views.kernels import shortened_kernel

#: Streams that are shown; more of them are in the JSON.
_STREAMS_MAX = 6
#: Failures, by kind and status, likewise.
_FAILED_MAX = 4
#: Kernels likewise.
_KERNELS_MAX = 5
#: Below this width the times go, and only the shares stay.
_COLUMNS = 70
#: The handles of CUDA's streams that nobody made.
_DEFAULT = {1: "default", 2: "per thread"}


def device_time(found: Mapping[str, Any]) -> list[str]:
    """The parts of the line; none where no device was driven."""
    parts = []
    if found["told"]:
        parts.append(f"device times of {fmt.number(found['told'], 'run')}")
        if found["residual_ns"] is not None:
            parts.append(f"clock within {fmt.duration(found['residual_ns'])}")
    if found["lost"]:
        parts.append(f"{found['lost']:,} lost")
    parts += _launches(found["launches"])
    parts += _failed(found["failed"])
    for each in found["problems"]:
        fact = fmt.printable(each["fact"])
        parts.append(f"{fact} ({each['processes']} processes)" if each["processes"] > 1 else fact)
        parts.append(each["remedy"])
    return parts


def _launches(launches: Mapping[str, Any]) -> list[str]:
    """What the times of launches are worth, where not all were told."""
    parts = []
    if launches["bounded"]:
        counted = fmt.number(launches["bounded"], "launch")
        parts.append(f"execute is a bound: the program's calls bound the times of {counted}")
    if launches["without"]:
        of = fmt.number(launches["count"], "launch")
        parts.append(f"{launches['without']:,} of {of} without device time")
    return parts


def _failed(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Calls that the driver refused, with what it said."""
    parts = [
        f"failed: {row['count']:,} {row['kind']} (status {row['status']})"
        for row in rows[:_FAILED_MAX]
    ]
    more = len(rows) - _FAILED_MAX
    return [*parts, f"and {more} more sorts of failure, in --json"] if more > 0 else parts


def streams(found: Mapping[str, Any], width: int) -> RenderableType:
    """When the streams and queues had work, those with the most work first.

    Args:
        found: ``device_time`` of the report, with at least one stream.
        width: Columns of the terminal.
    """
    rows: Sequence[Mapping[str, Any]] = found["streams"]
    wide = width >= _COLUMNS
    table = Table(box=None, padding=(0, 2 if wide else 1, 0, 0), header_style="bold")
    table.add_column("stream", no_wrap=True)
    several = len({row["pid"] for row in rows}) > 1
    # With the process in its name a row has no room for where its times are from.
    sources = wide and not several
    names = ["work", "busy at least", "at most", "share busy", "times"]
    for name in names[: 5 if sources else 4] if wide else [names[0], names[3]]:
        table.add_column(name, justify="right", no_wrap=True)
    threads = len({row["tid"] for row in rows if row["tid"]}) > 1
    for row in rows[:_STREAMS_MAX]:
        name = _DEFAULT.get(row["stream"], f"{row['stream']:#x}")
        name += f", tid {row['tid']}" if threads and row["tid"] else ""
        times = (row["busy_least_ms"], row["busy_most_ms"])
        table.add_row(
            f"{name}, pid {row['pid']}" if several and not (threads and row["tid"]) else name,
            fmt.count(row["works"]),
            *(fmt.duration(None if ms is None else ms * 1e6) for ms in times if wide),
            _share_busy(row),
            *([_source(row["works_told"], row["works"])] if sources else []),
        )
    more = len(rows) - _STREAMS_MAX
    lines = [Text(f"and {more} more, in --json")] if more > 0 else []
    if not sources:
        told, works = (sum(row[name] for row in rows) for name in ("works_told", "works"))
        lines.append(Text(f"times: {_source(told, works)}"))
    return Group(table, *lines)


def kernels(found: Mapping[str, Any], width: int) -> RenderableType:
    """The kernels that had the device longest, or were launched most where no times were told.

    Args:
        found: ``device_time`` of the report, with at least one kernel.
        width: Columns of the terminal.
    """
    rows: Sequence[Mapping[str, Any]] = found["kernels"]
    told = any(row["device_ms"] is not None for row in rows)
    wide = width >= _COLUMNS
    table = Table(box=None, padding=(0, 2 if wide else 1, 0, 0), header_style="bold")
    headings = ["launches", *(["runs", "on device", "each"] if told and wide else [])]
    headings += ["on device"] if told and not wide else []
    table.add_column("kernel", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    room = width - sum(max(len(heading), 9) + 2 for heading in headings) - 2
    for row in rows[:_KERNELS_MAX]:
        total = None if row["device_ms"] is None else row["device_ms"] * 1e6
        each = None if total is None else total / row["runs"]
        cells = {
            "launches": fmt.count(row["launches"]),
            "runs": fmt.count(row["runs"]),
            "on device": fmt.duration(total),
            "each": fmt.duration(each),
        }
        name = shortened_kernel(fmt.printable(row["name"]), room)
        table.add_row(Text(name), *(cells[heading] for heading in headings))
    more = len(rows) - _KERNELS_MAX
    return Group(table, *([Text(f"and {more} more, in --json")] if more > 0 else []))


def _share_busy(row: Mapping[str, Any]) -> str:
    """Both bounds of the share of its time, from its first work to its last, that it was busy."""
    most = row["busy_most_ms"]
    whole = None if most is None else most + row["idle_ms"]
    if not whole:
        return fmt.UNKNOWN
    least, most = fmt.share(row["busy_least_ms"] / whole), fmt.share(most / whole)
    return most if least == most else f"{least.removesuffix(' %')} to {most}"


def _source(told: int, works: int) -> str:
    """Where times are from: they were told, the program's calls bound them, or some of each."""
    if told == works:
        return "told"
    return f"{fmt.share(told / works)} told" if told else "bounds"

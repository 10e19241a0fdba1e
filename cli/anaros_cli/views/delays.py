# SPDX-License-Identifier: Apache-2.0
"""Draws who and what delayed a run, and what memory and the network cost it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from anaros_cli.views import format as fmt

#: Rows of the table that are shown; the JSON has all.
ROWS_MAX = 8
#: What is less, or a smaller part of the longest total, is too little for a row.
_TOTAL_MS_MIN, _PART_MIN = 1.0, 0.005
#: Cells of the columns beside the names, with the gaps between, and of whom it delayed.
_NUMBERS_COLUMNS = (("times", 8), ("total", 10), ("longest", 8))
_CAUSE_COLUMNS = 15
_WHOM_COLUMNS = 12
_NARROW = 70

#: Who it was where nobody was.
_NOBODY = {
    "run queue": "an idle CPU",
    "quota": "its CPU quota",
    "frozen": "its group",
    "ahead on disk": "writeback, journal",
    "page fault": "memory not there",
    "compaction": "compaction",
    "migration": "migration",
}
#: Drops of what was left in a queue when its socket was closed: nothing was lost on the way.
_LEFT = ("QUEUE_PURGE",)
#: An accept that waits for less is none to speak of.
_ACCEPT_MS_MIN = 1.0


def shown(
    rows: Sequence[Mapping[str, Any]] | None, most: int = ROWS_MAX
) -> list[Mapping[str, Any]]:
    """The delays that are worth a row, the longest first.

    Of each way to be delayed, and of each sort of owner, the longest comes before the second of
    another: what many processes did to a CPU would else hide what a disk did.

    Args:
        rows: All of them, the longest first; None: unknown.
        most: So many rows at most.
    """
    rows = rows or ()
    least = max(_TOTAL_MS_MIN, _PART_MIN * (rows[0]["total_ms"] if rows else 0.0))
    worth = [row for row in rows if row["total_ms"] >= least]
    firsts: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in worth:
        firsts.setdefault((row["cause"], row["owner"]), row)
    others = [row for row in worth if firsts[row["cause"], row["owner"]] is not row]
    chosen = [*firsts.values(), *others][:most]
    return sorted(chosen, key=lambda row: -row["total_ms"])


def delays(rows: Sequence[Mapping[str, Any]], width: int) -> Table:
    """The table of delays: who, how, how often, how long, and whom where there are several.

    Args:
        rows: What `shown` chose.
        width: Of the terminal.
    """
    several = len({row["delayed"] for row in rows} - {None}) > 1 and width >= _NARROW
    gap = 2 if width >= _NARROW else 1
    table = Table(box=None, padding=(0, gap, 0, 0), header_style="bold")
    numbers = _NUMBERS_COLUMNS if width >= _NARROW else _NUMBERS_COLUMNS[1:]
    taken = _CAUSE_COLUMNS + sum(columns for _, columns in numbers) + gap * (len(numbers) + 2)
    taken += _WHOM_COLUMNS + gap if several else 0
    who_columns = width - taken
    table.add_column("delayed by", no_wrap=True, width=who_columns)
    table.add_column("how", no_wrap=True, width=_CAUSE_COLUMNS)
    for name, columns in numbers:
        table.add_column(name, justify="right", no_wrap=True, width=columns)
    if several:
        table.add_column("whom", no_wrap=True, width=_WHOM_COLUMNS)
    for row in rows:
        figures = {
            "times": fmt.count(row["count"]),
            "total": ("≤ " if row["at_most"] else "") + fmt.duration(row["total_ms"] * 1e6),
            "longest": fmt.duration(None if row["longest_ms"] is None else row["longest_ms"] * 1e6),
        }
        whom = [Text(fmt.shortened(_whom(row), _WHOM_COLUMNS))] if several else []
        table.add_row(
            Text(fmt.shortened(_who(row), who_columns)),
            Text(_how(row)),
            *(figures[name] for name, _ in numbers),
            *whom,
        )
    return table


def _who(row: Mapping[str, Any]) -> str:
    name, pids = row["delayed_by"], row["delayed_by_pids"]
    if row["owner"] == "own" and name == row["delayed"]:
        return "its own threads"
    if name is None and not pids:
        return _thing(row) or _NOBODY.get(row["cause"]) or fmt.UNKNOWN
    if not pids:
        return fmt.printable(name)
    called = "a process" if name is None else fmt.printable(name)
    many = len(pids) > 1
    return f"{called} ({row['delayed_by_count']} pids)" if many else f"{called} ({pids[0]})"


def _whom(row: Mapping[str, Any]) -> str:
    if row["delayed"] is not None:
        return fmt.printable(row["delayed"])
    return ", ".join(map(str, row["delayed_pids"])) or "all"


def _how(row: Mapping[str, Any]) -> str:
    return f"ahead on {row['on']}" if row["cause"] == "ahead on disk" else str(row["cause"])


def _thing(row: Mapping[str, Any]) -> str | None:
    if row["on"] is None or row["cause"] == "ahead on disk":
        return None
    return f"disk {row['on']}" if row["resource"] == "disk" else str(row["on"])


def memory_line(faults: Mapping[str, Any] | None) -> list[str]:
    """Page faults, where some had to wait, what was killed for want of memory, and where it is."""
    if faults is None or not (faults["major"] or faults["killed"] or faults["remote_bytes"]):
        return []
    killed = [f"{fmt.number(faults['killed'], 'process')} killed: no memory was left"]
    remote = [f"{fmt.size(faults['remote_bytes'])} placed on another node (whole machine)"]
    return [
        f"page faults {faults['major']:,} major, {faults['minor']:,} minor",
        *(killed if faults["killed"] else []),
        *(remote if faults["remote_bytes"] else []),
    ]


def network_line(network: Mapping[str, Any] | None) -> list[str]:
    """What the network did to the run, each thing where there was some."""
    if network is None:
        return []
    parts = []
    if network["retransmits"]:
        slowest = fmt.duration(_ns(network["round_trip_most_ms"]))
        again = fmt.number(network["retransmits"], "retransmission")
        moved = fmt.size(network["retransmitted_bytes"])
        parts.append(f"{again} of {moved}, slowest round trip {slowest}")
    if drops := [drop for drop in network["drops"] if drop["reason"] not in _LEFT]:
        named = [f"{drop['reason'] or fmt.UNKNOWN} {drop['count']:,}" for drop in drops]
        dropped = fmt.number(sum(drop["count"] for drop in drops), "packet")
        parts.append(f"{dropped} dropped: {', '.join(named[:3])}")
    if network["refused"]:
        refused = fmt.number(network["refused"], "packet")
        parts.append(f"{refused} of handshakes refused: the listener's queue was full")
    if (network["accept_longest_ms"] or 0.0) >= _ACCEPT_MS_MIN:
        p99 = fmt.duration(_ns(network["accept_p99_ms"]))
        longest = fmt.duration(_ns(network["accept_longest_ms"]))
        accepts = fmt.number(network["accepts"], "accept")
        parts.append(f"{accepts} waited p99 {p99}, longest {longest}")
    if network["polls_full"]:
        parts.append(f"{fmt.number(network['polls_full'], 'poll')} used up the budget of NAPI")
    if network["backlog_stops"]:
        stops = fmt.number(network["backlog_stops"], "time")
        parts.append(f"{stops} a CPU left packets lying, {network['backlog_dropped']:,} dropped")
    return parts


def _ns(value_ms: float | None) -> float | None:
    return None if value_ms is None else value_ms * 1e6

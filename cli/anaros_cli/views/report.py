# SPDX-License-Identifier: Apache-2.0
"""Draws the report of a run: the dictionary of ``anaros.report.build`` as text."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from anaros_cli.views import format as fmt

#: The stage table needs this many columns; where there are fewer it is drawn more closely.
_STAGES_COLUMNS = 72

_WAITS = {"runqueue": "run queue", "io": "I/O", "lock": "lock", "device": "device"}
_HIDDEN = "names of files, peers and threads, and the command's arguments"
#: Programs without the shim that are named; the others are only counted.
_PROGRAMS_MAX = 5


def frame(report: Mapping[str, Any], width: int) -> RenderableType:
    """The whole report: what ran, its requests by stage, and what the numbers are worth."""
    parts: list[RenderableType] = [_header(report["run"]), Text()]
    if report["requests"]["count"]:
        parts += [_requests(report["requests"]), Text()]
        parts += [stages(report["stages"], width), Text()]
        parts += [_slowest(report["slowest"]), Text()]
    else:
        parts += [_no_requests(report), Text(), calls(report["calls"]), Text()]
    parts.append(_facts(report))
    return Group(*parts)


def _header(run: Mapping[str, Any]) -> RenderableType:
    started = run["start_unix_ns"]
    when = fmt.UNKNOWN
    if started is not None:
        when = datetime.fromtimestamp(started / 1e9).strftime("%Y-%m-%d %H:%M:%S")
    seconds = run["duration_s"]
    facts = [
        run["host"] or fmt.UNKNOWN,
        when,
        fmt.duration(None if seconds is None else seconds * 1e9),
        f"{fmt.count(run['records'])} records",
        _ending(run),
    ]
    command = fmt.printable(shlex.join(run["command"])) or fmt.UNKNOWN
    lines = [
        Text.assemble((command, "bold"), " (arguments hidden)" if run["names_hidden"] else ""),
        Text(" · ".join(facts)),
        Text(f"run {run['path']}", "dim"),
    ]
    window = run["window_s"]
    if window is not None:
        lines.append(Text(f"window {window[0]:.3f} s to {window[1]:.3f} s after the start"))
    return Group(*lines)


def _ending(run: Mapping[str, Any]) -> str:
    if run["state"] == "running":
        return "still running"
    if run["term_signal"]:
        return f"ended by signal {run['term_signal']}"
    if run["exit_code"] is not None:
        return f"exit {run['exit_code']}"
    return "recovered" if run["state"] == "recovered" else "ending unknown"


def _requests(requests: Mapping[str, Any]) -> Text:
    p50, p99 = fmt.milliseconds(requests["p50_ms"]), fmt.milliseconds(requests["p99_ms"])
    return Text.assemble(
        (f"{fmt.count(requests['count'])} requests", "bold"),
        f" · {fmt.rate(requests['per_second'])}/s · p50 {p50} ms · p99 {p99} ms",
    )


def stages(rows: Sequence[Mapping[str, Any]], width: int) -> Table:
    """The stage table; times in ms."""
    close = width < _STAGES_COLUMNS
    bar_columns = 4 if close else 12
    table = Table(box=None, padding=(0, 1 if close else 2, 0, 0), header_style="bold")
    table.add_column("stage, ms", no_wrap=True)
    for name in ("self p50", "self p99", "wait p50", "wait p99"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("slowest 1 %" if close else "share of slowest 1 %", no_wrap=True)
    for row in rows:
        times = (row[f"{what}_{rank}_ms"] for what in ("self", "wait") for rank in ("p50", "p99"))
        part = row["share_of_p99"]
        table.add_row(
            row["stage"],
            *(fmt.milliseconds(value) for value in times),
            Text.assemble((fmt.bar(part, bar_columns), "cyan"), f" {fmt.share(part):>6}"),
        )
    return table


def _slowest(slowest: Mapping[str, Any]) -> RenderableType:
    requests, threshold = slowest["requests"], fmt.milliseconds(slowest["threshold_ms"])
    what = "request" if requests == 1 else "requests"
    return Group(
        Text(
            f"the slowest {fmt.count(requests)} {what}, from {threshold} ms on, waited for", "bold"
        ),
        Text(f"  {waits_line(slowest)}"),
    )


def waits_line(slowest: Mapping[str, Any]) -> str:
    """What the slowest requests waited for, as shares of their time."""
    return " · ".join(
        f"{label} {fmt.share(slowest['waits'][key])}" for key, label in _WAITS.items()
    )


def _no_requests(report: Mapping[str, Any]) -> Text:
    if not report["calls"]:
        return Text("Nothing was recorded here.", "bold")
    return Text("No requests were found; what was called, by kind:", "bold")


def calls(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The calls by kind, the longest total first."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("kind", no_wrap=True)
    for name in ("count", "bytes", "total", "p50", "p99"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        times = (row["total_ms"], row["p50_ms"], row["p99_ms"])
        table.add_row(
            row["kind"],
            fmt.count(row["count"]),
            fmt.size(row["bytes"]),
            *(fmt.duration(None if value is None else value * 1e6) for value in times),
        )
    return table


def _facts(report: Mapping[str, Any]) -> Table:
    """What the numbers are worth: what was seen, lost, added and changed."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    coverage = report["coverage"]
    table.add_row("seen", _seen(coverage))
    table.add_row("drops", _drops(report["drops"]))
    table.add_row("overhead", _overhead(report["overhead"]))
    table.add_row("policy", _policy(report["policy"]))
    for label, lines in (
        ("changed", _changes(report["policy"])),
        ("damaged", [f"{d['name']}: {d['reason']}" for d in coverage["damaged_segments"]]),
        ("hidden", [_HIDDEN] if report["run"]["names_hidden"] else []),
        ("not seen", list(_not_seen(coverage))),
    ):
        for index, line in enumerate(lines):
            table.add_row(label if index == 0 else "", Text(fmt.printable(line), "yellow"))
    return table


def _seen(coverage: Mapping[str, Any]) -> str:
    programs, shimmed = fmt.count(coverage["processes"]), fmt.count(coverage["with_shim"])
    plane = {True: "kernel plane on", False: "kernel plane off", None: "kernel plane —"}
    text = f"{shimmed} of {programs} programs from inside · {plane[coverage['kernel_plane']]}"
    until_s = coverage["kernel_until_s"]
    return text if until_s is None else f"{text} until {fmt.duration(until_s * 1e9)}"


def _drops(drops: Mapping[str, Any]) -> str:
    text = f"shim {fmt.count(drops['shim'])} · kernel {fmt.count(drops['kernel'])}"
    lossy = {probe: lost for probe, lost in (drops.get("by_probe") or {}).items() if lost}
    if lossy:
        text += " (" + ", ".join(f"{probe} {lost:,}" for probe, lost in lossy.items()) + ")"
    return text


def _overhead(overhead: Mapping[str, Any]) -> str:
    cpu, memory = overhead["supervisor_cpu_percent"], overhead["supervisor_rss_mb"]
    text = f"{fmt.duration(overhead['record_ns'])} a record"
    text += f" · supervisor {fmt.share(None if cpu is None else cpu / 100)} of a CPU"
    text += f", {fmt.UNKNOWN if memory is None else f'{memory:.0f}'} MB"
    kernel_ms = overhead["bpf_run_time_ms"]
    return text + f" · BPF {fmt.duration(None if kernel_ms is None else kernel_ms * 1e6)}"


def _policy(policy: Mapping[str, Any]) -> str:
    if not policy["digest"] or not policy["files"]:
        return "none"
    text = policy["digest"][:12]
    return f"{text} · tenant {policy['tenant']}" if policy["tenant"] else text


def _changes(policy: Mapping[str, Any]) -> list[str]:
    return [*policy["rewrites"], *(f"not applied: {rule}" for rule in policy["not_applied"])]


def _not_seen(coverage: Mapping[str, Any]) -> Iterator[str]:
    if coverage["cut_short"]:
        yield f"what came after the recording failed: {coverage['cut_short']}"
    if coverage["lost_shared_memory"]:
        yield "what was not written yet when the recording ended: its shared memory is gone"
    if coverage["left_running"]:
        yield f"{len(coverage['left_running']):,} processes that went on after the program's end"
    listed = coverage["without_shim"][:_PROGRAMS_MAX]
    for program in listed:
        yield f"pid {program['pid']} {program['program'] or '—'}: {program['reason']}"
    if (coverage["without_shim_count"] or 0) > len(listed):
        yield f"{coverage['without_shim_count'] - len(listed):,} more programs without the shim"
    if coverage["kernel_reason"]:
        yield f"the kernel's side: {coverage['kernel_reason']}"
    if coverage["kernel_until_s"] is not None:
        since = fmt.duration(coverage["kernel_until_s"] * 1e9)
        yield f"the kernel's side from {since} after the start on: the supervisor was killed"
    yield from coverage["kernel_missing"]
    for key, text in (
        ("environments_lost", "programs started without the shim"),
        ("vfork_calls", "calls in vfork children"),
        ("unhooked", "entry points resolved past the shim"),
        ("names_dropped", "names lost"),
    ):
        if coverage[key]:
            yield f"{coverage[key]:,} {text}"
    if coverage["device_times_unread"]:
        yield f"device times not read: {coverage['device_times_unread']:,}"

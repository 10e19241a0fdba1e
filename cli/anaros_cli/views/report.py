# SPDX-License-Identifier: Apache-2.0
"""Draws the report of a run: the dictionary of ``anaros.report.build`` as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from anaros_cli.views import format as fmt
from anaros_cli.views.budget import budget, missed, throttled
from anaros_cli.views.delays import delays, memory_line, network_line, shown
from anaros_cli.views.device import device_time, kernels, streams
from anaros_cli.views.memory import memory
from anaros_cli.views.offload import offload

#: The stage table needs this many columns; where there are fewer it is drawn more closely, and
#: where there are not even so many, without its bars and with its headings on two lines.
_STAGES_COLUMNS = 76
_STAGES_COLUMNS_CLOSE = 60
#: The table of calls likewise; then the median goes.
_CALLS_COLUMNS = 66
_CALLS_COLUMNS_CLOSE = 60
#: Cells that the labels of the facts take.
_LABEL_COLUMNS = 10

_WAITS = {
    "runqueue": "run queue",
    "throttled": "throttled",
    "io": "I/O",
    "memory": "memory",
    "lock": "lock",
    "device": "device",
    "device_queue": "device queue",
}
#: Waits that are told where there are any.
_RARE = ("throttled", "memory")
#: When all probes are there so soon, it is not told.
_SINCE_S = 1.0
#: A smaller share of a CPU is not told.
_PERCENT_MIN = 0.05
#: What shares of coverage are shares of.
_SHARES = {
    "file_bytes": "file bytes",
    "socket_bytes": "socket bytes",
    "launches": "launches",
    "cpu_time": "CPU time",
}
_HIDDEN = "names of files, peers and threads, and the command's arguments"
#: Programs without the shim that are named; the others are only counted.
_PROGRAMS_MAX = 5
#: Functions that passed the shim, likewise.
_FUNCTIONS_MAX = 5


def frame(report: Mapping[str, Any], width: int) -> RenderableType:
    """The whole report: what ran, its requests by stage, and what the numbers are worth."""
    parts: list[RenderableType] = [_header(report["run"], width), Text()]
    if report["requests"]["count"]:
        parts += [_requests(report["requests"], width), Text()]
        parts += [stages(report["stages"], width), Text()]
        parts += [_slowest(report["slowest"], width), Text()]
    else:
        parts += [_no_requests(report), Text(), calls(report["calls"], width), Text()]
    if delayed := shown(report["delays"]):
        parts += [delays(delayed, width), Text()]
    told = device_time(report["device_time"])
    if told:
        parts += [Text(fmt.flow(told, width)), Text()]
    if report["device_time"]["streams"]:
        parts += [streams(report["device_time"], width), Text()]
    if report["device_time"]["kernels"]:
        parts += [kernels(report["device_time"], width), Text()]
    if report["memory"] is not None:
        parts += [memory(report["memory"], width), Text()]
    if report["offload"] is not None:
        parts += [offload(report["offload"], width), Text()]
    parts.append(_facts(report, width - _LABEL_COLUMNS))
    return Group(*parts)


def _header(run: Mapping[str, Any], width: int) -> RenderableType:
    started = run["start_unix_ns"]
    when = fmt.UNKNOWN
    if started is not None:
        when = datetime.fromtimestamp(started / 1e9).strftime("%Y-%m-%d %H:%M:%S")
    seconds = run["duration_s"]
    facts = [
        run["host"] or fmt.UNKNOWN,
        when,
        fmt.duration(None if seconds is None else seconds * 1e9),
        fmt.number(run["records"], "record"),
        _ending(run),
    ]
    hidden = " (arguments hidden)" if run["names_hidden"] else ""
    command = fmt.command(run["command"], width - len(hidden))
    lines = [
        Text.assemble((command, "bold"), hidden),
        Text(fmt.flow(facts, width)),
        Text(f"run {run['path']}", "dim"),
    ]
    window = run["window_s"]
    if window is not None:
        lines.append(Text(f"window {window[0]:.3f} s to {window[1]:.3f} s after the start"))
    return Group(*lines)


def _ending(run: Mapping[str, Any]) -> str:
    if run["state"] == "running":
        return "still running"
    if run["attached"]:
        pids = ", ".join(map(str, run["attached"][:_PROGRAMS_MAX]))
        more = " …" if len(run["attached"]) > _PROGRAMS_MAX else ""
        how = "" if run["state"] == "finished" else f", {run['state']}"
        return f"attached to {pids}{more}{how}"
    if run["term_signal"]:
        return f"ended by signal {run['term_signal']}"
    if run["exit_code"] is not None:
        return f"exit {run['exit_code']}"
    return "recovered" if run["state"] == "recovered" else "ending unknown"


def _requests(requests: Mapping[str, Any], width: int) -> Text:
    p50, p99 = fmt.milliseconds(requests["p50_ms"]), fmt.milliseconds(requests["p99_ms"])
    counted = fmt.number(requests["count"], "request")
    facts = [counted, f"{fmt.rate(requests['per_second'])}/s", f"p50 {p50} ms", f"p99 {p99} ms"]
    said = Text(fmt.flow(facts, width))
    said.stylize("bold", 0, len(counted))
    return said


def stages(rows: Sequence[Mapping[str, Any]], width: int) -> Table:
    """The stage table; times in ms."""
    close, closest = width < _STAGES_COLUMNS, width < _STAGES_COLUMNS_CLOSE
    bar_columns = 0 if closest else 4 if close else 12
    table = Table(box=None, padding=(0, 1 if close else 2, 0, 0), header_style="bold")
    table.add_column("stage, ms", no_wrap=True)
    for name in ("self p50", "self p99", "wait p50", "wait p99"):
        table.add_column(
            name.replace(" ", "\n") if closest else name, justify="right", no_wrap=True
        )
    last = "slowest\n1 %" if closest else "slowest 1 %" if close else "share of slowest 1 %"
    table.add_column(last, justify="right" if closest else "left", no_wrap=True)
    for row in rows:
        times = (row[f"{what}_{rank}_ms"] for what in ("self", "wait") for rank in ("p50", "p99"))
        part = row["share_of_p99"]
        table.add_row(
            f"{row['stage']} ≤" if row.get("bound") else row["stage"],
            *(fmt.milliseconds(value) for value in times),
            Text.assemble((fmt.bar(part, bar_columns), "cyan"), f" {fmt.share(part):>6}"),
        )
    return table


def _slowest(slowest: Mapping[str, Any], width: int) -> RenderableType:
    counted = fmt.number(slowest["requests"], "request")
    threshold = fmt.milliseconds(slowest["threshold_ms"])
    return Group(
        Text(f"the slowest {counted}, from {threshold} ms on, waited for", "bold"),
        Padding(Text(fmt.flow(waits(slowest), width - 2)), (0, 0, 0, 2)),
    )


def waits(slowest: Mapping[str, Any]) -> list[str]:
    """What the slowest requests waited for, as shares of their time."""
    shares = slowest["waits"]
    # Most programs have no device whose queue is known: that is not worth a word in each report.
    known = [key for key in _WAITS if key != "device_queue" or shares.get(key) is not None]
    known = [key for key in known if key not in _RARE or shares.get(key)]
    bounds = dict.fromkeys(slowest.get("at_least", ()), "at least ")
    return [f"{_WAITS[key]} {bounds.get(key, '')}{fmt.share(shares[key])}" for key in known]


def _no_requests(report: Mapping[str, Any]) -> Text:
    if not report["calls"]:
        return Text("Nothing was recorded here.", "bold")
    return Text("No requests were found; what was called, by kind:", "bold")


def calls(rows: Sequence[Mapping[str, Any]], width: int) -> Table:
    """The calls by kind, the longest total first."""
    close = width < _CALLS_COLUMNS
    times = ("total", "p99") if width < _CALLS_COLUMNS_CLOSE else ("total", "p50", "p99")
    table = Table(box=None, padding=(0, 1 if close else 2, 0, 0), header_style="bold")
    table.add_column("kind", no_wrap=True)
    for name in ("count", "bytes", *times):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        values = (row[f"{name}_ms"] for name in times)
        table.add_row(
            row["kind"],
            fmt.count(row["count"]),
            fmt.size(row["bytes"]),
            *(fmt.duration(None if value is None else value * 1e6) for value in values),
        )
    return table


def _facts(report: Mapping[str, Any], width: int) -> Table:
    """What memory and the network did, and what the numbers are worth: what was lost and added."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    coverage = report["coverage"]
    for label, parts in (
        ("memory", memory_line(report["faults"])),
        ("network", network_line(report["network"])),
    ):
        if parts:
            table.add_row(label, Text(fmt.flow(parts, width)))
    table.add_row("seen", fmt.flow(_seen(coverage, report["run"]["attached"]), width))
    if covered := [*_covered(coverage), *missed(report["budget"])]:
        table.add_row("coverage", fmt.flow(covered, width))
    table.add_row("drops", fmt.flow(_drops(report["drops"]), width))
    table.add_row("overhead", fmt.flow(_overhead(report["overhead"]), width))
    if report["budget"] is not None:
        table.add_row("budget", fmt.flow(budget(report["budget"]), width))
    table.add_row("policy", _policy(report["policy"]))
    for label, lines in (
        ("quota", throttled(report["throttled"])),
        ("changed", _changes(report["policy"])),
        ("damaged", [f"{d['name']}: {d['reason']}" for d in coverage["damaged_segments"]]),
        ("hidden", [_HIDDEN] if report["run"]["names_hidden"] else []),
        ("not seen", list(_not_seen(coverage))),
    ):
        for index, line in enumerate(lines):
            table.add_row(label if index == 0 else "", Text(fmt.printable(line), "yellow"))
    return table


def shares(known: Mapping[str, float | None]) -> list[str]:
    """What share of what was seen; what is unknown is left out."""
    return [
        f"{fmt.share_below(share)} of {_SHARES[name]}"
        for name, share in known.items()
        if share is not None
    ]


def _covered(coverage: Mapping[str, Any]) -> list[str]:
    """Of what the kernel counted the share that was seen; what nobody counted is left out."""
    parts = []
    for name, seen in coverage["shares"].items():
        for part in shares({name: seen}):
            fills = coverage["filled"][name]
            whole = f" ({fmt.share_below(seen + fills)} with the kernel's records)"
            parts.append(f"{part}{whole if fills else ''}")
    if count := coverage["without_shim_count"]:
        listed = coverage["without_shim"][:_PROGRAMS_MAX]
        names = [f"{_last(program['program'])} ({_short(program['reason'])})" for program in listed]
        more = [f"{count - len(listed)} more"] if count > len(listed) else []
        noun = "process" if count == 1 else "processes"
        parts.append(f"{count:,} {noun} without the shim: {', '.join([*names, *more])}")
    return parts


def _last(program: str | None) -> str:
    return fmt.UNKNOWN if program is None else fmt.printable(program).rpartition("/")[2]


def _short(reason: str) -> str:
    return reason.partition(":")[0]


def _seen(coverage: Mapping[str, Any], attached: Sequence[int]) -> list[str]:
    noun, shimmed = fmt.number(coverage["processes"], "program"), fmt.count(coverage["with_shim"])
    programs = f"{shimmed} of {noun} from inside"
    if attached and coverage["with_shim"] is None:
        programs = f"{fmt.number(len(attached), 'process')} from outside"
    plane = {True: "kernel plane on", False: "kernel plane off", None: "kernel plane —"}
    until_s = coverage["kernel_until_s"]
    until = "" if until_s is None else f" until {fmt.duration(until_s * 1e9)}"
    since_s = max(filter(None, (coverage["probes_since_s"] or {}).values()), default=0.0)
    if since_s >= _SINCE_S:
        until += f", all of it from {fmt.duration(since_s * 1e9)}"
    parts = [programs, f"{plane[coverage['kernel_plane']]}{until}"]
    if coverage["device_calls_beneath"]:
        beneath = coverage["device_calls_beneath"]
        parts.append(fmt.number(beneath, "call between device libraries"))
    return parts


def _drops(drops: Mapping[str, Any]) -> list[str]:
    text = f"kernel {fmt.count(drops['kernel'])}"
    lossy = {probe: lost for probe, lost in (drops.get("by_probe") or {}).items() if lost}
    if lossy:
        text += " (" + ", ".join(f"{probe} {lost:,}" for probe, lost in lossy.items()) + ")"
    return [f"shim {fmt.count(drops['shim'])}", text]


def _overhead(overhead: Mapping[str, Any]) -> list[str]:
    cpu, memory = overhead["supervisor_cpu_percent"], overhead["supervisor_rss_mb"]
    supervisor = f"supervisor {fmt.share(None if cpu is None else cpu / 100)} of a CPU"
    supervisor += f", {fmt.UNKNOWN if memory is None else f'{memory:.0f}'} MB"
    kernel_ms, recording = overhead["bpf_run_time_ms"], overhead["recording_percent"]
    told = recording is not None and recording >= _PERCENT_MIN
    share = f", {fmt.share(recording / 100)} of a CPU" if told else ""
    return [
        f"{fmt.duration(overhead['record_ns'])} a record{share}",
        supervisor,
        f"BPF {fmt.duration(None if kernel_ms is None else kernel_ms * 1e6)}",
    ]


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
        counted = fmt.number(len(coverage["left_running"]), "process that")
        yield f"{counted} went on after the program's end"
    listed = coverage["without_shim"][:_PROGRAMS_MAX]
    for program in listed:
        moved = _moved(program)
        counted = f"; by the kernel's count it {moved}" if moved else ""
        yield f"pid {program['pid']} {program['program'] or '—'}: {program['reason']}{counted}"
    if (coverage["without_shim_count"] or 0) > len(listed):
        more = fmt.number(coverage["without_shim_count"] - len(listed), "program")
        yield f"and {more} more without the shim"
    for program in coverage["partly_seen"][:_PROGRAMS_MAX]:
        named = f"pid {program['pid']} {program['program'] or '—'}"
        yield f"{named}: past the shim, by the kernel's count, it {_moved(program)}"
    if coverage["kernel_reason"]:
        yield f"the kernel's side: {coverage['kernel_reason']}"
    if coverage["kernel_until_s"] is not None:
        since = fmt.duration(coverage["kernel_until_s"] * 1e9)
        yield f"the kernel's side from {since} after the start on: the supervisor was killed"
    yield from coverage["kernel_missing"]
    for key, text in (
        ("environments_lost", "program started without the shim"),
        ("vfork_calls", "call in vfork children"),
        ("names_dropped", "name lost"),
    ):
        if coverage[key]:
            yield fmt.number(coverage[key], text)
    yield from _unhooked(coverage)
    yield from _device_unseen(coverage)


def _moved(program: Mapping[str, Any]) -> str:
    """What the kernel counted for a program, the ways that it used."""
    ways = ("read", "written", "received", "sent")
    verbs = ("read", "wrote", "received", "sent")
    moved = [
        f"{verb} {fmt.size(program[f'{way}_bytes'])}"
        for way, verb in zip(ways, verbs, strict=True)
        if program.get(f"{way}_bytes")
    ]
    if not program.get("filled_bytes"):
        return ", ".join(moved)
    whole = sum(program.get(f"{way}_bytes") or 0 for way in ways)
    share = fmt.share_below(program["filled_bytes"] / whole)
    return f"{', '.join(moved)}, {share} of it on record"


def _device_unseen(coverage: Mapping[str, Any]) -> Iterator[str]:
    """What is missing of a device's work whose calls were recorded."""
    if coverage["nccl_profiler"]:
        yield f"NCCL: its profiler plugin is {coverage['nccl_profiler']}, not ours"
    if coverage["device_times_unread"]:
        yield f"device times not read: {coverage['device_times_unread']:,}"
    if coverage["captures_lost"]:
        lost = fmt.number(coverage["captures_lost"], "step of a capture")
        yield f"{lost} not followed: calls that went into a graph are told as if they ran"


def _unhooked(coverage: Mapping[str, Any]) -> Iterator[str]:
    """Functions that passed the shim: how many, and the most frequent by name, version and way."""
    if coverage["unhooked"]:
        yield fmt.number(coverage["unhooked"], "function resolved past the shim")
    functions = coverage["unhooked_names"]
    for function in functions[:_FUNCTIONS_MAX]:
        version = function["version"]
        asked = f" of CUDA {version // 1000}.{version % 1000 // 10}" if version else ""
        times, way = fmt.number(function["count"], "time"), function["way"] or fmt.UNKNOWN
        yield f"  {function['name'] or fmt.UNKNOWN}{asked} ({way}) {times}"
    if len(functions) > _FUNCTIONS_MAX:
        yield f"  and {len(functions) - _FUNCTIONS_MAX} more"

# SPDX-License-Identifier: Apache-2.0
"""Explains a run as one dictionary: what `anaros report --json` prints and the view draws.

``requests``, ``stages``, ``drops``, ``coverage``, ``overhead`` and ``policy`` are names that other
tools rely on; ``run``, ``slowest`` and ``calls`` come with them. None is "unknown" everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from anaros import coverage, delays, pofc, shed
from anaros.capture.program.census import census
from anaros.device_time import device_time_of
from anaros.errors import UsageError
from anaros.kinds import KIND_NAMES, Kind
from anaros.offload import offload_of
from anaros.records import Columns
from anaros.store import segments
from anaros.store.calls import FIELDS, Calls, tally
from anaros.store.names import read_names
from anaros.store.rundir import RunDirectory
from anaros.store.unhooked import unhooked_names

Window = tuple[int, int]

#: Kinds whose ``size_bytes`` is a number of bytes.
BYTE_KINDS = frozenset(
    {
        Kind.FILE_READ,
        Kind.FILE_WRITE,
        Kind.FILE_MMAP,
        Kind.FILE_MUNMAP,
        Kind.FILE_SENDFILE,
        Kind.FILE_COPY,
        Kind.FILE_FILL,
        Kind.FILE_READAHEAD,
        Kind.FILE_URING,
        Kind.FILE_AIO,
        Kind.NET_RECV,
        Kind.NET_SEND,
        Kind.GPU_COPY_H2D,
        Kind.GPU_COPY_D2H,
        Kind.GPU_COPY_D2D,
        Kind.GPU_COPY,
        Kind.GPU_MEMSET,
        Kind.GPU_ALLOC,
        Kind.GPU_MAP,
        Kind.GPU_TRANSFER,
        Kind.GPU_STORAGE,
        Kind.BLOCK_IO,
        Kind.NIC_QUEUE,
    }
)

WAITS = ("runqueue", "throttled", "io", "memory", "lock", "device", "device_queue")


def build(run: RunDirectory, window: Window | None = None) -> dict[str, Any]:
    """Explain a run.

    Args:
        run: The run; one that goes on is explained as far as its closed segments reach.
        window: First and last ns (CLOCK_MONOTONIC) to look at; None is the whole run. ``drops``,
            ``coverage``, ``overhead`` and ``policy`` are always those of the whole run.

    Returns:
        A dictionary of plain values, ready for JSON; its shape is in docs/report.md.

    Raises:
        RunDirectoryError: The run cannot be read.
    """
    with pofc.tables(run) as tables:
        return _explained(run, tables, window)


def _explained(run: RunDirectory, tables: pofc.Tables, window: Window | None) -> dict[str, Any]:
    meta = run.meta()
    timeline, tallied = tables.timeline, tables.calls
    begin, end = span_ns(run, meta, tallied)
    if window is not None:
        tallied = tally(_within(run, tables, window))
    unseen = shed.unseen(timeline.requests, shed.intervals_of(meta, end))
    summary = pofc.summarise(timeline, window, waits_told(unseen))
    return {
        "run": _run(run, meta, tallied.records, (begin, end), window),
        "requests": requests_of(summary, _busy_s(timeline, window)),
        "stages": stages_of(summary, timeline.coverage.launches),
        "slowest": slowest(timeline, window, unseen),
        "calls": calls(tallied),
        "device_time": device_time_of(run, meta, tables),
        "memory": memory_of(tables.memory, tables.calls, meta),
        "offload": offload_of(run, tallied, window),
        **_delays(run, tables, window),
        "drops": drops_of(meta),
        "coverage": _coverage(run, meta, tables),
        "overhead": _overhead(meta, coverage.cost_of(run, tables.columns), (end - begin) / 1e9),
        "budget": shed.budget_of(meta, begin, end),
        "throttled": _throttled(meta),
        "policy": _policy(meta),
    }


def _throttled(meta: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """``throttled`` of the report: each group with a quota of CPU; None: nobody looked."""
    groups = meta.get("throttled")
    if groups is None:
        return None
    return [
        {
            "cgroup": group["cgroup"],
            "periods": group["periods"],
            "throttled": group["throttled"],
            "throttled_s": group["throttled_ns"] / 1e9,
        }
        for group in groups
    ]


def _delays(run: RunDirectory, tables: pofc.Tables, window: Window | None) -> dict[str, Any]:
    """``delays``, ``faults`` and ``network`` of the report; None without the kernel plane."""
    if not tables.calls.kernel.any():
        found = None
    elif window is None:
        found = delays.summary_of(run, tables.calls, tables.columns)
    else:
        found = delays.summary_within(run, window)
    return delays.told(found, read_names(run))


def waits_told(unseen: Mapping[str, npt.NDArray[np.bool_]]) -> npt.NDArray[np.bool_] | None:
    """Of which requests all waits are known; None: of all. ``unseen`` as of `shed.unseen`."""
    return ~np.logical_or.reduce(list(unseen.values())) if unseen else None


def _within(run: RunDirectory, tables: pofc.Tables, window: Window) -> Columns:
    """The records of a window, with what the table of calls needs of them."""
    if tables.columns is None:
        return segments.load(run, window=window, fields=FIELDS)
    bounds = np.searchsorted(tables.columns.start_ns, np.array(window, np.uint64))
    return tables.columns.take(slice(*bounds))


def window_ns(run: RunDirectory, start_s: float | None, end_s: float | None) -> Window:
    """A window of ``run`` in ns of its clock.

    Args:
        run: The run that the seconds count in.
        start_s: Seconds after its start, or before its end where negative; None is its start.
        end_s: The same for the end of the window; None is the run's end.

    Raises:
        UsageError: Nothing lies between the two.
    """
    begin, end = span_ns(run, run.meta())
    first = begin if start_s is None else _instant(start_s, begin, end)
    last = end if end_s is None else _instant(end_s, begin, end)
    first, last = max(first, begin), min(last, end)
    if first >= last:
        seconds = (end - begin) / 1e9
        raise UsageError(
            "the window holds nothing of the run", f"the run lasts from 0 to {seconds:.3f} s"
        )
    return first, last


def _instant(seconds: float, begin: int, end: int) -> int:
    return (end if math.copysign(1.0, seconds) < 0 else begin) + round(seconds * 1e9)


def span_ns(
    run: RunDirectory, meta: Mapping[str, Any], tallied: Calls | None = None
) -> tuple[int, int]:
    """Start and end of the run; where its end was not seen, that of the last record."""
    begin, end = meta.get("start_ns"), meta.get("end_ns")
    if meta.get("state") == "recovered":
        end = None  # what meta.json has is the time of the recovery
    if begin is not None and end is not None:
        return int(begin), int(end)
    recorded = _recorded_ns(run) if tallied is None else tallied.span_ns
    if recorded is None:
        start = int(begin or end or 0)
        return start, start
    first, last = recorded
    begin = int(first if begin is None else begin)
    return begin, max(begin, int(last if end is None else end))


def _recorded_ns(run: RunDirectory) -> tuple[int, int] | None:
    """From the start of the first record to the last end; None without records."""
    columns = segments.load(run, fields=("start_ns", "duration_ns"))
    if not len(columns):
        return None
    return int(columns.start_ns[0]), int((columns.start_ns + columns.duration_ns).max())


def _run(
    run: RunDirectory,
    meta: Mapping[str, Any],
    records: int,
    whole: Window,
    window: Window | None,
) -> dict[str, Any]:
    begin, end = whole
    seconds = None if window is None else [(bound - begin) / 1e9 for bound in window]
    return {
        "path": str(run.path),
        "command": list(meta.get("command") or ()),
        "names_hidden": meta.get("names_hidden"),
        "host": (meta.get("host") or {}).get("hostname"),
        "start_unix_ns": meta.get("start_unix_ns"),
        "duration_s": (end - begin) / 1e9 if end > begin else None,
        "records": records,
        "state": meta.get("state"),
        "exit_code": meta.get("exit_code"),
        "term_signal": meta.get("term_signal"),
        "attached": [process["pid"] for process in meta.get("attached") or ()],
        "window_s": seconds,
    }


def calls(tallied: Calls) -> list[dict[str, Any]]:
    """``calls`` of the report: what was recorded by kind, the longest total time first.

    ``plane`` tells who saw it: ``program`` (from inside, by the shim) or ``kernel``. ``bytes`` is
    None for kinds that move none.
    """
    table = zip(*(array.tolist() for array in tallied.as_dict().values()), strict=True)
    found = (dict(zip(tallied.as_dict(), row, strict=True)) for row in table)
    rows = [_call(call) for call in found if call["kind"] != Kind.META_NAME]
    return sorted(rows, key=lambda row: (-row["total_ms"], row["kind"]))


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    kind = call["kind"]
    return {
        "kind": KIND_NAMES.get(kind, f"{kind:#06x}"),
        "plane": "kernel" if call["kernel"] else "program",
        "count": call["count"],
        "bytes": call["size_bytes"] if kind in BYTE_KINDS else None,
        "total_ms": call["total_ns"] / 1e6,
        "p50_ms": call["p50_ns"] / 1e6,
        "p99_ms": call["p99_ns"] / 1e6,
    }


def _chosen(requests: pofc.Requests, window: Window | None) -> npt.NDArray[np.intp]:
    """The places of the requests that ended in the window, as ``pofc.summarise`` counts them."""
    if window is None:
        return np.arange(len(requests))
    ends_ns = requests.start_ns + requests.duration_ns
    return np.flatnonzero((ends_ns >= window[0]) & (ends_ns <= window[1]))


def _busy_s(timeline: pofc.Timeline, window: Window | None) -> float | None:
    """From the start of the first request that counts to the end of the last one."""
    requests = timeline.requests
    chosen = _chosen(requests, window)
    if not len(chosen):
        return None
    ends_ns = requests.start_ns[chosen] + requests.duration_ns[chosen]
    return float(ends_ns.max() - requests.start_ns[chosen].min()) / 1e9


def slowest(
    timeline: pofc.Timeline,
    window: Window | None = None,
    unseen: Mapping[str, npt.NDArray[np.bool_]] | None = None,
) -> dict[str, Any]:
    """What the slowest 1 % of the requests waited for, as shares of their time.

    Without the kernel plane nobody knows what time passed in a run queue, and without device times
    or bounds of them in the device's queue: such a share is None. ``at_least`` names the shares
    that are bounds: there may be more of it. So is a wait that is unknown of some of them, by
    ``unseen`` as of `shed.unseen`; where it is unknown of all, its share is None.
    """
    requests, spans = timeline.requests, timeline.spans
    chosen = _chosen(requests, window)
    if not len(chosen):
        return {"requests": 0, "threshold_ms": None, "waits": dict.fromkeys(WAITS), "at_least": []}
    ranked = np.argsort(-requests.duration_ns[chosen].astype(np.int64), kind="stable")
    slow = chosen[ranked[: -(-len(chosen) // 100)]]
    mine = np.isin(spans.request, requests.request[slow])
    total_ns = float(requests.duration_ns[slow].sum())
    launches = timeline.coverage.launches
    bounded = bool(launches.bounded)
    known = {
        **dict.fromkeys(("runqueue", "throttled", "memory"), timeline.coverage.kernel_plane),
        "device_queue": bool(timeline.coverage.owned.get("device_order")) or bounded,
    }
    missed = {name: requests_of_it[slow] for name, requests_of_it in (unseen or {}).items()}
    waits: dict[str, float | None] = {}
    for name in WAITS:
        waited_ns = float(getattr(spans, f"wait_{name}_ns")[mine].sum())
        seen = known.get(name, True) and not (name in missed and missed[name].all())
        waits[name] = waited_ns / total_ns if seen and total_ns else None
    at_least = [name for name, of in missed.items() if waits[name] is not None and of.any()]
    if launches.count > launches.told and bounded:
        at_least.append("device_queue")
    return {
        "requests": len(slow),
        "threshold_ms": float(requests.duration_ns[slow[-1]]) / 1e6,
        "waits": waits,
        "at_least": at_least,
    }


def requests_of(summary: pofc.Summary, seconds: float | None) -> dict[str, Any]:
    """``requests`` of the report; ``seconds`` is the time that ``summary`` is about."""
    return {
        "count": summary.count,
        "per_second": summary.count / seconds if seconds else None,
        "p50_ms": _number(summary.p50_ms),
        "p99_ms": _number(summary.p99_ms),
    }


def stages_of(summary: pofc.Summary, launches: pofc.Launches) -> list[dict[str, Any]]:
    """``stages`` of the report, in the order of the stages; absent ones are left out.

    ``bound`` is ``at most`` where the self time of ``execute`` is only a bound, else None.
    """
    bound = {"execute": "at most"} if launches.bounded else {}
    return [
        {
            "stage": stage.stage,
            "bound": bound.get(stage.stage),
            "self_p50_ms": _number(stage.self_p50_ms),
            "self_p99_ms": _number(stage.self_p99_ms),
            "wait_p50_ms": _number(stage.wait_p50_ms),
            "wait_p99_ms": _number(stage.wait_p99_ms),
            "share_of_p99": _number(stage.share_of_p99),
        }
        for stage in summary.stages
    ]


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


def memory_of(
    found: pofc.Map | None, tallied: Calls, meta: Mapping[str, Any]
) -> dict[str, Any] | None:
    """``memory`` of the report: device memory of the whole run; None where there was none.

    What is in use at the end is a leak at most where the process lives on: ``alive`` tells.
    """
    if found is None:
        return None
    summary = pofc.summarise_memory(found)
    left = set(meta.get("left_running") or ())
    for process in summary["processes"]:
        process["alive"] = meta.get("state") == "running" or process["pid"] in left
        process["high_water_s"] = _seconds(meta, process.pop("high_water_ns"))
        for sort in process["sorts"]:
            sort["high_water_s"] = _seconds(meta, sort.pop("high_water_ns"))
    for failure in summary["failures"]:
        failure["time_s"] = _seconds(meta, failure.pop("time_ns"))
    hints = {"prefetched": Kind.GPU_PREFETCH, "discarded": Kind.GPU_DISCARD}
    for name, kind in hints.items():
        summary[f"{name}_bytes"] = int(tallied.size_bytes[tallied.kind == kind].sum())
    return summary


def drops_of(meta: Mapping[str, Any]) -> dict[str, Any]:
    """``drops`` of the report."""
    drops = meta.get("drops") or {}
    return {
        "shim": drops.get("shim"),
        "kernel": drops.get("kernel"),
        "by_probe": drops.get("by_probe") or {},
    }


def _coverage(run: RunDirectory, meta: Mapping[str, Any], tables: pofc.Tables) -> dict[str, Any]:
    timeline = tables.timeline
    plane = meta.get("kernel_plane") or {}
    counters = meta.get("counters") or {}
    programs: Mapping[str, Any] = meta.get("processes") or census(run)
    seen = bool(programs["seen"])  # the kernel plane told of their starts
    ledger = coverage.ledger_of(run, tables.columns)
    return {
        "shares": coverage.shares_of(ledger),
        "filled": coverage.filled_of(ledger),
        "filled_s": [
            {name: _seconds(meta, span[f"{name}_ns"]) for name in ("since", "until")}
            for span in plane.get("bare") or ()
        ],
        "quantities": coverage.totals_of(ledger),
        "before_shim_bytes": ledger.before_shim_bytes,
        "stdio_bytes": ledger.stdio_bytes,
        "unwitnessed_bytes": ledger.unwitnessed_bytes,
        "processes": programs["seen"] if seen else None,
        "with_shim": programs["with_shim"] if seen else counters.get("processes"),
        "without_shim": coverage.filled(programs["without_shim"], ledger.programs),
        "without_shim_count": programs["without_shim_count"] if seen else None,
        "partly_seen": coverage.partly_seen(ledger.programs, read_names(run)),
        "kernel_plane": plane.get("active"),
        "probes_since_s": _since(meta, plane.get("since_ns")),
        "kernel_until_s": _seconds(meta, plane.get("until_ns")),
        "kernel_reason": plane.get("reason") or None,
        "kernel_missing": plane.get("missing") or [],
        "cufile": [
            {"path": library["path"], "since_s": _seconds(meta, library["since_ns"])}
            for library in plane.get("cufile") or ()
        ],
        "damaged_segments": [
            {"name": str(damaged.path.relative_to(run.path)), "reason": damaged.reason}
            for damaged in segments.damaged_segments(run)
        ],
        "cut_short": meta.get("cut_short"),
        "lost_shared_memory": bool(meta.get("lost_shared_memory")),
        "left_running": meta.get("left_running") or [],
        "open_requests": timeline.coverage.open_requests,
        "records_owned": dict(timeline.coverage.owned),
        "records_unowned": timeline.coverage.unowned,
        "environments_restored": counters.get("environments_restored"),
        "environments_lost": counters.get("environments_lost"),
        "names_dropped": counters.get("names_dropped"),
        "vfork_calls": counters.get("vfork_calls"),
        "unhooked": counters.get("unhooked"),
        "unhooked_names": unhooked_names(run) if Kind.GPU_UNKNOWN in tables.calls.kind else [],
        "device_times_unread": counters.get("device_times_unread"),
        "device_calls_beneath": counters.get("device_calls_beneath"),
        "captures_lost": counters.get("captures_lost"),
        "nccl_profiler": meta.get("nccl_profiler"),
    }


def _seconds(meta: Mapping[str, Any], instant_ns: int | None) -> float | None:
    """From the start of the run to an instant of its clock."""
    start_ns = meta.get("start_ns")
    return None if instant_ns is None or start_ns is None else (instant_ns - start_ns) / 1e9


def _since(meta: Mapping[str, Any], since_ns: Mapping[str, int] | None) -> dict[str, Any] | None:
    """Each probe, and when it came to work; at once, where it was there before the run began."""
    if since_ns is None:
        return None
    return {probe: max(_seconds(meta, at) or 0.0, 0.0) for probe, at in sorted(since_ns.items())}


def _overhead(meta: Mapping[str, Any], cost: coverage.Cost, seconds: float) -> dict[str, Any]:
    overhead = meta.get("overhead") or {}
    cpu_s, memory = overhead.get("supervisor_cpu_s"), overhead.get("supervisor_rss_bytes")
    run_time = overhead.get("bpf_run_time_ns")
    by_probe = None
    if isinstance(run_time, Mapping):
        by_probe = {probe: spent / 1e6 for probe, spent in run_time.items()}
        run_time = sum(run_time.values())
    record_ns, records = overhead.get("record_ns"), overhead.get("records")
    recording_s = None
    if record_ns is not None and records is not None:
        recording_s = record_ns * records / 1e9
    return {
        "record_ns": record_ns,
        "records": records,
        "recording_s": recording_s,
        "supervisor_cpu_s": cpu_s,
        "supervisor_cpu_percent": cpu_s / seconds * 100 if cpu_s is not None and seconds else None,
        "supervisor_rss_mb": memory / 1e6 if memory is not None else None,
        "bpf_run_time_ms": run_time / 1e6 if run_time is not None else None,
        "bpf_by_probe_ms": by_probe,
        **_per_second(cost, seconds),
    }


def _per_second(cost: coverage.Cost, seconds: float) -> dict[str, Any]:
    """Of the track of costs what is worth a line: shares of a CPU, and the dearest second."""
    spent_ns = int(cost.recording_ns[cost.recording_ns > 0].sum())
    known = bool((cost.recording_ns >= 0).any())
    supervisor, memory = cost.most("supervisor_ns"), cost.most("rss_bytes")
    metered_ns = None
    if (meter := cost.track.get("meter_ns")) is not None and (meter >= 0).any():
        metered_ns = int(meter[meter > 0].sum())
    return {
        "recording_percent": spent_ns / seconds / 1e7 if known and seconds else None,
        "records_most_per_second": int(cost.records.max()) if known else None,
        "supervisor_most_percent": supervisor / 1e7 if supervisor is not None else None,
        "supervisor_most_rss_mb": memory / 1e6 if memory is not None else None,
        "metering_ms": None if metered_ns is None else metered_ns / 1e6,
    }


def _policy(meta: Mapping[str, Any]) -> dict[str, Any]:
    policy = meta.get("policy") or {}
    return {
        "digest": policy.get("digest"),
        "tenant": policy.get("tenant"),
        "files": policy.get("files") or [],
        "rewrites": policy.get("rewrites") or [],
        "not_applied": policy.get("not_applied") or [],
    }

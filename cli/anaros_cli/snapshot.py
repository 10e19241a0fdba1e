# SPDX-License-Identifier: Apache-2.0
"""One look at a run: what its last seconds hold. The views of `anaros xray` draw it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anaros import coverage, delays, pofc, report, shed
from anaros.kinds import Kind, NameClass
from anaros.pofc.memory import standing
from anaros.records import FLAG_KERNEL, U64, Columns
from anaros.store import segments
from anaros.store.names import Names
from anaros.store.rundir import RunDirectory

if TYPE_CHECKING:
    from anaros_cli.live import Source

#: A look takes at most this many of the newest records, so that it is done in a moment.
RECORDS_MAX = 400_000
#: Lines of each list of busiest things.
TOP_MAX = 5
#: Of so many things the names are looked up; those of one name (a kernel in several programs, a
#: file that was replaced) are one line.
_CANDIDATES_MAX = 64


@dataclass(frozen=True, slots=True)
class Busy:
    """A file, a socket or a kernel, and what was done with it in the window.

    Attributes:
        name: Its name, or its number where no name is known.
        calls: How often.
        size_bytes: Bytes moved; None for what moves none.
        total_ns: Time in all of the calls.
    """

    name: str
    calls: int
    size_bytes: int | None
    total_ns: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The last seconds of a run.

    Attributes:
        path: The run directory.
        command: The words that started it.
        live: The run goes on.
        elapsed_s: From its start to its end, or to now; None where the start is unknown.
        window_s: The seconds that all below is about; 0 where nothing was recorded.
        records: How many events.
        requests: Count, ``per_second``, ``p50_ms`` and ``p99_ms``, as in the report.
        stages: The rows of the report's stage table.
        slowest: What the slowest 1 % waited for, as in the report.
        delays: Who and what delayed it, as in the report; None without the kernel plane.
        faults: Its page faults, likewise.
        network: What the network did to it, likewise.
        memory: The device memory that is held at its end, as `pofc.memory.standing` tells, with
            ``allocations_per_second`` of the window; None where there is none.
        drops: Records lost in the whole run, as in the report.
        coverage: Of what the kernel counted in the window the share that was seen, as ``shares``
            in the report's coverage, but of CPU time.
        coverage_age_s: Where the window tells no share, how old the one is that was told before.
        kernel_plane: Whether the kernel plane is at work; None: unknown.
        shed: Probes that are away now, to stay within the budget.
        budget_percent: That budget; None: there is none.
        device_times_unread: Device commands whose times were not asked in time, likewise.
        files: The busiest files, by time.
        sockets: The busiest sockets, by bytes.
        kernels: The busiest device kernels, by time.
        kernels_told: That is their time on the device; else it is that of the calls to launch them.
    """

    path: str
    command: tuple[str, ...]
    live: bool
    elapsed_s: float | None
    window_s: float
    records: int
    requests: dict[str, Any]
    stages: list[dict[str, Any]]
    slowest: dict[str, Any]
    delays: list[dict[str, Any]] | None
    faults: dict[str, Any] | None
    network: dict[str, Any] | None
    memory: dict[str, Any] | None
    drops: dict[str, Any]
    coverage: dict[str, float | None]
    coverage_age_s: float | None
    kernel_plane: bool | None
    shed: tuple[str, ...]
    budget_percent: float | None
    device_times_unread: int | None
    files: tuple[Busy, ...]
    sockets: tuple[Busy, ...]
    kernels: tuple[Busy, ...]
    kernels_told: bool


def _shares(columns: Columns, begin_ns: int, meta: Mapping[str, Any]) -> dict[str, float | None]:
    # Not of CPU time: nearly all records are the scheduler's, and that share hardly moves.
    kinds = [kind for kind in coverage.ABOUT if not kind.name.startswith("SCHED_")]
    about = columns.take(np.flatnonzero(np.isin(columns.kind, kinds)))
    ledger = coverage.reckon(about, begin_ns, **coverage.attachment(meta))
    return {**coverage.shares_of(ledger), "cpu_time": None}


def take(run: RunDirectory, seconds: float, source: Source | None = None) -> Snapshot:
    """Look at the last ``seconds`` of ``run``.

    Args:
        run: The run.
        seconds: How far to look back: from now where the run goes on, else from its end.
        source: Where the newest facts of a running run come from; None reads only what it has
            written.
    """
    meta = run.meta()
    live = meta.get("state") == "running"
    end = time.monotonic_ns() if live else report.span_ns(run, meta)[1]
    begin = max(end - round(seconds * 1e9), int(meta.get("start_ns") or 0))
    drops, unread = report.drops_of(meta), (meta.get("counters") or {}).get("device_times_unread")
    if live and source is not None:
        columns, names = source.records((end - begin) / 1e9), source.names()
        lost = source.losses()
        if lost is not None:
            drops = {"shim": lost.shim, "kernel": lost.kernel, "by_probe": lost.by_probe or {}}
            unread = lost.device_times_unread
    else:
        columns, names = segments.load(run, window=(begin, end + 1)), segments.read_names(run)
    if len(columns) > RECORDS_MAX:
        columns = columns.take(slice(-RECORDS_MAX, None))
        begin = int(columns.start_ns[0])
    window_s = max(end - begin, 0) / 1e9 if len(columns) else 0.0
    if live and source is not None:
        opened, memory = source.opened(begin), source.memory()
    else:
        kinds = (*pofc.CONNECTION_KINDS, *standing.KINDS)
        before = segments.load(run, kinds=kinds, window=(0, begin))
        opened = _of(before, pofc.CONNECTION_KINDS)
        told = [_of(part, standing.KINDS) for part in (before, columns)]
        memory = standing.standing(standing.Past(), Columns.concatenate(told))
    if memory is not None:
        made = int(((columns.kind == Kind.GPU_ALLOC) & (columns.status == 0)).sum())
        memory["allocations_per_second"] = made / window_s if window_s else None
    timeline = pofc.analyse(Columns.concatenate([opened, columns]), bounds=pofc.infers(meta))
    away = shed.intervals_of(meta, end)
    unseen = shed.unseen(timeline.requests, away)
    summary = pofc.summarise(timeline, None, report.waits_told(unseen))
    started = meta.get("start_ns")
    kernels, kernels_told = _kernels(columns, names)
    return Snapshot(
        path=str(run.path),
        command=tuple(meta.get("command") or ()),
        live=live,
        elapsed_s=None if started is None else (end - int(started)) / 1e9,
        window_s=window_s,
        records=len(columns),
        requests=report.requests_of(summary, window_s),
        stages=report.stages_of(summary, timeline.coverage.launches),
        slowest=report.slowest(timeline, None, unseen),
        **_delays(columns, names),
        memory=memory,
        drops=drops,
        coverage=_shares(columns, begin, meta),
        coverage_age_s=None,
        kernel_plane=(meta.get("kernel_plane") or {}).get("active"),
        shed=shed.away(meta),
        budget_percent=(meta.get("budget") or {}).get("percent"),
        device_times_unread=unread,
        files=_busiest(columns, names, NameClass.FILE, _FILE_KINDS, by_bytes=False),
        sockets=_busiest(columns, names, NameClass.SOCKET, _SOCKET_KINDS, by_bytes=True),
        kernels=kernels,
        kernels_told=kernels_told,
    )


class Looks:
    """Looks at the last ``seconds`` of a run, one after the other: see `take`.

    Args:
        run: The run.
        seconds: How far to look back.
        source: Where the newest facts of a running run come from.
    """

    def __init__(self, run: RunDirectory, seconds: float, source: Source | None = None) -> None:
        self._run, self._seconds, self._source = run, seconds, source
        self._known: tuple[float, dict[str, float | None]] | None = None

    def __call__(self) -> Snapshot:
        """The next look; it tells the coverage of one before where it has none itself."""
        seen, now = take(self._run, self._seconds, self._source), time.monotonic()
        if any(share is not None for share in seen.coverage.values()):
            self._known = now, seen.coverage
        elif self._known is not None:
            told, shares = self._known
            seen = replace(seen, coverage=shares, coverage_age_s=now - told)
        return seen


def _delays(columns: Columns, names: Names) -> dict[str, Any]:
    kernel = bool((columns.flags & FLAG_KERNEL).any())
    return delays.told(delays.Summary.of(columns) if kernel else None, names)


def _of(columns: Columns, kinds: Sequence[Kind]) -> Columns:
    """The records of some kinds."""
    return columns.take(np.flatnonzero(np.isin(columns.kind, np.array(kinds, np.uint16))))


_FILE_KINDS = (
    Kind.FILE_OPEN,
    Kind.FILE_READ,
    Kind.FILE_WRITE,
    Kind.FILE_SYNC,
    Kind.FILE_SENDFILE,
    Kind.FILE_COPY,
)
_SOCKET_KINDS = (Kind.NET_RECV, Kind.NET_SEND)


def _kernels(columns: Columns, names: Names) -> tuple[tuple[Busy, ...], bool]:
    """By device time where the runtime tells it (and whether), else by that of the launch calls."""
    for kind in (Kind.GPU_EXECUTE, Kind.GPU_LAUNCH):
        found = _busiest(columns, names, NameClass.KERNEL, (kind,), by_bytes=False)
        if found:
            return found, kind == Kind.GPU_EXECUTE
    return (), False


def _busiest(
    columns: Columns,
    names: Names,
    name_class: NameClass,
    kinds: Sequence[Kind],
    *,
    by_bytes: bool,
) -> tuple[Busy, ...]:
    chosen = columns.take(np.isin(columns.kind, np.array(kinds, np.uint16)))
    kernel = name_class is NameClass.KERNEL
    things, index = np.unique(chosen.address if kernel else chosen.object, return_inverse=True)
    calls = np.bincount(index, minlength=len(things))
    total_ns = np.bincount(index, chosen.duration_ns, len(things))
    size_bytes = np.bincount(index, chosen.size_bytes * _moves_bytes(chosen), len(things))
    best = np.argsort(-(size_bytes if by_bytes else total_ns), kind="stable")[:_CANDIDATES_MAX]
    found: dict[str, Busy] = {}
    for position in best.tolist():
        name = _name(names, name_class, things, position)
        before = found.get(name, Busy(name, 0, None if kernel else 0, 0))
        found[name] = Busy(
            name,
            before.calls + int(calls[position]),
            None if before.size_bytes is None else before.size_bytes + int(size_bytes[position]),
            before.total_ns + int(total_ns[position]),
        )
    busiest = sorted(
        found.values(), key=lambda busy: (busy.size_bytes or 0) if by_bytes else busy.total_ns
    )
    return tuple(busiest[: -TOP_MAX - 1 : -1])


def _moves_bytes(columns: Columns) -> U64:
    """1 for the records whose ``size_bytes`` is a number of bytes that moved, else 0."""
    kinds = np.array(sorted(report.BYTE_KINDS), np.uint16)
    return (np.isin(columns.kind, kinds) & (columns.status >= 0)).astype(np.uint64)


def _name(names: Names, name_class: NameClass, things: U64, position: int) -> str:
    thing = things[position]
    known = np.flatnonzero((names.object == thing) & (names.name_class == name_class))
    return names.name[int(known[-1])] if len(known) else f"{int(thing):#x}"

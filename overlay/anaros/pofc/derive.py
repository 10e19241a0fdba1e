# SPDX-License-Identifier: Apache-2.0
"""What is computed from the records of a run, kept in the run directory once it is known."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from anaros.kinds import Kind
from anaros.pofc.analysis import analyse
from anaros.pofc.failed import ABOUT as ABOUT_FAILED
from anaros.pofc.failed import Failed, failed_of
from anaros.pofc.kernels import ABOUT as ABOUT_KERNELS
from anaros.pofc.kernels import Kernels, kernels_of
from anaros.pofc.links.joins import links_of
from anaros.pofc.links.model import Links
from anaros.pofc.memory.allocations import ABOUT, memory_map
from anaros.pofc.memory.model import Map
from anaros.pofc.model import Arrays, Coverage, Launches, Requests, Spans, Timeline
from anaros.pofc.streams import ABOUT as ABOUT_STREAMS
from anaros.pofc.streams import WORK, Busy, busy_of
from anaros.pofc.told import TOLD
from anaros.records import FIELDS, Columns
from anaros.store import derived, segments
from anaros.store.calls import Calls, tally
from anaros.store.rundir import RunDirectory

_FIELDS = tuple(name for name, _ in FIELDS if name != "context")

#: Columns of ``coverage`` that are no kind of evidence; it has one row.
_OPEN, _UNOWNED, _KERNEL = "open_requests", "unowned", "kernel_plane"
_LAUNCHES = {name: f"launches_{name}" for name in Launches.__slots__}


#: The tables of device memory; they are kept where there is any.
MEMORY = ("memory", "allocations", "copies", "migrations")


@dataclass(frozen=True, slots=True)
class Tables:
    """What is kept of a run.

    Attributes:
        timeline: Its requests and their stages. Who owns which record is not kept: ``owner`` and
            ``evidence`` are empty where the timeline was read, and follow ``columns`` where it
            was computed.
        calls: Its records by kind.
        memory: Its device memory, None where nothing was allocated or copied.
        columns: All records without their ``context``, where they had to be loaded, else None.
    """

    timeline: Timeline
    calls: Calls
    memory: Map | None
    columns: Columns | None


def derive(run: RunDirectory) -> Timeline:
    """The timeline of a run: see `tables`."""
    with tables(run) as found:
        return found.timeline


@contextlib.contextmanager
def tables(run: RunDirectory) -> Iterator[Tables]:
    """What is known of a run: as it was kept if its segments are the same, else computed and kept.

    What was computed is written while the caller works with it; it is there when the context ends.

    Args:
        run: The run; it may go on.

    Raises:
        RunDirectoryError: The run cannot be read.
    """
    key = derived.key(run)
    kept = derived.read(run, ("requests", "spans", "coverage", "calls"), key)
    if kept is not None and not set(Spans.__slots__) <= set(kept["spans"]):
        kept = None  # by an older version
    calls = None if kept is None else Calls.of(kept["calls"])
    if kept is not None and calls is not None:
        parts = derived.read(run, MEMORY, key) if _drives_device(calls) else {}
        if parts is not None:
            yield Tables(_timeline(kept), calls, Map.of(parts) if parts else None, None)
            return
    columns = segments.load(run, fields=_fields(run))
    with ThreadPoolExecutor(1) as beside:
        tallied = beside.submit(tally, columns)
        timeline = analyse(columns, bounds=infers(run.meta()))
        calls = tallied.result()
        memory = memory_map(columns, timeline.owner) if _drives_device(calls) else None
        found = Tables(timeline, calls, memory, columns)
        beside.submit(derived.write, run, _kept(found), key)
        yield found


def busy(run: RunDirectory, found: Tables) -> Busy:
    """When each stream or queue had work, as it was kept, else computed and kept.

    Args:
        run: The run.
        found: Its tables.

    Raises:
        RunDirectoryError: The run cannot be read.
    """
    if not infers(run.meta()) or not np.isin(found.calls.kind, WORK).any():
        return Busy.nothing()

    def compute() -> Arrays:
        columns, fields = found.columns, _fields(run)
        if "context" not in fields and np.isin(found.calls.kind, TOLD).any():
            columns, fields = None, (*fields, "context")
        if columns is None:
            columns = segments.load(run, kinds=ABOUT_STREAMS, fields=fields)
        return busy_of(columns).as_dict()

    return Busy.of(_kept_or(run, "busy", compute))


def kernels(run: RunDirectory, found: Tables) -> Kernels:
    """How often each kernel was launched and ran, as it was kept, else counted and kept.

    Args:
        run: The run.
        found: Its tables.

    Raises:
        RunDirectoryError: The run cannot be read.
    """
    if not np.isin(found.calls.kind, ABOUT_KERNELS).any():
        return Kernels.nothing()

    def compute() -> Arrays:
        columns = found.columns
        if columns is None:
            fields = ("duration_ns", "kind", "flags", "status", "address")
            columns = segments.load(run, kinds=ABOUT_KERNELS, fields=fields)
        return kernels_of(columns).as_dict()

    return Kernels.of(_kept_or(run, "kernels", compute))


def failed(run: RunDirectory, found: Tables) -> Failed:
    """Which calls of device libraries failed, as it was kept, else counted and kept.

    Args:
        run: The run.
        found: Its tables.

    Raises:
        RunDirectoryError: The run cannot be read.
    """
    if not np.isin(found.calls.kind, ABOUT_FAILED).any():
        return failed_of(Columns.empty())

    def compute() -> Arrays:
        columns = found.columns
        if columns is None:
            columns = segments.load(run, kinds=ABOUT_FAILED, fields=("kind", "status"))
        return failed_of(columns).as_dict()

    return Failed.of(_kept_or(run, "failed", compute))


def _fields(run: RunDirectory) -> tuple[str, ...]:
    """What most of an analysis looks at; how long work of a device waited where CUPTI tells it."""
    return (*_FIELDS, "context") if run.meta().get("device_time") == "kernel" else _FIELDS


def links(run: RunDirectory) -> Links:
    """What the copies to devices moved, as it was kept, else computed and kept.

    Raises:
        RunDirectoryError: The run cannot be read.
    """

    def compute() -> Arrays:
        with tables(run) as found:
            if Kind.GPU_COPY_H2D not in found.calls.kind:
                return Links.nothing().as_dict()
            columns, timeline = found.columns, found.timeline
            if columns is None:
                columns = segments.load(run, fields=_fields(run))
                timeline = analyse(columns, bounds=infers(run.meta()))
            return links_of(columns, timeline.owner, timeline.evidence).as_dict()

    return Links.of(_kept_or(run, "links", compute))


def _kept_or(run: RunDirectory, name: str, compute: Callable[[], Arrays]) -> Arrays:
    """One table of a run, as it was kept, else computed and kept."""
    return derived.kept(run, (name,), lambda: {name: compute()})[name]


def infers(meta: Mapping[str, Any]) -> bool:
    """Whether device time may be inferred from a run's calls; ``--device-time off`` forbids it."""
    return meta.get("device_time") != "off"


def _drives_device(calls: Calls) -> bool:
    return bool(np.isin(calls.kind, ABOUT).any())


def _kept(found: Tables) -> Mapping[str, Arrays]:
    """What `derived` keeps, the largest first."""
    return {
        "spans": found.timeline.spans.as_dict(),
        "requests": found.timeline.requests.as_dict(),
        "coverage": _coverage_row(found.timeline.coverage),
        "calls": found.calls.as_dict(),
        **({} if found.memory is None else found.memory.tables()),
    }


def _coverage_row(coverage: Coverage) -> Arrays:
    row = {
        _OPEN: coverage.open_requests,
        _UNOWNED: coverage.unowned,
        _KERNEL: int(coverage.kernel_plane),
        **{of: getattr(coverage.launches, name) for name, of in _LAUNCHES.items()},
        **coverage.owned,
    }
    return {name: np.array([value], np.uint64) for name, value in row.items()}


def _timeline(kept: Mapping[str, Arrays]) -> Timeline:
    row = {name: int(column[0]) for name, column in kept["coverage"].items()}
    open_requests, unowned = row.pop(_OPEN), row.pop(_UNOWNED)
    kernel = bool(row.pop(_KERNEL))
    launches = Launches(**{name: row.pop(of) for name, of in _LAUNCHES.items()})
    return Timeline(
        Requests.of(kept["requests"]),
        Spans.of(kept["spans"]),
        np.zeros(0, np.int64),
        np.zeros(0, np.uint8),
        Coverage(open_requests, row, unowned, kernel, launches),
    )

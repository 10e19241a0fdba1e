# SPDX-License-Identifier: Apache-2.0
"""From records to a timeline: requests, the stages of each, and the owner of each record."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from anaros.pofc import lineage, requests, steps, turns
from anaros.pofc.blocks import Mapper, mapper
from anaros.pofc.bounds import launches_of, proven, spells_of
from anaros.pofc.device import Runs, by_buffer, runs_of
from anaros.pofc.explain import Device, Times, explain
from anaros.pofc.frame import Frame, Role, Survey, Threads, in_order
from anaros.pofc.lineage import Segments
from anaros.pofc.model import (
    I64,
    Coverage,
    Evidence,
    Launches,
    Requests,
    Spans,
    Timeline,
)
from anaros.pofc.native import columns_of
from anaros.pofc.order import TIME_MAX
from anaros.pofc.proofs import Works
from anaros.pofc.requests import Anchors, Table, Traffic
from anaros.pofc.scheduler import OffCpu, off_cpu, stalls
from anaros.records import Columns

Job = Callable[[], Any]


def analyse(columns: Columns, *, bounds: bool = False) -> Timeline:
    """Finds the requests in the records, and explains where their time went.

    Programs that accept connections have a request for each exchange on one; programs that do
    not, but drive a device, have a request for each step of their loop; others have none.

    Args:
        columns: N records; quickest where they are sorted by start.
        bounds: Whether what the program's calls prove of a device stands in for times that nobody
            told.

    Returns:
        The timeline; it is well formed whatever the records hold.
    """
    columns, permutation = in_order(columns)
    with mapper(len(columns)) as run:
        timeline = _analysed(columns, run, bounds=bounds)
    if permutation is None:
        return timeline
    owner, evidence = np.empty_like(timeline.owner), np.empty_like(timeline.evidence)
    owner[permutation], evidence[permutation] = timeline.owner, timeline.evidence
    return Timeline(timeline.requests, timeline.spans, owner, evidence, timeline.coverage)


def _analysed(columns: Columns, run: Mapper, *, bounds: bool) -> Timeline:
    records = columns_of(columns)
    survey = Survey.of(records, len(columns), run)
    # Goes on while the requests are looked for.
    numbering = run(_do, [partial(Threads, columns, records, survey.roles)])
    traffic = requests.serve(columns, survey.sockets, survey.polls)
    (threads,) = numbering
    table, anchors, frame = _framed(columns, survey, traffic, threads, run)
    if not len(table):
        launches = launches_of(frame, *_device(frame, bounds=bounds))
        return _nothing(len(columns), len(frame), launches, kernel=survey.off_cpu)
    # Goes on while the owners are looked for.
    beside = run(_do, [partial(_beside, survey, frame, bounds=bounds)])
    segments = lineage.trace(frame, columns, table, anchors)
    by_buffer(frame, segments, table)
    work = lineage.pieces(frame, segments, table)
    turns.match(frame, segments, table, work)
    lineage.queue_up(frame, segments, table, work)
    ((device, kernel),) = beside
    return _explained(frame, segments, table, device, kernel, run)


def _beside(
    survey: Survey, frame: Frame, *, bounds: bool
) -> tuple[tuple[Runs, Works | None], OffCpu | None]:
    """What the device did for each call, and what the kernel saw of it; None: nothing."""
    device = _device(frame, bounds=bounds)
    if not survey.off_cpu:
        return device, None
    return device, OffCpu(off_cpu(survey.roles, frame), stalls(survey.roles, frame))


def _device(frame: Frame, *, bounds: bool) -> tuple[Runs, Works | None]:
    """What was told that the device did for each call, and what the calls prove of the rest."""
    runs = runs_of(frame)
    return runs, proven(frame, runs) if bounds else None


def _do(job: Job) -> Any:
    return job()


def _nothing(records: int, calls: int, launches: Launches, *, kernel: bool) -> Timeline:
    """The timeline of a run without requests."""
    return Timeline(
        Requests.empty(),
        Spans.empty(),
        np.full(records, -1, np.int32),
        np.zeros(records, np.uint8),
        Coverage(0, {}, calls, kernel, launches),
    )


def _framed(
    columns: Columns, survey: Survey, traffic: Traffic, threads: Threads, run: Mapper
) -> tuple[Table, Anchors, Frame]:
    """The requests or steps, the records that they begin with, and the frame of their threads."""
    roles = survey.roles
    if len(traffic.table):
        roles[traffic.signal] = Role.SIGNAL
        roles[traffic.signalled] = Role.SIGNALLED
        written, taken = requests.counters(columns, survey.others)
        roles[written], roles[taken] = Role.SIGNAL, Role.SIGNALLED
        roles[traffic.anchors.position] = Role.ANCHOR
        return traffic.table, traffic.anchors, threads.frame(traffic.table.pids, run)
    roles[survey.sockets] = Role.WORK
    frame = threads.frame(steps.device_pids(columns), run)
    table, anchors = steps.loop(frame)
    frame.role[frame.call[anchors.position]] = Role.ANCHOR
    return table, anchors, frame


def _explained(
    frame: Frame,
    segments: Segments,
    table: Table,
    device: tuple[Runs, Works | None],
    off: OffCpu | None,
    run: Mapper,
) -> Timeline:
    """The timeline of the requests that were answered."""
    answered = np.flatnonzero(~table.is_open)
    index = np.full(len(table) + 1, -1, np.int64)
    index[answered] = np.arange(len(answered))
    segments.owner = index[segments.owner]
    start = table.start_ns[answered]
    times = Times(
        start,
        _bounded(table.end_ns[answered] - start),
        table.pid[answered],
        table.tid[answered],
    )
    runs, works = device
    spells = None if works is None else spells_of(frame, segments, runs, works)
    found = explain(frame, segments, times, off, Device(runs, spells), run)
    coverage = Coverage(
        int(table.is_open.sum()),
        {
            each.name.lower(): int(found.counts[each])
            for each in Evidence
            if each is not Evidence.NONE and found.counts[each]
        },
        found.unowned,
        off is not None,
        launches_of(frame, runs, works),
    )
    requests = _requests(table, answered, times, segments)
    return Timeline(requests, found.spans, found.owner, found.evidence, coverage)


def _bounded(duration: I64) -> I64:
    """Durations that can be added up."""
    if not len(duration):
        return duration
    return np.minimum(duration, TIME_MAX // len(duration))


def _requests(table: Table, answered: I64, times: Times, segments: Segments) -> Requests:
    trust = np.ones(len(answered), np.float32)
    owned = np.flatnonzero(segments.owner >= 0)
    np.minimum.at(trust, segments.owner[owned], segments.probability[owned])
    return Requests(
        request=np.arange(len(answered), dtype=np.uint64),
        start_ns=times.start_ns.astype(np.uint64),
        duration_ns=times.duration_ns.astype(np.uint64),
        pid=times.pid,
        tid=times.tid,
        connection=table.connection[answered],
        bytes_in=table.bytes_in[answered].astype(np.uint64),
        bytes_out=table.bytes_out[answered].astype(np.uint64),
        probability=trust,
    )

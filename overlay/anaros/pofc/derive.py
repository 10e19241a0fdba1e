# SPDX-License-Identifier: Apache-2.0
"""The timeline of a run, kept in the run directory once it is known."""

from __future__ import annotations

import numpy as np

from anaros.pofc.analysis import analyse
from anaros.pofc.model import Arrays, Coverage, Requests, Spans, Timeline
from anaros.records import FIELDS
from anaros.store import derived, segments
from anaros.store.rundir import RunDirectory

_FIELDS = tuple(name for name, _ in FIELDS if name != "context")

#: Rows of ``coverage`` that are no kind of evidence.
_OPEN, _UNOWNED, _KERNEL = "open_requests", "unowned", "kernel_plane"


def derive(run: RunDirectory) -> Timeline:
    """The timeline of a run: as it was kept if its segments are the same, else computed and kept.

    Args:
        run: The run; it may go on.

    Returns:
        The timeline. Who owns which record is not kept: ``owner`` and ``evidence`` are empty
        where the timeline was read, and follow ``segments.load(run)`` where it was computed.

    Raises:
        RunDirectoryError: The run cannot be read.
    """
    kept = [derived.read(run, name) for name in ("requests", "spans", "coverage")]
    requests, spans, coverage = kept
    if requests is not None and spans is not None and coverage is not None:
        return _read(requests, spans, coverage)
    key = derived.key(run)
    timeline = analyse(segments.load(run, fields=_FIELDS))
    derived.write(run, "coverage", _coverage_rows(timeline.coverage), key)
    derived.write(run, "requests", timeline.requests.as_dict(), key)
    derived.write(run, "spans", timeline.spans.as_dict(), key)
    return timeline


def _coverage_rows(coverage: Coverage) -> Arrays:
    rows = {
        _OPEN: coverage.open_requests,
        _UNOWNED: coverage.unowned,
        _KERNEL: int(coverage.kernel_plane),
        **coverage.owned,
    }
    return {
        "what": np.array(list(rows), object),
        "count": np.array(list(rows.values()), np.uint64),
    }


def _read(requests: Arrays, spans: Arrays, coverage: Arrays) -> Timeline:
    rows = dict(zip(coverage["what"].tolist(), coverage["count"].tolist(), strict=True))
    open_requests, unowned = rows.pop(_OPEN), rows.pop(_UNOWNED)
    kernel = bool(rows.pop(_KERNEL))
    return Timeline(
        Requests.of(requests),
        Spans.of(spans),
        np.zeros(0, np.int64),
        np.zeros(0, np.uint8),
        Coverage(open_requests, rows, unowned, kernel),
    )

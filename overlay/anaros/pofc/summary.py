# SPDX-License-Identifier: Apache-2.0
"""The percentiles of requests and stages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anaros.pofc.model import STAGES, Timeline

_MS = 1e6


@dataclass(frozen=True, slots=True)
class StageSummary:
    """One stage, over the requests that have it; times in ms.

    ``share_of_p99`` is the part of the time of the slowest 1 % of all requests (at least one)
    that they spent in this stage, 0 to 1.
    """

    stage: str
    requests: int
    self_p50_ms: float
    self_p99_ms: float
    wait_p50_ms: float
    wait_p99_ms: float
    share_of_p99: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The requests and their stages, in the order of ``STAGES``; None where there are none."""

    count: int
    p50_ms: float | None
    p99_ms: float | None
    stages: tuple[StageSummary, ...]


def summarise(
    timeline: Timeline,
    window: tuple[int, int] | None = None,
    told: npt.NDArray[np.bool_] | None = None,
) -> Summary:
    """Percentiles of the requests and of the stages that they have.

    Args:
        timeline: What ``analyse`` found.
        window: First and last ns (CLOCK_MONOTONIC): only requests that end within count.
        told: Shape (R,): of which requests it is known when they waited; None: of all. The times
            of stages are over these, NaN where there are none.
    """
    requests, spans = timeline.requests, timeline.spans
    duration = requests.duration_ns.astype(np.int64)
    kept = np.ones(len(requests), np.bool_)
    if window is not None:
        end = requests.start_ns.astype(np.int64) + duration
        kept = (end >= window[0]) & (end <= window[1])
    count = int(kept.sum())
    if not count:
        return Summary(0, None, None, ())
    p50, p99 = _percentiles(duration[kept])
    slowest = np.zeros(len(requests), np.bool_)
    candidates = np.flatnonzero(kept)
    worst = max(-(-count // 100), 1)
    slowest[candidates[np.argsort(-duration[candidates], kind="stable")[:worst]]] = True
    slow_ns = max(int(duration[slowest].sum()), 1)
    stages = []
    request = spans.request.astype(np.int64)
    for number, name in enumerate(STAGES):
        rows = np.flatnonzero((spans.stage == number) & kept[request])
        if not len(rows):
            continue
        slow = spans.duration_ns[rows[slowest[request[rows]]]].sum()
        known = rows if told is None else rows[told[request[rows]]]
        self_times = _percentiles(spans.self_ns[known])
        wait_times = _percentiles(spans.wait_ns[known])
        share = float(slow) / slow_ns
        stages.append(StageSummary(name, len(rows), *self_times, *wait_times, share))
    return Summary(count, p50, p99, tuple(stages))


def _percentiles(values: npt.NDArray[np.integer]) -> tuple[float, float]:
    """The median and the 99th percentile in ms, between neighbours in proportion; NaN of none.

    As of np.quantile, which would import numpy.ma: 60 ms that nothing else needs.
    """
    if not len(values):
        return np.nan, np.nan
    places = [(len(values) - 1) * share for share in (0.5, 0.99)]
    wanted = [min(int(place) + more, len(values) - 1) for place in places for more in (0, 1)]
    ordered = np.partition(values, wanted)
    p50, p99 = (
        float(ordered[low]) + (float(ordered[high]) - float(ordered[low])) * (place - low)
        for place, low, high in zip(places, wanted[::2], wanted[1::2], strict=True)
    )
    return p50 / _MS, p99 / _MS

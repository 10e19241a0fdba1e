# SPDX-License-Identifier: Apache-2.0
"""Percentiles of requests and stages, and what is kept in the run directory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pofc_traces import Plan, Pool

from anaros.pofc import STAGES, analyse, derive, summarise
from anaros.records import Columns
from anaros.store import segments
from anaros.store.rundir import RunDirectory


def test_a_summary_is_of_all_requests() -> None:
    timeline = analyse(Pool(Plan(requests=300)).run()[0])
    summary = summarise(timeline)
    durations = timeline.requests.duration_ns / 1e6
    assert summary.count == 300
    assert summary.p50_ms == pytest.approx(np.quantile(durations, 0.5))
    assert summary.p99_ms == pytest.approx(np.quantile(durations, 0.99))
    assert tuple(stage.stage for stage in summary.stages) == STAGES
    assert sum(stage.share_of_p99 for stage in summary.stages) == pytest.approx(1.0)
    spans = timeline.spans
    persist = spans.stage == STAGES.index("persist")
    found = summary.stages[STAGES.index("persist")]
    assert found.requests == 300
    assert found.wait_p99_ms == pytest.approx(np.quantile(spans.wait_ns[persist] / 1e6, 0.99))
    assert found.self_p50_ms == pytest.approx(np.quantile(spans.self_ns[persist] / 1e6, 0.5))


def test_a_window_takes_the_requests_that_end_in_it() -> None:
    timeline = analyse(Pool(Plan(requests=100)).run()[0])
    ends = np.sort(timeline.requests.start_ns + timeline.requests.duration_ns)
    assert summarise(timeline, (int(ends[10]), int(ends[29]))).count == 20
    nothing = summarise(timeline, (0, 1))
    assert (nothing.count, nothing.p50_ms, nothing.p99_ms, nothing.stages) == (0, None, None, ())


def test_a_stage_that_a_workload_does_not_have_is_absent() -> None:
    timeline = analyse(Pool(Plan(requests=50, direct_every=1)).run()[0])
    assert {stage.stage for stage in summarise(timeline).stages} == {
        "ingest",
        "prepare",
        "egress",
    }


def test_unsorted_records_give_the_same_requests() -> None:
    columns, _ = Pool(Plan(requests=50)).run()
    order = np.random.default_rng(1).permutation(len(columns))
    sorted_timeline, timeline = analyse(columns), analyse(columns.take(order))
    assert np.array_equal(timeline.requests.duration_ns, sorted_timeline.requests.duration_ns)
    assert np.array_equal(timeline.owner >= 0, sorted_timeline.owner[order] >= 0)


def test_a_timeline_is_kept_until_the_records_change(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", {"start_ns": 0})
    columns, _ = Pool(Plan(requests=60)).run()
    segments.write_segment(run, columns, 0)
    first, second = derive(run), derive(run)
    assert len(first.requests) == 60
    assert len(first.owner) == len(columns)
    assert len(second.owner) == 0
    assert second.coverage == first.coverage
    for mine, other in ((first.requests, second.requests), (first.spans, second.spans)):
        for name, values in mine.as_dict().items():
            assert np.array_equal(values, other.as_dict()[name])
            assert values.dtype == other.as_dict()[name].dtype
    later = columns.take(slice(None))
    later.start_ns[:] += np.uint64(10**10)
    segments.write_segment(run, later, 1)
    assert len(derive(run).requests) == 120


def test_a_run_without_records_has_an_empty_timeline(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", {"start_ns": 0})
    segments.write_segment(run, Columns.empty(), 0)
    assert len(derive(run).requests) == 0
    assert len(derive(run).spans) == 0

# SPDX-License-Identifier: Apache-2.0
"""What probes that were given up leave unknown: in the stages, the waits and the report."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pofc_traces import SOCKET, US, Trace

from anaros import report, shed
from anaros.kinds import Kind
from anaros.pofc import Timeline, analyse, summarise
from anaros.records import FLAG_KERNEL

MS = 1000 * US


def server(requests: int = 10) -> Timeline:
    """One request each 10 ms, with 4 ms asleep in a read, of which the last ready to run."""
    trace = Trace()
    trace.add(Kind.NET_ACCEPT, 1000, 2000, obj=70, flags=SOCKET)
    for number in range(requests):
        now = (number + 1) * 10 * MS
        trace.add(Kind.POLL_WAIT, now - MS, now - 100, status=1)
        trace.add(Kind.NET_RECV, now, now + 5 * US, obj=70, size=9, flags=SOCKET)
        trace.add(Kind.FILE_READ, now + MS, now + 5 * MS, obj=5, size=4096, flags=1)
        begin, end = now + MS + 10, now + 5 * MS - 10
        trace.add(Kind.SCHED_OFFCPU, begin, end, flags=FLAG_KERNEL, status=2)
        trace.add(Kind.SCHED_RUNQUEUE, end - MS, end, flags=FLAG_KERNEL)
        trace.add(Kind.NET_SEND, now + 6 * MS, now + 6 * MS + 100, obj=70, size=9, flags=SOCKET)
    return analyse(trace.columns()[0])


def meta(*changes: tuple[str, bool, int]) -> dict[str, Any]:
    told = [
        {
            "probe": probe,
            "shed": gone,
            "time_ns": time_ns,
            "cost_percent": 2.0,
            "total_percent": 3.0,
        }
        for probe, gone, time_ns in changes
    ]
    budget = {"percent": 1.0, "cpus": 2.0, "readings": 5, "mean_percent": 0.9, "most_percent": 3.0}
    return {"budget": {**budget, "changes": told}}


def test_intervals_and_who_is_away() -> None:
    told = meta(("net", True, 10), ("sched", True, 20), ("net", False, 30), ("net", True, 40))
    assert shed.intervals_of(told, 100) == {"net": [(10, 30), (40, 100)], "sched": [(20, 100)]}
    assert shed.away(told) == ("sched", "net")
    assert shed.intervals_of({}, 100) == {}
    assert shed.away({}) == ()
    assert shed.budget_of({}, 0, 100) is None


def test_the_budget_in_the_report() -> None:
    told = shed.budget_of(meta(("net", True, 10**9), ("net", False, 3 * 10**9)), 0, 10**10)
    assert told is not None
    assert told["probes"] == [
        {
            "probe": "net",
            "times": 1,
            "away_s": 2.0,
            "intervals_s": [[1.0, 3.0]],
            "cost_percent": 2.0,
        }
    ]
    assert [change["time_s"] for change in told["changes"]] == [1.0, 3.0]
    assert (told["percent"], told["mean_percent"]) == (1.0, 0.9)


def test_what_the_scheduler_did_not_tell_is_unknown_and_not_0() -> None:
    timeline = server()
    away = shed.intervals_of(meta(("sched", True, 0)), 10**12)
    unseen = shed.unseen(timeline.requests, away)
    found = report.slowest(timeline, None, unseen)
    assert all(found["waits"][name] is None for name in ("runqueue", "throttled", "io", "lock"))
    assert found["at_least"] == []
    summary = summarise(timeline, None, report.waits_told(unseen))
    rows = report.stages_of(summary, timeline.coverage.launches)
    assert rows
    for row in rows:
        assert row["self_p50_ms"] is None
        assert row["wait_p99_ms"] is None
        assert row["share_of_p99"] is not None
    assert summary.p50_ms == summarise(timeline).p50_ms, "how long they took is known"


def test_a_bound_where_it_was_away_for_some_of_them() -> None:
    timeline = server(200)
    whole = report.slowest(timeline)
    slow = np.argsort(-timeline.requests.duration_ns.astype(np.int64), kind="stable")[:2]
    first = int(timeline.requests.start_ns[slow[0]])
    away = {"sched": [(first, first + 1)]}
    unseen = shed.unseen(timeline.requests, away)
    assert unseen["runqueue"].sum() == 1
    found = report.slowest(timeline, None, unseen)
    assert found["waits"] == whole["waits"]
    assert set(found["at_least"]) == {"runqueue", "throttled", "io", "memory", "lock", "device"}
    told = summarise(timeline, None, report.waits_told(unseen))
    assert told.stages[0].self_p50_ms == pytest.approx(summarise(timeline).stages[0].self_p50_ms)


def test_other_probes_take_nothing_from_the_waits() -> None:
    timeline = server()
    for probe in ("net", "irq", "block", "lock", "uring"):
        assert shed.unseen(timeline.requests, {probe: [(0, 10**12)]}) == {}
    assert set(shed.unseen(timeline.requests, {"mem": [(0, 10**12)]})) == {"memory"}
    assert report.waits_told({}) is None

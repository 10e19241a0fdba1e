# SPDX-License-Identifier: Apache-2.0
"""Which request a record belongs to, measured against servers of which the truth is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pofc_oracle as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pofc_traces import LOOP, PID, REGULAR, SOCKET, US, Plan, Pool, Trace

from anaros.kinds import Kind
from anaros.pofc import PROBABILITY, Evidence, Timeline, analyse, fifo
from anaros.records import FLAG_KERNEL, Columns


@dataclass(frozen=True)
class Score:
    """Shares of the records that have an owner in truth."""

    right: float
    wrong: float


def score(columns: Columns, truth: np.ndarray, timeline: Timeline) -> Score:
    """Compares owners; which request is which follows from the connections."""
    anchors = timeline.evidence == Evidence.CONNECTION
    name = np.full(len(timeline.requests) + 1, -1)
    name[timeline.owner[anchors]] = truth[anchors]
    name[-1] = -1
    owner = name[timeline.owner]
    owned = (truth >= 0) & (columns.kind >> 8 != 5)
    wrong = (owner >= 0) & (owner != truth)
    return Score(float((owner == truth)[owned].mean()), float(wrong[owned].mean()))


def run(plan: Plan) -> tuple[Score, Timeline]:
    columns, truth = Pool(plan).run()
    timeline = analyse(columns)
    assert len(timeline.requests) == plan.requests
    return score(columns, truth, timeline), timeline


def test_semaphores_alone_tell_every_owner() -> None:
    found, timeline = run(Plan(requests=400, workers=8, same_turn=True))
    assert found == Score(1.0, 0.0)
    assert timeline.coverage.owned["semaphore"] > 4000
    assert "fifo" not in timeline.coverage.owned


def test_one_semaphore_for_all_workers_tells_nearly_every_owner() -> None:
    # Two posts within the time that a thread needs to wake can be told apart by no clock.
    found, _ = run(Plan(requests=400, workers=8, same_turn=True, shared_queue=True))
    assert found.right >= 0.99


def test_one_request_at_a_time_needs_no_order() -> None:
    found, timeline = run(Plan(requests=200, clients=1))
    assert found == Score(1.0, 0.0)
    assert "fifo" not in timeline.coverage.owned
    assert timeline.requests.probability.min() > 0.9


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("workers", [4, 8])
@pytest.mark.parametrize("semaphores", [True, False])
def test_order_tells_every_owner_in_a_pool(workers: int, semaphores: bool, seed: int) -> None:
    plan = Plan(requests=400, workers=workers, semaphores=semaphores, seed=seed)
    found, timeline = run(plan)
    assert found.right >= 0.99
    assert found.wrong <= 0.005
    assert np.median(timeline.requests.probability) <= 0.97


def test_requests_that_need_no_worker_do_not_confuse_the_order() -> None:
    found, _ = run(Plan(requests=400, direct_every=5))
    assert found == Score(1.0, 0.0)


def test_work_in_two_pieces_is_mostly_found() -> None:
    for workers, every in ((4, 1), (4, 20), (8, 1), (8, 20)):
        found, _ = run(Plan(requests=500, workers=workers, twice_every=every))
        assert found.wrong <= 0.03
        assert found.right >= 0.95


def test_the_turn_of_the_loop_forgets_what_it_did_not_understand() -> None:
    # Work of nobody in between: a queue would give it to the next request, and so on.
    columns, truth = Pool(Plan(requests=300, workers=4)).run()
    begins = np.flatnonzero((columns.kind == Kind.NET_RECV) & (truth >= 0))[40:44]
    lost = np.isin(truth, truth[begins]) & (columns.kind == Kind.NET_RECV)
    kept = columns.take(~lost)
    timeline = analyse(kept)
    found = score(kept, truth[~lost], timeline)
    assert timeline.coverage.owned["turn"] > 3000
    assert found.wrong <= 0.02


def worker(trace: Trace, begin: int, tid: int) -> None:
    """A worker reads, and answers through the loop."""
    trace.add(Kind.FILE_READ, begin, begin + 50, tid, obj=5, size=9, flags=REGULAR)


def test_a_new_thread_works_for_who_waited_for_it() -> None:
    trace = Trace()
    trace.add(Kind.NET_ACCEPT, 0, 5, obj=70, flags=SOCKET)
    trace.add(Kind.NET_ACCEPT, 6, 9, obj=71, flags=SOCKET)
    trace.add(Kind.NET_RECV, 10, 20, obj=71, size=9)
    trace.add(Kind.NET_RECV, 30, 40, obj=70, size=9)
    trace.add(Kind.SYNC_WAIT, 50, 90, obj=0x77)
    trace.add(Kind.SYNC_WAKE, 80, 82, LOOP + 1, obj=0x77)
    worker(trace, 100, LOOP + 1)
    trace.add(Kind.NET_SEND, 300, 310, obj=70, size=9)
    trace.add(Kind.NET_SEND, 320, 330, obj=71, size=9)
    columns, _ = trace.columns()
    timeline = analyse(columns)
    read = columns.kind == Kind.FILE_READ
    assert timeline.requests.connection[timeline.owner[read]].tolist() == [70]
    assert timeline.evidence[read].tolist() == [Evidence.SEMAPHORE]


def woken(*, kernel: bool) -> tuple[Columns, Timeline]:
    """Two requests; a worker whose semaphore nobody was seen to post."""
    trace = Trace()
    for connection in (70, 71):
        trace.add(Kind.NET_ACCEPT, connection, connection + 1, obj=connection)
        trace.add(Kind.NET_RECV, connection * 10, connection * 10 + 5, obj=connection, size=9)
    trace.add(Kind.SYNC_WAIT, 5, 790, LOOP + 1, obj=0x77)
    if kernel:
        trace.add(Kind.SCHED_WAKEUP, 780, 780, LOOP, obj=LOOP + 1, flags=FLAG_KERNEL)
    worker(trace, 800, LOOP + 1)
    trace.add(Kind.NET_SEND, 1000, 1010, obj=71, size=9)
    trace.add(Kind.NET_SEND, 1100, 1110, obj=70, size=9)
    columns, _ = trace.columns()
    return columns, analyse(columns)


def test_the_scheduler_tells_who_woke_a_worker() -> None:
    columns, timeline = woken(kernel=True)
    read = columns.kind == Kind.FILE_READ
    assert timeline.requests.connection[timeline.owner[read]].tolist() == [71]
    assert timeline.evidence[read].tolist() == [Evidence.WAKEUP]


def test_a_lock_that_another_worker_held_changes_no_owner() -> None:
    trace = Trace()
    for tid, connection in ((LOOP, 70), (LOOP + 5, 71)):
        trace.add(Kind.NET_ACCEPT, 0, 5, tid, obj=connection)
        trace.add(Kind.NET_RECV, 10, 20, tid, obj=connection, size=9)
        trace.add(Kind.SYNC_WAKE, 30, 35, tid, obj=connection * 100)
        trace.add(Kind.SYNC_WAIT, 1, 40, tid + 1, obj=connection * 100)
        trace.add(Kind.FILE_READ, 50, 60, tid + 1, obj=5, size=9, flags=REGULAR)
    trace.add(Kind.SYNC_WAIT, 70, 100, LOOP + 1, obj=0x99)
    trace.add(Kind.SYNC_WAKE, 95, 99, LOOP + 6, obj=0x99)
    worker(trace, 110, LOOP + 1)
    for tid, connection in ((LOOP, 70), (LOOP + 5, 71)):
        trace.add(Kind.NET_SEND, 300, 310, tid, obj=connection, size=9)
    columns, _ = trace.columns()
    timeline = analyse(columns)
    mine = columns.tid == LOOP + 1
    owners = timeline.owner[mine & (columns.kind == Kind.FILE_READ)]
    assert timeline.requests.connection[owners].tolist() == [70, 70]


def test_a_copy_to_the_device_belongs_to_who_read_the_bytes() -> None:
    trace = Trace()
    for connection in (70, 71):
        tid = LOOP + connection
        trace.add(Kind.NET_ACCEPT, 0, 5, tid, obj=connection)
        trace.add(Kind.NET_RECV, 10, 20, tid, obj=connection, size=9)
        trace.add(
            Kind.FILE_READ, 30, 40, tid, obj=5, size=4096, address=connection << 20, flags=REGULAR
        )
        trace.add(Kind.NET_SEND, 900, 910, tid, obj=connection, size=9)
    trace.add(Kind.GPU_COPY_H2D, 100, 200, LOOP, obj=9, size=1024, address=(71 << 20) + 1024)
    columns, _ = trace.columns()
    timeline = analyse(columns)
    copy = columns.kind == Kind.GPU_COPY_H2D
    assert timeline.requests.connection[timeline.owner[copy]].tolist() == [71]
    assert timeline.evidence[copy].tolist() == [Evidence.BUFFER]


def test_device_work_belongs_to_the_launch_in_its_turn() -> None:
    trace = Trace()
    for turn, connection in enumerate((70, 71)):
        tid = LOOP + connection
        trace.add(Kind.NET_ACCEPT, 0, 5, tid, obj=connection)
        trace.add(Kind.NET_RECV, 10, 20, tid, obj=connection, size=9)
        trace.add(Kind.GPU_LAUNCH, 30 + turn, 40, tid, obj=9, address=3)
        trace.add(Kind.GPU_EXECUTE, 100 + 200 * turn, 300 + 200 * turn, PID, obj=9, address=3)
        trace.add(Kind.NET_SEND, 900, 910, tid, obj=connection, size=9)
    columns, _ = trace.columns()
    timeline = analyse(columns)
    runs = timeline.owner[columns.kind == Kind.GPU_EXECUTE]
    assert timeline.requests.connection[runs].tolist() == [70, 71]


def test_work_that_fits_no_request_has_no_owner() -> None:
    trace = Trace()
    for connection in (70, 71):
        trace.add(Kind.NET_ACCEPT, 0, 5, obj=connection)
        trace.add(Kind.NET_RECV, connection, connection, obj=connection, size=9)
        trace.add(Kind.NET_SEND, 100 + connection, 120 + connection, obj=connection, size=9)
    trace.add(Kind.SYNC_WAIT, 1, 150 * US, LOOP + 1, obj=0x77)
    worker(trace, 160 * US, LOOP + 1)
    columns, _ = trace.columns()
    assert analyse(columns).owner[columns.tid == LOOP + 1].tolist() == [-1, -1]


def test_every_evidence_has_a_probability() -> None:
    assert set(PROBABILITY) == set(Evidence)


SPANS = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 30)), max_size=20)


@settings(max_examples=100, deadline=None)
@given(SPANS, SPANS)
def test_a_pair_is_always_feasible(
    requests: list[tuple[int, int]], pieces: list[tuple[int, int]]
) -> None:
    begin, lasts = np.array(requests, np.int64).reshape(-1, 2).T
    start, takes = np.array(pieces, np.int64).reshape(-1, 2).T
    owner, trust = fifo.match(begin, begin + lasts, start, start + takes)
    found = owner >= 0
    assert (begin[owner[found]] <= start[found]).all()
    assert ((begin + lasts)[owner[found]] >= (start + takes)[found]).all()
    assert np.array_equal(found, trust > 0)


@settings(max_examples=100, deadline=None)
@given(SPANS, SPANS)
def test_work_is_given_out_in_turn(
    requests: list[tuple[int, int]], pieces: list[tuple[int, int]]
) -> None:
    begin, lasts = np.array(requests, np.int64).reshape(-1, 2).T
    start, takes = np.array(pieces, np.int64).reshape(-1, 2).T
    found = fifo.in_turn(begin, begin + lasts, start, start + takes)
    assert found.tolist() == oracle.in_turn(requests, pieces)

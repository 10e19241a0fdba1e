# SPDX-License-Identifier: Apache-2.0
"""The partition of requests into stages, and what they wait for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pofc_oracle as oracle
import pytest
from hypothesis import given, settings
from pofc_hostile import disturbed, traces
from pofc_traces import LOOP, REGULAR, SOCKET, US, Plan, Pool, Trace

from anaros.kinds import Kind
from anaros.pofc import STAGES, Timeline, analyse, analysis
from anaros.pofc.waits import Cause
from anaros.records import FLAG_KERNEL, Columns


def stages_of(timeline: Timeline, request: int = 0) -> dict[str, int]:
    spans = timeline.spans
    mine = spans.request == request
    return {
        STAGES[stage]: int(duration)
        for stage, duration in zip(spans.stage[mine], spans.duration_ns[mine], strict=True)
    }


def check(timeline: Timeline, records: int) -> None:
    """What holds of every timeline."""
    requests, spans = timeline.requests, timeline.spans
    totals = np.zeros(len(requests), np.uint64)
    np.add.at(totals, spans.request.astype(np.int64), spans.duration_ns)
    assert np.array_equal(totals, requests.duration_ns)
    assert np.array_equal(spans.self_ns + spans.wait_ns, spans.duration_ns)
    causes = sum(getattr(spans, f"wait_{cause.name.lower()}_ns") for cause in Cause)
    assert np.array_equal(causes, spans.wait_ns)
    for array in (*requests.as_dict().values(), *spans.as_dict().values()):
        assert array.dtype.kind == "f" or (array < 1 << 63).all() or array is requests.connection
    starts = requests.start_ns[spans.request.astype(np.int64)]
    ends = starts + requests.duration_ns[spans.request.astype(np.int64)]
    assert ((spans.start_ns >= starts) & (spans.start_ns < ends)).all()
    assert len(timeline.owner) == len(timeline.evidence) == records
    assert ((timeline.owner >= -1) & (timeline.owner < max(len(requests), 1))).all()
    assert np.array_equal(timeline.owner >= 0, timeline.evidence > 0)
    assert ((requests.probability >= 0) & (requests.probability <= 1)).all()


def one(*, kernel: bool = False) -> Trace:
    """A request on one thread that does everything."""
    trace, now = Trace(), 1000 * US
    trace.add(Kind.NET_ACCEPT, now, now + US, obj=70, flags=SOCKET)
    trace.add(Kind.POLL_WAIT, now + 2 * US, now + 100 * US, status=1)
    now += 100 * US
    calls: list[tuple[Kind, int, int, dict[str, Any]]] = [
        (Kind.NET_RECV, 10, 5, {"obj": 70, "size": 9, "flags": SOCKET}),
        (Kind.FILE_READ, 20, 30, {"obj": 5, "size": 4096, "flags": REGULAR}),
        (Kind.GPU_COPY_H2D, 200, 40, {"obj": 9, "size": 4096, "address": 5}),
        (Kind.GPU_LAUNCH, 5, 5, {"obj": 9, "address": 77}),
        (Kind.GPU_SYNC, 10, 300, {"obj": 9}),
        (Kind.GPU_COPY_D2H, 5, 20, {"obj": 9, "size": 40, "address": 6}),
        (Kind.FILE_WRITE, 50, 10, {"obj": 6, "size": 90, "flags": REGULAR}),
        (Kind.FILE_SYNC, 5, 500, {"obj": 6, "flags": REGULAR}),
        (Kind.NET_SEND, 30, 15, {"obj": 70, "size": 99, "flags": SOCKET}),
    ]
    for kind, gap, lasts, more in calls:
        now = trace.add(kind, now + gap * US, now + (gap + lasts) * US, **more)
    if kernel:
        fsync = now - 545 * US
        trace.add(Kind.SCHED_OFFCPU, fsync + US, fsync + 400 * US, flags=FLAG_KERNEL, status=2)
        trace.add(Kind.SCHED_RUNQUEUE, fsync + 300 * US, fsync + 400 * US, flags=FLAG_KERNEL)
    return trace


def test_a_request_on_one_thread_has_all_stages() -> None:
    timeline = analyse(one().columns()[0])
    assert stages_of(timeline) == {
        "ingest": 45 * US,
        "prepare": 220 * US,
        "staging": 45 * US,
        "execute": 315 * US,
        "postprocess": 75 * US,
        "persist": 515 * US,
        "egress": 45 * US,
    }


def test_storage_stages_to_the_device_and_persists_from_it() -> None:
    trace, now = Trace(), 1000 * US
    trace.add(Kind.NET_ACCEPT, now, now + US, obj=70, flags=SOCKET)
    trace.add(Kind.POLL_WAIT, now + 2 * US, now + 100 * US, status=1)
    now += 100 * US
    direct, write = 2, 3
    calls: list[tuple[Kind, int, dict[str, Any]]] = [
        (Kind.NET_RECV, 5, {"obj": 70, "size": 9, "flags": SOCKET}),
        (Kind.GPU_STORAGE, 200, {"obj": 5, "size": 4096, "flags": FLAG_KERNEL | direct}),
        (Kind.GPU_LAUNCH, 5, {"obj": 9, "address": 77}),
        (Kind.GPU_SYNC, 300, {"obj": 9}),
        (Kind.GPU_STORAGE, 400, {"obj": 6, "size": 4096, "flags": FLAG_KERNEL | write}),
        (Kind.NET_SEND, 15, {"obj": 70, "size": 99, "flags": SOCKET}),
    ]
    for kind, lasts, more in calls:
        now = trace.add(kind, now, now + lasts * US, **more)
    assert stages_of(analyse(trace.columns()[0])) == {
        "ingest": 5 * US,
        "staging": 200 * US,
        "execute": 305 * US,
        "persist": 400 * US,
        "egress": 15 * US,
    }


def test_what_cufile_waits_for_is_a_disk() -> None:
    trace, now = Trace(), 1000 * US
    now = trace.add(Kind.NET_ACCEPT, now, now + US, obj=70, flags=SOCKET)
    now = trace.add(Kind.NET_RECV, now, now + 5 * US, obj=70, size=9, flags=SOCKET)
    trace.add(Kind.SCHED_OFFCPU, now + 10 * US, now + 480 * US, flags=FLAG_KERNEL, status=1)
    now = trace.add(Kind.GPU_STORAGE, now, now + 500 * US, obj=5, size=4096, flags=FLAG_KERNEL)
    trace.add(Kind.NET_SEND, now, now + 15 * US, obj=70, size=99, flags=SOCKET)
    spans = analyse(trace.columns()[0]).spans
    assert (spans.wait_io_ns.sum() // US, spans.wait_device_ns.sum()) == (470, 0)


def waits_of(timeline: Timeline, stage: str) -> tuple[int, ...]:
    spans = timeline.spans
    at = spans.stage == STAGES.index(stage)
    named = [getattr(spans, f"wait_{cause.name.lower()}_ns") for cause in Cause]
    return tuple(int(each[at].sum()) // US for each in named)


def test_without_the_kernel_plane_blocking_calls_are_waits() -> None:
    timeline = analyse(one().columns()[0])
    assert waits_of(timeline, "persist") == (0, 500, 0, 0, 0, 0, 0)
    assert waits_of(timeline, "execute") == (0, 0, 0, 300, 0, 0, 0)
    assert waits_of(timeline, "postprocess") == (0, 0, 0, 20, 0, 0, 0)
    assert waits_of(timeline, "prepare") == (0, 0, 0, 0, 0, 0, 0)
    assert not timeline.coverage.kernel_plane


def test_with_the_kernel_plane_only_time_off_the_cpu_is() -> None:
    timeline = analyse(one(kernel=True).columns()[0])
    assert waits_of(timeline, "persist") == (100, 299, 0, 0, 0, 0, 0)
    assert waits_of(timeline, "execute") == (0, 0, 0, 300, 0, 0, 0)
    assert timeline.coverage.kernel_plane


def with_kernel(*more: tuple[Kind, int, int, dict[str, Any]]) -> Timeline:
    """The request, and what the kernel tells of the fsync and of the time before it."""
    trace = one()
    fsync = max(row[0] for row in trace.rows if row[4] == Kind.FILE_SYNC)
    for kind, begin, end, fields in more:
        trace.add(kind, fsync + begin * US, fsync + end * US, flags=FLAG_KERNEL, **fields)
    return analyse(trace.columns()[0])


def test_a_quota_is_not_the_run_queue() -> None:
    timeline = with_kernel(
        (Kind.SCHED_OFFCPU, 1, 401, {"status": 0}), (Kind.SCHED_THROTTLE, 1, 401, {})
    )
    assert waits_of(timeline, "persist") == (0, 0, 0, 0, 0, 400, 0)


def test_a_page_fault_waits_for_memory_until_the_thread_is_ready() -> None:
    timeline = with_kernel(
        (Kind.SCHED_OFFCPU, 1, 401, {"status": 2, "address": 8}),
        (Kind.MEM_FAULT, 1, 401, {"status": 1}),
        (Kind.SCHED_RUNQUEUE, 301, 401, {}),
    )
    assert waits_of(timeline, "persist") == (100, 0, 0, 0, 0, 0, 300)
    # Between two calls a fault is not I/O either.
    timeline = with_kernel(
        (Kind.SCHED_OFFCPU, -4, -2, {"status": 2, "address": 8}),
        (Kind.MEM_FAULT, -4, -2, {"status": 1}),
    )
    assert waits_of(timeline, "persist") == (0, 0, 0, 0, 0, 0, 2)


def test_a_thread_that_frees_memory_makes_no_progress() -> None:
    timeline = with_kernel(
        (Kind.MEM_RECLAIM, 10, 210, {"status": 1}),
        (Kind.SCHED_OFFCPU, 50, 100, {"status": 2}),
        (Kind.SCHED_OFFCPU, 300, 400, {"status": 2}),
    )
    assert waits_of(timeline, "persist") == (0, 100, 0, 0, 0, 0, 200)


def test_what_keeps_a_thread_from_work_after_a_receive_that_did_not_wait() -> None:
    trace, now = Trace(), 1000 * US
    trace.add(Kind.NET_ACCEPT, now, now + US, obj=70, flags=SOCKET)
    now += 10 * US
    for _ in range(3):
        now = trace.add(Kind.NET_RECV, now, now + 5 * US, obj=70, size=9, flags=SOCKET)
        kept = {"flags": FLAG_KERNEL, "status": 0}
        trace.add(Kind.SCHED_OFFCPU, now + 10 * US, now + 60 * US, **kept)
        trace.add(Kind.SCHED_RUNQUEUE, now + 10 * US, now + 60 * US, **kept)
        now = trace.add(Kind.NET_SEND, now + 100 * US, now + 110 * US, obj=70, size=9, flags=SOCKET)
    timeline = analyse(trace.columns()[0])
    assert len(timeline.requests) == 3
    assert waits_of(timeline, "prepare") == (150, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(("wait", "cause"), [(4, 1), (5, 1), (2, 1), (1, 2), (3, 2), (0, 2)])
def test_a_call_that_the_shim_did_not_see_is_what_it_slept_in(wait: int, cause: int) -> None:
    timeline = with_kernel((Kind.SCHED_OFFCPU, -4, -2, {"status": 1, "address": wait | 7 << 16}))
    expected = [0] * 7
    expected[cause] = 2
    assert waits_of(timeline, "persist") == tuple(expected)


def test_what_a_thread_sleeps_beyond_its_step_is_no_wait_of_it() -> None:
    trace = Trace()
    launched = trace.add(Kind.GPU_LAUNCH, 0, 5 * US, obj=9, address=77)
    waited = trace.add(Kind.GPU_SYNC, launched, launched + 300 * US, obj=9)
    trace.add(Kind.SCHED_OFFCPU, launched + US, waited - US, flags=FLAG_KERNEL, status=1)
    # It joins another thread, then begins the next step.
    trace.add(Kind.SCHED_OFFCPU, waited + US, waited + 900 * US, flags=FLAG_KERNEL, status=1)
    again = trace.add(Kind.GPU_LAUNCH, waited + 901 * US, waited + 906 * US, obj=9, address=77)
    trace.add(Kind.GPU_SYNC, again, again + 50 * US, obj=9)
    timeline = analyse(trace.columns()[0])
    assert len(timeline.requests) == 2
    assert waits_of(timeline, "execute") == (0, 0, 0, 350, 0, 0, 0)


def test_device_times_split_the_wait_for_the_device() -> None:
    trace = one()
    launch = next(row[0] for row in trace.rows if row[4] == Kind.GPU_LAUNCH)
    trace.add(Kind.GPU_EXECUTE, launch + 60 * US, launch + 260 * US, obj=9, address=77)
    timeline = analyse(trace.columns()[0])
    at = timeline.spans.stage == STAGES.index("execute")
    # 5 us launch, 55 us queue, 200 us on the device; then the rest of the wait.
    assert timeline.spans.self_ns[at].sum() == 205 * US
    assert waits_of(timeline, "execute")[3:5] == (55, 55)
    assert timeline.owner[trace.columns()[0].kind == Kind.GPU_EXECUTE].tolist() == [0]


def test_a_blocking_copy_back_is_split_where_the_kernel_ended() -> None:
    trace = Trace()
    now = trace.add(Kind.NET_ACCEPT, 0, US, obj=70)
    now = trace.add(Kind.NET_RECV, now, now + US, obj=70, size=9)
    launch = now
    now = trace.add(Kind.GPU_LAUNCH, now, now + 5 * US, obj=9, address=77)
    now = trace.add(Kind.GPU_COPY_D2H, now, now + 500 * US, obj=9, size=40, address=6)
    trace.add(Kind.GPU_EXECUTE, launch + 100 * US, launch + 400 * US, obj=9, address=77)
    trace.add(Kind.NET_SEND, now, now + US, obj=70, size=5)
    found = stages_of(analyse(trace.columns()[0]))
    assert (found["execute"], found["postprocess"]) == (400 * US, 105 * US)


def test_the_way_from_thread_to_thread_is_a_wait() -> None:
    columns, _ = Pool(Plan(requests=1, clients=1, same_turn=True)).run()
    timeline = analyse(columns)
    assert waits_of(timeline, "prepare")[2] > 0
    assert set(stages_of(timeline)) == set(STAGES)


def test_the_stages_of_a_server_add_up() -> None:
    columns, _ = Pool(Plan(requests=300, kernel=True)).run()
    timeline = analyse(columns)
    check(timeline, len(columns))
    assert len(timeline.requests) == 300


@settings(max_examples=60, deadline=None)
@given(traces(kernel=True, wild=True))
def test_no_records_break_the_partition(columns: Columns) -> None:
    check(analyse(columns), len(columns))
    check(analyse(columns, bounds=True), len(columns))


@settings(max_examples=60, deadline=None)
@given(traces(server=False, kernel=True, wild=True))
def test_no_records_break_the_partition_of_steps(columns: Columns) -> None:
    check(analyse(columns), len(columns))
    check(analyse(columns, bounds=True), len(columns))


def compare(columns: Columns) -> None:
    """The spans must be those of the oracle, of which the partition is found by instants."""
    seen: list[SimpleNamespace] = []
    explain = analysis.explain

    def spy(frame: Any, segments: Any, times: Any, off: Any, *more: Any) -> Any:
        seen.append(
            SimpleNamespace(calls=frame, segments=segments, times=times, kernel=off is not None)
        )
        return explain(frame, segments, times, off, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis, "explain", spy)
        timeline = analyse(columns)
    for request in range(len(timeline.requests)):
        expected = oracle.share(columns, seen[0], request)
        found = np.zeros(len(STAGES), np.int64)
        entered: list[int | None] = [None] * len(STAGES)
        waited = np.zeros((len(STAGES), len(Cause)), np.int64)
        at = timeline.spans.request == request
        found[timeline.spans.stage[at]] = timeline.spans.duration_ns[at]
        spans = timeline.spans
        for stage, begin in zip(spans.stage[at], spans.start_ns[at], strict=True):
            entered[stage] = int(begin)
        for cause in Cause:
            array = getattr(spans, f"wait_{cause.name.lower()}_ns")
            waited[spans.stage[at], cause] = array[at]
        assert found.tolist() == expected.total
        assert entered == expected.entered
        assert waited.tolist() == expected.waits


@settings(max_examples=60, deadline=None)
@given(traces())
def test_stages_and_waits_are_those_of_the_oracle(columns: Columns) -> None:
    compare(columns)


@settings(max_examples=100, deadline=None)
@given(traces(kernel=True))
def test_waits_that_the_scheduler_saw_are_those_of_the_oracle(columns: Columns) -> None:
    compare(columns)


@pytest.mark.parametrize(
    "plan",
    [
        Plan(requests=6),
        Plan(requests=6, clients=1, same_turn=True),
        Plan(requests=6, kernel=True),
    ],
)
def test_stages_of_a_server_are_those_of_the_oracle(plan: Plan) -> None:
    compare(Pool(plan).run()[0])


@pytest.mark.parametrize("device", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_waits_of_a_disturbed_server_are_those_of_the_oracle(seed: int, device: bool) -> None:
    same_turn = seed % 2 == 0
    plan = Plan(5, 3, 2, seed, kernel=True, same_turn=same_turn, device_times=device)
    # What the device did cuts calls, which shows where they lie across each other.
    compare(disturbed(Pool(plan).run()[0], seed, calls=not device))


def test_a_thread_of_another_number_is_not_mixed_in() -> None:
    trace = one()
    for at in range(20):
        trace.add(Kind.FILE_READ, 1000 * US + at * 50 * US, 1000 * US + at * 50 * US + 9, LOOP + 9)
    columns, _ = trace.columns()
    assert (analyse(columns).owner[columns.tid == LOOP + 9] == -1).all()

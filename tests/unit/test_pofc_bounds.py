# SPDX-License-Identifier: Apache-2.0
"""What calls prove of a device, against all that can have happened on a small grid of times."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pofc_traces import PID, US, Trace

from anaros.kinds import Kind
from anaros.pofc.analysis import analyse
from anaros.pofc.bounds import QUEUED, RUNS, proven, spells_of
from anaros.pofc.device import runs_of
from anaros.pofc.frame import Frame, Survey, Threads
from anaros.pofc.model import STAGES, Launches, Timeline
from anaros.pofc.native import columns_of
from anaros.pofc.streams import UNKNOWN_NS, WAITED_NS, busy_of
from anaros.records import FLAG_ASYNC, FLAG_DEVICE_TIME, Columns

#: A wait of one step of the grid is a long one.
STEP = WAITED_NS + 5 * US
BEGIN = 100
STREAMS = (5, 6)

#: What a program does: launch on a stream for a request, wait for a stream or (0) for all, go on.
Op = tuple[str, int, int]
#: What was seen of it, in steps: kind, stream, begin, end, request.
Seen = tuple[str, int, int, int, int]

OPS = st.lists(
    st.one_of(
        st.tuples(st.just("launch"), st.sampled_from(STREAMS), st.integers(0, 1)),
        st.tuples(st.just("launch"), st.just(STREAMS[0]), st.integers(0, 1)),
        st.tuples(st.just("wait"), st.sampled_from((0, *STREAMS)), st.just(-1)),
        st.tuples(st.just("pause"), st.integers(1, 2), st.just(-1)),
        st.tuples(st.just("ask"), st.sampled_from(STREAMS), st.just(-1)),
    ),
    min_size=1,
    max_size=8,
).filter(lambda ops: sum(kind == "launch" for kind, _, _ in ops) in (1, 2, 3))


def play(ops: list[Op], lasts: tuple[int, ...]) -> tuple[list[Seen], list[tuple[int, int, int]]]:
    """What is seen when kernels last so long, and when each ran on which stream."""
    now, seen = BEGIN, []
    ran: list[tuple[int, int, int]] = []
    free = dict.fromkeys(STREAMS, 0)
    for kind, what, request in ops:
        if kind == "pause":
            now += what
            continue
        begin, status = now, -1
        if kind == "launch":
            started = max(now, free[what])
            free[what] = started + lasts[len(ran)]
            ran.append((what, started, free[what]))
        elif kind == "wait":
            now = max(now, *(free[each] for each in STREAMS if what in (each, 0)))
        else:
            status = int(free[what] > now)
        seen.append((kind, what, begin, now, request if kind == "launch" else status))
    return seen, ran


def histories(
    ops: list[Op], seen: list[Seen], longest: int
) -> Iterator[list[tuple[int, int, int]]]:
    """All that can have happened where this was seen."""
    launches = sum(kind == "launch" for kind, _, _ in ops)
    for lasts in product(range(longest + 1), repeat=launches):
        found, ran = play(ops, lasts)
        if found == seen:
            yield ran


def columns_of_seen(seen: list[Seen]) -> Columns:
    trace = Trace()
    kinds = {"launch": Kind.GPU_LAUNCH, "wait": Kind.GPU_SYNC, "ask": Kind.GPU_QUERY}
    for number, (kind, stream, begin, end, what) in enumerate(seen):
        # Calls follow each other by a ns, so that their order is seen.
        trace.add(
            kinds[kind],
            begin * STEP + number,
            max(end * STEP, begin * STEP) + number,
            obj=stream,
            flags=FLAG_ASYNC if kind == "launch" else 0,
            status=600 if kind == "ask" and what == 1 else 0,
        )
    return trace.columns()[0]


def steps(time_ns: int) -> int:
    return round(time_ns / STEP)


@settings(max_examples=150, deadline=None)
@given(OPS, st.data())
def test_bounds_hold_in_all_that_can_have_happened(ops: list[Op], data: st.DataObject) -> None:
    launches = sum(kind == "launch" for kind, _, _ in ops)
    lasts = data.draw(st.tuples(*[st.integers(0, 2)] * launches))
    seen, _ = play(ops, lasts)
    every = list(histories(ops, seen, sum(lasts) + 1))
    busy = busy_of(columns_of_seen(seen))
    for stream in STREAMS:
        times = [sum(end - begin for at, begin, end in ran if at == stream) for ran in every]
        mine = busy.stream == stream
        sure = steps(int(busy.sure_ns[mine].sum()))
        # The grid knows more than the program: what is not done goes on for a whole step.
        assert 0 <= min(times) - sure <= sum(kind == "ask" and what for kind, *_, what in seen)
        if mine.any() and (busy.end_ns[mine] != UNKNOWN_NS).all():
            assert steps(int((busy.end_ns - busy.start_ns)[mine].sum())) >= max(times)
    check_spells(seen, every)


def check_spells(seen: list[Seen], every: list[list[tuple[int, int, int]]]) -> None:
    """Whatever happened: work of that request was running, or still queued."""
    frame = framed(columns_of_seen(seen))
    owner = np.array([what if kind == "launch" else -1 for kind, *_, what in seen], np.int64)
    works = proven(frame, runs_of(frame))
    assert works is not None
    segments: Any = SimpleNamespace(owner=owner, at=lambda index: index)
    spells = spells_of(frame, segments, runs_of(frame), works)
    if spells is None:
        return
    calls = [place for place, (kind, *_) in enumerate(seen) if kind == "launch"]
    for call, layer, begin, end in zip(
        spells.call, spells.layer, spells.begin_ns, spells.end_ns, strict=True
    ):
        work, request, stream = calls.index(call), seen[call][4], seen[call][1]
        own = [at for at, place in enumerate(calls) if seen[place][4] == request]
        for step, ran in product(range(steps(begin), steps(end)), every):
            running = [at for at in own if ran[at][0] == stream and ran[at][1] <= step < ran[at][2]]
            assert running if layer == RUNS else ran[work][1] > step


def framed(columns: Columns) -> Frame:
    records = columns_of(columns)
    roles = Survey.of(records, len(columns), map).roles
    return Threads(columns, records, roles).frame(np.array([PID], np.uint32), map)


def execute(timeline: Timeline) -> tuple[int, ...]:
    """Self time, waits for the device and for its queue of ``execute``, in us, of all requests."""
    spans = timeline.spans
    at = spans.stage == STAGES.index("execute")
    names = ("self_ns", "wait_device_ns", "wait_device_queue_ns")
    return tuple(int(getattr(spans, name)[at].sum()) // US for name in names)


def step_of(trace: Trace, start: int, tid: int, stream: int, until: int) -> None:
    """A step of a loop: bytes go up, a kernel runs, bytes come back, all of it is waited for."""
    known = {"tid": tid, "obj": stream, "flags": FLAG_ASYNC}
    for at, kind in enumerate((Kind.GPU_COPY_H2D, Kind.GPU_LAUNCH, Kind.GPU_COPY_D2H)):
        trace.add(kind, (start + 10 * at) * US, (start + 10 * at + 5) * US, **known)
    trace.add(Kind.GPU_SYNC, (start + 30) * US, until * US, tid=tid, obj=stream)


def test_a_wait_for_a_kernel_is_the_device_at_work() -> None:
    trace = Trace()
    step_of(trace, 100, 31, 5, 600)
    found = analyse(trace.columns()[0], bounds=True)
    # The launch and the gap behind it; and from the copy back on, which cannot be told apart.
    assert execute(found) == (10 + 475, 0, 0)
    assert found.coverage.launches == Launches(1, 0, 1)
    # Nothing is inferred where that is not wanted: then it is a wait, but for the kernel.
    plain = analyse(trace.columns()[0])
    assert execute(plain)[1:] == (570 - 100, 0)
    assert plain.coverage.launches == Launches(1, 0, 0)


def test_what_another_thread_had_queued_before_is_waited_for_in_the_queue() -> None:
    trace = Trace()
    step_of(trace, 100, 31, 5, 600)
    step_of(trace, 200, 32, 5, 900)
    found = analyse(trace.columns()[0], bounds=True)
    spans = found.spans
    second = (spans.stage == STAGES.index("execute")) & (spans.tid == 32)
    assert spans.wait_device_queue_ns[second].sum() == (600 - 215) * US
    # 5 us of the launch itself; the other step's work had ended by 600 us.
    assert spans.self_ns[second].sum() == (5 + 300) * US
    assert execute(found)[1] == 0


def test_a_stream_that_waits_for_an_event_proves_nothing_of_its_own() -> None:
    trace = Trace()
    trace.add(Kind.GPU_LAUNCH, 10 * US, 15 * US, obj=6, tid=32)
    trace.add(Kind.GPU_EVENT, 20 * US, 21 * US, obj=6, address=9, tid=32)
    trace.add(Kind.GPU_EVENT, 30 * US, 31 * US, obj=5, address=9, size=1, tid=31)
    trace.add(Kind.GPU_LAUNCH, 40 * US, 45 * US, obj=5, tid=31)
    trace.add(Kind.GPU_SYNC, 50 * US, 500 * US, obj=5, tid=31)
    columns = trace.columns()[0]
    found = analyse(columns, bounds=True)
    assert execute(found) == (10, 450, 0)
    # But what it waited for is done, although nobody waited for that itself.
    busy = busy_of(columns)
    assert busy.stream.tolist() == [5, 6]
    assert (busy.end_ns // US).tolist() == [500, 500]
    assert found.coverage.launches == Launches(2, 0, 2)


def test_launches_without_device_time_are_counted() -> None:
    trace = Trace()
    for at in (100, 200, 300):
        trace.add(Kind.GPU_LAUNCH, at * US, (at + 5) * US, obj=5)
        if at < 300:
            trace.add(Kind.GPU_SYNC, (at + 10) * US, (at + 60) * US, obj=5)
    # CUPTI told of the first one alone; the last one was never waited for.
    told = {"obj": 7, "flags": FLAG_DEVICE_TIME, "context": 10 * US}
    trace.add(Kind.GPU_EXECUTE, 112 * US, 150 * US, **told)
    columns = trace.columns()[0]
    assert analyse(columns, bounds=True).coverage.launches == Launches(3, 1, 1)
    assert analyse(columns).coverage.launches == Launches(3, 1, 0)


def test_device_calls_of_nobody_who_serves_prove_nothing() -> None:
    trace = Trace()
    step_of(trace, 100, 31, 5, 600)
    columns = trace.columns()[0]
    records = columns_of(columns)
    nobody = Threads(columns, records, Survey.of(records, len(columns), map).roles).frame(
        np.array([], np.uint32), map
    )
    assert len(nobody) == 0
    assert proven(nobody, runs_of(nobody)) is None


def test_layers_are_those_of_the_native_side() -> None:
    assert (RUNS, QUEUED) == (0, 3)

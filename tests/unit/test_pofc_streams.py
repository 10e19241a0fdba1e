# SPDX-License-Identifier: Apache-2.0
"""When streams had work, against a slow way to find it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pofc_traces import US, Trace

from anaros.kinds import Kind
from anaros.pofc.failed import failed_of
from anaros.pofc.kernels import kernels_of
from anaros.pofc.streams import UNKNOWN_NS, WAITED_NS, Busy, busy_of, summarise_busy
from anaros.records import FLAG_ASYNC, FLAG_CAPTURE, FLAG_DEVICE_TIME, Columns

STREAM, OTHER, EVENT = 5, 6, 9


def told(trace: Trace) -> list[tuple[int, int, int | None, int, int]]:
    found = busy_of(trace.columns()[0])
    rows = zip(
        found.stream.tolist(),
        found.start_ns.tolist(),
        found.end_ns.tolist(),
        found.sure_ns.tolist(),
        found.works.tolist(),
        strict=True,
    )
    return [
        (stream, start, None if end == UNKNOWN_NS else end, sure, works)
        for stream, start, end, sure, works in rows
    ]


def test_a_wait_bounds_the_work_before_it() -> None:
    trace = Trace()
    trace.add(Kind.GPU_LAUNCH, 10 * US, 15 * US, obj=STREAM)
    trace.add(Kind.GPU_SYNC, 20 * US, 300 * US, obj=STREAM)
    trace.add(Kind.GPU_LAUNCH, 400 * US, 405 * US, obj=STREAM)
    trace.add(Kind.GPU_LAUNCH, 450 * US, 455 * US, obj=OTHER)
    # It did not wait: the work may have ended long before.
    trace.add(Kind.GPU_SYNC, 900 * US, 901 * US)
    assert told(trace) == [
        (STREAM, 10 * US, 300 * US, 285 * US, 1),
        (STREAM, 400 * US, 901 * US, 0, 1),
        (OTHER, 450 * US, 901 * US, 0, 1),
    ]


def test_a_question_and_an_event_tell_of_what_is_before_them() -> None:
    trace = Trace()
    trace.add(Kind.GPU_LAUNCH, 10 * US, 15 * US, obj=STREAM)
    trace.add(Kind.GPU_EVENT, 20 * US, 21 * US, obj=STREAM, address=EVENT)
    trace.add(Kind.GPU_QUERY, 100 * US, 101 * US, obj=EVENT, status=600)
    trace.add(Kind.GPU_QUERY, 200 * US, 201 * US, obj=EVENT)
    trace.add(Kind.GPU_LAUNCH, 150 * US, 152 * US, obj=STREAM)
    # What is behind the event was never waited for.
    assert told(trace) == [(STREAM, 10 * US, None, 85 * US, 2)]


def test_each_thread_has_its_own_default_stream() -> None:
    trace = Trace()
    trace.add(Kind.GPU_LAUNCH, 10 * US, 15 * US, obj=2, tid=31)
    trace.add(Kind.GPU_EVENT, 16 * US, 17 * US, obj=2, address=EVENT, tid=31)
    trace.add(Kind.GPU_LAUNCH, 20 * US, 25 * US, obj=2, tid=32)
    # It waits for its own stream, which says nothing of the other thread's.
    trace.add(Kind.GPU_SYNC, 30 * US, 40 * US, obj=2, tid=32)
    # But an event may be asked by any thread.
    trace.add(Kind.GPU_QUERY, 100 * US, 101 * US, obj=EVENT, status=600, tid=32)
    trace.add(Kind.GPU_SYNC, 200 * US, 300 * US, obj=2, tid=31)
    assert told(trace) == [
        (2, 10 * US, 300 * US, 285 * US, 1),
        (2, 20 * US, 40 * US, 0, 1),
    ]
    busy = busy_of(trace.columns()[0])
    assert busy.tid.tolist() == [31, 32]
    assert [(row["tid"], row["busy_most_ms"]) for row in summarise_busy(busy, 9)] == [
        (31, 0.29),
        (32, 0.02),
    ]


def test_what_failed_or_was_captured_is_no_work() -> None:
    trace = Trace()
    trace.add(Kind.GPU_LAUNCH, 10, 15, obj=STREAM, status=2)
    trace.add(Kind.GPU_LAUNCH, 20, 25, obj=STREAM, flags=FLAG_CAPTURE)
    assert told(trace) == []


def ran(trace: Trace, begin: int, end: int, called: int, kind: Kind = Kind.GPU_EXECUTE) -> None:
    """CUPTI tells of a run, whose call had its middle at a time."""
    trace.add(
        kind,
        begin * US,
        end * US,
        obj=1 << 32 | 7,
        flags=FLAG_DEVICE_TIME,
        context=(begin - called) * US,
    )


def exact(busy: Busy) -> list[tuple[int, int, int, int, int]]:
    times = (busy.start_ns, busy.end_ns, busy.sure_ns, busy.works, busy.told)
    rows = zip(*(each.tolist() for each in times), strict=True)
    return [
        (start // US, end // US, sure // US, works, told) for start, end, sure, works, told in rows
    ]


def test_told_times_stand_in_place_of_bounds() -> None:
    trace = Trace()
    for at in (10, 20, 30):
        trace.add(Kind.GPU_LAUNCH, at * US, (at + 4) * US, obj=STREAM)
    trace.add(Kind.GPU_SYNC, 40 * US, 400 * US, obj=STREAM)
    for begin, end, called in ((15, 50, 12), (50, 90, 22), (200, 300, 32)):
        ran(trace, begin, end, called)
    # Nobody waits for it, and its end is known all the same.
    trace.add(Kind.GPU_LAUNCH, 500 * US, 505 * US, obj=OTHER)
    ran(trace, 510, 530, 502)
    found = busy_of(trace.columns()[0])
    assert exact(found) == [(15, 90, 75, 2, 1), (200, 300, 100, 1, 1), (510, 530, 20, 1, 1)]
    first, second = summarise_busy(found, 9)
    assert (first["busy_least_ms"], first["busy_most_ms"]) == (0.175, 0.175)
    assert (first["works"], first["works_told"], first["idle_ms"]) == (3, 3, 0.11)
    assert (second["busy_least_ms"], second["busy_most_ms"]) == (0.02, 0.02)


def test_work_that_was_not_told_stays_bounded() -> None:
    trace = Trace()
    trace.add(Kind.GPU_LAUNCH, 10 * US, 14 * US, obj=STREAM)
    trace.add(Kind.GPU_HOST_CALL, 16 * US, 18 * US, obj=STREAM, flags=FLAG_ASYNC)
    trace.add(Kind.GPU_SYNC, 100 * US, 110 * US, obj=STREAM)
    trace.add(Kind.GPU_LAUNCH, 200 * US, 204 * US, obj=STREAM)
    ran(trace, 20, 60, 12)
    ran(trace, 210, 230, 202)
    found = busy_of(trace.columns()[0])
    # What was told of it is surely work.
    assert exact(found) == [(10, 110, 40, 2, 0), (210, 230, 20, 1, 1)]
    (row,) = summarise_busy(found, 9)
    assert (row["works"], row["works_told"]) == (3, 1)


def test_a_graph_is_told_when_each_of_its_nodes_is() -> None:
    for nodes, whole in ((2, True), (3, False), (0, False)):
        trace = Trace()
        trace.add(Kind.GPU_GRAPH, 10 * US, 14 * US, obj=STREAM, size=nodes)
        trace.add(Kind.GPU_SYNC, 100 * US, 110 * US, obj=STREAM)
        ran(trace, 20, 30, 12)
        ran(trace, 40, 60, 12, Kind.GPU_TRANSFER)
        told_row, bound = [(20, 30, 10, 1, 1), (40, 60, 20, 0, 1)], [(10, 110, 30, 1, 0)]
        assert exact(busy_of(trace.columns()[0])) == (told_row if whole else bound)


def test_a_batch_is_told_when_each_of_its_parts_is() -> None:
    for runs, whole in ((2, True), (1, False)):
        trace = Trace()
        for _ in range(2):
            trace.add(Kind.GPU_COPY_H2D, 10 * US, 14 * US, obj=STREAM, flags=FLAG_ASYNC)
        trace.add(Kind.GPU_SYNC, 100 * US, 110 * US, obj=STREAM)
        for at in range(runs):
            ran(trace, 20 + 10 * at, 30 + 10 * at, 12, Kind.GPU_TRANSFER)
        expected = (20, 40, 20, 2, 1) if whole else (10, 110, 10, 2, 0)
        assert exact(busy_of(trace.columns()[0])) == [expected]


def test_a_run_is_of_the_thread_that_called() -> None:
    trace = Trace()
    trace.add(Kind.GPU_LAUNCH, 10 * US, 14 * US, obj=STREAM, tid=31)
    trace.add(Kind.GPU_LAUNCH, 10 * US, 14 * US, obj=OTHER, tid=32)
    known = {"obj": 1 << 32 | 7, "flags": FLAG_DEVICE_TIME}
    trace.add(Kind.GPU_EXECUTE, 20 * US, 30 * US, tid=32, context=8 * US, **known)
    # No call of its thread is near.
    trace.add(Kind.GPU_EXECUTE, 900 * US, 950 * US, tid=31, context=8 * US, **known)
    found = busy_of(trace.columns()[0])
    assert found.stream.tolist() == [STREAM, OTHER]
    assert found.told.tolist() == [0, 1]


def test_a_wait_for_a_command_tells_of_its_queue_up_to_it() -> None:
    trace = Trace()
    trace.add(Kind.GPU_LAUNCH, 10 * US, 15 * US, obj=STREAM)
    trace.add(Kind.GPU_LAUNCH, 20 * US, 22 * US, obj=STREAM)
    # Its event had the handle of a marker of another queue before: that is no longer meant.
    trace.add(Kind.GPU_EVENT, 1 * US, 2 * US, obj=OTHER, address=EVENT)
    trace.add(Kind.GPU_LAUNCH, 30 * US, 31 * US, obj=STREAM)
    trace.add(Kind.GPU_SYNC, 40 * US, 100 * US, obj=EVENT, address=STREAM, size=20 * US)
    # What was enqueued behind it is not known to be done.
    assert told(trace) == [(STREAM, 10 * US, None, 78 * US, 3)]
    trace.add(Kind.GPU_SYNC, 110 * US, 111 * US, obj=EVENT, address=STREAM, size=80 * US)
    assert told(trace) == [(STREAM, 10 * US, 111 * US, 78 * US, 3)]
    # That nobody told since when says nothing of any queue.
    trace.add(Kind.GPU_LAUNCH, 200 * US, 201 * US, obj=STREAM)
    trace.add(Kind.GPU_SYNC, 210 * US, 300 * US, obj=EVENT + 1, address=STREAM)
    assert told(trace)[1:] == [(STREAM, 200 * US, None, 0, 1)]


def test_what_is_called_back_is_no_work() -> None:
    trace = Trace()
    trace.add(Kind.GPU_LAUNCH, 10 * US, 15 * US, obj=STREAM, flags=FLAG_ASYNC)
    trace.add(Kind.GPU_HOST_CALL, 20 * US, 21 * US, obj=STREAM)
    assert told(trace) == [(STREAM, 10 * US, None, 0, 1)]


def profiled(trace: Trace, begin: int, end: int, called: int, **more: int) -> None:
    """A queue tells when a command ran, on whatever thread it was asked."""
    kind = Kind(more.pop("kind", Kind.GPU_EXECUTE))
    known = {"obj": STREAM, "flags": FLAG_DEVICE_TIME, "context": (begin - called) * US} | more
    trace.add(kind, begin * US, end * US, tid=99, **known)


def test_a_queue_that_profiles_tells_its_own_times() -> None:
    trace = Trace()
    kernel, other = {"obj": STREAM, "address": 7, "size": 64}, {"address": 8, "size": 64}
    # Two threads enqueue at once; what each gave the queue tells them apart.
    trace.add(Kind.GPU_LAUNCH, 10 * US, 30 * US, tid=31, flags=FLAG_ASYNC, **kernel)
    trace.add(Kind.GPU_LAUNCH, 12 * US, 28 * US, tid=32, flags=FLAG_ASYNC, **kernel | other)
    trace.add(Kind.GPU_COPY_D2H, 40 * US, 45 * US, obj=STREAM, address=9, flags=FLAG_ASYNC)
    profiled(trace, 60, 80, 42, kind=Kind.GPU_TRANSFER, address=9)
    profiled(trace, 30, 50, 20, address=8, size=64)
    profiled(trace, 40, 55, 22, address=7, size=64)
    # No handle of another queue, and no time of another command.
    trace.add(Kind.GPU_LAUNCH, 100 * US, 105 * US, obj=OTHER, address=7, size=64)
    found = busy_of(trace.columns()[0])
    assert found.stream.tolist() == [STREAM, STREAM, OTHER]
    assert exact(found)[:2] == [(30, 55, 25, 2, 1), (60, 80, 20, 1, 1)]
    first, second = summarise_busy(found, 9)
    assert (first["works"], first["works_told"]) == (3, 3)
    assert (first["busy_least_ms"], first["busy_most_ms"]) == (0.045, 0.045)
    assert (second["works_told"], second["busy_most_ms"]) == (0, None)


def test_a_buffer_of_commands_is_one_run() -> None:
    trace = Trace()
    trace.add(Kind.GPU_GRAPH, 10 * US, 14 * US, obj=STREAM, address=5, size=3, flags=FLAG_ASYNC)
    profiled(trace, 20, 60, 12, address=5, size=3)
    assert exact(busy_of(trace.columns()[0])) == [(20, 60, 40, 1, 1)]


CALLS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                (Kind.GPU_LAUNCH, FLAG_ASYNC, 0),
                (Kind.GPU_COPY_D2H, 0, 0),
                (Kind.GPU_SYNC, 0, 0),
                (Kind.GPU_EVENT, FLAG_ASYNC, 0),
                (Kind.GPU_QUERY, 0, 0),
                (Kind.GPU_QUERY, 0, 600),
            ]
        ),
        st.sampled_from([STREAM, OTHER, EVENT, EVENT + 1, 0]),
        st.integers(0, 60),
        st.integers(0, 60),
    ),
    max_size=15,
)


@settings(max_examples=300, deadline=None)
@given(CALLS)
def test_times_with_work_are_those_of_the_oracle(
    calls: list[tuple[tuple[Kind, int, int], int, int, int]],
) -> None:
    trace, now = Trace(), 1000
    for (kind, flags, status), obj, gap, lasts in calls:
        now += gap * US
        on_stream = kind in (Kind.GPU_LAUNCH, Kind.GPU_COPY_D2H, Kind.GPU_EVENT)
        stream = STREAM + obj % 2 if on_stream else obj
        trace.add(
            kind,
            now,
            now + lasts * US,
            obj=stream,
            flags=flags,
            status=status,
            address=EVENT + obj % 2 if kind == Kind.GPU_EVENT else 0,
        )
    columns = trace.columns()[0]
    assert told(trace) == oracle(columns)


def oracle(columns: Columns) -> list[tuple[int, int, int | None, int, int]]:
    rows = [dict(zip(columns.as_dict(), row, strict=True)) for row in zip(*columns, strict=True)]
    rows = [{name: int(value) for name, value in row.items()} for row in rows]
    facts = oracle_facts(rows)
    facts += oracle_lonely(rows, facts)
    found = []
    for stream in (STREAM, OTHER):
        found += oracle_stream(rows, stream, [fact for fact in facts if fact[0] in (stream, 0)])
    return found


Fact = tuple[int, int, int, bool]


def oracle_facts(rows: list[dict[str, int]]) -> list[Fact]:
    """Stream, up to when work is meant, when it was known, and whether it was done."""
    facts = []
    for place, row in enumerate(rows):
        begin, end = row["start_ns"], row["start_ns"] + row["duration_ns"]
        waits = row["kind"] == Kind.GPU_SYNC or (
            row["kind"] == Kind.GPU_COPY_D2H and not row["flags"] & FLAG_ASYNC
        )
        if not waits and row["kind"] != Kind.GPU_QUERY:
            continue
        stream, asked = row["object"], begin
        marks = [each for each in rows if each["kind"] == Kind.GPU_EVENT]
        if stream in [mark["address"] for mark in marks]:
            before = [m for m in rows[:place] if m in marks and m["address"] == stream]
            if not before:
                continue
            stream, asked = before[-1]["object"], before[-1]["start_ns"]
        if waits or not row["status"]:
            facts.append((stream, asked, end, True))
        if waits and end - begin > WAITED_NS and stream:
            facts.append((stream, asked, end, False))
        if row["status"] == 600:
            facts.append((stream, asked, begin, False))
    return facts


def oracle_lonely(rows: list[dict[str, int]], facts: list[Fact]) -> list[Fact]:
    """Where a device was waited for long and one stream alone can have had work: it had."""
    found = []
    for row in rows:
        begin, end = row["start_ns"], row["start_ns"] + row["duration_ns"]
        if row["kind"] != Kind.GPU_SYNC or row["object"] or end - begin <= WAITED_NS:
            continue
        pending = {
            work["object"]
            for work in rows
            if work["kind"] in (Kind.GPU_LAUNCH, Kind.GPU_COPY_D2H)
            and work["start_ns"] <= begin
            and not any(
                done and at < begin and asked >= work["start_ns"]
                for stream, asked, at, done in facts
                if stream in (work["object"], 0)
            )
        }
        found += [(stream, begin, end, False) for stream in pending if len(pending) == 1]
    return found


def oracle_stream(
    rows: list[dict[str, int]], stream: int, facts: list[Fact]
) -> list[tuple[int, int, int | None, int, int]]:
    works = [
        (row["start_ns"], row["start_ns"] + row["duration_ns"])
        for row in rows
        if row["kind"] in (Kind.GPU_LAUNCH, Kind.GPU_COPY_D2H) and row["object"] == stream
    ]
    ends = [
        min((at for _, asked, at, done in facts if done and asked >= start), default=UNKNOWN_NS)
        for start, _ in works
    ]
    groups: list[list[int]] = []
    for at, (start, _) in enumerate(works):
        if groups and start <= max(ends[each] for each in groups[-1]):
            groups[-1].append(at)
        else:
            groups.append([at])
    found = []
    for group in groups:
        covered: set[int] = set()
        for where, asked, at, done in facts:
            before = [each for each in range(len(works)) if works[each][0] <= asked]
            if not done and where and before and before[-1] in group:
                covered |= set(range(works[before[-1]][1], min(at, ends[before[-1]]), US))
        last = ends[group[-1]]
        end = None if last == UNKNOWN_NS else last
        found.append((stream, works[group[0]][0], end, len(covered) * US, len(group)))
    return found


def test_kernels_are_counted_where_they_were_launched_and_where_they_ran() -> None:
    trace = Trace()
    for status, flags in ((0, 0), (0, 0), (700, 0), (0, FLAG_CAPTURE)):
        trace.add(Kind.GPU_LAUNCH, 10, 15, obj=STREAM, address=7, status=status, flags=flags)
    trace.add(Kind.GPU_EXECUTE, 20, 25, obj=STREAM, address=7)
    for _ in range(3):
        trace.add(Kind.GPU_EXECUTE, 20, 22, obj=STREAM, address=8)
    found = kernels_of(trace.columns()[0])
    rows = zip(*(each.tolist() for each in found.as_dict().values()), strict=True)
    assert sorted(rows) == [(7, 2, 1, 5), (8, 0, 3, 6)]
    assert not len(kernels_of(Trace().columns()[0]).address)


def test_what_failed_is_counted_by_kind_and_status() -> None:
    trace = Trace()
    for kind, status in (
        *[(Kind.GPU_LAUNCH, 719)] * 3,
        *((Kind.GPU_COPY_H2D, -36), (Kind.GPU_LAUNCH, 0), (Kind.GPU_ALLOC, 2)),
        # Answers, what is no call, and what is no device's.
        *((Kind.GPU_QUERY, 600), (Kind.GPU_QUERY, 1), (Kind.GPU_QUERY, 719)),
        *((Kind.GPU_TIMING, 39), (Kind.GPU_STORAGE, 4096), (Kind.GPU_STORAGE, -5)),
        *((Kind.FILE_OPEN, -2), (Kind.SCHED_OFFCPU, 1)),
    ):
        trace.add(kind, 10, 15, obj=STREAM, status=status)
    found = failed_of(trace.columns()[0])
    rows = zip(found.kind.tolist(), found.status.tolist(), found.count.tolist(), strict=True)
    assert sorted(rows) == [
        (Kind.GPU_LAUNCH, 719, 3),
        (Kind.GPU_COPY_H2D, -36, 1),
        (Kind.GPU_ALLOC, 2, 1),
        (Kind.GPU_QUERY, 719, 1),
        (Kind.GPU_STORAGE, -5, 1),
    ]
    assert not len(failed_of(Trace().columns()[0]).kind)


def test_there_may_be_nothing() -> None:
    assert len(busy_of(Trace().columns()[0])) == 0
    assert np.iinfo(np.int64).max == UNKNOWN_NS

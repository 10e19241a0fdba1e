# SPDX-License-Identifier: Apache-2.0
"""The native passes: numbers mean the same on both sides, and passes do what loops do."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import pofc_oracle as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pofc_hostile import traces
from pofc_traces import Trace

from anaros._native import ffi
from anaros.kinds import Kind
from anaros.pofc import STAGES
from anaros.pofc.device import runs_of
from anaros.pofc.frame import ROLES, Frame, Role, Survey, Threads
from anaros.pofc.lineage import Begins
from anaros.pofc.native import columns_of
from anaros.pofc.order import alone, among, distinct, latest, numbered, ordered
from anaros.pofc.scheduler import off_cpu
from anaros.pofc.stages import Code
from anaros.pofc.waits import Blocks, Cause
from anaros.records import Columns


@pytest.mark.parametrize(
    ("name", "members"),
    [("role", Role), ("code", Code), ("cause", Cause), ("blocks", Blocks), ("begins", Begins)],
)
def test_numbers_mean_the_same_in_c(name: str, members: type[IntEnum]) -> None:
    declared = dict(ffi.typeof(f"enum pofc_{name}").relements)
    count = f"POFC_{name.upper()}S"
    assert declared.pop(count, len(members)) == len(members)
    assert declared == {f"POFC_{name.upper()}_{each.name}": each.value for each in members}


def test_stages_are_the_same_in_c() -> None:
    declared = ffi.typeof("enum pofc_stage").relements
    names = {f"POFC_STAGE_{name.upper()}": number for number, name in enumerate(STAGES)}
    assert declared == {**names, "POFC_STAGES": len(STAGES)}


WILD = st.one_of(st.integers(-3, 3), st.integers(-(2**63), 2**63 - 1))
ENTRIES = st.lists(st.tuples(WILD, WILD), max_size=30)


def arrays(entries: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    groups, times = np.array(entries, np.int64).reshape(-1, 2).T
    return groups, times


@settings(max_examples=100, deadline=None)
@given(ENTRIES, ENTRIES)
def test_the_latest_entry_is_found(
    entries: list[tuple[int, int]], queries: list[tuple[int, int]]
) -> None:
    found = latest(*arrays(entries), *arrays(queries))
    expected = [
        max(
            (
                (time, at)
                for at, (mine, time) in enumerate(entries)
                if mine == group and time <= when
            ),
            default=(0, -1),
        )[1]
        for group, when in queries
    ]
    assert found.tolist() == expected


@settings(max_examples=100, deadline=None)
@given(ENTRIES)
def test_entries_are_ordered_by_group_and_time(entries: list[tuple[int, int]]) -> None:
    groups = list(dict.fromkeys(group for group, _ in entries))
    expected = sorted(
        range(len(entries)), key=lambda at: (groups.index(entries[at][0]), entries[at][1])
    )
    assert ordered(*arrays(entries)).tolist() == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1)), st.lists(st.integers(0, 5)))
def test_equal_values_have_equal_numbers(one: list[int], other: list[int]) -> None:
    words = [np.array(each, np.uint64) for each in (one, other)]
    joined = np.concatenate(numbered(*words)).tolist()
    first = {value: number for number, value in enumerate(dict.fromkeys(one + other))}
    assert joined == [first[value] for value in one + other]
    assert among(*words).tolist() == [value in other for value in one]
    assert distinct(words[0]).tolist() == sorted(set(one))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-2, 2), st.integers(-9, 9), st.integers(0, 9)), max_size=20),
    ENTRIES,
)
def test_what_goes_on_alone_is_found(
    entries: list[tuple[int, int, int]], queries: list[tuple[int, int]]
) -> None:
    groups, begins, lasts = np.array(entries, np.int64).reshape(-1, 3).T
    found = alone(groups, begins, begins + lasts, *arrays(queries))
    for (group, when), index in zip(queries, found.tolist(), strict=True):
        going = [
            at
            for at, (mine, begin, long) in enumerate(entries)
            if mine == group and begin <= when <= begin + long
        ]
        assert index == (going[0] if len(going) == 1 else -1)


@settings(max_examples=100, deadline=None)
@given(traces(kernel=True))
def test_a_survey_finds_every_place(columns: Columns) -> None:
    survey = Survey.of(columns_of(columns), len(columns), map)
    roles = ROLES[columns.kind]
    assert np.array_equal(survey.roles, roles)
    assert np.array_equal(survey.sockets, np.flatnonzero(roles == Role.NET))
    assert np.array_equal(survey.polls, np.flatnonzero(roles == Role.POLL))
    assert np.array_equal(survey.others, np.flatnonzero(columns.flags & 4))
    assert survey.off_cpu == bool((roles == Role.OFFCPU).any())


def pairs_of(frame: Frame) -> dict[int, int]:
    runs = runs_of(frame)
    return {work: int(place) for call, place in enumerate(frame.position) for work in runs.of(call)}


def frame_of(columns: Columns, roles: np.ndarray) -> Frame:
    return Threads(columns, columns_of(columns), roles).frame(np.unique(columns.pid), map)


@settings(max_examples=100, deadline=None)
@given(traces(kernel=True))
def test_calls_are_in_order_thread_by_thread(columns: Columns) -> None:
    roles = ROLES[columns.kind]
    frame = frame_of(columns, roles)
    rows = oracle.rows(columns)
    calls = [
        (row["tid"], row["pid"], place)
        for place, row in enumerate(rows)
        if Role.NONE < roles[place] < Role.OFFCPU
    ]
    assert frame.position.tolist() == [place for _, _, place in sorted(calls)]
    names = sorted({(tid, pid) for tid, pid, _ in calls})
    assert list(zip(frame.tid.tolist(), frame.pid.tolist(), strict=True)) == names
    for call, place in enumerate(frame.position.tolist()):
        assert frame.call[place] == call
        assert frame.start_ns[call] == rows[place]["start_ns"]
        assert frame.end_ns[call] == rows[place]["end"]
        assert names[frame.thread[call]] == (rows[place]["tid"], rows[place]["pid"])


@settings(max_examples=100, deadline=None)
@given(traces(kernel=True))
def test_times_off_the_cpu_count_for_the_call_before(columns: Columns) -> None:
    roles = ROLES[columns.kind]
    frame = frame_of(columns, roles)
    assert off_cpu(roles, frame).tolist() == oracle.off_cpu(oracle.rows(columns), frame)


@settings(max_examples=100, deadline=None)
@given(traces(server=False))
def test_device_work_is_that_of_the_oracle(columns: Columns) -> None:
    frame = frame_of(columns, ROLES[columns.kind])
    assert pairs_of(frame) == oracle.device_pairs(columns)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([Kind.GPU_LAUNCH, Kind.GPU_GRAPH, Kind.GPU_COPY_H2D, Kind.FILE_READ]),
            st.integers(0, 9),
            st.integers(0, 30),
        ),
        max_size=20,
    ),
    st.lists(st.tuples(st.booleans(), st.integers(0, 150), st.integers(0, 9)), max_size=20),
)
def test_work_that_names_its_call_by_time_is_that_of_the_nearest(
    calls: list[tuple[int, int, int]], works: list[tuple[bool, int, int]]
) -> None:
    trace, now = Trace(), 100_000
    for kind, lasts, gap in calls:
        now = trace.add(kind, now, now + lasts * 1000, obj=7, address=3) + gap * 1000
    for kernel, called, waits in works:
        start = 100_000 + (called + waits) * 1000
        kind = Kind.GPU_EXECUTE if kernel else Kind.GPU_TRANSFER
        trace.add(kind, start, start + 500, obj=1 << 32, address=99, context=waits * 1000)
    columns, _ = trace.columns()
    frame = frame_of(columns, ROLES[columns.kind])
    assert pairs_of(frame) == oracle.device_pairs(columns)


def test_work_may_begin_with_its_call_and_not_before() -> None:
    trace = Trace()
    trace.add(Kind.GPU_EXECUTE, 10, 20, obj=9, address=3)
    trace.add(Kind.GPU_LAUNCH, 10, 15, obj=9, address=3)
    trace.add(Kind.GPU_EXECUTE, 30, 40, obj=9, address=4)
    trace.add(Kind.GPU_LAUNCH, 31, 35, obj=9, address=4)
    columns, _ = trace.columns()
    assert pairs_of(frame_of(columns, ROLES[columns.kind])) == {0: 1}

# SPDX-License-Identifier: Apache-2.0
"""What `anaros.report` makes of records and of meta.json."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anaros import report
from anaros.errors import UsageError
from anaros.kinds import KIND_NAMES, Kind, NameClass
from anaros.records import FLAG_KERNEL, Columns
from anaros.store import names, segments
from anaros.store.calls import tally
from anaros.store.rundir import RunDirectory
from anaros.store.segments import write_segment

START_NS = 5_000_000_000


def columns_of(**fields: list[int]) -> Columns:
    count = len(next(iter(fields.values())))
    arrays = Columns.empty(count).as_dict()
    return Columns.from_mapping({**arrays, **{k: np.array(v) for k, v in fields.items()}})


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    made = RunDirectory.create(tmp_path / "run", {"start_ns": START_NS, "command": ["true"]})
    columns = columns_of(
        start_ns=[START_NS + second * 10**9 for second in range(4)],
        duration_ns=[1000, 2000, 3000, 500_000_000],
        kind=[Kind.FILE_READ] * 4,
        size_bytes=[10, 20, 30, 40],
    )
    write_segment(made, columns, 0)
    return made


def test_calls_agree_with_a_loop() -> None:
    random = np.random.default_rng(7)
    kinds = np.array([*KIND_NAMES, 0x7777], np.uint16)
    count = 2000
    columns = columns_of(
        kind=random.choice(kinds, count).tolist(),
        duration_ns=random.integers(0, 10**9, count).tolist(),
        size_bytes=random.integers(0, 2**30, count).tolist(),
    )
    expected: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for kind, duration, size in zip(
        columns.kind.tolist(),
        columns.duration_ns.tolist(),
        columns.size_bytes.tolist(),
        strict=True,
    ):
        expected[kind].append((duration, size))
    del expected[Kind.META_NAME]
    rows = report.calls(tally(columns))
    assert [row["kind"] for row in rows] == [
        KIND_NAMES.get(kind, f"{kind:#06x}")
        for kind, _ in sorted(expected.items(), key=lambda item: -sum(d for d, _ in item[1]))
    ]
    by_name = {row["kind"]: row for row in rows}
    for kind, pairs in expected.items():
        row = by_name[KIND_NAMES.get(kind, f"{kind:#06x}")]
        durations = sorted(duration for duration, _ in pairs)
        assert row["count"] == len(pairs)
        assert row["total_ms"] == pytest.approx(sum(durations) / 1e6)
        assert row["p50_ms"] == pytest.approx(float(np.median(durations)) / 1e6)
        assert durations[0] / 1e6 <= row["p99_ms"] <= durations[-1] / 1e6
        moved = sum(size for _, size in pairs) if kind in report.BYTE_KINDS else None
        assert row["bytes"] == moved


def test_calls_tell_who_saw_them() -> None:
    columns = columns_of(
        kind=[Kind.FILE_READ, Kind.SCHED_OFFCPU], duration_ns=[5, 9], flags=[0, FLAG_KERNEL]
    )
    assert [(row["kind"], row["plane"]) for row in report.calls(tally(columns))] == [
        ("sched.offcpu", "kernel"),
        ("file.read", "program"),
    ]
    assert report.calls(tally(Columns.empty())) == []


def test_a_run_without_an_end_ends_with_its_last_record(run: RunDirectory) -> None:
    assert report.span_ns(run, run.meta()) == (START_NS, START_NS + 3_500_000_000)
    run.update_meta({"end_ns": START_NS + 9})
    assert report.span_ns(run, run.meta()) == (START_NS, START_NS + 9)
    run.update_meta({"state": "recovered"})
    assert report.span_ns(run, run.meta()) == (START_NS, START_NS + 3_500_000_000)


@pytest.mark.parametrize(
    ("start_s", "end_s", "first_s", "last_s"),
    [
        (None, None, 0, 10),
        (2, 5, 2, 5),
        (2, None, 2, 10),
        (None, 5, 0, 5),
        (-3, None, 7, 10),
        (-3, -1, 7, 9),
        (1, -1, 1, 9),
        (-100, 100, 0, 10),
        (-3, -0.0, 7, 10),
    ],
)
def test_windows(
    start_s: float | None, end_s: float | None, first_s: float, last_s: float, run: RunDirectory
) -> None:
    run.update_meta({"end_ns": START_NS + 10 * 10**9})
    first, last = report.window_ns(run, start_s, end_s)
    assert (first - START_NS) / 1e9 == first_s
    assert (last - START_NS) / 1e9 == last_s


@pytest.mark.parametrize(("start_s", "end_s"), [(11, None), (None, -11), (6, -6)])
def test_a_window_beside_the_run(
    start_s: float | None, end_s: float | None, run: RunDirectory
) -> None:
    run.update_meta({"end_ns": START_NS + 10 * 10**9})
    with pytest.raises(UsageError, match=r"lasts from 0 to 10\.000 s"):
        report.window_ns(run, start_s, end_s)


def test_what_meta_does_not_tell_is_unknown(run: RunDirectory) -> None:
    found: dict[str, Any] = report.build(run)
    assert found["drops"] == {"shim": None, "kernel": None, "by_probe": {}}
    assert set(found["overhead"].values()) == {None}
    assert found["policy"]["digest"] is None
    assert found["coverage"]["kernel_plane"] is None
    assert found["coverage"]["with_shim"] is None
    assert found["requests"]["p99_ms"] is None or found["requests"]["count"] > 0
    assert found["run"]["records"] == 4
    assert found["run"]["host"] is None


def test_programs_are_told_by_meta_else_by_the_records(run: RunDirectory) -> None:
    found = report.build(run)["coverage"]
    assert (found["processes"], found["with_shim"], found["without_shim"]) == (None, None, [])
    columns = columns_of(
        start_ns=[START_NS + 1, START_NS + 2, START_NS + 3],
        kind=[Kind.PROC_EXEC, Kind.PROC_SHIM, Kind.PROC_EXEC],
        pid=[10, 10, 11],
    )
    write_segment(run, columns, 1)
    found = report.build(run)["coverage"]
    assert (found["processes"], found["with_shim"], found["without_shim_count"]) == (2, 1, 1)
    assert [program["pid"] for program in found["without_shim"]] == [11]
    told = {"seen": 9, "with_shim": 9, "without_shim": [], "without_shim_count": 0}
    run.update_meta({"processes": told})
    assert report.build(run)["coverage"]["with_shim"] == 9


def test_what_passed_by_the_shim_is_named(run: RunDirectory) -> None:
    assert report.build(run)["coverage"]["unhooked_names"] == []
    count = 200
    columns = columns_of(
        start_ns=[START_NS + at for at in range(count)],
        kind=[Kind.GPU_UNKNOWN] * count,
        object=[7, 7, 7, 8, *range(100, 100 + count - 4)],
        size_bytes=[13080, 13080, 0, 0, *[1] * (count - 4)],
        address=[2, 2, 1, 9, *[5] * (count - 4)],
    )
    write_segment(run, columns, 1)
    known = names.Names(
        object=np.array([7, 7, 7], np.uint64),
        name_class=np.array([NameClass.FUNCTION, NameClass.FILE, NameClass.FUNCTION], np.uint8),
        start_ns=np.array([1, 2, 3], np.uint64),
        pid=np.array([1, 1, 2], np.uint32),
        name=["cuNew", "/a/file", "cuNew"],
    )
    names.write_names(run, known)
    found = report.build(run)["coverage"]["unhooked_names"]
    assert found[:2] == [
        {"name": None, "version": 1, "way": "second library", "count": count - 4},
        {"name": "cuNew", "version": 13080, "way": "resolver", "count": 2},
    ]
    assert {"name": "cuNew", "version": None, "way": "dlsym", "count": 1} in found
    assert {"name": None, "version": None, "way": None, "count": 1} in found


def test_a_window_is_the_same_before_and_after_the_run_was_explained(run: RunDirectory) -> None:
    window = (START_NS + 10**9, START_NS + 3 * 10**9)
    first, again = report.build(run, window), report.build(run, window)
    assert first == again
    assert first["run"]["records"] == 2
    assert [(row["kind"], row["count"], row["bytes"]) for row in first["calls"]] == [
        ("file.read", 2, 50)
    ]
    assert report.build(run)["calls"][0]["count"] == 4


def test_a_run_that_was_explained_is_not_read_again(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = report.build(run)

    def read(*_: object, **__: object) -> Columns:
        raise AssertionError("the records are read")

    run.update_meta({"processes": {"seen": 0, "with_shim": 0, "without_shim": []}})
    monkeypatch.setattr(segments, "load", read)
    again = report.build(RunDirectory.open(run.path))
    for key in ("run", "requests", "stages", "slowest", "calls"):
        assert again[key] == first[key]


def test_a_damaged_segment_is_named_and_the_rest_is_read(run: RunDirectory) -> None:
    (run.records / "segment-00000001.parquet").write_bytes(b"PAR1 and then nothing")
    found = report.build(run)
    assert found["run"]["records"] == 4
    assert [damaged["name"] for damaged in found["coverage"]["damaged_segments"]] == [
        "records/segment-00000001.parquet"
    ]
    assert found["coverage"]["damaged_segments"][0]["reason"]

# SPDX-License-Identifier: Apache-2.0
"""The snapshot behind `anaros xray`: its window, its source, its busiest things."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anaros.capture.rings.live import Losses
from anaros.kinds import Kind, NameClass
from anaros.records import FLAG_KERNEL, FLAG_OTHER_TENANT, Columns
from anaros.store.names import Names, write_names
from anaros.store.rundir import RunDirectory
from anaros.store.segments import write_segment
from anaros_cli import snapshot
from anaros_cli.snapshot import Busy

SECOND_NS = 10**9


def columns_of(**fields: list[int]) -> Columns:
    arrays = Columns.empty(len(next(iter(fields.values())))).as_dict()
    return Columns.from_mapping({**arrays, **{k: np.array(v) for k, v in fields.items()}})


def names_of(*rows: tuple[int, NameClass, str]) -> Names:
    count = len(rows)
    return Names(
        object=np.array([row[0] for row in rows], np.uint64),
        name_class=np.array([row[1] for row in rows], np.uint8),
        start_ns=np.arange(count, dtype=np.uint64),
        pid=np.zeros(count, np.uint32),
        name=[row[2] for row in rows],
    )


def reads(start_ns: list[int], inodes: list[int] | None = None) -> Columns:
    count = len(start_ns)
    return columns_of(
        start_ns=start_ns,
        duration_ns=[1000] * count,
        kind=[Kind.FILE_READ] * count,
        object=inodes or [7] * count,
        size_bytes=[100] * count,
        pid=[1] * count,
        tid=[1] * count,
    )


class Memory:
    """A source that holds what it is given."""

    def __init__(self, columns: Columns, names: Names) -> None:
        self._columns, self._names = columns, names

    def records(self, seconds: float) -> Columns:
        since_ns = time.monotonic_ns() - round(seconds * SECOND_NS)
        return self._columns.take(self._columns.start_ns >= since_ns)

    def opened(self, before_ns: int) -> Columns:
        return Columns.empty()

    def memory(self) -> dict[str, Any] | None:
        return {"sorts": [], "failed": 1}

    def names(self) -> Names:
        return self._names

    def losses(self) -> Losses | None:
        return Losses(shim=3, by_probe={"sched": 1, "net": 4}, device_times_unread=2)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    meta = {"start_ns": 0, "end_ns": 20 * SECOND_NS, "state": "finished", "command": ["true"]}
    made = RunDirectory.create(tmp_path / "run", meta)
    write_segment(made, reads([second * SECOND_NS for second in range(20)]), 0)
    write_names(made, names_of((7, NameClass.FILE, "/old"), (7, NameClass.FILE, "/data/x")))
    return made


def test_a_finished_run_shows_its_last_seconds(run: RunDirectory) -> None:
    seen = snapshot.take(run, 10.0)
    assert not seen.live
    assert seen.records == 10
    assert seen.window_s == 10.0
    assert seen.elapsed_s == 20.0
    assert seen.files == (Busy("/data/x", 10, 1000, 10_000),)
    assert seen.drops["shim"] is None
    assert seen.memory is None


def test_a_finished_run_shows_what_it_held_at_its_end(run: RunDirectory) -> None:
    calls = columns_of(
        start_ns=[SECOND_NS, 2 * SECOND_NS, 15 * SECOND_NS],
        kind=[Kind.GPU_ALLOC, Kind.GPU_FREE, Kind.GPU_ALLOC],
        object=[4096, 4096, 8192],
        size_bytes=[300, 0, 100],
        pid=[1, 1, 1],
        tid=[1, 1, 2],
    )
    write_segment(run, calls, 1)
    memory = snapshot.take(run, 10.0).memory
    assert memory is not None
    assert memory["allocations_per_second"] == 0.1
    (sort,) = memory["sorts"]
    assert (sort["sort"], sort["in_use_bytes"], sort["high_water_bytes"]) == ("device", 100, 300)
    assert [row["tid"] for row in sort["holders"]] == [2]


def test_a_window_longer_than_the_run_is_the_run(run: RunDirectory) -> None:
    seen = snapshot.take(run, 3600.0)
    assert seen.window_s == 20.0
    assert seen.records == 20


def test_more_records_than_it_takes_shorten_the_window(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "RECORDS_MAX", 5)
    seen = snapshot.take(run, 10.0)
    assert seen.records == 5
    assert seen.window_s == 5.0


def test_a_running_run_is_read_from_its_source(run: RunDirectory) -> None:
    now_ns = time.monotonic_ns()
    run.update_meta({"state": "running", "start_ns": now_ns - 4 * SECOND_NS, "end_ns": None})
    fresh = reads([now_ns - 3 * SECOND_NS, now_ns - 2 * SECOND_NS], [8, 8])
    seen = snapshot.take(run, 10.0, Memory(fresh, names_of((8, NameClass.FILE, "/new"))))
    assert seen.live
    assert seen.records == 2
    assert seen.drops == {"shim": 3, "kernel": 5, "by_probe": {"sched": 1, "net": 4}}
    assert seen.device_times_unread == 2
    assert seen.memory == {"sorts": [], "failed": 1, "allocations_per_second": 0.0}
    assert [busy.name for busy in seen.files] == ["/new"]
    assert 4.0 <= seen.window_s < 5.0


def test_things_of_one_name_are_one_line_and_the_unnamed_are_numbers() -> None:
    launches = columns_of(
        kind=[Kind.GPU_LAUNCH] * 4, address=[1, 2, 3, 3], duration_ns=[5, 6, 7, 8]
    )
    names = names_of((1, NameClass.KERNEL, "pool"), (2, NameClass.KERNEL, "pool"))
    rows = Busy("0x3", 2, None, 15), Busy("pool", 2, None, 11)
    assert snapshot._kernels(launches, names) == (rows, False)


def test_device_time_goes_before_the_time_of_the_calls() -> None:
    columns = columns_of(
        kind=[Kind.GPU_LAUNCH, Kind.GPU_EXECUTE], address=[1, 1], duration_ns=[5, 900]
    )
    names = names_of((1, NameClass.KERNEL, "pool"))
    assert snapshot._kernels(columns, names) == ((Busy("pool", 1, None, 900),), True)
    assert snapshot._kernels(Columns.empty(), names) == ((), False)


def test_only_the_busiest_are_shown() -> None:
    count = snapshot.TOP_MAX + 3
    columns = reads(list(range(count)), list(range(1, count + 1)))
    columns.duration_ns[:] = np.arange(count)
    found = snapshot._busiest(columns, Names(), NameClass.FILE, (Kind.FILE_READ,), by_bytes=False)
    assert [busy.name for busy in found] == [f"{count - n:#x}" for n in range(snapshot.TOP_MAX)]


def test_a_look_tells_the_coverage_of_one_before(
    monkeypatch: pytest.MonkeyPatch, run: RunDirectory
) -> None:
    known: dict[str, float | None] = {"file_bytes": 0.5, "socket_bytes": None}
    unknown: dict[str, float | None] = dict.fromkeys(known)
    told = iter([unknown, known, unknown, known])
    monkeypatch.setattr(snapshot, "_shares", lambda *_: next(told))
    looks = snapshot.Looks(run, 5)
    seen = [looks() for _ in range(4)]
    assert [look.coverage for look in seen] == [unknown, known, known, known]
    assert [look.coverage_age_s is None for look in seen] == [True, True, False, True]


def test_who_delays_it_is_told(run: RunDirectory) -> None:
    assert snapshot.take(run, 5).delays is None
    waited = columns_of(
        start_ns=[18 * SECOND_NS] * 2,
        duration_ns=[5_000_000, 2_000_000],
        kind=[Kind.SCHED_RUNQUEUE] * 2,
        flags=[FLAG_KERNEL | FLAG_OTHER_TENANT] * 2,
        size_bytes=[77, 77],
    )
    write_segment(run, waited, 9)
    (row,) = snapshot.take(run, 5).delays or ()
    assert (row["delayed_by_pids"], row["count"], row["total_ms"]) == ([77], 2, 7.0)

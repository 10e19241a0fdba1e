# SPDX-License-Identifier: Apache-2.0
"""Segments and names: round trips, damage, full disks."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from anaros.errors import RunDirectoryError
from anaros.records import FIELDS, Columns
from anaros.store import segments
from anaros.store.names import Names, read_names, write_names
from anaros.store.rundir import RunDirectory
from anaros.store.segments import damaged_segments, load, write_segment


def some_records(count: int, seed: int = 1, begin_ns: int = 10**12) -> Columns:
    """Records sorted by start, of few kinds and threads, the rest random over its whole range."""
    random = np.random.default_rng(seed)
    columns = {
        name: random.integers(
            np.iinfo(dtype).min, np.iinfo(dtype).max, count, dtype=np.dtype(dtype), endpoint=True
        )
        for name, dtype in FIELDS
    }
    columns["start_ns"] = begin_ns + np.cumsum(random.integers(1, 999, count)).astype(np.uint64)
    columns["kind"] = random.choice(np.array([0x0103, 0x0207, 0x0401, 0x0501], np.uint16), count)
    columns["tid"] = random.choice(np.array([7, 8, 9, 7 + 65536], np.uint32), count)
    return Columns.from_mapping(columns)


def same(left: Columns, right: Columns) -> bool:
    return all(
        a.dtype == b.dtype and type(a) is np.ndarray and (a == b).all()
        for a, b in zip(left, right, strict=True)
    )


def canonical(columns: Columns) -> Columns:
    """All fields decide the order: for records whose starts are equal."""
    order = np.lexsort([*reversed(list(columns))])
    return columns.take(order)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "run", {"start_ns": 10**12})


def test_a_segment_comes_back_as_it_was(run: RunDirectory) -> None:
    written = some_records(200_000)
    path = write_segment(run, written, 3)
    assert path == run.records / "segment-00000003.parquet"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in run.records.iterdir()] == [path.name]
    assert same(load(run), written)


def columns_of(count: int) -> st.SearchStrategy[Columns]:
    def field(dtype: str) -> st.SearchStrategy[np.ndarray]:
        info = np.iinfo(dtype)
        return arrays.arrays(
            np.dtype(dtype), count, elements=st.integers(int(info.min), int(info.max))
        )

    return st.tuples(*(field(dtype) for _, dtype in FIELDS)).map(lambda parts: Columns(*parts))


@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(0, 12).flatmap(columns_of), min_size=1, max_size=3))
def test_any_records_round_trip(parts: list[Columns]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory.create(Path(folder) / "run", {})
        for sequence, part in enumerate(parts):
            write_segment(run, part.take(np.argsort(part.start_ns, kind="stable")), sequence)
        found = load(run)
        assert (found.start_ns[1:] >= found.start_ns[:-1]).all()
        assert same(canonical(found), canonical(Columns.concatenate(parts)))


@pytest.mark.parametrize("group", [1, 1000, 1 << 20])
def test_segments_that_overlap_are_merged(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, group: int
) -> None:
    monkeypatch.setattr(segments, "_GROUP_RECORDS", group)
    whole = some_records(5000)
    # Written when they end: long ones come in later segments than their starts tell.
    written = np.argsort(whole.start_ns + np.where(whole.kind == 0x0501, 400_000, 100))
    for sequence, part in enumerate(np.split(written, [900, 1700, 1700, 4000])):
        write_segment(run, whole.take(np.sort(part)), sequence)
    assert same(load(run), whole)


def test_kinds_window_and_fields(run: RunDirectory) -> None:
    whole = some_records(30_000)
    for sequence in range(3):
        write_segment(run, whole.take(slice(sequence * 10_000, (sequence + 1) * 10_000)), sequence)
    first, last = int(whole.start_ns[500]), int(whole.start_ns[25_000])
    mask = (whole.start_ns >= first) & (whole.start_ns < last) & (whole.kind == 0x0207)
    expected = whole.take(mask)
    found = load(run, kinds=[0x0207], window=(first, last), fields=("object", "tid"))
    assert len(found) == len(expected) > 1000
    for name in ("start_ns", "object", "tid"):
        assert (getattr(found, name) == getattr(expected, name)).all()
    for name, dtype in FIELDS:
        assert getattr(found, name).dtype == np.dtype(dtype)
        if name not in ("start_ns", "object", "tid"):
            assert not getattr(found, name).any()
    assert len(load(run, kinds=[])) == 0
    assert len(load(run, window=(-5, 3))) == 0
    assert same(load(run, fields=[]), load(run, fields=["start_ns"]))
    with pytest.raises(ValueError, match="no such field: colour"):
        load(run, fields=["colour"])


def test_only_segments_that_reach_into_a_window_are_read(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where segments overlap, or are empty."""
    written = some_records(4000)
    parts = [written.take(slice(n, None, 2) if n < 2 else slice(0, 0)) for n in range(3)]
    parts += [some_records(1000, seed, 10**12 + 10**7 * seed) for seed in (2, 3, 4)]
    for sequence, part in enumerate(parts):
        write_segment(run, part, sequence)
    read: list[str] = []
    table = segments._table

    def noted(paths: list[Path]) -> str:
        read.extend(path.stem for path in paths)
        return table(paths)

    monkeypatch.setattr(segments, "_table", noted)
    whole = load(run)
    first, middle, last = (int(whole.start_ns[n]) for n in (100, 2000, -100))
    for begin, end in ((first, middle), (middle, last), (last, 2**64), (0, first), (last, first)):
        inside = (whole.start_ns >= np.uint64(begin)) & (
            whole.start_ns < np.uint64(min(end, last * 2))
        )
        found = load(run, window=(begin, end))
        assert same(canonical(found), canonical(whole.take(np.flatnonzero(inside))))
    read.clear()
    load(RunDirectory.open(run.path), window=(first, middle))
    assert read == ["segment-00000000", "segment-00000001"]


def test_an_empty_run_has_no_records(run: RunDirectory) -> None:
    assert same(load(run), Columns.empty())
    assert damaged_segments(run) == []
    write_segment(run, Columns.empty(), 0)
    assert same(load(run), Columns.empty())


def test_a_segment_is_never_written_twice(run: RunDirectory) -> None:
    assert segments.next_sequence(run) == 0
    path = write_segment(run, some_records(10), 0)
    before = path.read_bytes()
    with pytest.raises(RunDirectoryError, match="exists already"):
        write_segment(run, some_records(20), 0)
    assert path.read_bytes() == before
    assert segments.next_sequence(run) == 1


def test_any_parquet_tool_reads_a_segment(run: RunDirectory) -> None:
    written = some_records(1000)
    path = write_segment(run, written, 0)
    with duckdb.connect() as connection:
        rows = connection.execute(f"FROM '{path}' ORDER BY start_ns LIMIT 1").fetchall()
        types = connection.execute(f"DESCRIBE FROM '{path}'").fetchall()
    assert rows == [tuple(int(column[0]) for column in written)]
    names = {"<u8": "UBIGINT", "<u4": "UINTEGER", "<u2": "USMALLINT", "<i4": "INTEGER"}
    assert [row[:2] for row in types] == [(name, names[dtype]) for name, dtype in FIELDS]


def damage(path: Path, how: str) -> None:
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "empty": b"",
            "cut": whole[:middle],
            "no tail": whole[:-1],
            "no head": b"\0\0\0\0" + whole[4:],
            "footer": whole[:-60] + b"\xff" * 40 + whole[-20:],
            "data": whole[:200] + b"\xff" * (middle - 200) + whole[middle:],
        }[how]
    )


@pytest.mark.parametrize("how", ["empty", "cut", "no tail", "no head", "footer", "data"])
def test_a_damaged_segment_is_left_out_and_named(run: RunDirectory, how: str) -> None:
    whole = some_records(9000)
    paths = [
        write_segment(run, whole.take(slice(at, at + 3000)), at // 3000) for at in (0, 3000, 6000)
    ]
    damage(paths[1], how)
    expected = whole.take(np.r_[0:3000, 6000:9000])
    assert same(load(run), expected)
    (found,) = damaged_segments(run)
    assert found.path == paths[1]
    assert found.size_bytes == paths[1].stat().st_size
    assert found.reason
    (again,) = damaged_segments(RunDirectory.open(run.path))
    assert again.path == paths[1]


def test_a_foreign_parquet_file_is_damaged(run: RunDirectory) -> None:
    written = some_records(100)
    write_segment(run, written, 1)
    foreign = run.records / "segment-00000000.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT 1 AS a) TO '{foreign}' (FORMAT parquet)")
    assert same(load(run), written)
    assert [found.path for found in damaged_segments(run)] == [foreign]


def test_a_temporary_file_is_no_segment(run: RunDirectory) -> None:
    written = some_records(100)
    write_segment(run, written, 0)
    (run.records / ".segment-00000001.parquet.5.tmp").write_bytes(b"PAR1 half")
    assert same(load(run), written)
    assert damaged_segments(run) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    if os.getuid() != 0:
        pytest.skip("needs root to mount a small tmpfs")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"cannot mount a small tmpfs: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_keeps_what_was_closed(small_disk: Path) -> None:
    run = RunDirectory.create(small_disk / "run", {"start_ns": 1})
    whole = some_records(60_000)
    write_names(run, Names(*(np.ones(1, t) for t in ("u8", "u1", "u8", "u4")), ["first"]))
    written = 0
    with pytest.raises(RunDirectoryError) as caught:
        for sequence in range(6):
            write_segment(run, whole.take(slice(written, written + 10_000)), sequence)
            written += 10_000
    assert 10_000 <= written < 60_000
    assert caught.value.fact.endswith("No space left on device")
    assert "free some space" in caught.value.remedy
    assert [path.name[0] for path in run.records.iterdir()] == ["s"] * (written // 10_000)
    assert same(load(run), whole.take(slice(0, written)))
    (small_disk / "filler").write_bytes(b"\0" * 4096 * _free_blocks(small_disk))
    with pytest.raises(RunDirectoryError, match="No space left on device"):
        run.update_meta({"state": "finished", "text": "x" * 10_000})
    with pytest.raises(RunDirectoryError, match="No space left on device"):
        write_names(run, Names(*(np.ones(9000, t) for t in ("u8", "u1", "u8", "u4")), ["n"] * 9000))
    assert run.meta()["start_ns"] == 1
    assert read_names(run).name == ["first"]
    with pytest.raises(RunDirectoryError, match="No space left on device"):
        RunDirectory.create(small_disk / "another", {"text": "x" * 10_000})
    assert not (small_disk / "another").exists()


def _free_blocks(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_bsize // 4096


def names_of(words: list[str]) -> Names:
    count = len(words)
    return Names(
        np.arange(count, dtype=np.uint64),
        np.ones(count, np.uint8),
        np.full(count, 5, np.uint64),
        np.full(count, 6, np.uint32),
        words,
    )


@settings(deadline=None, max_examples=10, suppress_health_check=list(HealthCheck))
@given(st.lists(st.text(), max_size=20))
def test_any_names_round_trip(words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory.create(Path(folder) / "run", {})
        write_names(run, names_of(words))
        found = read_names(run)
    assert found.name == words
    expected = names_of(words)
    for name in ("object", "name_class", "start_ns", "pid"):
        assert getattr(found, name).dtype == getattr(expected, name).dtype
        assert (getattr(found, name) == getattr(expected, name)).all()


def test_bytes_of_a_name_that_are_not_utf8_stay_visible(run: RunDirectory) -> None:
    write_names(run, names_of(["/data/\udcff\udc80.png", "plain"]))
    assert read_names(run).name == ["/data/\\udcff\\udc80.png", "plain"]


def test_names_may_be_missing_or_damaged(run: RunDirectory) -> None:
    assert len(read_names(run)) == 0
    assert damaged_segments(run) == []
    write_names(run, names_of(["a", "b"]))
    write_names(run, names_of(["a", "b", "c"]))
    assert read_names(run).name == ["a", "b", "c"]
    damage(run.names, "cut")
    assert len(read_names(run)) == 0
    assert [found.path for found in damaged_segments(run)] == [run.names]

# SPDX-License-Identifier: Apache-2.0
"""Segments whose bytes change after they were written: left out and named, never read wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest
from pofc_traces import Plan, Pool

from anaros import report
from anaros.errors import RunDirectoryError
from anaros.records import Columns
from anaros.store import columnar, derived, footer, segments, sql
from anaros.store.names import read_names
from anaros.store.rundir import RunDirectory
from anaros_cli.main import main

PARTS = 3


@pytest.fixture(scope="module")
def records() -> Columns:
    """What a server's threads did, which compresses as real records do; no two starts are equal."""
    columns, _ = Pool(Plan(requests=120)).run()
    columns.start_ns[:] += np.arange(len(columns), dtype=np.uint64)
    return columns


def cuts(records: Columns) -> list[slice]:
    each = len(records) // PARTS
    return [slice(at * each, (at + 1) * each) for at in range(PARTS)]


@pytest.fixture
def run(tmp_path: Path, records: Columns) -> RunDirectory:
    made = RunDirectory.create(tmp_path / "run", {"start_ns": 0, "end_ns": 10**12})
    for sequence, part in enumerate(cuts(records)):
        segments.write_segment(made, records.take(part), sequence)
    return made


def sound_records(records: Columns) -> Columns:
    """All but those of the second segment."""
    first, _, last = cuts(records)
    return Columns.concatenate([records.take(first), records.take(last)])


def same(left: Columns, right: Columns) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def damages(whole: bytes) -> Iterator[bytes]:
    """A flipped bit at each of many places, the whole end included; then larger losses."""
    random = np.random.default_rng(5)
    size = len(whole)
    for place in [*range(0, size, max(size // 80, 1)), *range(size - 200, size, 2)]:
        mask = 1 << int(random.integers(8))
        yield whole[:place] + bytes([whole[place] ^ mask]) + whole[place + 1 :]
    for place in random.integers(4, size - 600, 20).tolist():
        yield whole[:place] + bytes(512) + whole[place + 512 :]
        yield whole[:place] + random.bytes(64) + whole[place + 64 :]
        yield whole[:place] + whole[place + 1 :]
    half = size // 2
    yield whole[half:] + whole[:half]


def test_whatever_changes_in_a_segment_is_told_and_left_out(
    run: RunDirectory, records: Columns
) -> None:
    path = run.records / "segment-00000001.parquet"
    whole = path.read_bytes()
    without, every = sound_records(records), records.take(slice(0, len(records) // PARTS * PARTS))
    left_out = 0
    for changed in damages(whole):
        path.write_bytes(changed)
        opened = RunDirectory.open(run.path)
        found = segments.load(opened)
        named = {damaged.path for damaged in segments.damaged_segments(opened)}
        if named:
            assert named == {path}
            assert same(found, without)
            left_out += 1
        else:  # the bytes of the name under which the checksum is kept
            assert same(found, every)
    assert left_out > 200
    path.write_bytes(whole)
    assert same(segments.load(RunDirectory.open(run.path)), every)


def test_a_query_answers_from_the_sound_segments(run: RunDirectory, records: Columns) -> None:
    path = run.records / "segment-00000001.parquet"
    whole = path.read_bytes()
    without = sound_records(records)
    expected = [(len(without), int(without.duration_ns.sum()), int(without.object.max()))]
    for changed in list(damages(whole))[::30]:
        path.write_bytes(changed)
        opened = RunDirectory.open(run.path)
        asked = "SELECT count(*), sum(duration_ns), max(object) FROM records"
        assert sql.query(opened, asked).rows == expected
        told = sql.query(opened, "SELECT file FROM segments WHERE damaged").rows
        assert told == [("records/segment-00000001.parquet",)]


def flip_in_the_middle(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)


def test_the_command_names_what_it_leaves_out(
    run: RunDirectory, records: Columns, capsys: pytest.CaptureFixture[str]
) -> None:
    flip_in_the_middle(run.records / "segment-00000001.parquet")
    assert main(["query", str(run.path), "SELECT count(*) AS n FROM records", "--json"]) == 0
    out, err = capsys.readouterr()
    assert f'"n": {len(sound_records(records))}' in out
    assert "segment-00000001.parquet is not in this: changed since it was written" in err


def test_a_report_that_was_kept_is_made_again_without_the_damaged(
    run: RunDirectory, records: Columns
) -> None:
    before = report.build(run)
    flip_in_the_middle(run.records / "segment-00000001.parquet")
    opened = RunDirectory.open(run.path)
    found = report.build(opened)
    assert found["run"]["records"] == len(sound_records(records)) < before["run"]["records"]
    assert found["requests"]["count"] < before["requests"]["count"]
    (named,) = found["coverage"]["damaged_segments"]
    assert named["name"] == "records/segment-00000001.parquet"
    for key in ("requests", "stages", "slowest", "calls"):
        assert report.build(opened)[key] == found[key]


def test_a_kept_result_that_changed_is_not_read(run: RunDirectory) -> None:
    assert derived.write(run, {"thing": {"a": np.arange(1000)}})
    path = run.derived / "thing.parquet"
    whole = path.read_bytes()
    for place in range(0, len(whole), 23):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        found = derived.read(run, ["thing"])
        assert found is None or np.array_equal(found["thing"]["a"], np.arange(1000))


def test_a_segment_without_a_checksum_is_decoded_instead(
    run: RunDirectory, records: Columns
) -> None:
    path = run.records / "segment-00000001.parquet"
    plain = path.with_name("plain")
    with duckdb.connect() as connection:
        source, target = columnar.quoted(path), columnar.quoted(plain)
        connection.execute(f"COPY (FROM {source}) TO {target} (FORMAT parquet)")
    assert footer.checksum(plain) is None
    plain.replace(path)
    every = records.take(slice(0, len(records) // PARTS * PARTS))
    assert same(segments.load(RunDirectory.open(run.path)), every)
    whole = path.read_bytes()
    path.write_bytes(whole[:9] + bytes(400) + whole[409:])
    opened = RunDirectory.open(run.path)
    assert same(segments.load(opened), sound_records(records))
    assert [damaged.path for damaged in segments.damaged_segments(opened)] == [path]


def test_text_that_looks_like_the_checksum_is_not_taken_for_it(tmp_path: Path) -> None:
    path = tmp_path / "names.parquet"
    text = np.array(["anaros.crc32\x18\x08deadbeef"] * 3, object)
    columnar.write_parquet(path, {"name": text}, {"anaros.key": "of these"})
    assert footer.fault(path) is None
    assert footer.value(path, "anaros.key") == "of these"
    assert footer.value(path, "anaros.lock") is None
    path.write_bytes(path.read_bytes().replace(b"PAR1", b"PARQ"))
    assert footer.value(path, "anaros.key") is None


def test_what_cannot_be_opened_is_told(run: RunDirectory) -> None:
    assert footer.fault(run.path / "none.parquet") == "No such file or directory"
    path = run.records / "segment-00000002.parquet"
    path.unlink()
    path.mkdir()
    (damaged,) = segments.damaged_segments(run)
    assert (damaged.path, damaged.reason) == (path, "Is a directory")
    assert len(read_names(run)) == 0


def test_a_file_that_vanishes_while_it_is_read_is_an_error(run: RunDirectory) -> None:
    assert len(segments.sound_segments(run)) == PARTS
    (run.records / "segment-00000001.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(RunDirectoryError, match="cannot read"):
        segments.load(run)

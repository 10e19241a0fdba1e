# SPDX-License-Identifier: Apache-2.0
"""The recorder without a workload: what reaches a segment reaches the disk, or is told."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from anaros.errors import AnarosError
from anaros.kinds import Kind
from anaros.records import RECORD_DTYPE
from anaros.store.rundir import RunDirectory
from anaros.store.segments import load

arena_module = pytest.importorskip("anaros.capture.rings.arena", reason="needs the native module")
recorder_module = pytest.importorskip(
    "anaros.capture.rings.recorder", reason="needs the native module"
)

ROWS = 1000


class Recording:
    """A recorder over an arena that nobody writes to."""

    def __init__(self, folder: Path) -> None:
        try:
            self.arena = arena_module.Arena.create(folder / "shm")
        except AnarosError as problem:
            pytest.skip(str(problem))
        self.segments = tuple(
            arena_module.Segment.create(folder / "shm" / f"segment-{place}") for place in (0, 1)
        )
        self.run = RunDirectory.create(folder / "run", {})
        self.recorder = recorder_module.Recorder(self.arena, self.segments, self.run)

    def put(self, first_ns: int, rows: int = ROWS) -> None:
        """Hands records over as the kernel plane does."""
        records = np.zeros(rows, RECORD_DTYPE)
        records["start_ns"] = np.arange(first_ns, first_ns + rows)
        records["kind"] = Kind.SCHED_OFFCPU
        function, cell = self.recorder.sample
        ffi = arena_module.ffi
        sample = ffi.cast("int (*)(void *, void *, size_t)", function)
        data = ffi.from_buffer(records)
        assert sample(ffi.cast("void *", cell), data, records.nbytes) == 0

    def close(self) -> None:
        self.recorder.close()
        for segment in self.segments:
            segment.close()
        folder = self.arena.folder
        self.arena.close()
        arena_module.remove_folder(folder)


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    made = Recording(tmp_path)
    yield made
    made.close()


def test_what_was_drained_is_durable_at_the_end(recording: Recording) -> None:
    recording.put(1)
    recording.recorder.start(None)
    recording.recorder.finish()
    assert recording.recorder.error is None
    assert recording.recorder.records == ROWS
    assert recording.recorder.unwritten == 0
    assert np.array_equal(load(recording.run).start_ns, np.arange(1, ROWS + 1))


def test_an_old_segment_is_written_before_the_end(recording: Recording) -> None:
    recording.put(1)  # in the year of the clock's zero: old at once
    recording.recorder.start(None)
    for _ in range(300):
        if recording.recorder.records:
            break
        time.sleep(0.01)
    assert recording.recorder.records == ROWS
    recording.recorder.finish()
    assert len(load(recording.run)) == ROWS


def test_what_cannot_be_written_is_counted(recording: Recording) -> None:
    shutil.rmtree(recording.run.records)
    recording.put(1)
    recording.arena.recording = True
    recording.recorder.start(None)
    recording.recorder.finish()
    assert recording.recorder.error is not None
    assert recording.recorder.unwritten == ROWS
    assert not recording.arena.recording


def test_an_end_that_was_not_planned_stops_the_drain(recording: Recording) -> None:
    recording.recorder.start(None)
    recording.recorder.close()
    recording.recorder.close()
    recording.recorder.finish()


@pytest.mark.skipif(os.geteuid() != 0, reason="who gives way must be able to take it back: root")
def test_the_writer_gives_way(recording: Recording) -> None:
    recording.recorder.start(None)
    with recording.recorder._giving_way():
        assert os.sched_getscheduler(0) == os.SCHED_IDLE
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    recording.recorder.finish()
    with recording.recorder._giving_way():
        assert os.sched_getscheduler(0) == os.SCHED_OTHER, "the end is waited for"


def test_what_we_note_ourselves_is_on_record(recording: Recording) -> None:
    recorder = recording.recorder
    recorder.start(None)
    assert recorder.note(Kind.PROBE_SHED, 5, 0, (3, 100, 200, 300))
    assert recorder.note(Kind.PROBE_BACK, 5, 7, (3, 101, 201, 301))
    recorder.finish()
    found = load(recording.run)
    assert found.kind.tolist() == [Kind.PROBE_SHED, Kind.PROBE_BACK]
    assert found.duration_ns.tolist() == [0, 7]
    assert found.object.tolist() == [3, 3]
    assert found.size_bytes.tolist() == [100, 101]
    assert found.address.tolist() == [200, 201]
    assert found.context.tolist() == [300, 301]


def test_more_notes_than_there_is_room_for_are_refused(recording: Recording) -> None:
    noted = [recording.recorder.note(Kind.PROBE_SHED, 5, 0, (3, 0, 0, 0)) for _ in range(65)]
    assert noted == [True] * 64 + [False]

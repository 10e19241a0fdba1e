# SPDX-License-Identifier: Apache-2.0
"""A run whose supervisor was killed before it had made all of its shared memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from anaros.capture.rings.arena import Arena, Segment
from anaros.capture.rings.recovery import recover
from anaros.errors import CaptureError
from anaros.store.rundir import RunDirectory


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A run directory as it is when the shared memory has just been made, by nobody who lives."""
    folder = tmp_path / "shm"
    arena = Arena.create(folder)
    arena.control.supervisor_pid = 0
    arena.close()
    for place in (0, 1):
        Segment.create(folder / f"segment-{place}").close()
    meta = {"state": "running", "shm": str(folder), "cgroup": None}
    return RunDirectory.create(tmp_path / "run", meta).path


@pytest.mark.parametrize("missing", [("segment-1",), ("segment-0", "segment-1")])
def test_segments_that_were_not_made_yet(killed: Path, missing: tuple[str, ...]) -> None:
    shared = killed.parent / "shm"
    for name in missing:
        (shared / name).unlink()
    assert recover(killed)
    assert RunDirectory.open(killed).meta()["state"] == "recovered"
    assert not shared.exists()


def test_a_segment_that_was_just_being_made(killed: Path) -> None:
    segment = killed.parent / "shm" / "segment-1"
    os.truncate(segment, 0)
    os.truncate(segment, 4096)
    assert recover(killed)
    assert not segment.exists()


def test_a_segment_that_was_made_is_not_thrown_away(killed: Path) -> None:
    """It may hold records, however it came to be too short."""
    segment = killed.parent / "shm" / "segment-1"
    os.truncate(segment, 4096)
    with pytest.raises(CaptureError, match="segment-1"):
        recover(killed)
    assert segment.exists()
    assert RunDirectory.open(killed).meta()["state"] == "running"

# SPDX-License-Identifier: Apache-2.0
"""Finishes a run whose supervisor was killed, from what its shared memory still holds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anaros.capture.host import machine
from anaros.capture.program.cgroup import Leaf
from anaros.capture.rings.arena import Arena, Segment, remove_folder
from anaros.capture.rings.live import losses_of
from anaros.capture.rings.recorder import SegmentWriter
from anaros.errors import CaptureError
from anaros.store.names import read_names
from anaros.store.rundir import RunDirectory
from anaros.store.segments import row_counts, segment_files


def _supervised(arena: Arena) -> bool:
    pid = int(arena.control.supervisor_pid)
    try:
        return pid > 0 and "anaros" in Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return False


def _is_ours(folder: Path) -> bool:
    """Whether the folder that meta.json names may be trusted: ours alone, and no link."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return folder.is_dir() and not folder.is_symlink() and status.st_uid in (os.geteuid(), 0)


def left_behind(root: Path = Path("/dev/shm")) -> list[Path]:
    """Shared memory of this user's runs below ``root`` whose supervisor was killed.

    A run that goes on without its supervisor is among them: its rings are not emptied.
    """
    found = []
    for folder in sorted(root.glob(f"anaros-{os.geteuid()}-*")):
        if not _is_ours(folder):
            continue
        try:
            arena = Arena.open(folder)
        except CaptureError:
            continue  # one that just begins or ends
        try:
            if not _supervised(arena):
                found.append(folder)
        finally:
            arena.close()
    return found


def recover(path: Path) -> bool:
    """Writes what the rings and the open segments of an unfinished run still hold.

    Does nothing for a run that is finished, or whose supervisor still lives. While the workload
    goes on, what is there is written and makes room for more; nothing is ended.

    Args:
        path: The run directory.

    Returns:
        Whether the run is finished now.

    Raises:
        RunDirectoryError: It is not a run, or cannot be written.
    """
    run = RunDirectory.open(path)
    meta = run.meta()
    if meta.get("state") != "running":
        return True
    shared = meta.get("shm")
    folder = Path(shared) if isinstance(shared, str) else None
    if folder is None or not _is_ours(folder):
        run.update_meta({"state": "recovered", "shm": None, "lost_shared_memory": True})
        return True
    try:
        arena = Arena.open(folder)
    except CaptureError:
        run.update_meta({"state": "recovered", "shm": None, "lost_shared_memory": True})
        return True
    try:
        if _supervised(arena):
            return False
        goes_on = arena.reap() > 0
        if not goes_on:
            arena.recording = False
            arena.end_all()
        _write_all(run, arena)
        changes = _known(run, meta, arena)
        if goes_on:
            run.update_meta(changes)
            return False
        run.update_meta({**changes, "state": "recovered", "shm": None})
    finally:
        arena.close()
    remove_folder(folder)
    cgroup = meta.get("cgroup")
    # Its name is that of the shared memory, which is ours: nothing else is removed.
    if isinstance(cgroup, str) and Path(cgroup).name == folder.name:
        Leaf(Path(cgroup)).remove()
    return True


def _known(run: RunDirectory, meta: Mapping[str, Any], arena: Arena) -> dict[str, object]:
    """What the supervisor would have told at the end, as far as it can be known without it."""
    lost, state = losses_of(arena), arena.kernel_state()
    plane: dict[str, object] = {
        "active": state is not None,
        "until_ns": state[0] if state is not None else None,
        "missing": [],
        "reason": None if state is not None else "it could not be started",
    }
    return {
        "host": machine.identity(),
        "drops": {"shim": lost.shim, "kernel": lost.kernel, "by_probe": lost.by_probe},
        "counters": arena.counters(),
        "kernel_plane": meta.get("kernel_plane") or plane,
        "overhead": {
            "record_ns": arena.record_cost_ns(),
            "records": sum(row_counts(run).values()),
        },
    }


def _opened(path: Path) -> Segment:
    """A segment of the killed supervisor; an empty one where it had not come to make it."""
    try:
        return Segment.open(path, writable=True)
    except CaptureError:
        if _was_made(path):
            raise
    path.unlink(missing_ok=True)
    return Segment.create(path)


def _was_made(path: Path) -> bool:
    """Whether there may be records in it: the mark at its beginning is the last to be written."""
    try:
        with path.open("rb") as file:
            return any(file.read(8))
    except FileNotFoundError:
        return False


def _write_all(run: RunDirectory, arena: Arena) -> None:
    """Open segments in their order, then what the chunks hold."""
    segments = sorted(
        (_opened(arena.folder / name) for name in ("segment-0", "segment-1")),
        key=lambda segment: segment.sequence,
    )
    writer = SegmentWriter(run, hide_names=arena.hide_names)
    writer.start_from(read_names(run))
    stored = {path.stem for path in segment_files(run)}
    sequence = max(segment.sequence for segment in segments)
    try:
        for segment in segments:
            arena.recover(segment)
            # Written, but not yet emptied when the supervisor was killed.
            if f"segment-{segment.sequence:08d}" not in stored:
                writer.write(segment, segment.sequence)
            segment.reset(segment.sequence)
        full = True
        while full:
            sequence += 1
            segments[0].reset(sequence)
            full = not arena.drain(segments[0])
            writer.write(segments[0], sequence)
        # The next look goes on behind this one.
        segments[0].reset(sequence + 1)
    finally:
        for segment in segments:
            segment.close()

# SPDX-License-Identifier: Apache-2.0
"""The last seconds of a run that is still being recorded, from another process."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from anaros.capture import names as names_module
from anaros.capture.arena import Segment
from anaros.errors import CaptureError
from anaros.records import Columns
from anaros.store.names import Names
from anaros.store.rundir import RunDirectory
from anaros.store.segments import load


def _folder(run: RunDirectory) -> Path | None:
    shared = run.meta().get("shm")
    return Path(shared) if isinstance(shared, str) and shared else None


def _open_parts(folder: Path, since_ns: int) -> list[Columns]:
    parts = []
    for name in ("segment-0", "segment-1"):
        try:
            segment = Segment.open(folder / name)
        except CaptureError:
            continue
        try:
            sequence = segment.sequence
            columns = segment.columns()
            chosen = columns.take(np.flatnonzero(columns.start_ns >= np.uint64(since_ns)))
            # Emptied while it was copied: it is in a Parquet segment now.
            if segment.sequence == sequence and segment.rows >= len(columns):
                parts.append(chosen)
            del columns
        finally:
            segment.close()
    return parts


def window(run_path: Path, seconds: float) -> Columns:
    """Records of the last ``seconds``, sorted by their start.

    Args:
        run_path: The run directory.
        seconds: How far back to look from now.

    Raises:
        RunDirectoryError: It is not a run.
    """
    run = RunDirectory.open(run_path)
    now_ns = time.monotonic_ns()
    since_ns = max(0, now_ns - int(seconds * 1e9))
    folder = _folder(run)
    parts = _open_parts(folder, since_ns) if folder is not None else []
    columns = Columns.concatenate([load(run, window=(since_ns, now_ns)), *parts])
    return columns.take(np.argsort(columns.start_ns, kind="stable"))


def names(run_path: Path) -> Names:
    """Names that no segment of the run holds yet."""
    folder = _folder(RunDirectory.open(run_path))
    found = Names()
    for name in ("segment-0", "segment-1"):
        try:
            segment = Segment.open(folder / name) if folder is not None else None
        except CaptureError:
            continue
        if segment is not None:
            found = names_module.join(found, names_module.parse(segment.name_bytes()))
            segment.close()
    return found

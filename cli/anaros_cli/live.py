# SPDX-License-Identifier: Apache-2.0
"""What a run that goes on has not written yet: read from its shared memory."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from anaros.capture.rings import live
from anaros.capture.rings.arena import Segment
from anaros.capture.rings.names import join
from anaros.errors import CaptureError
from anaros.pofc import CONNECTION_KINDS
from anaros.pofc.memory import standing
from anaros.records import Columns
from anaros.store.names import Names, read_names
from anaros.store.rundir import RunDirectory
from anaros.store.segments import load, segment_files

#: How often a look is repeated that a new segment came between.
_ATTEMPTS = 3


class Source(Protocol):
    """Where the newest facts of a running run come from."""

    def records(self, seconds: float) -> Columns:
        """The records of the last ``seconds``, by their start, written or not."""

    def opened(self, before_ns: int) -> Columns:
        """What tells which sockets are connections of a server, among records before then."""

    def memory(self) -> dict[str, Any] | None:
        """The device memory that is held, as `standing.standing` tells."""

    def names(self) -> Names:
        """All names so far, written or not."""

    def losses(self) -> live.Losses | None:
        """What was lost so far; None where that cannot be told."""


class SharedMemory:
    """The shared memory of a run on this machine, and what the run has written before.

    What is written does not change, so it is read again only when there is a new segment: a frame
    of `anaros xray` must not cost the workload a core.

    Args:
        run: The run.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._stored: tuple[str, ...] = ()
        self._written = Columns.empty()
        self._written_since_ns = 0
        self._names: tuple[int, Names] | None = None
        self._kept: tuple[tuple[str, ...], Columns, standing.Past] | None = None

    def opened(self, before_ns: int) -> Columns:
        """What tells which sockets are connections of a server, among records before then."""
        stored, opened, _ = self._past()
        parts = [opened]
        for unwritten in self._unwritten(stored, 0):
            wanted = np.isin(unwritten.kind, CONNECTION_KINDS)
            parts.append(unwritten.take(np.flatnonzero(wanted)))
        columns = Columns.concatenate(parts)
        order = np.argsort(columns.start_ns, kind="stable")
        last = int(np.searchsorted(columns.start_ns[order], np.uint64(before_ns)))
        return columns.take(order[:last])

    def memory(self) -> dict[str, Any] | None:
        """The device memory that is held, as `standing.standing` tells."""
        stored, _, past = self._past()
        parts = [Columns.empty()]
        for unwritten in self._unwritten(stored, 0):
            wanted = np.isin(unwritten.kind, standing.KINDS)
            parts.append(unwritten.take(np.flatnonzero(wanted)))
        newest = Columns.concatenate(parts)
        return standing.standing(past, newest.take(np.argsort(newest.start_ns, kind="stable")))

    def records(self, seconds: float) -> Columns:
        """The records of the last ``seconds``, by their start, written or not."""
        since_ns = max(time.monotonic_ns() - round(seconds * 1e9), 0)
        for _ in range(_ATTEMPTS):
            stored = self._segments()
            written = self._read(stored, since_ns)
            unwritten = self._unwritten(stored, since_ns)
            if stored == self._segments():
                break  # else one was written while we looked, and may be in neither part
        columns = Columns.concatenate([written, *unwritten])
        return columns.take(np.argsort(columns.start_ns, kind="stable"))

    def names(self) -> Names:
        """All names so far, written or not."""
        try:
            changed_ns = self._run.names.stat().st_mtime_ns
        except OSError:
            changed_ns = 0
        if self._names is None or self._names[0] != changed_ns:
            self._names = changed_ns, read_names(self._run)
        return join(self._names[1], live.names(self._run.path))

    def losses(self) -> live.Losses | None:
        """What was lost so far; None where the rings are gone."""
        return live.losses(self._run.path)

    def _past(self) -> tuple[tuple[str, ...], Columns, standing.Past]:
        """The segments that are written, their connections, and their device memory."""
        stored = self._segments()
        if self._kept is None or self._kept[0] != stored:
            found = load(self._run, kinds=(*CONNECTION_KINDS, *standing.KINDS))
            opened = np.isin(found.kind, CONNECTION_KINDS)
            past = standing.past_of(found.take(np.flatnonzero(~opened)))
            self._kept = stored, found.take(np.flatnonzero(opened)), past
        return self._kept

    def _folder(self) -> Path | None:
        folder = self._run.meta().get("shm")
        return Path(folder) if isinstance(folder, str) else None

    def _segments(self) -> tuple[str, ...]:
        return tuple(path.stem for path in segment_files(self._run))

    def _read(self, stored: tuple[str, ...], since_ns: int) -> Columns:
        """The written records from ``since_ns`` on."""
        if stored != self._stored or since_ns < self._written_since_ns:
            window = (since_ns, time.monotonic_ns())
            self._written = load(self._run, window=window)
            self._stored, self._written_since_ns = stored, since_ns
        first = int(np.searchsorted(self._written.start_ns, np.uint64(since_ns)))
        return self._written.take(slice(first, None))

    def _unwritten(self, stored: tuple[str, ...], since_ns: int) -> list[Columns]:
        """The records from ``since_ns`` on that no segment of ``stored`` holds."""
        folder = self._folder()
        parts: list[Columns] = []
        for name in ("segment-0", "segment-1") if folder is not None else ():
            try:
                segment = Segment.open(Path(folder or "") / name)
            except CaptureError:
                continue
            try:
                sequence, columns = segment.sequence, segment.columns()
                rows = len(columns)
                taken = columns.take(np.flatnonzero(columns.start_ns >= np.uint64(since_ns)))
                del columns
                # Emptied while it was copied: then it has been written.
                whole = segment.sequence == sequence and segment.rows >= rows
                if whole and f"segment-{sequence:08d}" not in stored:
                    parts.append(taken)
            finally:
                segment.close()
        return parts

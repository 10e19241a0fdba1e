# SPDX-License-Identifier: Apache-2.0
"""What a run that goes on has not written yet: read from its shared memory."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from anaros.errors import CaptureError
from anaros.records import Columns
from anaros.store.names import Names
from anaros.store.rundir import RunDirectory


class Source(Protocol):
    """Where the newest facts of a running run come from."""

    def records(self, seconds: float) -> Columns:
        """The records of the last ``seconds``, by their start, written or not."""

    def names(self) -> Names:
        """All names so far, written or not."""

    def shim_drops(self) -> int | None:
        """Records that the shim could not place, so far."""


class SharedMemory:
    """The shared memory of a run on this machine.

    Args:
        run: The run.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._run = run

    def records(self, seconds: float) -> Columns:
        """The records of the last ``seconds``, by their start, written or not."""
        from anaros.capture import live

        return live.window(self._run.path, seconds)

    def names(self) -> Names:
        """All names so far, written or not."""
        from anaros.capture import live
        from anaros.capture.names import join
        from anaros.store.names import read_names

        return join(read_names(self._run), live.names(self._run.path))

    def shim_drops(self) -> int | None:
        """Records that the shim could not place; None where the rings are gone."""
        from anaros.capture.arena import Arena

        folder = self._run.meta().get("shm")
        if not isinstance(folder, str):
            return None
        try:
            arena = Arena.open(Path(folder))
        except CaptureError:
            return None
        try:
            return arena.drops()
        finally:
            arena.close()

# SPDX-License-Identifier: Apache-2.0
"""The shared memory of one attachment that loads the shim into a live process."""

from __future__ import annotations

import os

from anaros.capture.inject.injection import prepare
from anaros.capture.rings.arena import Arena, Segment, remove_folder, shared_memory_root
from anaros.records import Columns


class Room:
    """An arena that records, what it is drained into, and the library beside it."""

    def __init__(self) -> None:
        self.folder = shared_memory_root() / f"anaros-{os.geteuid()}-{os.urandom(6).hex()}"
        self.arena = Arena.create(self.folder)
        self.arena.recording = True
        self.segment = Segment.create(self.folder / "segment-0")
        self.library = prepare(self.folder, [os.geteuid()])

    def records(self) -> int:
        """How many came so far."""
        self.arena.drain(self.segment)
        return self.segment.rows

    def columns(self) -> Columns:
        """All that came so far."""
        self.arena.drain(self.segment)
        return self.segment.columns()

    def close(self) -> None:
        """Removes it."""
        self.segment.close()
        self.arena.close()
        remove_folder(self.folder)

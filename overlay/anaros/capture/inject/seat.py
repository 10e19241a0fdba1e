# SPDX-License-Identifier: Apache-2.0
"""Who has a shim in a process, and whether anybody still reads what it records."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from anaros.capture.host import machine
from anaros.capture.inject.maps import Mapping, mappings
from anaros.capture.rings.arena import Arena
from anaros.errors import CaptureError, InjectError

#: What the loader is given: a copy that it will unload.
LIBRARY = "libanaros-inject.so"
_DELETED = " (deleted)"


class Seat(NamedTuple):
    """A shim that records.

    Args:
        folder: Its shared memory, which may be removed.
        injected: The mappings of its library if it was loaded by an attachment; else none.
    """

    folder: Path
    injected: tuple[Mapping, ...]

    def is_read(self) -> bool:
        """Whether an anaros empties its rings."""
        try:
            arena = Arena.open(self.folder)
        except (CaptureError, OSError):
            return False
        pid = int(arena.control.supervisor_pid)
        arena.close()
        try:
            return any(line.path == str(self.folder / "arena") for line in mappings(pid))
        except InjectError:
            return "anaros" in (machine.read(f"/proc/{pid}/cmdline") or "")

    def end(self) -> None:
        """Its processes record no more; what they have recorded stays for the report."""
        try:
            arena = Arena.open(self.folder)
        except (CaptureError, OSError):
            return
        try:
            arena.recording = False
            arena.end_all()
        finally:
            arena.close()


def seat(pid: int) -> Seat | None:
    """The shim that a process has and that records; None: it has none, or one that was left there.

    Raises:
        InjectError: The process is gone.
    """
    lines = mappings(pid)
    arena = next(
        (line for line in lines if _name(line) == "arena" and "/anaros-" in line.path), None
    )
    if arena is None:
        return None
    folder = Path(arena.path.removesuffix(_DELETED)).parent
    library = tuple(
        line for line in lines if _name(line) == LIBRARY and _folder(line) == str(folder)
    )
    # A run that has ended takes its arena away, and its shim stays with the program for good.
    return None if arena.path.endswith(_DELETED) and not library else Seat(folder, library)


def libraries(pid: int) -> list[list[Mapping]]:
    """The mappings of each library that an attachment loaded into a process."""
    found: dict[int, list[Mapping]] = {}
    for line in mappings(pid):
        if _name(line) == LIBRARY:
            found.setdefault(line.inode, []).append(line)
    return list(found.values())


def _name(line: Mapping) -> str:
    return line.path.removesuffix(_DELETED).rpartition("/")[2]


def _folder(line: Mapping) -> str:
    return line.path.rpartition("/")[0]


def companions(library: Mapping) -> list[int]:
    """The processes that have the same library at the same place: the one, and those it forked."""
    found = []
    for name in (path.name for path in Path("/proc").iterdir()):
        if not name.isdigit():
            continue
        try:
            lines = mappings(int(name))
        except InjectError:
            continue
        if any((line.inode, line.start) == (library.inode, library.start) for line in lines):
            found.append(int(name))
    return found


def readable(pid: int, library: Mapping) -> str:
    """A path by which its file can be read, also if it was removed.

    Raises:
        InjectError: There is none.
    """
    span = f"{library.start:x}-{library.end:x}"
    for path in (f"/proc/{pid}/map_files/{span}", f"/proc/{pid}/root{library.path}"):
        if os.access(path, os.R_OK):
            return path
    raise InjectError(
        f"process {pid} has the shim of an anaros that was killed, and its file cannot be read",
        "use sudo",
    )

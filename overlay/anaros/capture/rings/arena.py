# SPDX-License-Identifier: Apache-2.0
"""The run's shared memory: the arena of chunks, and the segments that are being filled.

Everything lies in one directory of mode 0700 in /dev/shm (0711 where the program is another
user's, whose the arena is then): ``arena``, ``segment-0``,
``segment-1`` and ``libanaros.so``, a link to the shim. LD_PRELOAD names that link, and the
shim finds the arena beside it.

No numpy at import: this module is on the start-up path of ``anaros run``.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anaros import artifacts, natives
from anaros.errors import CaptureError

if TYPE_CHECKING:
    from anaros.records import Columns

ffi, lib = natives.native()

#: Rows of one segment; at 1 M records/s one is full twice a second.
SEGMENT_ROWS = 524_288
SEGMENT_NAME_BYTES = 8 << 20
CHUNKS = 2048
CHUNK_BYTES = 65_536
CHUNKS_MIN = 16
#: ``enum anaros_device_time``, in its order.
DEVICE_TIMES = ("off", "queue", "kernel")

_WIDTHS = (8, 8, 4, 4, 2, 2, 4, 8, 8, 8, 8)


def shared_memory_root() -> Path:
    """Where shared memory lies: /dev/shm, or $XDG_RUNTIME_DIR where that is not writable.

    Raises:
        CaptureError: Neither is writable.
    """
    for candidate in ("/dev/shm", os.environ.get("XDG_RUNTIME_DIR", "")):
        if candidate.startswith("/") and os.access(candidate, os.W_OK | os.X_OK):
            return Path(candidate)
    raise CaptureError(
        "there is no shared memory: /dev/shm is not writable",
        "mount a tmpfs there (mount -t tmpfs tmpfs /dev/shm)",
    )


def _error(what: str, number: int) -> CaptureError:
    remedy = "make room in /dev/shm, or mount it larger" if number == errno.ENOSPC else ""
    return CaptureError(f"{what}: {os.strerror(number)}", remedy)


class Segment:
    """Columns in shared memory that the drain fills and the writer empties.

    Args:
        handle: ``struct segment *`` of the native side; this object owns it.
    """

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    @classmethod
    def create(cls, path: Path) -> Segment:
        """A new, empty one.

        Raises:
            CaptureError: It cannot be made.
        """
        error = ffi.new("int *")
        handle = lib.anaros_segment_create(
            os.fsencode(path), SEGMENT_ROWS, SEGMENT_NAME_BYTES, error
        )
        if handle == ffi.NULL:
            raise _error(f"cannot make {path}", error[0])
        return cls(handle)

    @classmethod
    def open(cls, path: Path, *, writable: bool = False) -> Segment:
        """One that exists, of this or of another process.

        Raises:
            CaptureError: It cannot be opened, or is not a segment.
        """
        error = ffi.new("int *")
        handle = lib.anaros_segment_open(os.fsencode(path), writable, error)
        if handle == ffi.NULL:
            raise _error(f"cannot read {path}", error[0])
        return cls(handle)

    @property
    def handle(self) -> Any:
        """``struct segment *``."""
        return self._handle

    @property
    def rows(self) -> int:
        """Records that may be read."""
        return int(self._handle.header.count)

    @property
    def room(self) -> int:
        """Records that still fit."""
        return int(self._handle.header.capacity) - self.rows

    @property
    def sequence(self) -> int:
        """The number under which it will be stored."""
        return int(self._handle.header.sequence)

    @property
    def opened_ns(self) -> int:
        """When its first record came; 0 while it is empty."""
        return int(self._handle.header.opened_ns)

    @property
    def lost(self) -> int:
        """Samples of the kernel plane that found no room."""
        return int(self._handle.lost)

    def reset(self, sequence: int) -> None:
        """Empties it and gives it its next number."""
        lib.anaros_segment_reset(self._handle, sequence)

    def columns(self) -> Columns:
        """The records as they lie there, unsorted; nothing is copied."""
        import numpy as np

        from anaros.records import FIELDS, Columns

        rows = self.rows
        return Columns(
            *(
                np.frombuffer(ffi.buffer(self._handle.columns[i], rows * width), dtype=dtype)
                for i, ((_, dtype), width) in enumerate(zip(FIELDS, _WIDTHS, strict=True))
            )
        )

    def clustered_columns(self, block_rows: int) -> Columns:
        """A copy of the records in the order in which they are stored.

        Args:
            block_rows: Rows of a block; blocks follow each other in time, and inside one records
                are sorted by kind, then thread, then time.
        """
        import numpy as np

        from anaros.records import FIELDS, Columns

        rows = self.rows
        order = np.empty(rows, np.uint32)
        scratch = np.empty(rows, np.uint32)
        places = ffi.cast("uint32_t *", order.ctypes.data)
        spare = ffi.cast("uint32_t *", scratch.ctypes.data)
        starts = ffi.cast("uint64_t *", self._handle.columns[0])
        if lib.anaros_argsort(starts, rows, places, spare) or lib.anaros_segment_cluster(
            self._handle, rows, block_rows, places, spare
        ):
            raise _error("cannot sort a segment", errno.ENOMEM)
        out = [np.empty(rows, dtype) for _, dtype in FIELDS]
        pointers = ffi.new("void *[]", [ffi.cast("void *", c.ctypes.data) for c in out])
        lib.anaros_segment_gather(self._handle, places, rows, pointers)
        return Columns(*out)

    def name_bytes(self) -> bytes:
        """The names that came with the records, as the drain laid them down."""
        size = int(self._handle.header.names_bytes)
        return bytes(ffi.buffer(self._handle.names, size)) if size else b""

    def close(self) -> None:
        """Unmaps it."""
        lib.anaros_segment_close(self._handle)
        self._handle = ffi.NULL


def pid_namespace() -> int:
    """The namespace in which this process sees processes; elsewhere pids mean others."""
    return Path("/proc/self/ns/pid").stat().st_ino


class Arena:
    """The arena of one run, on the supervisor's side.

    Args:
        handle: ``struct arena *`` of the native side; this object owns it.
        folder: The shared-memory directory that holds it.
    """

    def __init__(self, handle: Any, folder: Path) -> None:
        self._handle = handle
        self.folder = folder

    @classmethod
    def create(cls, folder: Path) -> Arena:
        """Makes the directory, the arena and the link to the shim.

        Raises:
            CaptureError: There is no room, or the shim has not been built.
        """
        library = artifacts.shim_library()
        try:
            folder.mkdir(mode=0o700)
            (folder / "libanaros.so").symlink_to(library)
        except OSError as problem:
            raise _error(f"cannot make {folder}", problem.errno or 0) from problem
        room = os.statvfs(folder)
        chunks = min(CHUNKS, room.f_bavail * room.f_frsize // 2 // CHUNK_BYTES)
        if chunks < CHUNKS_MIN:
            remove_folder(folder)
            raise _error(f"{folder.parent} has no room for the rings", errno.ENOSPC)
        error = ffi.new("int *")
        handle = lib.anaros_arena_create(os.fsencode(folder / "arena"), chunks, error)
        if handle == ffi.NULL:
            remove_folder(folder)
            raise _error(f"cannot make {folder / 'arena'}", error[0])
        return cls(handle, folder)

    def admit(self, uid: int) -> None:
        """Lets a program of another user reach the arena and the shim, and nothing else there.

        Raises:
            CaptureError: It cannot be given to that user.
        """
        try:
            os.chown(self.folder / "arena", uid, -1)
            self.folder.chmod(0o711)
        except OSError as problem:
            raise _error(f"cannot let user {uid} into {self.folder}", problem.errno or 0) from None

    @classmethod
    def open(cls, folder: Path) -> Arena:
        """The arena that another supervisor left behind.

        Raises:
            CaptureError: It is gone, or not an arena.
        """
        error = ffi.new("int *")
        handle = lib.anaros_arena_open(os.fsencode(folder / "arena"), error)
        if handle == ffi.NULL:
            raise _error(f"cannot read {folder / 'arena'}", error[0])
        return cls(handle, folder)

    @property
    def handle(self) -> Any:
        """``struct arena *``."""
        return self._handle

    @property
    def preload(self) -> str:
        """What LD_PRELOAD must name."""
        return str(self.folder / "libanaros.so")

    @property
    def control(self) -> Any:
        """The control page, ``struct anaros_control *``."""
        return self._handle.control

    @property
    def recording(self) -> bool:
        """Whether the workload's calls are recorded."""
        return bool(self._handle.control.recording)

    @recording.setter
    def recording(self, on: bool) -> None:
        self._handle.control.recording = int(on)

    @property
    def hide_names(self) -> bool:
        """Whether names that the user gave (files, peers) stay out of the run."""
        return bool(self._handle.control.hide_names)

    @hide_names.setter
    def hide_names(self, on: bool) -> None:
        self._handle.control.hide_names = int(on)

    @property
    def device_time(self) -> str:
        """Where device times come from: one of `DEVICE_TIMES`."""
        return DEVICE_TIMES[self._handle.control.device_time]

    @device_time.setter
    def device_time(self, source: str) -> None:
        self._handle.control.device_time = DEVICE_TIMES.index(source)

    def start_clock(self) -> bool:
        """Starts the thread that keeps the clock line; False: the vDSO is used instead."""
        return bool(lib.anaros_clock_start(self._handle) == 0)

    def clock_residual_ns(self) -> tuple[int, int]:
        """How far the clock line was off: last time, and at most."""
        last, most = ffi.new("uint64_t *"), ffi.new("uint64_t *")
        lib.anaros_clock_residual(self._handle, last, most)
        return int(last[0]), int(most[0])

    def record_cost_ns(self) -> float:
        """What a record costs the workload on this machine, measured now."""
        return float(lib.anaros_record_cost_ns(self._handle))

    def set_device_map(self, runtime: str, order: list[int]) -> None:
        """Shows the workload these devices only, in this order.

        Args:
            runtime: ``cuda`` or ``opencl``.
            order: Ordinals of the runtime's own list; at most 32.
        """
        table = getattr(self._handle.control, runtime)
        table.count = len(order)
        for place, ordinal in enumerate(order):
            table.order[place] = ordinal
        table.active = 1
        self._handle.control.generation += 1

    def note_kernel_drops(self, drops: Sequence[int]) -> None:
        """Lays down what each probe lost so far, in their order, for whoever looks on."""
        state = self._handle.control.kernel
        for place, lost in enumerate(drops):
            state.drops[place] = lost

    def kernel_state(self) -> tuple[int, list[int]] | None:
        """When the kernel plane's ring was emptied last, and what each probe lost by then.

        Returns:
            None where no kernel plane was at work.
        """
        state = self._handle.control.kernel
        if not state.consumed_ns:
            return None
        return int(state.consumed_ns), [int(lost) for lost in state.drops]

    def drain(self, segment: Segment) -> bool:
        """Moves all published records into the segment; False: the segment is full."""
        return bool(lib.anaros_arena_drain(self._handle, segment.handle) >= 0)

    def reap(self) -> int:
        """Ends the lanes of threads that died without a word; returns the live ones."""
        return int(lib.anaros_arena_reap(self._handle, pid_namespace()))

    def end_all(self) -> None:
        """Ends every lane: nothing more will come."""
        lib.anaros_arena_end_all(self._handle)

    def recover(self, segment: Segment) -> None:
        """Finishes the step that a killed drain had announced in ``segment``."""
        lib.anaros_arena_recover(self._handle, segment.handle)

    def drops(self) -> int:
        """Records that the shim could not place."""
        totals = ffi.new("struct lane_totals *")
        lib.anaros_arena_totals(self._handle, totals)
        return int(totals.drops)

    def counters(self) -> dict[str, int]:
        """What the shims counted (``struct anaros_shared``)."""
        shared = self._handle.shared
        return {
            name: int(getattr(shared, name))
            for name in (
                "processes",
                "environments_restored",
                "environments_lost",
                "names_dropped",
                "vfork_calls",
                "unhooked",
                "records_drained",
                "device_times_unread",
                "device_times_lost",
                "device_clock_residual_ns",
                "device_timers",
                "device_timers_off",
                "device_calls_beneath",
                "captures_lost",
            )
        }

    def close(self) -> None:
        """Stops the clock and unmaps the arena; the files stay."""
        lib.anaros_arena_close(self._handle)
        self._handle = ffi.NULL


def remove_folder(folder: Path) -> None:
    """Removes the shared memory of a run; whoever has it mapped keeps it until it ends."""
    for name in ("libanaros.so", "libanaros-inject.so", "arena", "segment-0", "segment-1"):
        (folder / name).unlink(missing_ok=True)
    try:
        folder.rmdir()
    except FileNotFoundError:
        return

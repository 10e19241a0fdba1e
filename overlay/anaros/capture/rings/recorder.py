# SPDX-License-Identifier: Apache-2.0
"""Moves records from rings to the run directory while the workload runs.

Two threads. The *drain* is native (``native/recorder.c``): ten times a second, or when a ring
fills, it copies what is there into the open segment. The *writer* turns a full (or ten-second-old)
segment into Parquet, where it may in time that nobody else wants. Two segments take turns, so the
drain never waits for the disk unless both are full, and then the rings hold what comes.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from anaros import natives
from anaros.capture.rings.arena import Arena, Segment, pid_namespace
from anaros.capture.rings.meter import Meter
from anaros.errors import AnarosError, CaptureError, plain

if TYPE_CHECKING:
    from pathlib import Path

    from anaros.capture.host.numa import Placement
    from anaros.capture.host.softnet import Softnet
    from anaros.capture.kernel.plane import KernelPlane
    from anaros.kinds import Kind, NameClass
    from anaros.records import Columns
    from anaros.store.names import Names
    from anaros.store.rundir import RunDirectory

ffi, lib = natives.native()

#: How often what the kernel plane lost is laid down for whoever looks on.
TICK_MS = 1000
#: ``struct anaros_record``.
_RECORD = struct.Struct("<QQIIHHiQQQQ")
#: ``anaros.records.FLAG_KERNEL``, which would have to be loaded.
_FLAG_KERNEL = 0x8000
#: What the native side says when no segment follows.
_FINISHED = -2


class SegmentWriter:
    """Writes segments and names into a run directory, in the order of their numbers.

    Args:
        run: The run.
        hide_names: Whether what the user named stays out of it.
    """

    def __init__(self, run: RunDirectory, *, hide_names: bool) -> None:
        self._run = run
        self._hide_names = hide_names
        self._names: Names | None = None
        self._processes: list[Columns] = []
        self.records = 0

    def write(
        self,
        segment: Segment,
        sequence: int,
        aside: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        """Makes the segment's records and names durable.

        Args:
            segment: What to write.
            sequence: Its number.
            aside: Entered for the part that takes long.

        Raises:
            RunDirectoryError: The disk refuses; the segment is left as it is.
        """
        from anaros.capture.program import census
        from anaros.capture.rings import names
        from anaros.store.names import write_names
        from anaros.store.segments import BLOCK_RECORDS, write_clustered

        raw = segment.name_bytes()
        if raw:
            fresh = names.parse(raw)
            self._names = fresh if self._names is None else names.join(self._names, fresh)
            told = names.without_private(self._names) if self._hide_names else self._names
            write_names(self._run, told)
        rows = segment.rows
        if rows:
            with aside():
                columns = segment.clustered_columns(BLOCK_RECORDS)
                write_clustered(self._run, columns, sequence)
            self._processes.append(census.process_records(columns))
            self.records += rows

    def census(self) -> dict[str, object]:
        """Program starts with and without the shim, among what was written."""
        from pathlib import Path

        from anaros.capture.program import census
        from anaros.records import Columns
        from anaros.store.names import Names

        records, known = Columns.concatenate(self._processes), self._names or Names()
        return census.take(records, known, Path(), hide_names=self._hide_names)

    def start_from(self, names: Names) -> None:
        """Goes on from the names that the run has already."""
        self._names = names if len(names) else None


class Recorder:
    """The drain and the writer of one run.

    Args:
        arena: Where the shims write.
        segments: Two empty ones.
        run: Where records end.
        group: The cgroup of the workload, if it has one.

    Raises:
        CaptureError: There is no memory.
    """

    def __init__(
        self,
        arena: Arena,
        segments: tuple[Segment, Segment],
        run: RunDirectory,
        group: Path | None = None,
    ) -> None:
        self._arena = arena
        self._meter = Meter(run, arena, group)
        self._segments = segments
        self._writer = SegmentWriter(run, hide_names=arena.hide_names)
        self._kernel: KernelPlane | None = None
        self._counters: tuple[Softnet | Placement, ...] = ()
        first, second = (segment.handle for segment in segments)
        handle = lib.anaros_recorder_create(arena.handle, first, second, pid_namespace())
        if handle == ffi.NULL:
            raise CaptureError("the recorder cannot be made: no memory")
        self._handle: Any = ffi.gc(handle, lib.anaros_recorder_free)
        self.error: AnarosError | None = None
        self._write_thread = threading.Thread(target=self._write, name="anaros-write", daemon=True)

    @property
    def sample(self) -> tuple[int, int]:
        """Addresses of the C callback for kernel samples and of its context."""
        callback = ffi.addressof(lib, "anaros_segment_sample")
        cell = lib.anaros_recorder_cell(self._handle)
        return int(ffi.cast("uintptr_t", callback)), int(ffi.cast("uintptr_t", cell))

    @property
    def records(self) -> int:
        """Records that are durable."""
        return self._writer.records

    def census(self) -> dict[str, object]:
        """Program starts with and without the shim; all is written."""
        return self._writer.census()

    @property
    def unwritten(self) -> int:
        """Records that were drained and could not be written; 0 unless ``error`` is set."""
        return sum(segment.rows for segment in self._segments)

    @property
    def kernel_samples_lost(self) -> int:
        """Records of the kernel plane that found no room in a segment."""
        return sum(segment.lost for segment in self._segments)

    def name(self, name_class: NameClass, names: Iterable[tuple[int, str]]) -> None:
        """Lays down what objects are called, before ``start``.

        Args:
            name_class: What sort of objects.
            names: Each object with its name.
        """
        from anaros.kinds import Kind

        now, kind, cell = time.monotonic_ns(), Kind.META_NAME, self.sample[1]
        for named, word in names:
            text = os.fsencode(word)
            entry = _RECORD.pack(now, 0, 0, 0, kind, 0, name_class, named, len(text), 0, 0) + text
            lib.anaros_segment_sample(ffi.cast("void *", cell), entry, len(entry))

    def note(
        self, kind: Kind, start_ns: int, duration_ns: int, values: tuple[int, int, int, int]
    ) -> bool:
        """Lays down a record of our own, while the drain runs.

        Args:
            kind: Its kind.
            start_ns: When what it tells began.
            duration_ns: How long that lasted.
            values: Its ``object``, ``size_bytes``, ``address`` and ``context``.

        Returns:
            Whether there was room for it.
        """
        record = _RECORD.pack(start_ns, duration_ns, 0, 0, kind, _FLAG_KERNEL, 0, *values)
        return bool(lib.anaros_recorder_note(self._handle, ffi.from_buffer(record)) == 0)

    def start(self, kernel: KernelPlane | None) -> None:
        """Starts both threads."""
        self._kernel = kernel
        self._meter.read(None, None, now=True)
        sources = ffi.NULL
        if kernel is not None:
            from anaros.capture.host.numa import Placement  # not without a kernel plane
            from anaros.capture.host.softnet import Softnet

            self._counters = (Softnet(), Placement())
            consume, ring, ring_fd, numbers_fd, switches = kernel.sources()
            sources = ffi.new(
                "struct kernel_sources *",
                {
                    "consume_ring": ffi.cast("int (*)(void *)", consume),
                    "ring": ffi.cast("void *", ring),
                    "ring_fd": ring_fd,
                    "numbers_fd": numbers_fd,
                    "switches": switches,
                },
            )
        if lib.anaros_recorder_start(self._handle, sources):
            self.error = CaptureError("the drain cannot be started: the system gives no thread")
            self._arena.recording = False
        self._write_thread.start()

    def finish(self) -> None:
        """Drains to the end and writes all; the workload is over or no longer recorded."""
        self._tell_counters()
        lib.anaros_recorder_finish(self._handle)
        self._write_thread.join()

    def close(self) -> None:
        """Ends the drain where it stands, if it still runs."""
        lib.anaros_recorder_stop(self._handle)

    def _write(self) -> None:
        with self._or_cut_short():
            _import_ahead()
        while (place := lib.anaros_recorder_next(self._handle, TICK_MS)) != _FINISHED:
            with self._or_cut_short():
                self._look()
                self._tell_counters()
                if place >= 0 and self.error is None:
                    segment = self._segments[place]
                    self._writer.write(segment, segment.sequence, self._giving_way)
                    self._meter.write()
            if place >= 0:
                lib.anaros_recorder_written(self._handle, place, self.error is None)
        with self._or_cut_short():
            self._look(now=True)
            self._meter.write()

    def _look(self, *, now: bool = False) -> None:
        """Lays down what was lost and what recording cost so far."""
        lost = None
        if self._kernel is not None:
            by_probe = list(self._kernel.drops().values())
            self._arena.note_kernel_drops(by_probe)
            lost = sum(by_probe)
        self._meter.read(self._kernel, lost, now=now)

    def _tell_counters(self) -> None:
        for counters in self._counters:
            counters.tell(self.note)

    @contextlib.contextmanager
    def _or_cut_short(self) -> Iterator[None]:
        """Whatever fails here, nothing more can be kept: the workload runs on unrecorded."""
        try:
            yield
        except AnarosError as problem:
            self._cut_short(problem)
        except Exception as problem:  # noqa: BLE001 - a thread that ends by it would tell nobody
            told = f"the records could not be written: {plain(problem)}"
            self._cut_short(CaptureError(told, "what was written before is safe"))

    def _cut_short(self, problem: AnarosError) -> None:
        self.error = self.error or problem
        self._arena.recording = False

    @contextlib.contextmanager
    def _giving_way(self) -> Iterator[None]:
        """The calling thread takes what time of the processors the workload leaves.

        Not for long while it holds the interpreter's lock: another thread may want that.
        """
        lib.anaros_recorder_yield(self._handle, True)
        try:
            yield
        finally:
            lib.anaros_recorder_yield(self._handle, False)


def _import_ahead() -> None:
    """Loads numpy and DuckDB while the workload starts, not when its records wait."""
    # Nothing here multiplies matrices: the threads that numpy's BLAS would start, one for each
    # CPU, cost 60 ms of CPU time for nothing. The program has its environment already.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import anaros.capture.program.census
    import anaros.capture.rings.names
    import anaros.store.segments  # noqa: F401

# SPDX-License-Identifier: Apache-2.0
"""Moves records from rings to the run directory while the workload runs.

Two threads. The *drain* sleeps in a futex until half of the chunks are in use or 100 ms are
over, and copies what is there into the open segment; the copy is native and without the GIL.
The *writer* turns a full (or ten-second-old) segment into Parquet. Two segments take turns,
so the drain never waits for the disk unless both are full, and then the chunks hold what comes.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from typing import TYPE_CHECKING

from anaros._native import ffi, lib
from anaros.capture.arena import Arena, Segment
from anaros.errors import AnarosError

if TYPE_CHECKING:
    from anaros.capture.kernel import KernelPlane
    from anaros.records import Columns
    from anaros.store.names import Names
    from anaros.store.rundir import RunDirectory

WAIT_MS = 100
REAP_NS = 1_000_000_000
SEGMENT_AGE_NS = 10_000_000_000
#: The kernel's ring holds fewer samples than this: a consume never overfills a segment.
KERNEL_ROOM = 131_072


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

    def write(self, segment: Segment, sequence: int) -> None:
        """Makes the segment's records and names durable.

        Raises:
            RunDirectoryError: The disk refuses; the segment is left as it is.
        """
        from anaros.capture import census, names
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
            columns = segment.clustered_columns(BLOCK_RECORDS)
            write_clustered(self._run, columns, sequence)
            self._processes.append(census.process_records(columns))
            self.records += rows

    def census(self) -> dict[str, object]:
        """Program starts with and without the shim, among what was written."""
        from anaros.capture import census
        from anaros.records import Columns
        from anaros.store.names import Names

        records, known = Columns.concatenate(self._processes), self._names or Names()
        return census.take(records, known, hide_names=self._hide_names)

    def start_from(self, names: Names) -> None:
        """Goes on from the names that the run has already."""
        self._names = names if len(names) else None


class Recorder:
    """The drain and the writer of one run.

    Args:
        arena: Where the shims write.
        segments: Two empty ones.
        run: Where records end.
    """

    def __init__(self, arena: Arena, segments: tuple[Segment, Segment], run: RunDirectory) -> None:
        self._arena = arena
        self._segments = segments
        self._writer = SegmentWriter(run, hide_names=arena.hide_names)
        self._kernel: KernelPlane | None = None
        self._active = 0
        self._sequence = 0
        segments[0].reset(0)
        #: What the kernel plane's samples are appended to: `struct segment **`.
        self._cell = ffi.new("struct segment *[1]", [segments[0].handle])
        self._busy = (threading.Event(), threading.Event())
        self._full: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self.error: AnarosError | None = None
        self._drain_thread = threading.Thread(target=self._drain, name="anaros-drain", daemon=True)
        self._write_thread = threading.Thread(target=self._write, name="anaros-write", daemon=True)

    @property
    def sample(self) -> tuple[int, int]:
        """Addresses of the C callback for kernel samples and of its context."""
        callback = ffi.addressof(lib, "anaros_segment_sample")
        return int(ffi.cast("uintptr_t", callback)), int(ffi.cast("uintptr_t", self._cell))

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
        """Samples of the kernel plane that found no room in a segment."""
        return sum(segment.lost for segment in self._segments)

    def start(self, kernel: KernelPlane | None) -> None:
        """Starts both threads."""
        self._kernel = kernel
        if kernel is not None:
            self._arena.note_kernel_consumed()
        self._drain_thread.start()
        self._write_thread.start()

    def finish(self) -> None:
        """Drains to the end and writes all; the workload is over or no longer recorded."""
        self._stop.set()
        self._arena.wake()
        self._drain_thread.join()
        self._step()
        self._arena.recording = False
        self._arena.end_all()
        self._step()
        self._rotate(wait=True)
        self._full.put(None)
        self._write_thread.join()

    def _drain(self) -> None:
        reaped_at_ns = time.monotonic_ns()
        while not self._stop.is_set():
            self._arena.wait(WAIT_MS)
            self._step()
            if time.monotonic_ns() - reaped_at_ns > REAP_NS:
                reaped_at_ns = time.monotonic_ns()
                self._arena.reap()
                if self._kernel is not None:
                    self._arena.note_kernel_drops(list(self._kernel.drops().values()))

    def _step(self) -> None:
        """One pass over every source; rotates as often as it fills a segment."""
        if self._kernel is not None:
            if self._segments[self._active].room < KERNEL_ROOM:
                self._rotate(wait=False)
            if self._segments[self._active].room >= KERNEL_ROOM:
                self._kernel.consume()
                self._arena.note_kernel_consumed()
        while not self._arena.drain(self._segments[self._active]):
            # Both full: what the chunks cannot hold is counted there.
            if not self._rotate(wait=self._stop.is_set()):
                break
        opened_ns = self._segments[self._active].opened_ns
        if opened_ns and time.monotonic_ns() - opened_ns > SEGMENT_AGE_NS:
            self._rotate(wait=False)

    def _rotate(self, *, wait: bool) -> bool:
        """Hands the active segment to the writer and goes on in the other one."""
        other = 1 - self._active
        while self._busy[other].is_set():
            if not wait or self.error is not None:
                return False
            time.sleep(0.001)
        if self.error is not None:
            return False
        self._busy[self._active].set()
        self._sequence += 1
        self._segments[other].reset(self._sequence)
        self._full.put(self._active)
        self._active = other
        self._cell[0] = self._segments[other].handle
        return True

    def _write(self) -> None:
        _import_ahead()
        while (place := self._full.get()) is not None:
            segment = self._segments[place]
            try:
                self._writer.write(segment, segment.sequence)
            except AnarosError as problem:
                # Nothing more can be kept: let the workload run unrecorded.
                self.error = problem
                self._arena.recording = False
                continue
            segment.reset(segment.sequence)
            self._busy[place].clear()


def _import_ahead() -> None:
    """Loads numpy and DuckDB while the workload starts, not when its records wait."""
    # Nothing here multiplies matrices: the threads that numpy's BLAS would start, one for each
    # CPU, cost 60 ms of CPU time for nothing. The program has its environment already.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import anaros.capture.census
    import anaros.capture.names
    import anaros.store.segments  # noqa: F401

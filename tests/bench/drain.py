# SPDX-License-Identifier: Apache-2.0
"""How fast the native drain moves records from full rings into columns."""

from __future__ import annotations

import mmap
import statistics
import time
from pathlib import Path

import numpy as np
from measure import Bench, NotMeasured

from anaros.kinds import Kind
from anaros.records import RECORD_BYTES, RECORD_DTYPE

CHUNKS = 1024
CHUNK_RECORDS = 1023
CHUNK_WORDS = (CHUNK_RECORDS + 1) * RECORD_BYTES // 4
OWNERS_OFFSET = 2 * 4096 + 4096 * 64
LANES_OFFSET = 2 * 4096
LANES_USED_OFFSET = 4096 + 16


def _chunks_offset() -> int:
    end = OWNERS_OFFSET + 4 * CHUNKS
    size = CHUNK_WORDS * 4
    return -(-end // size) * size


def _fill(memory: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> None:
    """One live lane that holds every chunk, each full and sealed, as a busy thread leaves it."""
    lane = memory[LANES_OFFSET : LANES_OFFSET + 64].view(np.uint32)
    lane[0] = 1
    memory[LANES_USED_OFFSET : LANES_USED_OFFSET + 4].view(np.uint32)[0] = 1
    words = memory[_chunks_offset() :].view(np.uint32).reshape(CHUNKS, CHUNK_WORDS)
    words[:, 1] = 0
    words[:, 2] = 1
    words[:, 0] = CHUNK_RECORDS
    memory[OWNERS_OFFSET : OWNERS_OFFSET + 4 * CHUNKS].view(np.uint32)[:] = 1


def _write_records(memory: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> None:
    records = memory[_chunks_offset() :].view(RECORD_DTYPE).reshape(CHUNKS, CHUNK_RECORDS + 1)
    count = CHUNKS * CHUNK_RECORDS
    body = records[:, 1:]
    body["start_ns"] = np.arange(count, dtype=np.uint64).reshape(body.shape) * 700
    body["duration_ns"] = 600
    body["kind"] = int(Kind.FILE_READ)
    body["size_bytes"] = 4096


def rate(bench: Bench) -> float:
    """Records per second that one core moves out of shared memory into columns.

    Raises:
        NotMeasured: The native drain is not built, or shared memory is too small.
    """
    try:
        from anaros._native import ffi, lib
    except ImportError as missing:
        raise NotMeasured(f"the native drain is not built: {missing}") from missing
    path = Path("/dev/shm") / f"anaros-bench-{bench.scratch.name}"
    columns = path.with_suffix(".segment")
    error = ffi.new("int *")
    rates: list[float] = []
    try:
        arena = lib.anaros_arena_create(str(path).encode(), CHUNKS, error)
        segment = lib.anaros_segment_create(
            str(columns).encode(), CHUNKS * CHUNK_RECORDS, 1 << 16, error
        )
        if not arena or not segment:
            raise NotMeasured(f"no shared memory for the arena (errno {error[0]})")
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
            memory = np.frombuffer(mapped, np.uint8)
            _write_records(memory)
            for number in range(bench.pair_count + 1):
                _fill(memory)
                lib.anaros_segment_reset(segment, number)
                start = time.perf_counter()
                moved = lib.anaros_arena_drain(arena, segment)
                elapsed = time.perf_counter() - start
                if moved != CHUNKS * CHUNK_RECORDS:
                    raise NotMeasured(f"the drain moved {moved} of {CHUNKS * CHUNK_RECORDS}")
                rates.append(CHUNKS * CHUNK_RECORDS / elapsed)
            del memory
        lib.anaros_segment_close(segment)
        lib.anaros_arena_close(arena)
    finally:
        path.unlink(missing_ok=True)
        columns.unlink(missing_ok=True)
    # The first pass pays for the pages of the columns, once for each run.
    return statistics.median(rates[1:])

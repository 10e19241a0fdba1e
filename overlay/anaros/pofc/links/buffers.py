# SPDX-License-Identifier: Apache-2.0
"""Links by address: the copy takes bytes from where a read put them, decoded there or not.

Of each byte that is copied the last write counts that is seen: a read, a mapping of a file, or a
copy back from the device, after which the bytes are no longer what was read. The stores of the
program itself are not seen. So bytes that are copied a second time may be others by then, and what
only touches the edge of a buffer may be left from before: such links are trusted less.
"""

from __future__ import annotations

import numpy as np

from anaros.kinds import Kind
from anaros.pofc.frame import table_of
from anaros.pofc.links.model import Found
from anaros.pofc.memory.ranges import ASKS, ERASES, WRITES, last_writes, places
from anaros.pofc.model import F32, I32, I64, U8, U64, Evidence, Mask
from anaros.pofc.order import as_time, distinct
from anaros.records import FLAG_CAPTURE, FLAG_OFFSET, FLAG_PEEK, Columns

_ACTS = table_of(
    {
        Kind.GPU_COPY_H2D: ASKS,
        Kind.FILE_READ: WRITES,
        Kind.NET_RECV: WRITES,
        Kind.FILE_MMAP: WRITES,
        Kind.GPU_COPY_D2H: ERASES,
        Kind.FILE_MUNMAP: ERASES,
    },
    default=255,
)

#: Links of one copy, and of all together, more or less: a copy of a buffer that was read in very
#: small pieces keeps the first ones.
_EACH_MAX, _ALL_MAX = 1024, 1 << 24

#: How far a link by address is trusted. Measured by tests/unit/test_pofc_links.py.
MAPPED, WHOLE, PART, EDGE, AGAIN = 0.99, 0.99, 0.97, 0.8, 0.5

#: A copy of which reads filled a smaller part may have its bytes from somewhere else.
FILLED = 0.5
_BARELY = 0.6


def by_address(columns: Columns, process: I32) -> Found:
    """Finds what the bytes of each copy were read from.

    Args:
        columns: N records.
        process: The program of each, numbered.

    Returns:
        The links, those of a copy by address.
    """
    at, act, low, high = _touches(columns, process)
    low_at, high_at = places((process[at], low), (process[at], high))
    cells = distinct(np.concatenate([low_at, high_at]))
    address = np.zeros(len(cells), np.uint64)
    first, last = np.searchsorted(cells, low_at), np.searchsorted(cells, high_at)
    address[first], address[last] = low, high
    most = _ALL_MAX // max(int((act == ASKS).sum()), 1)
    runs = last_writes(act, first, last, len(cells), min(max(most, 1), _EACH_MAX))
    # The runs of a copy that one read wrote, together.
    pair = runs.asker * len(at) + runs.writer
    group = distinct(pair)
    index = np.searchsorted(group, pair)
    size = address[runs.high] - address[runs.low]
    total, stale = np.zeros((2, len(group)), np.uint64)
    np.add.at(total, index, size)
    np.add.at(stale, index, size * runs.again.astype(np.uint64))
    asker, writer = np.divmod(group, max(len(at), 1))
    copy, source = at[asker], at[writer]
    old: Mask = stale * np.uint64(2) > total
    trust = _trust(columns, copy, source, old, total)
    evidence = np.full(len(group), Evidence.BUFFER, np.uint8)
    return Found(copy, source, total, evidence, trust, old)


def _touches(columns: Columns, process: I32) -> tuple[I64, U8, U64, U64]:
    """What asks, writes and erases, in order of time: place, act, first and last address."""
    at = np.flatnonzero(_ACTS[columns.kind] != 255)
    failed = np.where(_on_device(columns, at), columns.status[at] != 0, columns.status[at] < 0)
    at = at[
        ~failed
        & (columns.size_bytes[at] > 0)
        & (columns.address[at] != 0)
        & (columns.flags[at] & _flags(columns, at) == 0)
    ]
    act = _ACTS[columns.kind[at]]
    low = columns.address[at]
    high = low + columns.size_bytes[at]
    lowest = np.full(int(process.max(initial=-1)) + 1, 2**64 - 1, np.uint64)
    highest = np.zeros(len(lowest), np.uint64)
    asks = act == ASKS
    np.minimum.at(lowest, process[at[asks]], low[asks])
    np.maximum.at(highest, process[at[asks]], high[asks])
    kept = (high > low) & (high > lowest[process[at]]) & (low < highest[process[at]])
    at, act, low, high = at[kept], act[kept], low[kept], high[kept]
    # Bytes are there when the call returned; a copy takes them, and a range goes, when it begins.
    time = as_time(columns.start_ns[at])
    returns = (act == WRITES) | (columns.kind[at] == Kind.GPU_COPY_D2H)
    time[returns] += as_time(columns.duration_ns[at[returns]])
    order = np.lexsort((act == ASKS, time))
    return at[order], act[order], low[order], high[order]


def _flags(columns: Columns, at: I64) -> int | U64:
    """Which flags tell, by kind, that a call moved nothing, or that its address is none."""
    return np.where(_on_device(columns, at), FLAG_CAPTURE, FLAG_OFFSET | FLAG_PEEK).astype(
        np.uint64
    )


def _on_device(columns: Columns, at: I64) -> Mask:
    kind = columns.kind[at]
    on_device: Mask = (kind == Kind.GPU_COPY_H2D) | (kind == Kind.GPU_COPY_D2H)
    return on_device


def _trust(columns: Columns, copy: I64, source: I64, old: Mask, size: U64) -> F32:
    """How far each link is trusted, by how the two ranges lie to each other."""
    begin, read = columns.address[copy], columns.address[source]
    end, read_end = begin + columns.size_bytes[copy], read + columns.size_bytes[source]
    whole = (read >= begin) & (read_end <= end)
    inside = (read <= begin) & (read_end >= end)
    trust = np.select([old, whole, inside], [AGAIN, WHOLE, PART], EDGE)
    filled = np.zeros(len(columns), np.uint64)
    np.add.at(filled, copy, size)
    trust[filled[copy] < FILLED * columns.size_bytes[copy]] *= _BARELY
    # What is mapped is the file itself.
    trust[columns.kind[source] == Kind.FILE_MMAP] = MAPPED
    return trust.astype(np.float32)

# SPDX-License-Identifier: Apache-2.0
"""Joins what was read to the copies that moved it: by address first, then through the processor."""

from __future__ import annotations

import numpy as np

from anaros.kinds import Kind
from anaros.pofc.frame import table_of
from anaros.pofc.links.buffers import FILLED, by_address
from anaros.pofc.links.model import Found, Links
from anaros.pofc.links.payloads import TOLD_MIN, Owners, by_payload
from anaros.pofc.memory.allocations import programs_of
from anaros.pofc.model import I32, I64, U8, Mask
from anaros.records import FLAG_CAPTURE, Columns

_WANTED = table_of(
    dict.fromkeys(
        (
            Kind.GPU_COPY_H2D,
            Kind.GPU_COPY_D2H,
            Kind.FILE_READ,
            Kind.NET_RECV,
            Kind.FILE_MMAP,
            Kind.FILE_MUNMAP,
            Kind.PROC_SHIM,
            Kind.PROC_EXIT,
        ),
        1,
    )
)


def links_of(columns: Columns, owner: I32, evidence: U8) -> Links:
    """Finds what the copies to devices moved.

    Args:
        columns: N records by start.
        owner: The request of each, -1 for none.
        evidence: What says so, as `Evidence`.
    """
    wanted = np.flatnonzero(_WANTED[columns.kind])
    records = columns.take(wanted)
    owners = Owners(owner[wanted], evidence[wanted])
    process = programs_of(records).number
    found = by_address(records, process)
    copy, taken = _left(records, found)
    more = by_payload(records, process, copy, taken, owners)
    _doubt(records, found, more)
    found = Found.joined(found, more)
    order = np.lexsort((records.address[found.source], found.copy))
    order = order[found.probability[order] >= TOLD_MIN]
    return _rows(records, owners, Found(*(getattr(found, n)[order] for n in Found.__slots__)))


def _left(records: Columns, found: Found) -> tuple[I64, Mask]:
    """The copies that no address explains, and which records were taken by one that it does."""
    fresh = np.flatnonzero(~found.again | (records.kind[found.source] == Kind.FILE_MMAP))
    filled = np.zeros(len(records), np.uint64)
    np.add.at(filled, found.copy[fresh], found.size_bytes[fresh])
    copies = np.flatnonzero(
        (records.kind == Kind.GPU_COPY_H2D)
        & (records.status == 0)
        & (records.size_bytes > 0)
        & (records.flags & FLAG_CAPTURE == 0)
    )
    explained = filled >= FILLED * records.size_bytes
    taken = np.zeros(len(records), np.bool_)
    taken[found.source[explained[found.copy]]] = True
    return copies[~explained[copies]], taken


def _doubt(records: Columns, found: Found, more: Found) -> None:
    """Old bytes are the less likely the likelier it is that others took their place."""
    other = np.zeros(len(records), np.float32)
    np.maximum.at(other, more.copy, more.probability)
    found.probability[:] *= 1 - other[found.copy]


def _rows(records: Columns, owners: Owners, found: Found) -> Links:
    copy, source = found.copy, found.source
    return Links(
        start_ns=records.start_ns[copy],
        pid=records.pid[copy],
        tid=records.tid[copy],
        stream=records.object[copy],
        copy_bytes=records.size_bytes[copy],
        copy_address=records.address[copy],
        read_ns=records.start_ns[source] + records.duration_ns[source],
        read_tid=records.tid[source],
        kind=records.kind[source],
        object=records.object[source],
        read_bytes=records.size_bytes[source],
        read_address=records.address[source],
        size_bytes=found.size_bytes,
        evidence=found.evidence,
        probability=found.probability,
        again=found.again.astype(np.uint8),
        request=owners.request[copy].astype(np.int32),
    )

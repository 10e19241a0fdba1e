# SPDX-License-Identifier: Apache-2.0
"""What a request was doing at each instant: the partition of its time into stages.

The calls of a request, the places where a thread turned to it, and the begins and ends of what
the device did for it cut its time into *cells*, each from the start of one to the start of the
next. A cell has three portions: the call itself while it lasts; then the call that ends last of
all that began before, while that lasts; then a gap. Over this lies what the device did:

1. while a kernel of the request runs, the stage is ``execute``;
2. while a copy of it runs on the device, it is ``staging`` or ``postprocess``;
3. from a launch to the end of its kernel it is ``execute``, waiting in the device's queue;
4. within a call it is the stage of the call (``CODES``);
5. within a gap, or a call that says nothing, it depends on the calls around (``BETWEEN``).

Each instant is in exactly one portion, so stages add up to the request exactly. Here are the
tables; ``pofc_explain.c`` follows them.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from anaros.kinds import Kind
from anaros.pofc.frame import table_of
from anaros.pofc.model import STAGES, U8

INGEST, PREPARE, STAGING, EXECUTE, POSTPROCESS, PERSIST, EGRESS = range(len(STAGES))


class Code(IntEnum):
    """What a call says about the stage.

    Those before NEUTRAL have a stage of their own; an EDGE is a request's begin or end; what
    follows is decided from the request as a whole: a READ after the last work for the device is
    NEUTRAL, a SYNC waits for what the device was given last, a SIDE (a map or a copy) goes to the
    device before the first launch and back after it, a WRITE and a SEND may be signals. What cuFile
    moves is STAGING to the device and WRITTEN from it.
    """

    INGEST = 0
    PREPARE = 1
    STAGING = 2
    LAUNCH = 3
    DEVICE = 4
    OUTPUT = 5
    WRITTEN = 6
    EGRESS = 7
    NEUTRAL = 8
    EDGE = 9
    READ = 10
    SYNC = 11
    SIDE = 12
    WRITE = 13
    SEND = 14


#: The stage of the codes that have one.
STAGE_OF = np.array(
    [INGEST, PREPARE, STAGING, EXECUTE, EXECUTE, POSTPROCESS, PERSIST, EGRESS], np.uint8
)

CODES = table_of(
    {
        Kind.FILE_OPEN: Code.READ,
        Kind.FILE_READ: Code.READ,
        Kind.FILE_MMAP: Code.READ,
        Kind.FILE_STAT: Code.READ,
        Kind.NET_RECV: Code.READ,
        Kind.FILE_WRITE: Code.WRITE,
        Kind.FILE_SYNC: Code.WRITTEN,
        Kind.FILE_COPY: Code.WRITTEN,
        Kind.FILE_SENDFILE: Code.EGRESS,
        Kind.NET_SEND: Code.SEND,
        Kind.GPU_BUILD: Code.PREPARE,
        Kind.GPU_ALLOC: Code.STAGING,
        Kind.GPU_MEMSET: Code.STAGING,
        Kind.GPU_COPY_H2D: Code.STAGING,
        Kind.GPU_LAUNCH: Code.LAUNCH,
        Kind.GPU_GRAPH: Code.LAUNCH,
        Kind.GPU_COPY_D2D: Code.LAUNCH,
        Kind.GPU_SYNC: Code.SYNC,
        Kind.GPU_COPY: Code.SIDE,
        Kind.GPU_MAP: Code.SIDE,
        Kind.GPU_UNMAP: Code.SIDE,
        Kind.GPU_COPY_D2H: Code.OUTPUT,
        Kind.GPU_STORAGE: Code.STAGING,
    },
    Code.NEUTRAL,
)


def _between() -> U8:
    """``table[code before, code after]``: the stage of what lies between two calls."""
    c = Code
    table = np.empty((c.EDGE + 1, c.EDGE + 1), np.uint8)
    table[:] = PREPARE
    table[c.STAGING] = STAGING
    table[c.STAGING, [c.INGEST, c.PREPARE]] = PREPARE
    table[c.STAGING, [c.OUTPUT, c.WRITTEN, c.EGRESS]] = POSTPROCESS
    table[c.LAUNCH] = EXECUTE
    table[c.DEVICE] = POSTPROCESS
    table[c.DEVICE, c.DEVICE] = EXECUTE
    table[c.OUTPUT] = POSTPROCESS
    table[c.WRITTEN, c.WRITTEN] = PERSIST
    table[c.WRITTEN, [c.OUTPUT, c.DEVICE]] = POSTPROCESS
    table[c.WRITTEN, c.EGRESS] = EGRESS
    table[c.EGRESS, [c.OUTPUT, c.DEVICE, c.WRITTEN, c.EGRESS]] = EGRESS
    # The end of the request belongs to what came last, its begin to the bytes that come.
    table[: len(STAGE_OF), c.EDGE] = STAGE_OF
    table[c.EDGE] = INGEST
    return table


BETWEEN = _between()

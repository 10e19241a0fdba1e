# SPDX-License-Identifier: Apache-2.0
"""How long threads were off their CPU, call by call.

A thread makes no calls while it is off its CPU: such a time lies within one call, or between one
call and the next. It counts for the call that it began in or after.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anaros.pofc.frame import Frame, Role
from anaros.pofc.model import I32, I64, U8
from anaros.pofc.native import Struct, ffi, lib, pointer

#: The columns of what ``off_cpu`` returns, ns: off the CPU within the call, of that in the run
#: queue; off between the call and the next one of its thread, of that in the run queue, and of
#: that for I/O.
WITHIN, WITHIN_QUEUED, AFTER, AFTER_QUEUED, ASLEEP = range(5)


def off_cpu(roles: U8, frame: Frame) -> I64:
    """Adds up the scheduler's records for each call.

    Args:
        roles: (N,) role of each record.
        frame: M calls.

    Returns:
        (M, 5) times off the CPU, ns. One that is longer than 4.8 hours counts as that long.
    """
    off = np.zeros((len(frame), 5), np.int64)
    lib.anaros_pofc_off_cpu(
        frame.records.pointer,
        pointer(roles),
        pointer(frame.call),
        frame.calls.pointer,
        ffi.cast("struct pofc_off_cpu *", pointer(off)),
    )
    return off


@dataclass(frozen=True, slots=True)
class Stalls:
    """What kept threads from going on besides: quotas, page faults, and want of memory.

    ``of`` (M,) is a row of ``sums`` for each call, -1 for none; it is empty where no call has any.
    The columns of ``sums`` (S, 12) are those of ``struct pofc_stall``, ns. ``native`` is all of
    that for the native side.
    """

    of: I32
    sums: I64
    native: Struct


@dataclass(frozen=True, slots=True)
class OffCpu:
    """What the kernel saw of M calls: ``times`` (M, 5) as ``off_cpu`` says, and the rest."""

    times: I64
    stalls: Stalls


def stalls(roles: U8, frame: Frame) -> Stalls:
    """Adds up the kernel's records of such times for each call.

    Args:
        roles: (N,) role of each record.
        frame: M calls.
    """
    room = int(np.count_nonzero(roles >= Role.THROTTLE))
    of = np.full(len(frame) if room else 0, -1, np.int32)
    sums = np.zeros((room, ffi.sizeof("struct pofc_stall") // 8), np.int64)
    rows = ffi.cast("struct pofc_stall *", pointer(sums))
    found = Stalls(of, sums, Struct("pofc_stalls", of=of, stall=rows))
    if room:
        lib.anaros_pofc_stalls(
            frame.records.pointer,
            pointer(roles),
            pointer(frame.call),
            frame.calls.pointer,
            found.native.pointer,
        )
    return found

# SPDX-License-Identifier: Apache-2.0
"""How long threads were off their CPU, call by call.

A thread makes no calls while it is off its CPU: such a time lies within one call, or between one
call and the next. It counts for the call that it began in or after.
"""

from __future__ import annotations

import numpy as np

from anaros.pofc.frame import Frame
from anaros.pofc.model import I64, U8
from anaros.pofc.native import ffi, lib, pointer

#: The columns of what ``off_cpu`` returns, ns: off the CPU within the call, of that in the run
#: queue; off between the call and the next one of its thread, of that in the run queue, and of
#: that in uninterruptible sleep.
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

# SPDX-License-Identifier: Apache-2.0
"""How long a request made no progress within each stage, and why.

What counts as waiting:

* in a cell that the device is queued for: all but the launch itself, for the device's queue;
* in a wait for a semaphore, and where a request changes from thread to thread: all of it, for a
  lock or a queue;
* in a wait for the device, and in a copy from it that blocks: all of it, for the device;
* with the kernel plane: while the owning thread was off its CPU, for memory in page faults, for I/O
  within file and socket calls, in system calls of that sort that the shim did not see and in
  uninterruptible sleep, for the device within device calls, else for a lock; the end of it that was
  spent ready to run is the run queue, or throttled where the quota of the cgroup was used up; and
  while it reclaimed or compacted memory, for memory;
* without the kernel plane: all of a sync to disk, of a receive or connect that took long, and of
  a read or write slower than memory can be; the run queue is unknown.

No wait is longer than the stage that it is in. Here are the tables; ``pofc_explain.c`` follows
them. Where device times are known the wait for the queue is told apart from the device at work,
which is no wait but the stage itself; where they are not, a wait for the device is for both.
"""

from __future__ import annotations

from enum import IntEnum

from anaros.kinds import KIND_NAMES, Kind
from anaros.pofc.frame import table_of


class Cause(IntEnum):
    """What is waited for."""

    RUNQUEUE = 0
    IO = 1
    LOCK = 2
    DEVICE = 3
    DEVICE_QUEUE = 4
    THROTTLED = 5
    MEMORY = 6


class Blocks(IntEnum):
    """Which calls of a kind wait for all of their time."""

    NEVER = 0
    ALWAYS = 1
    UNLESS_ASYNC = 2
    SLOW = 3
    LONG = 4


#: A SLOW call took longer than this and 1 ns for each byte: that did not come from memory.
SLOW_NS = 50_000


def _causes() -> dict[int, int]:
    family = {0x01: Cause.IO, 0x02: Cause.IO, 0x03: Cause.IO, 0x04: Cause.DEVICE}
    # What cuFile moves waits for its disk, whatever device the bytes are of.
    return {
        **{kind: family.get(kind >> 8, Cause.LOCK) for kind in KIND_NAMES},
        Kind.GPU_STORAGE: Cause.IO,
    }


CAUSE = table_of(_causes(), Cause.LOCK)

_SURELY: dict[int, int] = {
    Kind.SYNC_WAIT: Blocks.ALWAYS,
    Kind.GPU_SYNC: Blocks.ALWAYS,
    Kind.POLL_WAIT: Blocks.ALWAYS,
    Kind.GPU_COPY_D2H: Blocks.UNLESS_ASYNC,
}

#: Where the scheduler tells the rest.
BLOCKS_KERNEL = table_of(_SURELY)

#: A LONG call took longer than ``requests.BLOCKED_NS``.
BLOCKS = table_of(
    _SURELY
    | {
        Kind.FILE_READ: Blocks.SLOW,
        Kind.FILE_WRITE: Blocks.SLOW,
        Kind.FILE_COPY: Blocks.SLOW,
        Kind.FILE_SENDFILE: Blocks.SLOW,
        Kind.FILE_SYNC: Blocks.ALWAYS,
        Kind.NET_RECV: Blocks.LONG,
        Kind.NET_SEND: Blocks.LONG,
        Kind.NET_CONNECT: Blocks.LONG,
        Kind.NET_ACCEPT: Blocks.LONG,
        Kind.FILE_OPEN: Blocks.LONG,
        Kind.FILE_STAT: Blocks.LONG,
    }
)

# SPDX-License-Identifier: Apache-2.0
"""What the analysis of a run finds: requests, their stages, and who owns which record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
Ints = npt.NDArray[np.signedinteger[Any]]
F32 = npt.NDArray[np.float32]
Arrays = Mapping[str, npt.NDArray[Any]]
Mask = npt.NDArray[np.bool_]

#: The stages of a request, in order; ``Spans.stage`` is an index in this.
STAGES = ("ingest", "prepare", "staging", "execute", "postprocess", "persist", "egress")


class Evidence(IntEnum):
    """What says that a record belongs to its request."""

    NONE = 0
    CONNECTION = 1
    PROGRAM_ORDER = 2
    SEMAPHORE = 3
    WAKEUP = 4
    BUFFER = 5
    DEVICE_ORDER = 6
    ALONE = 7
    TURN = 8
    FIFO = 9
    PAYLOAD = 10


#: How far each kind of evidence is trusted before anything was calibrated on a site.
PROBABILITY: Mapping[Evidence, float] = {
    Evidence.NONE: 0.0,
    Evidence.CONNECTION: 1.0,
    Evidence.PROGRAM_ORDER: 0.99,
    Evidence.SEMAPHORE: 0.99,
    Evidence.WAKEUP: 0.95,
    Evidence.BUFFER: 0.95,
    Evidence.DEVICE_ORDER: 0.99,
    Evidence.ALONE: 0.97,
    Evidence.TURN: 0.95,
    Evidence.FIFO: 0.7,
    Evidence.PAYLOAD: 0.9,
}


@dataclass(frozen=True, slots=True)
class Requests:
    """R requests that were answered (or loop steps that were finished), by start.

    ``connection`` is the socket cookie, 0 for a loop step. ``pid`` and ``tid`` are those of the
    thread that received the first byte. ``probability`` is that of the weakest link.
    """

    request: U64
    start_ns: U64
    duration_ns: U64
    pid: U32
    tid: U32
    connection: U64
    bytes_in: U64
    bytes_out: U64
    probability: F32

    def __len__(self) -> int:
        return len(self.request)

    def as_dict(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name; nothing is copied."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def of(cls, arrays: Arrays) -> Requests:
        """The requests of such arrays by name."""
        return cls(**{name: np.ma.getdata(arrays[name]) for name in cls.__slots__})

    @classmethod
    def empty(cls) -> Requests:
        """No requests."""
        wide, none = np.zeros(0, np.uint64), np.zeros(0, np.uint32)
        return cls(wide, wide, wide, none, none, wide, wide, wide, np.zeros(0, np.float32))


@dataclass(frozen=True, slots=True)
class Spans:
    """One row for each stage that a request has; the rows of a request add up to it exactly.

    ``start_ns`` is when the request first entered the stage, ``duration_ns`` is the time in it
    (which may come in pieces), ``self_ns + wait_ns`` is the duration, and the seven kinds of wait
    add up to ``wait_ns``. Without the kernel plane time in a run queue is unknown and counts as
    self. ``tid`` is the thread that entered the stage first.
    """

    request: U64
    stage: U8
    start_ns: U64
    duration_ns: U64
    self_ns: U64
    wait_ns: U64
    wait_runqueue_ns: U64
    wait_io_ns: U64
    wait_lock_ns: U64
    wait_device_ns: U64
    wait_device_queue_ns: U64
    wait_throttled_ns: U64
    wait_memory_ns: U64
    pid: U32
    tid: U32

    def __len__(self) -> int:
        return len(self.request)

    def as_dict(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name; nothing is copied."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def of(cls, arrays: Arrays) -> Spans:
        """The spans of such arrays by name."""
        return cls(**{name: np.ma.getdata(arrays[name]) for name in cls.__slots__})

    @classmethod
    def room(cls, count: int) -> Spans:
        """Arrays of so many rows of which nothing is known yet."""
        return cls(**{name: np.empty(count, dtype) for name, dtype in _SPAN_TYPES.items()})

    @classmethod
    def empty(cls) -> Spans:
        """No spans."""
        return cls.room(0)


_SPAN_TYPES = {
    **dict.fromkeys(Spans.__slots__, np.uint64),
    "stage": np.uint8,
    "pid": np.uint32,
    "tid": np.uint32,
}


@dataclass(frozen=True, slots=True)
class Launches:
    """How many launches the serving processes made, and of how many the time is known.

    Attributes:
        count: Launches of kernels and graphs.
        told: Of these, whose time on the device was told.
        bounded: Of the others, which the program's calls prove to be done: their time is bounded.
    """

    count: int = 0
    told: int = 0
    bounded: int = 0


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the run the requests explain.

    Attributes:
        open_requests: Requests that were received but not answered when the records end.
        owned: Records that belong to a request, by what says so.
        unowned: Records of the serving processes that belong to none.
        kernel_plane: Whether scheduler records were there to tell waiting from running.
        launches: Of how many launches the time on the device is known.
    """

    open_requests: int
    owned: Mapping[str, int]
    unowned: int
    kernel_plane: bool
    launches: Launches = Launches()


@dataclass(frozen=True, slots=True)
class Timeline:
    """The requests of a run, their stages, and the owner of each of its N records.

    ``owner`` (N,) is an index in ``requests`` or -1; ``evidence`` (N,) is an ``Evidence``. Both
    follow the order of the columns that were analysed. Calls and device work have owners; records
    of the kernel's scheduler, which only say how a thread fared during a call, have none.
    """

    requests: Requests
    spans: Spans
    owner: I32
    evidence: U8
    coverage: Coverage

# SPDX-License-Identifier: Apache-2.0
"""What the coverage ledger is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

SECOND_NS = 1_000_000_000


class Quantity(IntEnum):
    """What is counted twice."""

    READ_BYTES = 0
    WRITTEN_BYTES = 1
    READ_CALLS = 2
    WRITE_CALLS = 3
    RECEIVED_BYTES = 4
    SENT_BYTES = 5
    CPU_NS = 6
    LAUNCHES = 7


#: Their names, by their numbers.
QUANTITIES = (
    "file.read_bytes",
    "file.written_bytes",
    "file.read_calls",
    "file.write_calls",
    "socket.received_bytes",
    "socket.sent_bytes",
    "cpu_ns",
    "device.launches",
)


@dataclass(frozen=True, slots=True)
class Rows:
    """N rows of the ledger; each array has shape (N,).

    ``start_ns`` is when the second begins (CLOCK_MONOTONIC), ``quantity`` a `Quantity`, ``seen``
    what the shim's (for ``CPU_NS`` the scheduler's) records add up to in that second, ``filled``
    what the kernel's own records of calls that the shim missed do, ``witnessed`` what the kernel
    counted.
    """

    start_ns: U64
    quantity: U8
    seen: U64
    filled: U64
    witnessed: U64

    def __len__(self) -> int:
        return len(self.start_ns)

    def as_dict(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name; nothing is copied."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Rows:
        """The rows of such arrays by name."""
        return cls(**{name: arrays[name] for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Programs:
    """What each of N programs moved; a process that calls exec is one after the other.

    ``shim`` is 1 where the shim was in it, ``start_ns`` when it began (0: before anybody looked).
    ``*_read``, ``*_written``, ``*_received`` and ``*_sent`` are bytes, by the kernel's count
    (``kernel_``: without what the loader read before the shim was there, which is
    ``before_shim``), by the shim's records (``shim_``) and by the kernel's records of calls that
    the shim missed (``filled_``). Children that a program without the
    shim forked, and that called no exec, count as that program.
    """

    pid: U32
    start_ns: U64
    shim: U8
    kernel_read: U64
    kernel_written: U64
    kernel_received: U64
    kernel_sent: U64
    shim_read: U64
    shim_written: U64
    shim_received: U64
    shim_sent: U64
    filled_read: U64
    filled_written: U64
    filled_received: U64
    filled_sent: U64
    before_shim: U64

    def __len__(self) -> int:
        return len(self.pid)

    def as_dict(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name; nothing is copied."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Programs:
        """The programs of such arrays by name."""
        return cls(**{name: arrays[name] for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Total:
    """One quantity of the whole run.

    Attributes:
        seen: What the shim's records add up to; None: unknown.
        witnessed: What the kernel counted; None: nobody counted.
        covered: What is in both: of each program or socket the smaller of the two.
        filled: What of the rest is in the kernel's records of calls that the shim missed, of each
            program or socket no more than the rest; None: unknown.
    """

    seen: int | None
    witnessed: int | None
    covered: int | None
    filled: int | None = 0

    @property
    def share(self) -> float | None:
        """Covered of witnessed; None where either is unknown or there was nothing to see."""
        if self.witnessed is None or self.covered is None or not self.witnessed:
            return None
        return self.covered / self.witnessed

# SPDX-License-Identifier: Apache-2.0
"""What a delay is made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from anaros.records import U32, U64

U8 = npt.NDArray[np.uint8]


class Cause(IntEnum):
    """How something was delayed. The numbers are kept in files: add at the end."""

    RUN_QUEUE = 0
    QUOTA = 1
    FROZEN = 2
    INTERRUPT = 3
    DISK_AHEAD = 4
    DISK_QUEUE = 5
    FAULT = 6
    RECLAIM = 7
    COMPACTION = 8
    MIGRATION = 9
    KERNEL_LOCK = 10
    PACKET_QUEUE = 11


#: Each cause in words, and the resource that it is a delay of, by the numbers of `Cause`.
CAUSES = (
    ("run queue", "CPU"),
    ("quota", "CPU"),
    ("frozen", "CPU"),
    ("interrupt", "CPU"),
    ("ahead on disk", "disk"),
    ("disk queue", "disk"),
    ("page fault", "memory"),
    ("reclaim", "memory"),
    ("compaction", "memory"),
    ("migration", "memory"),
    ("kernel lock", "lock"),
    ("packet queue", "network"),
)


class Owner(IntEnum):
    """Whose it was that delayed the target."""

    NOBODY = 0  # an idle processor, a limit, a device; or nobody can tell
    OWN = 1
    OTHER = 2


#: Their names, by their numbers.
OWNERS = ("nobody", "own", "other")


@dataclass(frozen=True, slots=True)
class Delays:
    """N delays; each array has shape (N,).

    Attributes:
        start_ns: Since when (CLOCK_MONOTONIC).
        duration_ns: For how long; of interrupts and locks the sum of a second.
        pid: Whose process was delayed; 0: the target's, nobody counts whose.
        tid: Which thread; 0 likewise.
        cause: A `Cause`.
        owner: An `Owner`: whose doing it was.
        by_class: The `anaros.kinds.NameClass` of who or what did it; 0: nobody is known.
        by: Its number, as the records have it: a pid, an interrupt, a file, a group.
        thing: Of what resource: a device (DISK_*), an interface (PACKET_QUEUE), a sort of lock
            (KERNEL_LOCK), 1 for the limit of a group (RECLAIM), else 0.
        count: How many there were; 1 but for sums, 0 for one that a sum has already.
        longest_ns: How long the longest was; 0: unknown.
    """

    start_ns: U64
    duration_ns: U64
    pid: U32
    tid: U32
    cause: U8
    owner: U8
    by_class: U8
    by: U64
    thing: U64
    count: U64
    longest_ns: U64

    def __len__(self) -> int:
        return len(self.start_ns)

    def as_dict(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name; nothing is copied."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def of(cls, many: int, cause: Cause, **arrays: Any) -> Delays:
        """``many`` delays of one cause; what is not given is 0.

        But each is one, and the longest itself, unless that is given. What is the same for all
        takes no memory.
        """
        longest_ns = arrays.get("duration_ns", 0)
        given = {"cause": cause, "count": 1, "longest_ns": longest_ns, **arrays}
        return cls(
            **{
                name: np.broadcast_to(
                    np.asarray(given.get(name, 0)).astype(dtype, copy=False), (many,)
                )
                for name, dtype in _DTYPES.items()
            }
        )

    @classmethod
    def concatenate(cls, parts: list[Delays]) -> Delays:
        """The delays of all parts, in order."""
        parts = [cls.of(0, Cause.RUN_QUEUE), *parts]
        return cls(
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in _DTYPES}
        )


_DTYPES = {
    "start_ns": np.uint64,
    "duration_ns": np.uint64,
    "pid": np.uint32,
    "tid": np.uint32,
    "cause": np.uint8,
    "owner": np.uint8,
    "by_class": np.uint8,
    "by": np.uint64,
    "thing": np.uint64,
    "count": np.uint64,
    "longest_ns": np.uint64,
}

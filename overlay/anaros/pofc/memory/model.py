# SPDX-License-Identifier: Apache-2.0
"""What the analysis of device memory finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from anaros.pofc.model import I32, U8, U16, U32, U64, Arrays

#: The end of what goes on.
NEVER = np.int64(1 << 62)


class Memory(IntEnum):
    """The sort of memory: the low bits of the flags of ``gpu.alloc`` and ``gpu.free``."""

    DEVICE = 0
    MANAGED = 1
    HOST = 2
    REGISTERED = 3
    STREAM_ORDERED = 4
    PHYSICAL = 5
    ARRAY = 6
    IMPORTED = 7


#: What takes room on a device. Managed memory may lie there or not; imported is another's.
ON_DEVICE = (Memory.DEVICE, Memory.STREAM_ORDERED, Memory.PHYSICAL, Memory.ARRAY)


class Ending(IntEnum):
    """How an allocation ended."""

    OPEN = 0
    FREED = 1
    PROCESS = 2
    CONTEXT = 3
    REPLACED = 4
    FAILED = 5


@dataclass(frozen=True, slots=True)
class Allocations:
    """A allocations by start, those that failed among them.

    ``start_ns`` is when the call returned that made it, ``end_ns`` when it was gone, 0 where no
    end was seen; ``ending`` is an `Ending`, ``memory`` a `Memory`. ``pid`` and ``tid`` are those
    of the caller. ``origin`` is the stream or pool of stream-ordered memory, else the host's
    address if it has one. ``context`` was current where it was made, 0 = unknown; ``device`` is
    its ordinal and ``request`` the request that it was made in, -1 = unknown. ``alloc_ns`` and
    ``free_ns`` are the times of the two calls. ``process`` tells apart programs that a process
    was, one after the other.
    """

    start_ns: U64
    end_ns: U64
    pid: U32
    tid: U32
    process: U32
    memory: U8
    ending: U8
    pinned: U8
    object: U64
    size_bytes: U64
    origin: U64
    context: U64
    device: I32
    request: I32
    status: I32
    alloc_ns: U64
    free_ns: U64

    def __len__(self) -> int:
        return len(self.start_ns)

    def as_dict(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name; nothing is copied."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def of(cls, arrays: Arrays) -> Allocations:
        """The allocations of such arrays by name."""
        return cls(**{name: np.ma.getdata(arrays[name]) for name in cls.__slots__})

    def take(self, index: npt.NDArray[Any]) -> Allocations:
        """Those at places."""
        return Allocations(**{name: array[index] for name, array in self.as_dict().items()})


@dataclass(frozen=True, slots=True)
class Use:
    """The bytes in use, as a curve of steps: from ``time_ns`` on until the next row of a pair.

    A pair is a process and a sort of memory; ``count`` is the allocations behind the bytes.
    """

    time_ns: U64
    pid: U32
    process: U32
    memory: U8
    size_bytes: U64
    count: U64

    def as_dict(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name; nothing is copied."""
        return {name: getattr(self, name) for name in self.__slots__}


class Host(IntEnum):
    """What the host's side of a copy lies in."""

    PAGEABLE = 0
    PINNED = 1
    MANAGED = 2


@dataclass(frozen=True, slots=True)
class Copies:
    """Copies between host and device, summed up by process, direction (``kind``) and `Host`.

    ``timed_bytes`` moved in ``timed_ns``: in copies that the caller waited for, and in those of
    which the device told the time.
    """

    pid: U32
    kind: U16
    host: U8
    count: U64
    size_bytes: U64
    timed_bytes: U64
    timed_ns: U64

    def as_dict(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name; nothing is copied."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def of(cls, arrays: Arrays) -> Copies:
        """The copies of such arrays by name."""
        return cls(**{name: np.ma.getdata(arrays[name]) for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Moves:
    """Moves of managed memory, summed up by process, allocation and where to.

    ``object`` is the address of the allocation, 0 = unknown; ``moved_to`` the ordinal of the
    device + 1, 0 = the host. ``returned_bytes`` of the bytes had moved the other way before.
    """

    pid: U32
    object: U64
    moved_to: U64
    count: U64
    size_bytes: U64
    returned_bytes: U64
    duration_ns: U64

    def as_dict(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name; nothing is copied."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def of(cls, arrays: Arrays) -> Moves:
        """The moves of such arrays by name."""
        return cls(**{name: np.ma.getdata(arrays[name]) for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Map:
    """What is known of device memory."""

    allocations: Allocations
    use: Use
    copies: Copies
    moves: Moves

    @classmethod
    def of(cls, tables: Mapping[str, Arrays]) -> Map:
        """What such tables by name tell."""
        kept = {name: np.ma.getdata(column) for name, column in tables["memory"].items()}
        return cls(
            Allocations.of(tables["allocations"]),
            Use(**kept),
            Copies.of(tables["copies"]),
            Moves.of(tables["migrations"]),
        )

    @classmethod
    def empty(cls) -> Map:
        """Of a run that has none."""
        return cls(
            Allocations(**_nothing(Allocations.__slots__)),
            Use(**_nothing(Use.__slots__)),
            Copies(**_nothing(Copies.__slots__)),
            Moves(**_nothing(Moves.__slots__)),
        )

    def tables(self) -> dict[str, dict[str, npt.NDArray[Any]]]:
        """The tables by name, the largest first."""
        return {
            "memory": self.use.as_dict(),
            "allocations": self.allocations.as_dict(),
            "copies": self.copies.as_dict(),
            "migrations": self.moves.as_dict(),
        }


#: The types of columns that are no words of 64 bits.
_TYPES: dict[str, type[np.generic]] = {
    **dict.fromkeys(("pid", "tid", "process"), np.uint32),
    **dict.fromkeys(("memory", "ending", "pinned", "host"), np.uint8),
    **dict.fromkeys(("device", "request", "status"), np.int32),
    "kind": np.uint16,
}


def _nothing(names: tuple[str, ...]) -> dict[str, npt.NDArray[Any]]:
    return {name: np.zeros(0, _TYPES.get(name, np.uint64)) for name in names}

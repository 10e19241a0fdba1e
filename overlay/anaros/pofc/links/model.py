# SPDX-License-Identifier: Apache-2.0
"""What joins bytes that were read to the copies that moved them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from anaros.pofc.model import F32, I32, I64, U8, U16, U32, U64, Arrays, Mask


@dataclass(frozen=True, slots=True)
class Found:
    """L links between records: places of copies and of what was read, in the columns.

    ``size_bytes`` of the copy are from there; ``evidence`` is an `Evidence`; ``again`` tells that
    these bytes had been copied before.
    """

    copy: I64
    source: I64
    size_bytes: U64
    evidence: U8
    probability: F32
    again: Mask

    @classmethod
    def joined(cls, *parts: Found) -> Found:
        """All links of the parts."""
        return cls(*(np.concatenate([getattr(p, n) for p in parts]) for n in cls.__slots__))

    @classmethod
    def nothing(cls) -> Found:
        """No links."""
        place = np.zeros(0, np.int64)
        return cls(
            place,
            place,
            place.astype(np.uint64),
            place.astype(np.uint8),
            place.astype(np.float32),
            place.astype(np.bool_),
        )


@dataclass(frozen=True, slots=True)
class Links:
    """L links by the start of the copy: a copy to a device, and something read that it moved.

    ``start_ns``, ``tid``, ``stream``, ``copy_bytes`` and ``copy_address`` are the copy's;
    ``read_ns`` (when the read returned), ``read_tid``, ``kind``, ``object``, ``read_bytes`` and
    ``read_address`` are those of the read. ``size_bytes`` came from there to here. ``request`` is
    that of the copy, -1 for none.
    """

    start_ns: U64
    pid: U32
    tid: U32
    stream: U64
    copy_bytes: U64
    copy_address: U64
    read_ns: U64
    read_tid: U32
    kind: U16
    object: U64
    read_bytes: U64
    read_address: U64
    size_bytes: U64
    evidence: U8
    probability: F32
    again: U8
    request: I32

    def __len__(self) -> int:
        return len(self.start_ns)

    def as_dict(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name; nothing is copied."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def of(cls, arrays: Arrays) -> Links:
        """The links of such arrays by name."""
        return cls(**{name: np.ma.getdata(arrays[name]) for name in cls.__slots__})

    @classmethod
    def nothing(cls) -> Links:
        """No links."""
        types: dict[str, Any] = dict.fromkeys(cls.__slots__, np.uint64)
        types |= dict.fromkeys(("pid", "tid", "read_tid"), np.uint32)
        types |= dict.fromkeys(("evidence", "again"), np.uint8)
        types |= {"kind": np.uint16, "request": np.int32, "probability": np.float32}
        return cls(**{name: np.zeros(0, dtype) for name, dtype in types.items()})

# SPDX-License-Identifier: Apache-2.0
"""The record as numpy sees it, and columns of records.

The layout is that of ``shim/include/anaros/record.h``; the kinds are those of
``shim/include/anaros/kinds.h`` (generated into ``kinds.py``). A test compares both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

#: Field names and types, in the order in which they lie in memory.
FIELDS: tuple[tuple[str, str], ...] = (
    ("start_ns", "<u8"),
    ("duration_ns", "<u8"),
    ("pid", "<u4"),
    ("tid", "<u4"),
    ("kind", "<u2"),
    ("flags", "<u2"),
    ("status", "<i4"),
    ("object", "<u8"),
    ("size_bytes", "<u8"),
    ("address", "<u8"),
    ("context", "<u8"),
)

RECORD_DTYPE = np.dtype(list(FIELDS))
RECORD_BYTES = RECORD_DTYPE.itemsize

FLAG_FD_TYPE_MASK = 0x0007
FLAG_STDIO = 0x0008
FLAG_ASYNC = 0x0010
FLAG_PEEK = 0x0020
FLAG_OTHER_TENANT = 0x0040
FLAG_DEVICE_TIME = 0x0080
FLAG_PINNED = 0x0100
FLAG_CAPTURE = 0x0200
FLAG_OFFSET = 0x0400
FLAG_LISTENER = 0x0800
FLAG_ACCOUNTED = 0x1000
FLAG_KERNEL = 0x8000

U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I32 = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Columns:
    """N records as eleven arrays of shape (N,), one for each field of the record."""

    start_ns: U64
    duration_ns: U64
    pid: U32
    tid: U32
    kind: U16
    flags: U16
    status: I32
    object: U64
    size_bytes: U64
    address: U64
    context: U64

    def __len__(self) -> int:
        return len(self.start_ns)

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        return (getattr(self, field.name) for field in fields(self))

    def as_dict(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by field name; nothing is copied."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def take(self, index: npt.NDArray[Any] | slice) -> Columns:
        """The records that ``index`` (positions, a mask or a slice) selects."""
        return Columns(*(column[index] for column in self))

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, npt.NDArray[Any]]) -> Columns:
        """Columns from arrays by name; each is cast to the record's type if it differs."""
        return cls(*(np.asarray(mapping[name]).astype(dtype, copy=False) for name, dtype in FIELDS))

    @classmethod
    def from_records(cls, records: npt.NDArray[np.void]) -> Columns:
        """Columns from an array of ``RECORD_DTYPE``."""
        return cls(*(np.ascontiguousarray(records[name]) for name, _ in FIELDS))

    @classmethod
    def empty(cls, count: int = 0) -> Columns:
        """``count`` records of zeros."""
        return cls(*(np.zeros(count, dtype) for _, dtype in FIELDS))

    @classmethod
    def concatenate(cls, parts: Sequence[Columns]) -> Columns:
        """The records of all parts, in order."""
        if not parts:
            return cls.empty()
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))

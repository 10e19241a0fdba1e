# SPDX-License-Identifier: Apache-2.0
"""Hands arrays to the native passes (``overlay/anaros/native/pofc.h``), which hold no lock."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from anaros import natives
from anaros.records import Columns

ffi, lib = natives.native()

__all__ = ["Struct", "checked", "columns_of", "ffi", "lib", "pointer"]

_C_TYPES = {
    "?": "uint8_t[]",
    "B": "uint8_t[]",
    "H": "uint16_t[]",
    "i": "int32_t[]",
    "I": "uint32_t[]",
    "l": "int64_t[]",
    "L": "uint64_t[]",
}

#: The fields of a record that the native side looks at.
_FIELDS = (
    "start_ns",
    "duration_ns",
    "pid",
    "tid",
    "kind",
    "flags",
    "status",
    "object",
    "size_bytes",
    "address",
    "context",
)


def pointer(array: npt.NDArray[Any]) -> Any:
    """A C pointer to an array that lies in one piece; it keeps the array alive."""
    return ffi.from_buffer(_C_TYPES[array.dtype.char], array)


class Struct:
    """A C struct, and the arrays and structs that it points to."""

    __slots__ = ("_kept", "pointer")

    def __init__(self, name: str, **fields: Any) -> None:
        """Fills a struct.

        Args:
            name: Its name in C.
            fields: Numbers, arrays, structs or pointers; None is NULL.
        """
        self._kept = {key: _member(value) for key, value in fields.items()}
        self.pointer = ffi.new(f"struct {name} *", self._kept)


def _member(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return pointer(value)
    if isinstance(value, list):
        return [pointer(each) for each in value]
    if isinstance(value, Struct):
        return value.pointer
    return ffi.NULL if value is None else value


def columns_of(columns: Columns) -> Struct:
    """Records as the native side sees them; by start."""
    arrays = {name: np.ascontiguousarray(getattr(columns, name)) for name in _FIELDS}
    return Struct("pofc_columns", count=len(columns), **arrays)


def checked(result: int) -> int:
    """What a native pass returned.

    Raises:
        MemoryError: There was no memory for it.
    """
    if result < 0:
        raise MemoryError
    return int(result)

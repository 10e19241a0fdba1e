# SPDX-License-Identifier: Apache-2.0
"""The store's passes over every record, in C (``native/store.h``). They let other threads run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from anaros import natives
from anaros.records import U16, U32, U64

ffi, lib = natives.native()

Array = npt.NDArray[np.generic]

#: Places are 32-bit numbers: half of what is moved beside the smallest columns.
RECORDS_MAX = 2**32 - 1

#: What the records of one kind add up to; ``struct store_call``.
CALL_DTYPE = np.dtype(
    [(name, "u8") for name in ("count", "total_ns", "size_bytes", "first_ns", "end_ns", "flags")]
)
#: A kind is a 16-bit number.
KINDS = 1 << 16


def _pointer(what: str, array: npt.NDArray[Any]) -> Any:
    return ffi.cast(what, array.ctypes.data)


def sort(starts: U64, base: int, found: U64, order: U32, scratch: U64) -> None:
    """Sort starts; equal ones stay as they are to each other.

    Args:
        starts: Shape (N,).
        base: The place of the first one.
        found: Shape (N,): filled with the starts in their order.
        order: Shape (N,): filled with the place that each had.
        scratch: Twice as long at least; what it holds afterwards is nothing.
    """
    error = lib.anaros_store_sort(
        _pointer("uint64_t *", starts),
        len(starts),
        base,
        _pointer("uint64_t *", found),
        _pointer("uint32_t *", order),
        _pointer("uint64_t *", scratch),
    )
    if error:
        raise MemoryError


def scatter(sources: Sequence[Array], targets: Sequence[Array], places: U32) -> None:
    """Put column by column ``target[places[i]] = source[i]``.

    Args:
        sources: Arrays as long as ``places``, contiguous.
        targets: One for each, of its type.
        places: Places in the targets; they are not checked.
    """
    lib.anaros_store_scatter(
        ffi.new("void *[]", [ffi.cast("void *", array.ctypes.data) for array in sources]),
        ffi.new("void *[]", [ffi.cast("void *", array.ctypes.data) for array in targets]),
        bytes(array.itemsize for array in sources),
        len(sources),
        _pointer("uint32_t *", places),
        len(places),
    )


def keep_freed() -> None:
    """Let this process keep up to 64 MB of freed memory: a load then takes a fifth less."""
    lib.anaros_store_keep_freed()


def count_calls(
    start_ns: U64, duration_ns: U64, kind: U16, flags: U16, size_bytes: U64
) -> npt.NDArray[Any]:
    """Shape (KINDS,) of ``CALL_DTYPE``: what the records of each kind add up to."""
    calls = np.zeros(KINDS, CALL_DTYPE)
    lib.anaros_store_count(
        _pointer("uint64_t *", start_ns),
        _pointer("uint64_t *", duration_ns),
        _pointer("uint16_t *", kind),
        _pointer("uint16_t *", flags),
        _pointer("uint64_t *", size_bytes),
        len(kind),
        _pointer("struct store_call *", calls),
    )
    return calls


def place_by_kind(kind: U16, duration_ns: U64, first: U64, found: U64) -> None:
    """Put durations kind by kind, each kind's from its ``first`` on.

    Args:
        kind: Shape (N,).
        duration_ns: Shape (N,).
        first: Shape (KINDS,): places in ``found``; where each kind ends afterwards.
        found: Where they go.
    """
    lib.anaros_store_by_kind(
        _pointer("uint16_t *", kind),
        _pointer("uint64_t *", duration_ns),
        len(kind),
        _pointer("uint64_t *", first),
        _pointer("uint64_t *", found),
    )

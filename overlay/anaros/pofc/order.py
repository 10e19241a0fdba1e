# SPDX-License-Identifier: Apache-2.0
"""Order and joins on arrays: what the rest of the analysis is built from."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from anaros.pofc.model import I32, I64, U64, Ints, Mask
from anaros.pofc.native import checked, lib, pointer

_Number = TypeVar("_Number", bound=np.integer)

#: No time and no duration is longer: sums of two stay in an int64.
TIME_MAX = 1 << 61


def as_time(values: U64) -> I64:
    """Times or durations in ns as signed numbers; what no clock can show is clipped."""
    return np.minimum(values, np.uint64(TIME_MAX)).view(np.int64)


def distinct(values: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
    """The values, ascending, each once."""
    # Without counts np.unique imports numpy.ma, which nothing else needs and which takes 45 ms.
    found: npt.NDArray[_Number] = np.unique(values, return_counts=True)[0]
    return found


def latest(groups: Ints, times: I64, query_groups: Ints, query_times: I64) -> I64:
    """For each query the index of the latest entry of its group at or before its time, or -1.

    Entries need no order; among equal times the last one is taken.
    """
    found = np.empty(len(query_groups), np.int64)
    entries, queries = _words(groups, times), _words(query_groups, query_times)
    checked(
        lib.anaros_pofc_latest(
            *map(pointer, entries), len(groups), *map(pointer, queries), len(found), pointer(found)
        )
    )
    return found


def alone(groups: Ints, begins: I64, ends: I64, query_groups: Ints, query_times: I64) -> I64:
    """For each query the only entry of its group that goes on at its time; -1 for none or more.

    Args:
        groups: The group of each entry.
        begins: When each begins.
        ends: When each ends, not before it begins; at that time it still goes on.
        query_groups: The groups asked for.
        query_times: The times asked for.
    """
    found = np.empty(len(query_groups), np.int64)
    entries, queries = _words(groups, begins, ends), _words(query_groups, query_times)
    checked(
        lib.anaros_pofc_alone(
            *map(pointer, entries), len(groups), *map(pointer, queries), len(found), pointer(found)
        )
    )
    return found


def ordered(groups: Ints, times: I64) -> I64:
    """The entries group by group, each by time; equal ones as they are.

    Groups follow each other as they first come.
    """
    order = np.empty(len(groups), np.int64)
    entries = _words(groups, times)
    checked(lib.anaros_pofc_order(*map(pointer, entries), len(order), pointer(order)))
    return order


def _words(*arrays: Ints) -> list[I64]:
    return [np.ascontiguousarray(array, np.int64) for array in arrays]


def numbered(*columns: npt.NDArray[np.unsignedinteger[Any]]) -> tuple[I32, ...]:
    """Group numbers from 0 that agree between all the arrays given.

    Args:
        columns: Arrays of numbers; equal values get equal group numbers.
    """
    joined = np.concatenate(columns).astype(np.uint64, copy=False)
    number = np.empty(len(joined), np.int32)
    checked(lib.anaros_pofc_number(pointer(joined), len(joined), pointer(number)))
    return tuple(np.split(number, np.cumsum([len(column) for column in columns])[:-1]))


def among(values: U64, some: U64) -> Mask:
    """Which values are among some others."""
    number, theirs = numbered(values, some)
    chosen = np.zeros(len(values) + len(some), np.bool_)
    chosen[theirs] = True
    mine: Mask = chosen[number]
    return mine


def mix(pid: npt.NDArray[np.unsignedinteger], word: npt.NDArray[np.unsignedinteger]) -> U64:
    """A hash of (pid, word), to be compared for equality."""
    hashed = word.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    hashed ^= pid.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    return hashed ^ (hashed >> np.uint64(29))

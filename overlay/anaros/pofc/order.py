# SPDX-License-Identifier: Apache-2.0
"""Order and joins on arrays: what the rest of the analysis is built from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from anaros.pofc.model import I32, I64, U64, Ints, Mask
from anaros.pofc.native import checked, lib, pointer

#: No time and no duration is longer: sums of two stay in an int64.
TIME_MAX = 1 << 61

_KEY_BITS = 62


def as_time(values: U64) -> I64:
    """Times or durations in ns as signed numbers; what no clock can show is clipped."""
    return np.minimum(values, np.uint64(TIME_MAX)).view(np.int64)


def bits(count: int) -> int:
    """How many bits hold the numbers below ``count``."""
    return max(int(count - 1).bit_length(), 1)


def keys(groups: Sequence[Ints], times: Sequence[I64]) -> list[I64]:
    """One sortable number for each (group, time); those of all sequences can be compared.

    Args:
        groups: Arrays of group numbers from 0.
        times: Arrays of times, each of the shape of its groups.
    """
    filled = [time for time in times if len(time)]
    if not filled:
        return [np.zeros(0, np.int64) for _ in times]
    first = min(int(time.min()) for time in filled)
    last = max(int(time.max()) for time in filled)
    group_bits = bits(max(int(group.max()) for group in groups if len(group)) + 2)
    if bits(last - first + 1) + group_bits > _KEY_BITS:
        ranks = np.unique(np.concatenate(list(times)), return_inverse=True)[1]
        times = np.split(ranks.astype(np.int64), np.cumsum([len(time) for time in times])[:-1])
        first, last = 0, len(ranks)
    width = bits(last - first + 1)
    return [
        (group.astype(np.int64) << width) + (time - first)
        for group, time in zip(groups, times, strict=True)
    ]


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


def mix(pid: npt.NDArray[np.unsignedinteger], word: npt.NDArray[np.unsignedinteger]) -> U64:
    """A hash of (pid, word), to be compared for equality."""
    hashed = word.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    hashed ^= pid.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    return hashed ^ (hashed >> np.uint64(29))


def last_marked(marked: Mask) -> I64:
    """For each place the last marked place at or before it, -1 where there is none."""
    return np.maximum.accumulate(np.where(marked, np.arange(len(marked)), -1))

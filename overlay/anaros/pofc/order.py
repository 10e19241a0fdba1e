# SPDX-License-Identifier: Apache-2.0
"""Order and joins on arrays: what the rest of the analysis is built from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from anaros.pofc.model import I64, U64, Mask

#: No time and no duration is longer: sums of two stay in an int64.
TIME_MAX = 1 << 61

_KEY_BITS = 62

#: Sums up to here are exact as floats.
_EXACT = 2.0**52


def as_time(values: U64) -> I64:
    """Times or durations in ns as signed numbers; what no clock can show is clipped."""
    return np.minimum(values, np.uint64(TIME_MAX)).view(np.int64)


def bits(count: int) -> int:
    """How many bits hold the numbers below ``count``."""
    return max(int(count - 1).bit_length(), 1)


def keys(groups: Sequence[I64], times: Sequence[I64]) -> list[I64]:
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
    return [(group << width) + (time - first) for group, time in zip(groups, times, strict=True)]


def latest(groups: I64, times: I64, query_groups: I64, query_times: I64) -> I64:
    """For each query the index of the latest entry of its group at or before its time, or -1.

    Entries need no order; among equal times the last one is taken.
    """
    if not len(groups) or not len(query_groups):
        return np.full(len(query_groups), -1, np.int64)
    entry, query = keys([groups, query_groups], [times, query_times])
    order = np.argsort(entry, kind="stable")
    found = np.searchsorted(entry[order], query, side="right") - 1
    index = order[np.maximum(found, 0)]
    return np.where((found >= 0) & (groups[index] == query_groups), index, -1)


def earliest(groups: I64, times: I64, query_groups: I64, query_times: I64) -> I64:
    """For each query the index of the first entry of its group at or after its time, or -1."""
    flipped = latest(groups[::-1], -times[::-1], query_groups, -query_times)
    return np.where(flipped >= 0, len(groups) - 1 - flipped, -1)


def numbered(*columns: npt.NDArray[np.generic]) -> tuple[I64, ...]:
    """Group numbers for pairs of (pid, object) that agree between all the arrays given.

    Args:
        columns: Arrays of hashes; equal values get equal numbers.
    """
    joined = np.concatenate(columns)
    inverse = np.unique(joined, return_inverse=True)[1].astype(np.int64)
    return tuple(np.split(inverse, np.cumsum([len(column) for column in columns])[:-1]))


def mix(pid: npt.NDArray[np.unsignedinteger], word: npt.NDArray[np.unsignedinteger]) -> U64:
    """A hash of (pid, word), to be compared for equality."""
    hashed = word.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    hashed ^= pid.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    return hashed ^ (hashed >> np.uint64(29))


def last_marked(marked: Mask) -> I64:
    """For each place the last marked place at or before it, -1 where there is none."""
    return np.maximum.accumulate(np.where(marked, np.arange(len(marked)), -1))


def next_marked(marked: Mask) -> I64:
    """For each place the first marked place at or after it, len(marked) where there is none."""
    count = len(marked)
    places = np.where(marked, np.arange(count), count)
    return np.minimum.accumulate(places[::-1])[::-1]


def sums(bins: I64, values: I64, count: int) -> I64:
    """The exact sum of ``values`` for each of ``count`` bins.

    Args:
        bins: Bin of each value.
        values: Numbers; where their sums are long, none is below 0.
        count: How many bins there are.
    """
    if not len(bins):
        return np.zeros(count, np.int64)
    summed = np.bincount(bins, weights=values, minlength=count)
    if not len(summed) or max(summed.max(), -summed.min()) < _EXACT:
        return summed.astype(np.int64)
    # Too long for a float: in two halves, each exact.
    low = np.bincount(bins, weights=values & 0x7FFFFFF, minlength=count).astype(np.int64)
    high = np.bincount(bins, weights=values >> 27, minlength=count).astype(np.int64)
    return low + (high << 27)

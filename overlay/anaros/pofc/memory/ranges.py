# SPDX-License-Identifier: Apache-2.0
"""Ranges of addresses that begin and end in time, and which of them an address lay in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anaros.pofc.model import I64, U8, U64, Ints, Mask
from anaros.pofc.native import Struct, checked, lib
from anaros.pofc.order import distinct, latest


def places(*pairs: tuple[Ints, U64]) -> tuple[I64, ...]:
    """Numbers for addresses of groups that order them by group, then by address.

    Args:
        pairs: Groups and addresses; equal ones of one group get equal numbers, in all pairs.
    """
    words = np.concatenate([words for _, words in pairs])
    group = np.concatenate([group for group, _ in pairs]).astype(np.int64)
    place = group * (len(words) + 1) + np.searchsorted(distinct(words), words)
    return tuple(np.split(place, np.cumsum([len(words) for _, words in pairs])[:-1]))


def spread(first: I64, last: I64) -> tuple[I64, I64]:
    """All whole numbers from ``first`` to before ``last``, and the index of the pair of each."""
    count = np.maximum(last - first, 0)
    pair = np.repeat(np.arange(len(first)), count)
    begins = np.cumsum(count) - count
    return np.arange(len(pair)) - begins[pair] + first[pair], pair


def within(low: I64, high: I64, begins: I64, ends: I64, query: I64, query_times: I64) -> I64:
    """For each query the range that its place lay in at its time, or -1.

    Ranges that go on at the same time must not overlap; of some that do, any is found or none.
    The ranges stand in a tree over their bounds: in two nodes of each level at most, where an
    address is in one. The ranges of a node follow each other in time.

    Args:
        low: The first place of each range.
        high: The place after its last.
        begins: When it begins.
        ends: When it ends; then it is over.
        query: The places asked for.
        query_times: The times asked for.
    """
    found = np.full(len(query), -1, np.int64)
    bounds = distinct(np.concatenate([low, high]))
    if not len(bounds):
        return found
    size = 1 << len(bounds).bit_length()
    first, last = np.searchsorted(bounds, low) + size, np.searchsorted(bounds, high) + size
    # Before the first bound is a leaf that no range has.
    at = np.searchsorted(bounds, query, side="right") - 1
    at = np.where(at < 0, len(bounds), at) + size
    each = np.arange(len(low))
    while size:
        left, right = (first < last) & (first & 1 == 1), (first < last) & (last & 1 == 1)
        entry = np.concatenate([each[left], each[right]])
        node = np.concatenate([first[left], last[right] - 1])
        near = latest(node, begins[entry], at, query_times)
        hit = np.flatnonzero(near >= 0)
        hit = hit[ends[entry[near[hit]]] > query_times[hit]]
        found[hit] = entry[near[hit]]
        first, last = (first + left) >> 1, (last - right) >> 1
        at, size = at >> 1, size >> 1
    return found


#: What an event does to a range: ``enum pofc_touch``.
ASKS, WRITES, ERASES = 0, 1, 2

#: Runs of one event that asks, where nothing else is said.
_EACH_MAX = 1 << 16


@dataclass(frozen=True, slots=True)
class Runs:
    """Cells that were asked for, and the event that wrote them last.

    ``asker`` and ``writer`` are places of events, ``low`` and ``high`` the first cell and the one
    after the last; ``again`` tells that they had been asked for since they were written.
    """

    asker: I64
    writer: I64
    low: I64
    high: I64
    again: Mask


def last_writes(act: U8, low: I64, high: I64, cells: int, most: int = _EACH_MAX) -> Runs:
    """What each event that asks finds.

    Args:
        act: What each of E events does, in order of time.
        low: Its first cell.
        high: The cell after its last.
        cells: How many cells there are.
        most: Runs of one event at most, the first ones.

    Raises:
        MemoryError: There is no memory for it.
    """
    touches = Struct("pofc_touches", count=len(act), low=low, high=high, act=act)
    room = len(act)
    while True:
        names = ("asker", "writer", "low", "high")
        arrays = {name: np.empty(room, np.int64) for name in names}
        again = np.empty(room, np.bool_)
        out = Struct("pofc_overlaps", **arrays, again=again)
        count = checked(lib.anaros_pofc_overlaps(touches.pointer, cells, most, room, out.pointer))
        if count <= room:
            found = {name: array[:count] for name, array in arrays.items()}
            return Runs(**found, again=again[:count])
        room = count

# SPDX-License-Identifier: Apache-2.0
"""Counters that only grow, read now and then: what they grew by, and in which seconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anaros.coverage.model import I64, SECOND_NS, U64, Mask


@dataclass(frozen=True, slots=True)
class Growth:
    """By how much a counter grew from one reading to the next; each array has shape (N,).

    ``place`` is the reading at the end, ``begin_ns`` and ``end_ns`` the time of both.
    """

    place: I64
    begin_ns: I64
    end_ns: I64


def growth(
    owner: U64, time_ns: U64, ends: Mask, born_ns: U64, origin_ns: int
) -> tuple[Growth, I64]:
    """Which reading follows which.

    Args:
        owner: Shape (N,): whose counter it is; a number may be used again after an end.
        time_ns: Shape (N,): when it was read.
        ends: Shape (N,): this is its last reading.
        born_ns: Shape (N,): when its owner began, as far as this reading knows; 0: unknown.
        origin_ns: What began before had a count that is none of the run's.

    Returns:
        One growth for each reading that has something to start from, and of each the reading
        before: its place, or -1 where the counter starts at 0.
    """
    if not len(owner):
        nothing = np.zeros(0, np.int64)
        return Growth(nothing, nothing, nothing), nothing
    order = np.lexsort((ends, time_ns, owner))
    whose, ended = owner[order], ends[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (whose[1:] != whose[:-1]) | ended[:-1]
    times, born = time_ns[order].astype(np.int64), born_ns[order].astype(np.int64)
    before = np.where(first, -1, np.concatenate([[-1], order[:-1]]))
    begin = np.concatenate([[0], times[:-1]])
    begin[first] = np.where(born[first] > 0, np.minimum(born[first], times[first]), times[first])
    older = first & (born > 0) & (born < origin_ns)
    kept = ~older
    return Growth(order[kept], begin[kept], times[kept]), before[kept]


def grown(values: U64, found: Growth, before: I64) -> I64:
    """How much one counter grew in each growth; never less than 0."""
    now = values[found.place].astype(np.int64)
    earlier = np.where(before >= 0, values[np.maximum(before, 0)].astype(np.int64), 0)
    return np.maximum(now - earlier, 0)


def by_second(amount: I64, begin_ns: I64, end_ns: I64, origin_ns: int, seconds: int) -> U64:
    """Amounts spread evenly over their times, then added up by second.

    Args:
        amount: Shape (N,).
        begin_ns: Shape (N,): from when.
        end_ns: Shape (N,): until when; what has no length falls into the second of its end.
        origin_ns: Where second 0 begins.
        seconds: How many there are; what lies outside falls into the first or last.

    Returns:
        Shape (seconds,); its sum is that of ``amount``.
    """
    begin = np.clip(begin_ns - origin_ns, 0, seconds * SECOND_NS - 1)
    end = np.clip(end_ns - origin_ns, begin, seconds * SECOND_NS - 1)
    first, last = begin // SECOND_NS, end // SECOND_NS
    pieces = last - first + 1
    row = np.repeat(np.arange(len(amount)), pieces)
    number = np.arange(len(row)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    second = first[row] + number
    left = np.maximum(begin[row], second * SECOND_NS)
    right = np.minimum(end[row], (second + 1) * SECOND_NS)
    length = (end - begin)[row]
    share = np.where(length > 0, (right - left) / np.maximum(length, 1), number == pieces[row] - 1)
    summed = np.bincount(second, share * amount[row], minlength=seconds)
    # Rounded as a sum, so that nothing is lost; no float here is above 2^53 ns or bytes by far.
    until = np.rint(np.cumsum(summed)).astype(np.int64)
    if seconds:
        until[-1] = int(amount.sum())
    steps = np.diff(np.maximum.accumulate(np.minimum(until, int(amount.sum()))), prepend=0)
    return steps.astype(np.uint64)

# SPDX-License-Identifier: Apache-2.0
"""What all parts of the ledger's reckoning share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anaros.coverage.images import Images
from anaros.coverage.model import I64, SECOND_NS, U64, Mask, Total
from anaros.coverage.series import Growth, by_second
from anaros.records import FLAG_KERNEL, Columns


@dataclass(frozen=True, slots=True)
class Frame:
    """What all parts of the reckoning share."""

    columns: Columns
    images: Images
    origin_ns: int
    seconds: int
    attached: bool
    since_ns: int
    until_ns: int | None

    def calls(self, columns: Columns) -> Mask:
        """Which records tell of calls as the program made them."""
        if self.attached:
            return np.ones(len(columns), np.bool_)
        return np.asarray(columns.flags & FLAG_KERNEL == 0)

    def told(self, columns: Columns, image: I64) -> tuple[Mask, Mask]:
        """Which records of calls are those that were seen, and which fill what the shim missed.

        The kernel tells of the calls of programs that have no shim, beginning when they are worth
        it; ``image`` is whose each record is.
        """
        seen = self.calls(columns)
        return seen, ~seen & (image >= 0) & ~self.images.shim[np.maximum(image, 0)]

    def of(self, *kinds: int) -> Columns:
        """The records of these kinds."""
        return self.columns.take(np.flatnonzero(np.isin(self.columns.kind, kinds)))

    def witnessed(self, columns: Columns) -> Columns:
        """The readings that may be compared: later on nobody told of calls any more."""
        if self.until_ns is None:
            return columns
        return columns.take(np.flatnonzero(columns.start_ns <= np.uint64(self.until_ns)))

    def spread(self, amount: I64, begin_ns: I64, end_ns: I64) -> U64:
        """By second amounts that grew evenly over their times."""
        return by_second(amount, begin_ns, end_ns, self.origin_ns, self.seconds)

    def watched(self, amount: U64, unwatched: Sequence[tuple[int, int]]) -> U64:
        """By second as much of it as does not lie in such a time, from when to when in ns."""
        if not unwatched:
            return amount
        begin, end = np.array(unwatched, np.int64).T
        away = self.spread(np.maximum(end - begin, 0), begin, end)
        kept = 1.0 - np.minimum(away, SECOND_NS) / SECOND_NS
        return np.rint(amount * kept).astype(np.uint64)

    def at(self, amount: U64, time_ns: U64) -> U64:
        """By second amounts of one instant each."""
        times = time_ns.astype(np.int64)
        return self.spread(amount.astype(np.int64), times, times)


@dataclass(frozen=True, slots=True)
class Counted:
    """One quantity: by second and by program (or whatever is compared one by one)."""

    rows: tuple[U64, U64, U64]  # seen, filled, witnessed
    seen: U64
    filled: U64
    witnessed: U64

    @classmethod
    def of(
        cls, seen: tuple[U64, U64], filled: tuple[U64, U64], witnessed: tuple[U64, U64]
    ) -> Counted:
        """Each by program and by second."""
        rows = seen[1], filled[1], witnessed[1]
        return cls(rows, seen[0], filled[0], witnessed[0])

    def total(self) -> Total:
        """Of the whole run."""
        both = np.minimum(self.seen, self.witnessed)
        filled = np.minimum(self.filled, self.witnessed - both)
        sums = (int(each.sum()) for each in (self.seen, self.witnessed, both, filled))
        return Total(*sums)


@dataclass(frozen=True, slots=True)
class Spans:
    """From the first reading of each owner to its last, or its whole life; sorted by owner."""

    owner: U64
    begin_ns: I64
    end_ns: I64

    @classmethod
    def of(cls, owner: U64, found: Growth) -> Spans:
        """Those of the owners of readings whose growths these are."""
        return cls.over(owner[found.place], found.begin_ns, found.end_ns)

    @classmethod
    def over(cls, owner: U64, begin_ns: I64, end_ns: I64) -> Spans:
        """From the first to the last of the times of each owner."""
        owners, number = np.unique(owner, return_inverse=True)
        begin = np.full(len(owners), np.iinfo(np.int64).max)
        end = np.zeros(len(owners), np.int64)
        np.minimum.at(begin, number, begin_ns)
        np.maximum.at(end, number, end_ns)
        return cls(owners, begin, end)

    def hold(self, owner: U64, time_ns: U64) -> Mask:
        """Which of these times lie within the span of their owner."""
        if not len(self.owner):
            return np.zeros(len(owner), np.bool_)
        place = np.minimum(np.searchsorted(self.owner, owner), len(self.owner) - 1)
        when = time_ns.astype(np.int64)
        inside = (self.begin_ns[place] <= when) & (when <= self.end_ns[place])
        return np.asarray((self.owner[place] == owner) & inside)

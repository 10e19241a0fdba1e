# SPDX-License-Identifier: Apache-2.0
"""The order of time over runs of records that are each sorted and follow each other, almost.

They overlap where a record lasted long: it is written when it ends and belongs where it began.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anaros.records import U32, U64
from anaros.store import native

I64 = npt.NDArray[np.int64]

_NONE = np.empty(0, np.uint64)
_NO_PLACES = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class SortedRun:
    """N starts in their order.

    Attributes:
        starts: Shape (N,): sorted.
        order: Shape (N,): where each was before.
    """

    starts: U64
    order: U32


def sort_run(parts: Iterable[U64], room: int) -> SortedRun:
    """Sort the starts of all parts as one run; equal ones stay as they are to each other.

    Parts that follow each other in time, as they mostly do, are sorted one by one, each in the
    caches.

    Args:
        parts: Each may be a view that lives until the next one is asked for.
        room: They hold at most so many starts.
    """
    starts, order = np.empty(room, np.uint64), np.empty(room, np.uint32)
    scratch = np.empty(0, np.uint64)
    count, follow = 0, True
    for part in parts:
        if len(scratch) < 2 * len(part):
            scratch = np.empty(2 * len(part), np.uint64)
        end = count + len(part)
        native.sort(part, count, starts[count:end], order[count:end], scratch)
        if 0 < count < end:
            follow = follow and bool(starts[count - 1] <= starts[count])
        count = end
    run = SortedRun(starts[:count], order[:count])
    if follow:
        return run
    again = np.argsort(run.starts, kind="stable")
    return SortedRun(run.starts.take(again), run.order.take(again))


@dataclass(frozen=True, slots=True)
class Place:
    """Where the N starts of one run go among those of all runs.

    Attributes:
        first: How many starts of earlier runs are not late.
        late: Shape (K,): the places of this run's first K starts, which are late.
        inserted: Shape (L,): for each late start of any run, in order, how many of this run's
            other N - K starts come before it.
    """

    first: int
    late: I64
    inserted: I64

    def ranks(self, count: int) -> U32:
        """Shape (count,): the place of each start of this run of ``count``."""
        others = count - len(self.late)
        rank = np.arange(self.first, self.first + others, dtype=np.uint32)
        if len(self.inserted):
            steps = np.diff(self.inserted, prepend=0, append=others)
            rank += np.repeat(np.arange(len(steps), dtype=np.uint32), steps)
        return np.concatenate([self.late.astype(np.uint32), rank])


def places(runs: list[U64]) -> list[Place]:
    """Merge sorted runs; of equal starts those of the earlier run come first.

    A start is late if an earlier run has a greater one. Without the late ones the runs follow each
    other; the late ones, which are few where the runs are segments, are put between them.
    """
    cuts = _late_counts(runs)
    if sum(cuts) * 16 > sum(map(len, runs)):
        return _places_by_sorting(runs)
    late = np.concatenate([_NONE, *(starts[:cut] for starts, cut in zip(runs, cuts, strict=True))])
    order = np.argsort(late, kind="stable")
    late = late.take(order)
    rank = np.arange(len(late))
    firsts, inserted = [], []
    first = 0
    for starts, cut in zip(runs, cuts, strict=True):
        before = np.searchsorted(starts[cut:], late, side="right")
        rank += before
        firsts.append(first)
        inserted.append(before)
        first += len(starts) - cut
    return [
        Place(*fields) for fields in zip(firsts, _split(order, rank, cuts), inserted, strict=True)
    ]


def _late_counts(runs: list[U64]) -> list[int]:
    """How many starts of each run, its first ones, are late."""
    counts = []
    latest = np.uint64(0)
    for starts in runs:
        counts.append(int(np.searchsorted(starts, latest, side="left")))
        if len(starts):
            latest = max(latest, starts[-1])
    return counts


def _places_by_sorting(runs: list[U64]) -> list[Place]:
    """The same for runs that overlap so much that every start counts as late."""
    order = np.argsort(np.concatenate(runs), kind="stable")
    parts = _split(order, np.arange(len(order)), [len(starts) for starts in runs])
    return [Place(0, part, _NO_PLACES) for part in parts]


def _split(order: I64, rank: I64, counts: list[int]) -> list[I64]:
    """Ranks that are sorted by ``order`` put back, and cut into parts of ``counts``."""
    back = np.empty(len(order), np.int64)
    back[order] = rank
    return np.split(back, np.cumsum(counts)[:-1]) if counts else []

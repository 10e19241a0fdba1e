# SPDX-License-Identifier: Apache-2.0
"""The table of calls: what was recorded, kind by kind."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from anaros.records import FLAG_KERNEL, U16, U64, Columns
from anaros.store import native

F64 = npt.NDArray[np.float64]

#: The fields of the records that the table is made of.
FIELDS = ("start_ns", "duration_ns", "kind", "flags", "size_bytes")

_NEVER = np.uint64(2**64 - 1)

#: A thread takes at least this many records.
_SHARE_RECORDS = 1 << 18


@dataclass(frozen=True, slots=True)
class Calls:
    """K kinds of record, by their numbers; each array has shape (K,).

    ``kernel`` is 1 for kinds that the kernel plane saw, ``size_bytes`` the sum of that field,
    whatever it means for the kind; ``first_ns`` is when the first began and ``end_ns`` when the
    last ended. Sums wrap.
    """

    kind: U16
    kernel: npt.NDArray[np.uint8]
    count: U64
    total_ns: U64
    size_bytes: U64
    first_ns: U64
    end_ns: U64
    p50_ns: F64
    p99_ns: F64

    def as_dict(self) -> dict[str, npt.NDArray[np.generic]]:
        """The arrays by name; nothing is copied."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Calls:
        """The table of such arrays by name."""
        return cls(**{name: arrays[name] for name in cls.__slots__})

    @property
    def records(self) -> int:
        """Records of all kinds."""
        return int(self.count.sum())

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """From the start of the first record to the last end; None without records."""
        if not len(self.kind):
            return None
        return int(self.first_ns.min()), int(self.end_ns.max())


def tally(columns: Columns) -> Calls:
    """The table of calls of N records; of their fields it reads ``FIELDS``."""
    threads = min(os.cpu_count() or 1, 8, len(columns) // _SHARE_RECORDS + 1)
    bounds = [len(columns) * at // threads for at in range(threads + 1)]
    shares = [slice(*bound) for bound in itertools.pairwise(bounds)]
    with ThreadPoolExecutor(threads) as pool:
        counted = np.stack(list(pool.map(lambda share: _count(columns, share), shares)))
        kinds = np.flatnonzero(counted["count"].any(axis=0))
        counted = counted[:, kinds]
        durations = _by_kind(columns, shares, kinds, counted["count"], pool)
        quantiles = np.array(list(pool.map(_quantiles, durations))).reshape(-1, 2)
    first = counted[np.argmax(counted["count"] > 0, axis=0), np.arange(len(kinds))]
    return Calls(
        kind=kinds.astype(np.uint16),
        kernel=(first["flags"] & FLAG_KERNEL != 0).astype(np.uint8),
        count=counted["count"].sum(axis=0),
        total_ns=counted["total_ns"].sum(axis=0),
        size_bytes=counted["size_bytes"].sum(axis=0),
        first_ns=np.where(counted["count"] > 0, counted["first_ns"], _NEVER).min(axis=0),
        end_ns=counted["end_ns"].max(axis=0),
        p50_ns=quantiles[:, 0],
        p99_ns=quantiles[:, 1],
    )


def _count(columns: Columns, share: slice) -> npt.NDArray[Any]:
    return native.count_calls(
        columns.start_ns[share],
        columns.duration_ns[share],
        columns.kind[share],
        columns.flags[share],
        columns.size_bytes[share],
    )


def _by_kind(
    columns: Columns,
    shares: list[slice],
    kinds: npt.NDArray[np.intp],
    counts: U64,
    pool: ThreadPoolExecutor,
) -> list[U64]:
    """The durations of each kind: one pass instead of one for each kind."""
    ends = np.cumsum(counts.T.ravel()).reshape(counts.T.shape).T
    found = np.empty(len(columns), np.uint64)

    def place(number: int) -> None:
        first = np.zeros(native.KINDS, np.uint64)
        first[kinds] = ends[number] - counts[number]
        share = shares[number]
        native.place_by_kind(columns.kind[share], columns.duration_ns[share], first, found)

    list(pool.map(place, range(len(shares))))
    return np.split(found, ends[-1].astype(np.int64))[:-1]


def _quantiles(durations: U64) -> list[float]:
    """The median and the 99th percentile as `numpy.quantile` has them; reorders ``durations``."""
    last = len(durations) - 1
    places = [last * share for share in (0.5, 0.99)]
    lower = [int(place) for place in places]
    upper = [min(place + 1, last) for place in lower]
    durations.partition(sorted({*lower, *upper}))
    below, above = durations[lower].astype(np.float64), durations[upper].astype(np.float64)
    found: list[float] = (below + (above - below) * np.subtract(places, lower)).tolist()
    return found

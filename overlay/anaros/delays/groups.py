# SPDX-License-Identifier: Apache-2.0
"""Delays added up: by cause, by who did it, and by whose process was delayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from anaros.delays.model import U8, Delays
from anaros.records import U32, U64

#: A number below this is its own place in a table: all pids are, and all interrupts.
_DENSE = 1 << 22
#: Below this a number is its own rank.
_FEW = 16


@dataclass(frozen=True, slots=True)
class Groups:
    """G groups of delays; each array has shape (G,).

    ``cause``, ``owner``, ``by_class``, ``by``, ``thing`` and ``pid`` are as in `Delays`, ``count``
    and ``total_ns`` are sums, ``longest_ns`` is 0 where it is unknown.
    """

    cause: U8
    owner: U8
    by_class: U8
    by: U64
    thing: U64
    pid: U32
    count: U64
    total_ns: U64
    longest_ns: U64

    def __len__(self) -> int:
        return len(self.cause)

    def as_dict(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name; nothing is copied."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Groups:
        """The groups of such arrays by name."""
        return cls(**{name: arrays[name] for name in cls.__slots__})


def grouped(parts: Sequence[Delays]) -> Groups:
    """The groups of delays; each part is of one cause, and no cause has two parts."""
    found = [_group(part) for part in parts if len(part)]
    return Groups(
        **{
            name: np.concatenate([np.zeros(0, dtype), *(group[name] for group in found)])
            for name, dtype in _DTYPES.items()
        }
    )


_DTYPES = {
    **dict.fromkeys(("cause", "owner", "by_class"), np.uint8),
    "by": np.uint64,
    "thing": np.uint64,
    "pid": np.uint32,
    **dict.fromkeys(("count", "total_ns", "longest_ns"), np.uint64),
}


def _group(mine: Delays) -> dict[str, npt.NDArray[Any]]:
    keys = ("owner", "by_class", "by", "thing", "pid")
    code, first = _codes([getattr(mine, name) for name in keys])
    longest = np.zeros(len(first), np.uint64)
    np.maximum.at(longest, code, mine.longest_ns)
    return {
        "cause": mine.cause[first],
        **{name: getattr(mine, name)[first] for name in keys},
        "count": np.bincount(code, mine.count, len(first)).astype(np.uint64),
        "total_ns": np.bincount(code, mine.duration_ns, len(first)).astype(np.uint64),
        "longest_ns": longest,
    }


def _codes(
    columns: Sequence[npt.NDArray[Any]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.intp]]:
    """For each row the number of its group, and for each group a row of it."""
    code, many = np.zeros(len(columns[0]), np.int64), 1
    for column in columns:
        if not column.strides[0]:
            continue  # the same for all
        ranks, values = _ranks(column)
        if many * values > _DENSE:
            code, many = _ranks(code)
        code, many = code * values + ranks, many * values
    code, many = _ranks(code)
    first = np.zeros(many, np.intp)
    first[code] = np.arange(len(code))
    return code, first


def _ranks(column: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], int]:
    """The values as numbers from 0 on, in their order, and how many numbers there are."""
    most = int(column.max())
    if most < _FEW:
        return column.astype(np.int64), most + 1
    if most < _DENSE:
        seen = np.zeros(most + 1, np.int64)
        seen[column] = 1
        places = np.cumsum(seen) - 1
        return places[column], int(places[-1]) + 1
    values, ranks = np.unique(column, return_inverse=True)
    return ranks.astype(np.int64), len(values)

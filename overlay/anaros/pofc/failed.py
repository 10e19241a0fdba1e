# SPDX-License-Identifier: Apache-2.0
"""Which calls of device libraries failed, and with what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anaros.kinds import Kind
from anaros.pofc.model import I32, U16, U64, Arrays
from anaros.records import Columns
from anaros.store.failures import Rule, rule_of

_RULES = {kind: rule_of(kind) for kind in Kind if kind >> 8 == Kind.GPU_LAUNCH >> 8}

#: Kinds of call that can fail.
ABOUT = tuple(kind for kind, rule in _RULES.items() if rule is not Rule.NEVER)

_QUESTIONS = tuple(kind for kind, rule in _RULES.items() if rule is Rule.ANSWER)
_ERRNO = tuple(kind for kind, rule in _RULES.items() if rule is Rule.ERRNO)
#: "Not yet" is an answer.
_NOT_YET = (1, 600)


@dataclass(frozen=True, slots=True)
class Failed:
    """F pairs of a kind and a status, and how many calls (``count``) had both."""

    kind: U16
    status: I32
    count: U64

    @classmethod
    def of(cls, arrays: Arrays) -> Failed:
        """The pairs of such arrays by name."""
        return cls(**{name: np.ma.getdata(arrays[name]) for name in cls.__slots__})

    def as_dict(self) -> Arrays:
        """The arrays by name; nothing is copied."""
        return {name: getattr(self, name) for name in self.__slots__}


def failed_of(columns: Columns) -> Failed:
    """Counts the calls that failed.

    Args:
        columns: N records in any order.
    """
    some = np.flatnonzero(columns.status != 0)
    kind, status = columns.kind[some], columns.status[some]
    failed = np.isin(kind, ABOUT)
    failed &= ~(np.isin(kind, _QUESTIONS) & np.isin(status, _NOT_YET))
    failed &= ~(np.isin(kind, _ERRNO) & (status > 0))
    word = kind[failed].astype(np.int64) << 32 | status[failed].astype(np.int64) & 0xFFFFFFFF
    pairs, count = np.unique(word, return_counts=True)
    return Failed(
        (pairs >> 32).astype(np.uint16),
        (pairs & 0xFFFFFFFF).astype(np.uint32).view(np.int32),
        count.astype(np.uint64),
    )

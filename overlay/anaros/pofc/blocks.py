# SPDX-License-Identifier: Apache-2.0
"""Blocks of records, small enough for the cache, on all processors where that is worth it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol, TypeVar

_WORTH = 1 << 17

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


class Mapper(Protocol):
    """What runs jobs, in turn or at once."""

    def __call__(
        self, function: Callable[[_Job], _Result], jobs: Iterable[_Job], /
    ) -> Iterable[_Result]:
        """The results, in the order of the jobs."""


@contextmanager
def mapper(records: int) -> Iterator[Mapper]:
    """What runs the blocks of so many records."""
    if records <= _WORTH:
        yield map
        return
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        yield pool.map

# SPDX-License-Identifier: Apache-2.0
"""The order of time over overlapping runs, against a plain sort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from anaros.store import order

U64_MAX = 2**64 - 1


def starts_of(last: int) -> st.SearchStrategy[np.ndarray]:
    return arrays.arrays(np.uint64, st.integers(0, 40), elements=st.integers(0, last))


def merged(runs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Starts and sources (run, position) as the places say."""
    total = sum(map(len, runs))
    starts = np.zeros(total, np.uint64)
    taken = np.zeros(total, np.int64)
    sources = np.zeros(total, np.int64)
    first = 0
    for run, place in zip(runs, order.places(runs), strict=True):
        ranks = place.ranks(len(run))
        starts[ranks] = run
        sources[ranks] = np.arange(first, first + len(run))
        np.add.at(taken, ranks, 1)
        first += len(run)
    assert (taken == 1).all()
    return starts, sources


@settings(deadline=None)
@given(st.lists(st.one_of(starts_of(20), starts_of(U64_MAX)), max_size=6))
def test_sort_run_is_a_stable_sort_of_its_parts(parts: list[np.ndarray]) -> None:
    everything = np.concatenate([np.empty(0, np.uint64), *parts])
    run = order.sort_run(iter(parts), len(everything) + 3)
    expected = np.argsort(everything, kind="stable")
    assert (run.order == expected).all()
    assert (run.starts == everything[expected]).all()


@pytest.mark.parametrize("bits", [1, 10, 11, 12, 33, 47, 48, 64])
@pytest.mark.parametrize("count", [1, 2, 3000, 70_000])
def test_starts_of_any_span_are_sorted(bits: int, count: int) -> None:
    random = np.random.default_rng(bits)
    starts = random.integers(0, 2**bits - 1, count, np.uint64, endpoint=True)
    run = order.sort_run([starts], count)
    expected = np.argsort(starts, kind="stable")
    assert (run.order == expected).all()
    assert (run.starts == starts[expected]).all()


@settings(deadline=None)
@given(st.lists(st.one_of(starts_of(30), starts_of(U64_MAX)), max_size=7))
def test_places_are_a_stable_merge(parts: list[np.ndarray]) -> None:
    runs = [np.sort(part) for part in parts]
    starts, sources = merged(runs)
    everything = np.concatenate([np.empty(0, np.uint64), *runs])
    expected = np.argsort(everything, kind="stable")
    assert (sources == expected).all()
    assert (starts == everything[expected]).all()


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(0, 3))
def test_places_of_runs_with_few_late_starts(seed: int, count: int, late: int) -> None:
    random = np.random.default_rng(seed)
    runs = []
    for number in range(count):
        bulk = random.integers(number * 100, number * 100 + 100, 80, dtype=np.uint64)
        stragglers = random.integers(0, number * 100 + 1, late, dtype=np.uint64)
        runs.append(np.sort(np.concatenate([bulk, stragglers])))
    starts, sources = merged(runs)
    expected = np.argsort(np.concatenate(runs), kind="stable")
    assert (sources == expected).all()
    assert (starts == np.concatenate(runs)[expected]).all()

# SPDX-License-Identifier: Apache-2.0
"""The table of calls against a loop, however its records are shared out."""

from __future__ import annotations

import os

import numpy as np
import pytest

from anaros.records import FLAG_KERNEL, Columns
from anaros.store import calls
from anaros.store.calls import Calls, tally


def some_records(count: int, kinds: list[int]) -> Columns:
    random = np.random.default_rng(count)
    columns = Columns.empty(count)
    columns.kind[:] = random.choice(np.array(kinds, np.uint16), count)
    columns.start_ns[:] = np.sort(random.integers(10**12, 10**13, count))
    columns.duration_ns[:] = random.integers(0, 10**9, count)
    columns.size_bytes[:] = random.integers(0, 2**40, count)
    columns.flags[:] = np.where(columns.kind >= 0x0500, FLAG_KERNEL, 1)
    return columns


@pytest.mark.parametrize("threads", [1, 3, 8])
@pytest.mark.parametrize("count", [1, 2, 40, 5000])
def test_a_tally_agrees_with_a_loop(
    monkeypatch: pytest.MonkeyPatch, count: int, threads: int
) -> None:
    monkeypatch.setattr(calls, "_SHARE_RECORDS", 7)
    monkeypatch.setattr(os, "cpu_count", lambda: threads)
    columns = some_records(count, [0, 0x0103, 0x0501, 0xFFFF])
    if count > 40:
        columns.kind[-3:] = 0x0502  # in the last share only
        columns.flags[-3:] = FLAG_KERNEL
    found = tally(columns)
    assert found.kind.tolist() == sorted(set(columns.kind.tolist()))
    assert found.records == count
    ends = columns.start_ns + columns.duration_ns
    assert found.span_ns == (int(columns.start_ns.min()), int(ends.max()))
    for place, kind in enumerate(found.kind.tolist()):
        mine = columns.kind == kind
        durations = columns.duration_ns[mine]
        assert found.kernel[place] == (kind >= 0x0500)
        assert found.count[place] == mine.sum()
        assert found.total_ns[place] == durations.sum()
        assert found.size_bytes[place] == columns.size_bytes[mine].sum()
        assert found.first_ns[place] == columns.start_ns[mine].min()
        assert found.end_ns[place] == ends[mine].max()
        expected = np.quantile(durations, (0.5, 0.99))
        assert (found.p50_ns[place], found.p99_ns[place]) == pytest.approx(tuple(expected))


def test_the_records_are_left_as_they_are() -> None:
    columns = some_records(300, [1, 2])
    before = columns.duration_ns.copy()
    tally(columns)
    assert (columns.duration_ns == before).all()


def test_no_records_have_no_kinds() -> None:
    found = tally(Columns.empty())
    assert (len(found.kind), found.records, found.span_ns) == (0, 0, None)
    again = Calls.of(found.as_dict())
    assert {array.dtype for array in again.as_dict().values()} == {
        np.dtype(name) for name in ("u1", "u2", "u8", "f8")
    }

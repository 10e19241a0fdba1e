# SPDX-License-Identifier: Apache-2.0
"""The native order of storage against the one that numpy makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anaros.records import FIELDS, Columns

arena = pytest.importorskip("anaros.capture.rings.arena", reason="needs the native module")


def filled(path: Path, rows: int, seed: int, spread_ns: int) -> tuple[object, Columns]:
    """A segment with random records, laid down as the drain does it."""
    random = np.random.default_rng(seed)
    columns = Columns.from_mapping(
        {
            name: random.integers(0, high, rows)
            for (name, _), high in zip(
                FIELDS,
                (spread_ns, 1000, 50, 90_000, 700, 9, 99, 2**60, 5000, 2**47, 2),
                strict=True,
            )
        }
    )
    segment = arena.Segment.create(path)
    for place, column in enumerate(columns):
        size = column.nbytes
        arena.ffi.memmove(segment.handle.columns[place], column.tobytes(), size)
    segment.handle.header.count = rows
    return segment, columns


@settings(deadline=None, max_examples=30)
@given(
    rows=st.integers(0, 3000),
    seed=st.integers(0, 99),
    spread_ns=st.sampled_from([1, 1000, 2**40, 2**63 - 1]),
    block=st.sampled_from([1, 7, 512, 65_536]),
)
def test_blocks_in_time_and_inside_by_kind_and_thread(
    tmp_path_factory: pytest.TempPathFactory, rows: int, seed: int, spread_ns: int, block: int
) -> None:
    path = tmp_path_factory.mktemp("segment") / "segment-0"
    segment, columns = filled(path, rows, seed, spread_ns)
    seen = segment.clustered_columns(block)  # type: ignore[attr-defined]
    by_time = np.argsort(columns.start_ns, kind="stable")
    parts = []
    for at in range(0, rows, block):
        part = by_time[at : at + block]
        keys = (columns.tid[part] & 0xFFFF, columns.kind[part])
        parts.append(part[np.lexsort(keys)])
    order = np.concatenate(parts) if parts else by_time
    for name, _ in FIELDS:
        assert np.array_equal(getattr(seen, name), getattr(columns, name)[order]), name
    segment.close()  # type: ignore[attr-defined]
    path.unlink()

# SPDX-License-Identifier: Apache-2.0
"""What the report names of the bytes that the shim missed."""

from __future__ import annotations

import numpy as np
import pytest

from anaros.coverage import partly_seen
from anaros.coverage.model import Programs
from anaros.store.names import Names


def programs(read: list[int], missed: list[int]) -> Programs:
    """Programs with the shim that read so much by the kernel's count."""
    count = len(read)
    nothing = np.zeros(count, np.uint64)
    moved = {"kernel_read": np.array(read, np.uint64)}
    moved["shim_read"] = moved["kernel_read"] - np.array(missed, np.uint64)
    known = {"pid": np.arange(1, count + 1, dtype=np.uint32), "shim": np.ones(count, np.uint8)}
    fields = dict.fromkeys(Programs.__slots__, nothing)
    return Programs(**{**fields, **known, **moved})


@pytest.mark.parametrize(
    ("read", "missed", "named"),
    [
        # Of little a little is told, of much it is not.
        ([1_000_000, 1_000_000], [5_000, 3_000], [1]),
        ([100_000_000, 1_000_000], [40_000, 60_000], [2]),
        # 64 KiB always are, and nothing below 4.
        ([1 << 40, 1 << 40], [65_536, 65_535], [1]),
        ([9_000, 5_000], [4_095, 0], []),
    ],
)
def test_programs_are_named_that_moved_much_of_the_run_past_the_shim(
    read: list[int], missed: list[int], named: list[int]
) -> None:
    found = partly_seen(programs(read, missed), Names())
    assert [row["pid"] for row in found] == named
    assert [row["read_bytes"] for row in found] == [missed[pid - 1] for pid in named]

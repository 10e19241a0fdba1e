# SPDX-License-Identifier: Apache-2.0
"""Where the machine's memory was placed; the nodes are files, for few machines have two."""

from __future__ import annotations

import os
from pathlib import Path

from anaros.capture.host.numa import Placement
from anaros.kinds import Kind

Row = tuple[int, int, int, int]

PAGE_BYTES = os.sysconf("SC_PAGESIZE")


def place(nodes: Path, node: int, hit: int, miss: int, other: int) -> None:
    """As the kernel has it."""
    folder = nodes / f"node{node}"
    folder.mkdir(exist_ok=True)
    (folder / "numastat").write_text(
        f"numa_hit {hit}\nnuma_miss {miss}\nnuma_foreign 0\ninterleave_hit 0\n"
        f"local_node {hit + miss - other}\nother_node {other}\n"
    )


def told(placement: Placement) -> list[Row]:
    found: list[Row] = []

    def note(kind: Kind, start_ns: int, duration_ns: int, values: Row) -> None:
        assert kind == Kind.MEM_REMOTE
        assert start_ns > 0
        assert duration_ns >= 0
        node, *placed = values
        remote, given, missed = (size_bytes // PAGE_BYTES for size_bytes in placed)
        found.append((node, remote, given, missed))

    placement.tell(note)
    return found


def test_nodes_that_gave_memory_to_others_are_told(tmp_path: Path) -> None:
    place(tmp_path, 0, 1000, 5, 7)
    place(tmp_path, 1, 2000, 0, 0)
    (tmp_path / "has_cpu").write_text("0-1\n")
    placement = Placement(str(tmp_path))
    assert told(placement) == []
    place(tmp_path, 0, 1100, 25, 57)
    place(tmp_path, 1, 2100, 0, 0)
    assert told(placement) == [(0, 50, 120, 20)]
    place(tmp_path, 1, 2100, 0, 3)
    assert told(placement) == [(1, 3, 0, 0)]
    assert told(placement) == []


def test_one_node_has_no_other(tmp_path: Path) -> None:
    place(tmp_path, 0, 1, 0, 0)
    placement = Placement(str(tmp_path))
    place(tmp_path, 0, 2, 1, 1)
    assert told(placement) == []


def test_a_node_that_goes_or_lies_is_left_out(tmp_path: Path) -> None:
    for node in (0, 1, 2):
        place(tmp_path, node, 10, 0, 0)
    placement = Placement(str(tmp_path))
    place(tmp_path, 0, 10, 0, 4)
    (tmp_path / "node1/numastat").unlink()
    (tmp_path / "node2/numastat").write_text("numa_hit many\n")
    assert told(placement) == [(0, 4, 0, 0)]
    assert told(Placement(str(tmp_path / "none"))) == []

# SPDX-License-Identifier: Apache-2.0
"""Graphs, collectives and storage in the report, over records made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from anaros import report
from anaros.kinds import Kind, NameClass
from anaros.records import Columns
from anaros.store.names import Names, write_names
from anaros.store.rundir import RunDirectory
from anaros.store.segments import write_segment

START_NS = 5_000_000_000
CAPTURE, DIRECT, WRITE = 0x200, 2, 1


def written(path: Path, rows: list[dict[str, int]]) -> RunDirectory:
    run = RunDirectory.create(path / "run", {"start_ns": START_NS, "command": ["true"]})
    arrays = Columns.empty(len(rows)).as_dict()
    for place, row in enumerate(rows):
        for name, value in {"start_ns": START_NS + place, **row}.items():
            arrays[name][place] = value
    write_segment(run, Columns.from_mapping(arrays), 0)
    return run


def graph(**fields: int) -> dict[str, int]:
    return {"kind": Kind.GPU_GRAPH, **fields}


def test_a_program_without_them_has_none(tmp_path: Path) -> None:
    assert report.build(written(tmp_path, [{"kind": Kind.GPU_LAUNCH}]))["offload"] is None


def test_graphs_count_what_they_ran(tmp_path: Path) -> None:
    rows = [
        *({"kind": Kind.GPU_LAUNCH, "flags": CAPTURE} for _ in range(3)),
        {"kind": Kind.GPU_LAUNCH},
        *(graph(size_bytes=5, context=3) for _ in range(10)),
        graph(),
        graph(flags=CAPTURE),
        graph(status=700),
    ]
    assert report.build(written(tmp_path, rows))["offload"] == {
        "graphs": {
            "launches": 11,
            "launches_not_told": 1,
            "nodes": 50,
            "kernels": 30,
            "kernels_captured": 3,
        },
        "collectives": [],
        "storage": [],
    }


def test_collectives_are_told_by_name_and_waits_apart(tmp_path: Path) -> None:
    kind = Kind.GPU_COLLECTIVE
    rows = [
        *({"kind": kind, "address": 1, "size_bytes": 100, "duration_ns": 10**6} for _ in range(4)),
        {"kind": kind, "address": 2, "size_bytes": 7, "duration_ns": 10},
        {"kind": kind, "address": 3, "size_bytes": 8, "duration_ns": 20},
        {"kind": kind, "address": 4, "duration_ns": 10**7},
        {"kind": kind, "address": 5},
    ]
    run = written(tmp_path, rows)
    names = ["AllReduce RING LL Int8", "Send Int8 peer 1", "Send Int8 peer 12"]
    names.append("send waits for network")
    write_names(
        run,
        Names(
            object=np.arange(1, 5, dtype=np.uint64),
            name_class=np.full(4, NameClass.KERNEL, np.uint8),
            start_ns=np.zeros(4, np.uint64),
            pid=np.zeros(4, np.uint32),
            name=names,
        ),
    )
    found = report.build(run)["offload"]["collectives"]
    assert [(row["name"], row["count"], row["bytes"], row["waits"]) for row in found] == [
        ("send waits for network", 1, 0, True),
        ("AllReduce RING LL Int8", 4, 400, False),
        ("Send Int8", 2, 15, False),
        (None, 1, 0, False),
    ]
    assert found[1]["total_ms"] == 4.0


def test_storage_is_told_by_way(tmp_path: Path) -> None:
    kind = Kind.GPU_STORAGE
    rows = [
        {"kind": kind, "flags": DIRECT, "size_bytes": 10, "duration_ns": 500},
        {"kind": kind, "flags": DIRECT | 0x400, "size_bytes": 20},
        {"kind": kind, "flags": DIRECT | WRITE, "status": -5, "duration_ns": 10},
    ]
    found = report.build(written(tmp_path, rows))["offload"]["storage"]
    assert [tuple(row.values()) for row in found] == [
        ("read", "direct", False, 2, 0, 30, 500 / 1e6),
        ("write", "direct", False, 1, 1, 0, 10 / 1e6),
    ]

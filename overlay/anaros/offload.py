# SPDX-License-Identifier: Apache-2.0
"""What a report tells of work that no call of the program names: graphs, NCCL, cuFile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from anaros.kinds import Kind, NameClass
from anaros.records import Columns
from anaros.store import segments
from anaros.store.calls import Calls
from anaros.store.names import read_names
from anaros.store.rundir import RunDirectory

FLAG_CAPTURE = 0x200
#: ``enum anaros_storage``.
_WAYS = {0: "posix", 2: "direct", 4: "rdma"}
_WRITE, _BOUNCED = 1, 8
_KINDS = (Kind.GPU_GRAPH, Kind.GPU_COLLECTIVE, Kind.GPU_STORAGE)
_PEER = re.compile(r" peer \d+$")


def offload_of(
    run: RunDirectory, tallied: Calls, window: tuple[int, int] | None
) -> dict[str, Any] | None:
    """``offload`` of the report; None where there was none of it.

    Args:
        run: The run.
        tallied: What was recorded in the window, by kind.
        window: First and last ns; None is the whole run.
    """
    wanted = [kind for kind in _KINDS if (tallied.kind == kind).any()]
    if not wanted:
        return None
    columns = segments.load(run, kinds=wanted, window=window)
    captured = (
        segments.load(run, kinds=[Kind.GPU_LAUNCH], window=window, fields=("kind", "flags"))
        if Kind.GPU_GRAPH in wanted
        else None
    )
    return {
        "graphs": _graphs(_of(columns, Kind.GPU_GRAPH), captured),
        "collectives": list(_collectives(run, _of(columns, Kind.GPU_COLLECTIVE))),
        "storage": list(_storage(_of(columns, Kind.GPU_STORAGE))),
    }


def _of(columns: Columns, kind: Kind) -> Columns:
    return columns.take(columns.kind == kind)


def _graphs(launched: Columns, kernels: Columns | None) -> dict[str, Any] | None:
    """Launches that ran, with the nodes and kernels that they ran where those are known."""
    ran = launched.take(((launched.flags & FLAG_CAPTURE) == 0) & (launched.status == 0))
    if not len(ran) or kernels is None:
        return None
    return {
        "launches": len(ran),
        "launches_not_told": int((ran.size_bytes == 0).sum()),
        "nodes": int(ran.size_bytes.sum()),
        "kernels": int(ran.context.sum()),
        "kernels_captured": int(((kernels.flags & FLAG_CAPTURE) != 0).sum()),
    }


def _collectives(run: RunDirectory, found: Columns) -> Iterator[dict[str, Any]]:
    """By what NCCL did, whoever the peer was; the longest total time first."""
    known = read_names(run)
    texts = {
        int(known.object[place]): _PEER.sub("", known.name[place])
        for place in np.flatnonzero(known.name_class == NameClass.KERNEL).tolist()
    }
    objects, which = np.unique(found.address, return_inverse=True)
    names = [texts.get(number) for number in objects.tolist()]
    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys(names):
        mine = found.take(np.isin(which, [i for i, other in enumerate(names) if other == name]))
        rows.append(
            {
                "name": name,
                "count": len(mine),
                "bytes": int(mine.size_bytes.sum()),
                "total_ms": float(mine.duration_ns.sum()) / 1e6,
                "p99_ms": float(np.percentile(mine.duration_ns, 99)) / 1e6,
                "waits": name is not None and " waits for " in name,
            }
        )
    yield from sorted(rows, key=lambda row: -row["total_ms"])


def _storage(found: Columns) -> Iterator[dict[str, Any]]:
    """By direction and way; the time is that of transfers whose start is known."""
    ways = found.flags & 0xF
    for way in np.unique(ways).tolist():
        mine = found.take(ways == way)
        yield {
            "direction": "write" if way & _WRITE else "read",
            "way": _WAYS.get(way & 6),
            "bounced": bool(way & _BOUNCED),
            "count": len(mine),
            "failed": int((mine.status < 0).sum()),
            "bytes": int(mine.size_bytes.sum()),
            "total_ms": float(mine.duration_ns.sum()) / 1e6,
        }

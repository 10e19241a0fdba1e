# SPDX-License-Identifier: Apache-2.0
"""Device memory of a run that goes on: what is held now, by whom, and the most that was.

What is over is only needed for the high water mark. So the past is looked at once, and made
shorter: what is still held, and what other records may be about. With the newest records that is
the whole map, and little work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from anaros.kinds import Kind
from anaros.pofc.memory.allocations import memory_map
from anaros.pofc.memory.model import Allocations, Ending, Map, Memory
from anaros.pofc.memory.summary import holders
from anaros.pofc.model import U64
from anaros.pofc.order import distinct
from anaros.records import FLAG_FD_TYPE_MASK, FLAG_PINNED, Columns

#: What there is to know of memory that is held; of a whole run these records are needed.
KINDS = (
    Kind.GPU_ALLOC,
    Kind.GPU_FREE,
    Kind.GPU_VM_MAP,
    Kind.GPU_VM_UNMAP,
    Kind.GPU_CONTEXT,
    Kind.PROC_SHIM,
    Kind.PROC_EXIT,
)

_Sort = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Past:
    """What records were about, made short.

    Attributes:
        records: Those that what follows may be about.
        most: The high water mark of each process and sort of memory.
        failed: How many allocations failed.
    """

    records: Columns = field(default_factory=Columns.empty)
    most: Mapping[_Sort, int] = field(default_factory=dict)
    failed: int = 0


def past_of(columns: Columns) -> Past:
    """Makes records short.

    Args:
        columns: Records of `KINDS` by start.
    """
    found = memory_map(columns)
    made = found.allocations
    sort = columns.flags & FLAG_FD_TYPE_MASK
    plain = (columns.kind == Kind.GPU_ALLOC) | (columns.kind == Kind.GPU_FREE)
    kept = columns.take(np.flatnonzero(~plain | (sort == Memory.PHYSICAL) & (columns.status == 0)))
    held = made.take(
        np.flatnonzero((made.ending == Ending.OPEN) & (made.memory != Memory.PHYSICAL))
    )
    both = Columns.concatenate([kept, _records(held)])
    order = np.argsort(both.start_ns, kind="stable")
    return Past(both.take(order), _most(found), int((made.ending == Ending.FAILED).sum()))


def _records(held: Allocations) -> Columns:
    """The calls that made allocations."""
    columns = Columns.empty(len(held))
    columns.start_ns[:] = held.start_ns - held.alloc_ns
    columns.duration_ns[:] = held.alloc_ns
    columns.kind[:] = Kind.GPU_ALLOC
    columns.flags[:] = held.memory + np.uint16(FLAG_PINNED) * (held.pinned != 0)
    columns.address[:] = held.origin
    for name in ("pid", "tid", "object", "size_bytes"):
        getattr(columns, name)[:] = getattr(held, name)
    return columns


def _most(found: Map) -> dict[_Sort, int]:
    use = found.use
    key = use.pid.astype(np.uint64) << np.uint64(8) | use.memory
    group = distinct(key)
    most: U64 = np.zeros(len(group), np.uint64)
    np.maximum.at(most, np.searchsorted(group, key), use.size_bytes)
    return {(int(k) >> 8, int(k) & 255): int(v) for k, v in zip(group, most, strict=True)}


def standing(past: Past, newest: Columns) -> dict[str, Any] | None:
    """What is held now.

    Args:
        past: What was before.
        newest: The records of `KINDS` that followed, by start.

    Returns:
        None without any device memory; else ``sorts``, one for each process and sort of memory,
        the most bytes first: ``pid``, ``sort``, ``in_use_bytes``, ``in_use``,
        ``high_water_bytes`` and ``holders`` as `holders` tells; and ``failed``.
    """
    found = memory_map(Columns.concatenate([past.records, newest]))
    made = found.allocations
    if not len(made) and not past.most and not past.failed:
        return None
    most = dict(past.most)
    for key, size in _most(found).items():
        most[key] = max(size, most.get(key, 0))
    is_open = (made.ending != Ending.FAILED) & (made.end_ns == 0)
    sorts: list[dict[str, Any]] = []
    for (pid, memory), size in most.items():
        mine = made.take(np.flatnonzero(is_open & (made.pid == pid) & (made.memory == memory)))
        sorts.append(
            {
                "pid": pid,
                "sort": Memory(memory).name.lower(),
                "in_use_bytes": int(mine.size_bytes.sum()),
                "in_use": len(mine),
                "high_water_bytes": size,
                "holders": holders(mine),
            }
        )
    sorts.sort(key=lambda row: (-row["in_use_bytes"], -row["high_water_bytes"]))
    failed = past.failed + int((made.ending == Ending.FAILED).sum())
    return {"sorts": sorts, "failed": failed}

# SPDX-License-Identifier: Apache-2.0
"""What a program knows of itself, what was recorded of it, what CUPTI saw: are they equal?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anaros.kinds import Kind
from anaros.records import FLAG_CAPTURE, Columns
from anaros.store.rundir import RunDirectory
from anaros.store.segments import load

COPIES = {
    "h2d": Kind.GPU_COPY_H2D,
    "d2h": Kind.GPU_COPY_D2H,
    "d2d": Kind.GPU_COPY_D2D,
    "other": Kind.GPU_COPY,
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """Sums over the records of one run.

    Attributes:
        launches: Kernels that calls enqueued, without those that went into a graph.
        graphs: Graphs that calls enqueued.
        copies: Copies that calls enqueued or made.
        copy_bytes: Of them.
        fills: Fills, likewise.
        directions: Copies and bytes of each direction, as ``h2d`` and ``h2d_bytes``.
        kernels: Kernels that the device ran by these calls, in graphs too; None: not known.
        device_copies: Copies, likewise.
        device_copy_bytes: Of them.
        device_fills: Fills, likewise.
        executed: Kernels whose device time was recorded.
        transferred: Copies and fills whose device time was recorded.
        dropped: Records that found no room.
        timing: What became of device time where it was asked for: objects of ``gpu.timing``.
    """

    launches: int
    graphs: int
    copies: int
    copy_bytes: int
    fills: int
    directions: Mapping[str, int]
    kernels: int | None
    device_copies: int | None
    device_copy_bytes: int | None
    device_fills: int | None
    executed: int
    transferred: int
    dropped: int
    timing: tuple[int, ...] = ()


#: Why there is no device time.
NO_TIMES = {
    2: "another tool holds CUPTI",
    3: "it was given up to another tool",
    4: "no CUPTI was found",
    5: "the version of CUPTI is not known",
    6: "CUPTI refused",
}


def _of(columns: Columns, *kinds: Kind) -> np.ndarray:
    return np.isin(columns.kind, np.array([int(kind) for kind in kinds], dtype=np.uint16))


def recorded(path: Path) -> Recorded:
    """Counts what a run holds of the device's calls; calls that failed are left aside.

    A graph's share is told where one graph was made: each of its launches runs all that was
    captured. Of several it is not known what each holds.
    """
    run = RunDirectory.open(path)
    columns = load(
        run, fields=["start_ns", "kind", "flags", "status", "size_bytes", "address", "object"]
    )
    timing = columns.object[_of(columns, Kind.GPU_TIMING)]
    columns = columns.take(columns.status == 0)
    into_graph = (columns.flags & FLAG_CAPTURE) != 0
    launch, fill = _of(columns, Kind.GPU_LAUNCH), _of(columns, Kind.GPU_MEMSET)
    copy = _of(columns, *COPIES.values())
    graphs = int(_of(columns, Kind.GPU_GRAPH).sum())
    made = int((_of(columns, Kind.GPU_INSTANTIATE) & (columns.address != 0)).sum())

    def count(which: np.ndarray) -> int:
        return int(which.sum())

    def size(which: np.ndarray) -> int:
        return int(columns.size_bytes[which].sum())

    def on_device(of: int, captured: int) -> int | None:
        return of + captured * graphs if made <= 1 else None

    directions: dict[str, int] = {}
    for name, kind in COPIES.items():
        which = _of(columns, kind) & ~into_graph
        directions |= {name: count(which), f"{name}_bytes": size(which)}
    return Recorded(
        launches=count(launch & ~into_graph),
        graphs=graphs,
        copies=count(copy & ~into_graph),
        copy_bytes=size(copy & ~into_graph),
        fills=count(fill & ~into_graph),
        directions=directions,
        kernels=on_device(count(launch & ~into_graph), count(launch & into_graph)),
        device_copies=on_device(count(copy & ~into_graph), count(copy & into_graph)),
        device_copy_bytes=on_device(size(copy & ~into_graph), size(copy & into_graph)),
        device_fills=on_device(count(fill & ~into_graph), count(fill & into_graph)),
        executed=count(_of(columns, Kind.GPU_EXECUTE)),
        transferred=count(_of(columns, Kind.GPU_TRANSFER)),
        dropped=int(sum(value or 0 for value in run.meta()["drops"].values())),
        timing=tuple(sorted({int(what) for what in timing})),
    )


Facts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison found.

    Attributes:
        differences: One sentence each; none: all is equal.
        accounted: The least share of launches, copies and bytes that both sides have, 1 for all
            of them; None: nothing was compared.
    """

    differences: tuple[str, ...]
    accounted: float | None


def _share(one: int, two: int) -> float:
    return 1.0 if one == two else min(one, two) / max(one, two)


def _pairs(own: Facts, seen: Recorded, witness: Facts | None) -> list[tuple[str, int, int | None]]:
    """What is compared: its name, what it should be, what was recorded."""
    names = ("launches", "graphs", "copies", "copy_bytes", "fills")
    found = [(f"{key}, told by the program", own[key], getattr(seen, key)) for key in names
             if key in own]  # fmt: skip
    if witness is not None:
        for key, value in (
            ("kernels", seen.kernels),
            ("copies", seen.device_copies),
            ("copy_bytes", seen.device_copy_bytes),
            ("fills", seen.device_fills),
        ):
            found.append((f"{key}, told by CUPTI", witness[key], value))
    return [(name.replace("_", " "), wanted, got) for name, wanted, got in found]


def judge(own: Facts, seen: Recorded, witness: Facts | None, at_least: Facts) -> Verdict:
    """Compares the counts of one run.

    Args:
        own: What the program told of itself; only what it knows.
        seen: What was recorded.
        witness: What CUPTI told of the same process; None: it was not there.
        at_least: What the program knows to be a part of what it did.
    """
    differences, shares = [], []
    for name, wanted, got in _pairs(own, seen, witness):
        if got is None:
            continue
        shares.append(_share(wanted, got))
        if wanted != got:
            differences.append(f"{name}: {wanted:,}, recorded {got:,}")
    known = {**seen.directions, "launches": seen.launches}
    for name, wanted in at_least.items():
        if known[name] < wanted:
            differences.append(f"{name}: at least {wanted:,}, recorded {known[name]:,}")
    if seen.dropped:
        differences.append(f"{seen.dropped:,} records were dropped")
    if witness is not None and (witness["dropped"] or witness["failed"]):
        differences.append("CUPTI itself lost records or failed: nothing is known from it")
    return Verdict(tuple(differences), min(shares, default=None))


def judge_device_time(seen: Recorded) -> Verdict:
    """Compares what was enqueued with what the device is told to have done, in one run."""
    differences, shares = [], []
    transfers = None
    if seen.device_copies is not None and seen.device_fills is not None:
        transfers = seen.device_copies + seen.device_fills
    for name, wanted, got in (
        ("kernels with device time", seen.kernels, seen.executed),
        ("copies and fills with device time", transfers, seen.transferred),
    ):
        if wanted is None:
            continue
        shares.append(_share(wanted, got))
        if wanted != got:
            why = "; ".join(NO_TIMES[what] for what in seen.timing if what in NO_TIMES)
            differences.append(f"{name}: {got:,} of {wanted:,}{f' ({why})' if why else ''}")
    return Verdict(tuple(differences), min(shares, default=None))

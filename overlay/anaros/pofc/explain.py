# SPDX-License-Identifier: Apache-2.0
"""From owned calls to stages and waits: a range of requests for each processor at a time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from anaros.pofc import stages, waits
from anaros.pofc.blocks import Mapper
from anaros.pofc.bounds import Spells
from anaros.pofc.device import Runs
from anaros.pofc.frame import Frame
from anaros.pofc.lineage import Segments
from anaros.pofc.model import I32, I64, STAGES, U8, U32, Evidence, Spans
from anaros.pofc.native import Struct, checked, ffi, lib, pointer
from anaros.pofc.requests import BLOCKED_NS
from anaros.pofc.scheduler import OffCpu

#: More than there are processors, so that none is left with a long last range.
_RANGES = 8


_Rows = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Times:
    """R requests that were answered: when, and by which thread they were received."""

    start_ns: I64
    duration_ns: I64
    pid: U32
    tid: U32

    def __len__(self) -> int:
        return len(self.start_ns)


@dataclass(frozen=True, slots=True)
class Explained:
    """The spans; owner and evidence of all N records; how many have each kind of evidence.

    ``unowned`` counts the calls of the serving threads that belong to no request.
    """

    spans: Spans
    owner: I32
    evidence: U8
    counts: I64
    unowned: int


@dataclass(frozen=True, slots=True)
class Device:
    """What was told that the device did for the calls, and what they prove of the rest."""

    runs: Runs
    spells: Spells | None = None


def explain(
    frame: Frame, segments: Segments, times: Times, off: OffCpu | None, device: Device, run: Mapper
) -> Explained:
    """Says what each request did when.

    Args:
        frame: M calls of N records.
        segments: The segments of the calls; owners are indices in ``times``.
        times: The requests.
        off: What the kernel saw of the calls; None without the kernel plane.
        device: What the device did for them.
        run: Runs the ranges.
    """
    grouped = _grouped(frame, segments, len(times))
    first = grouped["first"]
    owner = np.full(len(frame.call), -1, np.int32)
    evidence = np.zeros(len(frame.call), np.uint8)
    known = Struct(
        "pofc_known",
        columns=frame.records,
        calls=frame.calls,
        segments=segments.native,
        proof=segments.evidence,
        start_ns=times.start_ns,
        duration_ns=times.duration_ns,
        pid=times.pid,
        tid=times.tid,
        runs=device.runs.native,
        spells=None if device.spells is None else device.spells.native,
        off=None if off is None else ffi.cast("struct pofc_off_cpu *", pointer(off.times)),
        stalls=None if off is None else off.stalls.native,
        owner=owner,
        evidence=evidence,
        **grouped,
        **_tables(kernel=off is not None),
    )
    edges = np.searchsorted(first, np.linspace(0, first[-1], _RANGES + 1), side="left")
    edges[0], edges[-1] = 0, len(times)
    room = Spans.room(len(times) * len(STAGES)).as_dict()
    done = list(run(lambda ends: _range(known, room, *ends), pairwise(edges.tolist())))
    counts = np.sum([counted for _, counted in done], axis=0)
    unowned = max(len(frame) - int(counts.sum() - counts[Evidence.DEVICE_ORDER]), 0)
    spans = _closed_up(room, edges.tolist(), [rows for rows, _ in done])
    return Explained(spans, owner, evidence, counts, unowned)


def _grouped(frame: Frame, segments: Segments, requests: int) -> dict[str, I32 | I64]:
    """The calls of each request, and the segments that a thread turned to it with."""
    first, first_turn = np.empty(requests + 1, np.int64), np.empty(requests + 1, np.int64)
    whose = (pointer(segments.owner), requests)
    calls = (segments.native.pointer, len(frame), *whose, pointer(first))
    lib.anaros_pofc_owned(*calls, ffi.NULL)
    owned = np.empty(first[-1], np.int32)
    lib.anaros_pofc_owned(*calls, pointer(owned))
    turned = (segments.native.pointer, *whose, pointer(first_turn))
    lib.anaros_pofc_turns(*turned, ffi.NULL)
    turns = np.empty(first_turn[-1], np.int32)
    lib.anaros_pofc_turns(*turned, pointer(turns))
    return {"first": first, "owned": owned, "first_turn": first_turn, "turns": turns}


def _tables(*, kernel: bool) -> dict[str, U8 | int]:
    return {
        "code": stages.CODES,
        "between": stages.BETWEEN,
        "stage_of": stages.STAGE_OF,
        "blocks": waits.BLOCKS_KERNEL if kernel else waits.BLOCKS,
        "cause": waits.CAUSE,
        "slow_ns": waits.SLOW_NS,
        "blocked_ns": BLOCKED_NS,
        "connection": int(Evidence.CONNECTION),
        "device_order": int(Evidence.DEVICE_ORDER),
    }


def _range(known: Struct, room: _Rows, begin: int, end: int) -> tuple[int, I64]:
    """Splits the time of the requests from ``begin`` to before ``end``.

    Returns:
        How many rows they have, at their place in ``room``; and counts of evidence.
    """
    rows = {name: array[begin * len(STAGES) :] for name, array in room.items()}
    causes = [rows.pop(f"wait_{cause.name.lower()}_ns") for cause in waits.Cause]
    spans = Struct("pofc_spans", waits=causes, **rows)
    counts = np.zeros(256, np.int64)
    count = checked(
        lib.anaros_pofc_explain(known.pointer, begin, end, spans.pointer, pointer(counts))
    )
    return count, counts[: len(Evidence)]


def _closed_up(room: _Rows, edges: list[int], counts: list[int]) -> Spans:
    """The rows of all ranges one after the other, without what they left free."""
    total = 0
    for begin, count in zip(edges, counts, strict=False):
        first = begin * len(STAGES)
        for array in room.values():
            array[total : total + count] = array[first : first + count]
        total += count
    return Spans(**{name: array[:total] for name, array in room.items()})

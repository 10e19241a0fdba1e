# SPDX-License-Identifier: Apache-2.0
"""What became of device time in a run: ``device_time`` of its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from anaros import pofc
from anaros.kinds import KIND_NAMES, Kind, NameClass
from anaros.pofc.streams import summarise_busy
from anaros.store import segments
from anaros.store.names import read_names
from anaros.store.rundir import RunDirectory

#: ``enum anaros_timing``, in its order from 1.
OUTCOMES = ("on", "seat held", "given up", "no library", "unknown version", "failed")

#: Kinds that say when a device worked.
TOLD = (Kind.GPU_EXECUTE, Kind.GPU_TRANSFER, Kind.GPU_MIGRATE)

#: Processes and streams that are listed; the others are only counted.
LISTED = 16


_BESIDE = "end the other tool, or take --device-time queue, which needs no CUPTI"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why some processes have no device time from CUPTI, or not to their end.

    Attributes:
        fact: What happened.
        remedy: What helps.
        processes: How many said so.
    """

    fact: str
    remedy: str
    processes: int


def _judge(outcome: str | None, by: str, result: int) -> tuple[str, str] | None:
    """Fact and remedy of what one process said; None: nothing is wrong."""
    match outcome:
        case "seat held":
            return f"no device time: {by} holds CUPTI, which serves one tool at a time", _BESIDE
        case "given up" if by != "asked to":
            return f"device time ended when {by} asked for CUPTI", _BESIDE
        case "no library":
            if by.startswith("ANAROS_CUPTI"):
                remedy = "set ANAROS_CUPTI to the path of a libcupti.so.13 or .12, or unset it"
            else:
                remedy = "pip install nvidia-cuda-cupti, or set ANAROS_CUPTI to its path"
            return f"no device time: {by}", remedy
        case "unknown version":
            remedy = "set ANAROS_CUPTI to the path of one of CUDA 12 or 13"
            return f"no device time: {by}, which this anaros does not know", remedy
        case "failed":
            remedy = "take --device-time queue, which needs no CUPTI"
            return f"no device time: {by} returned {result}", remedy
    return None


def problems(outcomes: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """What went wrong with CUPTI, the same thing once.

    Args:
        outcomes: As ``outcomes_of`` gives them.
    """
    found = (_judge(each["outcome"], each["by"] or "CUPTI", each["result"]) for each in outcomes)
    counted = Counter(each for each in found if each is not None)
    return [Problem(fact, remedy, count) for (fact, remedy), count in counted.items()]


def device_time_of(
    run: RunDirectory, meta: Mapping[str, Any], tables: pofc.Tables
) -> dict[str, Any]:
    """``device_time`` of the report.

    Args:
        run: The run.
        meta: What its ``meta.json`` holds.
        tables: What is known of it.
    """
    calls = tables.calls
    counters = meta.get("counters") or {}
    told = int(calls.count[np.isin(calls.kind, TOLD)].sum())
    outcomes = outcomes_of(run) if Kind.GPU_TIMING in calls.kind else []
    return {
        "source": meta.get("device_time"),
        "told": told,
        "lost": counters.get("device_times_lost"),
        "residual_ns": counters.get("device_clock_residual_ns") or None,
        "processes": counters.get("device_timers"),
        "refused": counters.get("device_timers_off"),
        "launches": launches_of(tables.timeline.coverage.launches),
        "streams": summarise_busy(pofc.busy(run, tables), LISTED),
        "kernels": kernels_of(run, tables),
        "failed": failed_of(run, tables),
        "outcomes": outcomes,
        "problems": [asdict(problem) for problem in problems(outcomes)],
    }


def launches_of(launches: pofc.Launches) -> dict[str, Any]:
    """How many launches there are whose device time was told, is bounded, or is not known at all.

    ``execute`` says what the stage of that name is made of: ``told`` (the times of all launches),
    ``bounds`` (the times of some are at most that), ``unknown`` (those of some are not known), or
    None where nothing was launched.
    """
    without = launches.count - launches.told - launches.bounded
    execute = "unknown" if without else "bounds" if launches.bounded else "told"
    return {
        **asdict(launches),
        "without": without,
        "execute": execute if launches.count else None,
    }


def kernels_of(run: RunDirectory, tables: pofc.Tables) -> list[dict[str, Any]]:
    """The kernels that had the device longest, else those that were launched most; by name.

    ``device_ms`` is None where nobody told when a kernel of the name ran.
    """
    found = pofc.kernels(run, tables)
    if not len(found.address):
        return []
    known = read_names(run)
    mine = np.flatnonzero(known.name_class == NameClass.KERNEL).tolist()
    names = {int(known.object[at]): known.name[at] for at in mine}
    sums: dict[str, list[int]] = {}
    for address, *counts in zip(*(each.tolist() for each in found.as_dict().values()), strict=True):
        total = sums.setdefault(names.get(address, f"{address:#x}"), [0, 0, 0])
        for at, count in enumerate(counts):
            total[at] += count
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "launches": launches,
            "runs": runs,
            "device_ms": total_ns / 1e6 if runs else None,
        }
        for name, (launches, runs, total_ns) in sums.items()
    ]
    rows.sort(key=lambda row: (-(row["device_ms"] or 0.0), -row["launches"], row["name"]))
    return rows[:LISTED]


def failed_of(run: RunDirectory, tables: pofc.Tables) -> list[dict[str, Any]]:
    """The calls of device libraries that failed, by kind and status; the most first."""
    found = pofc.failed(run, tables)
    rows: list[dict[str, Any]] = [
        {"kind": KIND_NAMES[kind], "status": status, "count": count}
        for kind, status, count in zip(
            *(each.tolist() for each in found.as_dict().values()), strict=True
        )
    ]
    rows.sort(key=lambda row: (-row["count"], row["kind"], row["status"]))
    return rows[:LISTED]


def outcomes_of(run: RunDirectory) -> list[dict[str, Any]]:
    """What each process said of its device time; the first ``LISTED``."""
    columns = segments.load(run, kinds=[Kind.GPU_TIMING]).take(slice(0, LISTED))
    names = read_names(run)
    reasons = names.name_class == NameClass.REASON
    said = dict(
        zip(
            names.object[reasons].tolist(),
            (text for text, is_reason in zip(names.name, reasons, strict=True) if is_reason),
            strict=True,
        )
    )
    return [
        {
            "pid": pid,
            "outcome": OUTCOMES[what - 1] if 0 < what <= len(OUTCOMES) else None,
            "by": said.get(address),
            "version": version or None,
            "result": status,
        }
        for pid, what, address, version, status in zip(
            columns.pid.tolist(),
            columns.object.tolist(),
            columns.address.tolist(),
            columns.size_bytes.tolist(),
            columns.status.tolist(),
            strict=True,
        )
    ]

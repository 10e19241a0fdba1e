# SPDX-License-Identifier: Apache-2.0
"""What became of device time in a run: ``device_time`` of its report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from anaros import pofc
from anaros.kinds import Kind, NameClass
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
    return {
        "source": meta.get("device_time"),
        "told": told,
        "lost": counters.get("device_times_lost"),
        "residual_ns": counters.get("device_clock_residual_ns") or None,
        "processes": counters.get("device_timers"),
        "refused": counters.get("device_timers_off"),
        "streams": summarise_busy(pofc.busy(run, tables), LISTED),
        "outcomes": _outcomes(run) if Kind.GPU_TIMING in calls.kind else [],
    }


def _outcomes(run: RunDirectory) -> list[dict[str, Any]]:
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

# SPDX-License-Identifier: Apache-2.0
"""The ledger of a run directory, kept there once it is reckoned."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from anaros import shed
from anaros.coverage.cost import readings_of
from anaros.coverage.ledger import ABOUT, WITH_CONTEXT, Ledger, reckon
from anaros.coverage.model import I64, Programs, Quantity, Rows, Total
from anaros.records import Columns
from anaros.store import derived, segments
from anaros.store.columnar import Array
from anaros.store.rundir import RunDirectory

#: The names that it is kept under: the rows, the programs, the totals.
TABLES = ("ledger", "ledger_programs", "ledger_totals")

#: Stands for None in a column of numbers.
_UNKNOWN = -1
_WITHOUT_CONTEXT = tuple(set(ABOUT) - set(WITH_CONTEXT))
_LONE = ("before_shim_bytes", "stdio_bytes", "unwitnessed_bytes")


def ledger_of(run: RunDirectory, columns: Columns | None = None) -> Ledger:
    """The ledger of a run, as it was kept if its segments are the same, else reckoned and kept.

    Args:
        run: The run; it may go on.
        columns: All its records, if they are at hand.

    Raises:
        RunDirectoryError: The run cannot be read.
    """
    goes_on = run.meta().get("state") == "running"
    kept = derived.kept(run, TABLES, lambda: _kept(_reckoned(run, columns)), keep=not goes_on)
    return _read(kept)


def _reckoned(run: RunDirectory, columns: Columns | None) -> Ledger:
    meta = run.meta()
    if columns is None:
        columns = segments.load(run, kinds=ABOUT)
    else:
        # The analysis has all records, but not their context.
        plain = columns.take(np.flatnonzero(np.isin(columns.kind, _WITHOUT_CONTEXT)))
        columns = Columns.concatenate([plain, segments.load(run, kinds=WITH_CONTEXT)])
    origin_ns = meta.get("start_ns")
    if origin_ns is None:
        origin_ns = int(columns.start_ns.min()) if len(columns) else 0
    end_ns = int(meta.get("end_ns") or time.monotonic_ns())
    return reckon(
        columns,
        int(origin_ns),
        _group(run),
        **attachment(meta),
        unwatched=shed.intervals_of(meta, end_ns).get("sched", ()),
    )


def attachment(meta: Mapping[str, Any]) -> dict[str, Any]:
    """What `reckon` is to know of when calls were told, where the run followed processes."""
    attach = meta.get("attach") or {}  # only at the end
    probes = (meta.get("kernel_plane") or {}).get("since_ns") or {}
    return {
        "attached": bool(meta.get("attached")),
        "since_ns": attach.get("calls_since_ns") or probes.get("calls"),
        "until_ns": attach.get("witnessed_until_ns") or None,
    }


def _group(run: RunDirectory) -> tuple[I64, I64] | None:
    """The readings of the CPU time of the run's cgroup; None where it had none."""
    readings = readings_of(run)
    if "group_ns" not in readings:
        return None
    known = readings["group_ns"] >= 0
    return readings["time_ns"][known], readings["group_ns"][known]


def _kept(found: Ledger) -> dict[str, dict[str, Array]]:
    totals = [found.totals[quantity] for quantity in Quantity]
    columns: dict[str, Array] = {
        name: np.array(
            [_UNKNOWN if (value := getattr(total, name)) is None else value for total in totals],
            np.int64,
        )
        for name in ("seen", "witnessed", "covered", "filled")
    }
    for name in _LONE:
        columns[name] = np.full(len(totals), getattr(found, name), np.int64)
    rows, programs, _ = TABLES
    return {
        rows: found.rows.as_dict(),
        programs: found.programs.as_dict(),
        TABLES[2]: columns,
    }


def _read(kept: Mapping[str, Mapping[str, Array]]) -> Ledger:
    rows, programs, totals = (kept[name] for name in TABLES)
    known = {
        name: [None if value == _UNKNOWN else int(value) for value in totals[name].tolist()]
        for name in ("seen", "witnessed", "covered", "filled")
    }
    lone = {name: int(totals[name][0]) for name in _LONE}
    return Ledger(
        Rows.of(rows),
        Programs.of(programs),
        {quantity: Total(*(known[name][quantity] for name in known)) for quantity in Quantity},
        **lone,
    )

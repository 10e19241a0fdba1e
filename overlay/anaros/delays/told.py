# SPDX-License-Identifier: Apache-2.0
"""What the report says of delays, with names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from anaros.delays.derive import Summary
from anaros.delays.groups import Groups
from anaros.delays.model import CAUSES, OWNERS, Cause
from anaros.delays.network import UNKNOWN
from anaros.kinds import NameClass
from anaros.store.names import Names

#: Rows that are told; of one row so many pids.
_ROWS_MAX, _PIDS_MAX = 64, 8
#: Causes whose time is that in which the thing went on beside the delay: there may be less of it.
_AT_MOST = (Cause.DISK_AHEAD,)
#: Sorts of kernel locks, by the bit that tells most.
_LOCKS = ((32, "mutex"), (16, "lock of a CPU"), (4, "for writing"), (2, "for reading"))
_MINOR_BITS = 20
#: The kernel's workers, which have their processors and numbers in their names.
_WORKERS = re.compile(r"(?:kworker|ksoftirqd|migration|irq)(?=/)")

_Called = Mapping[tuple[int, int], str]


def told(found: Summary | None, names: Names) -> dict[str, Any]:
    """``delays``, ``faults`` and ``network`` of the report.

    Args:
        found: What delayed the run; None: nobody looked.
        names: What everything is called.
    """
    if found is None:
        return dict.fromkeys(("delays", "faults", "network"))
    return {
        "delays": _delays(found.groups, names),
        "faults": {name: int(values[0]) for name, values in found.faults.items()},
        "network": _network(found, names),
    }


def _delays(found: Groups, names: Names) -> list[dict[str, Any]]:
    """Who or what delayed whom, the longest total first; processes of one name are one row."""
    called = _called(found, names)
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    columns = [array.tolist() for array in found.as_dict().values()]
    for values in zip(*columns, strict=True):
        group = dict(zip(found.as_dict(), values, strict=True))
        by, whom = _by(group, called), _process(group["pid"], called)
        on = _on(group)
        key = (group["cause"], group["owner"], by or (group["by"] if on is None else 0), on, whom)
        row = rows.setdefault(key, _row(group, by, on, whom))
        _add(row, group)
    ranked = sorted(rows.values(), key=lambda row: -row["total_ms"])[:_ROWS_MAX]
    for row in ranked:
        row["delayed_by_count"] = len(row["delayed_by_pids"])
        for pids in ("delayed_by_pids", "delayed_pids"):
            row[pids] = sorted(row[pids])[:_PIDS_MAX]
    return ranked


def _row(group: Mapping[str, Any], by: str | None, on: str | None, whom: str | None) -> Any:
    words, resource = CAUSES[group["cause"]]
    return {
        "resource": resource,
        "cause": words,
        "on": on,
        "owner": OWNERS[group["owner"]],
        "delayed_by": by,
        "delayed_by_pids": [],
        "delayed_by_count": 0,
        "delayed": whom,
        "delayed_pids": [],
        "count": 0,
        "total_ms": 0.0,
        "longest_ms": None,
        "at_most": group["cause"] in _AT_MOST,
    }


def _add(row: dict[str, Any], group: Mapping[str, Any]) -> None:
    row["count"] += group["count"]
    row["total_ms"] += group["total_ns"] / 1e6
    if group["longest_ns"]:
        row["longest_ms"] = max(row["longest_ms"] or 0.0, group["longest_ns"] / 1e6)
    by_pid = group["by"] if group["by_class"] == NameClass.PROCESS else 0
    for name, pid in (("delayed_by_pids", by_pid), ("delayed_pids", group["pid"])):
        if pid and pid not in row[name]:
            row[name].append(pid)


def _called(found: Groups, names: Names) -> dict[tuple[int, int], str]:
    """What everybody in the groups was called last, by class and number."""
    wanted = np.unique(np.concatenate([found.by, found.pid.astype(np.uint64)]))
    here = np.flatnonzero(np.isin(names.object, wanted))
    order = here[np.argsort(names.start_ns[here], kind="stable")].tolist()
    return {
        (int(names.name_class[place]), int(names.object[place])): names.name[place]
        for place in order
    }


def _by(group: Mapping[str, Any], called: _Called) -> str | None:
    if group["by_class"] == NameClass.PROCESS:
        return _process(group["by"], called)
    return called.get((group["by_class"], group["by"]))


def _process(pid: int, called: _Called) -> str | None:
    program = called.get((NameClass.PROGRAM, pid), "").rpartition("/")[2]
    name = called.get((NameClass.PROCESS, pid), program)
    worker = _WORKERS.match(name)
    return worker[0] if worker else name or None


def _on(group: Mapping[str, Any]) -> str | None:
    """Of what resource, where there are several."""
    thing = group["thing"]
    match group["cause"]:
        case Cause.DISK_AHEAD | Cause.DISK_QUEUE:
            return f"{thing >> _MINOR_BITS}:{thing & ((1 << _MINOR_BITS) - 1)}"
        case Cause.PACKET_QUEUE:
            return f"interface {thing}"
        case Cause.KERNEL_LOCK:
            return next((name for bit, name in _LOCKS if thing & bit), "spinlock")
        case Cause.RECLAIM:
            return "limit of its group" if thing else "memory of the machine"
        case Cause.FAULT:
            return "a mapped file" if group["by_class"] else None
    return None


def _network(found: Summary, names: Names) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, values in found.network.items():
        value = int(values[0])
        if name.endswith("_ns"):
            row[f"{name[:-3]}_ms"] = None if value == UNKNOWN else value / 1e6
        else:
            row[name] = value
    reasons = {
        int(names.object[place]): names.name[place]
        for place in np.flatnonzero(names.name_class == NameClass.REASON).tolist()
    }
    drops = zip(found.drops["reason"].tolist(), found.drops["count"].tolist(), strict=True)
    row["drops"] = [{"reason": reasons.get(reason), "count": count} for reason, count in drops]
    return row

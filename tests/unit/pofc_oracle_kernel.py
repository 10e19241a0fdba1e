# SPDX-License-Identifier: Apache-2.0
"""What the kernel tells of each call, one record after the other: part of the oracle."""

from __future__ import annotations

from typing import Any

from anaros.kinds import Kind


def off_cpu(records: list[dict[str, int]], calls: Any) -> list[list[int]]:
    """For each call: off the CPU within, of that queued, after it, of that queued, asleep."""
    off = [[0] * 5 for _ in range(len(calls))]
    for place, row in enumerate(records):
        if row["kind"] not in (Kind.SCHED_OFFCPU, Kind.SCHED_RUNQUEUE):
            continue
        before = [
            call
            for call in range(len(calls))
            if calls.position[call] < place
            and (records[calls.position[call]]["pid"], records[calls.position[call]]["tid"])
            == (row["pid"], row["tid"])
        ]
        if not before:
            continue
        call = max(before, key=lambda each: calls.position[each])
        after = row["start_ns"] >= records[calls.position[call]]["end"]
        queued = row["kind"] == Kind.SCHED_RUNQUEUE
        off[call][2 * after + queued] += row["duration_ns"]
        wait = row["address"] & 0xFFFF
        known = wait in (*IO_WAITS, FAULT_WAIT)
        if after and not queued and (wait in IO_WAITS if known else row["status"] == 2):
            off[call][4] += row["duration_ns"]
    return off


#: Of ``enum anaros_wait``: polls, calls on descriptors, sockets, rings; and page faults.
IO_WAITS, FAULT_WAIT = (2, 4, 5, 10), 8
_STALLS = (Kind.MEM_RECLAIM, Kind.MEM_COMPACT)


def apart(records: list[dict[str, int]], calls: Any) -> list[list[tuple[int, int, int]]]:
    """For each call, within and after it: throttled, waiting for memory, of that on the CPU."""
    return [
        [_apart(mine[0]), _apart(mine[1])]
        for mine in (_of_call(records, calls, call) for call in range(len(calls)))
    ]


def _of_call(
    records: list[dict[str, int]], calls: Any, call: int
) -> tuple[list[tuple[str, int, int]], list[tuple[str, int, int]]]:
    """What the kernel told of a thread within its call and until the next one, each in order."""
    at = records[calls.position[call]]
    found: tuple[list[tuple[str, int, int]], list[tuple[str, int, int]]] = ([], [])
    until = -1
    inside = ""
    for place in range(calls.position[call] + 1, len(records)):
        row = records[place]
        if (row["pid"], row["tid"]) != (at["pid"], at["tid"]):
            continue
        if place in _places(calls):
            break
        begin, end = row["start_ns"], row["start_ns"] + row["duration_ns"]
        what = _TOLD.get(row["kind"])
        if what is None:
            continue
        within = begin < until
        if what in ("fault", "stall") and not within:
            until, inside = end, what
        found[begin >= at["end"]].append((f"{what}{'/' + inside if within else ''}", begin, end))
    return found


_TOLD = {
    Kind.SCHED_OFFCPU: "off",
    Kind.SCHED_RUNQUEUE: "queue",
    Kind.SCHED_THROTTLE: "throttle",
    Kind.MEM_FAULT: "fault",
    **dict.fromkeys(_STALLS, "stall"),
}


def _places(calls: Any) -> set[int]:
    return set(calls.position.tolist())


def _apart(told: list[tuple[str, int, int]]) -> tuple[int, int, int]:
    def total(*names: str) -> int:
        return sum(end - begin for what, begin, end in told if what in names)

    throttled = total("throttle", "throttle/fault", "throttle/stall")
    ready = total("queue/fault", "queue/stall", "throttle/fault", "throttle/stall")
    memory = max(total("fault", "stall") - ready, 0)
    return throttled, memory, max(total("stall") - total("off/stall"), 0)

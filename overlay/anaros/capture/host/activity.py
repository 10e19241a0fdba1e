# SPDX-License-Identifier: Apache-2.0
"""What the machine has to do, counted by the kernel: cheap to read, and there whoever looks."""

from __future__ import annotations

_STAT, _DISKS = "/proc/stat", "/proc/diskstats"
#: Columns of `cpu` in /proc/stat in which a CPU is at work: user, nice, system, irq, softirq.
_BUSY = (1, 2, 3, 6, 7)
#: Columns of `softirq` for packets that are sent, and that come.
_PACKETS = (4, 5)
#: Columns of /proc/diskstats: reads and writes that are done.
_REQUESTS = (3, 7)


def counted(stat: str = _STAT, disks: str = _DISKS) -> dict[str, int]:
    """Counters of the whole machine since it started, which only grow.

    Args:
        stat: The kernel's statistics.
        disks: Those of disks.

    Returns:
        ``busy`` (ticks of all CPUs), ``switches``, ``interrupts``, ``packets`` (times that packets
        were looked after) and ``requests`` (of disks); what cannot be read is left out.
    """
    found: dict[str, int] = {}
    for fields in _lines(stat):
        match fields[0]:
            case b"cpu":
                found["busy"] = _sum(fields, _BUSY)
            case b"ctxt":
                found["switches"] = int(fields[1])
            case b"intr":
                found["interrupts"] = found.get("interrupts", 0) + int(fields[1])
            case b"softirq":
                found["interrupts"] = found.get("interrupts", 0) + int(fields[1])
                found["packets"] = _sum(fields, _PACKETS)
    lines = _lines(disks)
    if lines:
        found["requests"] = sum(_sum(fields, _REQUESTS) for fields in lines)
    return found


def _sum(fields: list[bytes], places: tuple[int, ...]) -> int:
    return sum(int(fields[place]) for place in places if place < len(fields))


def _lines(path: str) -> list[list[bytes]]:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - without pathlib, once a second
            return [line.split() for line in file if line.strip()]
    except OSError:
        return []

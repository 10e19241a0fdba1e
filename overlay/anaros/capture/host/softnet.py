# SPDX-License-Identifier: Apache-2.0
"""What the CPUs left lying of the packets that came, by the kernel's own count."""

from __future__ import annotations

import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from anaros.kinds import Kind

    Note = Callable[[Kind, int, int, tuple[int, int, int, int]], object]

_STAT = "/proc/net/softnet_stat"
#: Columns: packets, those dropped from a full backlog, how often a budget or its time was used up.
_COUNTED = (0, 1, 2)
#: The column of the CPU's number; older kernels have none, and a line's own place stands for it.
_CPU = 12


class Softnet:
    """Follows the counters from now on.

    Args:
        stat: The kernel's statistics.
    """

    def __init__(self, stat: str = _STAT) -> None:
        self._stat = stat
        self._turn = threading.Lock()
        self._told_ns = time.monotonic_ns()
        self._told = _counted(stat)

    def tell(self, note: Note) -> None:
        """Tells of each CPU that left something lying since the last time.

        Args:
            note: Called with the kind of a record, its start, its duration and its values.
        """
        from anaros.kinds import Kind

        with self._turn:
            since_ns, before = self._told_ns, self._told
            self._told_ns, self._told = time.monotonic_ns(), _counted(self._stat)
            for cpu, counts in self._told.items():
                earlier = before.get(cpu, counts)
                packets, dropped, squeezed = (
                    (now - then) & 0xFFFFFFFF for now, then in zip(counts, earlier, strict=True)
                )
                if dropped or squeezed:
                    values = (cpu, dropped, packets, squeezed)
                    note(Kind.NIC_BACKLOG, since_ns, self._told_ns - since_ns, values)


def _counted(stat: str) -> dict[int, tuple[int, ...]]:
    """By CPU the 32-bit counters; none where the kernel does not tell."""
    try:
        with open(stat, "rb") as file:  # noqa: PTH123 - without pathlib, once a second
            lines = [line.split() for line in file if line.strip()]
    except OSError:
        return {}
    return {
        int(fields[_CPU], 16) if len(fields) > _CPU else place: tuple(
            int(fields[column], 16) for column in _COUNTED
        )
        for place, fields in enumerate(lines)
    }

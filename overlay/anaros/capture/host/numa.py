# SPDX-License-Identifier: Apache-2.0
"""Where the machine's memory was placed, by node and by the kernel's own count."""

from __future__ import annotations

import os
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from anaros.capture.host.softnet import Note

_NODES = "/sys/devices/system/node"
#: Pages that a node gave: in all, to who asked for another one, and to a CPU of another one.
_COUNTED = ("numa_hit", "numa_miss", "other_node")


class Placement:
    """Follows the counters from now on; on a machine with one node there are none.

    Args:
        nodes: The kernel's folder of nodes.
    """

    def __init__(self, nodes: str = _NODES) -> None:
        self._page_bytes = os.sysconf("SC_PAGESIZE")
        self._stats = _files(nodes)
        self._turn = threading.Lock()
        self._told_ns = time.monotonic_ns()
        self._told = _counted(self._stats)

    def tell(self, note: Note) -> None:
        """Tells of each node that gave memory to CPUs of another one since the last time.

        Args:
            note: Called with the kind of a record, its start, its duration and its values.
        """
        from anaros.kinds import Kind

        if not self._stats:
            return
        with self._turn:
            since_ns, before = self._told_ns, self._told
            self._told_ns, self._told = time.monotonic_ns(), _counted(self._stats)
            for node, counts in self._told.items():
                hit, missed, remote = (
                    (now - then) * self._page_bytes
                    for now, then in zip(counts, before.get(node, counts), strict=True)
                )
                if remote or missed:
                    values = (node, remote, hit + missed, missed)
                    note(Kind.MEM_REMOTE, since_ns, self._told_ns - since_ns, values)


def _files(nodes: str) -> dict[int, str]:
    """The statistics of each node; none where there is nothing to choose between."""
    try:
        with os.scandir(nodes) as entries:
            names = [entry.name for entry in entries]
    except OSError:
        return {}
    found = {
        int(name[4:]): f"{nodes}/{name}/numastat"
        for name in names
        if name[:4] == "node" and name[4:].isdigit()
    }
    return found if len(found) > 1 else {}


def _counted(stats: dict[int, str]) -> dict[int, tuple[int, ...]]:
    """By node its counters, in pages; without those that the kernel does not tell."""
    counts = {}
    for node, path in stats.items():
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - without pathlib, once a second
                fields = dict(line.split() for line in file)
            counts[node] = tuple(int(fields[name.encode()]) for name in _COUNTED)
        except (OSError, ValueError, KeyError):
            continue
    return counts

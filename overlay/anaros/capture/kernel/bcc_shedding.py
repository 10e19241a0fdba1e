# SPDX-License-Identifier: Apache-2.0
"""Gives up and brings back the probes that BCC loaded, for a budget: see ``shedding``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from anaros.capture.kernel.budget import Unit
from anaros.capture.kernel.more import Part
from anaros.capture.kernel.probes import Libbpf, Program
from anaros.capture.kernel.shedding import Shedding


def name_of(category: str, point: str) -> str:
    """How BCC calls the program of a tracepoint."""
    return f"tracepoint__{category}__{point}"


def _names(*points: str) -> tuple[str, ...]:
    return tuple(name_of(*point.split(":")) for point in points)


#: As ``budget.UNITS``; what tells of interrupts, processes and the owners of sockets stays.
UNITS: dict[str, Unit] = {
    "sched": Unit(
        _names("sched:sched_waking", "sched:sched_migrate_task", "sched:sched_switch"),
        "switches",
        tasks="tasks",
    ),
    "block": Unit(
        _names(
            *("block:block_rq_complete", "block:block_rq_merge", "block:block_bio_frontmerge"),
            *("block:block_rq_issue", "block:block_rq_insert"),
        ),
        "requests",
        emptied=("requests", "devices"),
    ),
    "net": Unit(
        _names(
            *("tcp:tcp_retransmit_skb", "skb:kfree_skb", "napi:napi_poll"),
            *("net:net_dev_start_xmit", "qdisc:qdisc_enqueue", "net:net_dev_queue"),
        ),
        "packets",
        emptied=("packets",),
    ),
}


class BccShedding(Shedding):
    """To be used by one thread, while nobody else attaches or detaches.

    Args:
        libbpf: Measures.
        made: BCC's object.
        programs: Tells the programs and their descriptors.
    """

    units: Mapping[str, Unit] = UNITS

    def __init__(
        self,
        libbpf: Libbpf,
        made: Any,
        programs: Callable[[], Iterator[tuple[Program, int]]],
    ) -> None:
        super().__init__(libbpf, lambda: (), programs, lambda: True)
        self._made = made

    def _detach(self, name: str, _parts: Sequence[Part]) -> bool:
        point = _point(name)
        if point not in self._made.tracepoint_fds:
            return False
        self._made.detach_tracepoint(point)
        return True

    def _attach(self, name: str, _parts: Sequence[Part]) -> bool:
        try:
            self._made.attach_tracepoint(tp=_point(name), fn_name=name.encode())
        except Exception:  # noqa: BLE001 - BCC raises nothing more special
            return False
        return True

    def _forget(self, unit: Unit, _parts: Sequence[Part]) -> bool:
        for name in unit.emptied:
            table = self._made[name]
            for key in table.keys():  # noqa: SIM118 - it is no dictionary
                with contextlib.suppress(KeyError):
                    del table[key]
        if unit.tasks is not None:
            self._forget_threads(self._made[unit.tasks])
        return True

    def _forget_threads(self, tasks: Any) -> None:
        """All but whose they are; those that ended meanwhile go."""
        for key, followed in tasks.items():
            if followed.ended:
                with contextlib.suppress(KeyError):
                    del tasks[key]
            else:
                tasks[key] = tasks.Leaf(pid=followed.pid)


def _point(name: str) -> bytes:
    """``category:event``, as BCC calls a tracepoint."""
    return ":".join(name.split("__")[1:]).encode()

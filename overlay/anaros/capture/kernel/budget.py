# SPDX-License-Identifier: Apache-2.0
"""What the probes may cost, and which of them are given up for it: pure, nothing is done here.

A probe is given up or brought back whole, never one program of it: a beginning without its end, or
a wake-up without the switch that it led to, would be half a fact. ``keeper`` measures and acts.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from anaros.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Readings in a row above the budget before a probe is given up: the start of a program is dear.
PATIENCE = 2
#: A probe comes back only where all of them together are expected to stay below this of the budget.
MARGIN = 0.8
#: How long a probe stays away at least: the first time, and at most.
AWAY_S, AWAY_MAX_S = 5.0, 160.0
#: After a stay that was so many times longer than it had been away, it is as if for the first time.
_PROVEN = 8
#: What a probe cost says less and less of what it would cost now: half of it after this time.
_HALF_S = 60.0
#: A larger share of the CPUs is no budget.
_PERCENT_MAX = 100.0


class Unit(NamedTuple):
    """A probe that may be given up.

    Args:
        programs: In the order in which they are attached: what ends something before what begins
            it, so that no beginning waits for an end that nobody saw.
        witness: What makes it dear, as ``host.activity`` counts it.
        needs: A probe without which it would tell what is not so.
        emptied: Maps with what was under way, which is not so any more when it comes back.
        tasks: The program that does the same for what is kept with each thread.
    """

    programs: tuple[str, ...]
    witness: str
    needs: str | None = None
    emptied: tuple[str, ...] = ()
    tasks: str | None = None


#: By their names in ``enum anaros_probe``.
UNITS: dict[str, Unit] = {
    "sched": Unit(
        ("sched_waking", "sched_migrate", "sched_switch"), "switches", tasks="forget_sched"
    ),
    "block": Unit(
        ("block_complete", "block_merge", "block_issue", "block_insert"),
        "requests",
        emptied=("requests", "devices"),
    ),
    "net": Unit(
        ("tcp_retransmit", "nic_drop", "nic_poll", "nic_xmit", "nic_queue"),
        "packets",
        emptied=("packets",),
    ),
    "mem": Unit(
        (
            *("mem_exit", "mem_reclaim_end", "mem_reclaim_begin", "mem_cgroup_end"),
            *("mem_cgroup_begin", "mem_compact_end", "mem_compact_begin", "mem_migrate_end"),
            *("mem_migrate_begin", "mem_oom"),
        ),
        "busy",
        tasks="forget_mem",
    ),
    "irq": Unit(
        (
            *("irq_end", "irq_begin", "irq_timer_end", "irq_timer_begin", "irq_call_end"),
            *("irq_call_begin", "irq_single_end", "irq_single_begin"),
            *("irq_soft_end", "irq_soft_begin"),
        ),
        "interrupts",
        emptied=("interrupts", "stolen"),
    ),
    "lock": Unit(
        ("lock_end", "lock_begin"), "switches", emptied=("contended",), tasks="forget_lock"
    ),
    "cgroup": Unit(("cgroup_attach", "cgroup_freeze", "cgroup_unfreeze", "cgroup_rmdir"), "busy"),
    "file": Unit(
        (
            *("file_fault", "file_fill", "file_window", "file_window_large", "file_missed"),
            *("file_ahead", "file_exit"),
        ),
        "busy",
        tasks="forget_file",
    ),
    "uring": Unit(
        ("uring_complete", "uring_worker", "uring_poll", "uring_submit"),
        "busy",
        emptied=("operations",),
    ),
    "queue": Unit(
        (
            *("queue_complete", "queue_issue"),
            *("nvme_complete", "nvme_sq", "nvme_issue", "nvme_setup"),
        ),
        "requests",
        needs="block",
        emptied=("queue", "depths", "nvme_preparing", "nvme_commands", "nvme_queues"),
    ),
    "listen": Unit(("listen_end",), "packets"),
    "flow": Unit(("flow_receive", "flow_send"), "packets"),
    "calls": Unit(("call_exit", "call_enter", "cookie_send", "cookie_recv"), "switches"),
}

#: What all else stands on: which processes and which sockets are the target's.
NEVER = ("process_fork", "process_exec", "process_bare", "process_exit", "tcp_state")


def parse(word: str) -> float:
    """The share that a word such as ``1%`` or ``0.5%`` means.

    Raises:
        UsageError: It is no share of the CPUs.
    """
    digits = word.removesuffix("%")
    plain = digits.replace(".", "", 1)
    if word.endswith("%") and plain.isascii() and plain.isdigit():
        percent = float(digits)
        if 0 < percent <= _PERCENT_MAX:
            return percent / 100
    raise UsageError(
        f"{word!r} is no budget", "give a share of the CPUs above 0% and up to 100%, such as 1%"
    )


class Step(NamedTuple):
    """What is to be done with one probe.

    Args:
        probe: Its name.
        shed: Whether it is given up; else it comes back.
        cost: What it cost, as a share of the CPUs: when it was measured last.
        total: What all probes cost by the same reading.
    """

    probe: str
    shed: bool
    cost: float
    total: float


class _Away:
    """A probe that was given up."""

    __slots__ = ("activity", "cost", "probe", "since_s", "until_s")

    def __init__(
        self, probe: str, cost: float, activity: float, since_s: float, until_s: float
    ) -> None:
        self.probe = probe
        self.cost = cost
        self.activity = activity
        self.since_s = since_s
        self.until_s = until_s

    def expected(self, now_s: float, activity: float) -> float:
        """What it would cost now: less where there is less to do, and where its measure is old."""
        ratio = activity / self.activity if self.activity > 0 else 1.0
        return self.cost * ratio * math.exp2(-(now_s - self.since_s) / _HALF_S)


class Budget:
    """Decides from one reading to the next; to be told of what could not be done.

    Args:
        share: What all probes together may take of the CPUs.
        units: The probes that may be given up.
    """

    def __init__(self, share: float, units: Mapping[str, Unit] = UNITS) -> None:
        self.share = share
        self._units = units
        self._over = 0
        self._away: list[_Away] = []
        self._back_off_s: dict[str, float] = {}
        self._back_s: dict[str, float] = {}

    @property
    def away(self) -> tuple[str, ...]:
        """The probes that were given up, the first one first."""
        return tuple(away.probe for away in self._away)

    def step(
        self, now_s: float, costs: Mapping[str, float], activity: Mapping[str, float]
    ) -> Sequence[Step]:
        """What is to be done, in this order.

        Args:
            now_s: When it was measured.
            costs: What each probe that is at work took of the CPUs; those that are never given
                up count as well.
            activity: What the machine did, by witness, each second.
        """
        total = sum(costs.values())
        if total > self.share:
            self._over += 1
            return self._shed(now_s, costs, activity) if self._over >= PATIENCE else ()
        self._over = 0
        return self._bring_back(now_s, total, activity)

    def refused(self, probe: str, now_s: float) -> None:
        """A probe that was to come back could not be attached: it stays away."""
        self._leave(probe, 0.0, 0.0, now_s)

    def _shed(
        self, now_s: float, costs: Mapping[str, float], activity: Mapping[str, float]
    ) -> list[Step]:
        total, rest = sum(costs.values()), sum(costs.values())
        gone = set(self.away)
        steps: list[Step] = []
        dearest = sorted(self._units, key=lambda probe: -costs.get(probe, 0.0))
        for probe in dearest:
            if rest <= self.share:
                break
            if probe in gone or costs.get(probe, 0.0) <= 0:
                continue
            for each in (*self._dependents(probe, gone), probe):
                cost = costs.get(each, 0.0)
                gone.add(each)
                rest -= cost
                self._leave(each, cost, activity.get(self._units[each].witness, 0.0), now_s)
                steps.append(Step(each, True, cost, total))
        return steps

    def _dependents(self, probe: str, gone: set[str]) -> list[str]:
        return [
            name for name, unit in self._units.items() if unit.needs == probe and name not in gone
        ]

    def _leave(self, probe: str, cost: float, activity: float, now_s: float) -> None:
        before_s = self._back_off_s.get(probe)
        stayed_s = now_s - self._back_s.get(probe, now_s)
        if before_s is None or stayed_s >= _PROVEN * before_s:
            away_s = AWAY_S
        else:
            away_s = min(2 * before_s, AWAY_MAX_S)
        self._back_off_s[probe] = away_s
        self._away.append(_Away(probe, cost, activity, now_s, now_s + away_s))

    def _bring_back(
        self, now_s: float, total: float, activity: Mapping[str, float]
    ) -> Sequence[Step]:
        """The one that was given up last, if it fits; the others follow by the next reading."""
        if not self._away or now_s < self._away[-1].until_s:
            return ()
        last = self._away[-1]
        expected = last.expected(now_s, activity.get(self._units[last.probe].witness, 0.0))
        if total + expected > MARGIN * self.share:
            return ()
        self._away.pop()
        self._back_s[last.probe] = now_s
        return (Step(last.probe, False, last.cost, total),)

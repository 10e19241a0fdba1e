# SPDX-License-Identifier: Apache-2.0
"""Measures what the probes take, and keeps them within a budget: gives them up, brings them back.

The kernel measures the run time of its BPF programs only where it is asked to, and that costs a
program that does little as much again. So it is asked for a tenth of a second, once a second within
a budget and every five seconds without one; what the programs took meanwhile stands for the rest.
"""

from __future__ import annotations

import os
import random
import threading
import time
from typing import NamedTuple

from anaros.capture.host import activity
from anaros.capture.kernel.budget import Budget, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Protocol

    from anaros.capture.kernel.budget import Unit

    class Probes(Protocol):
        """What can be measured, and given up probe by probe."""

        #: What may be given up.
        units: Mapping[str, Unit]

        def measure(self) -> int:
            """Lets the kernel measure; a descriptor to be closed, or below 0."""

        def ran_ns(self) -> Mapping[str, tuple[str, int]]:
            """Of each program its probe, and for how many ns it ran while that was measured."""

        def settled(self) -> bool:
            """Whether no more probes are on their way."""

        def shed(self, probe: str) -> None:
            """Detaches a probe."""

        def bring_back(self, probe: str) -> bool:
            """Attaches it again; whether that was possible."""


#: For how long it is measured, and how long not: not quite regular, as what is measured may be.
WINDOW_S = 0.1
_REST_S = (0.8, 1.0)
_REST_WITHOUT_BUDGET_S = (4.4, 5.4)
_SETTLE_S = 0.1


class Change(NamedTuple):
    """A probe was given up or came back.

    Args:
        time_ns: When.
        probe: Its name.
        shed: Whether it was given up.
        away_ns: For how long it had been away; 0 where it was given up.
        cost: What it took of the CPUs when it was at work last.
        total: What all took by the last reading.
    """

    time_ns: int
    probe: str
    shed: bool
    away_ns: int
    cost: float
    total: float


class Keeper:
    """Works on a thread of its own; to be stopped once, before the probes are.

    Args:
        probes: What it keeps.
        share: What all of them may take of the CPUs; None: as much as they do.
        cpus: How many CPUs there are for whom they follow.
        told: Called on that thread with what has been done.
    """

    def __init__(
        self,
        probes: Probes,
        share: float | None,
        cpus: Callable[[], float],
        told: Callable[[Change], None],
    ) -> None:
        self._probes = probes
        self._cpus = cpus
        self._told = told
        self._budget = None if share is None else Budget(share, probes.units)
        self._rest_s = _REST_WITHOUT_BUDGET_S if share is None else _REST_S
        self._shed_ns: dict[str, int] = {}
        self._ended_ns = time.monotonic_ns()
        self._counted: dict[str, int] = {}
        #: What part of a CPU each probe took by the last reading.
        self._rates: dict[str, float] = {}
        #: What each probe took so far, by what was measured of it; in ns.
        self.spent_ns: dict[str, int] = {}
        #: How often it was measured, what all took of the CPUs in the mean, and at most.
        self.readings, self.mean, self.most = 0, 0.0, 0.0
        #: How many CPUs there were by the last reading.
        self.cpus = cpus()
        #: Why nothing can be measured, or what cannot come back; None: all is well.
        self.problem: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="anaros-budget", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leaves the probes as they are; a second call does nothing."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._thread.join()
            self._spend(time.monotonic_ns())

    def _run(self) -> None:
        while not self._probes.settled():
            if self._stopping.wait(_SETTLE_S):
                return
        self._counted = activity.counted()
        while self._read():
            if self._stopping.wait(random.uniform(*self._rest_s)):
                return

    def _read(self) -> bool:
        """One reading, and what follows from it; whether another one makes sense."""
        descriptor = self._probes.measure()
        if descriptor < 0:
            reason = os.strerror(-descriptor)
            what = "the probes' time is unknown" if self._budget is None else "no budget is kept"
            self.problem = f"{what}: the kernel does not measure it ({reason})"
            return False
        try:
            before, began_ns = self._probes.ran_ns(), time.monotonic_ns()
            self._stopping.wait(WINDOW_S)
            after, now_ns = self._probes.ran_ns(), time.monotonic_ns()
        finally:
            os.close(descriptor)
        if self._stopping.is_set():
            return False
        ran = {
            name: (probe, ns - before.get(name, (probe, 0))[1])
            for name, (probe, ns) in after.items()
        }
        costs = self._costs(ran.items(), now_ns - began_ns)
        if self._budget is not None:
            for step in self._budget.step(now_ns / 1e9, costs, self._activity(now_ns)):
                self._take(self._budget, step)
        self._spend(now_ns)
        return True

    def _costs(
        self, ran: Iterable[tuple[str, tuple[str, int]]], window_ns: int
    ) -> dict[str, float]:
        """What each probe took of the CPUs; a program that stays counts under its own name."""
        self.cpus = self._cpus()
        costs: dict[str, float] = {}
        self._rates = {}
        for name, (probe, ns) in ran:
            unit = self._probes.units.get(probe)
            of = probe if unit is not None and name in unit.programs else name
            costs[of] = costs.get(of, 0.0) + ns / (window_ns * self.cpus)
            self._rates[probe] = self._rates.get(probe, 0.0) + ns / window_ns
        total = sum(costs.values())
        self.readings += 1
        self.mean += (total - self.mean) / self.readings
        self.most = max(self.most, total)
        return costs

    def _spend(self, now_ns: int) -> None:
        """The last reading stands for all time since the one before, or until the end."""
        for probe, rate in self._rates.items():
            spent = round(rate * (now_ns - self._ended_ns))
            self.spent_ns[probe] = self.spent_ns.get(probe, 0) + spent
        self._ended_ns = now_ns

    def _activity(self, now_ns: int) -> dict[str, float]:
        counted, seconds = activity.counted(), (now_ns - self._ended_ns) / 1e9
        rates = {
            name: (value - self._counted.get(name, value)) / seconds
            for name, value in counted.items()
        }
        self._counted = counted
        return rates

    def _take(self, budget: Budget, step: Step) -> None:
        probe, now_ns, away_ns = step.probe, time.monotonic_ns(), 0
        if step.shed:
            self._shed_ns[probe] = now_ns
            self._probes.shed(probe)
        elif self._probes.bring_back(probe):
            now_ns = time.monotonic_ns()
            away_ns = now_ns - self._shed_ns.pop(probe)
            self.problem = None
        else:
            self.problem = f"{probe} was given up for the budget and cannot be attached again"
            budget.refused(probe, now_ns / 1e9)
            return
        self._told(Change(now_ns, probe, step.shed, away_ns, step.cost, step.total))

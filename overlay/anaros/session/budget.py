# SPDX-License-Identifier: Apache-2.0
"""A budget for the probes of a run: what was given up for it is on record and in ``meta.json``."""

from __future__ import annotations

import itertools
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from anaros.capture.attach.bare import BareCalls
    from anaros.capture.attach.calls import Calls
    from anaros.capture.kernel.keeper import Change, Keeper
    from anaros.capture.kernel.plane import KernelPlane
    from anaros.capture.rings.recorder import Recorder
    from anaros.store.rundir import RunDirectory


#: Readings after which it is looked again how many CPUs the target may use: ten files, 0.4 ms.
_CPUS_EVERY = 10


class Account:
    """Keeps the probes of a run within a budget, and tells what became of them.

    Args:
        share: What they may take of the CPUs that the target may use.
        run: The run; its ``meta.json`` has each change at once.
        recorder: Its recorder, not yet started.
    """

    def __init__(self, share: float, run: RunDirectory, recorder: Recorder) -> None:
        from anaros.capture.kernel.plane import PROBES
        from anaros.kinds import NameClass

        self._share = share
        self._run = run
        self._recorder = recorder
        self._numbers = {name: number for number, name in enumerate(PROBES)}
        self._changes: list[dict[str, object]] = []
        self._keeper: Keeper | None = None
        recorder.name(NameClass.PROBE, ((number, name) for name, number in self._numbers.items()))

    def begin(
        self, kernel: KernelPlane, pids: Sequence[int], calls: Calls | BareCalls | None = None
    ) -> None:
        """From now on, once all probes are there.

        Args:
            kernel: What is kept; it ends this with itself.
            pids: The roots of the target.
            calls: The probes of system calls, where they are at work too.
        """
        from anaros.capture.host import quota

        known, asked = [float(os.cpu_count() or 1)], itertools.count()

        def cpus() -> float:
            if next(asked) % _CPUS_EVERY == 0:
                found = [count for pid in pids if (count := quota.cpus(pid)) is not None]
                known[0] = max(found, default=known[0])
            return known[0]

        self._keeper = kernel.keep(self._share, cpus, self._changed, calls)

    def _changed(self, change: Change) -> None:
        from anaros.errors import AnarosError
        from anaros.kinds import Kind

        assert self._keeper is not None
        second_ns = self._keeper.cpus * 1e9
        cost, share, total = (
            round(part * second_ns) for part in (change.cost, self._share, change.total)
        )
        self._recorder.note(
            Kind.PROBE_SHED if change.shed else Kind.PROBE_BACK,
            change.time_ns - change.away_ns,
            change.away_ns,
            (self._numbers[change.probe], cost, share, total),
        )
        self._changes.append(
            {
                "probe": change.probe,
                "shed": change.shed,
                "time_ns": change.time_ns,
                "cost_percent": change.cost * 100,
                "total_percent": change.total * 100,
            }
        )
        try:
            self._run.update_meta({"budget": self.told()})
        except AnarosError:  # the disk is full: the recorder finds that out, and says so
            return

    def told(self) -> dict[str, Any]:
        """``budget`` of ``meta.json``; what is unknown is None."""
        keeper = self._keeper
        measured = keeper is not None and keeper.readings > 0
        return {
            "percent": self._share * 100,
            "cpus": keeper.cpus if keeper is not None else None,
            "readings": keeper.readings if keeper is not None else 0,
            "mean_percent": keeper.mean * 100 if keeper is not None and measured else None,
            "most_percent": keeper.most * 100 if keeper is not None and measured else None,
            "changes": list(self._changes),
        }

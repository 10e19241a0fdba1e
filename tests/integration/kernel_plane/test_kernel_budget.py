# SPDX-License-Identifier: Apache-2.0
"""Probes that are given up for a budget, and come back: while the kernel runs them for real."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_harness import MS, NEEDS, Samples, direct_or_skip, extend, kernel, stopped

from anaros.capture.host import activity
from anaros.capture.kernel import budget, keeper, more, probes, shedding
from anaros.kinds import Kind

pytestmark = NEEDS

_AMPLE, _TINY = 1.0, 1e-6


class Followed:
    """A program that waits until it is told to go on, and what the plane says of it."""

    def __init__(self, argv: list[str]) -> None:
        self.samples = Samples()
        self.child = stopped(argv)
        target = kernel.Target(self.child.pid)
        self.plane = kernel.KernelPlane.start(target, self.samples.address, 0)
        self.changes: list[keeper.Change] = []

    def run(self) -> None:
        os.kill(self.child.pid, signal.SIGCONT)

    def keep(self, share: float) -> keeper.Keeper:
        kept = self.plane.keep(share, lambda: float(os.cpu_count() or 1), self.changes.append)
        assert isinstance(kept, keeper.Keeper)
        return kept

    def until(self, reached: Callable[[], bool], patience_s: float = 60) -> None:
        deadline = time.monotonic() + patience_s
        while not reached():
            assert time.monotonic() < deadline, self.changes
            self.plane.consume()
            time.sleep(0.01)

    def close(self) -> None:
        self.plane.stop()
        self.child.kill()
        self.child.communicate()


@contextlib.contextmanager
def followed(argv: list[str]) -> Iterator[Followed]:
    made = Followed(argv)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def switching(workload: str) -> list[str]:
    """A program that switches as often as it can, until it is ended."""
    return ["/bin/sh", "-c", f"while :; do {workload} pingpong 20000 >/dev/null; done"]


def by_hand(made: Followed) -> shedding.Shedding:
    """What the keeper has, without the keeper."""
    kept = made.keep(_AMPLE)
    kept.stop()
    probes = kept._probes
    assert isinstance(probes, shedding.Shedding)
    return probes


def test_a_tiny_budget_sheds_what_is_dear_and_an_ample_one_nothing(switching: list[str]) -> None:
    with followed(switching) as made:
        extend(made.plane)
        kept = made.keep(_AMPLE)
        made.run()
        made.until(lambda: kept.readings >= 3)
        assert made.changes == []
        assert 0 < kept.mean < _AMPLE
        kept.stop()
        tiny = made.keep(_TINY)
        made.until(lambda: any(change.probe == "sched" for change in made.changes))
        first = made.changes[0]
        assert first.shed
        assert first.cost == max(change.cost for change in made.changes)
        made.until(lambda: tiny.readings >= 4)
        tiny.stop()
        seen = made.plane.counts()["sched"]
        runs = made.plane.program_runs()
        time.sleep(0.2)
        made.plane.consume()
        assert made.plane.counts()["sched"] == seen
        later = made.plane.program_runs()
        assert {name: later[name] for name in budget.UNITS["sched"].programs} == {
            name: runs[name] for name in budget.UNITS["sched"].programs
        }
        spent = made.plane.run_time_ns()
        assert spent is not None
        assert spent["sched"] > 0


def test_without_a_budget_it_is_only_measured(switching: list[str]) -> None:
    with followed(switching) as made:
        extend(made.plane)
        made.plane.measure()
        assert made.plane.run_time_ns() is None, "nothing is known before the first reading"
        made.run()
        made.until(lambda: sum((made.plane.run_time_ns() or {}).values()) > 0)
        known, began_ns = made.plane.run_time_ns(), time.monotonic_ns()
        assert known is not None
        time.sleep(0.5)
        made.plane.stop()
        ended = made.plane.run_time_ns()
        assert ended is not None
        assert ended["sched"] > known["sched"], "the last reading stands for the time until the end"
        cpus_ns = (time.monotonic_ns() - began_ns) * (os.cpu_count() or 1)
        assert sum(ended.values()) - sum(known.values()) < cpus_ns
        assert made.plane.missing() == ()


def test_it_comes_back_after_the_load(
    switching: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "AWAY_S", 0.2)
    with followed(switching) as made:
        extend(made.plane)

        # What the machine does otherwise is of no concern here.
        def counted() -> dict[str, int]:
            return {"switches": time.monotonic_ns() if made.child.poll() is None else 0}

        monkeypatch.setattr(activity, "counted", counted)
        kept = made.keep(_AMPLE)
        made.run()
        made.until(lambda: kept.readings >= 3)
        kept.stop()
        level = kept.mean
        kept = made.keep(level / 3)
        made.until(lambda: "sched" in kept._budget.away)
        made.child.kill()
        # It is told once the probe is attached, some time after it was decided.
        made.until(lambda: "sched" in [change.probe for change in made.changes if not change.shed])
        back = [change for change in made.changes if not change.shed]
        assert all(change.away_ns >= 0.2 * 1e9 for change in back)
        made.plane.consume()


def test_what_was_under_way_is_forgotten(workload: str) -> None:
    """A thread that slept before and after the probe was away has no sleep over all that time."""
    with followed([workload, "sleep", "400", "5000"]) as made:
        extend(made.plane)
        probes = by_hand(made)
        made.run()
        begun = time.monotonic()
        made.until(lambda: len(made.samples.columns()) > 0)
        probes.shed("sched")
        shed_ns = time.monotonic_ns()
        time.sleep(0.3)
        assert probes.bring_back("sched")
        back_ns = time.monotonic_ns()
        before = len(made.samples.columns())
        made.until(lambda: len(made.samples.columns()) > before + 20)
        assert time.monotonic() - begun < 60
    columns = made.samples.columns()
    mine = columns.take(np.isin(columns.kind, (Kind.SCHED_OFFCPU, Kind.SCHED_RUNQUEUE)))
    begin = mine.start_ns.astype(np.int64)
    end = begin + mine.duration_ns.astype(np.int64)
    assert (end < shed_ns + 50 * MS).any()
    assert (begin > back_ns).any()
    assert not ((begin < shed_ns) & (end > back_ns - 200 * MS)).any()


def test_requests_under_way_are_forgotten(workload: str, tmp_path: Path) -> None:
    direct_or_skip(tmp_path / "direct")
    script = f"while :; do {workload} write {tmp_path / 'direct'} 50 4096; done"
    with followed(["/bin/sh", "-c", script]) as made:
        extend(made.plane)
        probes = by_hand(made)
        made.run()
        kinds = (Kind.BLOCK_IO, Kind.BLOCK_ISSUE)
        made.until(lambda: bool(np.isin(made.samples.columns().kind, kinds).any()))
        longest_ns = 0
        for _ in range(3):
            for probe in ("queue", "block"):
                probes.shed(probe)
            shed_ns = time.monotonic_ns()
            time.sleep(0.2)
            for probe in ("block", "queue"):
                assert probes.bring_back(probe)
            longest_ns = max(longest_ns, time.monotonic_ns() - shed_ns)
            before = len(made.samples.columns())
            made.until(lambda: len(made.samples.columns()) > before + 50)  # noqa: B023
    columns = made.samples.columns()
    requests = columns.take(columns.kind == Kind.BLOCK_IO)
    assert len(requests)
    span = requests.duration_ns + requests.context
    assert int(span.max()) < longest_ns + 10_000 * MS, "none waits since before it was away"


def test_the_plane_goes_while_a_probe_is_away(switching: list[str]) -> None:
    fds = len(list(Path("/proc/self/fd").iterdir()))
    with followed(switching) as made:
        extend(made.plane)
        made.keep(_TINY)
        made.run()
        made.until(lambda: len(made.changes) > 0)
        made.plane.detach()
        made.plane.detach()
        runs = made.plane.program_runs()
        time.sleep(0.1)
        assert made.plane.program_runs() == runs, "nothing is attached"
        assert made.plane.run_time_ns() is not None
    assert len(list(Path("/proc/self/fd").iterdir())) == fds
    assert not [t for t in threading.enumerate() if t.name == "anaros-budget"]


def test_nobody_waits_for_what_is_still_being_loaded(
    idle: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(*words: Any) -> Any:
        entered.set()
        leave.wait(60)
        return probes.load_object(*words)

    monkeypatch.setattr(more, "load_object", slow)
    plane = kernel.KernelPlane.start(kernel.Target(idle.pid), Samples().address, 0)
    try:
        plane.extend(delay_s=0.0)
        assert entered.wait(30)
        began = time.monotonic()
        plane.detach()
        assert time.monotonic() - began < 10, "the object is loaded for a minute"
    finally:
        leave.set()
        plane.stop()
    assert plane.since_ns().keys() == {"sched", "process", "block", "net"}, "nothing came after"

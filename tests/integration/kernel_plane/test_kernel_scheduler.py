# SPDX-License-Identifier: Apache-2.0
"""The scheduler's probes, against programs whose sleeps, wake-ups and delays are known."""

from __future__ import annotations

import os
import subprocess
import time

import numpy as np
import pytest
from kernel_harness import INTERRUPTIBLE, MS, NEEDS, probes, record, total_ms

from anaros.kinds import Kind, NameClass
from anaros.records import FLAG_ASYNC, FLAG_KERNEL, FLAG_OTHER_TENANT

pytestmark = NEEDS


def test_sleeps_are_off_cpu_intervals(workload: str) -> None:
    run = record([workload, "sleep", "20", "5000"])
    away = run.of(Kind.SCHED_OFFCPU, tid=run.pid)
    naps = away.take((away.status == INTERRUPTIBLE) & (away.duration_ns > 4 * MS))
    # On a busy machine a thread may be preempted on its way to sleep: then that is the interval.
    assert 10 <= len(naps) <= 20
    assert total_ms(away) >= 95
    exits = run.of(Kind.PROC_EXIT)
    assert total_ms(away) <= float(exits.start_ns[-1] - away.start_ns[0]) / MS
    # A timer woke it: whatever ran on that CPU had nothing to do with it.
    assert not naps.object.any()
    assert not naps.context.any()
    assert (naps.start_ns[1:] >= naps.start_ns[:-1] + naps.duration_ns[:-1]).all()


def test_every_record_is_of_the_kernel_and_of_the_tree(workload: str) -> None:
    with subprocess.Popen([workload, "sleep", "2000", "100"]):
        run = record([workload, "pingpong", "200"])
    records = run.records
    assert (records.flags & FLAG_KERNEL).all()
    assert (records.kind != 0).all()
    assert (records.start_ns > 0).all()
    foreign = (records.flags & FLAG_OTHER_TENANT) != 0
    own = np.isin(records.tid, list(run.said.values()))
    sched = np.isin(records.kind, [k for k in Kind if k.name.startswith("SCHED")])
    assert own[sched].all()
    # What delayed it is named beside it, never recorded for its own sake.
    assert (records.kind[foreign & own] == Kind.SCHED_RUNQUEUE).all()


@pytest.mark.parametrize("thread_bits", [probes.THREAD_BITS, 0], ids=["places", "one-place"])
def test_wakeups_link_the_two_threads(workload: str, thread_bits: int) -> None:
    """Also where one of them finds its place taken by the other."""
    settings = probes.Settings(thread_bits=thread_bits)
    run = record([workload, "pingpong", "500"], settings=settings)
    first, second = run.said["first"], run.said["second"]
    edges = run.of(Kind.SCHED_WAKEUP)
    there = edges.take((edges.tid == first) & (edges.object == second))
    back = edges.take((edges.tid == second) & (edges.object == first))
    assert len(there) > 1
    assert len(back) > 0
    assert not (edges.flags & FLAG_ASYNC).any()
    assert (edges.pid == run.pid).all()
    waits = run.of(Kind.SCHED_OFFCPU, tid=second)
    waits = waits.take(waits.status != 0)
    # A write to a pipe whose reader is not asleep yet wakes nobody: the kernel's own count of
    # how often the thread slept is the truth.
    assert 0 <= len(waits) - run.said["slept"] <= 3
    assert (waits.object == first).sum() + 1 == len(there), "and one edge for its creation"
    assert (waits.object == first).mean() > 0.9
    ends = waits.start_ns + waits.duration_ns
    which = np.searchsorted(ends, there.start_ns[1:])
    assert (waits.object[which] == first).all(), "woken while it slept"


def test_a_foreign_hog_is_named_as_what_ran_instead(workload: str) -> None:
    with subprocess.Popen([workload, "spin", "400", "1"]) as hog:
        time.sleep(0.05)
        run = record([workload, "spin", "150", "1"])
    delays = run.of(Kind.SCHED_RUNQUEUE, tid=run.pid)
    by_hog = delays.take(delays.size_bytes == hog.pid)
    assert (by_hog.flags & FLAG_OTHER_TENANT).all()
    assert (by_hog.object == hog.pid).all()
    assert (by_hog.address == 1).all()
    assert total_ms(by_hog) > 60, "two hogs share a CPU: 150 ms of work wait about as long"
    assert run.name(NameClass.PROCESS, hog.pid) == ["workload"]
    preempted = run.of(Kind.SCHED_OFFCPU, tid=run.pid)
    preempted = preempted.take(preempted.status == 0)
    assert total_ms(preempted) > 60
    assert not preempted.object.any()


def test_own_threads_that_ran_instead_are_not_other_tenants(workload: str) -> None:
    script = f"{workload} spin 60 0 & {workload} spin 60 0; wait"
    run = record(["/bin/sh", "-c", script])
    forks = set(run.of(Kind.PROC_FORK).object.tolist())
    delays = run.of(Kind.SCHED_RUNQUEUE)
    mutual = delays.take(np.isin(delays.size_bytes, list(forks)) & np.isin(delays.pid, list(forks)))
    assert total_ms(mutual) > 1, "however many others are in their way"
    assert not (mutual.flags & FLAG_OTHER_TENANT).any()


def test_migrations_name_both_cpus(workload: str) -> None:
    if os.cpu_count() == 1:
        pytest.skip("one CPU: nothing migrates")
    run = record([workload, "hop", "40"])
    moves = run.of(Kind.SCHED_MIGRATE, tid=run.pid)
    assert len(moves) > 0
    # One after which it ran at once is counted only.
    assert len(moves) + run.counts["sched"]["below_minimum"] >= 39
    assert (moves.object != moves.address).all()
    assert set(moves.address.tolist()) <= set(range(os.cpu_count() or 1))


def test_short_waits_for_a_cpu_are_counted(workload: str) -> None:
    settings = probes.Settings(runqueue_min_ns=10**12)
    run = record([workload, "pingpong", "300"], settings=settings)
    assert len(run.of(Kind.SCHED_RUNQUEUE)) == 0
    assert run.counts["sched"]["below_minimum"] > 500


def test_a_move_that_nobody_waits_for_is_counted(workload: str) -> None:
    if os.cpu_count() == 1:
        pytest.skip("one CPU: nothing migrates")
    settings = probes.Settings(runqueue_min_ns=10**12)
    run = record([workload, "hop", "40"], settings=settings)
    assert len(run.of(Kind.SCHED_MIGRATE)) == 0
    assert run.counts["sched"]["below_minimum"] >= 39

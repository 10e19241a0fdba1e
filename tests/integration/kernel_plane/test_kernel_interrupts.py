# SPDX-License-Identifier: Apache-2.0
"""Interrupts that take the CPU from the target, and locks of the kernel that it waits for."""

from __future__ import annotations

import subprocess
import time

import numpy as np
from kernel_harness import MS, NEEDS, Samples, extend, kernel, probes, record, stopped

from anaros.kinds import Kind, NameClass

pytestmark = NEEDS

SOFTIRQ, VECTOR = 0x10000, 0x20000
NET_RX = SOFTIRQ + 3
EVERYTHING = {"irq_min_ns": 0, "lock_min_ns": 0}


def test_packets_on_loopback_cost_their_sender(workload: str) -> None:
    run = record([workload, "tcp", "300"], settings=probes.Settings(**EVERYTHING), more=True)
    totals = run.of(Kind.IRQ_TOTAL)
    single = run.of(Kind.IRQ_SOFT, Kind.IRQ_HARD)
    assert run.drops["irq"] == 0
    # Each interrupt is in a total, and with a minimum of nothing a record besides.
    assert int(totals.size_bytes.sum()) == len(single)
    assert int(totals.duration_ns.sum()) == int(single.duration_ns.sum())
    received = single.take(single.object == NET_RX)
    # At least one for what goes there and one for what comes back.
    assert len(received) >= 600
    assert set(received.tid.tolist()) == {run.pid}
    assert run.name(NameClass.INTERRUPT, NET_RX) == ["NET_RX"]
    assert (totals.pid == 0).all()
    for cpu in np.unique(totals.address).tolist():
        of_cpu = totals.take(totals.address == cpu)
        assert (of_cpu.duration_ns < of_cpu.context).all()


def test_the_timer_interrupts_who_computes(workload: str) -> None:
    run = record([workload, "spin", "200", "0"], settings=probes.Settings(**EVERYTHING), more=True)
    hard = run.of(Kind.IRQ_HARD)
    ticks = hard.take(hard.object >= VECTOR)
    names = {
        n for number in set(ticks.object.tolist()) for n in run.name(NameClass.INTERRUPT, number)
    }
    assert "local timer" in names
    assert (ticks.address == 0).mean() > 0.5
    assert 0 < int(ticks.duration_ns.sum()) < 100 * MS
    # A soft interrupt does not count the hard ones within it once more.
    taken = int(run.of(Kind.IRQ_TOTAL).duration_ns.sum())
    away = run.of(Kind.PROC_EXIT).start_ns[-1] - run.of(Kind.PROC_EXEC).start_ns[0]
    assert taken < int(away)


def test_short_interrupts_are_only_added_up(workload: str) -> None:
    settings = probes.Settings(irq_min_ns=10**12)
    run = record([workload, "tcp", "100"], settings=settings, more=True)
    assert len(run.of(Kind.IRQ_SOFT, Kind.IRQ_HARD)) == 0
    count = int(run.of(Kind.IRQ_TOTAL).size_bytes.sum())
    assert count >= 200
    assert run.counts["irq"]["below_minimum"] == count


def test_threads_that_map_memory_wait_for_each_other(waits: str) -> None:
    run = record([waits, "contend", "300"], settings=probes.Settings(**EVERYTHING), more=True)
    waited, totals = run.of(Kind.SYNC_KERNEL), run.of(Kind.SYNC_KERNEL_TOTAL)
    assert run.drops["lock"] == 0
    assert len(waited) > 10
    assert int(totals.size_bytes.sum()) == len(waited)
    assert int(totals.duration_ns.sum()) == int(waited.duration_ns.sum())
    assert set(waited.pid.tolist()) == {run.pid}
    assert set(totals.pid.tolist()) == {run.pid}
    for tid in set(waited.tid.tolist()):
        mine = waited.take(waited.tid == tid)
        assert (mine.start_ns[1:] >= mine.start_ns[:-1] + mine.duration_ns[:-1]).all()
    assert set(totals.status.tolist()) == set(waited.status.tolist())


def test_who_waits_for_nobody_has_no_records(workload: str, waits: str) -> None:
    """The plane follows somebody who sleeps while others have all sorts of events."""
    samples = Samples()
    child = stopped([workload, "sleep", "1", "1"])
    settings = probes.Settings(**EVERYTHING)
    target = kernel.Target(child.pid)
    plane = kernel.KernelPlane.start(target, samples.address, 0, probes.Loading(settings))
    try:
        extend(plane)
        subprocess.run([workload, "tcp", "100"], check=True, stdout=subprocess.PIPE)
        subprocess.run([waits, "contend", "50"], check=True, stdout=subprocess.PIPE)
        time.sleep(0.01)
    finally:
        plane.stop()
        child.kill()
        child.communicate()
    families = {kind >> 8 for kind in samples.columns().kind.tolist()}
    assert not families & {Kind.IRQ_HARD >> 8, Kind.SYNC_KERNEL >> 8}
    counts = plane.counts()
    assert counts["irq"]["others"] > 200
    assert counts["lock"]["others"] > 0
    assert plane.drops()["irq"] == plane.drops()["lock"] == 0

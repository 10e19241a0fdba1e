# SPDX-License-Identifier: Apache-2.0
"""What a thread slept in, who handed it a futex, and the quota of its cgroup."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from kernel_harness import MS, NEEDS, cgroup, record, total_ms, within

from anaros.kinds import Kind

pytestmark = NEEDS

FUTEX, POLL, SLEEP, IO, SOCKET, CHILD, SIGNAL, FAULT = range(1, 9)


def test_a_sleep_tells_what_it_was_in(waits: str) -> None:
    run = record([waits, "causes", "20"])
    away = run.of(Kind.SCHED_OFFCPU, tid=run.pid)
    naps = away.take((away.status == 1) & (away.duration_ns > 0.9 * MS))
    wait = naps.address & 0xFFFF
    for cause, count in ((SLEEP, 20), (POLL, 40), (SOCKET, 20), (IO, 20), (SIGNAL, 20)):
        # On a busy machine a thread may be preempted on its way to sleep.
        assert count - 5 <= (wait == cause).sum() <= count, cause
    assert set(naps.context[(wait == SOCKET) | (wait == IO)].tolist()) == {run.said["socket"]}
    polled = naps.context[wait == POLL]
    assert set(polled.tolist()) == {0, run.said["epoll"]}
    assert len(run.of(Kind.SYNC_FUTEX)) == 0


def test_a_preempted_thread_was_in_nothing(workload: str) -> None:
    run = record(["/bin/sh", "-c", f"{workload} spin 40 0 & {workload} spin 40 0; wait"])
    away = run.of(Kind.SCHED_OFFCPU)
    preempted = away.take(away.status == 0)
    assert len(preempted)
    assert not preempted.address.any()
    assert not preempted.context.any()
    waited = away.take((away.address & 0xFFFF) == CHILD)
    assert set(waited.pid.tolist()) == {run.pid}
    assert len(run.of(Kind.SCHED_THROTTLE)) == 0


def test_a_futex_names_who_handed_it_over(waits: str) -> None:
    run = record([waits, "futex", "300"])
    first, second = run.said["first"], run.said["second"]
    slept = run.of(Kind.SYNC_FUTEX)
    slept = slept.take(slept.object == np.uint64(run.said["futex"]))
    assert (slept.pid == run.pid).all()
    mine = slept.take(slept.tid == second)
    assert abs(len(mine) - run.said["slept"]) <= 5
    assert (mine.address == first).all()
    assert (mine.size_bytes == run.pid).all()
    assert (slept.take(slept.tid == first).address == second).all()
    # Each is a time off the CPU, and not more.
    away = run.of(Kind.SCHED_OFFCPU, tid=second)
    in_futex = away.take((away.address & 0xFFFF) == FUTEX)
    assert in_futex.start_ns.tolist() == run.of(Kind.SYNC_FUTEX, tid=second).start_ns.tolist()


#: A fifth of a CPU.
QUOTA_US, PERIOD_US = 10_000, 50_000


def throttled(group: Path) -> tuple[int, float]:
    """How often the cgroup was throttled, and for how many ms."""
    stat = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
    ns = int(stat["throttled_time"]) if "throttled_time" in stat else 0
    return int(stat["nr_throttled"]), (ns or 1000 * int(stat.get("throttled_usec", 0))) / 1e6


def test_a_quota_is_not_a_run_queue(waits: str) -> None:
    v1 = {"cpu__cfs_period_us": PERIOD_US, "cpu__cfs_quota_us": QUOTA_US}
    v2 = {"cpu__max": f"{QUOTA_US} {PERIOD_US}"}
    old = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").exists()
    with cgroup("cpu", **(v1 if old else v2)) as group:
        run = record(within(group, [waits, "burn", "500"]))
        times, throttled_ms = throttled(group)
    waited = run.of(Kind.SCHED_THROTTLE, tid=run.pid)
    assert times >= 5
    assert times - 1 <= len(waited) <= times + 1
    # On a busy machine the CPU is not free when the quota is there again.
    assert throttled_ms * 0.9 - 5 <= total_ms(waited) <= 500
    # Whatever else it waited for a CPU is the run queue's.
    queued = run.of(Kind.SCHED_RUNQUEUE, tid=run.pid)
    assert 450 <= total_ms(waited) + total_ms(queued) + run.said["cpu_us"] / 1000 <= 550
    assert not np.isin(waited.start_ns, queued.start_ns).any()
    assert not waited.object.any()


def test_without_a_quota_nothing_is_throttled(waits: str) -> None:
    run = record([waits, "burn", "100"])
    assert len(run.of(Kind.SCHED_THROTTLE)) == 0

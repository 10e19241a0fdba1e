# SPDX-License-Identifier: Apache-2.0
"""Forks, execs and exits as the kernel plane has them, counted against what was run."""

from __future__ import annotations

import subprocess
import sys
import time

from kernel_harness import INTERRUPTIBLE, MS, NEEDS, Samples, kernel, probes, record

from anaros.kinds import Kind, NameClass

pytestmark = NEEDS


def test_fork_exec_exit_are_exact() -> None:
    script = "/bin/true; /bin/false; (exit 7); sh -c 'kill -9 $$'; /bin/true | /bin/true; exit 3"
    run = record(["/bin/sh", "-c", script])
    forks, execs, exits = (
        run.of(kind) for kind in (Kind.PROC_FORK, Kind.PROC_EXEC, Kind.PROC_EXIT)
    )
    children = sorted(forks.object.tolist())
    assert len(children) == 6
    assert len(set(children)) == 6
    assert sorted(exits.pid.tolist()) == sorted([*children, run.pid])
    assert sorted(exits.status.tolist()) == [0, 0, 0, 9, 1 << 8, 3 << 8, 7 << 8]
    assert len(execs) == 6
    assert sorted(set(execs.pid.tolist()) - {run.pid}) == sorted(
        set(children) - set(exits.pid[exits.status == 7 << 8].tolist())
    )
    assert run.name(NameClass.PROGRAM, run.pid) == ["/bin/sh"]
    assert sum(name == "/bin/true" for _, name in run.names) == 3
    assert run.status == 3
    assert not any(run.drops.values())


def test_threads_are_not_processes(workload: str) -> None:
    run = record([workload, "threads", "50"])
    assert len(run.of(Kind.PROC_FORK)) == 0
    exits = run.of(Kind.PROC_EXIT)
    assert exits.pid.tolist() == [run.pid]
    assert exits.status.tolist() == [5 << 8]
    started = run.of(Kind.SCHED_WAKEUP, tid=run.pid)
    assert len(set(started.object.tolist()) - {run.pid}) == 50


def test_a_thread_that_becomes_another_program_is_followed_on() -> None:
    """It takes the number of its process: what was kept of it under its own goes with it."""
    script = (
        "import os, threading; "
        "other = threading.Thread(target=os.execv, args=('/bin/sleep', ['sleep', '0.05'])); "
        "other.start(); other.join()"
    )
    run = record([sys.executable, "-c", script])
    became = run.of(Kind.PROC_EXEC).start_ns[-1]
    naps = run.of(Kind.SCHED_OFFCPU, tid=run.pid)
    naps = naps.take((naps.start_ns > became) & (naps.duration_ns > 45 * MS))
    assert len(naps) == 1
    assert run.of(Kind.PROC_EXIT).pid.tolist() == [run.pid]
    assert run.status == 0
    assert run.drops["process"] == 0


def test_a_daemon_stays_in_the_tree(workload: str) -> None:
    run = record(["/bin/sh", "-c", f"({workload} sleep 4 2000 &) ; {workload} sleep 10 3000"])
    assert len(run.of(Kind.PROC_FORK)) == 3
    assert len(run.of(Kind.PROC_EXIT)) == 4
    naps = run.of(Kind.SCHED_OFFCPU)
    naps = naps.take((naps.status == INTERRUPTIBLE) & (naps.duration_ns > 1.9 * MS))
    assert len(set(naps.pid.tolist()) - {run.pid}) >= 2


def test_a_process_that_already_has_threads_and_children_is_followed(workload: str) -> None:
    samples = Samples()
    script = f"{workload} sleep 400 1000 & wait"
    with subprocess.Popen(["/bin/sh", "-c", script]) as shell:
        time.sleep(0.1)
        plane = kernel.KernelPlane.start(kernel.Target(shell.pid), samples.address, 0)
        time.sleep(0.1)
        plane.stop()
    naps = samples.columns()
    naps = naps.take((naps.kind == Kind.SCHED_OFFCPU) & (naps.pid != shell.pid))
    assert len(naps) > 30


def test_lost_records_are_counted_exactly() -> None:
    runs = 60
    loop = f"i=0; while [ $i -lt {runs} ]; do /bin/true; i=$((i+1)); done"
    settings = probes.Settings(ring_bytes=4096)
    run = record(["/bin/sh", "-c", loop], settings=settings, consume=False)
    kinds = (Kind.PROC_FORK, Kind.PROC_EXEC, Kind.PROC_EXIT, Kind.PROC_IO, Kind.PROC_CPU)
    programs = [name for name, _ in run.names if name["status"] == NameClass.PROGRAM]
    shipped = len(run.of(*kinds)) + len(programs)
    made = runs * 3 + 2 + (runs + 1)  # each child: fork, exec, exit; the root: exec, exit; names
    made += 4 * (runs + 1)  # what each had read and run, at its exec and at its end
    assert run.drops["process"] > 0
    assert shipped + run.drops["process"] == made

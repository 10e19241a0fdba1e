# SPDX-License-Identifier: Apache-2.0
"""What the probes take of a busy machine's throughput: a figure of docs/probes.md, measured again.

Usage: ``PYTHONPATH=overlay python throughput.py PAIRS [TURNS [ROUNDS [STEPS]]]`` as root, where
PAIRS is pairs.c, built. Processes that switch and compute: bare, followed by the probes that are
there before a program (scheduler, block, network, processes), and by all, in turn; medians.
It counts the CPU time that the same work takes: on a machine that is busy, throughput is what that
leaves, whoever else runs there. The supervisor's share is told beside it.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import sys
import threading
import time

from overhead import SINK, stopped

from anaros.capture.kernel.plane import KernelPlane, Target
from anaros.capture.kernel.probes import Loading, Settings

PROCESSES = 4
WAYS = ("none", "first", "all")


def attached(pid: int, way: str) -> KernelPlane:
    """The probes; ``first``, ``all``, or ``stats``: all, and the kernel measures them."""
    plane = KernelPlane.start(Target(pid), SINK, 0, Loading(Settings(stats=way == "stats")))
    if way != "first":
        plane.extend(delay_s=0.0)
        while not plane.extended() and not plane.missing():
            time.sleep(0.01)
    return plane


def once(argv: list[str], way: str) -> dict[str, float]:
    """One run: its CPU time, how often it switched, and what the supervisor took of a CPU."""
    child, done = stopped(argv), threading.Event()
    plane = None if way == "none" else attached(child.pid, way)

    def drain() -> None:
        while not done.wait(0.1):
            if plane:
                plane.consume()

    drainer = threading.Thread(target=drain)
    drainer.start()
    began, spent = time.monotonic(), time.process_time()
    try:
        os.kill(child.pid, signal.SIGCONT)
        said, _ = child.communicate()
    finally:
        done.set()
        drainer.join()
    share = (time.process_time() - spent) / (time.monotonic() - began)
    cpu_ns, switches = map(int, said.split()[-2:])
    facts = {"cpu_ns": cpu_ns, "switches": switches, "supervisor_percent": share * 100}
    if plane:
        runs = plane.program_runs()
        facts |= {name: round(ns / count) for name, (count, ns) in runs.items() if ns}
        plane.stop()
        facts["drops"] = sum(plane.drops().values())
    return facts


def main() -> None:
    """Prints one JSON object."""
    turns, rounds, steps = (sys.argv[2:] + ["15", "6000", "20000"][len(sys.argv) - 2 :])[:3]
    argv = [sys.argv[1], str(PROCESSES), rounds, steps]
    found = []
    for turn in range(int(turns)):
        order = WAYS[turn % 3 :] + WAYS[: turn % 3]
        found.append({way: once(argv, way) for way in order})
    added = {
        f"{way}_added_percent": statistics.median(
            (each[way]["cpu_ns"] / each["none"]["cpu_ns"] - 1) * 100 for each in found
        )
        for way in WAYS[1:]
    }
    bare = [each["none"]["switches"] / each["none"]["cpu_ns"] * 1e9 for each in found]
    supervisor = [each["all"]["supervisor_percent"] for each in found]
    told = {
        "switches_per_s_on_2_cpus": round(2 * statistics.median(bare)),
        **added,
        "supervisor_percent_of_a_cpu": statistics.median(supervisor),
        "drops": sum(each[way]["drops"] for each in found for way in WAYS[1:]),
        "ns_per_run": once(argv, "stats"),
    }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""What the kernel plane costs: the figures of docs/probes.md, measured again.

Usage: ``PYTHONPATH=overlay python overhead.py WORKLOAD WAITS [PAIRS]`` as root, where the words are
workload.c and waits.c, built. Two threads on one CPU wake each other through pipes: bare, with the
plane following somebody else, and with the plane following them, in turn; medians of pairs. It
counts CPU time, which a busy neighbour does not change.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from anaros.capture.kernel.plane import KernelPlane, Target
from anaros.capture.kernel.probes import Loading, Settings

ROUNDS = 20_000
SWITCHES = 2 * ROUNDS
CPU = "1"
WHO = ("other", "target")

#: A sink for samples that costs nothing: ``abs(NULL)`` is 0.
SINK = ctypes.cast(ctypes.CDLL(None).abs, ctypes.c_void_p).value or 0


def stopped(argv: list[str]) -> subprocess.Popen[str]:
    """A child that stopped before its exec of ``argv``."""
    command = ["/bin/sh", "-c", 'kill -STOP $$; exec "$@"', "sh", *argv]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
    return child


def switch_ns(child: subprocess.Popen[str], plane: KernelPlane | None) -> float:
    """CPU time per context switch of the ping-pong; drains the ring meanwhile."""
    done = threading.Event()

    def drain() -> None:
        while not done.wait(0.02):
            if plane:
                plane.consume()

    drainer = threading.Thread(target=drain)
    drainer.start()
    os.kill(child.pid, signal.SIGCONT)
    said, _ = child.communicate()
    done.set()
    drainer.join()
    return int((said.split() or ["0"])[-1]) / SWITCHES


def once(argv: list[str], who: str, *, stats: bool = False) -> tuple[float, dict[str, object]]:
    """One run; ``who`` the plane follows: ``nobody`` (no plane), ``other`` or ``target``."""
    child, other = stopped(argv), stopped(["/bin/true"])
    plane = None
    if who != "nobody":
        followed = Target(child.pid if who == "target" else other.pid)
        plane = KernelPlane.start(followed, SINK, 0, Loading(Settings(stats=stats)))
        plane.extend(delay_s=0.0)
        while not plane.extended() and not plane.missing():
            time.sleep(0.01)
    try:
        elapsed = switch_ns(child, plane)
        facts: dict[str, object] = {}
        if plane and stats:
            runs = plane.program_runs()
            facts = {name: round(spent / count) for name, (count, spent) in runs.items() if count}
        if plane:
            plane.stop()
            facts["drops"] = sum(plane.drops().values())
    finally:
        other.kill()
        other.communicate()
    return elapsed, facts


def main() -> None:
    """Prints one JSON object."""
    argv = ["taskset", "-c", CPU, sys.argv[1], "pingpong", str(ROUNDS)]
    pairs = int(sys.argv[3]) if len(sys.argv) > 3 else 15
    bare, foreign, target = [], [], []
    drops = 0
    for _ in range(pairs):
        bare.append(once(argv, "nobody")[0])
        foreign.append(once(argv, "other")[0] - bare[-1])
        elapsed, facts = once(argv, "target")
        target.append(elapsed - bare[-1])
        drops += int(str(facts["drops"]))
    with tempfile.TemporaryDirectory(dir=".") as folder:
        write = [sys.argv[1], "write", f"{folder}/data", "2000", "4096"]
        tcp = [sys.argv[1], "tcp", "5000"]
        contend = [sys.argv[2], "contend", "500"]
        compact = ["/bin/sh", "-c", "echo 1 > /proc/sys/vm/compact_memory"]
        loops = (write, tcp, contend, compact)
        others = {who: [once(argv, who, stats=True)[1] for argv in loops] for who in WHO}
    print(
        json.dumps(
            {
                "switch_ns": round(statistics.median(bare)),
                "foreign_added_ns": round(statistics.median(foreign)),
                "target_added_ns": round(statistics.median(target)),
                "target_drops": drops,
                "foreign_run_ns": once(argv, "other", stats=True)[1],
                "target_run_ns": once(argv, "target", stats=True)[1],
                "write_tcp_contend_compact_run_ns": others,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()

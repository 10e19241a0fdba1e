# SPDX-License-Identifier: Apache-2.0
"""Follows a process until its standard input ends, as a process of its own.

Run where BTF is hidden, it says what the loader of such kernels saw.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from kernel_harness import Samples, kernel, probes

from anaros.kinds import Kind


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def give_up(plane: Any, samples: Samples) -> dict[str, Any]:
    """Gives up each probe that may be, and brings it back, while this process is followed."""
    kept = plane.keep(1.0, lambda: 1.0, lambda _: None)
    while not kept.readings:
        time.sleep(0.01)
    kept.stop()
    plane._seed([kernel.Target(os.getpid())])
    shedding, points = kept._probes, plane._object.tracepoint_fds
    names = [name for unit in shedding.units.values() for name in unit.programs]
    measuring, there = shedding.measure(), len(points)
    time.sleep(0.05)
    for probe in shedding.units:
        shedding.shed(probe)
    began_ns, runs, away = time.monotonic_ns(), plane.program_runs(), there - len(points)
    time.sleep(0.3)
    ran = [name for name, run in plane.program_runs().items() if run != runs[name]]
    ended_ns = time.monotonic_ns()
    back = [shedding.bring_back(probe) for probe in shedding.units]
    time.sleep(0.05)
    plane.consume()
    os.close(measuring)
    columns = samples.columns()
    mine = columns.take((columns.pid == os.getpid()) & (columns.kind == Kind.SCHED_OFFCPU))
    through = (mine.start_ns < began_ns) & (mine.start_ns + mine.duration_ns > ended_ns)
    switch = "tracepoint__sched__sched_switch"
    return {
        "programs": len(names),
        "away": away,
        "ran": sorted(set(ran) & set(names)),
        "back": all(back) and len(points) == there,
        "runs_again": plane.program_runs()[switch] != runs[switch],
        "mine": len(mine),
        "through": int(through.sum()),
        "spent_ns": plane.run_time_ns(),
    }


def main(pid: int, settings: dict[str, int], output: Path) -> None:
    """Writes the records, and beside them what else the plane has to say."""
    samples = Samples()
    before = descriptors()
    loading = probes.Loading(probes.Settings(**settings))
    plane = kernel.KernelPlane.start(kernel.Target(pid), samples.address, 0, loading)
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.02)[0]:
        plane.consume()
    plane.consume()
    np.save(output, np.frombuffer(b"".join(samples.records), np.uint8))
    names = [(int(record["status"]), int(record["object"]), text) for record, text in samples.names]
    counts = plane.counts()
    given_up = give_up(plane, samples) if sys.argv[4:] else None
    plane.stop()
    plane.stop()
    assert plane.consume() == 0
    said = {
        "loader": plane.loader,
        "names": names,
        "counts": counts,
        "given_up": given_up,
        "missing": plane.missing(),
        "left": descriptors() - before,
    }
    output.with_suffix(".json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]), Path(sys.argv[3]))

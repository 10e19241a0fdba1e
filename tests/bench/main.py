# SPDX-License-Identifier: Apache-2.0
"""Measures what Anaros costs and how fast it is; the entry point of scripts/bench."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import calls
import device
import drain
import rates
import real_programs
import server
import table
from measure import ROOT, Bench, NotMeasured

from anaros.errors import AnarosError

Results = dict[str, float | None]
Step = tuple[tuple[str, ...], Callable[[], Results]]

PAGE = ROOT / "docs/measured.md"


class Suite:
    """The measurements in the order in which they run; later ones use the server's run."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._run: Path | None = None

    def _server(self) -> Results:
        cost = server.cost(self._bench)
        self._run = cost.run
        return {
            "server_throughput_ratio": cost.throughput_ratio,
            "server_p99_ratio": cost.p99_ratio,
        }

    def _recorded(self) -> Path:
        if self._run is None:
            self._server()
        if self._run is None:
            raise NotMeasured("it needs the run of the example server")
        return self._run

    def _supervisor(self) -> Results:
        done = rates.supervised(self._bench, 20_000, 4 if self._bench.quick else 12)
        return {"supervisor_cpu_percent": done.cpu_percent, "supervisor_rss_mb": done.rss_mb}

    def _zero_loss(self) -> Results:
        arrived, dropped = rates.zero_loss(self._bench)
        return {"zero_loss_records_per_s": arrived, "zero_loss_dropped_records": dropped}

    def steps(self, peers: bool) -> list[Step]:
        """Keys of the result, and what measures them."""
        bench = self._bench

        def one(key: str, measure: Callable[[], float]) -> Step:
            return (key,), lambda: {key: measure()}

        found: list[Step] = [
            one("pread_added_ns", partial(calls.pread, bench)),
            one("recv_added_ns", partial(calls.recv, bench)),
            one("opencl_enqueue_added_ns", partial(calls.opencl_enqueue, bench)),
            one("cuda_launch_added_ns", partial(device.launch, bench)),
            one("cuda_launch_8_threads_added_ns", partial(device.launch_threads, bench)),
            one("cuda_launch_p50_added_ns", partial(device.launch_p50, bench, 1)),
            one("cuda_launch_8_threads_p50_added_ns", partial(device.launch_p50, bench, 8)),
            one("cuda_runtime_launch_added_ns", partial(device.runtime_launch, bench)),
            one(
                "cuda_runtime_launch_8_threads_added_ns",
                partial(device.runtime_launch_threads, bench),
            ),
            one("cuda_copy_added_ns", partial(device.copy, bench)),
            one("cuda_queue_added_percent", partial(device.queue_percent, bench)),
            one("cuda_kernel_added_ns", partial(device.kernel_added, bench)),
            one("cuda_startup_added_ms", partial(device.startup, bench)),
            (("cuda_growth_bytes", "cuda_growth_ring_bytes"), partial(device.growth, bench)),
            one("cuda_accounted_percent", device.accounted_percent),
            one("startup_added_ms", partial(calls.startup, bench, kernel=False)),
            one("startup_kernel_added_ms", partial(calls.startup, bench, kernel=True)),
            one("short_run_added_ms", partial(calls.short_run, bench, kernel=False)),
            one("short_run_kernel_added_ms", partial(calls.short_run, bench, kernel=True)),
            one("drain_records_per_s", partial(drain.rate, bench)),
            (("server_throughput_ratio", "server_p99_ratio"), self._server),
            one("bytes_per_record", lambda: rates.bytes_per_record(self._recorded())),
            one("store_records_per_s", lambda: rates.store_rate(bench, self._recorded())),
            one("report_10m_s", lambda: rates.report_seconds(bench, self._recorded())),
            (("supervisor_cpu_percent", "supervisor_rss_mb"), self._supervisor),
            (("zero_loss_records_per_s", "zero_loss_dropped_records"), self._zero_loss),
        ]
        for name in real_programs.PROGRAMS:
            keys = (f"real_{name}_run_ratio", f"real_{name}_attach_ratio")
            found.append((keys, partial(real_programs.cost, bench, name)))
        for name in calls.PEERS if peers else ():
            measure = partial(calls.peer_pread, bench, name)
            found.append(one(f"peer_{name}_pread_added_ns", measure))
        return found


def measure_all(steps: list[Step]) -> tuple[Results, dict[str, str]]:
    """Runs every step; what cannot be measured is None, with the reason by its key."""
    results: Results = {}
    notes: dict[str, str] = {}
    for keys, measure in steps:
        start = time.monotonic()
        print(f"bench: {', '.join(keys)} ...", end="", file=sys.stderr, flush=True)
        try:
            results.update(measure())
            told = ", ".join(table.text(results[key]) for key in keys)
        except (NotMeasured, AnarosError, OSError, subprocess.SubprocessError) as error:
            results.update(dict.fromkeys(keys))
            notes[keys[0]] = told = str(error)
        print(f" {told} ({time.monotonic() - start:.0f} s)", file=sys.stderr)
    return results, notes


def main() -> int:
    """Parses, measures, prints."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--peers", action="store_true", help="other tracers in the same run")
    parser.add_argument("--json", action="store_true", help="one flat object on standard output")
    parser.add_argument("--quick", action="store_true", help="shows that it works, not how fast")
    parser.add_argument("--write", action="store_true", help=f"update {PAGE.relative_to(ROOT)}")
    parser.add_argument("--only", metavar="KEY", action="append", help="measure this number alone")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="anaros-bench-") as scratch:
        steps = Suite(Bench(Path(scratch), arguments.quick)).steps(arguments.peers)
        if arguments.only:
            known = {key for keys, _ in steps for key in keys}
            if unknown := set(arguments.only) - known:
                parser.error(f"no such number: {', '.join(unknown)}; there are {', '.join(known)}")
            steps = [step for step in steps if set(step[0]) & set(arguments.only)]
        results, notes = measure_all(steps)
    if arguments.write:
        table.write(PAGE, results, notes)
    if arguments.json:
        print(json.dumps(results))
    else:
        print(table.markdown(results, notes))
    return 0


if __name__ == "__main__":
    sys.exit(main())

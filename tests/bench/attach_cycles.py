# SPDX-License-Identifier: Apache-2.0
"""Attaches to a process at work and detaches again, many times: what each took and left behind.

    python tests/bench/loaded_server.py & python tests/bench/attach_cycles.py $! 1000 [--inject]

As root. First by the command, ended by a signal, then in this process, where one cycle of ten
stays until all probes are loaded. In ms, median and most: ``visible`` from the start to the end of
the first record of the process, ``called`` to that of its first call; ``detach`` from the signal or
the word to detach to the last probe gone; ``stopped`` for how long threads were stopped in all
(with ``--inject``: one after another, the most that a single one can have been).

Then what grew from the tenth cycle to the last: BPF programs, maps and links that no process has,
descriptors, threads and memory of this process, and descriptors, mappings and memory of the target.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from left_behind import grown, held

from anaros.capture.attach.calls import AttachLoading
from anaros.capture.attach.targets import check
from anaros.kinds import KIND_NAMES
from anaros.session.attach import attach
from anaros.store.rundir import RunDirectory
from anaros.store.segments import load

COMMANDS, SETTLED = 10, 10
_SHORT_S, _LONG_S, _WHOLE_S = 0.05, 0.5, 1.0
_LOOK_S = 0.02
_CALLS = [kind for kind, name in KIND_NAMES.items() if name in ("file.read", "net.send")]
#: Which records say that the process is seen: not what it did before.
_SEEN = [kind for kind, name in KIND_NAMES.items() if name.startswith("sched.")] + _CALLS


class Took(NamedTuple):
    """One attachment, in ms; NaN where nothing was recorded."""

    visible: float
    called: float
    detach: float
    stopped: float
    whole: float
    cpu: float


def _first_ms(run: RunDirectory, pid: int, kinds: Sequence[int], start_ns: int) -> float:
    records = load(run, kinds=kinds, fields=["start_ns", "duration_ns", "pid"])
    own = records.pid == pid
    if not own.any():
        return math.nan
    return float((records.start_ns[own] + records.duration_ns[own]).min() - start_ns) / 1e6


def _took(path: Path, pid: int, start_ns: int, asked_ns: int | None, cpu_s: float) -> Took:
    run, whole_ns = RunDirectory.open(path), time.monotonic_ns() - start_ns
    told = run.meta()["attach"]
    asked_ns = told["until_ns"] if asked_ns is None else asked_ns
    stopped_ns = sum(one["stopped_ns"] for one in told["injected"] or ())
    visible, called = (_first_ms(run, pid, kinds, start_ns) for kinds in (_SEEN, _CALLS))
    shutil.rmtree(path)
    detach = (told["detached_ns"] - asked_ns) / 1e6
    return Took(visible, called, detach, stopped_ns / 1e6, whole_ns / 1e6, cpu_s * 1e3)


def _follows(supervisor: int, pid: int) -> bool:
    """Whether it waits for the end of the process, and so is done with attaching."""
    for _ in range(2):  # one of a moment is of something else
        time.sleep(_LOOK_S)
        held = []
        for path in Path(f"/proc/{supervisor}/fdinfo").glob("*"):
            with contextlib.suppress(OSError):
                held.append(path.read_text())
        if not any(f"Pid:\t{pid}\n" in text for text in held):
            return False
    return True


def command(pid: int, run: Path, words: list[str]) -> Took:
    """One ``anaros attach`` that a signal ends."""
    code = "import sys; from anaros_cli.main import main; sys.exit(main())"
    start_ns = time.monotonic_ns()
    process = subprocess.Popen(
        [sys.executable, "-c", code, "attach", "--output", run, *words, str(pid)],
        stdout=subprocess.DEVNULL,
    )
    while process.poll() is None and not _follows(process.pid, pid):
        time.sleep(_LOOK_S)
    time.sleep(_WHOLE_S)
    asked_ns = time.monotonic_ns()
    process.send_signal(signal.SIGINT)
    if process.wait(60):
        raise SystemExit("the command failed")
    return _took(run, pid, start_ns, asked_ns, math.nan)


def cycle(pid: int, run: Path, stay_s: float, *, inject: bool) -> Took:
    """One attachment by this process."""
    start_ns, used = time.monotonic_ns(), time.process_time()
    done = attach(check([pid]), AttachLoading(), output=run, duration_s=stay_s, inject=inject)
    if done.problem is not None:
        raise done.problem
    return _took(run, pid, start_ns, None, time.process_time() - used)


def show(what: str, rows: Sequence[Took]) -> None:
    """Median and most of each column that was measured."""
    parts = []
    for name, column in zip(Took._fields, zip(*rows, strict=True), strict=True):
        values = [value for value in column if value > 0]
        if values:
            parts.append(f"{name} {statistics.median(values):.1f} ({max(values):.1f})")
    print(f"{what}, {len(rows)} times, median (most) in ms: {', '.join(parts)}", flush=True)


def main() -> int:
    """All cycles, and what they left."""
    words = [word for word in sys.argv[1:] if word != "--inject"]
    more = sys.argv.count("--inject") * ["--inject"]
    pid, cycles = int(words[0]), int(words[1]) if len(words) > 1 else 1000
    rows: dict[float, list[Took]] = {_SHORT_S: [], _LONG_S: []}
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        show("by the command", [command(pid, run, more) for _ in range(COMMANDS)])
        first, started = held(pid), time.monotonic()
        for place in range(cycles):
            stay_s = _SHORT_S if place % 10 else _LONG_S
            rows[stay_s].append(cycle(pid, run, stay_s, inject=bool(more)))
            if place == SETTLED:
                first = held(pid)
            if place % 100 == 99:
                print(f"{place + 1} cycles: {grown(first, held(pid))}", flush=True)
    for stay_s, part in rows.items():
        show(f"stays of {stay_s * 1e3:.0f} ms", part)
    print(f"{cycles} cycles in {time.monotonic() - started:.0f} s, no error")
    print("grown since the tenth:", grown(first, held(pid)))
    os.kill(pid, 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())

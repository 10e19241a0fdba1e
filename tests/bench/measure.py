# SPDX-License-Identifier: Apache-2.0
"""How everything is measured: with and without, in turn, the median of the pairs."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests/bench"

Command = Sequence[str | Path]


class NotMeasured(Exception):  # noqa: N818  # not an error: the number stays null
    """This machine cannot show the number; the message says why."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What all measurements share.

    Attributes:
        scratch: A directory for programs and runs, removed at the end.
        quick: Few pairs and short loops: shows that it works, not how fast.
    """

    scratch: Path
    quick: bool

    def calls(self, count: int) -> int:
        """How many calls a loop makes."""
        return count // 10 if self.quick else count

    @property
    def pair_count(self) -> int:
        """How many pairs are measured."""
        return 3 if self.quick else 9

    def program(self, name: str) -> Path:
        """The compiled loop ``name`` of this folder."""
        return self._compiled(name, name)

    def runtime_program(self, name: str) -> Path:
        """The same loop, linked with the stub of the CUDA runtime, which has to be built."""
        folder = ROOT / "tests/native/cudart/build/one"
        link = (f"-L{folder}", "-l:libcudart-one.so.13", f"-Wl,-rpath,{folder}")
        return self._compiled(name, f"{name}-runtime", "-DRUNTIME", libraries=link)

    def library(self, name: str) -> Path:
        """What the loop ``name`` calls, where it brings that along."""
        return self._compiled(name, f"{name}.so", "-shared", "-fPIC", "-DLIBRARY")

    def _compiled(self, name: str, binary: str, *more: str, libraries: Sequence[str] = ()) -> Path:
        path = self.scratch / binary
        if not path.exists():
            source = HERE / f"{name}.c"
            flags = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", *more]
            subprocess.run(["cc", *flags, "-o", path, source, "-ldl", *libraries], check=True)
        return path

    def anaros(self, *words: str | Path) -> list[str]:
        """The command line of this checkout's ``anaros``."""
        script = Path(sys.executable).with_name("anaros")
        start = [str(script)] if script.exists() else [sys.executable, "-m", "anaros_cli.main"]
        return [*start, *map(str, words)]

    def run_under(self, output: Path, command: Command, kernel: bool, *options: str) -> list[str]:
        """``command`` under ``anaros run``; what an earlier run left in ``output`` goes."""
        shutil.rmtree(output, ignore_errors=True)
        plane = [] if kernel else ["--no-kernel"]
        return self.anaros("run", *plane, *options, "--output", output, "--", *command)


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """The environment of a measured program: the checkout's modules, no bytecode surprises."""
    paths = os.pathsep.join(str(ROOT / folder) for folder in ("overlay", "cli"))
    return {**os.environ, "PYTHONPATH": paths, **(extra or {})}


def run_json(command: Command, extra: dict[str, str] | None = None) -> dict[str, float]:
    """Runs ``command`` and reads the last line of its output that is a JSON object."""
    done = subprocess.run(
        list(map(str, command)),
        env=environment(extra),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        tail = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no output"]
        raise NotMeasured(f"{Path(str(command[0])).name} ended with {done.returncode}: {tail[0]}")
    result: dict[str, float] = json.loads(lines[-1])
    return result


def ns_per_call(command: Command, extra: dict[str, str] | None = None) -> float:
    """What the loop says one call took, in ns: in the fastest of its batches."""
    return run_json(command, extra)["ns_per_call"]


def _timed(command: Command) -> tuple[int, int, str]:
    """When a command was started and had ended (CLOCK_MONOTONIC, ns), and what it said."""
    start_ns = time.monotonic_ns()
    done = subprocess.run(
        list(map(str, command)),
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    end_ns = time.monotonic_ns()
    if done.returncode:
        tail = done.stderr.strip().splitlines()[-1:] or ["no output"]
        raise NotMeasured(f"{Path(str(command[0])).name} ended with {done.returncode}: {tail[0]}")
    return start_ns, end_ns, done.stdout


def wall_ms(command: Command) -> float:
    """Time from start to end of a command, in ms."""
    start_ns, end_ns, _ = _timed(command)
    return (end_ns - start_ns) / 1e6


def started_ms(command: Command) -> float:
    """Time from the start of a command to the first instruction of ``started``, in ms."""
    start_ns, _, output = _timed(command)
    return (int(output) - start_ns) / 1e6


@dataclass(frozen=True, slots=True)
class Pairs:
    """Measurements in turn.

    Attributes:
        bare: Without, one for each pair.
        with_it: With, one for each pair.
    """

    bare: list[float]
    with_it: list[float]

    @property
    def added(self) -> float:
        """Median of the differences."""
        return statistics.median(b - a for a, b in zip(self.bare, self.with_it, strict=True))

    @property
    def ratio(self) -> float:
        """Median of the ratios, with it to without."""
        return statistics.median(b / a for a, b in zip(self.bare, self.with_it, strict=True))


def in_turn(bare: Callable[[], float], with_it: Callable[[], float], count: int) -> Pairs:
    """Measures both ``count`` times; who goes first changes from pair to pair."""
    pairs = Pairs([], [])
    for index in range(count):
        steps = [(pairs.bare, bare), (pairs.with_it, with_it)]
        for results, measure in steps if index % 2 == 0 else reversed(steps):
            results.append(measure())
    return pairs

# SPDX-License-Identifier: Apache-2.0
"""Runs of a program: bare, recorded, beside CUPTI, timed in turn."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gpu_check.compare import Recorded, judge, judge_device_time, recorded
from gpu_check.host import BUILD, ROOT
from gpu_check.parts import Loop, Part, Place, program_environment

SCRATCH = BUILD / "scratch"


class Failed(Exception):  # noqa: N818  # contained: it is a line of the table
    """A program did not do what it is for; the message says what happened."""


class Deadline:
    """How much time the whole check has left."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left_s(self) -> float:
        """Seconds until the end, at least 0."""
        return max(0.0, self._end - time.monotonic())

    def share(self, count: int) -> Deadline:
        """The time of one of ``count`` that are still to come: none takes that of the next."""
        return Deadline(self.left_s() / count)


@dataclass(slots=True)
class PartResult:
    """What became of a part; fields are None where that run did not take place.

    Attributes:
        name: Of the part.
        path: The part's way to the driver.
        what: What it is.
        own: What the program told of itself.
        seen: What was recorded of it.
        witness: What CUPTI told of the same process.
        executed: Kernels with device time, of those that ran: a share.
        identical: Was the output the same, bare and recorded?
        accounted: The least share of launches, copies and bytes.
        problems: What is not as it must be.
        left_out: Why it did not run.
        seconds: That it took.
    """

    name: str
    path: str
    what: str
    own: dict[str, Any] | None = None
    seen: Recorded | None = None
    witness: dict[str, int] | None = None
    executed: float | None = None
    identical: bool | None = None
    accounted: float | None = None
    problems: list[str] = field(default_factory=list)
    left_out: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool | None:
        """None where it did not run."""
        return None if self.left_out else not self.problems

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "passed": self.passed}


@dataclass(slots=True)
class LoopResult:
    """How long a call of a loop took.

    Attributes:
        name: Of the loop.
        what: What a call is.
        bare_ns: Median of the bare runs.
        added_percent: By way of running it, the median over the rounds, each against its own bare.
        rounds: How many there were.
        notes: What could not be measured, and why.
    """

    name: str
    what: str
    bare_ns: float | None = None
    added_percent: dict[str, float] = field(default_factory=dict)
    rounds: int = 0
    notes: list[str] = field(default_factory=list)


def anaros(*words: str | Path) -> list[str]:
    """An ``anaros`` command of this checkout; the program does not get the import path."""
    paths = [str(ROOT / "overlay"), str(ROOT / "cli")]
    code = (
        f"import sys; sys.path[:0] = {paths!r}; from anaros_cli.main import main; sys.exit(main())"
    )
    return [sys.executable, "-c", code, *map(str, words)]


def under(output: Path, device_time: str, command: tuple[str, ...]) -> list[str]:
    """``command`` under ``anaros run``; an earlier run in ``output`` goes."""
    shutil.rmtree(output, ignore_errors=True)
    words = ("run", "--no-kernel", "--device-time", device_time, "--output", output, "--")
    return anaros(*words, *command)


def _end(process: subprocess.Popen[str]) -> None:
    """Ends a program and all it started; what records it may first put away its shared memory."""
    for number, patience_s in ((signal.SIGTERM, 10), (signal.SIGKILL, None)):
        with contextlib.suppress(subprocess.TimeoutExpired, ProcessLookupError):
            os.killpg(process.pid, number)
            process.communicate(timeout=patience_s)


def execute(words: list[str], environment: Mapping[str, str], limit_s: float) -> str:
    """The standard output of a program.

    Raises:
        Failed: It took too long (it and all it started are ended), or did not end well.
    """
    if limit_s <= 0:
        raise Failed("no time was left")
    process = subprocess.Popen(
        words,
        env=dict(environment),
        cwd=BUILD,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=limit_s)
    except BaseException as error:
        # Also by Control-C, which reaches us alone: nothing goes on without us.
        _end(process)
        if isinstance(error, subprocess.TimeoutExpired):
            raise Failed(f"took more than {limit_s:.0f} s") from error
        raise
    if process.returncode:
        lines = (errors.strip() or output.strip()).splitlines() or ["no output"]
        raise Failed(f"ended with {process.returncode}: {lines[-1]}")
    return output


def last_json(output: str) -> dict[str, Any]:
    """The last line of output that is a JSON object.

    Raises:
        Failed: There is none.
    """
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise Failed("told nothing of itself")
    told: dict[str, Any] = json.loads(lines[-1])
    return told


def _witness(place: Place) -> tuple[dict[str, str], Path]:
    path = SCRATCH / "witness.json"
    path.unlink(missing_ok=True)
    beside = {**place.witness, "WITNESS_OUTPUT": str(path)} if place.witness is not None else {}
    return beside, path


def _count(part: Part, place: Place, result: PartResult, deadline: Deadline) -> None:
    """Bare; recorded, with CUPTI beside it; recorded with device time by CUPTI."""
    plain = program_environment(place)

    def limit_s() -> float:
        return min(part.limit_s, deadline.left_s())

    bare = execute(list(part.command), plain, limit_s())
    own = result.own = last_json(bare)
    beside, witness_file = _witness(place)
    words = under(SCRATCH / "run", "queue", part.command)
    output = execute(words, program_environment(place, beside), limit_s())
    result.identical = output == bare
    if not result.identical:
        result.problems.append(f"the output is another when recorded: {output.strip()[-200:]}")
    if beside and not witness_file.exists():
        result.problems.append("CUPTI told nothing")
    elif beside:
        result.witness = json.loads(witness_file.read_text())
    result.seen = recorded(SCRATCH / "run")
    counts = {key: value for key, value in own.items() if isinstance(value, int)}
    verdict = judge(counts, result.seen, result.witness, own.get("at_least", {}))
    result.problems += verdict.differences
    result.accounted = verdict.accounted
    if place.witness is None:
        return
    words = under(SCRATCH / "run", "kernel", part.command)
    output = execute(words, plain, limit_s())
    if output != bare:
        result.identical = False
        result.problems.append("the output is another when device time is recorded")
    timed = judge_device_time(recorded(SCRATCH / "run"))
    result.executed = timed.accounted
    result.problems += timed.differences


def check_part(part: Part, place: Place, deadline: Deadline) -> PartResult:
    """Runs a part three times and compares; whatever fails is in the result."""
    result = PartResult(part.name, part.path, part.what, left_out=part.left_out)
    if part.left_out:
        return result
    if deadline.left_s() <= 0:
        result.left_out = "no time was left"
        return result
    SCRATCH.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    try:
        _count(part, place, result, deadline)
    except Exception as error:  # noqa: BLE001  # one part's failure is that part's alone
        result.problems.append(str(error) or type(error).__name__)
    finally:
        shutil.rmtree(SCRATCH, ignore_errors=True)
    result.seconds = round(time.monotonic() - start, 2)
    return result


def _ways(loop: Loop, place: Place) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Name of a way to run the loop, its words and what it adds to the environment."""
    ways: dict[str, tuple[list[str], dict[str, str]]] = {"bare": (list(loop.command), {})}
    for mode in ("off", "queue", "kernel"):
        if mode != "kernel" or place.witness is not None:
            ways[mode] = (under(SCRATCH / f"run-{mode}", mode, loop.command), {})
    if place.gpu is None:
        return ways
    if place.witness is not None:
        ways["CUPTI"] = (list(loop.command), dict(place.witness))
    if loop.profiled:
        ways["torch.profiler"] = (list(loop.profiled), {})
    tool = shutil.which("nsys")
    if tool is not None:
        options = ["--trace=cuda", "--sample=none", "--cpuctxsw=none", "--force-overwrite=true"]
        output = ["--stats=false", f"--output={SCRATCH / 'nsys'}"]
        ways["nsys"] = ([tool, "profile", *options, *output, *loop.command], {})
    return ways


def measure_loop(loop: Loop, place: Place, rounds: int, deadline: Deadline) -> LoopResult:
    """Runs the loop by each way in turn; each round begins with another of them."""
    result = LoopResult(loop.name, loop.what)
    SCRATCH.mkdir(parents=True, exist_ok=True)
    ways = _ways(loop, place)
    ratios: dict[str, list[float]] = {name: [] for name in ways if name != "bare"}
    bare: list[float] = []
    for index in range(rounds):
        names = list(ways)
        start = index % len(names)
        took: dict[str, float] = {}
        begin = time.monotonic()
        for name in [*names[start:], *names[:start]]:
            words, extra = ways[name]
            shutil.rmtree(SCRATCH / f"run-{name}", ignore_errors=True)
            limit_s = min(loop.limit_s, deadline.left_s())
            try:
                output = execute(words, program_environment(place, extra), limit_s)
                took[name] = float(last_json(output)["ns_per_call"])
            except Failed as error:
                result.notes.append(f"{name}: {error}")
                if name == "bare":
                    break
                del ways[name]
        if "bare" in took:
            bare.append(took["bare"])
            for name in took.keys() - {"bare"}:
                ratios[name].append(took[name] / took["bare"])
        if "bare" not in took or deadline.left_s() < time.monotonic() - begin:
            break
    result.rounds = len(bare)
    result.bare_ns = statistics.median(bare) if bare else None
    result.added_percent = {
        name: 100 * (statistics.median(found) - 1) for name, found in ratios.items() if found
    }
    shutil.rmtree(SCRATCH, ignore_errors=True)
    return result

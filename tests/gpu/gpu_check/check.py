# SPDX-License-Identifier: Apache-2.0
"""The check itself, from its programs to its table."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from typing import Any

from gpu_check import page, table
from gpu_check import parts as make
from gpu_check.host import BUILD, Gpu, as_dict, put
from gpu_check.runs import Deadline, LoopResult, PartResult, check_part, measure_loop

RESULTS = BUILD / "results.json"


def _say(text: str) -> None:
    print(f"gpu-check: {text}", file=sys.stderr, flush=True)


class Check:
    """One run of all programs, or of those that were asked for."""

    def __init__(self, gpu: Gpu | None, arguments: argparse.Namespace, notes: list[str]) -> None:
        self._gpu = gpu
        self._arguments = arguments
        self._deadline = Deadline(arguments.limit)
        self._place = make.simulated() if gpu is None else make.real(gpu)
        self._notes = [*notes, *self._place.notes]

    def _chosen(self) -> make.Programs:
        build = make.simulated_programs if self._gpu is None else make.real_programs
        programs = build(self._place, self._arguments.quick)
        only = set(self._arguments.only or [])
        if only:
            programs.parts = [part for part in programs.parts if part.name in only]
            programs.loops = [loop for loop in programs.loops if loop.name in only]
        return programs

    def _parts(self, programs: make.Programs) -> list[PartResult]:
        results = []
        for part in programs.parts:
            result = check_part(part, self._place, self._deadline)
            told = result.left_out or "; ".join(result.problems) or "equal"
            _say(f"{part.name}: {told} ({result.seconds:.1f} s)")
            results.append(result)
        return results

    def _loops(self, programs: make.Programs) -> list[LoopResult]:
        rounds = 1 if self._arguments.quick else 7
        results = []
        for index, loop in enumerate(programs.loops):
            begin = time.monotonic()
            deadline = self._deadline.share(len(programs.loops) - index)
            result = measure_loop(loop, self._place, rounds, deadline)
            told = ", ".join(f"{way} {got:+.1f} %" for way, got in result.added_percent.items())
            _say(f"{loop.name}: {told or 'not measured'} ({time.monotonic() - begin:.1f} s)")
            results.append(result)
        return results

    def run(self) -> int:
        """Checks, prints, writes; the exit code is 1 where something differs."""
        programs = self._chosen()
        parts, loops = self._parts(programs), self._loops(programs)
        block = table.markdown(self._gpu, parts, loops, self._notes)
        told: dict[str, Any] = {
            "gpu": None if self._gpu is None else as_dict(self._gpu),
            "parts": [part.as_dict() for part in parts],
            "loops": [asdict(loop) for loop in loops],
            "notes": self._notes,
        }
        put(RESULTS, json.dumps(told, indent=1))
        if self._arguments.write is not None:
            page.write(self._arguments.write, block)
        print(json.dumps(told) if self._arguments.json else block)
        failed = [part.name for part in parts if part.passed is False]
        if failed:
            _say(f"differs: {', '.join(failed)}")
        return 1 if failed else 0

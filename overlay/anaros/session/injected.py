# SPDX-License-Identifier: Apache-2.0
"""The shim in the processes of an attachment: ``anaros attach --inject``."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from anaros.capture.attach.targets import alive
from anaros.capture.inject.injection import Ejected, Injected, Stops, inject, prepare
from anaros.errors import InjectError

#: For a thread that sleeps in a call of the shim's; the run is over, the program waits for nothing.
_PATIENCE_S = 1.0

TYPE_CHECKING = False
if TYPE_CHECKING:
    from anaros.capture.attach.targets import Process
    from anaros.capture.rings.arena import Arena


class Injections:
    """Loads the shim into each process, or into none.

    Args:
        arena: Where they record.
        folder: Its directory.
        processes: The processes.

    Raises:
        InjectError: One cannot be entered; those that were are as they were before.
    """

    def __init__(self, arena: Arena, folder: Path, processes: Sequence[Process]) -> None:
        self._all: list[Injected] = []
        self._told: list[dict[str, Any]] = []
        self._kept: list[tuple[Injected, dict[str, Any]]] = []
        arena.start_clock()
        arena.recording = True
        library = prepare(folder, [process.uid for process in processes])
        try:
            for process in processes:
                self._all.append(inject(process.pid, library))
        except BaseException:
            self.detach()
            self.settle()
            raise
        #: Since when in ns all of them record.
        self.since_ns = time.monotonic_ns()

    def detach(self) -> None:
        """Takes it out of them and of their forked children; a second call does nothing."""
        while self._all:
            injected = self._all.pop()
            for one in (injected, *injected.children()):
                try:
                    left = one.detach(0.0)  # whoever is inside is waited for by `settle`
                except InjectError as problem:
                    if not alive(one.pid):
                        continue
                    left = Ejected(0, 0, one.slots, unloaded=False, reason=problem.fact, stops=())
                told = _outcome(one, left)
                self._told.append(told)
                if told["kept"] is not None:
                    self._kept.append((one, told))

    def settle(self) -> None:
        """Unloads, after ``detach``, what a thread was in: by then most have come out."""
        while self._kept:
            one, told = self._kept.pop()
            with contextlib.suppress(InjectError):
                left = one.detach(_PATIENCE_S)
                told["kept"] = left.reason
                _add_stops(told, left.stops)

    def told(self) -> list[dict[str, Any]]:
        """What became of each, after ``detach``."""
        return self._told

    def kept(self) -> Iterator[str]:
        """Where the library had to stay, one sentence each."""
        for one in self._told:
            if one["kept"] is not None:
                yield f"the shim stays in process {one['pid']}, without work: {one['kept']}"


def _outcome(injected: Injected, left: Ejected) -> dict[str, Any]:
    told: dict[str, Any] = {
        "pid": injected.pid,
        "words": injected.slots,
        "words_refused": injected.refused,
        "words_left": left.left,
        "pointers": injected.pointers,
        "borrowed_ns": [],
        "longest_stop_ns": 0,
        "stopped_ns": 0,
        "kept": left.reason,
    }
    _add_stops(told, (injected.stops, *left.stops))
    return told


def _add_stops(told: dict[str, Any], stops: Iterable[Stops]) -> None:
    """Adds what threads were stopped for; the sum is the most that one can have been."""
    for stop in stops:
        if stop.borrowed_ns:
            told["borrowed_ns"].append(stop.borrowed_ns)
        told["longest_stop_ns"] = max(told["longest_stop_ns"], stop.longest_ns)
        told["stopped_ns"] += stop.borrowed_ns + stop.longest_ns

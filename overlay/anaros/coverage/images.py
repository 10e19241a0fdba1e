# SPDX-License-Identifier: Apache-2.0
"""Which program a process was at a time: from its fork or exec to the next exec or its end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anaros.coverage.model import I64, U32, U64, Mask
from anaros.kinds import Kind
from anaros.records import Columns

#: As many forks of forks without an exec are followed back to whoever had the shim.
_GENERATIONS_MAX = 64


@dataclass(frozen=True, slots=True)
class Images:
    """N programs, sorted by pid and start; each array has shape (N,).

    ``start_ns`` is 0 for what a process was when it was first seen. ``exec`` tells those that
    began with an exec. ``shim`` tells where the shim was at work. ``root`` is the place of the
    program that each was forked from without an exec since, without the shim in either; its own
    place else.
    """

    pid: U32
    start_ns: U64
    exec: Mask
    shim: Mask
    root: I64

    def __len__(self) -> int:
        return len(self.pid)

    def at(self, pid: npt.NDArray[np.uint32], time_ns: U64) -> I64:
        """Which of them each pid was at a time; -1: the pid was never seen."""
        return _places(self.pid, self.start_ns, pid, time_ns)

    def gathered(self, amount: U64) -> U64:
        """Amounts of shape (N,), those of forked children where their program is listed."""
        found = np.zeros(len(self), np.uint64)
        np.add.at(found, self.root, amount)
        return found


def _places(pids: U32, starts: U64, pid: U32, time_ns: U64) -> I64:
    """The last of the sorted (pids, starts) that is not after (pid, time_ns), of the same pid."""
    if not len(pids):
        return np.full(len(pid), -1, np.int64)
    known = np.unique(pids)
    times = np.unique(starts)
    wide = np.int64(len(times) + 1)
    number = np.minimum(np.searchsorted(known, pid), len(known) - 1)
    keys = np.searchsorted(known, pids) * wide + np.searchsorted(times, starts, side="right")
    asked = number * wide + np.searchsorted(times, time_ns, side="right")
    found = np.searchsorted(keys, asked, side="right") - 1
    here = np.maximum(found, 0)
    return np.where((found >= 0) & (pids[here] == pid), here, -1)


def images_of(columns: Columns) -> Images:
    """The programs of all processes that the records tell of."""
    forks = columns.take(np.flatnonzero(columns.kind == Kind.PROC_FORK))
    execs = columns.take(np.flatnonzero(columns.kind == Kind.PROC_EXEC))
    shims = columns.take(np.flatnonzero(columns.kind == Kind.PROC_SHIM))
    children = forks.object.astype(np.uint32)
    everybody = np.unique(np.concatenate([columns.pid, children]))
    pid = np.concatenate([everybody, children, execs.pid])
    start = np.concatenate([np.zeros(len(everybody), np.uint64), forks.start_ns, execs.start_ns])
    by_exec = np.repeat([False, True], [len(everybody) + len(children), len(execs)])
    order = np.lexsort((by_exec, start, pid))
    pid, start, by_exec = pid[order], start[order], by_exec[order]
    shim = np.zeros(len(pid), np.bool_)
    shim[_places(pid, start, shims.pid, shims.start_ns)] = len(shims) > 0
    parent = np.full(len(pid), -1, np.int64)
    parent[_places(pid, start, children, forks.start_ns)] = _places(
        pid, start, forks.pid, forks.start_ns
    )
    forked = ~by_exec & (parent >= 0)
    for _ in range(_GENERATIONS_MAX):
        inherited = forked & ~shim & shim[np.maximum(parent, 0)]
        if not inherited.any():
            break
        shim |= inherited
    root = np.where(forked & ~shim & ~shim[np.maximum(parent, 0)], parent, np.arange(len(pid)))
    for _ in range(_GENERATIONS_MAX.bit_length()):
        root = root[root]
    return Images(pid, start, by_exec, shim, root)

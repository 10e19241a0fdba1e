# SPDX-License-Identifier: Apache-2.0
"""Which programs of a run carried the shim, and why the others did not."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np

from anaros.kinds import Kind, NameClass
from anaros.records import U32, U64, Columns
from anaros.store.names import Names, read_names
from anaros.store.rundir import RunDirectory
from anaros.store.segments import load

_ELF_MAGIC = b"\x7fELF"
_PT_INTERP = 3
_LISTED_MAX = 64


def is_static(path: Path) -> bool | None:
    """Whether an ELF program has no interpreter, so that no library can be preloaded.

    Returns:
        None where the file cannot be read or is no 64-bit ELF program.
    """
    try:
        with path.open("rb") as file:
            head = file.read(64)
            if len(head) < 64 or head[:4] != _ELF_MAGIC or head[4] != 2:
                return None
            offset = int.from_bytes(head[32:40], "little")
            size, count = (int.from_bytes(head[at : at + 2], "little") for at in (54, 56))
            if size < 56 or count > 128:
                return None
            file.seek(offset)
            table = file.read(size * count)
    except OSError:
        return None
    kinds = (int.from_bytes(table[at : at + 4], "little") for at in range(0, len(table), size))
    return _PT_INTERP not in kinds


def _last_part(path: object) -> str | None:
    return path.rpartition("/")[2] if isinstance(path, str) else None


def _reason(program: str, folder: Path | None) -> str:
    if "/" not in program:
        return "unknown: its path is hidden"
    path = Path(program)
    if not path.is_absolute():
        # As it was typed; whoever started it may have stood elsewhere.
        if folder is None or not (folder / path).exists():
            return "unknown: its path is relative"
        path = folder / path
    try:
        mode = path.stat().st_mode
    except OSError:
        return "unknown: the program is gone"
    if mode & (stat.S_ISUID | stat.S_ISGID):
        return "setuid"
    if is_static(path):
        return "static"
    if not os.access(path, os.R_OK):
        return "unreadable"
    return "unknown: started past the wrappers, or ended at once"


def without_shim(pids: U32, execs_ns: U64, shim_pids: U32, shims_ns: U64) -> np.ndarray:
    """Which program starts were not followed by the shim's before the next one of that process.

    Args:
        pids: Shape (N,): processes of the starts.
        execs_ns: Shape (N,): when.
        shim_pids: Shape (M,): processes in which a shim announced itself.
        shims_ns: Shape (M,): when.

    Returns:
        Shape (N,), bool.
    """
    both = np.concatenate([pids, shim_pids])
    times = np.concatenate([execs_ns, shims_ns])
    is_shim = np.concatenate([np.zeros(len(pids), bool), np.ones(len(shim_pids), bool)])
    order = np.lexsort((is_shim, times, both))
    follows = np.zeros(len(both), bool)
    if len(order) > 1:
        here, after = order[:-1], order[1:]
        follows[here] = (both[here] == both[after]) & is_shim[after]
    return ~follows[: len(pids)]


def process_records(columns: Columns) -> Columns:
    """The few records that the census needs, of many."""
    wanted = (columns.kind == Kind.PROC_EXEC) | (columns.kind == Kind.PROC_SHIM)
    return columns.take(np.flatnonzero(wanted))


def take(
    records: Columns, names: Names, folder: Path | None = None, *, hide_names: bool = False
) -> dict[str, object]:
    """Program starts with and without the shim, as the kernel plane and the shims saw them.

    Args:
        records: What ``process_records`` chose, in any order.
        names: The names of the run.
        folder: Where the command was started, which relative paths start from; None: unknown.
        hide_names: Whether programs are told by the last part of their path.

    Returns:
        ``seen``, ``with_shim`` and ``without_shim``, a list of pid, program and reason (at most
        64; ``without_shim_count`` tells them all).
    """
    execs = records.take(np.flatnonzero(records.kind == Kind.PROC_EXEC))
    shims = records.take(np.flatnonzero(records.kind == Kind.PROC_SHIM))
    bare = execs.take(
        np.flatnonzero(without_shim(execs.pid, execs.start_ns, shims.pid, shims.start_ns))
    )
    listed = [_describe(bare, place, names, folder) for place in range(min(len(bare), _LISTED_MAX))]
    if hide_names:
        listed = [{**one, "program": _last_part(one["program"])} for one in listed]
    return {
        "seen": len(execs),
        "with_shim": len(execs) - len(bare),
        "without_shim_count": len(bare),
        "without_shim": listed,
    }


def census(run: RunDirectory) -> dict[str, object]:
    """The same from the run directory, for a run that was not finished as it should."""
    folder = run.meta().get("working_directory")
    records = load(run, kinds=[Kind.PROC_EXEC, Kind.PROC_SHIM])
    return take(records, read_names(run), Path(folder) if folder else None)


def _describe(bare: Columns, place: int, names: Names, folder: Path | None) -> dict[str, object]:
    program = _program(names, int(bare.pid[place]), int(bare.start_ns[place]))
    return {
        "pid": int(bare.pid[place]),
        "program": program,
        "reason": _reason(program, folder) if program else "unknown",
    }


def _program(names: Names, pid: int, start_ns: int) -> str | None:
    """The program that the process had become by then."""
    mine = (names.object == pid) & (names.name_class == NameClass.PROGRAM)
    found = np.flatnonzero(mine & (names.start_ns <= start_ns))
    return names.name[int(found[np.argmax(names.start_ns[found])])] if len(found) else None

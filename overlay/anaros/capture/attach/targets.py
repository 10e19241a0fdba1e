# SPDX-License-Identifier: Apache-2.0
"""Who may be attached to, and what such a process is.

On the start-up path of ``anaros attach``: a few small files of /proc are read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from anaros.capture.host import machine
from anaros.errors import CaptureError

_PF_KTHREAD = 0x00200000
_FLAGS_FIELD = 6  # of /proc/PID/stat, counted from the state behind the command
_ELF_MAGIC, _CLASS_32 = b"\x7fELF", b"\x01"
_CMDLINE_MAX = 4096


class Process(NamedTuple):
    """A process as it was when it was looked at.

    Args:
        pid: Its number here.
        uid: Its real user.
        threads: How many it had.
        command: Its words.
        program: The path of its executable, in its own mounts; empty where it cannot be read.
        bits: 32 or 64; None where the executable cannot be read.
    """

    pid: int
    uid: int
    threads: int
    command: tuple[str, ...]
    program: str
    bits: int | None


def check(pids: Iterable[int]) -> list[Process]:
    """The processes to attach to, each once, if all of them may be attached to.

    Args:
        pids: As the caller gave them.

    Raises:
        CaptureError: One does not exist, has ended, is not ours, is the kernel's, or has this
            process among its descendants.
    """
    ancestors = _ancestors()
    return [_check(pid, ancestors) for pid in dict.fromkeys(pids)]


def alive(pid: int) -> bool:
    """Whether the process runs still: it is there, and not a zombie."""
    state = machine.field(f"/proc/{pid}/status", "State")
    return state is not None and state[0] not in "ZX"


def describe(pid: int) -> Process | None:
    """What a process is; None where it is gone."""
    status = _status(pid)
    return None if status is None else _described(pid, status)


def _status(pid: int) -> dict[str, str] | None:
    text = machine.read(f"/proc/{pid}/status")
    if text is None:
        return None
    return {key: value.strip() for key, _, value in (x.partition(":") for x in text.splitlines())}


def _ancestors() -> dict[int, str]:
    """Ourselves and those whom we descend from: following them would be following us."""
    found = {os.getpid(): "anaros itself"}
    pid = os.getppid()
    while pid > 0 and pid not in found:
        found[pid] = "a process that anaros descends from"
        status = _status(pid)
        pid = int(status["PPid"]) if status is not None else 0
    return found


def _check(pid: int, ancestors: dict[int, str]) -> Process:
    status = _status(pid)
    if status is None:
        raise CaptureError(f"there is no process {pid}", "see ps -e for those that there are")
    group = int(status["Tgid"])
    if group != pid:
        raise CaptureError(f"{pid} is a thread of process {group}", f"attach to {group}")
    if pid in ancestors:
        raise CaptureError(
            f"process {pid} is {ancestors[pid]}, and cannot be followed",
            "attach to the program alone, not to the shell or terminal that both run in",
        )
    if _is_kernel_thread(pid):
        raise CaptureError(
            f"process {pid} ({status['Name']}) is a thread of the kernel",
            "its work shows where it delays a program: attach to that",
        )
    _check_owner(pid, status)
    if status["State"][0] in "ZX":
        raise CaptureError(
            f"process {pid} ({status['Name']}) has ended",
            f"it is kept until its parent, {status['PPid']}, has taken note of it",
        )
    return _described(pid, status)


def _check_owner(pid: int, status: dict[str, str]) -> None:
    """Root may, and who is all of the process's users: a setuid program is somebody else's."""
    ours = os.geteuid()
    users = {int(word) for word in status["Uid"].split()[:3]}
    if ours and users != {ours}:
        other = next(iter(users - {ours}))
        raise CaptureError(
            f"process {pid} ({status['Name']}) belongs to {_user_name(other)}",
            "only its owner and root may attach to it: use sudo",
        )


def _user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _is_kernel_thread(pid: int) -> bool:
    words = (machine.read(f"/proc/{pid}/stat") or "").rpartition(")")[2].split()
    return len(words) > _FLAGS_FIELD and bool(int(words[_FLAGS_FIELD]) & _PF_KTHREAD)


def _described(pid: int, status: dict[str, str]) -> Process:
    words = _command(pid) or (status["Name"],)
    try:
        program = os.readlink(f"/proc/{pid}/exe")
    except OSError:
        program = ""
    uid, threads = int(status["Uid"].split()[0]), int(status.get("Threads", "1"))
    return Process(pid, uid, threads, words, program, _bits(pid))


def _command(pid: int) -> tuple[str, ...]:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            raw = file.read(_CMDLINE_MAX)
    except OSError:
        return ()
    # A program may have put one title over its words.
    words = raw.rstrip(b"\0").split(b"\0") if raw.strip(b"\0") else []
    return tuple(word.decode(errors="backslashreplace") for word in words)


def _bits(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/exe", "rb") as file:
            head = file.read(5)
    except OSError:
        return None
    if head[:4] != _ELF_MAGIC:
        return None
    return 32 if head[4:] == _CLASS_32 else 64

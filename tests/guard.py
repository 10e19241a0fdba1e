# SPDX-License-Identifier: Apache-2.0
"""Ends what a test leaves running, beside the tests: a process of its own.

    guard.py MARK LIMIT_S

Told by lines on its input which test begins. One that takes longer than LIMIT_S loses all
processes that it started, so that it fails where it waits for them; where it waits for something
else, pytest's own limit ends the tests soon after. When the tests have ended, by themselves or not,
what they left running is ended too.

A process belongs to the tests if it descends from the one that started this, or if it has MARK
among its environment, by which those are known whose parent has ended.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

#: How long a process may take to end by SIGTERM, which lets it remove what it made.
GRACE_S = 5.0
#: How often it is looked whether the tests are over, and ended what appeared meanwhile.
STEP_S = 1.0


def numbers() -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())


def read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def parents() -> dict[int, int]:
    """Parent of each process that has not ended."""
    found = {}
    for pid in numbers():
        words = read(pid, "stat").rpartition(b")")[2].split()
        if words and words[0] not in (b"Z", b"X"):
            found[pid] = int(words[1])
    return found


def belonging(tests: int, mark: bytes) -> list[int]:
    """All processes of the tests but the tests themselves and this one."""
    parent_of, known = parents(), {tests: True, os.getpid(): False}

    def belongs(pid: int) -> bool:
        if pid not in known:
            known[pid] = False
            above = parent_of.get(pid, 0)
            known[pid] = belongs(above) or mark in read(pid, "environ").split(b"\0")
        return known[pid]

    return [pid for pid in parent_of if belongs(pid) and pid != tests]


def end(tests: int, mark: bytes) -> list[str]:
    """Ends them all.

    Returns:
        What they were.
    """
    told = {}
    began = time.monotonic()
    while pids := belonging(tests, mark):
        late = time.monotonic() - began > GRACE_S
        for pid in pids:
            if pid not in told or late:
                words = read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace")
                told.setdefault(pid, f"{pid} {words[:100]}")
                signal_to(pid, signal.SIGKILL if late else signal.SIGTERM)
        if time.monotonic() - began > 4 * GRACE_S:
            break
        time.sleep(0.05)
    return list(told.values())


def signal_to(pid: int, number: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, number)
        os.kill(pid, signal.SIGCONT)


def say(what: str, ended: list[str]) -> None:
    lines = "".join(f"\n    {line}" for line in ended)
    sys.stderr.write(f"\nguard: {what}{lines}\n")
    sys.stderr.flush()


def watch(tests: int, mark: bytes, limit_s: float) -> None:
    """Until the tests are over."""
    test, began, unread = "", time.monotonic(), b""
    while os.getppid() == tests:
        if not select.select([0], [], [], STEP_S)[0]:
            if test and time.monotonic() - began > limit_s:
                ended = end(tests, mark)
                if ended:
                    say(f"{test} takes more than {limit_s:g} s; ended:", ended)
            continue
        piece = os.read(0, 65536)
        if not piece:
            break
        *lines, unread = (unread + piece).split(b"\n")
        if lines:
            test, began = lines[-1].decode(errors="replace"), time.monotonic()
    if test:
        say(f"the tests ended in the middle of {test}", [])
    if ended := end(tests, mark):
        say("the tests left running, ended now:", ended)


if __name__ == "__main__":
    watch(os.getppid(), sys.argv[1].encode(), float(sys.argv[2]))

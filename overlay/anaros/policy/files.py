# SPDX-License-Identifier: Apache-2.0
"""Finds policy files and judges whether they may be trusted.

A policy file decides which device and which network a program uses, so whoever can write it
can take over the program's traffic. Every file and folder on the way to it is judged, each
link in it too, and the text is read from the descriptor that was judged.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anaros.errors import PolicyError

SYSTEM_FOLDER = Path("/etc/anaros")

#: A policy of thousands of tenants fits; a file that is here by mistake does not.
SIZE_MAX = 256 * 1024

#: Files that one policy may be read from.
FILES_MAX = 64

_LINKS_MAX = 16


@dataclass(frozen=True, slots=True)
class Source:
    """A policy file that was judged and read."""

    path: Path
    text: str


def system_files(folder: Path = SYSTEM_FOLDER) -> tuple[Path, ...]:
    """The system's policy files, by name; empty where the folder is missing.

    Raises:
        PolicyError: The folder cannot be read, or holds too many files.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(
                entry.name
                for entry in entries
                if entry.name.endswith(".yaml") and not entry.name.startswith(".")
            )
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise PolicyError(
            f"{folder} cannot be read: {error.strerror}", f"make it a folder: chmod 755 {folder}"
        ) from error
    if len(names) > FILES_MAX:
        raise PolicyError(
            f"{folder} holds {len(names)} policy files, more than {FILES_MAX}",
            "move what is not in use elsewhere",
        )
    return tuple(folder / name for name in names)


def read_system(path: Path) -> Source:
    """Read a file that only root may have written.

    Raises:
        PolicyError: It is not root's, others may write it or a folder on the way, or it cannot
            be read.
    """
    _judge_way(path.absolute())
    return _read(path, (0,), stat.S_IWGRP | stat.S_IWOTH)


def read_explicit(path: Path) -> Source:
    """Read a file that the caller named: root's or the caller's own.

    Under sudo the caller is also the one who typed it. The folders on the way are not judged:
    whoever can swap the file cannot make one that belongs to the caller.

    Raises:
        PolicyError: It is someone else's, everyone may write it, or it cannot be read.
    """
    callers = {0, os.geteuid()}
    if os.geteuid() == 0 and (sudo := os.environ.get("SUDO_UID", "")).isdecimal():
        callers.add(int(sudo))
    return _read(path, sorted(callers), stat.S_IWOTH)


def _read(path: Path, owners: Sequence[int], forbidden: int) -> Source:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise PolicyError(f"{path} is not a regular file", "name a policy file")
        _judge(path, facts, owners, forbidden)
        data = _read_all(descriptor)
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        os.close(descriptor)
    if len(data) > SIZE_MAX:
        raise PolicyError(
            f"{path} is larger than {SIZE_MAX // 1024} KiB", "split it, or name a policy file"
        )
    try:
        return Source(path, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        raise PolicyError(
            f"{path}:{line}:{column}: the byte 0x{data[error.start]:02x} is not UTF-8",
            "save the file as UTF-8",
        ) from error


def _read_all(descriptor: int) -> bytes:
    data = b""
    while len(data) <= SIZE_MAX and (part := os.read(descriptor, SIZE_MAX + 1 - len(data))):
        data += part
    return data


def _unreadable(path: Path, error: OSError) -> PolicyError:
    remedy = "check the name" if isinstance(error, FileNotFoundError) else "check its permissions"
    return PolicyError(f"{path} cannot be read: {error.strerror}", remedy)


def _judge_way(path: Path) -> None:
    """Judge each folder and link from the root to ``path``, following links by hand.

    Raises:
        PolicyError: One of them is not root's alone, or the links go round in a circle.
    """
    todo = list(reversed(path.parts[1:]))
    here = Path("/")
    links = 0
    try:
        while todo:
            _judge(here, here.lstat(), (0,), stat.S_IWGRP | stat.S_IWOTH)
            part = todo.pop()
            here = here.parent if part == ".." else here / part
            if not here.is_symlink():
                continue
            links += 1
            if links > _LINKS_MAX:
                raise PolicyError(f"{path} has too many links on its way", "name the file itself")
            _judge(here, here.lstat(), (0,), 0)
            target = here.readlink()
            todo += reversed([part for part in target.parts if part != "/"])
            here = Path("/") if target.is_absolute() else here.parent
    except OSError as error:
        raise _unreadable(path, error) from error


def _judge(path: Path, facts: os.stat_result, owners: Sequence[int], forbidden: int) -> None:
    """Judge one file, folder or link.

    Raises:
        PolicyError: Somebody else could have written it.
    """
    if facts.st_uid not in owners:
        only_root = tuple(owners) == (0,)
        raise PolicyError(
            f"{path} belongs to uid {facts.st_uid}, not to {'root' if only_root else 'you'}",
            f"chown {'-h ' if stat.S_ISLNK(facts.st_mode) else ''}{owners[-1]} {path}",
        )
    if loose := facts.st_mode & forbidden:
        who = "everyone" if loose & stat.S_IWOTH else "its group"
        raise PolicyError(
            f"{path} is writable by {who}",
            f"chmod {'g' if forbidden & stat.S_IWGRP else ''}o-w {path}",
        )

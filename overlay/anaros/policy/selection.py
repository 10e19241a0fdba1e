# SPDX-License-Identifier: Apache-2.0
"""Finds the tenant that a command belongs to, and why it is not one of the others."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from anaros.policy.model import Decision, Match, Policy, Tenant, Verdict

#: Of longer command lines only the beginning is searched.
_SEARCHED_MAX = 65536


def find_program(word: str, environment: Mapping[str, str]) -> Path | None:
    """The program that ``word`` starts, found as a shell would, with its links kept."""
    from shutil import which

    found = which(word, path=environment.get("PATH"))
    return Path(found).absolute() if found else None


def select(policy: Policy, user: str, executable: Path, argv: Sequence[str]) -> Decision:
    """Decide what holds for a command; the first tenant that matches wins.

    Args:
        policy: The policy.
        user: Name of the user that the command runs as, or the uid in digits.
        executable: The program, found through PATH; its link target is tried too.
        argv: The command line, the program's word first.
    """
    verdicts: list[Verdict] = []
    paths = _paths(executable) if policy.tenants else ()
    for tenant in policy.tenants:
        missed = _missed(tenant.match, user, paths, argv) if tenant.match else ""
        if missed:
            verdicts.append(Verdict(tenant.name, matched=False, reason=missed))
            continue
        verdicts.append(Verdict(tenant.name, matched=True, reason=_why(tenant, user, paths)))
        return Decision(
            tenant.name,
            tenant.device,
            tenant.fabric,
            tuple(verdicts),
            digest=policy.digest,
            hide_names=tenant.hide_names,
            device_time=tenant.device_time,
        )
    return Decision(None, None, (), tuple(verdicts), digest=policy.digest)


def _paths(executable: Path) -> tuple[str, ...]:
    given = str(executable)
    try:
        real = str(executable.resolve())
    except OSError:
        return (given,)
    return (given,) if real == given else (given, real)


def _missed(match: Match, user: str, paths: Sequence[str], argv: Sequence[str]) -> str:
    """Why the command is not this tenant's; empty where it is."""
    if match.users and not _is_user(match.users, user):
        return f"the user is {user}, not {_either(match.users)}"
    if match.executables and not any(
        fnmatchcase(path, pattern) for pattern in match.executables for path in paths
    ):
        return f"the program is {' -> '.join(paths)}, not {_either(match.executables)}"
    for pattern in match.arguments:
        if not any(fnmatchcase(argument, pattern) for argument in argv[1:]):
            return f"no argument matches {pattern}"
    if match.command_regex and not re.search(match.command_regex, shlex.join(argv)[:_SEARCHED_MAX]):
        return f"the command line does not match the expression {match.command_regex}"
    return ""


def _is_user(users: Sequence[str | int], user: str) -> bool:
    if user in users:
        return True
    uid = int(user) if user.isdecimal() else _uid(user)
    if uid is None:
        return False
    return any(uid == (known if isinstance(known, int) else _uid(known)) for known in users)


def _uid(name: str) -> int | None:
    from pwd import getpwnam

    try:
        return getpwnam(name).pw_uid
    except (KeyError, ValueError):
        return None


def _why(tenant: Tenant, user: str, paths: Sequence[str]) -> str:
    match = tenant.match
    if match is None:
        return "the default, as no other tenant matches"
    parts = []
    if match.users:
        parts.append(f"the user is {user}")
    for pattern in match.executables:
        matched = [path for path in paths if fnmatchcase(path, pattern)]
        if matched:
            parts.append(f"the program {matched[0]} matches {pattern}")
            break
    parts += [f"an argument matches {pattern}" for pattern in match.arguments]
    if match.command_regex:
        parts.append(f"the command line matches {match.command_regex}")
    return ", ".join(parts)


def _either(words: Sequence[str | int]) -> str:
    return " or ".join(str(word) for word in words)

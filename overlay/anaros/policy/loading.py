# SPDX-License-Identifier: Apache-2.0
"""Reads policy files into one policy, or says everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from anaros.errors import PolicyError
from anaros.policy.files import (
    SYSTEM_FOLDER,
    Source,
    read_explicit,
    read_system,
    system_files,
)
from anaros.policy.model import Policy, Problem, Tenant

#: What ``digest`` is when there is no policy: nothing was decided.
NO_POLICY = Policy(files=(), digest="", tenants=())


class InvalidPolicyError(PolicyError):
    """A policy file is not valid.

    Attributes:
        problems: All that is wrong, in the order of the files.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        others = len(self.problems) - 1
        more = f" (and {others} more)" if others else ""
        remedy = first.remedy or "correct the file"
        if others:
            remedy = f"{remedy}\nsee all of them with: anaros policy check {first.place.file}"
        super().__init__(f"{first.place}: {first.fact}{more}", remedy)


def load(files: Sequence[Path] | None = None, folder: Path = SYSTEM_FOLDER) -> Policy:
    """Read the policy in force.

    Args:
        files: Files that the user named; None takes ``*.yaml`` of the system's folder.
        folder: The system's folder.

    Returns:
        The policy; without files one that changes nothing, with an empty digest.

    Raises:
        PolicyError: A file is missing, not trusted, or (``InvalidPolicyError``) not valid.
    """
    if files is None:
        sources = [read_system(path) for path in system_files(folder)]
    else:
        sources = [read_explicit(path) for path in files]
    if not sources:
        return NO_POLICY
    policy, problems = _read(sources)
    if problems:
        raise InvalidPolicyError(problems)
    return policy


def examine(
    files: Sequence[Path] | None = None, folder: Path = SYSTEM_FOLDER
) -> tuple[Policy, tuple[Problem | PolicyError, ...]]:
    """Read files as ``load`` does, but name everything that is wrong.

    Returns:
        What could be read, and the problems: also files that are missing or not trusted.
    """
    found: list[Problem | PolicyError] = []
    sources = []
    read = read_system if files is None else read_explicit
    try:
        paths = system_files(folder) if files is None else tuple(files)
    except PolicyError as error:
        return NO_POLICY, (error,)
    for path in paths:
        try:
            sources.append(read(path))
        except PolicyError as error:
            found.append(error)
    if not sources:
        return NO_POLICY, tuple(found)
    policy, problems = _read(sources)
    return policy, (*found, *problems)


def _read(sources: Sequence[Source]) -> tuple[Policy, list[Problem]]:
    from anaros.policy.document import MalformedError, parse
    from anaros.policy.reader import Reader
    from anaros.policy.schema import check_tenants, read_file

    reader = Reader()
    tenants: list[Tenant] = []
    for source in sources:
        own = Reader()
        try:
            tenants += read_file(own, parse(source))
        except MalformedError as error:
            own.problems.append(error.problem)
        reader.problems += sorted(own.problems, key=lambda one: (one.place.line, one.place.column))
    tenants = check_tenants(reader, tenants)
    policy = Policy(
        files=tuple(source.path for source in sources),
        digest=digest(tenants),
        tenants=tuple(tenants),
    )
    return policy, reader.problems


def digest(tenants: Sequence[Tenant]) -> str:
    """SHA-256 (hex) over what the tenants mean, wherever they were written."""
    import json
    from hashlib import sha256

    canonical = json.dumps(
        {"version": 1, "tenants": [_plain(tenant) for tenant in tenants]},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    return sha256(canonical.encode()).hexdigest()


def _plain(tenant: Tenant) -> dict[str, object]:
    """A tenant without places, as plain data."""
    found = asdict(tenant)
    for name in ("hide_names", "device_time"):
        if not found[name]:
            del found[name]  # what is not asked for must not change a digest
    for part in (found, found["device"], *found["fabric"]):
        if part:
            del part["place"]
    return found

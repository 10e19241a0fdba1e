# SPDX-License-Identifier: Apache-2.0
"""Who is to be the profiler plugin of NCCL: it takes one, and the user's own comes first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

VARIABLE = "NCCL_PROFILER_PLUGIN"
_SYSTEM_FILE = "/etc/nccl.conf"


def taken(environment: Mapping[str, str], system_file: str = _SYSTEM_FILE) -> str | None:
    """The plugin that the program would load without us; None: the seat is free.

    Args:
        environment: The program's. What it says stands above what a file says: the one that it
            names or else the one in its home directory, and then the system's.
        system_file: The system's.
    """
    if VARIABLE in environment:
        return environment[VARIABLE]
    own = environment.get("NCCL_CONF_FILE") or f"{environment.get('HOME', '')}/.nccl.conf"
    for path in (own, system_file):
        if (word := _in_file(Path(path))) is not None:
            return word
    return None


def _in_file(path: Path) -> str | None:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        name, sign, word = line.partition("=")
        if sign and name.strip() == VARIABLE:
            return word.strip()
    return None

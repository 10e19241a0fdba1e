# SPDX-License-Identifier: Apache-2.0
"""Finds the cgroup v2 hierarchy: at /sys/fs/cgroup, or beside the old ones in a hybrid set-up."""

from __future__ import annotations

import re
from pathlib import Path

_ESCAPE = re.compile(r"\\([0-7]{3})")


def cgroup2_mounts(mounts: Path = Path("/proc/self/mounts")) -> tuple[Path, ...]:
    """Where cgroup v2 is mounted; empty where it is not."""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return ()
    fields = (line.split(" ") for line in lines)
    return tuple(
        Path(_ESCAPE.sub(lambda code: chr(int(code[1], 8)), field[1]))
        for field in fields
        if len(field) > 2 and field[2] == "cgroup2"
    )


def is_cgroup2(path: Path) -> bool:
    """True where ``path`` is a folder of a cgroup v2 hierarchy."""
    try:
        real = path.resolve(strict=True)
    except OSError:
        return False
    inside = any(real.is_relative_to(mount) for mount in cgroup2_mounts())
    return inside and (real / "cgroup.procs").exists()

# SPDX-License-Identifier: Apache-2.0
"""The workload's own cgroup v2 leaf, where we may make one."""

from __future__ import annotations

import time
from pathlib import Path

from anaros.govern.cgroups import cgroup2_mounts


def _own_path() -> str | None:
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    return next((line[3:] for line in lines if line.startswith("0::")), None)


class Leaf:
    """A cgroup that holds one workload.

    Args:
        path: Its directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, name: str) -> Leaf | None:
        """A new leaf below our own cgroup; None where there is no v2 or we may not."""
        mounts, own = cgroup2_mounts(), _own_path()
        if not mounts or own is None:
            return None
        path = mounts[0] / own.lstrip("/") / name
        try:
            path.mkdir()
        except OSError:
            return None
        return cls(path)

    @property
    def entrance(self) -> Path:
        """Where a process writes 0 to move in; it waits for a grace period of RCU meanwhile."""
        return self.path / "cgroup.procs"

    def processes(self) -> list[int]:
        """Who is in it now."""
        try:
            return [int(word) for word in self.entrance.read_text().split()]
        except OSError:
            return []

    def remove(self) -> bool:
        """Removes it; False: processes still live in it (they stay, and so does it)."""
        for _ in range(20):
            try:
                self.path.rmdir()
            except FileNotFoundError:
                return True
            except OSError:
                # A process that has just ended leaves its cgroup a moment later.
                if self.processes():
                    return False
                time.sleep(0.001)
            else:
                return True
        return False

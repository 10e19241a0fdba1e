# SPDX-License-Identifier: Apache-2.0
"""For how long the kernel kept a program's cgroups off the CPU, by its own count.

A quota may be set on the group itself or on any above it, in the unified hierarchy (``cpu.max``) or
in that of the controller (``cpu.cfs_quota_us``). The records tell whom it hit; this is the total.
"""

from __future__ import annotations

import os
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_MOUNTS = "/proc/self/mounts"


class Quota:
    """The groups above a process that have a quota, from now on.

    Args:
        pid: The process; where it is put later does not count.
        mounts: The list of mounts.
        groups: The list of the process's groups; None: that of ``pid``.
    """

    def __init__(self, pid: int, mounts: str = _MOUNTS, groups: str | None = None) -> None:
        self._began: dict[str, tuple[int, int, int]] = {}
        for folder in _folders(mounts, groups or f"/proc/{pid}/cgroup"):
            if _limited(folder) and (counted := _counted(folder)) is not None:
                self._began[folder] = counted

    def used(self) -> list[dict[str, object]]:
        """What each group with a quota had since then.

        Returns:
            For each its folder; how many ``periods`` ended; how many of them found the quota used
            up (``throttled``); and for how long CPUs were kept from it, all of them together.
        """
        told: list[dict[str, object]] = []
        for folder, began in self._began.items():
            counted = _counted(folder)
            if counted is None:
                continue
            periods, throttled, ns = (
                now - before for now, before in zip(counted, began, strict=True)
            )
            told.append(
                {
                    "cgroup": folder,
                    "periods": periods,
                    "throttled": throttled,
                    "throttled_ns": ns,
                }
            )
        return told


def cpus(pid: int, mounts: str = _MOUNTS, groups: str | None = None) -> float | None:
    """How many CPUs a process may use at once: by its affinity, and by the quotas of its groups.

    Args:
        pid: The process.
        mounts: The list of mounts.
        groups: The list of the process's groups; None: that of ``pid``.

    Returns:
        None where it is gone.
    """
    try:
        count = float(len(os.sched_getaffinity(pid)))
    except OSError:
        return None
    quotas = map(_quota, _folders(mounts, groups or f"/proc/{pid}/cgroup"))
    return min([count, *(quota for quota in quotas if quota)])


def _quota(folder: str) -> float | None:
    """The CPUs that the group's own quota is worth; None: it has none."""
    words = " ".join(_lines(f"{folder}/cpu.max")[:1]).split()
    if not words:
        words = [
            line
            for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            for line in _lines(f"{folder}/{name}")[:1]
        ]
    try:
        quota, period = map(int, words)
    except ValueError:
        return None
    return quota / period if quota > 0 and period > 0 else None


def _folders(mounts: str, groups: str) -> Iterator[str]:
    """The process's group in each hierarchy that can have a quota, and those above it."""
    roots: dict[str, str] = {}
    for line in _lines(mounts):
        fields = line.split()
        if len(fields) < 4:
            continue
        if fields[2] == "cgroup2":
            roots.setdefault("", fields[1])
        elif fields[2] == "cgroup" and "cpu" in fields[3].split(","):
            roots.setdefault("cpu", fields[1])
    for line in _lines(groups):
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            root = roots.get(controller)
            if root is None:
                continue
            folder = root + path.rstrip("/")
            while len(folder) >= len(root):
                yield folder
                folder = folder.rpartition("/")[0]


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []


def _limited(folder: str) -> bool:
    """Whether the group itself has a quota."""
    for name in ("cpu.max", "cpu.cfs_quota_us"):
        for line in _lines(f"{folder}/{name}"):
            return line.split()[0] not in ("max", "-1")
    return False


def _counted(folder: str) -> tuple[int, int, int] | None:
    """Periods, those that were throttled, and for how many ns; None where nobody counts."""
    values = dict(line.split()[:2] for line in _lines(f"{folder}/cpu.stat") if " " in line)
    try:
        ns = values.get("throttled_time") or 1000 * int(values["throttled_usec"])
        return int(values["nr_periods"]), int(values["nr_throttled"]), int(ns)
    except (KeyError, ValueError):
        return None

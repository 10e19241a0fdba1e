# SPDX-License-Identifier: Apache-2.0
"""What names this machine: the facts that go into each run's meta.json.

It is on the start-up path of `anaros run`: a few small files are read, and nothing but `os` is
imported. What of the machine can be used is the business of ``survey``.
"""

from __future__ import annotations

import os


def read(path: str) -> str | None:
    """The text of a small file, e.g. in /proc; None where it cannot be read."""
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return None


def field(path: str, name: str) -> str | None:
    """The value of the first line ``name : value`` of a /proc file; None where there is none."""
    for line in (read(path) or "").splitlines():
        key, colon, value = line.partition(":")
        if colon and key.strip() == name:
            return value.strip()
    return None


def _word(path: str) -> str | None:
    return (read(path) or "").strip() or None


def _os_name() -> str | None:
    for line in (read("/etc/os-release") or "").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip().strip("'\"")
    return None


def _memory_bytes() -> int | None:
    total = field("/proc/meminfo", "MemTotal")
    return int(total.split()[0]) * 1024 if total else None


def identity() -> dict[str, object]:
    """What names this machine in a run's meta.json; None for what cannot be told."""
    system = os.uname()
    return {
        "hostname": system.nodename,
        "kernel": system.release,
        "machine": system.machine,
        "os": _os_name(),
        "cpu": field("/proc/cpuinfo", "model name"),
        "cpus": os.cpu_count(),
        "cpus_usable": len(os.sched_getaffinity(0)),
        "memory_bytes": _memory_bytes(),
        "boot_id": _word("/proc/sys/kernel/random/boot_id"),
        "clocksource": _word("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
    }

# SPDX-License-Identifier: Apache-2.0
"""What attachments may leave behind: in the kernel, in this process, and in the one attached to."""

from __future__ import annotations

import gc
import json
import subprocess
import threading
from pathlib import Path

from anaros.capture.inject.maps import mappings


def _listed(kind: str) -> int | None:
    """How many BPF objects of a kind the machine has; None where it cannot be told."""
    try:
        shown = subprocess.run(["bpftool", "-j", kind], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return len(json.loads(shown.stdout or b"[]"))


def _resident_kib(pid: int | str) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0])


def _descriptors(pid: int | str) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def held(pid: int) -> dict[str, int | None]:
    """All of it, by name; the BPF objects are all of the machine's.

    Args:
        pid: The process that is attached to.
    """
    gc.collect()
    return {
        "BPF programs": _listed("prog"),
        "BPF maps": _listed("map"),
        "BPF links": _listed("link"),
        "descriptors": _descriptors("self"),
        "threads": threading.active_count(),
        "KiB": _resident_kib("self"),
        "target's descriptors": _descriptors(pid),
        "target's mappings": len(mappings(pid)),
        "target's KiB": _resident_kib(pid),
    }


def grown(before: dict[str, int | None], after: dict[str, int | None]) -> str:
    """The difference, in words."""
    parts = []
    for name, value in after.items():
        first = before[name]
        told = "unknown" if value is None or first is None else f"{value - first:+d}"
        parts.append(f"{name} {told}")
    return ", ".join(parts)

# SPDX-License-Identifier: Apache-2.0
"""What attachments may leave behind: in the kernel, in this process, and in the one attached to."""

from __future__ import annotations

import contextlib
import gc
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from anaros.capture.inject.maps import mappings

#: What bpftool calls each kind of object, and how we do.
KINDS = {"prog": "BPF programs", "map": "BPF maps", "link": "BPF links"}

_HELD = re.compile(r"^(prog|map|link)_id:\t(\d+)$", re.MULTILINE)


def unheld() -> set[tuple[str, int]] | None:
    """BPF objects that no process has: no descriptor of them, nor of a program that uses them.

    Those that somebody else has come and go; what nobody has goes as soon as the kernel comes to
    it, unless it was left behind.

    Returns:
        The kind and number of each; None where they cannot be told.
    """
    try:
        listed = {kind: _listed(kind) for kind in KINDS}
    except (OSError, subprocess.CalledProcessError):
        return None
    held = set(_of_processes())
    for program in listed["prog"]:
        if ("prog", program["id"]) in held:
            held.update(("map", number) for number in program.get("map_ids", ()))
    return {(kind, one["id"]) for kind, objects in listed.items() for one in objects} - held


def _listed(kind: str) -> list[dict[str, object]]:
    shown = subprocess.run(["bpftool", "-j", kind], capture_output=True, check=True)
    objects: list[dict[str, object]] = json.loads(shown.stdout or b"[]")
    return objects


def _of_processes() -> Iterator[tuple[str, int]]:
    for folder in Path("/proc").glob("[0-9]*/fdinfo"):
        with contextlib.suppress(OSError):
            for file in folder.iterdir():
                with contextlib.suppress(OSError):
                    for kind, number in _HELD.findall(file.read_text()):
                        yield kind, int(number)


def _resident_kib(pid: int | str) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0])


def _descriptors(pid: int | str) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def held(pid: int) -> dict[str, int | None]:
    """All of it, by name; of the machine's BPF objects those that nobody has.

    Args:
        pid: The process that is attached to.
    """
    gc.collect()
    objects = unheld()
    counts = {
        name: None if objects is None else sum(one[0] == kind for one in objects)
        for kind, name in KINDS.items()
    }
    return {
        **counts,
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

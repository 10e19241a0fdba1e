# SPDX-License-Identifier: Apache-2.0
"""The end of a run: drained, written, and closed. No step that fails keeps another from its own."""

from __future__ import annotations

import time

from anaros.session import meta
from anaros.session.parts import Parts, surviving, warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from anaros.store.rundir import RunDirectory


def finish(parts: Parts, status: int, started_cpu_s: float) -> None:
    """Drains, writes and closes; what goes wrong is said, the program's fate stands.

    Args:
        parts: What the run is made of.
        status: The program's wait status.
        started_cpu_s: Our CPU time when the program started.
    """
    assert parts.directory is not None
    changes: dict[str, Any] = {
        "state": "cut short",
        "cut_short": "the recording failed",
        "shm": None,
        "end_ns": time.monotonic_ns(),
        **meta.fate(status),
    }
    if parts.records:
        with surviving("the recording could not be brought to its end"):
            changes = _drained(parts, status, started_cpu_s)
    with surviving("what the devices refused could not be told"):
        _tell_refused(parts.directory, changes)
    with surviving("meta.json could not be written"):
        parts.directory.update_meta(changes)
    with surviving("not all of the recording could be undone"):
        parts.undo.close()


def _drained(parts: Parts, status: int, started_cpu_s: float) -> dict[str, Any]:
    """All records are durable; what ``meta.json`` then says."""
    assert parts.recorder is not None
    if parts.kernel is not None:
        parts.kernel.settle()
    if parts.bare is not None:
        parts.bare.stop()
    parts.recorder.finish()
    changes = meta.at_end(parts, status, started_cpu_s)
    if parts.kernel is not None:
        parts.kernel.stop()
    if parts.leaf is not None:
        changes["left_running"] = parts.leaf.processes()
        parts.leaf.remove()
    error = parts.recorder.error
    if parts.kernel is not None and error is None:
        changes["processes"] = parts.recorder.census()
    if error is not None:
        changes["state"] = "cut short"
        changes["cut_short"] = error.fact
        warn(error.fact, error.remedy)
    return changes


def _tell_refused(run: RunDirectory, changes: dict[str, Any]) -> None:
    if changes.get("counters", {}).get("device_timers_off"):
        from anaros import device_time

        for refused in device_time.problems(device_time.outcomes_of(run)):
            warn(refused.fact, refused.remedy)

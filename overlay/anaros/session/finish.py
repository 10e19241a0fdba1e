# SPDX-License-Identifier: Apache-2.0
"""The end of a run: drained, written, and closed."""

from __future__ import annotations

from anaros.errors import AnarosError
from anaros.session import meta
from anaros.session.parts import Parts, warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from anaros.store.rundir import RunDirectory


def finish(parts: Parts, run: RunDirectory, status: int, started_cpu_s: float) -> None:
    """Drains, writes and closes; what goes wrong is said, the program's fate stands."""
    assert parts.recorder is not None
    parts.recorder.finish()
    changes = meta.at_end(parts, status, started_cpu_s)
    if parts.kernel is not None:
        parts.kernel.stop()
    if parts.leaf is not None:
        changes["left_running"] = parts.leaf.processes()
        parts.leaf.remove()
    if parts.kernel is not None and parts.recorder.error is None:
        changes["processes"] = parts.recorder.census()
    if parts.recorder.error is not None:
        changes["state"] = "cut short"
        changes["cut_short"] = parts.recorder.error.fact
        warn(parts.recorder.error.fact, parts.recorder.error.remedy)
    if changes["counters"]["device_timers_off"]:
        from anaros import device_time

        for refused in device_time.problems(device_time.outcomes_of(run)):
            warn(refused.fact, refused.remedy)
    try:
        run.update_meta(changes)
    except AnarosError as problem:
        warn(problem.fact, problem.remedy)

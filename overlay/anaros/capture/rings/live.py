# SPDX-License-Identifier: Apache-2.0
"""What a run that is still being recorded has not written yet, seen from another process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from anaros.capture.kernel.plane import PROBES
from anaros.capture.rings import names as names_module
from anaros.capture.rings.arena import Arena, Segment
from anaros.errors import CaptureError
from anaros.store.names import Names
from anaros.store.rundir import RunDirectory


@dataclass(frozen=True, slots=True)
class Losses:
    """What was lost so far.

    Attributes:
        shim: Records that the shim could not place.
        by_probe: Records of the kernel plane, by probe, as of a second ago at most; None where no
            kernel plane is at work.
        device_times_unread: Device commands whose times were not asked in time.
    """

    shim: int
    by_probe: dict[str, int] | None
    device_times_unread: int

    @property
    def kernel(self) -> int | None:
        """Records of the kernel plane in all."""
        return None if self.by_probe is None else sum(self.by_probe.values())


def losses_of(arena: Arena) -> Losses:
    """What was lost so far in a run whose arena is open."""
    state = arena.kernel_state()
    return Losses(
        shim=arena.drops(),
        by_probe=dict(zip(PROBES, state[1], strict=False)) if state is not None else None,
        device_times_unread=arena.counters()["device_times_unread"],
    )


def losses(run_path: Path) -> Losses | None:
    """What was lost so far; None where the run's shared memory is gone.

    Raises:
        RunDirectoryError: It is not a run.
    """
    shared = RunDirectory.open(run_path).meta().get("shm")
    if not isinstance(shared, str) or not shared:
        return None
    try:
        arena = Arena.open(Path(shared))
    except CaptureError:
        return None
    try:
        return losses_of(arena)
    finally:
        arena.close()


def names(run_path: Path) -> Names:
    """Names that no segment of the run holds yet.

    Raises:
        RunDirectoryError: It is not a run.
    """
    shared = RunDirectory.open(run_path).meta().get("shm")
    found = Names()
    if not isinstance(shared, str) or not shared:
        return found
    for name in ("segment-0", "segment-1"):
        try:
            segment = Segment.open(Path(shared) / name)
        except CaptureError:
            continue
        found = names_module.join(found, names_module.parse(segment.name_bytes()))
        segment.close()
    return found

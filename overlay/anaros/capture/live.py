# SPDX-License-Identifier: Apache-2.0
"""What a run that is still being recorded has not written yet, seen from another process."""

from __future__ import annotations

from pathlib import Path

from anaros.capture import names as names_module
from anaros.capture.arena import Segment
from anaros.errors import CaptureError
from anaros.store.names import Names
from anaros.store.rundir import RunDirectory


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

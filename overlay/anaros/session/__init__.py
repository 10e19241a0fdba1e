# SPDX-License-Identifier: Apache-2.0
"""One run, from start to end: ``anaros run -- CMD``, and what can be said of it on stderr."""

from __future__ import annotations

from anaros.session.command import run
from anaros.session.parts import DEVICE_TIME, warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DEVICE_TIME", "recover", "run", "warn"]


def recover(path: Path) -> bool:
    """Finishes a run whose supervisor was killed; see `anaros.capture.rings.recovery.recover`."""
    from anaros.capture.rings import recovery

    return recovery.recover(path)

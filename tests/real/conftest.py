# SPDX-License-Identifier: Apache-2.0
"""Programs that people run, each under `anaros run` and under `anaros attach`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(params=["run", "attach"])
def watched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[object]:
    """Starts a program under `anaros run`, or alone and followed by `anaros attach`."""
    from real_harness import Watched

    found = Watched(request.param, tmp_path)
    try:
        yield found
    finally:
        found.kill()


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that all users may enter, which those of pytest are not."""
    with tempfile.TemporaryDirectory(prefix="anaros-real-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder

# SPDX-License-Identifier: Apache-2.0
"""Programs that people run, each under `anaros run` and under `anaros attach`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from real_harness import Watched
from real_table import Told

_TOLD = pytest.StashKey[Told]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """One more option where these tests are named."""
    parser.addoption("--table", action="store_true", help="print what the programs and we say")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """The table, where it is asked for."""
    told = config.stash.get(_TOLD, None)
    if told is not None and config.getoption("table", default=False):
        terminalreporter.write(f"\n{told.markdown()}\n")


@pytest.fixture(params=["run", "attach"])
def watched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watched]:
    """Starts a program under `anaros run`, or alone and followed by `anaros attach`."""
    told = request.config.stash.setdefault(_TOLD, Told())
    of = f"{request.path.stem}: {request.node.originalname}"
    found = Watched(request.param, tmp_path, told, of.replace("test_", "").replace("_", " "))
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

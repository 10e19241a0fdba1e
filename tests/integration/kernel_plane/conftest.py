# SPDX-License-Identifier: Apache-2.0
"""The helper programs of the kernel plane's tests, and a target that waits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def workload(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The C helper, built."""
    from kernel_programs import built

    return built(tmp_path_factory.mktemp("kernel_plane"), "workload")


@pytest.fixture(scope="session")
def waits(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The C helper that waits, built."""
    from kernel_programs import built

    return built(tmp_path_factory.mktemp("waits"), "waits")


@pytest.fixture
def idle() -> Iterator[subprocess.Popen[str]]:
    from kernel_harness import stopped

    child = stopped(["/bin/true"])
    yield child
    child.kill()
    child.wait()
    assert child.stdout is not None
    child.stdout.close()

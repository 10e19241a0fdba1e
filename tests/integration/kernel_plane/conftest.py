# SPDX-License-Identifier: Apache-2.0
"""The helper program of the kernel plane's tests, and a target that waits."""

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
    program = tmp_path_factory.mktemp("kernel_plane") / "workload"
    source = Path(__file__).with_name("workload.c")
    command = ["gcc", "-std=c11", "-O2", "-Wall", "-Werror", "-pthread", source, "-o", program]
    subprocess.run(command, check=True)
    return str(program)


@pytest.fixture
def idle() -> Iterator[subprocess.Popen[str]]:
    from kernel_harness import stopped

    child = stopped(["/bin/true"])
    yield child
    child.kill()
    child.wait()
    assert child.stdout is not None
    child.stdout.close()

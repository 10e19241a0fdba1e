# SPDX-License-Identifier: Apache-2.0
"""The null test: CPython's own tests give the same result under `anaros run` as bare.

A module that passes under the overlay needs no second run: nothing is better than passed. One
that does not is run bare as well, and both must fail alike.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

MODULES = (
    "test_os",
    "test_io",
    "test_fileio",
    "test_mmap",
    "test_socket",
    "test_subprocess",
    "test_threading",
    "test_asyncio",
    "test_fork1",
    "test_selectors",
    "test_multiprocessing_fork",
)

#: VSOCK tests wait for ever in virtual machines whose host does not answer, bare too.
IGNORED = ("-i", "*VSOCK*")

RESULT = re.compile(r"^\S+ .*\[\s*\d+/\d+(?:/\d+)?\] (?:test\.)?(test_\w+)(?:\.\w+)* (\w+)", re.M)


def interpreter() -> str | None:
    """A CPython that carries its test suite."""
    for candidate in ("/usr/bin/python3", sys.executable, shutil.which("python3") or ""):
        if not candidate:
            continue
        code = "import test.test_multiprocessing_fork, test.test_asyncio, test.test_os"
        done = subprocess.run(
            [candidate, "-c", code], capture_output=True, check=False, cwd="/", timeout=60
        )
        if done.returncode == 0:
            return candidate
    return None


def results(command: list[str], folder: Path) -> dict[str, str]:
    """What each module gave, by its name."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=1200,
        check=False,
        cwd=folder,
        env=environment,
    )
    found = dict(RESULT.findall(done.stdout))
    return found or {"output": done.stdout[-2000:]}


def regrtest(python: str, *modules: str) -> list[str]:
    return [python, "-m", "test", "-j2", *IGNORED, *modules]


@pytest.fixture(scope="module")
def python() -> str:
    found = interpreter()
    if found is None:
        pytest.skip("needs CPython's test suite: apt install libpython3-testsuite")
    return found


@pytest.fixture(scope="module")
def recorded(
    anaros: Callable[..., list[str]], python: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("null")
    command = anaros("run", "--output", folder / "run", "--", *regrtest(python, *MODULES))
    return results(command, folder)


@pytest.mark.parametrize("module", MODULES)
def test_cpython_gives_the_same_result(
    python: str, recorded: dict[str, str], module: str, tmp_path: Path
) -> None:
    seen = recorded.get(module)
    assert seen is not None, f"no result for {module}: {recorded}"
    if seen != "passed":
        assert results(regrtest(python, module), tmp_path).get(module) == seen

# SPDX-License-Identifier: Apache-2.0
"""The null test: CPython's own tests give the same result under `anaros run` as bare.

A module that passes under the overlay needs no second run: nothing is better than passed. One
that does not is run bare as well, and both must fail alike.

All modules run at once, in the background: each test waits for the result of its own, and none
longer than a test may take.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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


#: Together less than what a test may take; see tests/guard.py.
PATIENCE_S, PATIENCE_BARE_S = 300, 150


class Results:
    """What modules give under a command, as far as they have ended."""

    def __init__(self, command: list[str], folder: Path) -> None:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
        }
        self.output = folder / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment,
            )

    def of(self, module: str, patience_s: float) -> str:
        """Waits for one, and says what it gave; what takes longer ends them all."""
        deadline = time.monotonic() + patience_s
        while True:
            ended = self.process.poll() is not None
            said = self.output.read_text(errors="replace")
            seen = dict(RESULT.findall(said)).get(module)
            if seen is not None:
                return seen
            assert not ended, f"no result for {module}: {said[-2000:]}"
            if time.monotonic() > deadline:
                self.close()
            time.sleep(0.1)

    def close(self) -> None:
        """Ends what still runs."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


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
) -> Iterator[Results]:
    folder = tmp_path_factory.mktemp("null")
    command = anaros("run", "--output", folder / "run", "--", *regrtest(python, *MODULES))
    found = Results(command, folder)
    yield found
    with contextlib.suppress(subprocess.TimeoutExpired):
        found.process.wait(60)  # it has its run to write
    found.close()


@pytest.mark.parametrize("module", MODULES)
def test_cpython_gives_the_same_result(
    python: str, recorded: Results, module: str, tmp_path: Path
) -> None:
    seen = recorded.of(module, PATIENCE_S)
    if seen != "passed":
        bare = Results(regrtest(python, module), tmp_path)
        try:
            assert bare.of(module, PATIENCE_BARE_S) == seen
        finally:
            bare.close()

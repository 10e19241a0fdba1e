# SPDX-License-Identifier: Apache-2.0
"""The command line as a child process."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

sys.path.insert(0, str(Path(__file__).parent))

Command = Callable[..., list[str]]
#: Takes the supervisor, the target, and how many descriptors the former had before if something
#: is to come; returns how many it has.
Follow = Callable[..., int]

PATIENCE_S = 120


@pytest.fixture(scope="session")
def anaros() -> Command:
    """Makes the words of an `anaros` command of this checkout.

    The import path stays out of the environment: the program under observation must not get it.
    """
    if not (ROOT / "shim/libanaros.so").exists():
        pytest.skip("needs the shim: run make -C shim")
    paths = [str(ROOT / "overlay"), str(ROOT / "cli")]
    code = (
        f"import sys; sys.path[:0] = {paths!r}; from anaros_cli.main import main; sys.exit(main())"
    )

    def command(*words: str | Path) -> list[str]:
        return [sys.executable, "-c", code, *map(str, words)]

    return command


def _follows(supervisor: int, target: int, had: int) -> int:
    """How many descriptors a supervisor has that is done with attaching; else 0."""
    folder = Path(f"/proc/{supervisor}")
    try:
        held = [path.read_text() for path in (folder / "fdinfo").iterdir()]
        states = [(path / "stat").read_text() for path in (folder / "task").iterdir()]
    except OSError:  # one that it closes meanwhile
        return 0
    if len(held) <= had or not any(f"Pid:\t{target}\n" in text for text in held):
        return 0
    return len(held) if all(text.rpartition(") ")[2][0] == "S" for text in states) else 0


@pytest.fixture
def until_it_follows() -> Follow:
    """Waits until an attachment has all its probes in place.

    It waits for the target's end then, and none of its threads has anything left to do.
    """

    def wait(supervisor: int, target: int, had: int = 0) -> int:
        deadline = time.monotonic() + PATIENCE_S
        in_a_row = 0
        while in_a_row < 5:
            assert time.monotonic() < deadline, "it does not attach"
            assert Path(f"/proc/{supervisor}/fd").exists(), "it has ended"
            held = _follows(supervisor, target, had)
            in_a_row = in_a_row + 1 if held else 0
            time.sleep(0.02)
        return held

    return wait


@pytest.fixture
def room() -> Iterator[Any]:
    """Shared memory with an arena and the library beside it."""
    from inject_room import Room

    made = Room()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Any]:
    """A threaded Python server under load."""
    from attach_harness import Server

    started = Server(tmp_path)
    yield started
    started.close()


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing."""
    process = subprocess.Popen(["sleep", "300"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def static(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static program that reads 123 bytes again and again."""
    from attach_harness import STATIC

    if shutil.which("cc") is None:
        pytest.skip("a C compiler is missing: install build-essential")
    folder = tmp_path_factory.mktemp("static")
    (folder / "program.c").write_text(textwrap.dedent(STATIC))
    program = folder / "program"
    subprocess.run(["cc", "-static", "-O1", "-o", program, folder / "program.c"], check=True)
    return program

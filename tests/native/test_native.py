# SPDX-License-Identifier: Apache-2.0
"""Runs the C programs of this folder: one behaviour each, 0 passed, 77 not on this machine.

Programs in ``supervisor/`` are linked with the native side of the supervisor. Those in
``programs/`` are workloads: ``build/record`` runs each with the shim over an arena of its own.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"
LIBRARY = HERE.parents[1] / "shim/libanaros.so"
SKIPPED = 77

#: The runner itself ends a program that takes 300 s, with what it has started.
LIMIT_S = 330

SUPERVISOR = sorted(path.stem for path in (HERE / "supervisor").glob("*.c"))
RECORDED = sorted(
    path.relative_to(HERE / "programs").with_suffix("").as_posix()
    for path in (HERE / "programs").glob("*/*.c")
)


@pytest.fixture(scope="module")
def programs() -> Path:
    """The folder of the built programs."""
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("needs make and a C compiler")
    done = subprocess.run(
        ["make", "-s", "-j2", "-C", HERE], capture_output=True, text=True, check=False, timeout=400
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return BUILD


def run(*command: Path) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=LIMIT_S,
        check=False,
        cwd=HERE,
    )
    output = (done.stdout + done.stderr).strip()
    if done.returncode == SKIPPED:
        pytest.skip(output.splitlines()[-1] if output else "this machine lacks it")
    assert done.returncode == 0, f"exit code {done.returncode}\n{output}"


@pytest.mark.parametrize("name", SUPERVISOR)
def test_supervisor(programs: Path, name: str) -> None:
    run(programs / "supervisor" / name)


@pytest.mark.parametrize("name", RECORDED)
def test_recorded(programs: Path, name: str) -> None:
    if not LIBRARY.is_file():
        pytest.skip("shim/libanaros.so is not built")
    run(programs / "record", LIBRARY, programs / "programs" / name)


@pytest.mark.parametrize("name", [*SUPERVISOR, *RECORDED])
def test_program_says_what_it_shows(name: str) -> None:
    folder = "supervisor" if name in SUPERVISOR else "programs"
    text = (HERE / folder / f"{name}.c").read_text()
    first = re.search(r"/\*.*?\*/", text.split("\n", 1)[1], re.S)
    assert first, "no comment"
    assert re.match(r"/\*\s*(\* )?Description: \w", first.group()), first.group()


def test_the_runner_passes_the_exit_code_on_and_leaves_nothing(programs: Path) -> None:
    if not LIBRARY.is_file():
        pytest.skip("shim/libanaros.so is not built")
    before = set(Path("/dev/shm").glob("anaros-test-*"))
    shell = 'test -e "${LD_PRELOAD%/*}/arena" || exit 9; kill -TERM $$'
    done = subprocess.run(
        [programs / "record", LIBRARY, "/bin/sh", "-c", shell], check=False, timeout=60
    )
    assert done.returncode == 128 + 15
    done = subprocess.run(
        [programs / "record", LIBRARY, "/bin/sh", "-c", "exit 7"], check=False, timeout=60
    )
    assert done.returncode == 7
    assert set(Path("/dev/shm").glob("anaros-test-*")) <= before


def test_the_runner_that_is_ended_takes_the_program_along(programs: Path) -> None:
    if not LIBRARY.is_file():
        pytest.skip("shim/libanaros.so is not built")
    shell = "trap '' TERM INT; sleep 300 & echo $$ $!; wait; wait"
    words = [programs / "record", LIBRARY, "/bin/sh", "-c", shell]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        pids = runner.stdout.readline().split()
        runner.terminate()
        assert runner.wait(60) == 128 + 9
        # Nobody has the pipe any more.
        assert runner.stdout.read() == ""
    assert len(pids) == 2

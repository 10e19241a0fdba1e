# SPDX-License-Identifier: Apache-2.0
"""Which interpreter scripts/setup takes for .venv: its functions run, nothing is set up."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DEBIAN = Path("/usr/bin/python3")
BEGINNING = "\nsystem_packages\n"


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A folder that only its owner may enter, with an interpreter of its own."""
    if not DEBIAN.exists():
        pytest.skip("needs Debian's python3")
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    shutil.copy(DEBIAN.resolve(), folder / "python3")
    return folder


def ask(tmp_path: Path, words: str, path: str) -> list[str]:
    """What ``words`` print where all functions of the script are known, as root."""
    scripts = tmp_path / "scripts"
    scripts.mkdir(exist_ok=True)
    functions, marker, _ = (ROOT / "scripts/setup").read_text().partition(BEGINNING)
    assert marker
    # No headers are needed to choose, and this machine may lack them.
    stubs = "id() { echo 0; }\npython_headers_there() { return 0; }"
    (scripts / "setup").write_text(f"{functions}\n{stubs}\nPATH={path}\n{words}\n")
    done = subprocess.run(
        ["/bin/bash", scripts / "setup"], capture_output=True, text=True, check=False, timeout=30
    )
    assert not done.stderr
    return done.stdout.split()


def test_root_takes_an_interpreter_that_all_users_reach(tmp_path: Path, private: Path) -> None:
    if not ask(tmp_path, "python_is_complete /usr/bin/python3 && echo yes", os.defpath):
        pytest.skip("needs python3-venv")
    shared = f"{private}:/usr/bin:/bin"
    choice = "choose_python python_is_for_all || echo none"
    assert ask(tmp_path, choice, shared) == [str(DEBIAN)]
    assert ask(tmp_path, choice, str(private)) == [str(DEBIAN)]
    assert ask(tmp_path, "choose_python", shared) == [str(private / "python3")]
    assert ask(tmp_path, "python_packages", shared) == []


def test_without_one_its_own_must_do(tmp_path: Path, private: Path) -> None:
    if not ask(tmp_path, "python_is_complete /usr/bin/python3 && echo yes", os.defpath):
        pytest.skip("needs python3-venv")
    none = f"DEBIAN_PYTHON={tmp_path}/none"
    choice = f"{none}; choose_python python_is_for_all || choose_python"
    assert ask(tmp_path, choice, str(private)) == [str(private / "python3")]
    # Then Debian's would help.
    wanted = ["python3", "python3-venv"]
    assert ask(tmp_path, f"{none}; python_packages", str(private)) == wanted


def test_an_interpreter_that_is_too_old_is_passed_over(tmp_path: Path, private: Path) -> None:
    (private / "python3").write_text("#!/bin/sh\nexit 1\n")
    none = f"DEBIAN_PYTHON={tmp_path}/none"
    choice = f"{none}; choose_python || echo none"
    assert ask(tmp_path, choice, str(private)) == ["none"]

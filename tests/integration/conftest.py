# SPDX-License-Identifier: Apache-2.0
"""The command line as a child process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

Command = Callable[..., list[str]]


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

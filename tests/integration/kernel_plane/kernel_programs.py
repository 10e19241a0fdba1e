# SPDX-License-Identifier: Apache-2.0
"""Builds the C programs that run under the kernel plane."""

from __future__ import annotations

import subprocess
from pathlib import Path


def built(folder: Path, name: str) -> str:
    """Builds the program of a name into a folder; its path."""
    program = folder / name
    source = Path(__file__).with_name(f"{name}.c")
    command = ["gcc", "-std=c11", "-O2", "-Wall", "-Werror", "-pthread", source, "-o", program]
    subprocess.run(command, check=True)
    return str(program)

# SPDX-License-Identifier: Apache-2.0
"""The page that the table goes into. Needs nothing but the standard library."""

from __future__ import annotations

from pathlib import Path

from gpu_check.host import Refused, put

BEGIN = "<!-- gpu-check: begin -->"
END = "<!-- gpu-check: end -->"


def split(path: Path) -> tuple[str, str]:
    """What a page has before the block and after it.

    Raises:
        Refused: There is no such page, or no block in it.
    """
    try:
        page = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Refused(f"{path} cannot be read ({error.strerror}): name a page that is there") from (
            error
        )
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise Refused(f"{path} has no place for the table: put {BEGIN} and {END} into it")
    return before, after


def write(path: Path, block: str) -> None:
    """Puts the block in place of the one in ``path``; the rest of the page stays."""
    before, after = split(path)
    put(path, before + block + after)

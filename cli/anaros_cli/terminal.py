# SPDX-License-Identifier: Apache-2.0
"""The terminal as commands see it: one console, one floor for its width.

rich honours NO_COLOR, and writes no control codes where stdout is not a terminal.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import IO

from rich.console import Console, RenderableType

#: Below this many columns the tables do not fit.
COLUMNS_MIN = 50


class PipeConsole(Console):
    """A console that lets ``main`` handle a reader that went away."""

    def on_broken_pipe(self) -> None:
        """Raise instead of ending the process from inside the library."""
        raise BrokenPipeError


def console(stream: IO[str] | None = None) -> Console:
    """A console on ``stream``, stdout where None.

    Where the stream cannot carry Unicode, a character that it lacks becomes a question mark.
    """
    target = sys.stdout if stream is None else stream
    if isinstance(target, io.TextIOWrapper) and not target.encoding.lower().startswith("utf"):
        target.reconfigure(errors="replace")
    return PipeConsole(file=target, highlight=False, emoji=False, markup=False)


def show(draw: Callable[[int], RenderableType]) -> None:
    """Print once on stdout what ``draw`` makes for its width.

    A narrow terminal is told so on stderr, and gets lines that it has to wrap. Where stdout is
    not a terminal, the lines end where their text ends.
    """
    made = console()
    if made.width < COLUMNS_MIN:
        sys.stderr.write(
            f"anaros: the terminal has {made.width} columns, the tables need {COLUMNS_MIN}\n"
            "  widen it, or use --json\n"
        )
        made.width = COLUMNS_MIN
    if made.is_terminal:
        made.print(draw(made.width))
        return
    with made.capture() as captured:
        made.print(draw(made.width))
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())

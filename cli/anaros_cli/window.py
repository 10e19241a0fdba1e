# SPDX-License-Identifier: Apache-2.0
"""The word after ``--window``: ``A..B`` in seconds."""

from __future__ import annotations

import math

import click


class WindowType(click.ParamType[tuple[float | None, float | None]]):
    """Parses ``A..B`` into two times in seconds, None where a side is open.

    A time counts from the start of the run; with a minus sign it counts back from its end.
    """

    name = "A..B"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float | None, float | None]:
        """The two times; a usage error where ``value`` is not a window."""
        if isinstance(value, tuple):
            return value
        text = str(value)
        first, dots, last = text.partition("..")
        try:
            start, end = _seconds(first), _seconds(last)
        except ValueError:
            dots = ""
        if not dots:
            self.fail(f"{text!r} is not a window such as 2..5, 2.., ..5 or -10..", param, ctx)
        if start is not None and end is not None and (start < 0) == (end < 0) and start >= end:
            self.fail(f"the window {text} ends before it starts", param, ctx)
        return start, end


def _seconds(word: str) -> float | None:
    if not word.strip():
        return None
    seconds = float(word)
    if not math.isfinite(seconds):
        raise ValueError(word)
    return seconds

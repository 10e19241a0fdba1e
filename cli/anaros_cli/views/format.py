# SPDX-License-Identifier: Apache-2.0
"""Numbers as text, the same in every view. What is unknown (None, NaN) is a dash."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence

UNKNOWN = "—"

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_BYTE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def known(value: float | None) -> bool:
    """Whether ``value`` is a number."""
    return value is not None and not math.isnan(value)


def milliseconds(value: float | None) -> str:
    """A time in ms, without its unit, for a column of such times."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if value < 1:
        return f"{value:.3f}"
    return f"{value:.2f}" if value < 1000 else f"{value:,.0f}"


def duration(value_ns: float | None) -> str:
    """A time with the unit that suits it."""
    if value_ns is None or math.isnan(value_ns):
        return UNKNOWN
    for limit, unit in ((1e3, "ns"), (1e6, "µs"), (1e9, "ms")):
        if value_ns < limit:
            return _digits(value_ns / limit * 1e3, whole=unit == "ns") + f" {unit}"
    return _digits(value_ns / 1e9, whole=False) + " s"


def _digits(value: float, whole: bool) -> str:
    if whole:
        return f"{value:.0f}"
    return f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def count(value: float | None) -> str:
    """A number of things."""
    return UNKNOWN if value is None or math.isnan(value) else f"{value:,.0f}"


def number(value: float | None, noun: str) -> str:
    """A number of things and what they are; the first word of ``noun`` gets its plural."""
    if value == 1:
        return f"1 {noun}"
    first, space, rest = noun.partition(" ")
    ending = "es" if first.endswith(("s", "ch")) else "s"
    return f"{count(value)} {first}{ending}{space}{rest}"


def rate(value: float | None) -> str:
    """Things a second, without the unit."""
    if value is None or math.isnan(value):
        return UNKNOWN
    return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def size(value: float | None) -> str:
    """A number of bytes with the unit that suits it."""
    if value is None or math.isnan(value):
        return UNKNOWN
    scaled, unit = float(value), 0
    while scaled >= 1024 and unit < len(_BYTE_UNITS) - 1:
        scaled, unit = scaled / 1024, unit + 1
    return f"{scaled:.0f} B" if unit == 0 else f"{scaled:.1f} {_BYTE_UNITS[unit]}"


def share_below(part: float) -> str:
    """A share with a decimal that is never rounded up: 100 % is all of it."""
    return "100 %" if part >= 1 else f"{math.floor(part * 1000) / 10:.1f} %"


def share(value: float | None) -> str:
    """A part of one as a percentage."""
    if value is None or math.isnan(value):
        return UNKNOWN
    return f"{value * 100:.1f} %" if 0 < value < 0.0995 else f"{value * 100:.0f} %"


def bar(value: float | None, columns: int) -> str:
    """A part of one as a bar of ``columns`` cells, to an eighth of a cell."""
    if value is None or math.isnan(value):
        return " " * columns
    eighths = round(min(max(value, 0.0), 1.0) * columns * 8)
    full, part = divmod(eighths, 8)
    drawn = _EIGHTHS[8] * full + (_EIGHTHS[part] if part else "")
    return drawn.ljust(columns)


def printable(text: str) -> str:
    """``text`` with each character that a terminal might obey spelled out as its code."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def shortened(text: str, columns: int) -> str:
    """``text`` in at most ``columns`` cells; what is cut is cut from its middle."""
    if len(text) <= columns:
        return text
    head = (columns - 1) // 2
    return f"{text[:head]}…{text[len(text) - (columns - 1 - head) :]}"


#: Of a word of a command so many cells stay readable before whole words are left out.
_WORD_MIN = 16


def command(words: Sequence[str], columns: int) -> str:
    """The words of a command as a shell reads them, in at most ``columns`` cells.

    Where they do not fit, folders of paths go first, then the middles of the longest words (of
    code after ``-c``), then the last words: what was started can be told to the end.
    """
    # More words than cells cannot fit.
    shown = [printable(_quoted(" ".join(word.split()))) for word in words[: columns + 1]]
    for place, word in enumerate(shown):
        if _width(shown) <= columns:
            break
        folder, _, name = word.rpartition("/")
        if folder and name and " " not in word:
            shown[place] = f"…/{name}"
    limit = max(map(len, shown), default=0)
    if _width(shown) > columns:
        limit = min(limit, columns)
    while _width(shown) > columns and limit > _WORD_MIN:
        limit -= 1
        shown = [shortened(word, limit) for word in shown]
    while _width(shown) > columns and len(shown) > 1:
        shown = [*shown[: -2 if shown[-1] == "…" else -1], "…"]
    return shortened(" ".join(shown), columns) or UNKNOWN


def _quoted(word: str) -> str:
    """``word`` as a shell reads it; double quotes spare the apostrophes of code."""
    if "'" in word and not set(word) & set('"$`\\!'):
        return f'"{word}"'
    return shlex.quote(word)


def _width(words: Sequence[str]) -> int:
    return sum(map(len, words)) + len(words) - 1


def flow(parts: Sequence[str], columns: int) -> str:
    """Facts with dots between them; a line of ``columns`` cells is broken between two facts."""
    lines = [""]
    for part in parts:
        longer = f"{lines[-1]} · {part}" if lines[-1] else part
        if len(longer) <= columns or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(part)
    return "\n".join(lines)

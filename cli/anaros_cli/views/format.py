# SPDX-License-Identifier: Apache-2.0
"""Numbers as text, the same in every view. What is unknown (None, NaN) is a dash."""

from __future__ import annotations

import math

UNKNOWN = "—"

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_BYTE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


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

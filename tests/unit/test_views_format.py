# SPDX-License-Identifier: Apache-2.0
"""Numbers as text."""

from __future__ import annotations

import math

import pytest

from anaros_cli.views import format as fmt


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (fmt.milliseconds, 0.0, "0.000"),
        (fmt.milliseconds, 0.0416, "0.042"),
        (fmt.milliseconds, 9.876, "9.88"),
        (fmt.milliseconds, 12345.6, "12,346"),
        (fmt.duration, 581, "581 ns"),
        (fmt.duration, 1234, "1.23 µs"),
        (fmt.duration, 250_000_000, "250 ms"),
        (fmt.duration, 12.3e9, "12.30 s"),
        (fmt.duration, 5000e9, "5,000 s"),
        (fmt.count, 1234567, "1,234,567"),
        (fmt.rate, 41.25, "41.2"),
        (fmt.rate, 12345.6, "12,346"),
        (fmt.size, 512, "512 B"),
        (fmt.size, 1536, "1.5 KiB"),
        (fmt.size, 3 * 2**40 * 1024, "3072.0 TiB"),
        (fmt.share, 0.0, "0 %"),
        (fmt.share, 0.042, "4.2 %"),
        (fmt.share, 0.999, "100 %"),
    ],
)
def test_known(function: object, value: float, text: str) -> None:
    assert callable(function)
    assert function(value) == text


@pytest.mark.parametrize(
    "function", [fmt.milliseconds, fmt.duration, fmt.count, fmt.rate, fmt.size, fmt.share]
)
@pytest.mark.parametrize("value", [None, math.nan])
def test_unknown_is_a_dash_and_never_zero(function: object, value: float | None) -> None:
    assert callable(function)
    assert function(value) == "—"


@pytest.mark.parametrize(
    ("value", "drawn"),
    [(0.0, "    "), (0.5, "██  "), (1.0, "████"), (7.0, "████"), (0.28125, "█▏  "), (None, "    ")],
)
def test_bar(value: float | None, drawn: str) -> None:
    assert fmt.bar(value, 4) == drawn


def test_shortened_keeps_both_ends() -> None:
    assert fmt.shortened("short", 8) == "short"
    assert fmt.shortened("/data/tiles/0000001.png", 11) == "/data…1.png"


def test_printable_disarms_what_a_terminal_obeys() -> None:
    assert fmt.printable("/data/größe 1.png") == "/data/größe 1.png"
    assert fmt.printable("a\x1b[2Jb\nc\udcff") == "a\\x1b[2Jb\\nc\\udcff"

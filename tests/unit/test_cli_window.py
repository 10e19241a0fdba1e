# SPDX-License-Identifier: Apache-2.0
"""The word after ``--window``."""

from __future__ import annotations

import click
import pytest

from anaros_cli.window import WindowType


@pytest.mark.parametrize(
    ("word", "window"),
    [
        ("2..5", (2.0, 5.0)),
        ("2..", (2.0, None)),
        ("..5", (None, 5.0)),
        ("..", (None, None)),
        ("-10..", (-10.0, None)),
        ("-10..-2.5", (-10.0, -2.5)),
        ("1..-1", (1.0, -1.0)),
        ("0.25..0.5", (0.25, 0.5)),
        (".5..1.5", (0.5, 1.5)),
    ],
)
def test_windows(word: str, window: tuple[float | None, float | None]) -> None:
    assert WindowType().convert(word, None, None) == window


@pytest.mark.parametrize(
    "word", ["", "5", "5-7", "a..b", "5..2", "2..2", "-1..-5", "nan..", "..inf"]
)
def test_what_is_none(word: str) -> None:
    with pytest.raises(click.BadParameter):
        WindowType().convert(word, None, None)

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
        (fmt.size, 3 * 2**40 * 1024, "3.0 PiB"),
        (fmt.size, 2**60, "1.0 EiB"),
        (fmt.size, 2**64 - 1, "16.0 EiB"),
        (fmt.size, 2**71, "2048.0 EiB"),
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


@pytest.mark.parametrize(
    ("value", "noun", "text"),
    [
        (1, "call in vfork children", "1 call in vfork children"),
        (2, "call in vfork children", "2 calls in vfork children"),
        (0, "record", "0 records"),
        (1200, "process that", "1,200 processes that"),
        (None, "program", "— programs"),
    ],
)
def test_number(value: float | None, noun: str, text: str) -> None:
    assert fmt.number(value, noun) == text


@pytest.mark.parametrize(
    ("words", "columns", "text"),
    [
        (["python", "serve.py"], 80, "python serve.py"),
        ([], 80, "—"),
        (["echo", "", "a b"], 80, "echo '' 'a b'"),
        (["python", "-c", "import os\n\nprint('x')"], 80, "python -c \"import os print('x')\""),
        (["/opt/python/bin/python", "serve.py"], 30, "…/python serve.py"),
        (
            ["/opt/python/bin/python", "examples/serve.py", "-p", "1"],
            24,
            "…/python …/serve.py -p 1",
        ),
        (["/opt/bin/python", "-c", "a" * 90 + "z"], 40, f"…/python -c {'a' * 13}…{'a' * 13}z"),
        (["python", "serve.py", *map(str, range(99))], 24, "python serve.py 0 1 2 …"),
        (["x" * 50], 11, "xxxxx…xxxxx"),
        (["\x1b[2J"], 80, "'\\x1b[2J'"),
    ],
)
def test_a_command_keeps_what_tells_it_from_others(
    words: list[str], columns: int, text: str
) -> None:
    assert fmt.command(words, columns) == text


def test_a_command_always_fits() -> None:
    words = ["/usr/bin/python3", "-m", "torch.distributed.run", "--nproc", "8", "train.py"] * 40
    for columns in range(8, 200):
        assert len(fmt.command(words, columns)) <= columns


def test_a_line_of_facts_breaks_between_two() -> None:
    facts = ["12 requests", "4.0/s", "p50 3.21 ms"]
    assert fmt.flow(facts, 80) == "12 requests · 4.0/s · p50 3.21 ms"
    assert fmt.flow(facts, 20) == "12 requests · 4.0/s\np50 3.21 ms"
    assert fmt.flow(facts, 5) == "12 requests\n4.0/s\np50 3.21 ms"
    assert fmt.flow([], 5) == ""

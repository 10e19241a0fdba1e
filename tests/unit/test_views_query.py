# SPDX-License-Identifier: Apache-2.0
"""Rows of an answer as table, JSON objects and CSV."""

from __future__ import annotations

import csv
import datetime as dt
import decimal
import io
import json
import math

import pytest
from rich.console import Console

from anaros_cli import output
from anaros_cli.views.query import ROWS_MAX, frame, objects, write_csv


def drawn(columns: list[str], rows: list[tuple[object, ...]], width: int = 80) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False, markup=False).print(
        frame(columns, rows, width)
    )
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def test_numbers_right_words_left_null_a_dash() -> None:
    rows: list[tuple[object, ...]] = [("file.read", 2**63, 0.5), ("[b]net", None, math.nan)]
    assert drawn(["kind", "object", "share"], rows) == (
        "kind                    object  share\n"
        "file.read  9223372036854775808    0.5\n"
        "[b]net                       —      —\n"
        "2 rows"
    )


def test_a_row_too_wide_for_the_terminal_becomes_a_block() -> None:
    rows: list[tuple[object, ...]] = [("file.read", "/" + "x" * 30), ("net.recv", None)]
    assert drawn(["kind", "name"], rows, width=30) == (
        "row 1\n"
        "  kind  file.read\n"
        "  name  /xxxxxxxxxxxxxxxxxxxxx\n"
        "        xxxxxxxxx\n"
        "row 2\n"
        "  kind  net.recv\n"
        "  name  —\n"
        "2 rows"
    )


def test_an_empty_answer_still_names_its_columns() -> None:
    assert drawn(["kind"], []) == "kind\n0 rows"


def test_many_rows_are_cut_and_counted() -> None:
    lines = drawn(["n"], [(n,) for n in range(ROWS_MAX + 5)]).splitlines()
    assert len(lines) == ROWS_MAX + 2
    assert lines[-1] == "the first 1,000 of 1,005 rows; --format csv or json prints all"


def test_json_keeps_integers_and_knows_null(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[tuple[object, ...]] = [
        (2**64 - 1, math.nan, None, b"\x00\xff", decimal.Decimal("1.50"), 2**70),
        (0, math.inf, True, b"", dt.date(2026, 11, 21), -1),
    ]
    output.print_json(objects(["object", "x", "n", "b", "d", "huge"], rows))
    first, second = json.loads(capsys.readouterr().out)
    assert first == {
        "object": 2**64 - 1,
        "x": None,
        "n": None,
        "b": "00ff",
        "d": "1.50",
        "huge": str(2**70),
    }
    assert second["x"] is None
    assert second["n"] is True
    assert second["d"] == "2026-11-21"


def test_json_spells_out_what_is_not_unicode(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json({"command": ["cat", "f\udcff"]})
    assert json.loads(capsys.readouterr().out) == {"command": ["cat", "f\\udcff"]}


def test_columns_of_one_name_stay_apart() -> None:
    assert objects(["a", "a", "a"], [(1, 2, 3)]) == [{"a": 1, "a_2": 2, "a_3": 3}]


def test_csv_round_trip() -> None:
    stream = io.StringIO()
    write_csv(stream, ["name", "count"], [('with "quotes", and\nlines', 3), (None, 4)])
    stream.seek(0)
    assert list(csv.reader(stream)) == [
        ["name", "count"],
        ['with "quotes", and\nlines', "3"],
        ["", "4"],
    ]

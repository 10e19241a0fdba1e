# SPDX-License-Identifier: Apache-2.0
"""Writes JSON to stdout."""

from __future__ import annotations

import sys

_PIECE_BYTES = 1 << 16


def print_json(value: object) -> None:
    """Write ``value`` as indented JSON with a newline.

    NaN becomes null, an integer beyond 64 bits its digits in a string, bytes become hex, bytes of
    a path that are not UTF-8 are spelled out, and what JSON has no word for (a decimal, an
    interval) becomes its text.
    """
    import orjson

    sys.stdout.flush()
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
    try:
        text = orjson.dumps(value, default=_text, option=options)
    except TypeError:
        text = orjson.dumps(_narrowed(value), default=_text, option=options)
    # In pieces: an unbuffered stdout forgets what a reader that went away left of one write.
    for start in range(0, len(text), _PIECE_BYTES):
        sys.stdout.buffer.write(text[start : start + _PIECE_BYTES])


def _text(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else str(value)


def _narrowed(value: object) -> object:
    """``value`` without what orjson refuses: integers beyond 64 bits and lone surrogates."""
    if isinstance(value, dict):
        return {key: _narrowed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_narrowed(item) for item in value]
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)
    return value

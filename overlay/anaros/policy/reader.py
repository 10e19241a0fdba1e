# SPDX-License-Identifier: Apache-2.0
"""Takes typed values out of a YAML tree and keeps every complaint, not only the first."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from anaros.policy.document import List, Node, Scalar, Table
from anaros.policy.model import Place, Problem

#: Longest text that a policy needs anywhere.
TEXT_MAX = 1000


class Fields:
    """The entries of one table.

    ``misspelled`` is true where something in it was not understood: then nothing is said of
    what seems to be missing.

    Args:
        reader: Where complaints go.
        table: The table.
        what: What it describes, for messages: "a tenant".
        keys: All keys that it may have.
    """

    def __init__(self, reader: Reader, table: Table, what: str, keys: tuple[str, ...]) -> None:
        self.reader = reader
        self.place = table.place
        self.what = what
        self.values: dict[str, Node] = {}
        self.misspelled = False
        for key, value in table.items:
            if not isinstance(key, Scalar) or not isinstance(key.value, str):
                reader.complain(key.place, "a key must be a word", f"use {', '.join(keys)}")
            elif key.value not in keys:
                self.misspelled = True
                reader.complain(
                    key.place, f"{what} has no key {quoted(key.value)}", nearest(key.value, keys)
                )
            elif key.value in self.values:
                reader.complain(
                    key.place, f"the key {quoted(key.value)} is written twice", "keep one"
                )
            else:
                self.values[key.value] = value

    def get(self, key: str) -> Node | None:
        """The value of ``key``, None where it is missing or null."""
        node = self.values.get(key)
        return None if isinstance(node, Scalar) and node.value is None else node

    def place_of(self, key: str) -> Place:
        """Where the value stands, or the table itself."""
        node = self.values.get(key)
        return node.place if node else self.place

    def text(self, key: str, *, required: str = "") -> str:
        """One line of text, empty where it is missing; ``required`` is the remedy then."""
        node = self.get(key)
        if node is None:
            if required and not self.misspelled:
                self.reader.complain(self.place, f"{self.what} needs {key}:", required)
            return ""
        return self.reader.text(node, f"{key}:")

    def texts(self, key: str) -> list[tuple[str, Place]]:
        """A text or a list of texts."""
        return [
            (text, node.place)
            for node in self.reader.items(self.get(key), f"{key}:")
            if (text := self.reader.text(node, f"an entry of {key}:"))
        ]

    def texts_or_integers(self, key: str) -> list[tuple[str | int, Place]]:
        """A text or an integer, or a list of them."""
        found: list[tuple[str | int, Place]] = []
        for node in self.reader.items(self.get(key), f"{key}:"):
            if isinstance(node, Scalar) and _is_integer(node.value):
                found.append((int(node.value or 0), node.place))
            elif text := self.reader.text(node, f"an entry of {key}:", "a text or an integer"):
                found.append((text, node.place))
        return found

    def integer(self, key: str, low: int, high: int) -> int | None:
        """An integer in a range, None where it is missing or wrong."""
        node = self.get(key)
        if node is None:
            return None
        value = node.value if isinstance(node, Scalar) else None
        if not _is_integer(value):
            self.reader.complain(
                node.place, f"{key}: must be an integer, not {kind(node)}", f"write {low} to {high}"
            )
            return None
        number = int(value or 0)
        if not low <= number <= high:
            self.reader.complain(
                node.place, f"{key}: {number} is out of range", f"write {low} to {high}"
            )
            return None
        return number

    def flag(self, key: str) -> bool:
        """True or false, false where it is missing or wrong."""
        node = self.get(key)
        if node is None:
            return False
        value = node.value if isinstance(node, Scalar) else None
        if not isinstance(value, bool):
            self.reader.complain(
                node.place, f"{key}: must be true or false, not {kind(node)}", "write true or false"
            )
            return False
        return value

    def choice(self, key: str, choices: tuple[str, ...], default: str) -> str:
        """One of ``choices``."""
        node = self.get(key)
        if node is None:
            return default
        text = self.reader.text(node, f"{key}:")
        if text and text not in choices:
            self.reader.complain(
                node.place, f"{key}: cannot be {quoted(text)}", nearest(text, choices)
            )
        return text if text in choices else default


class Reader:
    """Collects problems while a tree is read."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def complain(self, place: Place, fact: str, remedy: str = "") -> None:
        """Keep a problem, once: an alias is read as often as it is used."""
        problem = Problem(place, fact, remedy)
        if problem not in self.problems:
            self.problems.append(problem)

    def fields(self, node: Node, what: str, keys: tuple[str, ...]) -> Fields:
        """The entries of a table; an empty one where ``node`` is not a table."""
        if not isinstance(node, Table):
            self.complain(
                node.place, f"{what} must be a table, not {kind(node)}", f"keys: {', '.join(keys)}"
            )
            empty = Fields(self, Table(node.place), what, keys)
            empty.misspelled = True
            return empty
        return Fields(self, node, what, keys)

    def items(self, node: Node | None, what: str) -> list[Node]:
        """The items of a list; a single value counts as a list of one."""
        if node is None:
            return []
        if isinstance(node, List):
            if not node.items:
                self.complain(node.place, f"{what} is an empty list", "name something, or drop it")
            return node.items
        if isinstance(node, Table):
            self.complain(node.place, f"{what} must be a list, not a table", "begin lines with -")
            return []
        return [node]

    def text(self, node: Node, what: str, wanted: str = "text") -> str:
        """A text of one line; empty, with a complaint, where it is something else."""
        value = node.value if isinstance(node, Scalar) else None
        if not isinstance(value, str):
            remedy = f'write it in quotes: "{_spelled(value)}"' if isinstance(node, Scalar) else ""
            self.complain(node.place, f"{what} must be {wanted}, not {kind(node)}", remedy)
            return ""
        if len(value) > TEXT_MAX:
            self.complain(node.place, f"{what} is longer than {TEXT_MAX} characters", "shorten it")
            return ""
        if any(ord(char) < 32 and char != "\n" for char in value):
            self.complain(node.place, f"{what} holds a control character", "remove it")
            return ""
        if not value.strip():
            self.complain(node.place, f"{what} is empty", "write it, or drop the key")
            return ""
        return " ".join(value.split()) if "\n" in value else value


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _spelled(value: object) -> str:
    return {True: "true", False: "false", None: "null"}.get(value, str(value))  # type: ignore[call-overload, no-any-return]


def kind(node: Node) -> str:
    """What a node is, in words."""
    if isinstance(node, List):
        return "a list"
    if isinstance(node, Table):
        return "a table"
    if isinstance(node.value, bool):
        return "true or false"
    if node.value is None:
        return "nothing"
    return "an integer" if isinstance(node.value, int) else quoted(node.value)


def quoted(text: str) -> str:
    """A word of the file for a message: printable, and not longer than a line bears."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


def nearest(word: str, known: Iterable[str]) -> str:
    """Which known word was meant, else all of them."""
    names = tuple(known)
    near = get_close_matches(word[:60].lower(), names, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"use {', '.join(names)}"

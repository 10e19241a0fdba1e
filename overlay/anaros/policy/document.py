# SPDX-License-Identifier: Apache-2.0
"""YAML as a tree that knows where each word stands.

The tree is built from the parser's events and not by its composer: so depth, size and aliases
are bounded before memory or stack is spent, and no tag can make an object.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from anaros.policy.files import Source
from anaros.policy.model import Place, Problem

DEPTH_MAX = 16

#: Nodes after aliases are expanded.
NODES_MAX = 20_000

_INTEGER = re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}


class MalformedError(Exception):
    """The text is not YAML, or not YAML of the sort that a policy may hold."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(slots=True)
class Scalar:
    """One word. Plain integers, true, false and null have their own types."""

    place: Place
    value: str | int | bool | None
    size: int = 1


@dataclass(slots=True)
class List:
    """A sequence."""

    place: Place
    items: list[Node] = field(default_factory=list)
    size: int = 1


@dataclass(slots=True)
class Table:
    """A mapping in the order of the text; keys may still be doubled or of a wrong type."""

    place: Place
    items: list[tuple[Node, Node]] = field(default_factory=list)
    size: int = 1
    key: Node | None = None


Node = Scalar | List | Table


def parse(source: Source) -> Node:
    """Read one YAML document.

    Raises:
        MalformedError: It is not YAML, or breaks a bound.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    builder = _Builder(source.path)
    try:
        for event in yaml.parse(source.text, Loader=loader):
            builder.add(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _place(source.path, mark) if mark else Place(source.path, 1, 1)
        what = " ".join(str(error.problem or error.context or "the text is not YAML").split())
        raise MalformedError(Problem(place, what, "correct the YAML")) from error
    except yaml.reader.ReaderError as error:
        raise MalformedError(_unreadable(source, error)) from error
    if builder.root is None:
        place = Place(source.path, 1, 1)
        raise MalformedError(Problem(place, "the file is empty", "begin it with: version: 1"))
    return builder.root


def _place(path: Path, mark: Any) -> Place:
    return Place(path, mark.line + 1, mark.column + 1)


def _unreadable(source: Source, error: yaml.reader.ReaderError) -> Problem:
    """The C reader counts in bytes and the Python one in characters: find the character."""
    character = error.character if isinstance(error.character, int) else ord(error.character[:1])
    at = max(source.text.find(chr(character)), 0)
    line = source.text.count("\n", 0, at) + 1
    column = at - source.text.rfind("\n", 0, at)
    fact = f"the character U+{character:04X} is not allowed"
    return Problem(Place(source.path, line, column), fact, "remove it")


class _Builder:
    """Puts events together to a tree, without recursion."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root: Node | None = None
        self.open: list[List | Table] = []
        self.anchors: dict[str, Node | None] = {}
        self.names: list[str | None] = []
        self.nodes = 0
        self.documents = 0

    def add(self, event: yaml.Event) -> None:
        place = _place(self.path, event.start_mark)
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self._fail(place, "a policy file holds one document", "split the file at ---")
        elif isinstance(event, yaml.AliasEvent):
            self._attach(self._resolve(event.anchor or "", place), place)
        elif isinstance(event, yaml.ScalarEvent):
            self._no_tag(event.tag, place)
            node = Scalar(place, _value(event.value) if event.implicit[0] else event.value)
            self._name(event.anchor, node)
            self._attach(node, place)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._start(event, place)
        elif isinstance(event, yaml.CollectionEndEvent):
            done, name = self.open.pop(), self.names.pop()
            self._name(name, done)
            self._attach(done, done.place)

    def _start(self, event: yaml.CollectionStartEvent, place: Place) -> None:
        self._no_tag(event.tag, place)
        if len(self.open) >= DEPTH_MAX:
            self._fail(place, f"more than {DEPTH_MAX} levels are nested", "a policy needs five")
        if event.anchor:
            self.anchors[event.anchor] = None
        self.names.append(event.anchor)
        self.open.append(
            List(place) if isinstance(event, yaml.SequenceStartEvent) else Table(place)
        )

    def _name(self, anchor: str | None, node: Node) -> None:
        if anchor:
            self.anchors[anchor] = node

    def _resolve(self, anchor: str, place: Place) -> Node:
        if anchor not in self.anchors:
            self._fail(place, f"the alias *{anchor} has no anchor", f"write &{anchor} before it")
        node = self.anchors[anchor]
        if node is None:
            self._fail(place, f"the alias *{anchor} holds itself", "write it out")
        return node

    def _attach(self, node: Node, place: Place) -> None:
        if not self.open:
            self.root = node
            return
        parent = self.open[-1]
        parent.size += node.size
        if parent.size > NODES_MAX:
            self._fail(place, f"the file has more than {NODES_MAX} entries", "split it")
        if isinstance(parent, List):
            parent.items.append(node)
        elif parent.key is None:
            parent.key = node
        else:
            parent.items.append((parent.key, node))
            parent.key = None

    def _no_tag(self, tag: str | None, place: Place) -> None:
        if tag is not None:
            self._fail(place, f"the tag {tag} is not known", "remove it: a policy has no tags")

    def _fail(self, place: Place, fact: str, remedy: str) -> NoReturn:
        raise MalformedError(Problem(place, fact, remedy))


def _value(text: str) -> str | int | bool | None:
    if _INTEGER.fullmatch(text) and len(text) < 20:
        return int(text, 16) if text.startswith("0x") else int(text)
    return _WORDS.get(text.lower(), text)

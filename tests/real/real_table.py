# SPDX-License-Identifier: Apache-2.0
"""What the programs and their tools say of themselves beside what a run says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: In which order, and under which heading, the ways stand side by side.
_WAYS = {"run": "`anaros run`", "attach": "`anaros attach`"}
_UNKNOWN = "—"
#: The bytes of files and of sockets.
_BYTES = (
    ("file.read_bytes", "file.written_bytes"),
    ("socket.received_bytes", "socket.sent_bytes"),
)
#: What a program moves by its start alone.
_LITTLE = 64 << 10


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure, told twice.

    Attributes:
        of: The test.
        way: `run` or `attach`.
        what: The figure.
        theirs: By the program or its tool.
        ours: By the run.
    """

    of: str
    way: str
    what: str
    theirs: float
    ours: float

    @property
    def words(self) -> str:
        """Both, and what lies between them."""
        if self.ours == self.theirs:
            return f"{_number(self.theirs)}, the same"
        more = f", {100 * (self.ours / self.theirs - 1):+.2f} %" if self.theirs else ""
        return f"{_number(self.theirs)}, {_number(self.ours)}{more}"


@dataclass(frozen=True, slots=True)
class Cover:
    """What was seen of one program.

    Attributes:
        of: The test.
        way: `run` or `attach`.
        coverage: As the report has it.
    """

    of: str
    way: str
    coverage: Mapping[str, Any]

    @property
    def words(self) -> str:
        """The shares of its bytes, and who moved the rest."""
        shares = [self._share(*names) for names in _BYTES]
        missed = [
            f"{row['program'].rpartition('/')[2]} ({row.get('reason', 'past the shim')})"
            for row in (*self.coverage["without_shim"], *self.coverage["partly_seen"])
        ]
        return " · ".join(shares) + (f"; named: {', '.join(sorted(set(missed)))}" if missed else "")

    def _share(self, *names: str) -> str:
        """Never rounded up to the whole; of next to nothing it is no matter."""
        rows = [row for row in self.coverage["quantities"] if row["quantity"] in names]
        whole = sum(row["witnessed"] or 0 for row in rows)
        if whole < _LITTLE:
            return f"{whole:,} bytes" if whole else _UNKNOWN
        covered = sum(row["covered"] or 0 for row in rows)
        return f"{covered * 10_000 // whole / 100:g} %"


@dataclass(slots=True)
class Told:
    """All of a session."""

    figures: list[Figure] = field(default_factory=list)
    covers: list[Cover] = field(default_factory=list)

    def markdown(self) -> str:
        """Two tables: the figures, and what was seen of the bytes of files and sockets."""
        figures = _table(
            ("of", "figure", *(f"{way}: its own, ours" for way in _WAYS.values())),
            ((f"{each.of} | {each.what}", each.way, each.words) for each in self.figures),
        )
        covers = _table(
            ("of", *(f"{way}: bytes of files, of sockets seen" for way in _WAYS.values())),
            ((each.of, each.way, each.words) for each in self.covers),
        )
        return f"{figures}\n\n{covers}"


def _table(heads: Iterable[str], told: Iterable[tuple[str, str, str]]) -> str:
    rows: dict[str, dict[str, str]] = {}
    for of, way, words in told:
        rows.setdefault(of, {})[way] = words
    heads = tuple(heads)
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for of, found in rows.items():
        lines.append(f"| {of} | {' | '.join(found.get(way, _UNKNOWN) for way in _WAYS)} |")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"

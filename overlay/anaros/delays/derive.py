# SPDX-License-Identifier: Apache-2.0
"""What delayed a run: added up and kept in its directory once it is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anaros.delays import events, network
from anaros.delays.groups import Groups, grouped
from anaros.delays.model import Delays
from anaros.kinds import Kind
from anaros.records import Columns
from anaros.store import derived, segments
from anaros.store.calls import Calls
from anaros.store.columnar import Array
from anaros.store.rundir import RunDirectory

#: Kinds of record that anything here is about, and of which ``context`` is needed.
ABOUT = (*events.KINDS, *network.KINDS, Kind.MEM_FAULTS, Kind.MEM_OOM, Kind.MEM_REMOTE)
_WITH_CONTEXT = (*events.WITH_CONTEXT, *network.WITH_CONTEXT, Kind.MEM_FAULTS)
_WITHOUT_CONTEXT = tuple(kind for kind in ABOUT if kind not in _WITH_CONTEXT)

_TABLES = ("delays", "network", "drops", "faults")


@dataclass(frozen=True, slots=True)
class Summary:
    """Delays added up.

    Attributes:
        groups: By cause, who and whom.
        network: One row: see `network.network_of`.
        drops: Packets dropped, by ``reason``.
        faults: One row: page faults of the target, and what memory cost it besides.
    """

    groups: Groups
    network: Mapping[str, Array]
    drops: Mapping[str, Array]
    faults: Mapping[str, Array]

    @classmethod
    def of(cls, columns: Columns) -> Summary:
        """What N records, sorted by their start, tell."""
        return cls.of_kinds(_split(columns))

    @classmethod
    def of_kinds(cls, here: Mapping[Kind, Columns]) -> Summary:
        """What the records of each kind tell."""
        return cls(
            grouped(events.delays(here)),
            network.network_of(here),
            network.drops_of(here[Kind.NIC_DROP]),
            _faults(here[Kind.MEM_FAULTS], here[Kind.MEM_OOM], here[Kind.MEM_REMOTE]),
        )


def summary_of(run: RunDirectory, tallied: Calls, columns: Columns | None = None) -> Summary:
    """What delayed a run, as it was kept if its segments are the same, else added up and kept.

    Args:
        run: The run; it may go on.
        tallied: Its records by kind.
        columns: All its records, without their ``context``, if they are at hand.

    Raises:
        RunDirectoryError: The run cannot be read.
    """

    def compute() -> dict[str, Mapping[str, Array]]:
        found = Summary.of_kinds(_by_kind(run, tallied, columns))
        return {
            "delays": found.groups.as_dict(),
            "network": found.network,
            "drops": found.drops,
            "faults": found.faults,
        }

    kept = derived.kept(run, _TABLES, compute)
    return Summary(Groups.of(kept["delays"]), kept["network"], kept["drops"], kept["faults"])


def summary_within(run: RunDirectory, window: tuple[int, int]) -> Summary:
    """What delayed a run from the first to the last ns of a window."""
    return Summary.of(segments.load(run, kinds=ABOUT, window=window))


def delays_of(run: RunDirectory) -> Delays:
    """Each delay of a run by itself."""
    here = _split(segments.load(run, kinds=events.KINDS))
    return Delays.concatenate(events.delays(here))


def accepts_of(run: RunDirectory) -> network.Accepts:
    """How long each connection of a run waited to be accepted."""
    here = _split(segments.load(run, kinds=(Kind.TCP_STATE, Kind.NET_ACCEPT)))
    return network.accepts_of(here[Kind.TCP_STATE], here[Kind.NET_ACCEPT])


def _split(columns: Columns, kinds: Sequence[Kind] = ABOUT) -> dict[Kind, Columns]:
    """The records of each kind, in their order."""
    about = np.zeros(1 << 16, np.bool_)
    about[list(kinds)] = True
    some = np.flatnonzero(about[columns.kind])
    found = columns.kind[some]
    return {kind: columns.take(some[found == kind]) for kind in kinds}


def _by_kind(run: RunDirectory, tallied: Calls, columns: Columns | None) -> dict[Kind, Columns]:
    """The records of a run, by kind; those whose context is needed are read for it."""
    wanted = ABOUT if columns is None else _WITH_CONTEXT
    present = [kind for kind in wanted if (tallied.kind == kind).any()]
    here = _split(segments.load(run, kinds=present) if present else Columns.empty(), wanted)
    return here if columns is None else {**here, **_split(columns, _WITHOUT_CONTEXT)}


def _faults(told: Columns, killed: Columns, remote: Columns) -> dict[str, Array]:
    row = {
        "minor": int(told.size_bytes.sum()),
        "major": int(told.context.sum()),
        "killed": len(killed),
        "remote_bytes": int(remote.size_bytes.sum()),
    }
    return {name: np.array([value], np.uint64) for name, value in row.items()}

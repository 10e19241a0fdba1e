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
ABOUT = (*events.KINDS, *network.KINDS, Kind.MEM_FAULTS, Kind.MEM_OOM)
_WITH_CONTEXT = (*events.WITH_CONTEXT, *network.WITH_CONTEXT, Kind.MEM_FAULTS)
_WITHOUT_CONTEXT = tuple(set(ABOUT) - set(_WITH_CONTEXT))

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
        return cls(
            grouped(events.delays(columns)),
            network.network_of(columns),
            network.drops_of(columns),
            _faults(columns),
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
        found = Summary.of(_about(run, tallied, columns))
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
    return events.delays(segments.load(run, kinds=events.KINDS))


def _about(run: RunDirectory, tallied: Calls, columns: Columns | None) -> Columns:
    def here(kinds: Sequence[Kind]) -> list[Kind]:
        return [kind for kind in kinds if (tallied.kind == kind).any()]

    if columns is None:
        return segments.load(run, kinds=here(ABOUT))
    plain = columns.take(np.flatnonzero(np.isin(columns.kind, here(_WITHOUT_CONTEXT))))
    wanted = here(_WITH_CONTEXT)
    parts = [segments.load(run, kinds=wanted)] if wanted else []
    return Columns.concatenate([plain, *parts])


def _faults(columns: Columns) -> dict[str, Array]:
    of = columns.take(np.flatnonzero(columns.kind == Kind.MEM_FAULTS))
    killed = int((columns.kind == Kind.MEM_OOM).sum())
    row = {"minor": int(of.size_bytes.sum()), "major": int(of.context.sum()), "killed": killed}
    return {name: np.array([value], np.uint64) for name, value in row.items()}

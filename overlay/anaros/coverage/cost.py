# SPDX-License-Identifier: Apache-2.0
"""What recording cost, second by second: the records' own time, the supervisor, the probes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from anaros.coverage.model import I64, SECOND_NS, U64
from anaros.coverage.series import by_second
from anaros.records import FLAG_KERNEL, Columns
from anaros.store import columnar, derived, footer, segments
from anaros.store.columnar import Array
from anaros.store.rundir import RunDirectory

#: As `anaros.capture.rings.meter` writes them.
FILE = "overhead.parquet"
TABLE = "overhead"
UNKNOWN = -1

#: What the probes took, by probe.
_PROBE, _OF = "bpf_", "_ns"
#: Counters of the readings, and what they are called by second.
_COUNTERS = {
    "cpu_ns": "supervisor_ns",
    "group_ns": "workload_ns",
    "shim_drops": "shim_drops",
    "kernel_drops": "kernel_drops",
    "meter_ns": "meter_ns",
}


@dataclass(frozen=True, slots=True)
class Cost:
    """What recording cost in each of N seconds; each array has shape (N,) and -1 where unknown.

    ``records`` are the shim's; ``recording_ns`` is what these took of the program, by what one
    costs on this machine; the others are in ``track``: ``supervisor_ns`` CPU time of the
    supervisor, ``rss_bytes`` its memory, ``workload_ns`` the CPU time of the workload's cgroup,
    ``shim_drops`` and ``kernel_drops`` records lost, ``meter_ns`` what reading all this took, and
    ``bpf_PROBE_ns``.
    """

    start_ns: U64
    records: U64
    recording_ns: I64
    track: Mapping[str, I64]

    def as_dict(self) -> dict[str, Array]:
        """The arrays by name; nothing is copied."""
        return {
            "start_ns": self.start_ns,
            "records": self.records,
            "recording_ns": self.recording_ns,
            **self.track,
        }

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> Cost:
        """The cost of such arrays by name."""
        rest = {name: array for name, array in arrays.items() if name not in cls.__slots__[:3]}
        return cls(arrays["start_ns"], arrays["records"], arrays["recording_ns"], rest)

    def bpf_ns(self) -> dict[str, int] | None:
        """CPU time in BPF programs by probe; None where the kernel did not measure it."""
        found = {
            name[len(_PROBE) : -len(_OF)]: int(array[array > 0].sum())
            for name, array in self.track.items()
            if name.startswith(_PROBE)
        }
        return found or None

    def most(self, name: str) -> int | None:
        """The largest value of a second; None where none is known."""
        array = self.track.get(name)
        return int(array.max()) if array is not None and (array >= 0).any() else None


def cost_of_records(
    time_ns: U64, readings: Mapping[str, I64], record_ns: float | None, origin_ns: int
) -> Cost:
    """The cost of a run.

    Args:
        time_ns: Shape (R,): when each record of the shim began.
        readings: The counters, each of shape (N,), by time; none: nobody read any.
        record_ns: What one record costs.
        origin_ns: When the run began.
    """
    times = readings.get("time_ns", np.zeros(0, np.int64))
    last = max(
        int(times[-1]) if len(times) else origin_ns, int(time_ns.max()) if len(time_ns) else 0
    )
    seconds = max((last - origin_ns) // SECOND_NS + 1, 1)
    begun = time_ns.astype(np.int64)
    records = by_second(np.ones(len(begun), np.int64), begun, begun, origin_ns, seconds)
    unknown = np.full(seconds, UNKNOWN, np.int64)
    recording = unknown if record_ns is None else np.rint(records * record_ns).astype(np.int64)
    names = {**_COUNTERS, **{name: name for name in readings if name.startswith(_PROBE)}}
    track = {
        name: _grown(readings[source], times, origin_ns, seconds)
        for source, name in names.items()
        if source in readings
    }
    if len(times):
        second = np.clip((times - origin_ns) // SECOND_NS, 0, seconds - 1)
        track["rss_bytes"] = np.full(seconds, UNKNOWN, np.int64)
        np.maximum.at(track["rss_bytes"], second, readings["rss_bytes"])
    begin = np.uint64(origin_ns) + np.arange(seconds, dtype=np.uint64) * np.uint64(SECOND_NS)
    return Cost(begin, records, recording, track)


def _grown(values: I64, times: I64, origin_ns: int, seconds: int) -> I64:
    """By second what a counter grew by between readings that both know it; -1 beyond those."""
    known = np.flatnonzero(values >= 0)
    found = np.full(seconds, UNKNOWN, np.int64)
    if len(known) < 2:
        return found
    values, times = values[known], times[known]
    grown = by_second(np.maximum(np.diff(values), 0), times[:-1], times[1:], origin_ns, seconds)
    first, last = np.clip((times[[0, -1]] - origin_ns) // SECOND_NS, 0, seconds - 1)
    found[first : last + 1] = grown.astype(np.int64)[first : last + 1]
    return found


def readings_of(run: RunDirectory) -> dict[str, I64]:
    """The counters that were read while the run went on; none where there are none, or damaged."""
    path = run.path / FILE
    if footer.checksum(path) is None or footer.fault(path) is not None:
        return {}
    return {name: array.astype(np.int64) for name, array in columnar.read_parquet(path).items()}


def cost_of(run: RunDirectory, columns: Columns | None = None) -> Cost:
    """The cost of a run, as it was kept if its segments are the same, else reckoned and kept.

    Args:
        run: The run; it may go on.
        columns: All its records, if they are at hand.

    Raises:
        RunDirectoryError: The run cannot be read.
    """
    goes_on = run.meta().get("state") == "running"
    kept = derived.kept(
        run, (TABLE,), lambda: {TABLE: _reckoned(run, columns).as_dict()}, keep=not goes_on
    )
    return Cost.of(kept[TABLE])


def _reckoned(run: RunDirectory, columns: Columns | None) -> Cost:
    if columns is None:
        columns = segments.load(run, fields=("start_ns", "flags"))
    mine = columns.start_ns[columns.flags & FLAG_KERNEL == 0]
    meta: dict[str, Any] = run.meta()
    origin_ns = meta.get("start_ns")
    if origin_ns is None:
        origin_ns = int(mine.min()) if len(mine) else 0
    record_ns = (meta.get("overhead") or {}).get("record_ns")
    return cost_of_records(mine, readings_of(run), record_ns, int(origin_ns))

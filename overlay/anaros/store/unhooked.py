# SPDX-License-Identifier: Apache-2.0
"""Device functions that passed by the shim: which, of what version, how often and by what way."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from anaros.kinds import Kind, NameClass
from anaros.store import names, segments
from anaros.store.rundir import RunDirectory

#: Rows of the table; the rest is only counted.
ROWS_MAX = 64

#: ``address`` of a gpu.unknown, as `enum anaros_way` numbers them.
WAYS = {
    1: "dlsym",
    2: "resolver",
    3: "deep binding",
    4: "read-only slot",
    5: "second library",
}


def unhooked_names(run: RunDirectory) -> list[dict[str, Any]]:
    """The functions that passed, the most frequent first; `ROWS_MAX` at most.

    Returns:
        ``name`` (None where it was lost), ``version`` (CUDA's, that was asked for, else None),
        ``way`` (of `WAYS`, else None) and ``count``.

    Raises:
        RunDirectoryError: The run cannot be read.
    """
    fields = ("object", "size_bytes", "address")
    records = segments.load(run, kinds=[Kind.GPU_UNKNOWN], fields=fields)
    if not len(records):
        return []
    keys = np.stack([records.object, records.size_bytes, records.address])
    found, counts = np.unique(keys, axis=1, return_counts=True)
    known = names.read_names(run)
    of_functions = known.name_class == NameClass.FUNCTION
    called = {
        int(known.object[row]): known.name[row] for row in np.flatnonzero(of_functions).tolist()
    }
    # A name may have been told more than once: by each process.
    rows: Counter[tuple[str | None, int | None, str | None]] = Counter()
    for (function, version, way), count in zip(found.T.tolist(), counts.tolist(), strict=True):
        rows[called.get(function), version or None, WAYS.get(way)] += count
    order = sorted(rows.items(), key=lambda row: (-row[1], row[0][0] or "", row[0][1] or 0))
    return [
        {"name": name, "version": version, "way": way, "count": count}
        for (name, version, way), count in order[:ROWS_MAX]
    ]

# SPDX-License-Identifier: Apache-2.0
"""What objects are called: ``names.parquet``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from anaros.records import U32, U64
from anaros.store import columnar
from anaros.store.rundir import RunDirectory

#: The fields of a name as SQL reads them, each with its exact type.
FIELDS_SQL = (
    "object::UBIGINT AS object, name_class::UTINYINT AS name_class, start_ns::UBIGINT AS start_ns,"
    " pid::UINTEGER AS pid, name::VARCHAR AS name"
)

U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Names:
    """N names; an object may have several, each from its ``start_ns`` on.

    Attributes:
        object: Shape (N,): what is named, as the records say it.
        name_class: Shape (N,): the `anaros.kinds.NameClass`, for numbers of different classes may
            be equal.
        start_ns: Shape (N,): since when it is called so.
        pid: Shape (N,): who said so.
        name: N strings.
    """

    object: U64 = field(default_factory=lambda: np.empty(0, np.uint64))
    name_class: U8 = field(default_factory=lambda: np.empty(0, np.uint8))
    start_ns: U64 = field(default_factory=lambda: np.empty(0, np.uint64))
    pid: U32 = field(default_factory=lambda: np.empty(0, np.uint32))
    name: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.name)


def write_names(run: RunDirectory, names: Names) -> None:
    """Write all names of a run; the file is replaced as a whole.

    Args:
        run: The run.
        names: Every name so far. Bytes of a path that are not UTF-8 (surrogates in the string)
            are written with a backslash.

    Raises:
        RunDirectoryError: It cannot be written; the old file stays as it is.
    """
    text = np.empty(len(names), dtype=object)
    text[:] = _encodable(names.name)
    columnar.write_parquet(
        run.names,
        {
            "object": np.asarray(names.object, np.uint64),
            "name_class": np.asarray(names.name_class, np.uint8),
            "start_ns": np.asarray(names.start_ns, np.uint64),
            "pid": np.asarray(names.pid, np.uint32),
            "name": text,
        },
    )


def _encodable(names: list[str]) -> list[str]:
    try:
        "".join(names).encode()
    except UnicodeEncodeError:
        return [name.encode(errors="backslashreplace").decode() for name in names]
    return names


def read_names(run: RunDirectory) -> Names:
    """The names of a run; none where the file is missing.

    A damaged file is noted in ``run.unreadable`` and read as one without names.
    """
    columns = _read(run)
    if columns is None:
        return Names()
    return Names(
        object=columns["object"],
        name_class=columns["name_class"],
        start_ns=columns["start_ns"],
        pid=columns["pid"],
        name=columns["name"].tolist(),
    )


def readable(run: RunDirectory) -> bool:
    """True if there is a sound file of names; a damaged one is noted in ``run.unreadable``."""
    path = run.names
    run.unreadable.pop(path, None)  # while the run goes on, the file is written anew
    if not path.exists():
        return False
    fault = columnar.fault(path, FIELDS_SQL)
    if fault is not None:
        run.unreadable[path] = fault
    return fault is None


def _read(run: RunDirectory) -> dict[str, npt.NDArray[Any]] | None:
    if not readable(run):
        return None
    sql = f"SELECT {FIELDS_SQL} FROM read_parquet({columnar.quoted(run.names)})"
    with columnar.cursor() as connection:
        return dict(connection.execute(sql).fetchnumpy())

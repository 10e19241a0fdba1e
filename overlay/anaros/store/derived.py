# SPDX-License-Identifier: Apache-2.0
"""What is computed from the records, kept beside them: ``derived/*.parquet``.

Each file carries the key of the segments it was computed from; when they change, or one of them is
damaged, it is stale and read as absent. A run on a read-only medium is no error: its results are
computed each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from anaros import __version__
from anaros.errors import RunDirectoryError
from anaros.store import columnar, footer
from anaros.store.columnar import Array
from anaros.store.rundir import RunDirectory
from anaros.store.segments import sound_segments

_KEY = "anaros.key"


def key(run: RunDirectory) -> str:
    """What the run's sound segments are now, and the version that reads them.

    Whoever computes from a run that still goes on takes the key before it loads the records.
    """
    digest = hashlib.sha256(__version__.encode())
    for path in sound_segments(run):
        sum_of = footer.checksum(path)
        digest.update(f"\0{path.name}\0{path.stat().st_size}\0{sum_of}".encode())
    return digest.hexdigest()


def write(
    run: RunDirectory, name: str, arrays: Mapping[str, Array], key_of: str | None = None
) -> Path | None:
    """Keep a result.

    Args:
        run: The run.
        name: A plain word; the file is ``derived/NAME.parquet``.
        arrays: The columns, of one length.
        key_of: The `key` from before the records were loaded; None is the present one.

    Returns:
        The file, or None where the run cannot be written; nothing is left behind then.
    """
    path = _path(run, name)
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        columnar.write_parquet(path, arrays, {_KEY: key(run) if key_of is None else key_of})
    except (OSError, RunDirectoryError):
        return None
    return path


def read(run: RunDirectory, name: str) -> dict[str, Array] | None:
    """A result that `write` kept; None where there is none, it is stale, or it is damaged."""
    path = fresh(run, name)
    if path is None:
        return None
    with columnar.cursor() as connection:
        found = connection.execute(f"SELECT * FROM read_parquet({columnar.quoted(path)})")
        return dict(found.fetchnumpy())


def fresh(run: RunDirectory, name: str) -> Path | None:
    """The file of a result, if it is there, is sound and was computed from these segments."""
    path = _path(run, name)
    if footer.value(path, _KEY) != key(run) or footer.checksum(path) is None:
        return None
    return path if footer.fault(path) is None else None


def _path(run: RunDirectory, name: str) -> Path:
    if not name.replace("_", "").isalnum():
        raise ValueError(f"not a plain word: {name!r}")
    return run.derived / f"{name}.parquet"

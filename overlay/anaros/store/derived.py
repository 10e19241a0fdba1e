# SPDX-License-Identifier: Apache-2.0
"""What is computed from the records, kept beside them: ``derived/*.parquet``.

Each file carries the key of the segments it was computed from; when they change it is stale and
read as absent. A run on a read-only medium is no error: its results are computed each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from anaros import __version__
from anaros.errors import RunDirectoryError
from anaros.store import columnar
from anaros.store.columnar import Array
from anaros.store.rundir import RunDirectory
from anaros.store.segments import segment_files

_KEY = "anaros.key"


def key(run: RunDirectory) -> str:
    """What the run's segments are now: their names and sizes, and the version that reads them.

    Whoever computes from a run that still goes on takes the key before it loads the records.
    """
    digest = hashlib.sha256(__version__.encode())
    for path in segment_files(run):
        digest.update(f"\0{path.name}\0{path.stat().st_size}".encode())
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
    try:
        with columnar.connect(threads=1) as connection:
            return dict(
                connection.execute(
                    f"SELECT * FROM read_parquet({columnar.quoted(path)})"
                ).fetchnumpy()
            )
    except columnar.READ_ERRORS:
        return None


def fresh(run: RunDirectory, name: str) -> Path | None:
    """The file of a result, if it is there, looks whole and was computed from these segments."""
    path = _path(run, name)
    if not path.exists() or columnar.footer_fault(path) is not None:
        return None
    sql = (
        f"SELECT decode(value) FROM parquet_kv_metadata({columnar.quoted(path)})"
        f" WHERE decode(key) = {columnar.quoted(_KEY)}"
    )
    try:
        with columnar.connect(threads=1) as connection:
            found = connection.execute(sql).fetchone()
    except columnar.READ_ERRORS:
        return None
    return path if found == (key(run),) else None


def _path(run: RunDirectory, name: str) -> Path:
    if not name.replace("_", "").isalnum():
        raise ValueError(f"not a plain word: {name!r}")
    return run.derived / f"{name}.parquet"

# SPDX-License-Identifier: Apache-2.0
"""What is computed from the records, kept beside them: ``derived/*.parquet``.

Each file carries the key of the segments it was computed from and of what was computed; when they
change, or one of them is damaged, it is stale and read as absent. A run on a read-only medium is no
error: its results are computed each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from anaros import __version__
from anaros.errors import RunDirectoryError
from anaros.store import columnar, footer
from anaros.store.columnar import Array
from anaros.store.rundir import RunDirectory
from anaros.store.segments import sound_segments

_KEY = "anaros.key"

#: Goes up with each change of what the tables hold, or of what is computed into them.
LAYOUT = 10


def key(run: RunDirectory) -> str:
    """What the run's sound segments are now, and the version and layout of what is made of them.

    Whoever computes from a run that still goes on takes the key before it loads the records.
    """
    digest = hashlib.sha256(f"{__version__}\0{LAYOUT}".encode())
    for path in sound_segments(run):
        sum_of = footer.checksum(path)
        digest.update(f"\0{path.name}\0{path.stat().st_size}\0{sum_of}".encode())
    return digest.hexdigest()


def write(
    run: RunDirectory, tables: Mapping[str, Mapping[str, Array]], key_of: str | None = None
) -> bool:
    """Keep results.

    Args:
        run: The run.
        tables: For each name, a plain word, its columns of numbers; each goes to the file
            ``derived/NAME.parquet``. They are written side by side, so name the largest first.
        key_of: The `key` from before the records were loaded; None is the present one.

    Returns:
        False where the run cannot be written; nothing half-written is left behind then.
    """
    metadata = {_KEY: key(run) if key_of is None else key_of}

    def keep(name: str) -> None:
        # Not durable: what a power cut takes is damaged then, and computed anew.
        columnar.write_parquet(_path(run, name), tables[name], metadata, durable=False)

    try:
        run.derived.mkdir(mode=0o700, exist_ok=True)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(keep, tables))
    except (OSError, RunDirectoryError):
        return False
    return True


def read(
    run: RunDirectory, names: Sequence[str], key_of: str | None = None
) -> dict[str, dict[str, Array]] | None:
    """Results that `write` kept, by name; None if one is not there, is stale or is damaged.

    Args:
        run: The run.
        names: Their names.
        key_of: The present `key`, if it is known already.
    """
    files = fresh(run, names, key_of)
    if files is None:
        return None
    return {name: columnar.read_parquet(path) for name, path in files.items()}


def kept(
    run: RunDirectory,
    names: Sequence[str],
    compute: Callable[[], Mapping[str, Mapping[str, Array]]],
    *,
    keep: bool = True,
) -> Mapping[str, Mapping[str, Array]]:
    """Results as they were kept if the segments are the same, else computed, and kept.

    Args:
        run: The run.
        names: Their names.
        compute: Computes all of them, by name.
        keep: Whether what was computed is worth its files.
    """
    key_of = key(run)
    found = read(run, names, key_of)
    if found is not None:
        return found
    computed = compute()
    if keep:
        write(run, computed, key_of)
    return computed


def fresh(
    run: RunDirectory, names: Sequence[str], key_of: str | None = None
) -> dict[str, Path] | None:
    """The files of results, if all are sound and were computed from these segments, else None."""
    wanted = key(run) if key_of is None else key_of
    files = {name: _path(run, name) for name in names}
    for path in files.values():
        if footer.value(path, _KEY) != wanted or footer.checksum(path) is None:
            return None
        if footer.fault(path) is not None:
            return None
    return files


def _path(run: RunDirectory, name: str) -> Path:
    if not name.replace("_", "").isalnum():
        raise ValueError(f"not a plain word: {name!r}")
    return run.derived / f"{name}.parquet"

# SPDX-License-Identifier: Apache-2.0
"""The run directory: made, found, opened, and its ``meta.json``.

::

    RUN/meta.json            host, clocks, versions, command; "format" is the version of all this
    RUN/records/segment-*.parquet    append-only, each durable once it has its name
    RUN/names.parquet        what the objects of the records are called
    RUN/derived/*.parquet    computed from the above; may be deleted at any time

Nothing here imports numpy or DuckDB: ``anaros run`` makes its directory before the child starts.
For the same reason ``meta.json`` is left to `json`: the import of orjson takes 10 ms.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from anaros.errors import RunDirectoryError

FORMAT_VERSION = 1

META = "meta.json"
RECORDS = "records"
NAMES = "names.parquet"
DERIVED = "derived"
LATEST = "latest"

#: Where runs go when the caller names no directory; the variable wins.
ROOT_VARIABLE = "ANAROS_RUNS"
ROOT_DEFAULT = "anaros-runs"

_DIRECTORY_MODE = 0o700
_FILE_MODE = 0o600

_REMEDIES = {
    errno.ENOSPC: "free some space there, or choose another directory with --output",
    errno.EDQUOT: "free some of your quota, or choose another directory with --output",
    errno.EROFS: "choose a directory on a writable file system with --output",
    errno.ENOENT: "choose a directory on a writable file system with --output",
    errno.EACCES: "choose a directory that you may write to with --output, or run as its owner",
    errno.EPERM: "choose a directory that you may write to with --output, or run as its owner",
    errno.ENOTDIR: "choose another directory with --output: a part of this path is a file",
    errno.ENAMETOOLONG: "choose a shorter path with --output",
}


_DAMAGED_REMEDY = "the segments in records/ are ordinary Parquet files and can still be read"


def write_error(path: Path, error: OSError) -> RunDirectoryError:
    """What to raise when ``path`` cannot be written."""
    reason = error.strerror or str(error)
    return RunDirectoryError(f"cannot write {path}: {reason}", _REMEDIES.get(error.errno or 0, ""))


class RunDirectory:
    """A directory, mode 0700, that holds one run.

    Args:
        path: The directory. Use `create` or `open`: they check it.

    Attributes:
        path: The directory.
        sound: Segments that were checked and found as they were written.
        unreadable: Files that were checked and found damaged, with the reason.
        extents: Of sound segments the number of records, and the first and the last start in ns.
    """

    __slots__ = ("_made", "extents", "path", "sound", "unreadable")

    def __init__(self, path: Path) -> None:
        self._made = False
        self.path = path
        self.sound: set[Path] = set()
        self.unreadable: dict[Path, str] = {}
        self.extents: dict[Path, tuple[int, int, int]] = {}

    def __repr__(self) -> str:
        return f"RunDirectory({str(self.path)!r})"

    @property
    def records(self) -> Path:
        """Where the segments lie."""
        return self.path / RECORDS

    @property
    def names(self) -> Path:
        """The file of names; it need not exist."""
        return self.path / NAMES

    @property
    def derived(self) -> Path:
        """Where computed results lie; it need not exist."""
        return self.path / DERIVED

    @classmethod
    def create(cls, path: Path, meta: Mapping[str, object]) -> RunDirectory:
        """Make the directory ``path`` (an empty one is taken as it is) and its ``meta.json``.

        Args:
            path: The directory; missing parents are made.
            meta: What ``meta.json`` says; ``format`` is added.

        Raises:
            RunDirectoryError: It exists and is not empty, or cannot be written. Nothing is left
                behind.
        """
        path = Path(path)
        run = cls(path)
        run._made = _make_directory(path)
        try:
            for folder in (run.records, run.derived):
                folder.mkdir(mode=_DIRECTORY_MODE)
                folder.chmod(_DIRECTORY_MODE)
            # Not synchronised: a power cut now loses nothing that the first segment, which
            # synchronises the directory, would not have lost as well.
            with replacing(path / META, durable=False) as temporary:
                temporary.write_bytes(_encode({**meta, "format": FORMAT_VERSION}))
        except OSError as error:
            run.discard()
            raise write_error(path, error) from error
        except RunDirectoryError:
            run.discard()
            raise
        return run

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """Open an existing run.

        Raises:
            RunDirectoryError: It is missing, is not a run, may not be read, or was made by a
                newer version.
        """
        path = Path(path)
        run = cls(path)
        found = run.meta().get("format")
        if not isinstance(found, int) or found < 1:
            raise RunDirectoryError(
                f"{path} is not a run directory: its {META} names no format",
                "give a directory that anaros run has made",
            )
        if found > FORMAT_VERSION:
            raise RunDirectoryError(
                f"{path} was made by a newer anaros (format {found}, this one reads"
                f" {FORMAT_VERSION})",
                "upgrade anaros to read it",
            )
        return run

    def meta(self) -> dict[str, Any]:
        """What ``meta.json`` says now.

        Raises:
            RunDirectoryError: There is none, or it cannot be read.
        """
        try:
            loaded = json.loads((self.path / META).read_bytes())
        except FileNotFoundError:
            raise self._no_meta() from None
        except NotADirectoryError:
            raise RunDirectoryError(
                f"{self.path} is a file, not a run directory", "give the directory of a run"
            ) from None
        except PermissionError as error:
            raise RunDirectoryError(
                f"cannot read {self.path / META}: {error.strerror}",
                "a run can be read by its owner and by root only: use sudo",
            ) from error
        except OSError as error:
            raise RunDirectoryError(f"cannot read {self.path / META}: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise RunDirectoryError(
                f"{self.path / META} is damaged: {error}", _DAMAGED_REMEDY
            ) from error
        if not isinstance(loaded, dict):
            raise RunDirectoryError(
                f"{self.path / META} is damaged: it holds no JSON object", _DAMAGED_REMEDY
            )
        return loaded

    def update_meta(self, changes: Mapping[str, object]) -> None:
        """Change entries of ``meta.json``; a reader sees the old or the new file, whole.

        Raises:
            RunDirectoryError: It cannot be read or written; the old file stays as it is.
        """
        changed = {**self.meta(), **changes, "format": FORMAT_VERSION}
        with replacing(self.path / META) as temporary:
            temporary.write_bytes(_encode(changed))

    def _no_meta(self) -> RunDirectoryError:
        if self.path.is_dir():
            return RunDirectoryError(
                f"{self.path} is not a run directory: it has no {META}",
                "give a directory that anaros run has made",
            )
        return RunDirectoryError(f"there is no run directory {self.path}")

    def discard(self) -> None:
        """Take back what `create` made, before anything was recorded."""
        with contextlib.suppress(OSError):
            (self.path / META).unlink()
        for folder in (self.records, self.derived):
            with contextlib.suppress(OSError):
                folder.rmdir()
        if self._made:
            with contextlib.suppress(OSError):
                self.path.rmdir()


def _make_directory(path: Path) -> bool:
    """Make ``path``, or take it if it is empty; True if it was made."""
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError:  # a file, or a link to nowhere
            number = errno.ENOTDIR
            raise NotADirectoryError(number, os.strerror(number)) from None
        try:
            path.mkdir(mode=_DIRECTORY_MODE)
            made = True
        except FileExistsError:
            made = False
            if not path.is_dir():
                raise RunDirectoryError(
                    f"{path} exists and is not a directory", "choose another with --output"
                ) from None
            if any(path.iterdir()):
                raise RunDirectoryError(
                    f"{path} exists and is not empty",
                    "choose another directory with --output, or remove this one",
                ) from None
        # mkdir is subject to the umask, which may have taken even the owner's bits.
        path.chmod(_DIRECTORY_MODE)
    except OSError as error:
        raise write_error(path, error) from error
    return made


def _encode(meta: Mapping[str, object]) -> bytes:
    text = json.dumps(
        meta, default=str, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False
    )
    # What is no character, a byte of a file name, is spelled out as JSON can.
    return (text + "\n").encode(errors="backslashreplace")


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Give a temporary file (mode 0600) beside ``path`` that takes its place at the end.

    Args:
        path: The file to make or replace. A reader sees the old or the new one, whole.
        durable: Synchronise the file and the directory, so that a power cut does not undo it.

    Raises:
        RunDirectoryError: Anything could not be written; the temporary file is gone and ``path``
            is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
            os.close(os.open(temporary, flags, _FILE_MODE))
            temporary.chmod(_FILE_MODE)
            yield temporary
            if durable:
                _synchronise(temporary)
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        if durable:
            _synchronise(path.parent)
    except OSError as error:
        raise write_error(path, error) from error


def _synchronise(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def runs_root() -> Path:
    """Where runs go and are looked for by name: ``$ANAROS_RUNS``, else ``./anaros-runs``."""
    return Path(os.environ.get(ROOT_VARIABLE) or ROOT_DEFAULT)


def default_run_path(root: Path | None = None) -> Path:
    """A new name for a run, ``ROOT/YYYYMMDD-HHMMSS-PID``, to which ``ROOT/latest`` points.

    Args:
        root: The runs root; None is `runs_root`. It is made if it is missing.

    Raises:
        RunDirectoryError: The root cannot be made or written.
    """
    root = runs_root() if root is None else Path(root)
    path = root / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    link = root / LATEST
    temporary = root / f".{LATEST}.{os.getpid()}.tmp"
    try:
        root.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(path.name)
        temporary.replace(link)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise write_error(root, error) from error
    return path


def resolve_run(word: str | None) -> Path:
    """The directory of the run that a user means.

    Args:
        word: A directory, or the name of a run under the runs root; None is the latest run.

    Raises:
        RunDirectoryError: There is none; the remedy names up to three that are near.
    """
    root = runs_root()
    if word is None:
        return _latest(root)
    for candidate in (Path(word), root / word):
        if _is_there(candidate / META):
            return candidate.resolve() if candidate.is_symlink() else candidate
    if word == LATEST:
        return _latest(root)
    if _is_there(Path(word)):
        return Path(word)  # open() says what is wrong with it
    raise RunDirectoryError(f"there is no run {word}", _nearest_remedy(root, word))


def _is_there(path: Path) -> bool:
    """Whether it exists, or might, in a directory that we may not read: open() tells why."""
    try:
        return path.exists()
    except OSError:
        return True


def _latest(root: Path) -> Path:
    linked = root / LATEST
    if _is_there(linked / META):
        return linked.resolve()
    names = _run_names(root)
    if names:
        return root / names[-1]
    raise RunDirectoryError(
        f"no run has been recorded under {root}",
        "anaros run -- COMMAND records one; a run elsewhere is given as a directory",
    )


def _run_names(root: Path) -> list[str]:
    """The runs under ``root``, oldest first."""
    try:
        return sorted(
            entry.name
            for entry in root.iterdir()
            if entry.name != LATEST and (entry / META).is_file()
        )
    except OSError:
        return []


def _nearest_remedy(root: Path, word: str) -> str:
    import difflib

    names = _run_names(root)
    near = difflib.get_close_matches(Path(word).name, names, n=3, cutoff=0.4)
    if near:
        return f"did you mean {' or '.join(near)}?"
    if names:
        return f"the latest under {root} are {', '.join(names[:-4:-1])}"
    return f"give a directory; there are no runs under {root}"

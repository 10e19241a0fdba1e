# SPDX-License-Identifier: Apache-2.0
"""Loads the shim into a live process, and takes it out again.

The process is not stopped as a whole: one of its threads, asleep or at a place where it holds
nothing of the loader or the allocator, is borrowed for a few calls (``native/inject``). What it
finds changed are words in which its objects keep addresses of functions, and these are put back.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import os
import struct
import time
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from anaros.capture.attach.targets import alive
from anaros.capture.inject.elf import ElfFile, removable
from anaros.capture.inject.maps import Layout, layout, mappings
from anaros.capture.inject.refusals import check, check_exists, check_forbidden, filtered
from anaros.capture.inject.sandbox import filters, forbidden
from anaros.capture.inject.seat import LIBRARY, companions, libraries, readable, seat
from anaros.errors import InjectError

_ATTEMPTS, _PAUSE_US = 40, 5_000
_NOW = 2  # RTLD_NOW, in no scope but its own
_PATH_PLACE, _TOLD_PLACE, _BLOCK_BYTES = 0, 512, 1024
_INSIDE_S, _LEFT_INSIDE_S, _INSIDE_PAUSE_S = 0.1, 1.0, 0.005
_SEARCHED_BYTES = 4 << 30
_NOTE_BYTES = 24
_FILTER_WORDS = 1 << 18


class Stops(NamedTuple):
    """For how long threads of the process were stopped.

    Args:
        threads: How many times one was.
        borrowed_ns: The one that made the calls.
        longest_ns: The longest of the others.
    """

    threads: int
    borrowed_ns: int
    longest_ns: int


class Ejected(NamedTuple):
    """How the process was left.

    Args:
        restored: Words that hold again what they held.
        gone: Words whose library was unloaded meanwhile, or that others changed.
        left: Words that lead into the shim still; 0 unless the kernel refused.
        unloaded: Whether the library is gone.
        reason: Why it is not; None where it is.
        stops: What it took.
    """

    restored: int
    gone: int
    left: int
    unloaded: bool
    reason: str | None
    stops: tuple[Stops, ...]


def prepare(folder: Path, uids: Sequence[int]) -> Path:
    """Lays the library beside a run's arena, where processes of a user can open both.

    Args:
        folder: The run's shared memory, with the arena.
        uids: Users of the processes.

    Returns:
        The library to give to `inject`.

    Raises:
        InjectError: They are of several users, or there is no room.
    """
    from anaros import artifacts

    if len(set(uids)) > 1:
        raise InjectError(
            "the processes belong to several users, who may not share what they record",
            "attach to those of one user at a time",
        )
    source = str(artifacts.shim_library())
    file = ElfFile(source)
    path = folder / LIBRARY
    try:
        path.write_bytes(removable(bytes(file.data), file.flags_place()))
        if uids and uids[0] != os.geteuid():
            path.chmod(0o644)
            folder.chmod(0o711)
            os.chown(folder / "arena", uids[0], -1)
    except OSError as problem:
        raise InjectError(f"cannot make {path}: {problem.strerror}") from problem
    finally:
        file.close()
    return path


class Injected:
    """A process with the shim in it, until `detach`.

    Args:
        pid: The process.
        library: What was loaded.
        slots: Words that lead to the shim now.
        refused: Words that could not be changed.
        pointers: Addresses of functions that its objects hold as data: what goes by them passes.
        stops: What it took.
    """

    def __init__(self, pid: int, library: _Library, told: Any, stops: Stops) -> None:
        self.pid = pid
        self.slots = int(told.slots)
        self.refused = int(told.slots_refused)
        self.pointers = int(told.pointers)
        self.stops = stops
        self._handle = int(told.handle)
        self._library = library

    def children(self) -> list[Injected]:
        """The processes that it forked, and theirs: each has the shim at the same place."""
        found = []
        for entry in (path.name for path in Path("/proc").iterdir()):
            if not entry.isdigit() or int(entry) == self.pid:
                continue
            with contextlib.suppress(InjectError):
                if any(
                    line.inode == self._library.inode and line.start == self._library.start
                    for line in mappings(int(entry))
                ):
                    child = copy.copy(self)
                    child.pid = int(entry)
                    child.stops = Stops(0, 0, 0)
                    found.append(child)
        return found

    def detach(self, patience_s: float = _INSIDE_S) -> Ejected:
        """Puts all words back, and unloads the library when nobody is inside.

        A thread that sleeps inside a call for longer, or an address that the program keeps, leave
        the library where it is: then it passes every call on, and records nothing. It may be asked
        again, as long as it is not unloaded.

        Args:
            patience_s: How long such a thread is waited for.

        Raises:
            InjectError: No thread could be borrowed, or the process is gone.
        """
        with _living(self.pid):
            return _eject(self.pid, self._library, self._handle, patience_s)


class _Library(NamedTuple):
    """Where the library lies in the process."""

    start: int
    end: int
    eject: int
    device: int
    inode: int


def inject(pid: int, library: Path) -> Injected:
    """Loads the shim into a live process; from then on it records as under ``anaros run``.

    Args:
        pid: The process.
        library: What `prepare` made.

    Raises:
        InjectError: It cannot be done, or not safely; the process goes on as it was.
    """
    check_exists(pid)
    with _living(pid):
        return _inject(pid, library)


def _has_let_go(problem: Exception, pid: int) -> bool:
    """Whether something of it is gone: one that ends is there for a while without its memory."""
    return isinstance(problem, FileNotFoundError) and str(problem.filename).startswith(
        f"/proc/{pid}/"
    )


@contextlib.contextmanager
def _living(pid: int) -> Iterator[None]:
    """What fails because the process ends meanwhile says so."""
    try:
        yield
    except (OSError, InjectError) as problem:
        if not alive(pid) or _has_let_go(problem, pid):
            raise InjectError(f"process {pid} has ended") from problem
        if isinstance(problem, OSError):
            said = f"process {pid} cannot be read: {problem.strerror}"
            raise InjectError(said, "use sudo") from problem
        raise


def _inject(pid: int, library: Path) -> Injected:
    check(pid, library)
    _take_over(pid)
    where = layout(pid)
    entry, leave = _entries(str(library))
    session = _Session(pid, where, library)
    session.check_filters()
    told = session.call(
        [
            (where.dlopen, _PATH_PLACE, _NOW, False, 1),
            (entry, _TOLD_PLACE, 0, True, 1),
        ],
        os.fsencode(library) + b"\0",
    )
    start, end = int(session.library.start), int(session.library.end)
    answer = session.answer("struct anaros_injection *")
    place = _Library(
        start, end, start + leave, int(session.library.device), int(session.library.inode)
    )
    injected = Injected(pid, place, answer, told)
    if not answer.recording:
        injected.detach()
        raise InjectError(
            f"the shim in process {pid} could not open the run's shared memory",
            "see that its user may open /dev/shm",
        )
    return injected


def _take_over(pid: int) -> None:
    """Takes out what stayed in it and in its children.

    Of an anaros that was killed, or of one that had to leave its library where a thread was.
    """
    left = seat(pid)
    for lines in libraries(pid):
        first, last = lines[0], lines[-1]
        _, leave = _entries(readable(pid, first))
        high, _, low = first.device.partition(":")
        device = os.makedev(int(high, 16), int(low, 16))
        library = _Library(first.start, last.end, first.start + leave, device, first.inode)
        for one in companions(first):
            with _living(one):
                _eject(one, library, 0, _LEFT_INSIDE_S)
    if left is not None:
        left.end()


def _entries(library: str) -> tuple[int, int]:
    file = ElfFile(library)
    try:
        entry, leave = file.symbol("anaros_inject"), file.symbol("anaros_eject")
    finally:
        file.close()
    if entry is None or leave is None:
        raise InjectError("the shim of this installation is of another version", "install it again")
    return entry.value, leave.value


class _Session:
    """Calls in a borrowed thread.

    Args:
        pid: The process.
        where: What is known of it.
        library: The file, or the place where it lies.
    """

    def __init__(self, pid: int, where: Layout, library: Path | _Library) -> None:
        from anaros._inject import ffi, lib

        self.pid, self._ffi, self._lib = pid, ffi, lib
        self.library = ffi.new("struct inject_library *")
        if isinstance(library, Path):
            facts = library.stat()
            self.library.device, self.library.inode = facts.st_dev, facts.st_ino
        else:
            self.library.device, self.library.inode = library.device, library.inode
        self.plan = ffi.new("struct inject_plan *")
        parts = (where.held, where.asleep, where.loader, where.busy, where.code)
        self._ranges = [self._range(part) for part in parts]
        plan = self.plan
        plan.pid, plan.attempts, plan.pause_us = pid, _ATTEMPTS, _PAUSE_US
        plan.restorer = where.restorer
        self._filtered = filtered(pid)
        plan.filtered = bool(self._filtered)
        names = ("held", "asleep", "loader", "busy", "code")
        for name, ranges in zip(names, self._ranges, strict=True):
            setattr(plan, name, ranges)
            setattr(plan, f"{name}_count", len(ranges))
        self._block = ffi.new("char[]", _BLOCK_BYTES)

    def _range(self, parts: list[tuple[int, int]]) -> Any:
        return self._ffi.new("struct inject_range[]", parts)

    def call(self, calls: list[tuple[int, int, int, bool, int]], text: bytes = b"") -> Stops:
        """Has them made, one after another, by the same thread.

        Args:
            calls: Each with its function, two arguments, whether the function is counted from the
                library's start, and which arguments are places in the block.
            text: What is laid at the block's start.

        Raises:
            InjectError: Why they were not.
        """
        ffi = self._ffi
        rows = ffi.new("struct inject_call[]", len(calls))
        for row, (function, first, second, inside, block) in zip(rows, calls, strict=True):
            row.function, row.arguments = function, [first, second]
            row.in_library, row.in_block = inside, block
        self._block = ffi.new("char[]", _BLOCK_BYTES)
        self._block[0 : len(text)] = text
        told = ffi.new("struct inject_told *")
        code = self._lib.anaros_inject_calls(
            self.plan, self.library, rows, len(calls), self._block, _BLOCK_BYTES, told
        )
        if code:
            raise _problem(self.pid, -code, told)
        return Stops(int(told.stops), int(told.stopped_ns), int(told.longest_ns))

    def check_filters(self) -> None:
        """Whether its threads may do what loading takes, each as its seccomp filters say.

        Raises:
            InjectError: One may not, or that cannot be told.
        """
        if not self._filtered:
            return
        words = self._ffi.new("uint64_t[]", _FILTER_WORDS)
        told = self._ffi.new("struct inject_told *")
        asked: set[bytes] = set()
        for tid in self._filtered:
            used = self._lib.anaros_inject_filters(self.plan, tid, words, _FILTER_WORDS, told)
            if used == -errno.ESRCH:
                continue  # it ended
            if used < 0:
                raise InjectError(
                    f"process {self.pid} has a seccomp filter that cannot be read"
                    f" ({os.strerror(-used)}), and may end it for a call of the shim's",
                    "use sudo outside of any sandbox, or attach without --inject",
                )
            raw = bytes(self._ffi.buffer(words, used * 8))
            if raw not in asked:
                asked.add(raw)
                check_forbidden(self.pid, forbidden(filters(array("Q", raw))))

    def answer(self, kind: str) -> Any:
        """What the shim said, as one of the structs of ``anaros/inject.h``."""
        return self._ffi.cast(kind, self._block + _TOLD_PLACE)

    def inside(self, start: int, end: int) -> tuple[int, Stops]:
        """How many threads may be in this code."""
        told = self._ffi.new("struct inject_told *")
        count = self._lib.anaros_inject_inside(self.plan, start, end, told)
        if count < 0:
            raise _problem(self.pid, -count, told)
        return int(count), Stops(int(told.stops), 0, int(told.longest_ns))

    def keepers(self, addresses: array[int], skip: list[tuple[int, int]]) -> int:
        """How many words of its memory are one of these sorted addresses; -1: too much to look."""
        rows, data = self._range(skip), self._ffi.from_buffer("uint64_t[]", addresses)
        found = self._lib.anaros_inject_pointers(
            self.pid, data, len(addresses), rows, len(skip), _SEARCHED_BYTES
        )
        return int(found)


def _problem(pid: int, code: int, told: Any) -> InjectError:
    if code == errno.EBUSY:
        parts = [
            f"{count} {what}"
            for count, what in (
                (told.in_loader, "in the allocator or the loader"),
                (told.in_handler, "in a signal handler"),
                (told.elsewhere, "in the C library or in a call that cannot be made again"),
                (told.unstoppable, "that did not stop"),
                (told.frozen, "that were stopped by a signal"),
            )
            if count
        ]
        met = ", ".join(parts) or "all in calls that cannot be interrupted"
        return InjectError(
            f"no thread of process {pid} was at a safe point in {told.passes} looks ({met})",
            "try again, or attach without --inject",
        )
    if code == errno.ENOEXEC:
        return InjectError(
            f"the loader of process {pid} refused the shim",
            "its static thread memory may be used up; attach without --inject",
        )
    if code == errno.ETIMEDOUT:
        return InjectError(
            f"a call in process {pid} did not come back in time; it ends by itself",
            "the loader may be held by another thread: attach without --inject",
        )
    if code in (errno.EPERM, errno.EACCES):
        return InjectError(
            f"this kernel forbids to trace process {pid}: {os.strerror(code)}",
            "use sudo, with CAP_SYS_PTRACE; a container's profile or Yama may forbid it still",
        )
    if code == errno.ESRCH:
        return InjectError(f"process {pid} has ended")
    return InjectError(f"process {pid} could not be entered: {os.strerror(code)}")


def _eject(pid: int, library: _Library, handle: int, patience_s: float) -> Ejected:
    where = layout(pid)
    session = _Session(pid, where, library)
    stops = [session.call([(library.eject, _TOLD_PLACE, 0, False, 1)])]
    answer = session.answer("struct anaros_ejection *")
    restored, gone, left = int(answer.restored), int(answer.gone), int(answer.left)
    reason = None
    notes, arena = int(answer.notes), int(answer.arena)
    own = [
        (library.start, library.end),
        (notes, notes + max(int(answer.count), 1) * _NOTE_BYTES),
        (arena, arena + int(answer.arena_bytes)),
    ]
    wrappers = _wrappers(pid, int(answer.notes), int(answer.count))
    if not (handle or answer.handle):
        reason = "it is of another version"
    elif left:
        reason = f"{left} words of its objects could not be put back"
    elif answer.given_out:
        reason = "the program has functions of the shim that it was given by name"
    else:
        reason = _wait_outside(session, library, stops, patience_s)
    if reason is None:
        reason = _kept(session, wrappers, own)
    if reason is None:
        stops.append(
            session.call(
                [
                    (library.eject, _TOLD_PLACE, 1, False, 1),
                    (where.dlclose, handle or int(answer.handle), 0, False, 0),
                ]
            )
        )
    unloaded = reason is None and not any(
        line.inode == library.inode and line.start < library.end and line.end > library.start
        for line in mappings(pid)
    )
    if reason is None and not unloaded:
        reason = "the loader keeps it"
    return Ejected(restored, gone, left, unloaded, reason, tuple(stops))


def _wait_outside(
    session: _Session, library: _Library, stops: list[Stops], patience_s: float
) -> str | None:
    """Until no thread is in the shim; else why not."""
    until = time.monotonic() + patience_s
    while True:
        count, stop = session.inside(library.start, library.end)
        stops.append(stop)
        if count == 0:
            return None
        if time.monotonic() > until:
            break
        time.sleep(_INSIDE_PAUSE_S)
    return f"{count} threads sleep inside a call that it wraps"


def _wrappers(pid: int, place: int, count: int) -> array[int]:
    """Addresses of the shim's functions that were in its objects' words, sorted."""
    try:
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as file:
            file.seek(place)
            data = file.read(count * _NOTE_BYTES) if count else b""
    except OSError as problem:
        raise InjectError(f"process {pid} has ended") from problem
    return array("Q", sorted({note[2] for note in struct.iter_unpack("<3Q", data)}))


def _kept(session: _Session, wrappers: array[int], skip: list[tuple[int, int]]) -> str | None:
    """Why the library must stay: the program copied an address out of a word while it led here."""
    found = session.keepers(wrappers, skip) if len(wrappers) else 0
    if found < 0:
        return "the process has too much memory to look for addresses of the shim in it"
    return f"the program keeps {found} addresses of the shim's functions" if found else None

# SPDX-License-Identifier: Apache-2.0
"""The mappings of a process, and where its threads must not be borrowed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from anaros.capture.inject.elf import ElfFile
from anaros.errors import InjectError

#: What takes locks of the allocator or the loader, or is in the midst of making a process.
_HELD = (
    *("malloc", "free", "calloc", "realloc", "reallocarray", "memalign", "aligned_alloc"),
    *("posix_memalign", "valloc", "pvalloc", "malloc_trim", "malloc_info", "mallopt", "mallinfo"),
    *("mallinfo2", "malloc_stats", "malloc_usable_size", "cfree", "dlopen", "dlmopen", "dlclose"),
    *("dlsym", "dlvsym", "dladdr", "dladdr1", "dlinfo", "dlerror", "dl_iterate_phdr", "fork"),
    *("_Fork", "vfork", "posix_spawn", "posix_spawnp", "pthread_create", "pthread_exit", "exit"),
    *("quick_exit", "_exit", "__cxa_finalize", "__register_atfork", "__cxa_thread_atexit_impl"),
    *("getaddrinfo", "iconv_open", "__libc_dlopen_mode", "__libc_freeres"),
)
#: What is under way for good once a thread sleeps in it.
_ENDS = ("exit", "quick_exit", "__cxa_finalize")
_SIZE_UNKNOWN = 1
#: ``mov $15, %rax; syscall``: how a signal handler ends.
_RESTORER = bytes.fromhex("48c7c00f0000000f05")


class Mapping(NamedTuple):
    """One line of /proc/PID/maps."""

    start: int
    end: int
    access: str
    offset: int
    device: str
    inode: int
    path: str


def mappings(pid: int) -> list[Mapping]:
    """What a process has mapped.

    Raises:
        InjectError: It is gone, or somebody else's.
    """
    found = []
    try:
        with Path(f"/proc/{pid}/maps").open(errors="surrogateescape") as file:
            for line in file:
                words = line.rstrip("\n").split(None, 5)
                start, _, end = words[0].partition("-")
                path = words[5] if len(words) > 5 else ""
                found.append(
                    Mapping(
                        int(start, 16),
                        int(end, 16),
                        words[1],
                        int(words[2], 16),
                        words[3],
                        int(words[4]),
                        path,
                    )
                )
    except OSError as problem:
        raise InjectError(
            f"the mappings of process {pid} cannot be read: {problem.strerror}", "use sudo"
        ) from problem
    return found


class Image:
    """An object that a process has mapped, and its file.

    Args:
        pid: Of the process.
        lines: Its mappings of one file, in order.
    """

    def __init__(self, pid: int, lines: list[Mapping]) -> None:
        first = lines[0]
        self.path = first.path
        self.lines = lines
        span = f"{first.start:x}-{first.end:x}"
        for path in (f"/proc/{pid}/map_files/{span}", f"/proc/{pid}/root{first.path}"):
            if os.access(path, os.R_OK):
                self.file = ElfFile(path)
                break
        else:
            raise InjectError(f"{first.path} of process {pid} cannot be read", "use sudo")
        code = next((line for line in lines if "x" in line.access), first)
        self.base = code.start - self.file.address(code.offset) if "x" in code.access else 0

    @property
    def code(self) -> list[tuple[int, int]]:
        """Where its instructions lie."""
        return [(line.start, line.end) for line in self.lines if "x" in line.access]

    def function(self, name: str) -> int | None:
        """The address of a function that it exports."""
        symbol = self.file.symbol(name)
        return None if symbol is None else self.base + symbol.value

    def ranges(self, names: Iterable[str]) -> list[tuple[int, int]]:
        """Where those of these functions lie that it has."""
        found = []
        for name in names:
            symbol = self.file.symbol(name)
            if symbol is not None:
                start = self.base + symbol.value
                found.append((start, start + (symbol.size or _SIZE_UNKNOWN)))
        return found

    def find(self, code: bytes) -> int | None:
        """The address of the first such instructions in it."""
        for line in self.lines:
            if "x" in line.access:
                end = line.offset + line.end - line.start
                place = self.file.data.find(code, line.offset, end)
                if place >= 0:
                    return line.start + place - line.offset
        return None


class Layout(NamedTuple):
    """What is to be known of a process before one of its threads is stopped.

    Args:
        libc: Its C library.
        dlopen: Address of the function.
        dlclose: Address of the function.
        restorer: Where a signal handler returns to.
        held: Code whose return addresses tell that locks are held.
        asleep: The same for a thread that sleeps.
        loader: The code of the loader.
        busy: Code in which no thread is borrowed unless it sleeps there.
        code: All that can be executed.
    """

    libc: Image
    dlopen: int
    dlclose: int
    restorer: int
    held: list[tuple[int, int]]
    asleep: list[tuple[int, int]]
    loader: list[tuple[int, int]]
    busy: list[tuple[int, int]]
    code: list[tuple[int, int]]


def _images(pid: int, lines: list[Mapping]) -> list[Image]:
    by_file: dict[tuple[str, int], list[Mapping]] = {}
    for line in lines:
        if line.inode and line.path.startswith("/"):
            by_file.setdefault((line.device, line.inode), []).append(line)
    found = []
    for group in by_file.values():
        if any("x" in line.access for line in group):
            try:
                found.append(Image(pid, group))
            except InjectError:
                if "libc" in group[0].path:
                    raise
    return found


def layout(pid: int) -> Layout:
    """Looks at the process without stopping it.

    Raises:
        InjectError: It has no C library that is known, or it cannot be read.
    """
    lines = mappings(pid)
    program = Path(f"/proc/{pid}/exe").stat()
    images = _images(pid, lines)
    libc = next((image for image in images if image.function("gnu_get_libc_version")), None)
    if libc is None:
        musl = any("ld-musl" in line.path for line in lines)
        kind = "musl, whose functions the shim does not know" if musl else "no glibc"
        raise InjectError(f"process {pid} has {kind}", "attach without --inject")
    loader = [image for image in images if image.function("__tls_get_addr") and image is not libc]
    # An interposer may have one of the two, the C library's has both.
    opener = next(
        (
            image
            for image in (libc, *images)
            if image.function("dlopen") and image.function("dlclose")
        ),
        None,
    )
    restorer = libc.find(_RESTORER)
    if not loader or opener is None or restorer is None:
        raise InjectError(
            f"the loader of process {pid} is not one that is known", "attach without --inject"
        )
    held, busy = libc.ranges(_HELD), [*libc.code]
    asleep, own = libc.ranges(_ENDS), [part for image in loader for part in image.code]
    if opener is not libc:
        held += opener.ranges(_HELD)
        busy += opener.code
    held += own
    busy += own
    for image in images:
        if image is libc or image in loader or image.function("malloc") is None:
            continue
        busy += image.code
        is_program = image.lines[0].inode == program.st_ino
        taken = image.ranges(_HELD) if is_program else image.code
        held += taken
        asleep += taken
    dlopen, dlclose = opener.function("dlopen"), opener.function("dlclose")
    assert dlopen is not None
    assert dlclose is not None
    code = [(line.start, line.end) for line in lines if "x" in line.access]
    return Layout(libc, dlopen, dlclose, restorer, held, asleep, own, busy, code)

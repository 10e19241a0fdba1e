# SPDX-License-Identifier: Apache-2.0
"""Follows the device libraries of a target by their entry points (``ebpf/device.bpf.c``).

A library is known by the functions that it exports, whatever its file is called, and is reached
through the mapping that a process has of it: in another container, deleted, or replaced since.
What is mapped later is told by the kernel. Until a library is found nothing of this is loaded.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from anaros import artifacts
from anaros.capture.attach.elf import Elf
from anaros.capture.attach.entries import FAMILIES, Ends, Entry, Family
from anaros.capture.host import machine
from anaros.capture.kernel.following import Following
from anaros.capture.kernel.more import share
from anaros.errors import AnarosError, CaptureError, KernelPlaneError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from anaros.capture.kernel.probes import Libbpf

#: Calls of devices that each CPU records in a second; the others are counted.
RATE = 10_000
_WINDOWS = 10  # of a second, as in device.bpf.c
_ENTRIES_MAX = 1024
#: The one of a family that programs call, where others that wrap it or lie below it have its names.
_PREFERRED = {"CUDA": "libcuda.so", "OpenCL": "libOpenCL"}
_OUR_OWN = "libanaros.so"

_BPF_CALL = {"x86_64": 321, "aarch64": 280}
_LINK_CREATE, _UPROBE_MULTI, _AT_RETURN = 28, 48, 1
_LINK = struct.Struct("<IIIIQQQQIII4x")
#: From 6.11 to 6.13 a return probe is a system call that seccomp filters kill the program for.
_SECCOMP_FIRST, _SECCOMP_LAST = (6, 11), (6, 13)
_SECCOMP_FILTER = "2"


class Mapped(NamedTuple):
    """A file that a process runs code of.

    Args:
        pid: The process.
        path: Of the file, as the process has it.
        reached: A path by which we reach it.
        key: What tells it from other files.
    """

    pid: int
    path: str
    reached: str
    key: tuple[str, int]


class Library(NamedTuple):
    """A library that is followed.

    Args:
        path: Of its file, as the process has it that had it first.
        family: What sort of library.
        symbols: The functions with a probe.
        absent: Functions that it does not have.
        since_ns: When the probes were in place.
    """

    path: str
    family: str
    symbols: tuple[str, ...]
    absent: tuple[str, ...]
    since_ns: int


class Devices:
    """Follows the libraries of the target's processes; to be stopped once.

    Args:
        libbpf: What loaded the kernel plane.
        plane: Its ``struct bpf_object *``.
        pids: The roots of the target.
    """

    def __init__(self, libbpf: Libbpf, plane: Any, pids: Sequence[int]) -> None:
        self._libbpf = libbpf
        self._probes: Probes | None = None
        self._seen: set[tuple[str, int]] = set()
        self._problems: dict[str, None] = {}
        self.libraries: list[Library] = []
        self._returns = not _returns_are_fatal(pids)
        if not self._returns:
            self._problems[
                "no durations of device calls: this kernel's return probes are fatal"
            ] = None
        self._target = Following(libbpf, plane, b".so")
        if self._target.refused is not None:
            refused = f"no device calls of what is loaded later: {self._target.refused}"
            self._problems[refused] = None
        self._target.start(
            "anaros-device", lambda: self._look(self._target.processes()), self._look_again
        )

    def _look_again(self, found: list[tuple[int, str]], lost: bool) -> None:
        pids = self._target.processes() if lost else dict.fromkeys(pid for pid, _ in found)
        self._look([pid for pid in pids if self._target.ours(pid)])

    def _look(self, pids: Sequence[int]) -> None:
        for pid in pids:
            if self._target.stopping():
                return
            fresh = [file for file in mapped(pid) if file.key not in self._seen]
            self._seen.update(file.key for file in fresh)
            found = [(file, family) for file in fresh for family in self._families(file)]
            for file, family in _chosen(found):
                try:
                    self._follow(file, family)
                except AnarosError as problem:
                    self._problems[f"no {family.name} calls of {file.path}: {problem.fact}"] = None

    def _families(self, file: Mapped) -> list[Family]:
        """Which sorts of library a file is."""
        name = file.path.rpartition("/")[2]
        if name == _OUR_OWN:
            return []
        try:
            elf = Elf(file.reached)
        except CaptureError as problem:
            if name.startswith(("libcuda.so", "libOpenCL", "libnccl")):
                self._problems[f"no device calls of {file.path}: {problem.fact}"] = None
            return []
        try:
            marks = elf.functions(family.mark for family in FAMILIES)
        finally:
            elf.close()
        return [family for family in FAMILIES if family.mark in marks]

    def _follow(self, file: Mapped, family: Family) -> None:
        elf = Elf(file.reached)
        try:
            offsets = elf.functions(family.entries)
        finally:
            elf.close()
        if self._probes is None:
            self._probes = Probes(self._libbpf, self._target.maps)
        symbols = self._probes.attach(file.reached, family, offsets, returns=self._returns)
        bases = {symbol.partition("_")[0] for symbol in family.entries}
        there = {symbol.partition("_")[0] for symbol in offsets}
        absent = tuple(sorted(bases - there))
        now = time.monotonic_ns()
        self.libraries.append(Library(file.path, family.name, symbols, absent, now))

    def problems(self) -> list[str]:
        """What is not seen and why, one sentence each."""
        told = list(self._problems)
        calls = [outcome for outcome in self.outcomes() if outcome["capped"]]
        capped, total = (sum(int(one[key]) for one in calls) for key in ("capped", "calls"))
        if capped:
            told.append(
                f"{capped} of {total} device calls are counted only:"
                f" more than {RATE} a second on one CPU"
            )
        return told

    def outcomes(self) -> list[dict[str, Any]]:
        """Each function that was called: ``library``, ``symbol``, and how often.

        ``calls`` are all, ``capped`` those of them that were counted only, ``nested`` more that
        another function of the library made, and that are part of its record.
        """
        return self._probes.outcomes() if self._probes is not None else []

    def stop(self) -> None:
        """Detaches; a second call does nothing. ``free`` gives the programs back."""
        self._target.stop()
        if self._probes is not None:
            self._probes.detach()

    def free(self) -> None:
        """Frees what was loaded; after ``stop``."""
        if self._probes is not None:
            self._probes.free()
            self._probes = None


class Probes:
    """The BPF programs at the functions.

    Args:
        libbpf: What loaded the kernel plane.
        maps: Descriptors of its maps.

    Raises:
        KernelPlaneError: They cannot be loaded.
    """

    def __init__(self, libbpf: Libbpf, maps: dict[str, int]) -> None:
        self._libbpf = libbpf
        self._links: list[int] = []
        self._single: list[Any] = []
        self._places: list[tuple[str, str]] = []
        self._many = True
        self._object = self._load(maps)

    def _load(self, maps: dict[str, int]) -> Any:
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        path = artifacts.built("ebpf", "device.bpf.o")
        result = 0
        for many in (True, False):  # before 6.6 each function takes a link of its own
            opened = lib.bpf_object__open_file(os.fsencode(path), ffi.NULL)
            if opened == ffi.NULL:
                raise KernelPlaneError(f"{path} is not a BPF object", "build or install it again")
            share(self._libbpf, opened, maps, path)
            for name in (b"device_enter", b"device_return") if many else ():
                program = lib.bpf_object__find_program_by_name(opened, name)
                lib.bpf_program__set_expected_attach_type(program, _UPROBE_MULTI)
            self._tell_rate(opened)
            result = lib.bpf_object__load(opened)
            if result == 0:
                self._many = many
                return opened
            lib.bpf_object__close(opened)
        raise KernelPlaneError(f"the kernel refuses the probes: {os.strerror(-result)}")

    def _tell_rate(self, opened: Any) -> None:
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        size = ffi.new("size_t *")
        place = lib.bpf_object__find_map_by_name(opened, b".rodata.device")
        value = ffi.cast("uint64_t *", lib.bpf_map__initial_value(place, size))
        value[0] = RATE // _WINDOWS

    def _map_fd(self, name: bytes) -> int:
        lib = self._libbpf.lib
        return int(lib.bpf_map__fd(lib.bpf_object__find_map_by_name(self._object, name)))

    def attach(
        self, path: str, family: Family, offsets: dict[str, list[int]], *, returns: bool
    ) -> tuple[str, ...]:
        """Puts probes at the functions of a library.

        Args:
            path: Where it is reached.
            family: What sort of library.
            offsets: Where in the file its functions are.
            returns: Whether their ends may be followed too.

        Returns:
            The functions that have one.

        Raises:
            KernelPlaneError: The kernel refuses.
        """
        taken: set[int] = set()
        enters: list[tuple[int, int]] = []
        ends: list[tuple[int, int]] = []
        symbols = []
        for symbol, places in offsets.items():
            entry = _without_end(family.entries[symbol], returns=returns)
            fresh = [place for place in places if place not in taken]
            if entry is None or not fresh or len(self._places) >= _ENTRIES_MAX:
                continue
            taken.update(fresh)
            index = self._describe(entry, symbol, path)
            symbols.append(symbol)
            enters += [(place, index) for place in fresh]
            if entry.ends & Ends.RETURNS:
                ends += [(place, index) for place in fresh]
        # The ends first: a beginning without its end would be forgotten, an end alone does nothing.
        if ends:
            self._link(path, b"device_return", ends, at_return=True)
        self._link(path, b"device_enter", enters, at_return=False)
        return tuple(symbols)

    def _describe(self, entry: Entry, symbol: str, path: str) -> int:
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        index = len(self._places)
        self._places.append((path, symbol))
        key = ffi.new("uint32_t *", index)
        lib.bpf_map_update_elem(self._map_fd(b"entries"), key, entry.packed(symbol), 0)
        return index

    def _link(
        self, path: str, name: bytes, places: list[tuple[int, int]], *, at_return: bool
    ) -> None:
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        program = lib.bpf_object__find_program_by_name(self._object, name)
        raw = ffi.new("char[]", os.fsencode(path))
        if not self._many:
            self._link_each(raw, program, places, at_return=at_return)
            return
        offsets = ffi.new("uint64_t[]", [place for place, _ in places])
        cookies = ffi.new("uint64_t[]", [index for _, index in places])
        pointers = (int(ffi.cast("uintptr_t", part)) for part in (raw, offsets, ffi.NULL, cookies))
        flags = _AT_RETURN if at_return else 0
        head = (int(lib.bpf_program__fd(program)), 0, _UPROBE_MULTI, 0)
        attributes = ffi.new("char[]", _LINK.pack(*head, *pointers, len(places), flags, 0))
        words = [ffi.cast("long", _LINK_CREATE), attributes, ffi.cast("long", _LINK.size)]
        link = lib.syscall(_BPF_CALL[os.uname().machine], *words)
        if link < 0:
            raise KernelPlaneError(f"probes cannot be attached: {os.strerror(ffi.errno)}")
        self._links.append(int(link))

    def _link_each(
        self, raw: Any, program: Any, places: list[tuple[int, int]], *, at_return: bool
    ) -> None:
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        for place, index in places:
            options = ffi.new(
                "struct bpf_uprobe_opts *",
                {
                    "sz": ffi.sizeof("struct bpf_uprobe_opts"),
                    "bpf_cookie": index,
                    "retprobe": at_return,
                },
            )
            link = lib.bpf_program__attach_uprobe_opts(program, -1, raw, place, options)
            if link == ffi.NULL:
                raise KernelPlaneError(f"probes cannot be attached: {os.strerror(ffi.errno)}")
            self._single.append(link)

    def outcomes(self) -> list[dict[str, Any]]:
        """See `Devices.outcomes`."""
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        cpus = max(1, lib.libbpf_num_possible_cpus())
        values, key = ffi.new("uint64_t[]", 3 * cpus), ffi.new("uint32_t *")
        told = []
        for index, (path, symbol) in enumerate(self._places):
            key[0] = index
            lib.bpf_map_lookup_elem(self._map_fd(b"outcomes"), key, values)
            each = ffi.unpack(values, 3 * cpus)
            calls, capped, nested = (sum(each[at::3]) for at in range(3))
            if calls or nested:
                counted = {"calls": calls, "capped": capped, "nested": nested}
                told.append({"library": path, "symbol": symbol, **counted})
        return told

    def detach(self) -> None:
        """Takes the probes away; a second call does nothing."""
        while self._links:
            os.close(self._links.pop())
        while self._single:
            self._libbpf.lib.bpf_link__destroy(self._single.pop())

    def free(self) -> None:
        """Frees the programs; after ``detach``."""
        self._libbpf.lib.bpf_object__close(self._object)


def mapped(pid: int) -> Iterator[Mapped]:
    """The files that a process runs code of; nothing where it may not be looked at."""
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    for line in lines:
        words = line.split(None, 5)
        if len(words) < 6 or b"x" not in words[1] or words[4] == b"0":
            continue
        begin, _, end = words[0].decode().partition("-")
        path = os.fsdecode(words[5]).removesuffix(" (deleted)")
        reached = f"/proc/{pid}/map_files/{int(begin, 16):x}-{int(end, 16):x}"
        if not os.access(reached, os.R_OK):
            reached = f"/proc/{pid}/root{path}"
        yield Mapped(pid, path, reached, (words[3].decode(), int(words[4])))


def _chosen(found: list[tuple[Mapped, Family]]) -> Iterator[tuple[Mapped, Family]]:
    """Of each family the one that programs call, where it is among them; else all."""
    for family in FAMILIES:
        files = [file for file, one in found if one is family]
        word = _PREFERRED.get(family.name)
        named = [file for file in files if word and file.path.rpartition("/")[2].startswith(word)]
        yield from ((file, family) for file in named or files)


def _without_end(entry: Entry, *, returns: bool) -> Entry | None:
    """The same where returns cannot be followed; None where nothing is left to tell."""
    if returns or not entry.ends & Ends.RETURNS:
        return entry
    if entry.ends & (Ends.MADE | Ends.GIVEN):
        return None
    return entry._replace(ends=entry.ends & ~Ends.RETURNS)


def _returns_are_fatal(pids: Sequence[int]) -> bool:
    """Whether a return probe would end one of the processes by its seccomp filter."""
    version = tuple(int(word) for word in os.uname().release.split("-")[0].split(".")[:2])
    if not _SECCOMP_FIRST <= version <= _SECCOMP_LAST:
        return False
    return any(machine.field(f"/proc/{pid}/status", "Seccomp") == _SECCOMP_FILTER for pid in pids)

# SPDX-License-Identifier: Apache-2.0
"""Detaches probes and attaches them again, whole, while the others go on.

What was under way when a probe went is forgotten before it comes back, so that nothing is told to
have lasted all the time in which nobody looked.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from anaros.capture.kernel.budget import UNITS, Unit
from anaros.capture.kernel.more import Part
from anaros.capture.kernel.probes import Libbpf, Program

_BPF_STATS_RUN_TIME = 0


class Shedding:
    """To be used by one thread, while nobody else attaches or detaches.

    Args:
        libbpf: What loaded the objects.
        parts: Tells the objects, as they are now.
        programs: Tells the programs and their descriptors.
        settled: Whether no more of them are on their way.
    """

    #: The probes that may be given up.
    units: Mapping[str, Unit] = UNITS

    def __init__(
        self,
        libbpf: Libbpf,
        parts: Callable[[], Sequence[Part]],
        programs: Callable[[], Iterator[tuple[Program, int]]],
        settled: Callable[[], bool],
    ) -> None:
        self._libbpf = libbpf
        self._parts = parts
        self._programs = programs
        self.settled = settled
        self._gone: dict[str, tuple[str, ...]] = {}

    def measure(self) -> int:
        """Lets the kernel measure until the descriptor is closed; an error number below 0."""
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        descriptor = int(lib.bpf_enable_stats(_BPF_STATS_RUN_TIME))
        return descriptor if descriptor >= 0 else -(ffi.errno or errno.ENOSYS)

    def ran_ns(self) -> Mapping[str, tuple[str, int]]:
        """Of each program its probe, and for how many ns it ran while that was measured."""
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        info = ffi.new("struct bpf_prog_info *")
        bytes_of_it = ffi.sizeof("struct bpf_prog_info")
        size = ffi.new("uint32_t *")
        found = {}
        for program, fd in self._programs():
            ffi.memmove(info, bytes(bytes_of_it), bytes_of_it)
            size[0] = bytes_of_it
            lib.bpf_obj_get_info_by_fd(fd, info, size)
            found[program.name] = program.probe, int(info.run_time_ns)
        return found

    def shed(self, probe: str) -> None:
        """Detaches a probe, what begins something first."""
        unit, parts = self.units[probe], self._parts()
        gone = [name for name in reversed(unit.programs) if self._detach(name, parts)]
        self._gone[probe] = tuple(reversed(gone))
        self._forget(unit, parts)

    def bring_back(self, probe: str) -> bool:
        """Attaches it again, as far as it was attached; where that fails, nothing of it.

        Returns:
            Whether it is at work.
        """
        unit, parts = self.units[probe], self._parts()
        if not self._forget(unit, parts):
            return False
        names = self._gone[probe]
        if all(self._attach(name, parts) for name in names):
            del self._gone[probe]
            return True
        self.shed(probe)
        self._gone[probe] = names
        return False

    def _detach(self, name: str, parts: Sequence[Part]) -> bool:
        """Whether it was attached."""
        links = [part.links.pop(name) for part in parts if name in part.links]
        for link in links:
            self._libbpf.lib.bpf_link__destroy(link)
        return bool(links)

    def _attach(self, name: str, parts: Sequence[Part]) -> bool:
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        for part in parts:
            program = self._program(part, name)
            if program is None:
                continue
            if part.returns is not None:
                part.returns()
            link = lib.bpf_program__attach(program)
            if link == ffi.NULL:
                return False
            part.links[name] = link
            return True
        return False

    def _program(self, part: Part, name: str) -> Any:
        if part.handle is None:
            return None
        found = self._libbpf.lib.bpf_object__find_program_by_name(part.handle, name.encode())
        return None if found == self._libbpf.ffi.NULL else found

    def _forget(self, unit: Unit, parts: Sequence[Part]) -> bool:
        """What was under way; whether all of it is forgotten."""
        maps = all(self._empty(name, parts) for name in unit.emptied)
        return maps and (unit.tasks is None or self._walk(unit.tasks, parts))

    def _walk(self, name: str, parts: Sequence[Part]) -> bool:
        """Runs a program over all tasks."""
        lib = self._libbpf.lib
        for part in parts:
            program = self._program(part, name)
            if program is None:
                continue
            link = lib.bpf_program__attach(program)
            if link == self._libbpf.ffi.NULL:
                return False
            try:
                run = lib.bpf_iter_create(lib.bpf_link__fd(link))
                if run < 0:
                    return False
                with os.fdopen(run, "rb", buffering=0) as all_of_it:
                    while all_of_it.read(4096):
                        pass
            finally:
                lib.bpf_link__destroy(link)
            return True
        return False

    def _empty(self, name: str, parts: Sequence[Part]) -> bool:
        """Takes everything out of a map; where nothing can be, it is zeroed."""
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        for part in parts:
            if part.handle is None:
                continue
            place = lib.bpf_object__find_map_by_name(part.handle, name.encode())
            if place == ffi.NULL:
                continue
            fd = lib.bpf_map__fd(place)
            key = ffi.new("char[]", 64)
            for _ in range(lib.bpf_map__max_entries(place)):
                if lib.bpf_map_get_next_key(fd, ffi.NULL, key):
                    return True
                if lib.bpf_map_delete_elem(fd, key):
                    return ffi.errno == errno.ENOENT or self._zero(place, fd, key)
            return True
        return False

    def _zero(self, place: Any, fd: int, key: Any) -> bool:
        """The one entry of an array, on every CPU."""
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        each = (lib.bpf_map__value_size(place) + 7) // 8 * 8
        zeros = ffi.new("char[]", each * max(1, lib.libbpf_num_possible_cpus()))
        return bool(lib.bpf_map_update_elem(fd, key, zeros, 0) == 0)

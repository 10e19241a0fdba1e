# SPDX-License-Identifier: Apache-2.0
"""Loads what tells of a target's calls where it does not carry the shim (``syscalls.bpf.c``)."""

from __future__ import annotations

import os
import threading
import time

from anaros import artifacts
from anaros.capture.kernel.more import SHARED, Part, share
from anaros.capture.kernel.probes import Libbpf, Loaded, Loading, Program, Settings
from anaros.capture.kernel.release import release
from anaros.errors import KernelPlaneError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

#: Calls come by the ring as well: where threads keep all CPUs busy with short ones they fill 40 MB
#: a second, and the drain may wait a tenth of a second for its turn.
_RING_BYTES = 8 << 20
#: The programs, the most needed first, and what is not told without one; None: nothing works.
_PROGRAMS = {
    "call_exit": None,
    "call_enter": None,
    "cookie_send": "sockets that were opened before may have no number until they are asked for",
    "cookie_recv": "sockets that were opened before may have no number until they are asked for",
}
#: The tracepoint of each.
_POINTS = {
    "call_exit": "sys_exit",
    "call_enter": "sys_enter",
    "cookie_send": "sock_send_length",
    "cookie_recv": "sock_recv_length",
}
_SEED = "seed_files"
#: What the kernel counted, for the time in which calls are told; and the map each goes through.
_WITNESSES = (("tell_tasks", None), ("tell_sockets", "sockets"))
#: Holds whether only processes without the shim are told of.
_BARE_ONLY = b".rodata.bare"


class Calls:
    """The programs that tell of system calls; opened when made.

    Args:
        libbpf: What loaded the kernel plane.
        plane: Its ``struct bpf_object *``, whose maps it shares.
        bare_only: Whether only processes without the shim are told of: the others tell themselves,
            and then nothing is witnessed here.

    Raises:
        KernelPlaneError: They do not fit to it.
    """

    def __init__(self, libbpf: Libbpf, plane: Any, *, bare_only: bool = False) -> None:
        self._libbpf = libbpf
        self._witnesses = not bare_only
        self._links: dict[str, Any] = {}
        self._begun = False
        self._missing: list[str] = []
        self._object: Any = None
        #: Since when in ns calls are told; 0: not yet.
        self.since_ns = 0
        #: Until when in ns what the kernel counted can be compared with them; 0: they go on.
        self.until_ns = 0
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        find, fd = lib.bpf_object__find_map_by_name, lib.bpf_map__fd
        path = artifacts.built("ebpf", "syscalls.bpf.o")
        opened = lib.bpf_object__open_file(os.fsencode(path), ffi.NULL)
        if opened == ffi.NULL:
            raise KernelPlaneError(f"{path} is not a BPF object", "build or install it again")
        maps = {name: int(fd(find(plane, name.encode()))) for name in SHARED}
        share(self._libbpf, opened, maps, path)
        self._object = opened
        constant = lib.bpf_map__initial_value(find(opened, _BARE_ONLY), ffi.new("size_t *"))
        ffi.cast("bool *", constant)[0] = bare_only

    def load(self) -> None:
        """Brings them into the kernel, which takes some 100 ms.

        Raises:
            KernelPlaneError: It refuses.
        """
        result = self._libbpf.lib.bpf_object__load(self._object)
        if result:
            raise KernelPlaneError(
                f"the kernel refuses the probes of system calls: {os.strerror(-result)}",
                "boot Linux 5.17 or newer with CONFIG_FTRACE_SYSCALLS=y, or record with anaros run",
            )

    def _program(self, name: str) -> Any:
        return self._libbpf.lib.bpf_object__find_program_by_name(self._object, name.encode())

    def attach(self) -> None:
        """From here on calls are recorded; the target is marked already.

        What is under way is told from now on. After ``detach`` it may be called again.

        Raises:
            KernelPlaneError: The tracepoints cannot be used.
        """
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        self._adopt_sockets()
        if self._begun:
            self._look_from_now()
        for name, without in _PROGRAMS.items():
            link = lib.bpf_program__attach(self._program(name))
            if link != ffi.NULL:
                self._links[name] = link
            elif without is None:
                raise KernelPlaneError(
                    f"system calls cannot be followed: {os.strerror(ffi.errno)}",
                    "boot a kernel with CONFIG_FTRACE_SYSCALLS=y",
                )
            else:
                self._miss(without)
        now_ns = self._look_from_now()
        self.since_ns = self.since_ns or now_ns
        self._begun = True
        if self._witnesses:
            self.witness()

    def witness(self) -> None:
        """Has the kernel tell what the target's threads and sockets have moved by now."""
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        for name, over in _WITNESSES:
            options = ffi.NULL
            if over is not None:
                through = lib.bpf_object__find_map_by_name(self._object, over.encode())
                info = ffi.new("uint32_t *", lib.bpf_map__fd(through))
                size = ffi.sizeof("struct bpf_iter_attach_opts")
                options = ffi.new(
                    "struct bpf_iter_attach_opts *",
                    {"sz": size, "link_info": info, "link_info_len": ffi.sizeof("uint32_t")},
                )
            link = lib.bpf_program__attach_iter(self._program(name), options)
            if link == ffi.NULL:
                self._miss(f"coverage is not told: {os.strerror(ffi.errno)}")
                return
            self._run(link)

    def _run(self, link: Any) -> None:
        """Goes through all that an iterator has, and lets go of it."""
        lib = self._libbpf.lib
        try:
            run = lib.bpf_iter_create(lib.bpf_link__fd(link))
            if run >= 0:
                with os.fdopen(run, "rb", buffering=0) as everything:
                    while everything.read(4096):
                        pass
        finally:
            lib.bpf_link__destroy(link)

    def _miss(self, sentence: str) -> None:
        if sentence not in self._missing:
            self._missing.append(sentence)

    def _look_from_now(self) -> int:
        """No call is told to have begun before now, which is returned in ns."""
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        place = lib.bpf_object__find_map_by_name(self._object, b".data.calls")
        now_ns = time.monotonic_ns()
        key, value = ffi.new("uint32_t *", 0), ffi.new("uint64_t *", now_ns)
        lib.bpf_map_update_elem(lib.bpf_map__fd(place), key, value, 0)
        return now_ns

    @property
    def attached(self) -> bool:
        """Whether calls are told at this time."""
        return bool(self._links)

    def part(self) -> Part:
        """The object and its links."""
        return Part(self._object, self._links, self._look_from_now)

    def programs(self) -> Iterator[tuple[Program, int]]:
        """The programs and their descriptors, good until ``free``."""
        if self._begun:
            for name in _PROGRAMS:
                program = Program(name, "calls", "", "calls")
                yield program, int(self._libbpf.lib.bpf_program__fd(self._program(name)))

    def missed(self) -> int:
        """Calls that were left out, as their end came while the probe was at work on that CPU."""
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        info = ffi.new("struct bpf_prog_info *")
        size = ffi.new("uint32_t *", ffi.sizeof("struct bpf_prog_info"))
        lib.bpf_obj_get_info_by_fd(lib.bpf_program__fd(self._program("call_exit")), info, size)
        return int(info.recursion_misses)

    def _adopt_sockets(self) -> None:
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        link = lib.bpf_program__attach(self._program(_SEED))
        if link == ffi.NULL:
            self._miss(f"sockets that were opened before are not told: {os.strerror(ffi.errno)}")
            return
        self._run(link)

    def conclude(self) -> None:
        """What the kernel counts from here on is compared with nothing."""
        self.witness()
        self.until_ns = time.monotonic_ns()

    def missing(self) -> tuple[str, ...]:
        """What is not told, one sentence each; before ``free``."""
        count = self._compat_calls()
        compat = (f"{count} calls of 32-bit programs, which are only counted",) if count else ()
        return (*self._missing, *compat)

    def _compat_calls(self) -> int:
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        place = lib.bpf_object__find_map_by_name(self._object, b".data.compat")
        key, value = ffi.new("uint32_t *", 0), ffi.new("uint64_t *")
        lib.bpf_map_lookup_elem(lib.bpf_map__fd(place), key, value)
        return int(value[0])

    def detach(self) -> None:
        """Records no more; a second call does nothing."""
        if self._begun and self._witnesses and not self.until_ns:
            self.conclude()
        release(self._libbpf, self._links, _POINTS)

    def free(self) -> None:
        """Frees what was loaded, after ``detach``; a second call does nothing."""
        if self._object is not None:
            self._libbpf.lib.bpf_object__close(self._object)
            self._object = None


class AttachLoading(Loading):
    """The kernel plane's probes on their way into the kernel, and behind them those of calls.

    What the plane alone tells need not wait for the others.
    """

    def __init__(self) -> None:
        self._calls: Calls | None = None
        self._refused: KernelPlaneError | None = None
        self._behind: threading.Thread | None = None
        #: What was loaded first, as long as its owner has it.
        self.first: Loaded | None = None
        super().__init__(Settings(ring_bytes=_RING_BYTES))

    def _load(self) -> Loaded:
        loaded = self.first = super()._load()
        try:
            self._calls = Calls(loaded.libbpf, loaded.handle)
        except BaseException:
            loaded.libbpf.lib.bpf_object__close(loaded.handle)
            raise
        self._behind = threading.Thread(target=self._load_calls, args=(self._calls,))
        self._behind.start()
        return loaded

    def _load_calls(self, calls: Calls) -> None:
        try:
            calls.load()
        except KernelPlaneError as refused:
            self._refused = refused

    def calls(self) -> Calls | None:
        """Waits for the programs that tell of system calls; after ``take``.

        Returns:
            None where the kernel has no BTF, without which they cannot be loaded.

        Raises:
            KernelPlaneError: The kernel refuses them.
        """
        if self._behind is None:
            return None
        self._behind.join()
        if self._refused is not None:
            raise self._refused
        calls, self._calls = self._calls, None
        assert calls is not None
        return calls

    def cancel(self) -> None:
        """Frees what was loaded and not taken."""
        super().cancel()
        if self._behind is not None:
            self._behind.join()
        if self._calls is not None:
            self._calls.free()
            self._calls = None

# SPDX-License-Identifier: Apache-2.0
"""Has the kernel tell of the calls of programs that came without the shim, while there are any.

``ebpf/bare.bpf.h`` knows of each program that is executed whether it can carry the shim. While the
probes of system calls are attached all system calls of the machine take longer, so they are not
where nobody needs them: they wait for a program without the shim that is worth it, and go when the
last one has ended some time ago.
"""

from __future__ import annotations

import os
import select
import struct
import threading
import time

from anaros.capture.kernel.more import Part
from anaros.errors import AnarosError, KernelPlaneError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from anaros.capture.attach.calls import Calls
    from anaros.capture.kernel.probes import Libbpf, Program

#: A program that ends so soon is over before the probes are there.
_SHORT_S = 0.02
#: How often it is looked at most, while there are programs without the shim that do little.
_REST_S = 1.0
#: For how long the probes stay after the last such program: the next may come soon.
_LINGER_S = 5.0
#: Calls that read or wrote, or CPU time, from which on programs without the shim are worth it: a
#: container's init, which sleeps for good, makes fewer.
_CALLS_MIN, _RAN_MIN_NS = 64, 50_000_000
#: ``struct anaros_bare``.
_THREAD = struct.Struct("<IIQQ")


class BareCalls:
    """Works on a thread of its own; to be stopped once, before the kernel plane is.

    Args:
        libbpf: What loaded the kernel plane.
        plane: Its ``struct bpf_object *``.
    """

    def __init__(self, libbpf: Libbpf, plane: Any) -> None:
        self._libbpf = libbpf
        self._plane = plane
        find, fd = libbpf.lib.bpf_object__find_map_by_name, libbpf.lib.bpf_map__fd
        self._execs_fd = int(fd(find(plane, b".bss.bare")))
        self._awaited_fd = int(fd(find(plane, b".data.bare")))
        self._calls: Calls | None = None
        self._attached = False
        self._spans: list[tuple[int, int | None]] = []
        self._problem: str | None = None
        #: Held while it is decided who goes on: the thread, or who stops it.
        self._turn = threading.Lock()
        self._loads = False
        self._stopping = threading.Event()
        self._waker = os.eventfd(0, os.EFD_CLOEXEC)
        self._poll = select.epoll()
        # The ring wakes whoever waits for it when such a program is executed: edges, not levels.
        ring = int(fd(find(plane, b"ring")))
        self._poll.register(ring, select.EPOLLIN | select.EPOLLET)
        self._poll.register(self._waker, select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name="anaros-bare", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._watch()
        except AnarosError as problem:
            self._problem = f"no calls of programs without the shim: {problem.fact}"

    def _watch(self) -> None:
        known, due_s, pause_s, lived_s = 0, None, _SHORT_S, 0.0
        while not self._stopping.is_set():
            now_s, execs = time.monotonic(), self._execs()
            if execs != known:
                known, pause_s = execs, _SHORT_S
                due_s = min(due_s or now_s + pause_s, now_s + pause_s)
            if due_s is None or now_s < due_s:
                left_s = _REST_S if due_s is None else due_s - now_s
                if left_s > _SHORT_S and not self._attached:
                    self._await()
                if self._execs() == known:
                    self._poll.poll(None if due_s is None else left_s)
                continue
            threads, worth = self._look()
            lived_s = now_s if threads else lived_s
            if worth and not self._attached:
                self._attach()
            elif now_s - lived_s >= _LINGER_S:
                self._detach()
            pause_s = min(2 * pause_s, _REST_S)
            due_s = time.monotonic() + pause_s if threads or self._attached else None

    def _execs(self) -> int:
        """How many programs without the shim were executed."""
        ffi = self._libbpf.ffi
        key, value = ffi.new("uint32_t *", 0), ffi.new("uint64_t *")
        self._libbpf.lib.bpf_map_lookup_elem(self._execs_fd, key, value)
        return int(value[0])

    def _await(self) -> None:
        """Has the next such program wake us."""
        ffi = self._libbpf.ffi
        key, value = ffi.new("uint32_t *", 0), ffi.new("uint64_t *", 1)
        self._libbpf.lib.bpf_map_update_elem(self._awaited_fd, key, value, 0)

    def _look(self) -> tuple[int, bool]:
        """How many threads without the shim live, and whether what they do is worth the probes."""
        lib = self._libbpf.lib
        program = lib.bpf_object__find_program_by_name(self._plane, b"bare_tasks")
        link = lib.bpf_program__attach(program)
        if link == self._libbpf.ffi.NULL:
            raise KernelPlaneError("tasks cannot be iterated")
        try:
            run = lib.bpf_iter_create(lib.bpf_link__fd(link))
            if run < 0:
                raise KernelPlaneError(f"tasks cannot be iterated: {os.strerror(-run)}")
            with os.fdopen(run, "rb") as everything:
                threads = list(_THREAD.iter_unpack(everything.read()))
        finally:
            lib.bpf_link__destroy(link)
        calls, ran_ns = (sum(thread[place] for thread in threads) for place in (2, 3))
        return len(threads), calls >= _CALLS_MIN or ran_ns >= _RAN_MIN_NS

    def _load(self) -> Calls | None:
        """The probes in the kernel; None where the end came first."""
        from anaros.capture.attach.calls import Calls

        with self._turn:
            if self._stopping.is_set():
                return None
            self._loads = True
        calls = Calls(self._libbpf, self._plane, bare_only=True)
        try:
            calls.load()
        except BaseException:
            calls.free()
            raise
        with self._turn:
            self._loads, self._calls = False, calls
            return None if self._stopping.is_set() else calls

    def _attach(self) -> None:
        calls = self._calls or self._load()
        if calls is not None:
            self._attached = True
            self._spans.append((time.monotonic_ns(), None))
            calls.attach()

    def _detach(self) -> None:
        """Unless the budget's keeper has given them up: then it brings them back."""
        if self._calls is not None and self._calls.attached:
            self._calls.detach()
            self._attached = False
            self._spans[-1] = self._spans[-1][0], time.monotonic_ns()

    def part(self) -> Part:
        """The object and its links, as far as it is there."""
        return Part(None, {}) if self._calls is None else self._calls.part()

    def programs(self) -> Iterator[tuple[Program, int]]:
        """The programs and their descriptors, good until ``free``."""
        if self._calls is not None:
            yield from self._calls.programs()

    def told(self) -> list[dict[str, int | None]]:
        """From when to when in ns calls were told, for ``meta.json``."""
        return [{"since_ns": since_ns, "until_ns": until_ns} for since_ns, until_ns in self._spans]

    def missing(self) -> tuple[str, ...]:
        """What is not told, one sentence each; before ``free``."""
        problem = (self._problem,) if self._problem is not None else ()
        return (*problem, *(self._calls.missing() if self._calls is not None else ()))

    def stop(self) -> None:
        """Records no more; a second call does nothing. What is being loaded is not waited for."""
        with self._turn:
            if self._stopping.is_set():
                return
            self._stopping.set()
            loads = self._loads
        os.eventfd_write(self._waker, 1)
        if not loads:
            self._thread.join()
            self._detach()

    def free(self) -> None:
        """Frees what was loaded, and waits for what is being; after ``stop``."""
        self._thread.join()
        if self._waker >= 0:
            self._poll.close()
            os.close(self._waker)
            self._waker = -1
        if self._calls is not None:
            self._calls.free()
            self._calls = None

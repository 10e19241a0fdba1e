# SPDX-License-Identifier: Apache-2.0
"""The kernel plane: attaches the BPF probes, follows one process tree, hands over its records.

One object holds the probes that must be there before the program (``ebpf/anaros.bpf.c``), loaded
by libbpf through cffi (``probes``), another those that come while it runs (``more``). What each of
them records stands in ``docs/probes.md``. Nothing is pinned: the probes go with this process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from anaros.capture.kernel.cufile import CuFile
from anaros.capture.kernel.more import More
from anaros.capture.kernel.probes import PROGRAMS, Loaded, Loading, Program
from anaros.capture.kernel.release import release
from anaros.capture.kernel.switches import Switches
from anaros.errors import KernelPlaneError

if TYPE_CHECKING:
    from anaros.capture.attach.bare import BareCalls
    from anaros.capture.attach.calls import Calls
    from anaros.capture.kernel.keeper import Change, Keeper
    from anaros.capture.kernel.more import Part
    from anaros.capture.kernel.shedding import Shedding

#: In the order of ``enum anaros_probe`` in ebpf/config.h.
PROBES = (
    "sched",
    "process",
    "block",
    "net",
    "cufile",
    "mem",
    "irq",
    "lock",
    "cgroup",
    "calls",
    "device",
    "file",
    "uring",
    "queue",
    "listen",
    "flow",
)

#: In the order of ``enum anaros_counter`` in ebpf/config.h.
COUNTERS = ("dropped", "untracked", "others", "below_minimum", "unknown_owner")

_BPF_STATS_RUN_TIME = 0
_SEED = "seed_tasks"


class Target(NamedTuple):
    """The root of the process tree that is recorded.

    Args:
        pid: As this process sees it; alive. Its threads and descendants are followed as well.
    """

    pid: int


class KernelPlane:
    """The probes at work. Made by ``start``; to be used by one thread at a time."""

    #: Who brought them into the kernel.
    loader = "libbpf"

    def __init__(self, loaded: Loaded) -> None:
        self._libbpf = loaded.libbpf
        self._object = loaded.handle
        self._missing = dict(loaded.plan.off)
        self._links: dict[str, Any] = {}
        self._ring: Any = loaded.libbpf.ffi.NULL
        self._switches: Switches | None = None
        self._cufile: CuFile | None = None
        self._more: More | None = None
        self._keeper: Keeper | None = None
        self._plan = loaded.plan
        self._preempt_distance = loaded.preempt_distance
        self._since_ns: dict[str, int] = {}
        self._sample = (0, 0)
        self._stats_fd = -1
        self._last_counts: dict[str, dict[str, int]] | None = None
        self._last_run_time: dict[str, int] | None = None

    @classmethod
    def start(
        cls,
        target: Target,
        sample: int,
        context: int,
        loading: Loading | None = None,
        others: Sequence[Target] = (),
    ) -> KernelPlane:
        """Attaches the probes and marks the target's tree.

        Args:
            target: Whom to follow. What it does after this call returns is recorded.
            sample: Address of an ``int (*)(void *ctx, void *data, size_t size)``, called by
                ``consume`` for each sample: a META_NAME record and its text, or other records,
                one or many.
            context: The ``ctx`` of that function, an address or 0.
            loading: The probes; None loads them now, with the usual settings.
            others: Roots of more trees that are followed with that of the target.

        Raises:
            KernelPlaneError: No right to load BPF, neither BTF nor BCC, no libbpf, no such
                process, or the kernel refuses; nothing is left behind.
        """
        loaded = (loading or Loading()).take()
        plane: KernelPlane = loaded.plane(cls)
        try:
            plane.begin((target, *others), sample, context)
        except BaseException:
            plane.stop()
            raise
        return plane

    def begin(self, targets: Sequence[Target], sample: int, context: int) -> None:
        """What ``start`` does with what was loaded."""
        self._enable_stats(self._plan.settings.stats)
        self._attach_ring(sample, context)
        self._attach_switches(sample, context)
        self._attach_programs()
        self._seed(targets)
        since_ns = time.monotonic_ns()
        self._since_ns = {program.probe: since_ns for program, _ in self._programs()}
        self._follow_libraries([target.pid for target in targets])

    def extend(self, *, delay_s: float | None = None) -> None:
        """Brings in the probes that the program need not wait for, and returns at once.

        To be called once the program runs. ``since_ns`` tells when they are at work.

        Args:
            delay_s: How long to let the program be first; None: as usual.
        """
        if self._more is None and self._object is not None:
            more = (self._libbpf, self._object, self._plan)
            self._more = More(*more) if delay_s is None else More(*more, delay_s)

    def tell_bare(self) -> BareCalls | None:
        """Has the calls of programs without the shim told from now on; None: not by this loader."""
        if self._object is None or self.loader != "libbpf":
            return None
        from anaros.capture.attach.bare import BareCalls

        return BareCalls(self._libbpf, self._object)

    def keep(
        self,
        share: float,
        cpus: Callable[[], float],
        told: Callable[[Change], None],
        calls: Calls | BareCalls | None = None,
    ) -> Keeper | None:
        """Keeps the probes within a budget from now on, on a thread of its own; after ``extend``.

        Args:
            share: What all of them together may take of the CPUs.
            cpus: How many CPUs there are for whom they follow.
            told: Called with each probe that was given up or came back, on that thread.
            calls: The probes of system calls, where they are at work too.

        Returns:
            What keeps them, until the probes go; None where they have gone.
        """
        if self._object is None:
            return None
        self._keeper = self._watch(share, cpus, told, calls)
        return self._keeper

    def measure(self, calls: Calls | BareCalls | None = None) -> None:
        """Measures what the probes take from now on, as ``keep`` does; after ``extend``."""
        if self._object is not None and self._stats_fd < 0:
            self._keeper = self._watch(None, lambda: 1.0, lambda _: None, calls)

    def _watch(
        self,
        share: float | None,
        cpus: Callable[[], float],
        told: Callable[[Change], None],
        calls: Calls | BareCalls | None,
    ) -> Keeper:
        from anaros.capture.kernel.keeper import Keeper
        from anaros.capture.kernel.more import Part

        def parts() -> list[Part]:
            later = [each.part() for each in (self._more, calls) if each is not None]
            return [Part(self._object, self._links), *later]

        def programs() -> Iterator[tuple[Program, int]]:
            yield from self._programs()
            for each in (self._more, calls):
                yield from each.programs() if each is not None else ()
            fds = self._cufile.programs() if self._cufile is not None else ()
            yield from ((Program(f"cufile {fd}", "cufile", "", ""), fd) for fd in fds)

        more = self._more
        settled = more.settled if more is not None else lambda: True
        return Keeper(self._shedding(parts, programs, settled), share, cpus, told)

    def _shedding(
        self,
        parts: Callable[[], Sequence[Part]],
        programs: Callable[[], Iterator[tuple[Program, int]]],
        settled: Callable[[], bool],
    ) -> Shedding:
        from anaros.capture.kernel.shedding import Shedding

        return Shedding(self._libbpf, parts, programs, settled)

    def keep_no_more(self) -> None:
        """Leaves the probes as they are now; a second call does nothing."""
        if self._keeper is not None:
            self._keeper.stop()

    def extended(self) -> bool:
        """Whether the probes of ``extend`` are there, as far as this kernel has them."""
        return self._more is not None and self._more.ready

    def settle(self) -> None:
        """Ships the last sums and ends the probes of ``extend``: the program is over."""
        self.keep_no_more()
        if self._more is not None:
            self._more.stop()

    def since_ns(self) -> dict[str, int]:
        """Each probe that is at work, and since when. cuFile's are told by ``cufile``."""
        more = self._more.since_ns if self._more is not None else {}
        return {**more, **self._since_ns}

    def _map(self, name: str) -> Any:
        return self._libbpf.lib.bpf_object__find_map_by_name(self._object, name.encode())

    def _map_fd(self, name: str) -> int:
        return int(self._libbpf.lib.bpf_map__fd(self._map(name)))

    def _program(self, name: str) -> Any:
        return self._libbpf.lib.bpf_object__find_program_by_name(self._object, name.encode())

    def _tell_preempt_distance(self) -> None:
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        key, value = ffi.new("uint32_t *", 0), ffi.new("int64_t *", self._preempt_distance)
        lib.bpf_map_update_elem(self._map_fd(".data.kernel"), key, value, 0)

    def _enable_stats(self, wanted: bool) -> None:
        if wanted:
            self._stats_fd = self._libbpf.lib.bpf_enable_stats(_BPF_STATS_RUN_TIME)

    def _attach_ring(self, sample: int, context: int) -> None:
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        self._ring = lib.ring_buffer__new(
            self._map_fd("ring"),
            ffi.cast("ring_buffer_sample_fn", sample),
            ffi.cast("void *", context),
            ffi.NULL,
        )
        if self._ring == ffi.NULL:
            raise KernelPlaneError(f"the BPF ring cannot be mapped: {os.strerror(ffi.errno)}")

    def _attach_switches(self, sample: int, context: int) -> None:
        ends, slots = (
            self._libbpf.lib.bpf_map__max_entries(self._map(name))
            for name in ("switch_ends", "switches")
        )
        self._read_switches(ends, slots // ends)
        self._sample = (sample, context)

    def _numbers_fd(self) -> int:
        return self._map_fd("numbers")

    def _read_switches(self, cpus: int, slots: int) -> None:
        maps = self._map_fd("switch_ends"), self._map_fd("switches")
        self._switches = Switches(*maps, cpus, slots)

    def _attach_programs(self) -> None:
        self._tell_preempt_distance()
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        for program in PROGRAMS:
            if program.name in self._missing:
                continue
            link = lib.bpf_program__attach(self._program(program.name))
            if link != ffi.NULL:
                self._links[program.name] = link
                continue
            reason = f"tracepoint {program.tracepoint} cannot be used: {os.strerror(ffi.errno)}"
            if program.essential:
                raise KernelPlaneError(reason, "run with --no-kernel")
            self._missing[program.name] = f"no {program.records}: {reason}"

    def _seed(self, targets: Iterable[Target]) -> None:
        """Marks each by its pidfd, then everybody who descends from one by an iterator."""
        lib = self._libbpf.lib
        for target in targets:
            self._mark(target)
        link = lib.bpf_program__attach(self._program(_SEED))
        if link == self._libbpf.ffi.NULL:
            reason = os.strerror(self._libbpf.ffi.errno)
            raise KernelPlaneError(f"tasks cannot be iterated: {reason}")
        try:
            for _ in range(2):
                run = lib.bpf_iter_create(lib.bpf_link__fd(link))
                with os.fdopen(run, "rb", buffering=0) as tasks_seen:
                    tasks_seen.read()
        finally:
            lib.bpf_link__destroy(link)

    def _follow_libraries(self, roots: Sequence[int]) -> None:
        self._cufile = CuFile(self._libbpf, self._object, roots)

    def _mark(self, target: Target) -> None:
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        gone = f"process {target.pid} does not exist"
        try:
            pidfd = os.pidfd_open(target.pid)
        except OSError as error:
            raise KernelPlaneError(gone) from error
        try:
            tasks = self._map("tasks")
            key = ffi.new("int *", pidfd)
            value = ffi.new("char[]", lib.bpf_map__value_size(tasks))
            if lib.bpf_map_update_elem(lib.bpf_map__fd(tasks), key, value, 0):
                raise KernelPlaneError(f"{gone}, or cannot be marked: {os.strerror(ffi.errno)}")
        finally:
            os.close(pidfd)

    def fileno(self) -> int:
        """A descriptor that polls readable when a ring passes its mark, not for each record."""
        return int(self._libbpf.lib.ring_buffer__epoll_fd(self._ring))

    def consume(self) -> int:
        """Hands all that lies in the rings to ``sample`` and returns how many records that were.

        The GIL is released meanwhile. After ``stop`` there is nothing more: 0.

        Raises:
            KernelPlaneError: The ring cannot be read, or ``sample`` returned a negative number.
        """
        if self._ring == self._libbpf.ffi.NULL or self._switches is None:
            return 0
        counts = (
            int(self._libbpf.lib.ring_buffer__consume(self._ring)),
            self._switches.consume(*self._sample),
        )
        if min(counts) < 0:
            raise KernelPlaneError(f"the BPF ring cannot be read: {os.strerror(-min(counts))}")
        return sum(counts)

    def sources(self) -> tuple[int, int, int, int, Any]:
        """For a native drain: what ``consume`` does, without the interpreter.

        Returns:
            The address of libbpf's function that consumes a ring; the ring's; a descriptor that is
            woken when a ring passes its mark; one of the map of threads in other pid namespaces,
            -1 for none; the ``struct switches *``. Good until ``stop``.
        """
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        assert self._switches is not None
        function = int(ffi.cast("uintptr_t", ffi.addressof(lib, "ring_buffer__consume")))
        ring = int(ffi.cast("uintptr_t", self._ring))
        return function, ring, self._map_fd("ring"), self._numbers_fd(), self._switches.handle

    def counts(self) -> dict[str, dict[str, int]]:
        """Events by probe and by what became of them, other than being shipped.

        ``dropped``: the ring was full. ``untracked``: no memory to follow a thread, request or
        packet. ``missed``: the probe interrupted itself. ``others``: neither the target's nor a
        delay of it. ``below_minimum``: the target's, too short or small to ship.
        ``unknown_owner``: cannot be told to be the target's or not.
        """
        if self._last_counts is not None:
            return self._last_counts
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        fd = self._map_fd("counters")
        values = ffi.new("uint64_t[]", max(1, lib.libbpf_num_possible_cpus()))
        key = ffi.new("uint32_t *")
        counts: dict[str, dict[str, int]] = {}
        for row, probe in enumerate(PROBES):
            counts[probe] = {}
            for column, counter in enumerate(COUNTERS):
                key[0] = row * len(COUNTERS) + column
                lib.bpf_map_lookup_elem(fd, key, values)
                counts[probe][counter] = sum(values)
            counts[probe]["missed"] = 0
        for program, info in self._program_info():
            counts[program.probe]["missed"] += info.recursion_misses
        return counts

    def drops(self) -> dict[str, int]:
        """Records that should have been shipped and were not, by probe."""
        return {
            probe: counts["dropped"] + counts["untracked"] + counts["missed"]
            for probe, counts in self.counts().items()
        }

    def missing(self) -> tuple[str, ...]:
        """What this kernel does not offer, one sentence each."""
        holders = (self._cufile, self._keeper)
        problems = [each.problem for each in holders if each is not None and each.problem]
        more = self._more.missing if self._more is not None else ()
        return (*self._missing.values(), *problems, *more)

    def cufile(self) -> dict[str, int]:
        """Each cuFile library that is followed, and since when in ns."""
        return dict(self._cufile.libraries) if self._cufile is not None else {}

    def run_time_ns(self) -> dict[str, int] | None:
        """CPU time that the probes took, by probe; None where the kernel does not measure it.

        It is what a part of the time tells of all of it; before the first reading it is unknown.
        """
        if self._object is None:
            return self._last_run_time
        if self._keeper is not None:
            spent = self._keeper.spent_ns.copy()
            return {**dict.fromkeys(PROBES, 0), **spent} if spent else None
        total = dict.fromkeys(PROBES, 0)
        for program, info in self._program_info():
            total[program.probe] += info.run_time_ns
        for fd in self._cufile.programs() if self._cufile is not None else ():
            total["cufile"] += self._info(fd).run_time_ns
        return total if any(total.values()) else None

    def program_runs(self) -> dict[str, tuple[int, int]]:
        """How often each program ran and for how many ns in all, while the kernel measured it."""
        return {
            program.name: (info.run_cnt, info.run_time_ns) for program, info in self._program_info()
        }

    def _programs(self) -> Iterator[tuple[Program, int]]:
        """What is at work from the start, and its descriptor."""
        for program in PROGRAMS:
            if program.name not in self._missing:
                yield program, self._libbpf.lib.bpf_program__fd(self._program(program.name))

    def _program_info(self) -> Iterator[tuple[Program, Any]]:
        for program, fd in self._programs():
            yield program, self._info(fd)
        for program, fd in self._more.programs() if self._more is not None else ():
            yield program, self._info(fd)

    def _info(self, fd: int) -> Any:
        """What the kernel says of a program; zeros where it says nothing."""
        ffi = self._libbpf.ffi
        info = ffi.new("struct bpf_prog_info *")
        size = ffi.new("uint32_t *", ffi.sizeof("struct bpf_prog_info"))
        self._libbpf.lib.bpf_obj_get_info_by_fd(fd, info, size)
        return info

    def detach(self) -> None:
        """Detaches the probes; what lies in the rings can still be consumed."""
        self.settle()  # what came last goes first: see `release`
        release(self._libbpf, self._links, {each.name: each.tracepoint for each in PROGRAMS})
        if self._cufile is not None:
            self._cufile.stop()

    def stop(self) -> None:
        """Detaches the probes, ships what still lies in the ring, and frees everything.

        ``drops``, ``counts``, ``missing`` and ``run_time_ns`` keep their last values. A second
        call does nothing.
        """
        if self._object is None:
            return
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        self.detach()
        if self._switches is not None:
            self._switches.consume(*self._sample)
            self._switches.close()
            self._switches = None
        if self._ring != ffi.NULL:
            lib.ring_buffer__consume(self._ring)
            lib.ring_buffer__free(self._ring)
            self._ring = ffi.NULL
        self._last_run_time = self.run_time_ns()
        self._last_counts = self.counts()
        if self._cufile is not None:
            self._cufile.free()
        if self._more is not None:
            self._more.free()
        if self._stats_fd >= 0:
            os.close(self._stats_fd)
            self._stats_fd = -1
        self._free()
        self._object = None

    def _free(self) -> None:
        self._libbpf.lib.bpf_object__close(self._object)

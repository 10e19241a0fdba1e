# SPDX-License-Identifier: Apache-2.0
"""The kernel plane: loads the BPF probes, follows one process tree, hands over their records.

One object holds all probes (``ebpf/anaros.bpf.c``), loaded by libbpf through cffi; what each of
them records stands in ``docs/probes.md``. Nothing is pinned: the probes go with this process.

On a kernel that has everything the object loads at the first attempt. Only when it does not is
the kernel's BTF surveyed, and what the kernel lacks is left out and named by ``missing()``.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anaros import artifacts
from anaros.errors import AnarosError, KernelPlaneError

RING_BYTES = 4 << 20

PROBES = ("sched", "process", "block", "net")

#: In the order of ``enum anaros_counter`` in ebpf/config.h.
COUNTERS = ("dropped", "untracked", "others", "below_minimum", "unknown_owner")

_VMLINUX_BTF = Path("/sys/kernel/btf/vmlinux")
_CAP_SYS_ADMIN, _CAP_PERFMON, _CAP_BPF = 21, 38, 39
_BTF_KIND_TYPEDEF, _BTF_KIND_VAR, _BTF_KIND_DATASEC = 8, 14, 15
_BPF_STATS_RUN_TIME = 0
_LOG_LINES_MAX = 40
_NEWEST_SWITCH_ARGUMENTS, _NEWEST_DROP_ARGUMENTS = 5, 5


@dataclass(frozen=True, slots=True)
class Target:
    """The root of the process tree that is recorded.

    Args:
        pid: As this process sees it; alive. Its threads and descendants are followed as well.
    """

    pid: int


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides how much is shipped.

    Args:
        ring_bytes: Size of the one ring, a power of two and a multiple of the page size.
        runqueue_min_ns: A shorter wait for a CPU is counted, not shipped.
        queue_min_ns: A shorter wait of a packet for the driver is counted, not shipped.
        block_recent_ns: How long after the target's last request a device concerns it.
        net_recent_ns: How long after the target's last packet a NAPI poll concerns it.
        backlog_min: Packets that make a poll without a device (loopback) worth a record.
        stats: Let the kernel measure the run time of the programs (some 30 ns per event).
    """

    ring_bytes: int = RING_BYTES
    runqueue_min_ns: int = 2_000
    queue_min_ns: int = 1_000
    block_recent_ns: int = 100_000_000
    net_recent_ns: int = 100_000_000
    backlog_min: int = 8
    stats: bool = False


@dataclass(frozen=True, slots=True)
class _Program:
    name: str
    probe: str
    tracepoint: str
    records: str
    essential: bool = False


_PROGRAMS = (
    _Program("process_fork", "process", "sched_process_fork", "proc.fork", essential=True),
    _Program("process_exit", "process", "sched_process_exit", "proc.exit"),
    _Program("process_exec", "process", "sched_process_exec", "proc.exec"),
    _Program("sched_switch", "sched", "sched_switch", "sched.offcpu and sched.runqueue"),
    _Program("sched_waking", "sched", "sched_waking", "wakers and sched.wakeup"),
    _Program("sched_migrate", "sched", "sched_migrate_task", "sched.migrate"),
    _Program("block_insert", "block", "block_rq_insert", "the queue time of block.io"),
    _Program("block_issue", "block", "block_rq_issue", "block.io"),
    _Program("block_complete", "block", "block_rq_complete", "block.io"),
    _Program("block_merge", "block", "block_rq_merge", "merges of block requests"),
    _Program("tcp_state", "net", "inet_sock_set_state", "tcp.state and accepted sockets"),
    _Program("tcp_retransmit", "net", "tcp_retransmit_skb", "tcp.retransmit"),
    _Program("nic_drop", "net", "kfree_skb", "nic.drop"),
    _Program("nic_poll", "net", "napi_poll", "nic.poll"),
    _Program("nic_queue", "net", "net_dev_queue", "nic.queue and sockets without a state"),
    _Program("nic_xmit", "net", "net_dev_start_xmit", "nic.queue"),
)
_SEED = "seed_tasks"


class _Libbpf:
    """libbpf 1.x and the few things that take more than one of its calls."""

    def __init__(self) -> None:
        try:
            from anaros._libbpf import ffi
        except ImportError as error:
            raise KernelPlaneError(
                "anaros._libbpf has not been built", "run scripts/setup, or install the wheel"
            ) from error
        self.ffi: Any = ffi
        self.lib: Any
        try:
            self.lib = self.ffi.dlopen("libbpf.so.1")
        except OSError as error:
            raise KernelPlaneError(
                "libbpf.so.1 is not installed", "apt install libbpf1, or run with --no-kernel"
            ) from error
        self.lib.libbpf_set_print(ffi.NULL)

    @contextlib.contextmanager
    def log(self, lines: list[str]) -> Iterator[None]:
        """Collects what libbpf says into ``lines`` instead of letting it reach the terminal."""
        text = self.ffi.new("char[]", 65536)

        def take(level: int, form: object, arguments: object) -> int:
            if level <= 1:  # warnings and information, not debugging
                self.lib.vsnprintf(text, len(text), form, arguments)
                lines.extend(self.ffi.string(text).decode(errors="replace").splitlines())
            return 0

        callback = self.ffi.callback("int(int, const char *, void *)", take)
        self.lib.libbpf_set_print(callback)
        try:
            yield
        finally:
            self.lib.libbpf_set_print(self.ffi.NULL)

    def arguments(self, btf: object, tracepoint: str) -> int:
        """How many arguments a probe of the tracepoint gets; 0 where there is no such tracepoint.

        The first is the tracepoint's own data and never reaches a program.
        """
        name = f"btf_trace_{tracepoint}".encode()
        number = self.lib.btf__find_by_name_kind(btf, name, _BTF_KIND_TYPEDEF)
        if number <= 0:
            return 0
        typedef = self.lib.btf__type_by_id(btf, number)
        pointer = self.lib.btf__type_by_id(btf, typedef.size_or_type)
        prototype = self.lib.btf__type_by_id(btf, pointer.size_or_type)
        return int(prototype.info & 0xFFFF)

    def per_cpu_offsets(self, btf: object, names: tuple[str, ...]) -> dict[str, int]:
        """Where per-CPU variables lie in their section, for those of ``names`` that exist."""
        find = self.lib.btf__find_by_name_kind
        wanted = {find(btf, name.encode(), _BTF_KIND_VAR): name for name in names}
        number = find(btf, b".data..percpu", _BTF_KIND_DATASEC)
        if number <= 0:
            return {}
        section = self.lib.btf__type_by_id(btf, number)
        count = int(section.info & 0xFFFF)
        entries = self.ffi.unpack(self.ffi.cast("uint32_t *", section + 1), 3 * count)
        return {
            wanted[variable]: offset
            for variable, offset in zip(entries[0::3], entries[1::3], strict=True)
            if variable in wanted
        }

    def preempt_distance(self) -> int:
        """From a CPU's run queue to its preempt count, in bytes; 0 = unknown (not x86, no BTF)."""
        btf = self.lib.btf__load_vmlinux_btf()
        if btf == self.ffi.NULL:
            return 0
        try:
            offsets = self.per_cpu_offsets(btf, ("runqueues", "__preempt_count", "pcpu_hot"))
        finally:
            self.lib.btf__free(btf)
        queue = offsets.get("runqueues")
        if queue is None:
            return 0
        if "__preempt_count" in offsets:
            return offsets["__preempt_count"] - queue
        if "pcpu_hot" in offsets:  # 6.2 to 6.14: behind the pointer to the current task
            return offsets["pcpu_hot"] + 8 - queue
        return 0


@dataclass(slots=True)
class _Plan:
    """What to load: the first plan supposes the newest kernel, a survey corrects it."""

    settings: Settings
    switch_has_state: bool = True
    drop_has_socket: bool = True
    #: Programs left out, and why.
    off: dict[str, str] = field(default_factory=dict)

    def survey(self, libbpf: _Libbpf) -> None:
        """Fits the plan to the running kernel by its BTF."""
        btf = libbpf.lib.btf__load_vmlinux_btf()
        if btf == libbpf.ffi.NULL:
            raise KernelPlaneError(
                f"{_VMLINUX_BTF} cannot be read", "boot a kernel with CONFIG_DEBUG_INFO_BTF=y"
            )
        try:
            arguments = {p.tracepoint: libbpf.arguments(btf, p.tracepoint) for p in _PROGRAMS}
        finally:
            libbpf.lib.btf__free(btf)
        self.switch_has_state = arguments["sched_switch"] >= _NEWEST_SWITCH_ARGUMENTS
        self.drop_has_socket = arguments["kfree_skb"] >= _NEWEST_DROP_ARGUMENTS
        for program in _PROGRAMS:
            if not arguments[program.tracepoint]:
                self.leave_out(program, f"this kernel has no tracepoint {program.tracepoint}")

    def leave_out(self, program: _Program, reason: str) -> None:
        """Goes on without a program, unless nothing works without it."""
        if program.essential:
            raise KernelPlaneError(
                f"the process tree cannot be followed: {reason}", "run with --no-kernel"
            )
        self.off[program.name] = f"no {program.records}: {reason}"


def _check_host() -> None:
    """Says at once what would otherwise fail late and in libbpf's words."""
    if not _may_load():
        raise KernelPlaneError(
            "it takes root, or CAP_BPF and CAP_PERFMON",
            "run as root, or with --no-kernel",
        )
    if not _VMLINUX_BTF.exists():
        raise KernelPlaneError(
            f"this kernel has no BTF ({_VMLINUX_BTF} is missing)",
            "boot a kernel with CONFIG_DEBUG_INFO_BTF=y, or run with --no-kernel",
        )


def _may_load() -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            held = int(line.split()[1], 16)
            both = 1 << _CAP_BPF | 1 << _CAP_PERFMON
            return bool(held >> _CAP_SYS_ADMIN & 1) or held & both == both
    return False


def _open(libbpf: _Libbpf, path: Path, plan: _Plan) -> Any:
    """The object, set up after the plan but not yet loaded."""
    ffi, lib = libbpf.ffi, libbpf.lib
    loaded = lib.bpf_object__open_file(os.fsencode(path), ffi.NULL)
    if loaded == ffi.NULL:
        raise KernelPlaneError(
            f"{path} is not a BPF object: {os.strerror(ffi.errno)}", "build or install it again"
        )
    size = ffi.new("size_t *")
    constants = lib.bpf_object__find_map_by_name(loaded, b".rodata.config")
    value = lib.bpf_map__initial_value(constants, size) if constants != ffi.NULL else ffi.NULL
    if value == ffi.NULL or size[0] != ffi.sizeof("struct anaros_config"):
        lib.bpf_object__close(loaded)
        raise KernelPlaneError(
            f"{path} belongs to another version of anaros", "build or install it again"
        )
    config = ffi.cast("struct anaros_config *", value)
    settings = plan.settings
    config.ring_wake_bytes = settings.ring_bytes // 2
    config.runqueue_min_ns = settings.runqueue_min_ns
    config.queue_min_ns = settings.queue_min_ns
    config.block_recent_ns = settings.block_recent_ns
    config.net_recent_ns = settings.net_recent_ns
    config.backlog_min = settings.backlog_min
    config.switch_has_state = plan.switch_has_state
    config.drop_has_socket = plan.drop_has_socket
    ring = lib.bpf_object__find_map_by_name(loaded, b"ring")
    lib.bpf_map__set_max_entries(ring, settings.ring_bytes)
    for name in plan.off:
        program = lib.bpf_object__find_program_by_name(loaded, name.encode())
        lib.bpf_program__set_autoload(program, False)
    return loaded


def _load(libbpf: _Libbpf, path: Path, plan: _Plan) -> Any:
    """Loads what the kernel takes; the plan then tells what was left out, and why."""
    known = {program.name: program for program in _PROGRAMS}
    lines: list[str] = []
    for attempt in range(len(_PROGRAMS) + 2):
        loaded = _open(libbpf, path, plan)
        lines.clear()
        with libbpf.log(lines) if attempt else contextlib.nullcontext():
            result = libbpf.lib.bpf_object__load(loaded)
        if result == 0:
            return loaded
        libbpf.lib.bpf_object__close(loaded)
        if attempt == 0:
            plan.survey(libbpf)
            continue
        refused = re.findall(r"prog '(\w+)': failed to load", "\n".join(lines))
        if not refused or refused[-1] not in known or refused[-1] in plan.off:
            break
        plan.leave_out(known[refused[-1]], f"this kernel refuses it ({os.strerror(-result)})")
    said = " | ".join(line.removeprefix("libbpf: ") for line in lines[-_LOG_LINES_MAX:])
    raise KernelPlaneError(
        f"the kernel refuses the BPF programs: {os.strerror(-result)} ({said})",
        "run with --no-kernel",
    )


class KernelPlane:
    """The probes at work. Made by ``start``; to be used by one thread at a time."""

    def __init__(self, libbpf: _Libbpf, loaded: Any, plan: _Plan) -> None:
        self._libbpf = libbpf
        self._object = loaded
        self._missing = dict(plan.off)
        self._links: list[Any] = []
        self._ring: Any = libbpf.ffi.NULL
        self._stats_fd = -1
        self._last_counts: dict[str, dict[str, int]] | None = None
        self._last_run_time: dict[str, int] | None = None

    @classmethod
    def start(
        cls, target: Target, sample: int, context: int, settings: Settings | None = None
    ) -> KernelPlane:
        """Loads and attaches the probes and marks the target's tree.

        Args:
            target: Whom to follow. What it does after this call returns is recorded.
            sample: Address of an ``int (*)(void *ctx, void *data, size_t size)``, called by
                ``consume`` for each sample: one record, or a META_NAME record and its text.
            context: The ``ctx`` of that function, an address or 0.
            settings: How much is shipped.

        Raises:
            KernelPlaneError: No right to load BPF, no BTF, no libbpf, no such process, or the
                kernel refuses; nothing is left behind.
        """
        _check_host()
        libbpf = _Libbpf()
        try:
            path = artifacts.bpf_object("anaros")
        except AnarosError as error:
            raise KernelPlaneError(error.fact, error.remedy) from error
        plan = _Plan(settings or Settings())
        distance: list[int] = []
        # A second reading of the kernel's BTF, on the other CPU while libbpf does its own.
        reader = threading.Thread(target=lambda: distance.append(libbpf.preempt_distance()))
        reader.start()
        try:
            loaded = _load(libbpf, path, plan)
        finally:
            reader.join()
        plane = cls(libbpf, loaded, plan)
        try:
            plane._tell_preempt_distance(distance[0] if distance else 0)
            plane._enable_stats(plan.settings)
            plane._attach_ring(sample, context)
            plane._attach_programs()
            plane._seed(target)
        except BaseException:
            plane.stop()
            raise
        return plane

    def _map(self, name: str) -> Any:
        return self._libbpf.lib.bpf_object__find_map_by_name(self._object, name.encode())

    def _map_fd(self, name: str) -> int:
        return int(self._libbpf.lib.bpf_map__fd(self._map(name)))

    def _program(self, name: str) -> Any:
        return self._libbpf.lib.bpf_object__find_program_by_name(self._object, name.encode())

    def _tell_preempt_distance(self, distance: int) -> None:
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        key, value = ffi.new("uint32_t *", 0), ffi.new("int64_t *", distance)
        lib.bpf_map_update_elem(self._map_fd(".data.kernel"), key, value, 0)

    def _enable_stats(self, settings: Settings) -> None:
        if settings.stats:
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

    def _attach_programs(self) -> None:
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        for program in _PROGRAMS:
            if program.name in self._missing:
                continue
            link = lib.bpf_program__attach(self._program(program.name))
            if link != ffi.NULL:
                self._links.append(link)
                continue
            reason = f"tracepoint {program.tracepoint} cannot be used: {os.strerror(ffi.errno)}"
            if program.essential:
                raise KernelPlaneError(reason, "run with --no-kernel")
            self._missing[program.name] = f"no {program.records}: {reason}"

    def _seed(self, target: Target) -> None:
        """Marks the target by its pidfd, then everybody who descends from it by an iterator."""
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
        link = lib.bpf_program__attach(self._program(_SEED))
        if link == ffi.NULL:
            raise KernelPlaneError(f"tasks cannot be iterated: {os.strerror(ffi.errno)}")
        try:
            for _ in range(2):
                run = lib.bpf_iter_create(lib.bpf_link__fd(link))
                with os.fdopen(run, "rb", buffering=0) as tasks_seen:
                    tasks_seen.read()
        finally:
            lib.bpf_link__destroy(link)

    def fileno(self) -> int:
        """A descriptor that polls readable when the ring is half full; never for single records."""
        return int(self._libbpf.lib.ring_buffer__epoll_fd(self._ring))

    def consume(self) -> int:
        """Calls ``sample`` for all that lies in the ring and returns how many samples that were.

        The GIL is released meanwhile. After ``stop`` there is nothing more: 0.

        Raises:
            KernelPlaneError: The ring cannot be read, or ``sample`` returned a negative number.
        """
        if self._ring == self._libbpf.ffi.NULL:
            return 0
        count = int(self._libbpf.lib.ring_buffer__consume(self._ring))
        if count < 0:
            raise KernelPlaneError(f"the BPF ring cannot be read: {os.strerror(-count)}")
        return count

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
        return tuple(self._missing.values())

    def run_time_ns(self) -> dict[str, int] | None:
        """CPU time that the probes took, by probe; None where the kernel does not measure it."""
        if self._object is None:
            return self._last_run_time
        total = dict.fromkeys(PROBES, 0)
        for program, info in self._program_info():
            total[program.probe] += info.run_time_ns
        return total if any(total.values()) else None

    def program_runs(self) -> dict[str, tuple[int, int]]:
        """How often each program ran and for how many ns in all, while the kernel measured it."""
        return {
            program.name: (info.run_cnt, info.run_time_ns) for program, info in self._program_info()
        }

    def _program_info(self) -> Iterator[tuple[_Program, Any]]:
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        for program in _PROGRAMS:
            if program.name in self._missing:
                continue
            info = ffi.new("struct bpf_prog_info *")
            size = ffi.new("uint32_t *", ffi.sizeof("struct bpf_prog_info"))
            fd = lib.bpf_program__fd(self._program(program.name))
            if lib.bpf_obj_get_info_by_fd(fd, info, size) == 0:
                yield program, info

    def stop(self) -> None:
        """Detaches the probes, ships what still lies in the ring, and frees everything.

        ``drops``, ``counts``, ``missing`` and ``run_time_ns`` keep their last values. A second
        call does nothing.
        """
        if self._object is None:
            return
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        while self._links:
            lib.bpf_link__destroy(self._links.pop())
        if self._ring != ffi.NULL:
            lib.ring_buffer__consume(self._ring)
            lib.ring_buffer__free(self._ring)
            self._ring = ffi.NULL
        self._last_run_time = self.run_time_ns()
        self._last_counts = self.counts()
        if self._stats_fd >= 0:
            os.close(self._stats_fd)
            self._stats_fd = -1
        lib.bpf_object__close(self._object)
        self._object = None

# SPDX-License-Identifier: Apache-2.0
"""Brings the BPF probes into the kernel, beside whatever else a run has to prepare.

On a kernel that has everything the object loads at the first attempt. Only when it does not is
the kernel's BTF surveyed, and what the kernel lacks is left out and named in the plan.

This is the longest part of the start of a run, so nothing is imported here that could keep it
from beginning: no pathlib, typing, dataclasses or re.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Callable, Iterator

from anaros import artifacts
from anaros.capture.host import machine
from anaros.errors import AnarosError, KernelPlaneError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RING_BYTES = 2 << 20
#: All tids of a machine with up to 32 CPUs; 64 bytes each.
THREAD_BITS = 15
#: All rings of switches together, as long as that leaves each CPU enough. A drain that is woken
#: on a busy machine waits some ten milliseconds for a CPU itself; a switch takes one microsecond.
_SWITCH_SLOTS_ALL, _SWITCH_SLOTS_MIN = 65536, 4096

_VMLINUX_BTF = "/sys/kernel/btf/vmlinux"
_CAP_SYS_ADMIN, _CAP_PERFMON, _CAP_BPF = 21, 38, 39
_ROOT_USER_NAMESPACE = 0xEFFFFFFD  # its inode, the same on every Linux
_BTF_KIND_TYPEDEF, _BTF_KIND_VAR, _BTF_KIND_DATASEC = 8, 14, 15
_LOG_LINES_MAX = 40
_NEWEST_SWITCH_ARGUMENTS, _NEWEST_DROP_ARGUMENTS = 5, 5


class Settings:
    """What decides how much is shipped.

    Args:
        ring_bytes: Size of the one ring, a power of two and a multiple of the page size.
        switch_slots: Slots of each CPU's ring of switches, a power of two; None: as it suits the
            number of CPUs.
        runqueue_min_ns: A shorter wait for a CPU is counted, not shipped.
        queue_min_ns: A shorter wait of a packet for the driver is counted, not shipped.
        block_recent_ns: How long after the target's last request a device concerns it.
        net_recent_ns: How long after the target's last packet a NAPI poll concerns it.
        backlog_min: Packets that make a poll without a device (loopback) worth a record.
        irq_min_ns: A shorter interrupt is added up, not shipped.
        lock_min_ns: A shorter wait for a lock of the kernel is added up, not shipped.
        thread_bits: How many low bits of a tid tell its place among the threads that are followed;
            those that find theirs taken are followed all the same, at a higher cost.
        stats: Let the kernel measure the run time of the programs (some 30 ns per event).
    """

    def __init__(
        self,
        *,
        ring_bytes: int = RING_BYTES,
        switch_slots: int | None = None,
        runqueue_min_ns: int = 2_000,
        queue_min_ns: int = 1_000,
        block_recent_ns: int = 100_000_000,
        net_recent_ns: int = 100_000_000,
        backlog_min: int = 8,
        irq_min_ns: int = 50_000,
        lock_min_ns: int = 10_000,
        thread_bits: int = THREAD_BITS,
        stats: bool = False,
    ) -> None:
        self.ring_bytes = ring_bytes
        self.switch_slots = switch_slots
        self.runqueue_min_ns = runqueue_min_ns
        self.queue_min_ns = queue_min_ns
        self.block_recent_ns = block_recent_ns
        self.net_recent_ns = net_recent_ns
        self.backlog_min = backlog_min
        self.irq_min_ns = irq_min_ns
        self.lock_min_ns = lock_min_ns
        self.thread_bits = thread_bits
        self.stats = stats


class Program:
    """A program of an object: its probe, its tracepoint, and what is missing without it.

    ``typed`` are those whose tracepoint is in the kernel's BTF, where there is one.
    """

    def __init__(
        self,
        name: str,
        probe: str,
        tracepoint: str,
        records: str,
        *,
        essential: bool = False,
        typed: bool = True,
    ) -> None:
        self.name = name
        self.probe = probe
        self.tracepoint = tracepoint
        self.records = records
        self.essential = essential
        self.typed = typed


PROGRAMS = (
    Program("process_fork", "process", "sched_process_fork", "proc.fork", essential=True),
    Program("process_exit", "process", "sched_process_exit", "proc.exit"),
    Program("process_exec", "process", "sched_process_exec", "proc.exec"),
    Program("process_bare", "process", "sched_process_exec", "calls of programs without the shim"),
    Program("sched_switch", "sched", "sched_switch", "sched.offcpu and sched.runqueue"),
    Program("sched_waking", "sched", "sched_waking", "wakers and sched.wakeup"),
    Program("sched_migrate", "sched", "sched_migrate_task", "sched.migrate"),
    Program("block_insert", "block", "block_rq_insert", "the queue time of block.io"),
    Program("block_issue", "block", "block_rq_issue", "block.io"),
    Program("block_complete", "block", "block_rq_complete", "block.io"),
    Program("block_merge", "block", "block_rq_merge", "merges of block requests"),
    Program("tcp_state", "net", "inet_sock_set_state", "tcp.state and accepted sockets"),
    Program("tcp_retransmit", "net", "tcp_retransmit_skb", "tcp.retransmit"),
    Program("nic_drop", "net", "kfree_skb", "nic.drop"),
    Program("nic_poll", "net", "napi_poll", "nic.poll"),
    Program("nic_queue", "net", "net_dev_queue", "nic.queue and sockets without a state"),
    Program("nic_xmit", "net", "net_dev_start_xmit", "nic.queue"),
)


class Libbpf:
    """libbpf 1.x and the few things that take more than one of its calls."""

    def __init__(self) -> None:
        try:
            from anaros.natives import libbpf

            ffi = libbpf()
        except AnarosError as error:
            raise KernelPlaneError(error.fact, error.remedy) from error
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


class Plan:
    """What to load: the first plan supposes the newest kernel, a survey corrects it."""

    __slots__ = ("drop_has_socket", "off", "programs", "settings", "switch_has_state")

    def __init__(
        self,
        settings: Settings,
        *,
        programs: tuple[Program, ...] = PROGRAMS,
        switch_has_state: bool = True,
        drop_has_socket: bool = True,
    ) -> None:
        self.settings = settings
        self.programs = programs
        self.switch_has_state = switch_has_state
        self.drop_has_socket = drop_has_socket
        #: Programs left out, and why.
        self.off: dict[str, str] = {}

    def survey(self, libbpf: Libbpf) -> None:
        """Fits the plan to the running kernel by its BTF."""
        btf = libbpf.lib.btf__load_vmlinux_btf()
        if btf == libbpf.ffi.NULL:
            raise KernelPlaneError(
                f"{_VMLINUX_BTF} cannot be read", "boot a kernel with CONFIG_DEBUG_INFO_BTF=y"
            )
        try:
            points = {program.tracepoint for program in self.programs}
            arguments = {point: libbpf.arguments(btf, point) for point in points}
        finally:
            libbpf.lib.btf__free(btf)
        if self.programs is PROGRAMS:
            self.switch_has_state = arguments["sched_switch"] >= _NEWEST_SWITCH_ARGUMENTS
            self.drop_has_socket = arguments["kfree_skb"] >= _NEWEST_DROP_ARGUMENTS
        for program in self.programs:
            if program.typed and not arguments[program.tracepoint]:
                self.leave_out(program, f"this kernel has no tracepoint {program.tracepoint}")

    def leave_out(self, program: Program, reason: str) -> None:
        """Goes on without a program, unless nothing works without it."""
        if program.essential:
            raise KernelPlaneError(
                f"the process tree cannot be followed: {reason}", "run with --no-kernel"
            )
        self.off[program.name] = f"no {program.records}: {reason}"


def check_right() -> None:
    """Says at once what would otherwise fail late and in libbpf's words.

    Raises:
        KernelPlaneError: No right to load BPF.
    """
    if _in_user_namespace():
        raise KernelPlaneError(
            "in a user namespace (a container without root) nobody may load BPF",
            "start it outside of that container, or run with --no-kernel",
        )
    if not _may_load() and os.geteuid() == 0:
        raise KernelPlaneError(
            "this root lacks CAP_BPF and CAP_PERFMON",
            "give it both (a container: --cap-add), or run with --no-kernel",
        )
    if not _may_load():
        raise KernelPlaneError(
            "it takes root, or CAP_BPF and CAP_PERFMON",
            "run as root, or with --no-kernel",
        )


def has_btf() -> bool:
    """Whether the kernel tells its types: without them libbpf cannot load the probes."""
    return os.path.exists(_VMLINUX_BTF)


def _in_user_namespace() -> bool:
    """Whether the rights that ``/proc`` tells are those of a user namespace alone."""
    try:
        return os.stat("/proc/self/ns/user").st_ino != _ROOT_USER_NAMESPACE
    except OSError:
        return False


def _may_load() -> bool:
    held = int(machine.field("/proc/self/status", "CapEff") or "0", 16)
    both = 1 << _CAP_BPF | 1 << _CAP_PERFMON
    return bool(held >> _CAP_SYS_ADMIN & 1) or held & both == both


def switch_slots(cpus: int) -> int:
    """Slots of each CPU's ring of switches, as it suits their number."""
    slots = _SWITCH_SLOTS_ALL
    while slots > _SWITCH_SLOTS_MIN and slots * cpus > _SWITCH_SLOTS_ALL:
        slots //= 2
    return slots


def open_object(libbpf: Libbpf, path: str, plan: Plan) -> Any:
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
    cpus = lib.libbpf_num_possible_cpus()
    config.switch_slots = settings.switch_slots or switch_slots(cpus)
    config.runqueue_min_ns = settings.runqueue_min_ns
    config.queue_min_ns = settings.queue_min_ns
    config.block_recent_ns = settings.block_recent_ns
    config.net_recent_ns = settings.net_recent_ns
    config.backlog_min = settings.backlog_min
    config.irq_min_ns = settings.irq_min_ns
    config.lock_min_ns = settings.lock_min_ns
    config.page_shift = os.sysconf("SC_PAGESIZE").bit_length() - 1
    config.thread_bits = settings.thread_bits
    config.switch_has_state = plan.switch_has_state
    config.drop_has_socket = plan.drop_has_socket
    ring = lib.bpf_object__find_map_by_name(loaded, b"ring")
    lib.bpf_map__set_max_entries(ring, settings.ring_bytes)
    sizes = {
        b"switches": cpus * config.switch_slots,
        b"switch_ends": cpus,
        b"threads": 1 << settings.thread_bits,
    }
    for name, entries in sizes.items():
        lib.bpf_map__set_max_entries(lib.bpf_object__find_map_by_name(loaded, name), entries)
    return loaded


def load_object(
    libbpf: Libbpf, path: str, plan: Plan, opened: Callable[[Libbpf, str, Plan], Any] = open_object
) -> Any:
    """Loads what the kernel takes; the plan then tells what was left out, and why."""
    known = {program.name: program for program in plan.programs}
    lines: list[str] = []
    for attempt in range(len(plan.programs) + 2):
        loaded = opened(libbpf, path, plan)
        for name in known:
            program = libbpf.lib.bpf_object__find_program_by_name(loaded, name.encode())
            if program == libbpf.ffi.NULL:
                libbpf.lib.bpf_object__close(loaded)
                raise KernelPlaneError(
                    f"{path} belongs to another version of anaros", "build or install it again"
                )
            if name in plan.off:
                libbpf.lib.bpf_program__set_autoload(program, False)
        lines.clear()
        with libbpf.log(lines) if attempt else contextlib.nullcontext():
            result = libbpf.lib.bpf_object__load(loaded)
        if result == 0:
            return loaded
        libbpf.lib.bpf_object__close(loaded)
        if attempt == 0:
            plan.survey(libbpf)
            continue
        import re  # a kernel that takes all need not wait for it

        refused = re.findall(r"prog '(\w+)': failed to load", "\n".join(lines))
        if not refused or refused[-1] not in known or refused[-1] in plan.off:
            break
        plan.leave_out(known[refused[-1]], f"this kernel refuses it ({os.strerror(-result)})")
    if result == -errno.EMFILE:
        raise KernelPlaneError(
            "the probes take more open files than this process may have",
            "allow some 100 more (ulimit -n 1024), or run with --no-kernel",
        )
    said = " | ".join(line.removeprefix("libbpf: ") for line in lines[-_LOG_LINES_MAX:])
    raise KernelPlaneError(
        f"the kernel refuses the BPF programs: {os.strerror(-result)} ({said})",
        "run with --no-kernel",
    )


class Loaded:
    """The probes in the kernel, not yet attached.

    Args:
        libbpf: What loaded them.
        handle: ``struct bpf_object *``; whoever has this object closes it.
        plan: What was loaded, and what was left out.
        preempt_distance: What ``Libbpf.preempt_distance`` said.
    """

    def __init__(self, libbpf: Libbpf, handle: Any, plan: Plan, preempt_distance: int) -> None:
        self.libbpf = libbpf
        self.handle = handle
        self.plan = plan
        self.preempt_distance = preempt_distance

    def plane(self, made: Callable[[Loaded], Any]) -> Any:
        """What attaches them, a ``KernelPlane``."""
        return made(self)

    def close(self) -> None:
        """Frees them: nobody took them."""
        self.libbpf.lib.bpf_object__close(self.handle)


class Loading:
    """The probes on their way into the kernel, on a thread of their own.

    libbpf and the verifier take 70 ms, nearly all of it without the interpreter's lock: whoever
    starts a run prepares the rest meanwhile. In the end comes either ``take`` or ``cancel``.

    Args:
        settings: How much is shipped.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._plan = Plan(settings or Settings())
        self._loaded: Loaded | None = None
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="anaros-load", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            check_right()
            self._loaded = self._load() if has_btf() else self._load_by_bcc()
        except BaseException as problem:  # noqa: BLE001 - `take` raises it
            self._problem = problem

    def _load(self) -> Loaded:
        libbpf = Libbpf()
        path = artifacts.built("ebpf", "anaros.bpf.o")
        distance: list[int] = []
        # A second reading of the kernel's BTF, on the other CPU while libbpf does its own.
        reader = threading.Thread(target=lambda: distance.append(libbpf.preempt_distance()))
        reader.start()
        try:
            handle = load_object(libbpf, path, self._plan)
        finally:
            reader.join()
        return Loaded(libbpf, handle, self._plan, distance[0] if distance else 0)

    def _load_by_bcc(self) -> Loaded:
        from anaros.capture.kernel import bcc

        return bcc.load(self._plan)

    def take(self) -> Loaded:
        """Waits for them and hands them over.

        Raises:
            KernelPlaneError: No right to load BPF, neither BTF nor BCC, no libbpf, or the kernel
                refuses.
        """
        self._thread.join()
        if isinstance(self._problem, AnarosError):
            raise KernelPlaneError(self._problem.fact, self._problem.remedy) from self._problem
        if self._problem is not None:
            raise self._problem
        loaded, self._loaded = self._loaded, None
        assert loaded is not None
        return loaded

    def cancel(self) -> None:
        """Frees what was loaded and not taken."""
        self._thread.join()
        if self._loaded is not None:
            self._loaded.close()
            self._loaded = None

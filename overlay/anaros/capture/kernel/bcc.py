# SPDX-License-Identifier: Apache-2.0
"""The second loader: BCC, for kernels without BTF.

The handlers in ``ebpf/handlers`` are compiled with the front in ``ebpf/bcc`` when a run starts, by
the clang in BCC's library. They read what tracepoints say of themselves and nothing
else, so the kernel's headers are not needed; what no tracepoint says is named in ``MISSING``.
Nothing here is imported where the kernel has BTF.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from anaros import artifacts
from anaros.capture.host import survey
from anaros.capture.kernel.bcc_shedding import BccShedding, name_of
from anaros.capture.kernel.plane import KernelPlane, Target
from anaros.capture.kernel.probes import Libbpf, Loaded, Plan, Program, switch_slots
from anaros.errors import AnarosError, KernelPlaneError

_TRACING = (Path("/sys/kernel/tracing/events"), Path("/sys/kernel/debug/tracing/events"))
_PROC, _DISKS = Path("/proc"), Path("/sys/block")
#: How often one thread is asked for: the kernel skips a probe that interrupts another.
_ASKED_MAX = 16
_NO_BTF = "this kernel has no BTF (/sys/kernel/btf/vmlinux is missing)"

#: Together one text, in this order: BCC rewrites only what it is given as such.
_SOURCES = ("anaros", "sched", "process", "block", "net")

#: BCC attaches each by its name.
PROGRAMS = (
    *(
        Program(name_of(category, point), probe, point, records)
        for category, probe, point, records in (
            ("task", "process", "task_newtask", "proc.fork"),
            ("sched", "process", "sched_process_exit", "proc.exit"),
            ("sched", "process", "sched_process_exec", "proc.exec"),
            ("sched", "process", "sched_process_wait", "threads that run already"),
            ("sched", "sched", "sched_switch", "sched.offcpu and sched.runqueue"),
            ("sched", "sched", "sched_waking", "wakers and sched.wakeup"),
            ("sched", "sched", "sched_migrate_task", "sched.migrate"),
            ("block", "block", "block_rq_insert", "the queue time of block.io"),
            ("block", "block", "block_rq_issue", "block.io"),
            ("block", "block", "block_rq_complete", "block.io"),
            ("block", "block", "block_rq_merge", "merges of block requests"),
            ("block", "block", "block_bio_frontmerge", "merges of block requests"),
            ("sock", "net", "inet_sock_set_state", "tcp.state and accepted sockets"),
            ("sock", "net", "sock_send_length", "sockets without a state"),
            ("tcp", "net", "tcp_destroy_sock", "the end of sockets"),
            ("tcp", "net", "tcp_retransmit_skb", "tcp.retransmit"),
            ("skb", "net", "kfree_skb", "nic.drop"),
            ("napi", "net", "napi_poll", "nic.poll"),
            ("net", "net", "net_dev_queue", "nic.poll"),
            ("qdisc", "net", "qdisc_enqueue", "nic.queue"),
            ("net", "net", "net_dev_start_xmit", "nic.queue"),
        )
    ),
    *(
        Program(f"raw_tracepoint__{point}_{end}", "sched", f"{point}_{end}", "interrupts")
        for point in (
            "softirq",
            "irq_handler",
            "local_timer",
            "call_function",
            "call_function_single",
        )
        for end in ("entry", "exit")
    ),
)

_UNTOLD = "this kernel has no BTF, and no tracepoint tells it"
#: What is not seen, one sentence each.
MISSING = (
    f"no sync.futex, mem.fault and sched.throttle, nor what a thread slept in: {_UNTOLD}",
    f"no proc.io and proc.cpu, nor the status in proc.exit: {_UNTOLD}",
    f"no tcp.bytes, sizes in tcp.state, tcp.retransmit and nic.drop, nor cookies: {_UNTOLD}",
    "nothing of the probe cuFile, nor of those that come later: they take BTF",
)


def module() -> Any:
    """The Python package of BCC.

    Raises:
        KernelPlaneError: It is not installed, or does not work with this Python.
    """
    remedy = "apt install python3-bpfcc, boot a kernel with CONFIG_DEBUG_INFO_BTF=y, or run with "
    if "bcc" in sys.modules and hasattr(sys.modules["bcc"], "BPF"):
        return sys.modules["bcc"]
    folder = survey.bcc_folder()
    if folder is None:
        raise KernelPlaneError(f"{_NO_BTF}, and BCC is not installed", f"{remedy}--no-kernel")
    spec = importlib.util.spec_from_file_location(
        "bcc", folder / "__init__.py", submodule_search_locations=[os.fspath(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules["bcc"] = made
    try:
        spec.loader.exec_module(made)
    except Exception as problem:
        del sys.modules["bcc"]
        raise KernelPlaneError(
            f"{_NO_BTF}, and BCC in {folder} does not work: {problem}", f"{remedy}--no-kernel"
        ) from problem
    return made


def check_host() -> None:
    """Says at once what would otherwise be wrong later, and nobody would know.

    Raises:
        KernelPlaneError: Another machine, no tracefs, or the processes in /proc are not ours.
    """
    off = "run with --no-kernel"
    if os.uname().machine != "x86_64":
        # BCC compiles for a processor without the atomic exchange that the rings need elsewhere.
        raise KernelPlaneError(f"{_NO_BTF}, and BCC serves x86-64 only", off)
    if os.fspath((_PROC / "self").readlink()) != str(os.getpid()):
        raise KernelPlaneError(
            f"{_NO_BTF}, and BCC takes processes from /proc, that of another pid namespace here",
            f"mount -t proc proc /proc, or {off}",
        )
    if not any(events.is_dir() for events in _TRACING):
        raise KernelPlaneError(
            f"{_NO_BTF}, and tracefs is not mounted",
            "mount -t tracefs tracefs /sys/kernel/tracing, or run with --no-kernel",
        )


def _format(category: str, point: str) -> str:
    """What the kernel says of the fields of a tracepoint; empty where it has none of that name."""
    for events in _TRACING:
        with contextlib.suppress(OSError):
            return (events / category / point / "format").read_text()
    return ""


def _reasons() -> dict[str, int]:
    """Why packets are dropped, by the kernel's own names; empty before 5.17."""
    told = _format("skb", "kfree_skb").partition("print fmt:")[2]
    return {name: int(number) for number, name in re.findall(r'{ (\d+), "(\w+)" }', told)}


def _offered() -> dict[str, int]:
    """What not every kernel has, of what the front can use."""
    drop, reasons = _format("skb", "kfree_skb"), _reasons()
    offered = {
        "HAS_GROUP_DEAD": " group_dead;" in _format("sched", "sched_process_exit"),
        "HAS_IRQ_VECTORS": _format("irq_vectors", "local_timer_entry"),
        "HAS_SEND_LENGTH": _format("sock", "sock_send_length"),
        "HAS_QDISC_ENQUEUE": _format("qdisc", "qdisc_enqueue"),
        "HAS_DROP_REASON": " reason;" in drop,
        "HAS_DROP_SOCKET": " rx_sk;" in drop,
    }
    full = {name: reasons.get(name, 0) for name in ("CPU_BACKLOG", "FULL_RING")}
    return {**{name: 1 for name, there in offered.items() if there}, **full}


def _flags(plan: Plan, cpus: int) -> list[str]:
    settings = plan.settings
    page = os.sysconf("SC_PAGESIZE")
    pids = (_PROC / "self/ns/pid").stat()
    values = {
        "PIDS_DEVICE": os.major(pids.st_dev) << 20 | os.minor(pids.st_dev),
        "PIDS_INODE": pids.st_ino,
        "PAGE_SIZE": page,
        "RING_PAGES": settings.ring_bytes // page,
        "RING_WAKE_BYTES": settings.ring_bytes // 2,
        "RUNQUEUE_MIN_NS": settings.runqueue_min_ns,
        "QUEUE_MIN_NS": settings.queue_min_ns,
        "BLOCK_RECENT_NS": settings.block_recent_ns,
        "NET_RECENT_NS": settings.net_recent_ns,
        "BACKLOG_MIN": settings.backlog_min,
        "SWITCH_SLOTS": settings.switch_slots or switch_slots(cpus),
        "CPUS": cpus,
    }
    values |= _offered()
    include = artifacts.folder("ebpf"), artifacts.folder("shim") / "include"
    return [
        *(f"-DANAROS_{name}={value}" for name, value in values.items()),
        "-DANAROS_STORES_IN_ORDER",
        "-D__bpf__",
        *(f"-I{folder}" for folder in include),
    ]


def _text() -> bytes:
    """What BCC compiles; what it says of it names the file and the line."""
    parts = []
    try:
        for name in _SOURCES:
            path = Path(artifacts.built("ebpf", f"bcc/{name}.bcc.c"))
            parts += [f'#line 1 "{path.name}"\n'.encode(), path.read_bytes()]
    except AnarosError as problem:
        raise KernelPlaneError(problem.fact, problem.remedy) from problem
    return b"".join(parts)


@contextlib.contextmanager
def _headers(folder: Path) -> Iterator[None]:
    """Lets BCC's library, and nobody that we start, find the headers here rather than installed.

    Who sets BCC_KERNEL_SOURCE wants those.
    """
    name = "BCC_KERNEL_SOURCE"
    if name in os.environ:
        yield
        return
    os.putenv(name, os.fspath(folder))
    try:
        yield
    finally:
        os.unsetenv(name)


def load(plan: Plan) -> Loaded:
    """Compiles the probes and brings them into the kernel, which takes about a second.

    Args:
        plan: With what settings.

    Raises:
        KernelPlaneError: BCC or libbpf is missing, or the kernel or the compiler refuses; what it
            said went to the standard error.
    """
    check_host()
    bcc = module()
    libbpf = Libbpf()
    flags = _flags(plan, libbpf.lib.libbpf_num_possible_cpus())
    try:
        with _headers(artifacts.folder("ebpf") / "bcc"):
            made = bcc.BPF(text=_text(), cflags=flags)
    except Exception as problem:
        raise KernelPlaneError(
            f"{_NO_BTF}, and BCC cannot load the probes: {problem}", "run with --no-kernel"
        ) from problem
    return _LoadedByBcc(libbpf, made, plan, 0)


class _LoadedByBcc(Loaded):
    def plane(self, _made: object) -> KernelPlane:
        return BccPlane(self)

    def close(self) -> None:
        self.handle.cleanup()


class BccPlane(KernelPlane):
    """The probes that BCC loaded: they are attached from the beginning, and follow nobody yet."""

    loader = "bcc"

    def extend(self, *, delay_s: float | None = None) -> None:
        """Nothing comes later."""

    def missing(self) -> tuple[str, ...]:
        """What is not seen, one sentence each."""
        return (*super().missing(), *MISSING)

    def _map_fd(self, name: str) -> int:
        return int(self._object[name].map_fd)

    def _numbers_fd(self) -> int:
        return -1

    def _attach_switches(self, sample: int, context: int) -> None:
        ends, slots = (self._object[name].max_entries for name in ("switch_ends", "switches"))
        self._read_switches(ends, slots // ends)
        self._sample = (sample, context)

    def _attach_programs(self) -> None:
        pass

    def _shedding(
        self,
        _parts: object,
        programs: Callable[[], Iterator[tuple[Program, int]]],
        _settled: object,
    ) -> BccShedding:
        return BccShedding(self._libbpf, self._object, programs)

    def _follow_libraries(self, roots: Sequence[int]) -> None:
        pass

    def _programs(self) -> Iterator[tuple[Program, int]]:
        loaded = self._object.funcs
        for program in PROGRAMS:
            function = loaded.get(program.name.encode())
            if function is not None:
                yield program, function.fd

    def _survey(self) -> None:
        """What no event tells: devices with an I/O scheduler, names of interfaces and reasons."""
        schedulers = self._object["schedulers"]
        for disk in _DISKS.iterdir():
            with contextlib.suppress(OSError, ValueError):
                major, minor = map(int, (disk / "dev").read_text().split(":"))
                if "[none]" not in (disk / "queue/scheduler").read_text():
                    schedulers[schedulers.Key(major << 20 | minor)] = schedulers.Leaf(1)
        interfaces, names = self._object["interfaces"], self._object["reason_names"]
        for number, name in socket.if_nameindex():
            interfaces[interfaces.Key(name.encode())] = interfaces.Leaf(number)
        for reason, number in _reasons().items():
            names[names.Key(number)] = names.Leaf(reason.encode()[:31])

    def _seed(self, targets: Iterable[Target]) -> None:
        """Marks the threads of each and of all who descend from one.

        Whoever is begun meanwhile by one that is marked is followed by the kernel; looking ends
        when nobody is new.
        """
        self._survey()
        marked: dict[int, dict[int, int]] = {}
        for target in targets:
            if not self._mark_threads(target.pid, marked):
                raise KernelPlaneError(f"process {target.pid} does not exist")
        new = True
        while new:
            new = False
            for pid, parent in _parents().items():
                if pid in marked or parent in marked:
                    new |= self._mark_threads(pid, marked)
        self._asks(0)
        self._forget_ended(marked)

    def _mark_threads(self, pid: int, marked: dict[int, dict[int, int]]) -> bool:
        """Marks the threads of a process that are not, and keeps their first numbers.

        Returns:
            Whether there were any.
        """
        new = _threads(pid) - marked.get(pid, {}).keys()
        process = self._first(pid) if new else 0
        if not process:
            return False
        marked.setdefault(pid, {}).update({tid: self._first(tid, process) for tid in new})
        return True

    def _first(self, tid: int, process: int = 0) -> int:
        """The number of a thread in the first pid namespace, which all events have.

        Args:
            tid: The thread.
            process: Follow it as one of this process, by its first number; 0: do not.

        Returns:
            0 where it has ended.
        """
        asked = self._object["asked"]
        self._asks(threading.get_native_id(), process)
        for _ in range(_ASKED_MAX):
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, tid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if asked[0].answers:
                return int(asked[0].number)
        raise KernelPlaneError(f"the kernel does not tell of thread {tid}", "run it again")

    def _asks(self, asker: int, process: int = 0) -> None:
        asked = self._object["asked"]
        asked[0] = asked.Leaf(asker, process, 0, 0)

    def _forget_ended(self, marked: dict[int, dict[int, int]]) -> None:
        """Of a thread that ended just before it was marked no end will be told."""
        tasks = self._object["tasks"]
        for pid, threads in marked.items():
            for tid in threads.keys() - _threads(pid):
                with contextlib.suppress(KeyError):
                    del tasks[tasks.Key(threads[tid])]

    def detach(self) -> None:
        """Detaches the probes; what lies in the rings can still be consumed."""
        self.keep_no_more()
        if self._object is not None:
            for point in tuple(self._object.tracepoint_fds):
                self._object.detach_tracepoint(point)
            for point in tuple(self._object.raw_tracepoint_fds):
                self._object.detach_raw_tracepoint(point)
        super().detach()

    def _free(self) -> None:
        self._object.cleanup()


def _threads(pid: int) -> set[int]:
    """Those of a process that have not ended."""
    found = set()
    with contextlib.suppress(OSError):
        for task in (_PROC / str(pid) / "task").iterdir():
            with contextlib.suppress(OSError):
                if (task / "stat").read_bytes().rpartition(b") ")[2][:1] not in b"ZX":
                    found.add(int(task.name))
    return found


def _parents() -> dict[int, int]:
    """Of each process its parent."""
    found: dict[int, int] = {}
    for process in _PROC.iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                words = (process / "stat").read_bytes().rpartition(b") ")[2].split()
                found[int(process.name)] = int(words[1])
    return found

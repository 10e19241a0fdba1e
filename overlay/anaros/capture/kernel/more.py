# SPDX-License-Identifier: Apache-2.0
"""The probes that a program need not wait for: an object of its own, loaded while it runs.

``ebpf/more.bpf.c`` shares ring, counters and process tree with the object that was there first,
which follows fork and exit for both. Since when each probe is at work is known.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator

from anaros import artifacts
from anaros.capture.kernel.probes import Plan, Program, load_object
from anaros.capture.kernel.release import release
from anaros.errors import AnarosError, KernelPlaneError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from anaros.capture.kernel.probes import Libbpf

PROGRAMS = (
    Program("mem_exit", "mem", "sched_process_exit", "the last mem.faults of a thread"),
    Program(
        "mem_reclaim_begin", "mem", "mm_vmscan_direct_reclaim_begin", "mem.reclaim of the machine"
    ),
    Program("mem_reclaim_end", "mem", "mm_vmscan_direct_reclaim_end", "mem.reclaim of the machine"),
    Program("mem_cgroup_begin", "mem", "mm_vmscan_memcg_reclaim_begin", "mem.reclaim of a cgroup"),
    Program("mem_cgroup_end", "mem", "mm_vmscan_memcg_reclaim_end", "mem.reclaim of a cgroup"),
    Program("mem_compact_begin", "mem", "mm_compaction_begin", "mem.compact"),
    Program("mem_compact_end", "mem", "mm_compaction_end", "mem.compact"),
    Program("mem_migrate_begin", "mem", "mm_migrate_pages_start", "mem.migrate"),
    Program("mem_migrate_end", "mem", "mm_migrate_pages", "mem.migrate"),
    Program("mem_oom", "mem", "mark_victim", "mem.oom"),
    Program("irq_begin", "irq", "irq_handler_entry", "irq.hard of devices"),
    Program("irq_end", "irq", "irq_handler_exit", "irq.hard of devices"),
    Program("irq_timer_begin", "irq", "local_timer_entry", "irq.hard of the timer"),
    Program("irq_timer_end", "irq", "local_timer_exit", "irq.hard of the timer"),
    Program("irq_call_begin", "irq", "call_function_entry", "irq.hard of other CPUs"),
    Program("irq_call_end", "irq", "call_function_exit", "irq.hard of other CPUs"),
    Program("irq_single_begin", "irq", "call_function_single_entry", "irq.hard of another CPU"),
    Program("irq_single_end", "irq", "call_function_single_exit", "irq.hard of another CPU"),
    Program("irq_soft_begin", "irq", "softirq_entry", "irq.soft"),
    Program("irq_soft_end", "irq", "softirq_exit", "irq.soft"),
    Program("lock_begin", "lock", "contention_begin", "sync.kernel"),
    Program("lock_end", "lock", "contention_end", "sync.kernel"),
    Program("cgroup_attach", "cgroup", "cgroup_attach_task", "cgroup.move"),
    Program("cgroup_freeze", "cgroup", "cgroup_freeze", "cgroup.freeze"),
    Program("cgroup_unfreeze", "cgroup", "cgroup_unfreeze", "cgroup.freeze"),
    Program("cgroup_rmdir", "cgroup", "cgroup_rmdir", "cgroup.remove"),
    Program("file_fill", "file", "mm_filemap_add_to_page_cache", "file.fill"),
    Program("file_missed", "file", "page_cache_sync_ra", "the reason of file.fill"),
    Program("file_ahead", "file", "page_cache_async_ra", "file.readahead"),
    Program("file_window", "file", "page_cache_ra_unbounded", "the reason of file.fill"),
    Program("file_window_large", "file", "page_cache_ra_order", "the reason of file.fill"),
    Program("file_fault", "file", "mm_filemap_fault", "file.fault"),
    Program("file_exit", "file", "sched_process_exit", "the last file.fill of a thread"),
    Program("uring_submit", "uring", "io_uring_submit_req", "file.uring"),
    Program("uring_complete", "uring", "io_uring_complete", "file.uring"),
    Program("uring_worker", "uring", "io_uring_queue_async_work", "workers of file.uring"),
    Program("uring_poll", "uring", "io_uring_poll_arm", "polls of file.uring"),
    Program("queue_issue", "queue", "block_rq_issue", "block.issue"),
    Program("queue_complete", "queue", "block_rq_complete", "block.issue"),
    Program("listen_end", "listen", "inet_sock_set_state", "the last net.backlog of a listener"),
    Program("flow_send", "flow", "sock_send_length", "net.flow"),
    Program("flow_receive", "flow", "sock_recv_length", "net.flow"),
    Program("nvme_complete", "queue", "nvme_complete_rq", "block.nvme", typed=False),
    Program("nvme_sq", "queue", "nvme_sq", "fetched commands of block.nvme", typed=False),
    Program("nvme_issue", "queue", "block_rq_issue", "block.nvme"),
    Program("nvme_setup", "queue", "nvme_setup_cmd", "block.nvme", typed=False),
)

#: Programs that add up what happened since they ran last, and the map that they go through; None
#: is for all tasks. Each belongs to a probe.
TOTALS: tuple[tuple[str, str, str | None], ...] = (
    ("mem_totals", "mem", None),
    ("cgroup_groups", "cgroup", None),
    ("irq_totals", "irq", "stolen"),
    ("lock_totals", "lock", "contended"),
    ("usage_tasks", "process", None),
    ("usage_sockets", "net", "sockets"),
    ("file_totals", "file", None),
    ("listen_totals", "listen", "sockets"),
    ("flow_totals", "flow", "flows"),
)

#: Maps of anaros.bpf.o; whatever else the object has is its own.
SHARED = (
    "ring",
    "counters",
    "tasks",
    "threads",
    "tree",
    "named",
    "scratch",
    "sockets",
    "requests",
    ".rodata.config",
    ".data.kernel",
    ".bss.kernel",
)

#: A program that ends within this time is spared the loading.
_DELAY_S = 0.03
_PERIOD_S = 1.0


def share(libbpf: Libbpf, loaded: Any, maps: dict[str, int], path: str) -> None:
    """Lets an object that is not yet loaded use the maps of another.

    Args:
        libbpf: What opened it.
        loaded: ``struct bpf_object *``; closed where this fails.
        maps: Names and descriptors; those that the object has not are left out.
        path: Where the object came from.

    Raises:
        KernelPlaneError: They do not fit.
    """
    lib = libbpf.lib
    for name, fd in maps.items():
        shared = lib.bpf_object__find_map_by_name(loaded, name.encode())
        if shared != libbpf.ffi.NULL and lib.bpf_map__reuse_fd(shared, fd):
            lib.bpf_object__close(loaded)
            raise KernelPlaneError(
                f"{path} belongs to another version of anaros", "build or install it again"
            )


class Part:
    """An object in the kernel.

    Args:
        handle: ``struct bpf_object *``, or None where it is not loaded.
        links: Those of its programs that are attached, by name; kept up to date.
        returns: Called before one of its programs is attached again; None: nothing is to do.
    """

    def __init__(
        self, handle: Any, links: dict[str, Any], returns: Callable[[], object] | None = None
    ) -> None:
        self.handle = handle
        self.links = links
        self.returns = returns


class More:
    """Loads the probes on a thread of its own; to be stopped once.

    Args:
        libbpf: What loaded the kernel plane.
        plane: Its ``struct bpf_object *``, which lives longer than this.
        plan: Its plan.
        delay_s: How long to wait first: a program that ends sooner is spared the work.
    """

    def __init__(self, libbpf: Libbpf, plane: Any, plan: Plan, delay_s: float = _DELAY_S) -> None:
        self._libbpf = libbpf
        find, fd = libbpf.lib.bpf_object__find_map_by_name, libbpf.lib.bpf_map__fd
        self._maps = {name: int(fd(find(plane, name.encode()))) for name in SHARED}
        self._plan = Plan(plan.settings, programs=PROGRAMS)
        self._object: Any = None
        self._links: dict[str, Any] = {}
        self._totals: list[Any] = []
        self._fds: list[tuple[Program, int]] = []
        #: Each probe that is at work, and since when in ns.
        self.since_ns: dict[str, int] = {}
        #: What is not seen and why, one sentence each.
        self.missing: tuple[str, ...] = ()
        #: Whether all that can be had is at work.
        self.ready = False
        self._delay_s = delay_s
        #: Held while it is decided who detaches: the thread, once it attaches, is waited for.
        self._turn = threading.Lock()
        self._attaches = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="anaros-more", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        if self._stopping.wait(self._delay_s):
            return
        try:
            self._load()
            with self._turn:
                if self._stopping.is_set():
                    return
                self._attaches = True
            self._attach()
        except AnarosError as problem:
            self.missing = (f"nothing of what comes while a program runs: {problem.fact}",)
            return
        self._add_up()
        self.ready = True
        while not self._stopping.wait(_PERIOD_S):
            self._add_up()

    def settled(self) -> bool:
        """Whether there is nothing more to come."""
        return self.ready or not self._thread.is_alive()

    def part(self) -> Part:
        """The object and its links."""
        return Part(self._object, self._links)

    def _open(self, libbpf: Libbpf, path: str, _plan: Plan) -> Any:
        loaded = libbpf.lib.bpf_object__open_file(os.fsencode(path), libbpf.ffi.NULL)
        if loaded == libbpf.ffi.NULL:
            raise KernelPlaneError(f"{path} is not a BPF object", "build or install it again")
        share(libbpf, loaded, self._maps, path)
        self._nvme.lay(libbpf, loaded)
        return loaded

    def _load(self) -> None:
        path = artifacts.built("ebpf", "more.bpf.o")
        # On this thread: for what the plane imports the program waits.
        from anaros.capture.kernel.nvme import Nvme

        self._nvme = Nvme()
        self._plan.off.update(self._nvme.off())
        self._object = load_object(self._libbpf, path, self._plan, self._open)
        self._nvme.tell_transports(self._libbpf, self._object)

    def _program(self, name: str) -> Any:
        lib = self._libbpf.lib
        program = lib.bpf_object__find_program_by_name(self._object, name.encode())
        if program == self._libbpf.ffi.NULL:
            raise KernelPlaneError(
                "more.bpf.o belongs to another version of anaros", "build or install it again"
            )
        return program

    def _attach(self) -> None:
        """Every program that was loaded, unless the end came first."""
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        off = self._plan.off
        for program in PROGRAMS:
            if program.name in off or self._stopping.is_set():
                continue
            handle = self._program(program.name)
            link = lib.bpf_program__attach(handle)
            if link == ffi.NULL:
                reason = f"tracepoint {program.tracepoint} cannot be used"
                off[program.name] = f"no {program.records}: {reason}: {os.strerror(ffi.errno)}"
                continue
            self._links[program.name] = link
            self._fds.append((program, int(lib.bpf_program__fd(handle))))
            self.since_ns[program.probe] = time.monotonic_ns()
        for name, _, over in TOTALS:
            link = self._iterator(name, over)
            if link == ffi.NULL:
                off[name] = f"no totals of {name}: {os.strerror(ffi.errno)}"
            else:
                self._totals.append(link)
        self.missing = tuple(filter(None, dict.fromkeys(off.values())))

    def _iterator(self, name: str, over: str | None) -> Any:
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        if over is None:
            return lib.bpf_program__attach(self._program(name))
        through = lib.bpf_object__find_map_by_name(self._object, over.encode())
        info = ffi.new("uint32_t *", lib.bpf_map__fd(through))
        options = ffi.new(
            "struct bpf_iter_attach_opts *",
            {
                "sz": ffi.sizeof("struct bpf_iter_attach_opts"),
                "link_info": info,
                "link_info_len": ffi.sizeof("uint32_t"),
            },
        )
        return lib.bpf_program__attach_iter(self._program(name), options)

    def _add_up(self) -> None:
        """Ships the sums of what happened since the last time."""
        lib = self._libbpf.lib
        for link in self._totals:
            run = lib.bpf_iter_create(lib.bpf_link__fd(link))
            if run < 0:
                continue
            with contextlib.suppress(OSError), os.fdopen(run, "rb", buffering=0) as all_of_it:
                while all_of_it.read(4096):
                    pass

    def programs(self) -> Iterator[tuple[Program, int]]:
        """The programs at work and their descriptors, good until ``free``."""
        yield from tuple(self._fds)

    def stop(self) -> None:
        """Ships the last sums and detaches; a second call does nothing. ``free`` does the rest.

        Who is still being loaded is not waited for: it will not be attached.
        """
        with self._turn:
            self._stopping.set()
            attaches = self._attaches
        if not attaches:
            return
        self._thread.join()
        self._add_up()
        while self._totals:
            self._libbpf.lib.bpf_link__destroy(self._totals.pop())
        release(self._libbpf, self._links, {each.name: each.tracepoint for each in PROGRAMS})

    def free(self) -> None:
        """Frees what was loaded, and waits for what is being; after ``stop``."""
        self._thread.join()
        self._fds.clear()
        if self._object is not None:
            self._libbpf.lib.bpf_object__close(self._object)
            self._object = None

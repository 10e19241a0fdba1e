# SPDX-License-Identifier: Apache-2.0
"""One attachment, from start to end: ``anaros attach PID``.

No code enters the target and nothing of it is stopped: the kernel plane follows it, and what the
shim would tell of its calls the kernel tells instead. The order counts as in a run: what takes
longest, the probes, begins first.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from anaros import __version__
from anaros.capture.kernel.probes import check_right
from anaros.errors import AnarosError, CaptureError, KernelPlaneError
from anaros.session import meta
from anaros.session.parts import warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from anaros.capture.attach.calls import AttachLoading, Calls
    from anaros.capture.attach.devices import Devices
    from anaros.capture.attach.targets import Process
    from anaros.capture.host.quota import Quota
    from anaros.capture.kernel.plane import KernelPlane
    from anaros.capture.rings.arena import Arena, Segment
    from anaros.capture.rings.recorder import Recorder
    from anaros.session.budget import Account
    from anaros.session.injected import Injections
    from anaros.store.rundir import RunDirectory

#: How often it is looked whether the disk is full.
_TICK_S = 1.0

#: What is not followed without BTF.
_NO_CALLS = "this kernel has no BTF: system calls and calls of device libraries are not followed"

#: Each of them detaches.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Attached(NamedTuple):
    """What an attachment left behind.

    Args:
        run: The run directory.
        records: Records in it.
        seconds: How long the target was followed.
        problem: Why it ended before it should, with the remedy; None where it did not.
    """

    run: Path
    records: int
    seconds: float
    problem: AnarosError | None


class _Parts:
    """What an attachment is made of, as far as it has come; `close` undoes it."""

    def __init__(self, loading: AttachLoading) -> None:
        self.loading = loading
        self.directory: RunDirectory | None = None
        self.arena: Arena | None = None
        self.segments: list[Segment] = []
        self.kernel: KernelPlane | None = None
        self.calls: Calls | None = None
        self.devices: Devices | None = None
        self.injections: Injections | None = None
        self.recorder: Recorder | None = None
        self.account: Account | None = None
        self.quota: Quota | None = None
        self.finished = False
        self.undo = contextlib.ExitStack()

    @property
    def calls_since_ns(self) -> int | None:
        """Since when calls are told; None: they are not."""
        if self.injections is not None:
            return self.injections.since_ns
        return self.calls.since_ns if self.calls is not None else None

    def begin(self, processes: Sequence[Process]) -> None:
        """From now on what the probes take is measured, and kept within a budget if asked for."""
        assert self.kernel is not None
        calls = self.calls if self.injections is None else None
        if self.account is None:
            self.kernel.measure(calls)
        else:
            self.account.begin(self.kernel, [process.pid for process in processes], calls)

    def close(self) -> None:
        """Detaches from the target and gives back all memory; a second call does nothing."""
        if self.kernel is not None:
            self.kernel.keep_no_more()
        if self.injections is not None:
            self.injections.detach()
            self.injections.settle()
        if self.calls is not None:
            self.calls.detach()
        if self.devices is not None:
            self.devices.stop()
        if self.recorder is not None:
            self.recorder.close()
        self.loading.cancel()
        if self.kernel is not None:
            self.kernel.stop()
        if self.calls is not None:
            self.calls.free()
        if self.devices is not None:
            self.devices.free()
        for segment in self.segments:
            segment.close()
        self.segments = []
        self.undo.close()


def attach(
    processes: Sequence[Process],
    loading: AttachLoading,
    *,
    output: str | Path | None = None,
    duration_s: float | None = None,
    hide_names: bool = False,
    inject: bool = False,
    budget: float | None = None,
) -> Attached:
    """Follows processes, their threads and their descendants until told to stop.

    It ends by SIGINT, SIGTERM or SIGHUP, after ``duration_s``, when the last of them has ended, or
    when the disk takes no more; in each case what was seen is durable, and the target goes on
    as if nobody had been there. To be called by the main thread.

    Args:
        processes: Those that ``targets.check`` allows.
        loading: The probes, just begun; freed in the end.
        output: The run directory to make; None: a new one in the usual place.
        duration_s: How long, from when the target is followed; None: until something ends it.
        hide_names: Whether to keep names of files and peers, and the commands' arguments, out of
            the run.
        inject: Whether to load the shim into them, which then tells of their calls; those of
            programs that they start are not told.
        budget: What the probes may take of the CPUs that the processes may use, as a share; None:
            whatever they take.

    Raises:
        AnarosError: The kernel plane is not to be had here, or the run cannot be written; nothing
            is left behind.
    """
    with _signals() as told:
        parts = _Parts(loading)
        try:
            started = os.times()
            _start(parts, processes, output, budget, hide_names=hide_names, inject=inject)
            parts.begin(processes)
            _wait(parts, processes, told, duration_s)
            return _finish(parts, started.user + started.system)
        except BaseException:
            if parts.directory is not None and not parts.finished:
                parts.close()
                parts.directory.discard()
            raise
        finally:
            parts.close()


@contextlib.contextmanager
def _signals() -> Iterator[int]:
    """Meanwhile the signals that detach end nothing.

    Yields:
        A descriptor that is readable once one has come.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    woken = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in _SIGNALS:
        if before[number] != signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


def _start(
    parts: _Parts,
    processes: Sequence[Process],
    output: str | Path | None,
    budget: float | None,
    *,
    hide_names: bool,
    inject: bool,
) -> None:
    """Up to where the first records come."""
    loading = parts.loading
    try:
        check_right()
    except KernelPlaneError as problem:
        raise _refused(problem) from problem
    from pathlib import Path

    from anaros.capture.host.quota import Quota
    from anaros.capture.kernel.plane import KernelPlane, Target
    from anaros.capture.rings.arena import shared_memory_root
    from anaros.kinds import NameClass
    from anaros.store.rundir import RunDirectory, default_run_path

    parts.quota = Quota(processes[0].pid)
    shared = shared_memory_root() / f"anaros-{os.geteuid()}-{os.urandom(6).hex()}"
    path = Path(output) if output is not None else default_run_path()
    about = _meta_at_start(processes, path.name, shared, hide_names=hide_names)
    parts.directory = RunDirectory.create(path, about)
    _open(parts, shared, parts.directory, hide_names=hide_names)
    assert parts.recorder is not None
    first, *others = (Target(process.pid) for process in processes)
    sample, context = parts.recorder.sample
    try:
        parts.kernel = KernelPlane.start(first, sample, context, loading, others)
    except KernelPlaneError as problem:
        _check_alive(processes)
        raise _refused(problem) from problem
    parts.recorder.name(NameClass.PROGRAM, _program_names(processes))
    if budget is not None:
        from anaros.session.budget import Account

        parts.account = Account(budget, parts.directory, parts.recorder)
    parts.recorder.start(parts.kernel)
    if inject:  # while what the kernel counts is still being loaded
        from anaros.session.injected import Injections

        assert parts.arena is not None
        parts.injections = Injections(parts.arena, shared, processes)
    parts.calls = loading.calls()
    if parts.injections is not None:
        if parts.calls is not None:
            parts.calls.since_ns = parts.injections.since_ns
            parts.calls.witness()
        parts.kernel.extend()
        return
    if parts.calls is None:
        warn(_NO_CALLS, "boot a kernel with CONFIG_DEBUG_INFO_BTF=y, or use --inject")
        return
    parts.calls.attach()
    parts.kernel.extend()
    # Nothing waits for these: they look for libraries on a thread of their own.
    from anaros.capture.attach.devices import Devices

    assert loading.first is not None
    pids = [process.pid for process in processes]
    parts.devices = Devices(loading.first.libbpf, loading.first.handle, pids)


def _check_alive(processes: Sequence[Process]) -> None:
    """Whether what failed did so because one of them has ended."""
    from anaros.capture.attach.targets import alive

    for process in processes:
        if not alive(process.pid):
            name = process.command[0].rpartition("/")[2]
            raise CaptureError(
                f"process {process.pid} ({name}) has ended",
                "anaros run -- COMMAND records from the start",
            )


def _refused(problem: KernelPlaneError) -> KernelPlaneError:
    """The same for somebody who has no program to run without the kernel plane."""
    remedy = problem.remedy
    for tail in (", or run with --no-kernel", ", or with --no-kernel", "run with --no-kernel"):
        remedy = remedy.removesuffix(tail)
    return KernelPlaneError(
        f"cannot attach without the kernel plane: {problem.fact}",
        remedy.replace("run as root", "use sudo"),
    )


def _open(parts: _Parts, folder: Path, run: RunDirectory, *, hide_names: bool) -> None:
    """Shared memory, clock and the recorder; nobody but us has the memory."""
    from anaros.capture.rings.arena import Arena, Segment, remove_folder
    from anaros.capture.rings.recorder import Recorder

    parts.arena = Arena.create(folder)
    parts.arena.hide_names = hide_names
    parts.undo.callback(remove_folder, folder)
    parts.undo.callback(parts.arena.close)
    for place in (0, 1):
        parts.segments.append(Segment.create(folder / f"segment-{place}"))
    parts.recorder = Recorder(parts.arena, (parts.segments[0], parts.segments[1]), run)


def _meta_at_start(
    processes: Sequence[Process], name: str, shared: Path, *, hide_names: bool
) -> dict[str, object]:
    """What a report needs even if we are killed before the end."""
    return {
        "name": name,
        "command": _words(processes[0], hide_names=hide_names),
        "names_hidden": hide_names,
        "attached": [_told(process, hide_names=hide_names) for process in processes],
        "state": "running",
        "start_ns": time.monotonic_ns(),
        "start_unix_ns": time.time_ns(),
        "user": meta.user_name(),
        "versions": {"anaros": __version__},
        "shm": str(shared),
    }


def _words(process: Process, *, hide_names: bool) -> list[str]:
    first = process.command[0].rpartition("/")[2]
    return [first] if hide_names else list(process.command)


def _told(process: Process, *, hide_names: bool) -> dict[str, object]:
    program = process.program
    return {
        "pid": process.pid,
        "command": _words(process, hide_names=hide_names),
        "program": program.rpartition("/")[2] if hide_names else program,
        "uid": process.uid,
        "threads": process.threads,
        "bits": process.bits,
    }


def _program_names(processes: Sequence[Process]) -> list[tuple[int, str]]:
    """What each process was running when it was attached to."""
    return [(process.pid, process.program) for process in processes if process.program]


def _wait(parts: _Parts, processes: Sequence[Process], told: int, duration_s: float | None) -> None:
    """Until a signal, the last target's end, the end of the time, or a full disk."""
    assert parts.recorder is not None
    until = None if duration_s is None else time.monotonic() + duration_s
    poll, alive = select.poll(), {}
    poll.register(told, select.POLLIN)
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(process.pid)
            alive[descriptor] = process.pid
            poll.register(descriptor, select.POLLIN)
    try:
        while alive and parts.recorder.error is None:
            left = _TICK_S if until is None else min(_TICK_S, until - time.monotonic())
            if left <= 0:
                return
            for descriptor, _ in poll.poll(left * 1000):
                if descriptor == told:
                    return
                poll.unregister(descriptor)
                del alive[descriptor]
                os.close(descriptor)
    finally:
        for descriptor in alive:
            os.close(descriptor)


def _finish(parts: _Parts, started_cpu_s: float) -> Attached:
    """Detaches first, so that the target waits for nothing; then makes all durable."""
    assert parts.kernel is not None
    assert parts.recorder is not None
    assert parts.directory is not None
    asked_ns = time.monotonic_ns()
    parts.kernel.keep_no_more()
    if parts.injections is not None:
        if parts.calls is not None:
            parts.calls.conclude()
        parts.injections.detach()
    if parts.calls is not None:
        parts.calls.detach()
    if parts.devices is not None:
        parts.devices.stop()
    parts.kernel.detach()
    detached_ns = time.monotonic_ns()
    parts.recorder.finish()
    parts.finished = True
    if parts.injections is not None:
        parts.injections.settle()
    changes = _meta_at_end(parts, started_cpu_s)
    changes["attach"] = {
        "calls_since_ns": parts.calls_since_ns,
        "witnessed_until_ns": parts.calls.until_ns if parts.calls is not None else None,
        "until_ns": asked_ns,
        "detached_ns": detached_ns,
        "injected": parts.injections.told() if parts.injections is not None else None,
    }
    since_ns = parts.calls_since_ns or min(parts.kernel.since_ns().values())
    parts.kernel.stop()
    error = parts.recorder.error
    if error is not None:
        changes["state"] = "cut short"
        changes["cut_short"] = error.fact
    parts.directory.update_meta(changes)
    seconds = (asked_ns - since_ns) / 1e9
    return Attached(parts.directory.path, parts.recorder.records, seconds, error)


def _meta_at_end(parts: _Parts, started_cpu_s: float) -> dict[str, object]:
    """What is known when all records are durable."""
    import resource

    from anaros.capture.host import machine

    assert parts.kernel is not None
    assert parts.arena is not None
    assert parts.recorder is not None
    usage = resource.getrusage(resource.RUSAGE_SELF)
    by_probe = parts.kernel.drops()
    if parts.calls is not None:
        by_probe["calls"] += parts.calls.missed()
    return {
        "state": "finished",
        "shm": None,
        "end_ns": time.monotonic_ns(),
        "host": machine.identity(),
        "kernel_plane": {
            "active": True,
            "loader": parts.kernel.loader,
            "missing": [
                *parts.kernel.missing(),
                *_unfollowed(parts),
                *(parts.devices.problems() if parts.devices is not None else ()),
                *(parts.injections.kept() if parts.injections is not None else ()),
            ],
            "reason": None,
            "since_ns": _since_ns(parts),
            "cufile": meta.libraries(parts.kernel.cufile(), hidden=parts.arena.hide_names),
        },
        "budget": parts.account.told() if parts.account is not None else None,
        "throttled": meta.throttled(parts.quota, hidden=parts.arena.hide_names),
        "drops": {
            "shim": parts.arena.drops() if parts.injections is not None else None,
            "kernel": sum(by_probe.values()) + parts.recorder.kernel_samples_lost,
            "by_probe": by_probe,
        },
        "devices": _devices(parts),
        "processes": {"seen": 0, "with_shim": 0, "without_shim_count": 0, "without_shim": []},
        "overhead": {
            "record_ns": parts.arena.record_cost_ns() if parts.injections is not None else None,
            "records": parts.recorder.records,
            "supervisor_cpu_s": usage.ru_utime + usage.ru_stime - started_cpu_s,
            "supervisor_rss_bytes": usage.ru_maxrss * 1024,
            "bpf_run_time_ns": parts.kernel.run_time_ns(),
        },
    }


def _since_ns(parts: _Parts) -> dict[str, int]:
    """Each probe, and since when it was at work."""
    assert parts.kernel is not None
    if parts.calls is None or parts.injections is not None:
        return parts.kernel.since_ns()
    return {**parts.kernel.since_ns(), "calls": parts.calls.since_ns}


def _unfollowed(parts: _Parts) -> tuple[str, ...]:
    """What is not told of calls, one sentence each."""
    if parts.calls is not None:
        return parts.calls.missing()
    return (_NO_CALLS,) if parts.injections is None else ()


def _devices(parts: _Parts) -> dict[str, object]:
    """The libraries that were followed, and what was called in them."""
    if parts.devices is None:
        return {"libraries": [], "calls": []}
    hidden = parts.arena is not None and parts.arena.hide_names

    def shown(path: str) -> str:
        return path.rpartition("/")[2] if hidden else path

    libraries = [
        {**library._asdict(), "path": shown(library.path)} for library in parts.devices.libraries
    ]
    calls = [{**one, "library": shown(one["library"])} for one in parts.devices.outcomes()]
    return {"libraries": libraries, "calls": calls}

# SPDX-License-Identifier: Apache-2.0
"""One run, from start to end: ``anaros run -- CMD``.

The order counts. The child is forked first, while this process is small and has one thread, and
goes into its cgroup by itself. A thread brings the kernel plane's probes into the kernel. Meanwhile
come rewrites, run directory, shared memory and clock, and the modules that they need: what the
child and the probes wait for must not be imported before them. When all is in place the child
becomes the program; and only then, while it starts, are numpy and DuckDB imported.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Mapping, Sequence

from anaros import __version__
from anaros.capture.program.child import Child, exit_code, find
from anaros.errors import AnarosError, KernelPlaneError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from anaros.capture.kernel.plane import KernelPlane
    from anaros.capture.kernel.probes import Loading
    from anaros.capture.program.cgroup import Leaf
    from anaros.capture.rings.arena import Arena, Segment
    from anaros.capture.rings.recorder import Recorder
    from anaros.govern.rewrites import Rewrites
    from anaros.store.rundir import RunDirectory

#: Where device times come from unless something else is asked for.
DEVICE_TIME = "queue"


def warn(fact: str, remedy: str = "") -> None:
    """A fact on stderr, in our name, and below it what it means or what helps."""
    lines = f"anaros: {fact}\n  {remedy}" if remedy else f"anaros: {fact}"
    print(lines, file=sys.stderr, flush=True)  # noqa: T201


class _Parts:
    """What a run is made of, as far as it has come; `_close` undoes it."""

    def __init__(self, *, hide_names: bool, device_time: str | None) -> None:
        self.hide_names = hide_names
        self.device_time = device_time or ""
        self.loading: Loading | None = None
        self.leaf: Leaf | None = None
        self.rewrites: Rewrites | None = None
        self.directory: RunDirectory | None = None
        self.arena: Arena | None = None
        self.segments: list[Segment] = []
        self.kernel: KernelPlane | None = None
        self.kernel_reason = ""
        self.nccl_profiler: str | None = None
        self.recorder: Recorder | None = None
        self.undo = contextlib.ExitStack()


def _user_name() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _start(parts: _Parts, child: Child, name: str, *, kernel: bool) -> None:
    """Begins what takes long and needs nothing of us: the probes, the child's way to its cgroup."""
    if kernel:
        from anaros.capture.kernel.probes import Loading

        parts.loading = Loading()
    else:
        parts.kernel_reason = "switched off with --no-kernel"
    from anaros.capture.program.cgroup import Leaf

    parts.leaf = Leaf.create(name)
    child.enter(parts.leaf)


def _attach_kernel(parts: _Parts, child: Child) -> None:
    """The kernel plane, or one line that says what is not seen without it."""
    from anaros.capture.kernel.plane import KernelPlane, Target

    assert parts.recorder is not None
    sample, context = parts.recorder.sample
    try:
        parts.kernel = KernelPlane.start(Target(child.pid), sample, context, parts.loading)
    except KernelPlaneError as problem:
        parts.kernel_reason = problem.fact
        unseen = "waits for CPU, disk and network are not seen"
        warn(f"no kernel plane: {problem.fact}", "; ".join(filter(None, (unseen, problem.remedy))))


def _decide(
    parts: _Parts, argv: Sequence[str], program: str, files: Sequence[str | Path], shared: Path
) -> dict[str, str]:
    """The policy; returns what differs from our environment in the program's."""
    from pathlib import Path

    from anaros.capture.program import nccl
    from anaros.govern.rewrites import decide

    parts.rewrites = decide(
        argv,
        Path(program),
        _user_name(),
        os.environ,
        [Path(file) for file in files],
        parts.leaf.path if parts.leaf is not None else None,
    )
    parts.hide_names |= parts.rewrites.hide_names
    parts.device_time = parts.device_time or parts.rewrites.device_time or DEVICE_TIME
    for problem in parts.rewrites.not_applied:
        warn(f"the policy is not applied: {problem}")
    changes = dict(parts.rewrites.environment)
    present = changes.get("LD_PRELOAD", os.environ.get("LD_PRELOAD", ""))
    library = str(shared / "libanaros.so")
    changes["LD_PRELOAD"] = f"{library}:{present}" if present else library
    parts.nccl_profiler = nccl.taken({**os.environ, **changes})
    if parts.nccl_profiler is None:
        changes[nccl.VARIABLE] = library
    return changes


def _make_directory(
    parts: _Parts, argv: Sequence[str], output: str | Path | None, shared: Path
) -> RunDirectory:
    """The run directory: that it can be written is known before the program starts."""
    from pathlib import Path

    from anaros.store.rundir import RunDirectory, default_run_path

    path = Path(output) if output is not None else default_run_path()
    return RunDirectory.create(path, _meta_at_start(parts, argv, path.name, shared))


def _open(parts: _Parts, folder: Path, run: RunDirectory) -> None:
    """Shared memory, clock and the recorder."""
    from anaros.capture.rings.arena import Arena, Segment, remove_folder
    from anaros.capture.rings.recorder import Recorder

    parts.arena = Arena.create(folder)
    parts.arena.hide_names = parts.hide_names
    parts.arena.device_time = parts.device_time
    parts.undo.callback(remove_folder, folder)
    parts.undo.callback(parts.arena.close)
    for place in (0, 1):
        segment = Segment.create(folder / f"segment-{place}")
        parts.segments.append(segment)
    parts.arena.start_clock()
    assert parts.rewrites is not None
    for runtime in ("cuda", "opencl"):
        order = getattr(parts.rewrites, runtime)
        if order is not None:
            parts.arena.set_device_map(runtime, list(order))
    parts.recorder = Recorder(parts.arena, (parts.segments[0], parts.segments[1]), run)


def _meta_at_start(
    parts: _Parts, argv: Sequence[str], name: str, shared: Path
) -> dict[str, object]:
    """What a report needs even if we are killed before the end."""
    from pathlib import Path

    words = [Path(argv[0]).name] if parts.hide_names else argv
    return {
        "name": name,
        # Bytes that are not UTF-8 are spelled out: JSON cannot hold them.
        "command": [os.fsencode(word).decode(errors="backslashreplace") for word in words],
        "names_hidden": parts.hide_names,
        "state": "running",
        "start_ns": time.monotonic_ns(),
        "start_unix_ns": time.time_ns(),
        "user": _user_name(),
        "working_directory": None
        if parts.hide_names
        else os.fsencode(Path.cwd()).decode(errors="backslashreplace"),
        "versions": {"anaros": __version__},
        "shm": str(shared),
        "cgroup": str(parts.leaf.path) if parts.leaf is not None else None,
        "policy": parts.rewrites.describe() if parts.rewrites is not None else None,
        "device_time": parts.device_time,
        "kernel_plane": _kernel_off(parts.kernel_reason) if parts.kernel_reason else None,
        "nccl_profiler": "hidden"
        if parts.hide_names and parts.nccl_profiler is not None
        else parts.nccl_profiler,
    }


def _libraries(followed: Mapping[str, int], *, hidden: bool) -> list[dict[str, object]]:
    """Where libraries lie, and since when in ns they are followed."""
    return [
        {"path": path.rpartition("/")[2] if hidden else path, "since_ns": since_ns}
        for path, since_ns in followed.items()
    ]


def _kernel_off(reason: str) -> dict[str, object]:
    return {"active": False, "missing": [], "reason": reason}


def _meta_at_end(parts: _Parts, status: int, started_cpu_s: float) -> dict[str, Any]:
    """What is known when all records are durable."""
    import resource

    from anaros.capture.host import machine

    assert parts.arena is not None
    assert parts.recorder is not None
    usage = resource.getrusage(resource.RUSAGE_SELF)
    code = exit_code(status)
    by_probe = parts.kernel.drops() if parts.kernel else None
    lost = parts.recorder.kernel_samples_lost
    residual_last_ns, residual_max_ns = parts.arena.clock_residual_ns()
    return {
        "state": "finished",
        "shm": None,
        "end_ns": time.monotonic_ns(),
        "exit_code": code if code >= 0 else None,
        "term_signal": -code if code < 0 else None,
        "host": machine.identity(),
        "kernel_plane": {
            "active": True,
            "missing": list(parts.kernel.missing()),
            "reason": None,
            "cufile": _libraries(parts.kernel.cufile(), hidden=parts.hide_names),
        }
        if parts.kernel is not None
        else _kernel_off(parts.kernel_reason),
        "drops": {
            "shim": parts.arena.drops() + parts.recorder.unwritten,
            "kernel": sum(by_probe.values()) + lost if by_probe is not None else None,
            "by_probe": by_probe,
        },
        "counters": parts.arena.counters(),
        "policy": parts.rewrites.describe() if parts.rewrites else None,
        "clock": {"residual_last_ns": residual_last_ns, "residual_max_ns": residual_max_ns},
        "overhead": {
            "record_ns": parts.arena.record_cost_ns(),
            "records": parts.recorder.records,
            "supervisor_cpu_s": usage.ru_utime + usage.ru_stime - started_cpu_s,
            "supervisor_rss_bytes": usage.ru_maxrss * 1024,
            "bpf_run_time_ns": parts.kernel.run_time_ns() if parts.kernel else None,
        },
    }


def _finish(parts: _Parts, run: RunDirectory, status: int, started_cpu_s: float) -> None:
    """Drains, writes and closes; what goes wrong is said, the program's fate stands."""
    assert parts.recorder is not None
    parts.recorder.finish()
    changes = _meta_at_end(parts, status, started_cpu_s)
    if parts.kernel is not None:
        parts.kernel.stop()
    if parts.leaf is not None:
        changes["left_running"] = parts.leaf.processes()
        parts.leaf.remove()
    if parts.kernel is not None and parts.recorder.error is None:
        changes["processes"] = parts.recorder.census()
    if parts.recorder.error is not None:
        changes["state"] = "cut short"
        changes["cut_short"] = parts.recorder.error.fact
        warn(parts.recorder.error.fact, parts.recorder.error.remedy)
    if changes["counters"]["device_timers_off"]:
        from anaros import device_time

        for refused in device_time.problems(device_time.outcomes_of(run)):
            warn(refused.fact, refused.remedy)
    try:
        run.update_meta(changes)
    except AnarosError as problem:
        warn(problem.fact, problem.remedy)


def run(
    argv: Sequence[str],
    *,
    output: str | Path | None = None,
    policy_files: Sequence[str | Path] = (),
    kernel: bool = True,
    hide_names: bool = False,
    device_time: str | None = None,
) -> int:
    """Runs a program under observation.

    Args:
        argv: The program and its arguments.
        output: The run directory to make; None: a new one in the usual place.
        policy_files: Policies to apply; none: those of /etc/anaros.
        kernel: Whether to use the kernel plane where it is to be had.
        hide_names: Whether to keep names of files and peers, and the command's arguments, out of
            the run; a policy may ask for it too.
        device_time: Where the times of a device's work come from: `off`, `queue` or `kernel`; None
            is what a policy says, else `DEVICE_TIME`.

    Returns:
        The program's exit code, or minus the signal that ended it.

    Raises:
        AnarosError: The run could not be started; the program did not run.
    """
    program = find(argv[0], os.environ)
    name = f"anaros-{os.geteuid()}-{os.urandom(6).hex()}"
    parts = _Parts(hide_names=hide_names, device_time=device_time)
    child = Child(program, list(argv))
    try:
        _start(parts, child, name, kernel=kernel)
        from anaros.capture.rings.arena import shared_memory_root

        shared = shared_memory_root() / name
        changes = _decide(parts, argv, program, policy_files, shared)
        record = parts.directory = _make_directory(parts, argv, output, shared)
        _open(parts, shared, record)
        if not child.entered():
            warn(f"the program could not be put into the cgroup {parts.leaf and parts.leaf.path}")
        if kernel:
            _attach_kernel(parts, child)
    except BaseException:
        child.abandon()
        _give_up(parts)
        raise
    assert parts.arena is not None
    assert parts.recorder is not None
    parts.arena.recording = True
    usage = os.times()
    try:
        child.release(changes)
    except AnarosError:
        _give_up(parts)
        raise
    parts.recorder.start(parts.kernel)
    status = child.wait()
    _finish(parts, record, status, usage.user + usage.system)
    _close(parts)
    return exit_code(status)


def _close(parts: _Parts) -> None:
    if parts.recorder is not None:
        parts.recorder.close()
    if parts.loading is not None:
        parts.loading.cancel()
    if parts.kernel is not None:
        parts.kernel.stop()
    if parts.rewrites is not None:
        parts.rewrites.revert()
    if parts.leaf is not None:
        parts.leaf.remove()
    for segment in parts.segments:
        segment.close()
    parts.undo.close()


def _give_up(parts: _Parts) -> None:
    """Leaves nothing behind: the program did not run."""
    _close(parts)
    if parts.directory is not None:
        parts.directory.discard()


def recover(path: Path) -> bool:
    """Finishes a run whose supervisor was killed; see `anaros.capture.rings.recovery.recover`."""
    from anaros.capture.rings import recovery

    return recovery.recover(path)

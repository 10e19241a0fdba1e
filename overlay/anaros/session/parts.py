# SPDX-License-Identifier: Apache-2.0
"""What a run is made of: each part made, and all of them undone."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence

from anaros.errors import AnarosError, KernelPlaneError, plain
from anaros.session import meta

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from anaros.capture.attach.bare import BareCalls
    from anaros.capture.host.quota import Quota
    from anaros.capture.kernel.plane import KernelPlane
    from anaros.capture.kernel.probes import Loading
    from anaros.capture.program.cgroup import Leaf
    from anaros.capture.program.child import Child, User
    from anaros.capture.rings.arena import Arena, Segment
    from anaros.capture.rings.recorder import Recorder
    from anaros.govern.rewrites import Rewrites
    from anaros.session.budget import Account
    from anaros.store.rundir import RunDirectory

#: Where device times come from unless something else is asked for.
DEVICE_TIME = "queue"


def warn(fact: str, remedy: str = "") -> None:
    """A fact on stderr, in our name, and below it what it means or what helps."""
    lines = f"anaros: {fact}\n  {remedy}" if remedy else f"anaros: {fact}"
    with contextlib.suppress(OSError, ValueError):  # nobody reads it, or stderr is closed
        print(lines, file=sys.stderr, flush=True)  # noqa: T201


@contextlib.contextmanager
def surviving(what: str) -> Iterator[None]:
    """Around what may fail while the program runs: then it is said, and the program goes on.

    Args:
        what: What is not done when it fails.
    """
    try:
        yield
    except AnarosError as problem:
        warn(problem.fact, problem.remedy)
    except Exception as problem:  # noqa: BLE001 - the program's fate is its own
        warn(f"{what}: {plain(problem)}")


class Parts:
    """What a run is made of, as far as it has come.

    Whoever makes a part registers what undoes it with `undo`, last made first undone, so that no
    failure of one step keeps the others from being undone. `discard` is for what is to go as well
    where the program did not run.
    """

    def __init__(
        self,
        *,
        hide_names: bool,
        device_time: str | None,
        budget: float | None = None,
        user: User | None = None,
    ) -> None:
        self.hide_names = hide_names
        self.budget = budget
        self.device_time = device_time or ""
        self.user = user
        self.loading: Loading | None = None
        self.leaf: Leaf | None = None
        self.rewrites: Rewrites | None = None
        self.directory: RunDirectory | None = None
        self.arena: Arena | None = None
        self.segments: list[Segment] = []
        self.kernel: KernelPlane | None = None
        self.bare: BareCalls | None = None
        self.kernel_reason = ""
        self.quota: Quota | None = None
        self.nccl_profiler: str | None = None
        self.recorder: Recorder | None = None
        self.account: Account | None = None
        self.records = False
        self.undo = contextlib.ExitStack()
        self.discard = contextlib.ExitStack()


def start(parts: Parts, child: Child, name: str, *, kernel: bool) -> None:
    """Begins what takes long and needs nothing of us: the probes, the child's way to its cgroup."""
    if kernel:
        from anaros.capture.kernel.probes import Loading

        parts.loading = Loading()
        parts.undo.callback(parts.loading.cancel)
    else:
        parts.kernel_reason = "switched off with --no-kernel"
    from anaros.capture.program.cgroup import Leaf

    parts.leaf = Leaf.create(name)
    if parts.leaf is not None:
        parts.undo.callback(parts.leaf.remove)
    child.enter(parts.leaf)


def attach_kernel(parts: Parts, child: Child) -> None:
    """The kernel plane, or one line that says what is not seen without it."""
    from anaros.capture.kernel.plane import KernelPlane, Target

    assert parts.recorder is not None
    sample, context = parts.recorder.sample
    try:
        parts.kernel = KernelPlane.start(Target(child.pid), sample, context, parts.loading)
        parts.undo.callback(parts.kernel.stop)
        # Before the probes go nobody else may read their ring.
        parts.undo.callback(parts.recorder.close)
    except KernelPlaneError as problem:
        parts.kernel_reason = problem.fact
        unseen = "waits for CPU, disk and network are not seen"
        warn(f"no kernel plane: {problem.fact}", "; ".join(filter(None, (unseen, problem.remedy))))


def extend(parts: Parts, kernel: KernelPlane) -> None:
    """What of the kernel plane the program need not wait for."""
    kernel.extend()
    parts.bare = kernel.tell_bare()
    if parts.bare is not None:
        parts.undo.callback(parts.bare.free)
        parts.undo.callback(parts.bare.stop)


def decide(
    parts: Parts, argv: Sequence[str], program: str, files: Sequence[str | Path], shared: Path
) -> dict[str, str]:
    """The policy; returns what differs from our environment in the program's."""
    from pathlib import Path

    from anaros.capture.program import nccl
    from anaros.govern.rewrites import decide

    parts.rewrites = decide(
        argv,
        Path(program),
        parts.user[0] if parts.user is not None else meta.user_name(),
        os.environ,
        [Path(file) for file in files],
        parts.leaf.path if parts.leaf is not None else None,
    )
    parts.undo.callback(parts.rewrites.revert)
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


def make_directory(
    parts: Parts, argv: Sequence[str], output: str | Path | None, shared: Path
) -> RunDirectory:
    """The run directory: that it can be written is known before the program starts."""
    from pathlib import Path

    from anaros.store.rundir import RunDirectory, default_run_path

    path = Path(output) if output is not None else default_run_path()
    run = RunDirectory.create(path, meta.at_start(parts, argv, path.name, shared))
    parts.discard.callback(run.discard)
    return run


def open_capture(parts: Parts, folder: Path, run: RunDirectory) -> None:
    """Shared memory, clock and the recorder."""
    from anaros.capture.rings.arena import Arena, Segment, remove_folder
    from anaros.capture.rings.recorder import Recorder

    parts.undo.callback(remove_folder, folder)
    parts.arena = Arena.create(folder)
    parts.undo.callback(parts.arena.close)
    parts.arena.hide_names = parts.hide_names
    parts.arena.device_time = parts.device_time
    if parts.user is not None:
        parts.arena.admit(parts.user[1])
    for place in (0, 1):
        segment = Segment.create(folder / f"segment-{place}")
        parts.undo.callback(segment.close)
        parts.segments.append(segment)
    parts.arena.start_clock()
    assert parts.rewrites is not None
    for runtime in ("cuda", "opencl"):
        order = getattr(parts.rewrites, runtime)
        if order is not None:
            parts.arena.set_device_map(runtime, list(order))
    group = parts.leaf.path if parts.leaf is not None else None
    parts.recorder = Recorder(parts.arena, (parts.segments[0], parts.segments[1]), run, group)
    parts.undo.callback(parts.recorder.close)


def account(parts: Parts) -> Account:
    """What keeps the budget; before the recorder starts."""
    from anaros.session.budget import Account

    assert parts.budget is not None
    assert parts.directory is not None
    assert parts.recorder is not None
    return Account(parts.budget, parts.directory, parts.recorder)


def give_up(parts: Parts) -> None:
    """Leaves nothing behind: the program did not run."""
    with contextlib.ExitStack() as both:
        both.callback(parts.discard.close)
        both.callback(parts.undo.close)

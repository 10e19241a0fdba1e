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
from collections.abc import Sequence

from anaros.capture.program.child import Child, exit_code, find, find_user
from anaros.session.finish import finish
from anaros.session.parts import (
    Parts,
    account,
    attach_kernel,
    decide,
    extend,
    give_up,
    make_directory,
    open_capture,
    start,
    surviving,
    warn,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def run(
    argv: Sequence[str],
    *,
    output: str | Path | None = None,
    policy_files: Sequence[str | Path] = (),
    kernel: bool = True,
    hide_names: bool = False,
    device_time: str | None = None,
    budget: float | None = None,
    user: str | None = None,
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
        budget: What the probes of the kernel plane may take of the CPUs that the program may use,
            as a share; None: whatever they take.
        user: Whom the program is to run as, with that user's groups; None: as we do.

    Returns:
        The program's exit code, or minus the signal that ended it.

    Raises:
        AnarosError: The run could not be started; the program did not run.
    """
    owner = None if user is None else find_user(user)
    program = find(argv[0], os.environ)
    name = f"anaros-{os.geteuid()}-{os.urandom(6).hex()}"
    parts = Parts(hide_names=hide_names, device_time=device_time, budget=budget, user=owner)
    child = Child(program, list(argv), owner)
    try:
        with contextlib.ExitStack() as unless_ready:
            unless_ready.callback(child.abandon)
            changes = _prepare(parts, child, name, argv, program, output, policy_files, kernel)
            unless_ready.pop_all()
        usage = os.times()
        child.release(changes)
    except BaseException:
        with surviving("not all that was prepared could be undone"):
            give_up(parts)
        raise
    status = _follow(parts, child)
    finish(parts, status, usage.user + usage.system)
    return exit_code(status)


def _prepare(
    parts: Parts,
    child: Child,
    name: str,
    argv: Sequence[str],
    program: str,
    output: str | Path | None,
    policy_files: Sequence[str | Path],
    kernel: bool,
) -> dict[str, str]:
    """All that watches the program; returns what its environment has that ours has not."""
    start(parts, child, name, kernel=kernel)
    from anaros.capture.host.quota import Quota
    from anaros.capture.rings.arena import shared_memory_root

    shared = shared_memory_root() / name
    changes = decide(parts, argv, program, policy_files, shared)
    parts.directory = make_directory(parts, argv, output, shared)
    open_capture(parts, shared, parts.directory)
    if not child.entered():
        warn(f"the program could not be put into the cgroup {parts.leaf and parts.leaf.path}")
    parts.quota = Quota(child.pid)
    if kernel:
        attach_kernel(parts, child)
    assert parts.arena is not None
    parts.arena.recording = True
    return changes


def _follow(parts: Parts, child: Child) -> int:
    """Records until the program's end; its wait status, whatever becomes of the recording."""
    assert parts.arena is not None
    assert parts.recorder is not None
    with surviving("the program runs unrecorded"):
        if parts.kernel is not None and parts.budget is not None:
            parts.account = account(parts)
        parts.recorder.start(parts.kernel)
        parts.records = True
        if parts.kernel is not None:
            extend(parts, parts.kernel)
    if parts.kernel is not None and parts.account is not None:
        with surviving("the budget is not kept"):
            parts.account.begin(parts.kernel, [child.pid], parts.bare)
    elif parts.kernel is not None and parts.records:
        with surviving("what the probes take is not known"):
            parts.kernel.measure(parts.bare)
    if not parts.records:
        parts.arena.recording = False
    with surviving("signals to anaros no longer reach the program"):
        return child.wait()
    return child.wait_alone()

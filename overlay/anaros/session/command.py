# SPDX-License-Identifier: Apache-2.0
"""One run, from start to end: ``anaros run -- CMD``.

The order counts. The child is forked first, while this process is small and has one thread, and
goes into its cgroup by itself. A thread brings the kernel plane's probes into the kernel. Meanwhile
come rewrites, run directory, shared memory and clock, and the modules that they need: what the
child and the probes wait for must not be imported before them. When all is in place the child
becomes the program; and only then, while it starts, are numpy and DuckDB imported.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from anaros.capture.program.child import Child, exit_code, find
from anaros.errors import AnarosError
from anaros.session.finish import finish
from anaros.session.parts import (
    Parts,
    attach_kernel,
    close,
    decide,
    give_up,
    make_directory,
    open_capture,
    start,
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
    parts = Parts(hide_names=hide_names, device_time=device_time)
    child = Child(program, list(argv))
    try:
        start(parts, child, name, kernel=kernel)
        from anaros.capture.rings.arena import shared_memory_root

        shared = shared_memory_root() / name
        changes = decide(parts, argv, program, policy_files, shared)
        record = parts.directory = make_directory(parts, argv, output, shared)
        open_capture(parts, shared, record)
        if not child.entered():
            warn(f"the program could not be put into the cgroup {parts.leaf and parts.leaf.path}")
        if kernel:
            attach_kernel(parts, child)
    except BaseException:
        child.abandon()
        give_up(parts)
        raise
    assert parts.arena is not None
    assert parts.recorder is not None
    parts.arena.recording = True
    usage = os.times()
    try:
        child.release(changes)
    except AnarosError:
        give_up(parts)
        raise
    parts.recorder.start(parts.kernel)
    status = child.wait()
    finish(parts, record, status, usage.user + usage.system)
    close(parts)
    return exit_code(status)

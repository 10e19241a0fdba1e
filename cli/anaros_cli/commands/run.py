# SPDX-License-Identifier: Apache-2.0
"""`anaros run`: hands the program to the session. Start-up counts: nothing heavy is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from anaros.errors import UsageError

#: The view ends by itself when the run does; this is how long it may take to draw its last frame.
_VIEW_PATIENCE_S = 3.0


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The run directory to make; default: a new one under ./anaros-runs or $ANAROS_RUNS.",
)
@click.option(
    "--policy",
    "policies",
    type=click.Path(path_type=Path),
    metavar="FILE",
    multiple=True,
    help="A policy file to apply instead of /etc/anaros; may be given again.",
)
@click.option("--no-kernel", is_flag=True, help="Record only what the program itself calls.")
@click.option("--live", is_flag=True, help="Show `anaros xray` on the terminal meanwhile.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="-- CMD...")
def run(
    output: Path | None,
    policies: tuple[Path, ...],
    no_kernel: bool,
    live: bool,
    command: tuple[str, ...],
) -> int:
    """Record a program from its start to its end.

    The program and all that it starts run as they would alone: same terminal, output, signals
    and exit code. What they call, and what the kernel and the devices do for them, goes into a
    run directory.

    \b
    Example:
      anaros run -- python -c "print(sum(range(10)))"
    """  # noqa: D301
    if not command:
        raise UsageError("no program is given", "for example: anaros run -- python serve.py")
    from anaros import session

    def record(path: Path | None) -> int:
        return session.run(
            list(command), output=path, policy_files=policies, kernel=not no_kernel, live=live
        )

    if live:
        with _view(output) as path:
            code = record(path)
    else:
        code = record(output)
    return code if code >= 0 else _end_by(-code)


def _end_by(signal_number: int) -> int:
    """End this process by the signal that ended the program, so that our parent sees the same."""
    import resource
    import signal

    sys.stdout.flush()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if signal_number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(signal_number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal_number,))
    os.kill(os.getpid(), signal_number)
    return 128 + signal_number


@contextmanager
def _view(output: Path | None) -> Iterator[Path]:
    """`anaros xray` in a process of its own, on the terminal, while the block records a run.

    The program keeps stdin, stdout and stderr for itself: the view writes to the terminal
    directly and reads nothing, so it shows best where the program's output goes to a file.

    Yields:
        The run directory to make.
    """
    import subprocess

    from anaros.store.rundir import default_run_path

    path = default_run_path() if output is None else output
    words = [sys.executable, "-m", "anaros_cli.viewer", str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    viewer = subprocess.Popen(words, stdin=subprocess.DEVNULL, env=environment)
    try:
        yield path
        viewer.wait(_VIEW_PATIENCE_S)
    except subprocess.TimeoutExpired:
        return
    finally:
        if viewer.poll() is None:
            viewer.terminate()
            viewer.wait()

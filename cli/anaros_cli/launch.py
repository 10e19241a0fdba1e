# SPDX-License-Identifier: Apache-2.0
"""`anaros run`: hands the program to the session.

Start-up counts: what the program waits for begins before anything but the bare interpreter is
loaded, so pathlib, typing and dataclasses are left to the session.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The view ends by itself when the run does; this is how long it may take to draw its last frame.
_VIEW_PATIENCE_S = 3.0

#: `anaros.capture.rings.arena.DEVICE_TIMES`, which would have to be loaded.
DEVICE_TIMES = ("off", "queue", "kernel")


class Launch:
    """What `anaros run` was asked for.

    Args:
        output: The run directory to make; None is a new one in the usual place.
        policies: Policy files to apply instead of /etc/anaros.
        kernel: Use the kernel plane where it is to be had.
        live: Show the run on the terminal meanwhile.
        command: The program and its words.
        hide_names: Keep names of files and peers, and the command's arguments, out of the run.
        device_time: Where device times come from; None is what the policy says, or the default.
        budget: What the kernel plane may take of the CPUs, as a share; None: whatever it takes.
        user: Whom the program is to run as; None: as we do.
    """

    def __init__(
        self,
        output: str | None,
        policies: tuple[str, ...],
        kernel: bool,
        live: bool,
        command: tuple[str, ...],
        hide_names: bool = False,
        device_time: str | None = None,
        budget: float | None = None,
        user: str | None = None,
    ) -> None:
        self.output = output
        self.policies = policies
        self.kernel = kernel
        self.live = live
        self.command = command
        self.hide_names = hide_names
        self.device_time = device_time
        self.budget = budget
        self.user = user


def parse(words: Sequence[str]) -> Launch | None:
    """The words of a plain ``run [OPTION]... -- CMD...``.

    Returns:
        None for whatever click has to judge: another command, help, a mistake, a shorthand.
    """
    if not words or words[0] != "run" or "--" not in words[1:-1]:
        return None
    given: dict[str, Any] = {}
    kernel, live, hide_names = True, False, False
    rest = iter(words[1:])
    for word in rest:
        match word:
            case "--":
                return Launch(
                    given.get("--output"),
                    given.get("--policy", ()),
                    kernel,
                    live,
                    tuple(rest),
                    hide_names,
                    given.get("--device-time"),
                    given.get("--budget"),
                    given.get("--user"),
                )
            case "--no-kernel":
                kernel = False
            case "--live":
                live = True
            case "--hide-names":
                hide_names = True
            case "--output" | "--policy" | "--device-time" | "--budget" | "--user":
                if not _take(given, word, next(rest, None)):
                    return None
            case _:
                return None
    return None


def _take(given: dict[str, Any], option: str, value: str | None) -> bool:
    """Keeps what an option was given; whether it means something."""
    if value is None:
        return False
    match option:
        case "--policy":
            given[option] = (*given.get(option, ()), value)
        case "--budget":
            given[option] = share(value)
        case "--device-time":
            given[option] = value if value in DEVICE_TIMES else None
        case _:
            given[option] = value
    return given[option] is not None


def share(word: str) -> float | None:
    """The budget that a word means; None where it means none."""
    from anaros.capture.kernel.budget import parse
    from anaros.errors import UsageError

    try:
        return parse(word)
    except UsageError:
        return None


def launch(asked: Launch) -> int:
    """Record the program.

    Returns:
        Its exit code. Where a signal ended it, that signal ends this process too.

    Raises:
        AnarosError: The run could not be started; the program did not run.
    """
    from anaros import session

    if asked.budget is not None and not asked.kernel:
        from anaros.errors import UsageError

        raise UsageError(
            "--budget is for the kernel plane, which --no-kernel leaves out",
            "give one of them",
        )

    def record(path: str | None) -> int:
        return session.run(
            list(asked.command),
            output=path,
            policy_files=asked.policies,
            kernel=asked.kernel,
            hide_names=asked.hide_names,
            device_time=asked.device_time,
            budget=asked.budget,
            user=asked.user,
        )

    if asked.live:
        with view(asked.output) as path:
            code = record(path)
    else:
        code = record(asked.output)
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
def view(output: str | None) -> Iterator[str]:
    """`anaros xray` in a process of its own, on the terminal, while the block records a run.

    The program keeps stdin, stdout and stderr for itself: the view writes to the terminal
    directly and reads nothing, so it shows best where the program's output goes to a file.

    Yields:
        The run directory to make.
    """
    import subprocess

    from anaros.store.rundir import default_run_path

    path = str(default_run_path()) if output is None else output
    words = [sys.executable, "-m", "anaros_cli.viewer", path]
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

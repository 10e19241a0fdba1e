# SPDX-License-Identifier: Apache-2.0
"""`anaros xray`: a run while it happens. The only module that owns a live display."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click

from anaros.errors import RunDirectoryError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from anaros_cli.live import Source
    from anaros_cli.snapshot import Snapshot

#: Seconds between two frames.
PERIOD_S = 0.25
_NICENESS = 10


@click.command()
@click.argument("run", required=False)
@click.option("--live", is_flag=True, help="Only a run that goes on; fail where none does.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 3600),
    default=10.0,
    show_default=True,
    help="How far to look back.",
)
@click.option("--once", is_flag=True, help="Print one frame and end.")
@click.option("--json", "as_json", is_flag=True, help="Print one snapshot as JSON and end.")
def xray(run: str | None, live: bool, seconds: float, once: bool, as_json: bool) -> None:
    """Watch a run while it happens.

    RUN is a run directory or its name; without one it is the latest. Four times a second it
    shows the last seconds: the stages, the rate and times of requests, what the slowest waited
    for, who delayed it, what was lost, the device memory held, and the busiest files, sockets
    and kernels. `q` or Ctrl-C ends the view, never the run. Of a finished run, and where stdout
    is no terminal, it prints one frame.

    \b
    Example:
      anaros xray --once
    """  # noqa: D301
    if run is not None and live:
        raise UsageError("RUN and --live exclude each other", "give one of the two")
    from anaros_cli import snapshot
    from anaros_cli.opening import open_run
    from anaros_cli.progress import working

    opened = open_run(run)
    going = opened.meta().get("state") == "running"
    if live and not going:
        raise RunDirectoryError("no run goes on", "start one: anaros run -- CMD")

    source: Source | None = None
    if going:
        from anaros_cli.live import SharedMemory

        source = SharedMemory(opened)

    look = snapshot.Looks(opened, seconds, source)
    if as_json:
        from dataclasses import asdict

        from anaros_cli.output import print_json

        with working("Reading the run"):
            found = asdict(look())
        print_json(found)
    elif once or not going or not sys.stdout.isatty():
        from anaros_cli.terminal import show
        from anaros_cli.views.xray import frame

        with working("Reading the run"):
            seen = look()
        show(lambda width: frame(seen, width))
    else:
        from anaros_cli.terminal import console

        watch(look, console())


def watch(look: Callable[[], Snapshot], console: Console) -> None:
    """Show ``look()`` every PERIOD_S until the run ends or `q` is pressed.

    The frames are on the alternate screen; the last one stays on the terminal when it ends.
    However it ends, the terminal is as it was before. The workload comes first: this process
    steps back behind it, and rests at least as long as a look took.
    """
    import signal
    import time

    from rich.live import Live

    from anaros_cli.views.xray import Frame

    os.nice(_NICENESS)
    seen = look()
    signal.signal(signal.SIGTERM, _terminated)
    display = Live(
        Frame(seen), console=console, screen=True, auto_refresh=False, redirect_stderr=False
    )
    with _keys() as pressed, contextlib.ExitStack() as undo:
        undo.callback(display.stop)
        with _uninterrupted():
            display.start(refresh=True)
        rest_s = PERIOD_S
        while seen.live and not pressed(rest_s):
            began = time.monotonic()
            seen = look()
            display.update(Frame(seen), refresh=True)
            took_s = time.monotonic() - began
            rest_s = max(PERIOD_S - took_s, took_s)
    console.print(Frame(seen))


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """What would end this process takes effect after the block: half of it cannot be undone."""
    import signal

    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for first in came[:1]:
        signal.raise_signal(first)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    raise SystemExit(128 + number)


@contextmanager
def _keys() -> Iterator[Callable[[float], bool]]:
    """A function that waits some seconds and tells whether `q` was pressed meanwhile.

    Keys arrive at once and unseen while the block runs; then the terminal is as it was.
    """
    import select
    import termios
    import time
    import tty

    if not sys.stdin.isatty():

        def sleep(seconds: float) -> bool:
            time.sleep(seconds)
            return False

        yield sleep
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def pressed(seconds: float) -> bool:
        ready, _, _ = select.select([descriptor], [], [], seconds)
        return bool(ready) and b"q" in os.read(descriptor, 1024).lower()

    try:
        tty.setcbreak(descriptor, termios.TCSANOW)
        yield pressed
    finally:
        termios.tcsetattr(descriptor, termios.TCSANOW, before)

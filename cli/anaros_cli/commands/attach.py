# SPDX-License-Identifier: Apache-2.0
"""`anaros attach` for click: its options and help. ``follow`` does the work."""

from __future__ import annotations

import math

import click

from anaros.capture.kernel.budget import parse
from anaros.errors import UsageError
from anaros_cli import follow


def _share(_context: click.Context, _parameter: click.Parameter, word: str | None) -> float | None:
    """The budget that is given."""
    return None if word is None else parse(word)


def _seconds(_context: click.Context, _parameter: click.Parameter, s: float | None) -> float | None:
    """The time that is given; "nan" passes any range."""
    if s is not None and math.isnan(s):
        raise click.BadParameter("nan is no time")
    return s


@click.command()
@click.option(
    "--output",
    type=click.Path(),
    metavar="DIR",
    help="The run directory to make; default: a new one under ./anaros-runs or $ANAROS_RUNS.",
)
@click.option(
    "--duration",
    type=click.FloatRange(min=0, min_open=True),
    callback=_seconds,
    metavar="S",
    help="Detach after so many seconds; default: with Ctrl-C, or when the last process ends.",
)
@click.option(
    "--hide-names",
    is_flag=True,
    help="Record no names of files and peers, and of the commands only the programs.",
)
@click.option(
    "--inject",
    is_flag=True,
    help="Load the shim into the processes, so that they record as under `anaros run`.",
)
@click.option(
    "--budget",
    callback=_share,
    metavar="N%",
    help="What the probes in the kernel may take of the CPUs that the processes may use, such as "
    "1%; where they take more, the dearest are given up for a while.",
)
@click.option("--live", is_flag=True, help="Show `anaros xray` on the terminal meanwhile.")
@click.argument("pids", nargs=-1, type=click.IntRange(min=1), metavar="PID...")
def attach(
    output: str | None,
    duration: float | None,
    hide_names: bool,
    live: bool,
    inject: bool,
    budget: float | None,
    pids: tuple[int, ...],
) -> int:
    """Record processes that run already.

    What they start is recorded too. The kernel tells what they call and what they wait for: no code
    enters them unless --inject is given, and they are not stopped. Ctrl-C detaches and leaves
    nothing behind. It takes root, or the owner of the processes with CAP_BPF and CAP_PERFMON.

    \b
    Example:
      anaros attach --duration 10 4711
    """  # noqa: D301
    if not pids:
        raise UsageError("no process is given", "for example: anaros attach 4711")
    return follow.follow(follow.Follow(pids, output, duration, hide_names, live, inject, budget))

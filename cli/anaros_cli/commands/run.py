# SPDX-License-Identifier: Apache-2.0
"""`anaros run` for click: its options and help. ``launch`` does the work."""

from __future__ import annotations

import click

from anaros.capture.kernel.budget import parse
from anaros.errors import UsageError
from anaros_cli import launch


def _share(_context: click.Context, _parameter: click.Parameter, word: str | None) -> float | None:
    """The budget that is given."""
    return None if word is None else parse(word)


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "--output",
    type=click.Path(),
    metavar="DIR",
    help="The run directory to make; default: a new one under ./anaros-runs or $ANAROS_RUNS.",
)
@click.option(
    "--policy",
    "policies",
    type=click.Path(),
    metavar="FILE",
    multiple=True,
    help="A policy file to apply instead of /etc/anaros; may be given again.",
)
@click.option("--no-kernel", is_flag=True, help="Record only what the program itself calls.")
@click.option(
    "--hide-names",
    is_flag=True,
    help="Record no names of files and peers, and of the command only the program.",
)
@click.option(
    "--device-time",
    type=click.Choice(launch.DEVICE_TIMES),
    help="Where the times of a device's work come from: nowhere, the program's own calls (the "
    "default), or the vendor's profiling library.",
)
@click.option(
    "--budget",
    callback=_share,
    metavar="N%",
    help="What the probes in the kernel may take of the CPUs that the program may use, such as 1%; "
    "where they take more, the dearest are given up for a while.",
)
@click.option(
    "--user",
    metavar="NAME",
    help="Run the program as this user, with the user's groups; takes root.",
)
@click.option("--live", is_flag=True, help="Show `anaros xray` on the terminal meanwhile.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="-- CMD...")
def run(
    output: str | None,
    policies: tuple[str, ...],
    no_kernel: bool,
    hide_names: bool,
    device_time: str | None,
    budget: float | None,
    user: str | None,
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
    kernel = not no_kernel
    return launch.launch(
        launch.Launch(
            output, policies, kernel, live, command, hide_names, device_time, budget, user
        )
    )

# SPDX-License-Identifier: Apache-2.0
"""The entry point: finds the command, runs it, and alone prints errors and sets exit codes.

Exit codes: 0 done, 1 failed, 2 usage, 130 Ctrl-C, the child's own for ``run``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from anaros import __version__
from anaros_cli.errors import explain
from anaros_cli.lazy import Entry, LazyGroup

COMMANDS = {
    "run": Entry("anaros_cli.commands.run:run", "Record a program from its start to its end."),
    "report": Entry(
        "anaros_cli.commands.report:report", "Explain a run: where its requests spent their time."
    ),
    "query": Entry("anaros_cli.commands.query:query", "Ask a run a question in SQL."),
    "xray": Entry("anaros_cli.commands.xray:xray", "Watch a run while it happens."),
    "doctor": Entry(
        "anaros_cli.commands.doctor:doctor", "Say what works on this machine, and what does not."
    ),
}


@click.group(
    cls=LazyGroup,
    entries=COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="anaros", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """See where the requests of an unmodified program spend their time.

    Anaros starts a program, records its calls and what the kernel and the devices did for it,
    and explains each stage: how long it took, what it waited for, what carried it.

    \b
    Example:
      anaros run -- python serve.py
      anaros report
    """  # noqa: D301
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The words after the program's name; None takes the process's own.

    Returns:
        The exit code of the process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if "_ANAROS_COMPLETE" in os.environ:
            cli.main(words, prog_name="anaros")
        with cli.make_context("anaros", words) as context:
            result = cli.invoke(context)
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 - explain() raises what it does not know
        return explain(error)
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    sys.exit(main())

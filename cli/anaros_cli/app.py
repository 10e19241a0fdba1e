# SPDX-License-Identifier: Apache-2.0
"""The command line as click knows it: the commands, and where each lives."""

from __future__ import annotations

import click

from anaros import __version__
from anaros_cli.lazy import Entry, LazyGroup

COMMANDS = {
    "run": Entry("anaros_cli.commands.run:run", "Record a program from its start to its end."),
    "attach": Entry("anaros_cli.commands.attach:attach", "Record processes that run already."),
    "report": Entry(
        "anaros_cli.commands.report:report", "Explain a run: where its requests spent their time."
    ),
    "query": Entry("anaros_cli.commands.query:query", "Ask a run a question in SQL."),
    "xray": Entry("anaros_cli.commands.xray:xray", "Watch a run while it happens."),
    "policy": Entry(
        "anaros_cli.commands.policy:policy", "Look at policy files and at what they would do."
    ),
    "doctor": Entry(
        "anaros_cli.commands.doctor:doctor", "Say what works on this machine, and what does not."
    ),
}


@click.group(
    cls=LazyGroup,
    entries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="anaros", message="%(prog)s %(version)s")
def cli() -> None:
    """See where the requests of an unmodified program spend their time.

    Anaros starts a program, records its calls and what the kernel and the devices did for it,
    and explains each stage: how long it took, what it waited for, what carried it.

    \b
    Example:
      anaros run -- python serve.py
      anaros report
    """  # noqa: D301

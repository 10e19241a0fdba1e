# SPDX-License-Identifier: Apache-2.0
"""Click groups: one that helps along, and one that imports a command only when it is used.

`anaros run` must be at work before a slow import is done, and `anaros --help` must not load a
database to list six names. So each command is a line in a table: where it lives, and its short
help, which a test compares with the command's own.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import click

from anaros.errors import UsageError


class Entry(NamedTuple):
    """Where a command lives and the line that lists it.

    Attributes:
        target: ``module:attribute`` of the click command.
        summary: The command's short help.
    """

    target: str
    summary: str


class NearGroup(click.Group):
    """A group that alone prints its help, and names the commands that a wrong word is near to."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["invoke_without_command"] = True
        super().__init__(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was named; without one, print help.

        Raises:
            click.UsageError: Its words are wrong; the error knows whose they are.
        """
        try:
            result = super().invoke(ctx)
        except click.UsageError as error:
            name = ctx.invoked_subcommand
            # click leaves it open where an option lacks its argument.
            if error.ctx is None and name is not None:
                command = self.get_command(ctx, name)
                assert command is not None
                error.ctx = click.Context(command, ctx, info_name=name)
            raise
        if ctx.invoked_subcommand is None:
            click.echo(ctx.get_help())
        return result

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which names are near.

        Raises:
            UsageError: There is no such command.
        """
        name, known = args[0], self.list_commands(ctx)
        if name in known or name.startswith("-"):
            return super().resolve_command(ctx, args)
        words = " ".join([*ctx.command_path.split()[1:], name])
        raise UsageError(f"there is no command {words!r}", _nearest(name, known))


class LazyGroup(NearGroup):
    """A group whose commands are loaded on first use.

    Args:
        entries: The commands by name, in the order in which help lists them.
    """

    def __init__(self, *args: Any, entries: Mapping[str, Entry], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.entries = dict(entries)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names in the order of the table."""
        return list(self.entries)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        """Import the module of ``cmd_name``; None where the table does not have it."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002
        formatter: click.HelpFormatter,
    ) -> None:
        """List the commands from the table, so that help imports none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in self.entries.items()])


def _nearest(name: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"the commands are {', '.join(known)}"

# SPDX-License-Identifier: Apache-2.0
"""`anaros policy`: look at policy files and at what they would do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anaros.errors import UsageError
from anaros_cli.lazy import NearGroup

if TYPE_CHECKING:
    from anaros.policy import Policy

FILES = click.argument(
    "files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...", required=False
)
NAMED = click.option(
    "--policy",
    "files",
    type=click.Path(path_type=Path),
    metavar="FILE",
    multiple=True,
    help="A policy file to read instead of /etc/anaros; may be given again.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=NearGroup)
def policy() -> None:
    """Look at policy files and at what they would do.

    A policy names, for each tenant, the devices that a program sees and the network that its
    connections take. `anaros run` applies those of /etc/anaros, or those that are named with
    --policy. None of these commands changes anything.

    \b
    Example:
      anaros policy check my.yaml
      anaros policy explain --policy my.yaml -- python serve.py
    """  # noqa: D301


@policy.command()
@FILES
@JSON
def check(files: tuple[Path, ...], as_json: bool) -> int:
    """Say everything that is wrong in policy files.

    Without a FILE those of /etc/anaros are checked: they must also belong to root and not be
    writable by others. The exit code is 1 where something is wrong.

    \b
    Example:
      anaros policy check /etc/anaros/*.yaml
    """  # noqa: D301
    from anaros.policy import Problem, examine

    policy, found = examine(list(files) or None)
    if as_json:
        from anaros_cli.output import print_json

        print_json(
            {
                "valid": not found,
                "files": [str(path) for path in policy.files],
                "digest": policy.digest if policy.digest and not found else None,
                "problems": [
                    {
                        "file": str(one.place.file) if isinstance(one, Problem) else None,
                        "line": one.place.line if isinstance(one, Problem) else None,
                        "column": one.place.column if isinstance(one, Problem) else None,
                        "fact": one.fact,
                        "remedy": one.remedy or None,
                    }
                    for one in found
                ],
            }
        )
    else:
        from anaros_cli.terminal import console
        from anaros_cli.views.policy import check_frame

        console().print(check_frame(policy, found))
    return 1 if found else 0


@policy.command()
@NAMED
@JSON
def show(files: tuple[Path, ...], as_json: bool) -> int:
    """Show the policy in force: its tenants, rules and digest.

    \b
    Example:
      anaros policy show
      anaros policy show --policy my.yaml --json
    """  # noqa: D301
    policy = _load(files)
    if as_json:
        from anaros_cli.output import print_json
        from anaros_cli.views.policy import plain

        print_json(
            {
                "digest": policy.digest or None,
                "files": [str(path) for path in policy.files],
                "tenants": plain(policy.tenants),
            }
        )
    else:
        from anaros_cli.terminal import console
        from anaros_cli.views.policy import show_frame

        console().print(show_frame(policy))
    return 0


@policy.command(context_settings={"allow_interspersed_args": False})
@NAMED
@click.option("--user", metavar="NAME", help="The user or uid it would run as; default: you.")
@JSON
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="-- CMD...")
def explain(
    files: tuple[Path, ...], user: str | None, as_json: bool, command: tuple[str, ...]
) -> int:
    """Say what the policy would do for a command, and why.

    Which tenant it is and why it is not one of those before; what would be rewritten; and what
    on this machine stands in the way. Nothing is started and nothing is changed. The exit code
    is 1 where a rule could not be applied here.

    \b
    Example:
      anaros policy explain --policy my.yaml -- python serve.py
    """  # noqa: D301
    if not command:
        raise UsageError("no program is given", "for example: anaros policy explain -- python x.py")
    found = _explain(_load(files), user, command)
    if as_json:
        from anaros_cli.output import print_json

        print_json(found)
    else:
        from anaros_cli.terminal import console
        from anaros_cli.views.policy import explain_frame

        console().print(explain_frame(found))
    return 1 if found["obstacles"] else 0


def _load(files: tuple[Path, ...]) -> Policy:
    from anaros.policy import load

    return load(list(files) or None)


def _own_name() -> str:
    import os
    from pwd import getpwuid

    try:
        return getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _explain(policy: Policy, user: str | None, command: tuple[str, ...]) -> dict[str, Any]:
    """What the policy says about a command, as plain data."""
    import os

    from anaros.errors import GovernError
    from anaros.govern import device, fabric, plan
    from anaros.policy import select
    from anaros.policy.selection import find_program
    from anaros_cli.views.policy import plain

    environment = dict(os.environ)
    program = find_program(command[0], environment)
    if program is None:
        raise UsageError(f"there is no program {command[0]!r}", "check the name, or its PATH")
    decision = select(policy, user or _own_name(), program, command)
    obstacles: list[GovernError] = []
    rewrites: list[dict[str, Any]] = []
    if decision.device is not None:
        try:
            found = device.rewrite(decision, environment)
        except GovernError as error:
            obstacles.append(error)
        else:
            rewrites.append(
                {
                    "what": "device",
                    "reason": decision.device.reason,
                    "notes": list(found.notes),
                    "environment": found.environment,
                    "cuda_order": found.cuda,
                    "opencl_order": found.opencl,
                }
            )
    if decision.hide_names:
        rewrites.append(
            {
                "what": "hide_names",
                "reason": "the policy asks for it",
                "notes": [
                    "names of files and peers, and the command's arguments, are not recorded"
                ],
            }
        )
    if decision.device_time:
        rewrites.append(
            {
                "what": "device_time",
                "reason": "the policy asks for it",
                "notes": [f"device times: {decision.device_time}"],
            }
        )
    if decision.fabric:
        obstacles += plan.obstacles(decision.fabric)
        rewrites += [
            {
                "what": "fabric",
                "reason": rule.reason,
                "notes": [f"connections {fabric.describe_rule(rule)}"],
            }
            for rule in decision.fabric
        ]
    return {
        "program": str(program),
        "digest": decision.digest or None,
        "tenant": decision.tenant,
        "tried": plain(decision.verdicts),
        "rewrites": rewrites,
        "obstacles": [{"fact": one.fact, "remedy": one.remedy or None} for one in obstacles],
    }

# SPDX-License-Identifier: Apache-2.0
"""`anaros doctor`: what works on this machine."""

from __future__ import annotations

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> int:
    """Say what works on this machine, and what does not.

    Each line is a fact; where something is missing, the line below it is the remedy. Nothing is
    changed. The exit code is 0 where `anaros run` can work at all, else 1: without root, BTF or
    a GPU a run still records what the program itself calls.

    \b
    Example:
      anaros doctor
    """  # noqa: D301
    from anaros.capture.host import checks, machine
    from anaros_cli.progress import working

    with working("Looking at this machine"):
        found = checks.examine()
    works = checks.can_run(found)
    if as_json:
        from anaros_cli.output import print_json

        rows = [
            {
                "name": check.name,
                "state": check.state.value,
                "fact": check.fact,
                "remedy": check.remedy or None,
                "required": check.required,
            }
            for check in found
        ]
        facts = {"host": machine.identity(), "versions": checks.versions()}
        print_json({"works": works, "checks": rows, **facts})
    else:
        from anaros_cli.terminal import show
        from anaros_cli.views.doctor import frame

        show(lambda _: frame(found, works))
    return 0 if works else 1

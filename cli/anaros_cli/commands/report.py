# SPDX-License-Identifier: Apache-2.0
"""`anaros report`: the run, stage by stage."""

from __future__ import annotations

import click

from anaros_cli.window import WindowType


@click.command()
@click.argument("run", required=False)
@click.option(
    "--window",
    type=WindowType(),
    metavar="A..B",
    help="Only the seconds A to B after the start; -10.. is the last ten.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def report(
    run: str | None, window: tuple[float | None, float | None] | None, as_json: bool
) -> None:
    """Explain a run: where its requests spent their time.

    RUN is a run directory or its name; without one it is the latest. For each stage the report
    tells the time of its own and the time that it waited, and its share of the slowest 1 % of
    requests; below that, what was lost or not seen. A program without requests gets its calls
    by kind. What is unknown is shown as —.

    \b
    Example:
      anaros report --window 2..5
    """  # noqa: D301
    from anaros.report import build, window_ns
    from anaros_cli.opening import open_run
    from anaros_cli.progress import working

    opened = open_run(run)
    with working("Reading the run"):
        found = build(opened, None if window is None else window_ns(opened, *window))
    if as_json:
        from anaros_cli.output import print_json

        print_json(found)
    else:
        from anaros_cli.terminal import show
        from anaros_cli.views.report import frame

        show(lambda width: frame(found, width))

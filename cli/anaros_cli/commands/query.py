# SPDX-License-Identifier: Apache-2.0
"""`anaros query`: SQL over a run."""

from __future__ import annotations

import sys

import click

from anaros.errors import UsageError

FORMATS = ("table", "json", "csv")


@click.command()
@click.argument("run")
@click.argument("sql")
@click.option(
    "--format",
    "shape",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How to print the rows.",
)
@click.option("--json", "shape", flag_value="json", help="The same as --format json.")
def query(run: str, sql: str, shape: str) -> None:
    """Ask a run a question in SQL.

    RUN is a run directory or its name; `latest` is the latest. SQL is DuckDB's; `-` reads it
    from stdin. The views are records (one row for each event; kind and name in words), requests,
    spans, names and segments.

    \b
    Example:
      anaros query latest "SELECT kind, count(*) AS calls FROM records GROUP BY ALL"
    """  # noqa: D301
    statement = sys.stdin.read() if sql == "-" else sql
    if not statement.strip():
        raise UsageError("no SQL is given", 'for example: anaros query latest "FROM requests"')
    from anaros.store import sql as store
    from anaros.store.segments import damaged_segments
    from anaros_cli.opening import open_run
    from anaros_cli.progress import working
    from anaros_cli.views import query as view

    opened = open_run(run)
    with working("Asking the run"):
        result = store.query(opened, statement)
    for damaged in damaged_segments(opened):
        click.echo(f"anaros: {damaged.path.name} is not in this: {damaged.reason}", err=True)
    if shape == "json":
        from anaros_cli.output import print_json

        print_json(view.objects(result.columns, result.rows))
    elif shape == "csv":
        view.write_csv(sys.stdout, result.columns, result.rows)
    else:
        from anaros_cli.terminal import show

        show(lambda width: view.frame(result.columns, result.rows, width))

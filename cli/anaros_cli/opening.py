# SPDX-License-Identifier: Apache-2.0
"""Finds the run that a command is about, and makes it readable first where it has to be."""

from __future__ import annotations

from anaros.store.rundir import RunDirectory, resolve_run
from anaros_cli.progress import working


def open_run(word: str | None) -> RunDirectory:
    """The run that ``word`` names, the latest where None.

    Where its supervisor was killed, what the rings still hold is recovered first.

    Raises:
        RunDirectoryError: There is no such run, or it cannot be read.
    """
    path = resolve_run(word)
    run = RunDirectory.open(path)
    if run.meta().get("state") == "running":
        from anaros import session

        with working("Recovering the run"):
            session.recover(path)
    return run

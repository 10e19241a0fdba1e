# SPDX-License-Identifier: Apache-2.0
"""``python -m anaros_cli.viewer RUN``: the view of `anaros run --live`, on the terminal itself."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from anaros.errors import AnarosError, CaptureError
from anaros.store.rundir import RunDirectory
from anaros_cli.errors import explain

#: A run directory is there a moment after the view starts, or its run could not start.
PATIENCE_S = 5.0
_SECONDS = 10.0


def main(path: Path) -> int:
    """Show the run that is about to be made at ``path`` until it ends."""
    try:
        _show(path)
    except (AnarosError, OSError, KeyboardInterrupt, SystemExit) as error:
        return explain(error)
    return 0


def _show(path: Path) -> None:
    from anaros_cli import snapshot, terminal
    from anaros_cli.commands.xray import watch
    from anaros_cli.live import SharedMemory

    try:
        screen = open("/dev/tty", "w")  # noqa: PTH123, SIM115 - it lives as long as this process
    except OSError as error:
        raise CaptureError(
            f"no terminal to show xray on: {error.strerror}", "run anaros xray on one"
        ) from error
    run = _awaited(path)
    source = SharedMemory(run)
    watch(snapshot.Looks(run, _SECONDS, source), terminal.console(screen))


def _awaited(path: Path) -> RunDirectory:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return RunDirectory.open(path)
        except AnarosError:
            if time.monotonic() > until:
                raise
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

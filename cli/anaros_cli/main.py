# SPDX-License-Identifier: Apache-2.0
"""The entry point: runs the command, and alone prints errors and sets exit codes.

Exit codes: 0 done, 1 failed, 2 usage, 130 Ctrl-C, the child's own for ``run``. A plain
``anaros run`` or ``attach`` is started without click, whose import is a fifth of the time that a
run may add to a program's start; all other words go to click.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from anaros_cli import follow, launch
from anaros_cli.errors import explain, interruptible


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The words after the program's name; None takes the process's own.

    Returns:
        The exit code of the process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    plain, asked = launch.parse(words), follow.parse(words)
    try:
        if plain is not None:
            code = launch.launch(plain)
        elif asked is not None:
            code = follow.follow(asked)
        else:
            with interruptible():
                code = _click(words)
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 - explain() raises what it does not know
        return explain(error)
    if arguments is None and (plain is not None or asked is not None):
        # All is written and closed. Whoever waits for the program need not wait until Python has
        # taken numpy and DuckDB apart, which takes 50 ms.
        os._exit(code)
    return code


def _click(words: list[str]) -> int:
    from anaros_cli.app import cli

    if "_ANAROS_COMPLETE" in os.environ:
        cli.main(words, prog_name="anaros")
    with cli.make_context("anaros", words) as context:
        result = cli.invoke(context)
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    sys.exit(main())

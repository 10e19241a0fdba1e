# SPDX-License-Identifier: Apache-2.0
"""Turns whatever ends a command into two lines on stderr and an exit code.

Only ``main`` calls this: commands raise, views draw.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from anaros.errors import AnarosError

FAILED = 1
USAGE = 2
INTERRUPTED = 128 + signal.SIGINT
BROKEN_PIPE = 128 + signal.SIGPIPE

#: What DuckDB makes of a SIGINT that comes while it works.
_DUCKDB_INTERRUPTED = "Query interrupted"


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: What can be done where the operating system refuses and nobody has said it better.
_OS_REMEDIES = {
    **dict.fromkeys(_FULL, "make room there, or write to another place"),
    errno.EROFS: "write to another place",
    errno.EACCES: "ask its owner, or use sudo",
    errno.EPERM: "ask its owner, or use sudo",
    errno.ENOENT: "check the name",
    errno.ENOTDIR: "check the name: a part of this path is a file",
    errno.EMFILE: "allow more open files: ulimit -n 4096",
    errno.ENOMEM: "free some memory",
}


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C ends the block by KeyboardInterrupt, whatever else is made of it on the way.

    A module in C that is being imported, such as DuckDB's, makes an ImportError of it.
    """
    came = False

    def interrupt(*_: object) -> None:
        nonlocal came
        came = True
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except Exception as error:
        if came:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def explain(error: BaseException) -> int:
    """Say what ``error`` is, where there is something to say.

    Returns:
        The exit code of the process.

    Raises:
        BaseException: ``error`` itself where it is a defect of Anaros, so that its traceback shows.
    """
    match error:
        case AnarosError():
            return _say(error.fact, error.remedy, error.exit_code)
        case KeyboardInterrupt():
            return INTERRUPTED
        case RuntimeError() if str(error) == _DUCKDB_INTERRUPTED:
            return INTERRUPTED
        case BrokenPipeError():
            return _hang_up()
        case ModuleNotFoundError() if not _is_ours(error.name):
            fact = f"the Python package {error.name} is missing"
            return _say(fact, "run scripts/setup, or install anaros again", FAILED)
        case OSError():
            return _say(_os_fact(error), _OS_REMEDIES.get(error.errno or 0, ""), FAILED)
        case _:
            return _explain_click(error)


def _explain_click(error: BaseException) -> int:
    if type(error).__module__.partition(".")[0] != "click":
        raise error
    import click

    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case click.exceptions.Abort():
            return INTERRUPTED
        case click.UsageError():
            path = error.ctx.command_path if error.ctx else "anaros"
            return _say(_sentence(error.format_message()), f"see {path} --help", USAGE)
        case click.ClickException():
            return _say(_sentence(error.format_message()), "", FAILED)
        case _:
            raise error


def _is_ours(module: str | None) -> bool:
    return (module or "anaros").partition(".")[0] in ("anaros", "anaros_cli")


def _say(fact: str, remedy: str, code: int) -> int:
    lines = [f"anaros: {fact}"]
    lines += [f"  {line}" for line in remedy.splitlines()]
    with suppress(OSError, ValueError):
        sys.stderr.write("\n".join(lines) + "\n")
        sys.stderr.flush()
    return code


def _sentence(message: str) -> str:
    """Click's message as a fact: one line, without a full stop."""
    text = " ".join(message.split())
    # Two dots are part of a word (a window such as -10..), one ends the sentence.
    if text.endswith(".") and not text.endswith(".."):
        text = text[:-1]
    return text[:1].lower() + text[1:]


def _os_fact(error: OSError) -> str:
    what = error.strerror or str(error) or type(error).__name__
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    if not names and error.errno in _FULL:
        return f"cannot write the output: {what}"
    return f"{' -> '.join(names)}: {what}" if names else what


def _hang_up() -> int:
    """Nobody reads stdout any more: end as a program that SIGPIPE ended, without a word."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    return BROKEN_PIPE

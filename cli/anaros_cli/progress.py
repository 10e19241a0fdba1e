# SPDX-License-Identifier: Apache-2.0
"""Shows that work goes on, once it has taken over a second."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Work that is done before this is not announced.
PATIENCE_S = 1.0


@contextmanager
def working(text: str, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Turn a spinner with ``text`` on stderr while the block runs longer than ``patience_s``.

    Nothing is written where stderr is not a terminal, and the line is gone when the block ends.
    """
    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    thread = threading.Thread(target=_spin, args=(text, patience_s, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _spin(text: str, patience_s: float, done: threading.Event) -> None:
    if done.wait(patience_s):
        return
    from rich.console import Console

    with Console(stderr=True).status(f"{text} …"):
        done.wait()

# SPDX-License-Identifier: Apache-2.0
"""`anaros attach`: hands the processes to the session.

What happens before the probes are in place is not seen: a plain command line is understood without
click, whose import takes as long as a fifth of all that.
"""

from __future__ import annotations

from collections.abc import Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Follow:
    """What `anaros attach` was asked for.

    Args:
        pids: The processes.
        output: The run directory to make; None is a new one in the usual place.
        duration_s: When to detach; None: when told to, or when the last process ends.
        hide_names: Keep names of files and peers, and the commands' arguments, out of the run.
        live: Show the run on the terminal meanwhile.
        inject: Load the shim into them.
        budget: What the probes may take of the CPUs, as a share; None: whatever they take.
    """

    def __init__(
        self,
        pids: tuple[int, ...],
        output: str | None,
        duration_s: float | None,
        hide_names: bool,
        live: bool,
        inject: bool = False,
        budget: float | None = None,
    ) -> None:
        self.pids = pids
        self.output = output
        self.duration_s = duration_s
        self.hide_names = hide_names
        self.live = live
        self.inject = inject
        self.budget = budget


def parse(words: Sequence[str]) -> Follow | None:
    """The words of a plain ``attach [OPTION | PID]...``.

    Returns:
        None for whatever click has to judge: another command, help, a mistake, a shorthand.
    """
    if not words or words[0] != "attach":
        return None
    given: dict[str, Any] = {}
    hide_names, live, inject = False, False, False
    pids: list[int] = []
    rest = iter(words[1:])
    for word in rest:
        match word:
            case "--hide-names":
                hide_names = True
            case "--live":
                live = True
            case "--inject":
                inject = True
            case "--output" | "--duration" | "--budget":
                given[word] = _value(word, next(rest, ""))
                if given[word] is None:
                    return None
            case _ if word.isascii() and word.isdigit() and int(word):
                pids.append(int(word))
            case _:
                return None
    if not pids:
        return None
    output, duration_s, budget = map(given.get, ("--output", "--duration", "--budget"))
    return Follow(tuple(pids), output, duration_s, hide_names, live, inject, budget)


def _value(option: str, word: str) -> str | float | None:
    """What an option was given; None where click has to judge."""
    match option:
        case "--duration":
            return _seconds(word)
        case "--budget":
            from anaros_cli.launch import share

            return share(word)
        case _:
            return word or None


def _seconds(word: str) -> float | None:
    """A plain number above 0."""
    digits = word.replace(".", "", 1)
    plain = word.isascii() and digits.isdigit() and int(digits)
    return float(word) if plain else None


def follow(asked: Follow) -> int:
    """Record the processes until something ends it, and say where the run is.

    Returns:
        The exit code.

    Raises:
        AnarosError: They cannot be attached to, or the disk took no more.
    """
    from anaros.capture.attach.calls import AttachLoading
    from anaros.capture.attach.targets import check

    processes = check(asked.pids)
    loading = AttachLoading()  # the longest part, beside all that is imported next
    import contextlib

    from anaros.session import attach

    with contextlib.ExitStack() as undo:
        output = asked.output
        if asked.live:
            from anaros_cli.launch import view

            output = undo.enter_context(view(output))
        done = attach.attach(
            processes,
            loading,
            output=output,
            duration_s=asked.duration_s,
            hide_names=asked.hide_names,
            inject=asked.inject,
            budget=asked.budget,
        )
    many = len(set(asked.pids))
    whom = f"{many} processes" if many > 1 else f"process {asked.pids[0]}"
    print(f"followed {whom} for {done.seconds:.1f} s: {done.run}")  # noqa: T201
    if done.problem is not None:
        raise done.problem
    return 0

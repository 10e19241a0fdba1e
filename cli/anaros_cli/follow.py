# SPDX-License-Identifier: Apache-2.0
"""`anaros attach`: hands the processes to the session.

What happens before the probes are in place is not seen: a plain command line is understood without
click, whose import takes as long as a fifth of all that.
"""

from __future__ import annotations

from collections.abc import Sequence


class Follow:
    """What `anaros attach` was asked for.

    Args:
        pids: The processes.
        output: The run directory to make; None is a new one in the usual place.
        duration_s: When to detach; None: when told to, or when the last process ends.
        hide_names: Keep names of files and peers, and the commands' arguments, out of the run.
        live: Show the run on the terminal meanwhile.
        inject: Load the shim into them.
    """

    def __init__(
        self,
        pids: tuple[int, ...],
        output: str | None,
        duration_s: float | None,
        hide_names: bool,
        live: bool,
        inject: bool = False,
    ) -> None:
        self.pids = pids
        self.output = output
        self.duration_s = duration_s
        self.hide_names = hide_names
        self.live = live
        self.inject = inject


def parse(words: Sequence[str]) -> Follow | None:
    """The words of a plain ``attach [OPTION | PID]...``.

    Returns:
        None for whatever click has to judge: another command, help, a mistake, a shorthand.
    """
    if not words or words[0] != "attach":
        return None
    output: str | None = None
    duration_s: float | None = None
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
            case "--output":
                output = next(rest, None)
                if output is None:
                    return None
            case "--duration":
                value = next(rest, "")
                digits = value.replace(".", "", 1)
                if not value.isascii() or not digits.isdigit() or not int(digits):
                    return None
                duration_s = float(value)
            case _ if word.isascii() and word.isdigit() and int(word):
                pids.append(int(word))
            case _:
                return None
    return Follow(tuple(pids), output, duration_s, hide_names, live, inject) if pids else None


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
        )
    many = len(set(asked.pids))
    whom = f"{many} processes" if many > 1 else f"process {asked.pids[0]}"
    print(f"followed {whom} for {done.seconds:.1f} s: {done.run}")  # noqa: T201
    if done.problem is not None:
        raise done.problem
    return 0

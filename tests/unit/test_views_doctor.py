# SPDX-License-Identifier: Apache-2.0
"""What `anaros doctor` prints, at 80 columns and narrower."""

from __future__ import annotations

import io

from rich.console import Console

from anaros.capture.host.checks import Check, State
from anaros_cli.views.doctor import frame

CHECKS = (
    Check("system", State.WORKS, "Linux 6.18 on x86_64, 2 CPUs", required=True),
    Check("shim", State.MISSING, "it has not been built", "run scripts/setup", required=True),
    Check("cgroup v2", State.LIMITED, "/sys/fs/cgroup cannot be written to", "run as root"),
)


def drawn(checks: tuple[Check, ...], works: bool, width: int = 80) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(frame(checks, works))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def test_a_machine_that_lacks_something() -> None:
    assert drawn(CHECKS, works=False) == (
        "yes     system     Linux 6.18 on x86_64, 2 CPUs\n"
        "no      shim       it has not been built\n"
        "                   → run scripts/setup\n"
        "partly  cgroup v2  /sys/fs/cgroup cannot be written to\n"
        "                   → run as root\n"
        "\n"
        "anaros run cannot work here yet: shim."
    )


def test_what_is_not_required_is_named() -> None:
    said = drawn((CHECKS[0], CHECKS[2]), works=True)
    assert said.endswith("anaros run works here, without: cgroup v2.")
    assert drawn(CHECKS[:1], works=True).endswith("with all that it can see.")


def test_a_narrow_terminal_wraps_the_facts() -> None:
    lines = drawn(CHECKS, works=False, width=44).splitlines()
    assert max(map(len, lines)) <= 44
    assert "/sys/fs/cgroup cannot" in " ".join(lines)

# SPDX-License-Identifier: Apache-2.0
"""Which tenant a command belongs to, and why not to the others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from anaros.policy.model import Match, Place, Policy, Tenant
from anaros.policy.selection import find_program, select

PLACE = Place(Path("p.yaml"), 1, 1)
PYTHON = Path("/opt/python/bin/python3.11")


def policy(*matches: Match | None) -> Policy:
    tenants = tuple(
        Tenant(f"t{number}" if match else "default", match, None, (), "", PLACE)
        for number, match in enumerate(matches)
    )
    return Policy((), "d", tenants)


@pytest.mark.parametrize(
    ("match", "reason"),
    [
        (Match(users=("nobody",)), ""),
        (Match(users=(65534,)), ""),
        (Match(users=("root", 65534)), ""),
        (Match(users=("root",)), "the user is nobody, not root"),
        (Match(executables=("/opt/*/python3*",)), ""),
        (
            Match(executables=("/usr/bin/python3",)),
            f"the program is {PYTHON}, not /usr/bin/python3",
        ),
        (Match(arguments=("*serve.py", "--port=*")), ""),
        (Match(arguments=("*serve.py", "--host=*")), "no argument matches --host=*"),
        (Match(arguments=("python3",)), "no argument matches python3"),
        (Match(command_regex=r"serve\.py --port=\d+$"), ""),
        (
            Match(command_regex="^serve"),
            "the command line does not match the expression ^serve",
        ),
        (
            Match(users=("nobody",), executables=("/bin/sh",)),
            f"the program is {PYTHON}, not /bin/sh",
        ),
    ],
)
def test_every_part_of_a_match_must_hold(match: Match, reason: str) -> None:
    decision = select(policy(match), "nobody", PYTHON, ["python3", "serve.py", "--port=80"])
    (verdict,) = decision.verdicts
    assert verdict.matched is (reason == "")
    assert decision.tenant == (None if reason else "t0")
    if reason:
        assert verdict.reason == reason
        assert decision.reasons == (f"t0: {reason}",)


def test_first_match_wins_and_the_default_takes_the_rest() -> None:
    found = policy(Match(users=("root",)), Match(users=("nobody",)), Match(users=(65534,)), None)
    decision = select(found, "65534", PYTHON, ["x"])
    assert decision.tenant == "t1"
    assert [verdict.tenant for verdict in decision.verdicts] == ["t0", "t1"]
    decision = select(found, "daemon", PYTHON, ["x"])
    assert decision.tenant == "default"
    assert decision.verdicts[-1].reason == "the default, as no other tenant matches"
    assert decision.digest == "d"


def test_program_matches_by_its_link_and_by_its_target(tmp_path: Path) -> None:
    target = tmp_path / "real"
    target.touch()
    link = tmp_path / "link"
    link.symlink_to(target)
    for pattern in (f"{tmp_path}/link", f"{tmp_path}/real"):
        assert select(policy(Match(executables=(pattern,))), "root", link, ["x"]).tenant == "t0"
    missed = select(policy(Match(executables=("/x",))), "root", link, ["x"])
    assert missed.verdicts[0].reason == f"the program is {link} -> {target}, not /x"


def test_no_policy_decides_nothing() -> None:
    decision = select(Policy((), "", ()), "root", PYTHON, ["x"])
    assert decision.tenant is None
    assert decision.changes_nothing
    assert decision.verdicts == ()


def test_program_is_found_through_the_path_of_the_workload(tmp_path: Path) -> None:
    program = tmp_path / "tool"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert find_program("tool", {"PATH": f"/nowhere:{tmp_path}"}) == program
    assert find_program("tool", {"PATH": "/nowhere"}) is None
    assert find_program(os.path.relpath(program), {}) == Path.cwd() / os.path.relpath(program)

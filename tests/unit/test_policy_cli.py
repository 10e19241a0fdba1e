# SPDX-License-Identifier: Apache-2.0
"""`anaros policy check|show|explain`, and a workload under a policy as the session sees it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from anaros.errors import AnarosError, PolicyError, UsageError
from anaros.govern import rewrites
from anaros.govern.rewrites import Rewrites
from anaros.policy import InvalidPolicyError
from anaros_cli.commands.policy import policy

GOOD = """\
version: 1
tenants:
  - name: other
    match: {user: somebody}
  - name: server
    reason: it serves
    match: {executable: "*/sh", argv: ["serve*"]}
    fabric:
      - {interface: anaros-none, to: [10.0.1.0/24], reason: storage, metric: ingest wait p99}
"""


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.yaml"
    path.write_text("version: 1\ndefault: {devise: 1, febric: 2}\n")
    return path


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    with policy.make_context("anaros policy", [str(word) for word in words]) as context:
        code = policy.invoke(context)
    return code, capsys.readouterr().out


def test_check_lists_every_problem_and_fails(
    capsys: pytest.CaptureFixture[str], good: Path, bad: Path
) -> None:
    code, out = call(capsys, "check", good, "--json")
    assert code == 0
    assert json.loads(out)["valid"] is True
    assert len(json.loads(out)["digest"]) == 64
    code, out = call(capsys, "check", good, bad, bad.with_name("none.yaml"), "--json")
    found = json.loads(out)
    assert code == 1
    assert (found["valid"], found["digest"]) == (False, None)
    assert [(one["line"], one["column"], one["remedy"]) for one in found["problems"]] == [
        (None, None, "check the name"),
        (2, 11, "did you mean device?"),
        (2, 22, "did you mean fabric?"),
    ]
    code, out = call(capsys, "check", bad)
    assert code == 1
    assert "did you mean device?" in out
    assert "2 problems." in out


def test_show_tells_tenants_rules_and_digest(
    capsys: pytest.CaptureFixture[str], good: Path, bad: Path
) -> None:
    code, out = call(capsys, "show", "--policy", good, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["files"] == [str(good)]
    assert [tenant["name"] for tenant in found["tenants"]] == ["other", "server"]
    (rule,) = found["tenants"][1]["fabric"]
    assert rule["interface"] == "anaros-none"
    assert rule["mark"] is None
    assert rule["place"] == f"{good}:9:9"
    code, out = call(capsys, "show", "--policy", good)
    assert "to 10.0.1.0/24 by anaros-none" in out
    assert found["digest"] in out
    with pytest.raises(InvalidPolicyError):
        call(capsys, "show", "--policy", bad)


def test_explain_tells_who_matched_what_is_done_and_what_is_in_the_way(
    capsys: pytest.CaptureFixture[str], good: Path
) -> None:
    words = ("explain", "--policy", good, "--user", "root")
    code, out = call(capsys, *words, "--json", "--", "sh", "serve.sh", "--json")
    found = json.loads(out)
    assert code == 1
    assert found["tenant"] == "server"
    assert found["tried"][0] == {
        "tenant": "other",
        "matched": False,
        "reason": "the user is root, not somebody",
    }
    assert found["rewrites"][0]["notes"] == ["connections to 10.0.1.0/24 by anaros-none"]
    facts = [one["fact"] for one in found["obstacles"]]
    assert f"{good}:9:9: there is no interface anaros-none" in facts
    code, out = call(capsys, *words, "--", "sh", "other.sh")
    assert code == 0
    assert "Nothing would be changed." in out
    assert "no argument matches serve*" in out


def test_explain_without_a_program_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], good: Path
) -> None:
    for words in ((), ("--", "no-such-program-here")):
        with pytest.raises(UsageError) as caught:
            call(capsys, "explain", "--policy", good, *words)
        assert isinstance(caught.value, AnarosError)
        assert caught.value.remedy


def test_help_of_each_command_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for command in policy.commands.values():
        assert command.help is not None
        assert "Example:" in command.help


def decide(words: list[str], files: list[Path], cgroup: Path | None = None) -> Rewrites:
    return rewrites.decide(words, Path("/bin") / words[0], "root", {"A": "b"}, files, cgroup)


def test_rule_that_cannot_be_applied_changes_nothing_and_is_told(
    good: Path, tmp_path: Path
) -> None:
    found = decide(["sh", "serve.sh"], [good], tmp_path)
    assert (found.environment, found.cuda, found.opencl, found.fabric) == ({}, None, None, None)
    meta = found.describe()
    assert json.loads(json.dumps(meta)) == meta
    assert (meta["tenant"], meta["files"], meta["rewrites"]) == ("server", [str(good)], [])
    assert len(str(meta["digest"])) == 64
    (reason,) = found.not_applied
    if os.geteuid() == 0:
        assert reason.startswith(f"{good}:9:9: there is no interface anaros-none")
    else:
        assert "CAP_NET_ADMIN" in reason


def test_workload_without_a_cgroup_is_told(good: Path) -> None:
    assert "cgroup" in decide(["sh", "serve.sh"], [good]).not_applied[0]


def test_workload_of_no_tenant_keeps_the_digest(good: Path) -> None:
    found = decide(["true"], [good])
    assert found.digest is not None
    assert (found.tenant, found.done, found.not_applied) == (None, (), ())


def test_file_that_is_not_valid_stops_the_run(bad: Path) -> None:
    with pytest.raises(PolicyError):
        decide(["true"], [bad])


def test_names_are_hidden_even_where_no_rule_can_be_applied(
    capsys: pytest.CaptureFixture[str], good: Path, tmp_path: Path
) -> None:
    good.write_text(GOOD.replace("reason: it serves", "hide_names: true"))
    found = decide(["sh", "serve.sh"], [good], tmp_path)
    assert found.not_applied
    assert found.hide_names
    assert not decide(["sh", "other.sh"], [good], tmp_path).hide_names
    assert "are hidden" in call(capsys, "show", "--policy", good)[1]
    _, out = call(capsys, "explain", "--policy", good, "--json", "--", "sh", "serve.sh")
    assert json.loads(out)["rewrites"][0]["what"] == "hide_names"

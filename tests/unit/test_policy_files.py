# SPDX-License-Identifier: Apache-2.0
"""Policy files: who may write them, and what is wrong in them, to the line and column."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anaros.artifacts import policy_folder
from anaros.errors import PolicyError
from anaros.policy import InvalidPolicyError, Place, Policy, Problem, examine, load
from anaros.policy.files import SIZE_MAX, read_explicit, read_system

ROOT = Path(__file__).parent.parent.parent
WHY = "reason: because"


def write(tmp_path: Path, text: str, name: str = "p.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    path.chmod(0o644)
    return path


def problems(tmp_path: Path, text: str) -> list[str]:
    """What is wrong, each as "line:column: fact; remedy"."""
    path = write(tmp_path, text)
    _, found = examine([path])
    return [str(problem).removeprefix(f"{path}:") for problem in found]


GOOD = """\
version: 1
tenants:
  - name: trainer
    reason: it may not disturb the server
    match:
      user: [alice, 1001]
      executable: /usr/bin/python3*
      argv: ["*train.py"]
      argv_regex: --epochs=\\d+
    device:
      visible: [1, GPU-abc, "*A10*"]
      order: ["*A10*"]
      runtime: cuda
      reason: the first device serves
      metric: execute wait p99
    fabric:
      - interface: eth1
        source: [10.0.1.2, "fd00::2"]
        to: [10.0.1.0/24, "fd00::/64"]
        mark: 0x10
        reason: storage has its own network
default:
  fabric:
    - {source: 10.0.0.1, reason: because}
"""


def test_every_key_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    policy = load([path])
    trainer, default = policy.tenants
    assert trainer.name == "trainer"
    assert trainer.match is not None
    assert trainer.match.users == ("alice", 1001)
    assert trainer.match.arguments == ("*train.py",)
    assert trainer.device is not None
    assert trainer.device.visible == (1, "GPU-abc", "*A10*")
    assert trainer.device.place == Place(path, 11, 7)
    (rule,) = trainer.fabric
    assert (rule.interface, rule.mark) == ("eth1", 16)
    assert rule.source == ("10.0.1.2", "fd00::2")
    assert rule.to == ("10.0.1.0/24", "fd00::/64")
    assert (default.name, default.match) == ("default", None)
    assert len(policy.rules) == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["1:1: the file is empty; begin it with: version: 1"]),
        ("version: 1\n", ["1:1: the file has no tenant; add tenants: or default:"]),
        (
            "- 1\n",
            ["1:1: a policy file must be a table, not a list; keys: version, tenants, default"],
        ),
        (
            "tenants: []\n",
            [
                "1:1: a policy file needs version:; begin it with: version: 1",
                "1:10: tenants: is an empty list; name something, or drop it",
            ],
        ),
        (
            "version: 2\ndefault: {}\n",
            [
                (
                    "1:10: the file is of version 2, this anaros reads 1; "
                    "install a newer anaros, or write version: 1"
                )
            ],
        ),
        (
            f"version: 1\ndefault:\n  devise: {{visible: 0, {WHY}}}\n",
            ["3:3: default: has no key 'devise'; did you mean device?"],
        ),
        (
            f"version: 1\ndefault:\n  device:\n    visibel: 0\n    {WHY}\n    {WHY}\n",
            [
                "4:5: a device rule has no key 'visibel'; did you mean visible?",
                "6:5: the key 'reason' is written twice; keep one",
            ],
        ),
        (
            (
                "version: 1\ndefault:\n  device: "
                f"{{visible: [true, 99, 1, 1], runtime: coda, {WHY}}}\n"
            ),
            [
                (
                    "3:22: an entry of visible: must be a text or an integer, not true or false; "
                    'write it in quotes: "true"'
                ),
                "3:28: 99 is no device ordinal; write 0 to 31",
                "3:35: 1 is written twice; keep one",
                "3:48: runtime: cannot be 'coda'; did you mean cuda?",
            ],
        ),
        (
            "version: 1\ndefault:\n  device: {visible: 0}\n",
            ["3:11: a device rule needs reason:; say why in one sentence"],
        ),
        (
            (
                f"version: 1\ndefault:\n  fabric:\n    - {{to: 10.0.0.1/24, source: 10.0.0.256, "
                f"{WHY}}}\n"
                f"    - {{interface: lo, to: [127.0.0.1, x], mark: 0, {WHY}}}\n"
                f"    - {{interface: a, sockets: all, to: ['fd00::/8'], {WHY}}}\n"
            ),
            [
                "4:12: '10.0.0.1/24' has bits behind its prefix; did you mean 10.0.0.0/24?",
                "4:33: '10.0.0.256' is no address; write e.g. 10.0.0.1",
                "5:19: the interface cannot be lo; local connections are never rewritten",
                "5:28: 127.0.0.1 is this machine itself; local connections are never rewritten",
                "5:39: 'x' is no network; write ADDRESS/BITS, e.g. 10.0.0.0/24",
                "5:49: mark: 0 is out of range; write 1 to 4294967295",
                (
                    "6:31: sockets: all cannot stand with to:, a new socket has no destination "
                    "yet; drop one of them"
                ),
            ],
        ),
        (
            f"version: 1\ndefault:\n  fabric: {{interface: a, {WHY}}}\n",
            ["3:11: fabric: must be a list of rules; begin the rule with -"],
        ),
        (
            f"version: 1\ndefault:\n  fabric:\n    - {{source: 10.0.0.1, to: 'fd00::/8', {WHY}}}\n",
            [
                (
                    "4:30: fd00::/8 is IPv6, and the rule has no such source; "
                    "add a source of that family, or an interface"
                )
            ],
        ),
        (
            (
                "version: 1\ntenants:\n  - name: a b\n    match: {executable: python}\n"
                "  - name: c\n    match: {argv_regex: '('}\n  - name: c\n"
            ),
            [
                "3:11: 'a b' is no name; use letters, digits, dot, dash and underscore",
                "4:25: 'python' matches no absolute path; write an absolute path, or '*/python'",
                (
                    "6:25: argv_regex: is no regular expression: missing ), unterminated "
                    "subpattern at position 0; escape what is meant literally with \\"
                ),
                "7:5: the tenant 'c' needs match:; say whom it is for, or move it to default:",
                "7:5: the tenant 'c' is already there; the other is at {path}:5:5",
            ],
        ),
        (
            "version: 1\ndefault:\n\tdevice: 1\n",
            ["3:1: found character that cannot start any token; correct the YAML"],
        ),
        (
            "version: 1\n---\nversion: 1\n",
            ["2:1: a policy file holds one document; split the file at ---"],
        ),
        (
            "version: !!python/object:os.system 1\n",
            [
                (
                    "1:10: the tag tag:yaml.org,2002:python/object:os.system is not known; "
                    "remove it: a policy has no tags"
                )
            ],
        ),
        ("a: *b\n", ["1:4: the alias *b has no anchor; write &b before it"]),
        ("a: &b [*b]\n", ["1:8: the alias *b holds itself; write it out"]),
        ("[" * 5000, ["1:17: more than 16 levels are nested; a policy needs five"]),
        ("a: \x07\n", ["1:4: the character U+0007 is not allowed; remove it"]),
    ],
)
def test_each_fault_has_its_place_and_remedy(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    path = tmp_path / "p.yaml"
    assert problems(tmp_path, text) == [line.replace("{path}", str(path)) for line in expected]


def test_aliases_serve_but_do_not_explode(tmp_path: Path) -> None:
    text = (
        "version: 1\ntenants:\n"
        f"  - {{name: a, match: {{user: a}}, device: &d {{visible: [0], {WHY}}}}}\n"
        "  - {name: b, match: {user: b}, device: *d}\n"
    )
    first, second = load([write(tmp_path, text)]).tenants
    assert first.device == second.device
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
    )
    begin = time.monotonic()
    assert problems(tmp_path, bomb) == ["5:14: the file has more than 20000 entries; split it"]
    assert time.monotonic() - begin < 1.0


def test_error_names_the_first_problem_and_counts_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path, "version: 1\ndefault: {devise: 1, febric: 2}\n")
    with pytest.raises(InvalidPolicyError) as caught:
        load([path])
    assert caught.value.fact == f"{path}:2:11: default: has no key 'devise' (and 1 more)"
    assert caught.value.remedy.startswith(
        "did you mean device?\nsee all of them with: anaros policy"
    )
    assert [problem.place.column for problem in caught.value.problems] == [11, 22]


def test_hidden_names_are_asked_for_with_true(tmp_path: Path) -> None:
    plain = "version: 1\ndefault: {device: {visible: [0], reason: one}}\n"
    for word, hidden in (("", False), ("hide_names: false, ", False), ("hide_names: true, ", True)):
        found = load([write(tmp_path, plain.replace("{device", f"{{{word}device"))])
        assert found.tenants[0].hide_names is hidden
        # A key that changes nothing does not change the digest.
        same = found.digest == load([write(tmp_path, plain)]).digest
        assert same is not hidden
    assert problems(tmp_path, "version: 1\ndefault: {hide_names: 1}\n") == [
        "2:23: hide_names: must be true or false, not an integer; write true or false"
    ]


def test_device_time_is_asked_for_by_its_word(tmp_path: Path) -> None:
    plain = "version: 1\ndefault: {hide_names: false}\n"
    digests = {load([write(tmp_path, plain)]).digest}
    for word in ("off", "queue", "kernel"):
        found = load([write(tmp_path, plain.replace("{", f"{{device_time: {word}, "))])
        assert found.tenants[0].device_time == word
        digests.add(found.digest)
    assert len(digests) == 4
    assert problems(tmp_path, "version: 1\ndefault: {device_time: fast}\n") == [
        "2:24: device_time: cannot be 'fast'; use off, queue, kernel"
    ]


def test_digest_is_of_the_meaning(tmp_path: Path) -> None:
    digest = load([write(tmp_path, GOOD)]).digest
    assert len(digest) == 64
    other = GOOD.replace("version: 1", "# words\n\nversion: 1").replace("0x10", "16")
    assert load([write(tmp_path, other, "q.yaml")]).digest == digest
    assert load([write(tmp_path, GOOD.replace("mark: 0x10", "mark: 17"))]).digest != digest


def test_files_are_joined_in_order_and_the_default_comes_last(tmp_path: Path) -> None:
    tenant = "version: 1\ntenants: [{name: %s, match: {user: x}}]\n"
    first = write(tmp_path, "version: 1\ndefault: {reason: x}\n", "1.yaml")
    second = write(tmp_path, tenant % "b", "2.yaml")
    policy = load([first, second])
    assert [found.name for found in policy.tenants] == ["b", "default"]
    assert policy.files == (first, second)
    _, found = examine([first, first])
    assert [str(problem) for problem in found] == [
        f"{first}:2:10: default: is already there; the other is at {first}:2:10"
    ]


def test_no_files_make_a_policy_that_changes_nothing(tmp_path: Path) -> None:
    assert load(None, folder=tmp_path / "missing") == Policy((), "", ())
    assert examine([]) == (Policy((), "", ()), ())


def test_without_files_no_yaml_parser_is_imported() -> None:
    script = (
        "import sys; from pathlib import Path; import anaros.policy as p;"
        "p.load(None, Path('/nowhere')); print('yaml' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(ROOT / "overlay")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


def test_missing_large_and_odd_files_are_told(tmp_path: Path) -> None:
    large = write(tmp_path, "#" * (SIZE_MAX + 1), "large.yaml")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"version: 1\nname: caf\xe9\n")
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    policy, found = examine([tmp_path / "none.yaml", large, latin, pipe, tmp_path])
    assert policy.tenants == ()
    assert [
        error.fact.removeprefix(f"{tmp_path}/") for error in found if isinstance(error, PolicyError)
    ] == [
        "none.yaml cannot be read: No such file or directory",
        "large.yaml is larger than 256 KiB",
        "latin.yaml:2:10: the byte 0xe9 is not UTF-8",
        "pipe.yaml is not a regular file",
        f"{tmp_path} is not a regular file",
    ]


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to own files for others")


@pytest.fixture
def system() -> Iterator[Path]:
    """A folder below folders that only root may write."""
    folder = Path("/run") / f"anaros-test-{os.getpid()}"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


@needs_root
def test_system_file_must_be_roots_alone(system: Path) -> None:
    path = write(system, GOOD)
    assert load(None, folder=system).files == (path,)
    path.chmod(0o664)
    with pytest.raises(PolicyError) as caught:
        load(None, folder=system)
    assert caught.value.fact == f"{path} is writable by its group"
    assert caught.value.remedy == f"chmod go-w {path}"
    path.chmod(0o646)
    with pytest.raises(PolicyError, match="writable by everyone"):
        load(None, folder=system)
    path.chmod(0o644)
    os.chown(path, 1001, 0)
    with pytest.raises(PolicyError, match=f"belongs to uid 1001, not to root; chown 0 {path}"):
        load(None, folder=system)


@needs_root
def test_folder_of_system_files_must_be_roots_alone(system: Path) -> None:
    write(system, GOOD)
    system.chmod(0o777)
    with pytest.raises(PolicyError, match=f"{system} is writable by everyone; chmod go-w {system}"):
        load(None, folder=system)
    system.chmod(0o755)
    os.chown(system, 1001, 0)
    with pytest.raises(PolicyError, match=f"{system} belongs to uid 1001"):
        load(None, folder=system)
    os.chown(system, 0, 0)
    assert load(None, folder=system).tenants


@needs_root
def test_links_are_followed_and_each_step_is_judged(system: Path, tmp_path: Path) -> None:
    target = write(system, GOOD, "target.txt")
    link = system / "a.yaml"
    link.symlink_to("target.txt")
    assert read_system(link).text == GOOD
    os.chown(link, 1001, 0, follow_symlinks=False)
    with pytest.raises(PolicyError, match=f"belongs to uid 1001, not to root; chown -h 0 {link}"):
        read_system(link)
    link.unlink()
    target.chmod(0o666)
    link.symlink_to(target)
    with pytest.raises(PolicyError, match="yaml is writable by everyone"):
        read_system(link)
    link.unlink()
    loose = tmp_path / "loose"
    loose.mkdir()
    loose.chmod(0o777)
    link.symlink_to(write(loose, GOOD))
    with pytest.raises(PolicyError, match="writable by everyone"):
        read_system(link)
    link.unlink()
    link.symlink_to(link.name)
    with pytest.raises(PolicyError, match="too many links"):
        read_system(link)


@needs_root
def test_named_file_may_be_the_callers_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, GOOD)
    assert read_explicit(path).text == GOOD
    path.chmod(0o666)
    with pytest.raises(PolicyError, match="writable by everyone; chmod o-w"):
        read_explicit(path)
    path.chmod(0o664)
    os.chown(path, 1001, 0)
    monkeypatch.delenv("SUDO_UID", raising=False)
    with pytest.raises(PolicyError, match="belongs to uid 1001, not to root"):
        read_explicit(path)
    monkeypatch.setenv("SUDO_UID", "1001")
    assert read_explicit(path).text == GOOD


def test_shipped_policies_are_valid_and_say_why() -> None:
    paths = sorted(policy_folder().glob("*.yaml"))
    assert len(paths) >= 2
    for path in paths:
        _, found = examine([path])
        assert [problem for problem in found if isinstance(problem, Problem)] == []
    texts = {path: path.read_text() for path in paths}
    for text in texts.values():
        assert text.startswith("# SPDX-License-Identifier: Apache-2.0\n")
        assert "metric:" in text


words = st.text(alphabet="ab:-[]{}&*!#'\"\n ,|>%@`\t?0", max_size=60)


@given(words)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_text_is_a_policy_or_a_list_of_problems(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    policy, found = examine([path])
    assert found or policy.tenants
    for problem in found:
        assert isinstance(problem, Problem)
        assert problem.place.line >= 1
        assert problem.place.column >= 1
        assert problem.fact

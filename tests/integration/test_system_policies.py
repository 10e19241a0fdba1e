# SPDX-License-Identifier: Apache-2.0
"""Policies of /etc/anaros: what others than root could have written is refused.

The program runs all the same, without any of them, and is told why and what helps.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., list[str]]

#: What programs look up in /etc, as far as it is there.
KEPT = ("passwd", "group", "nsswitch.conf", "ld.so.cache", "hosts", "localtime")
POLICY = """
version: 1
tenants:
  - name: private
    reason: what it reads is nobody's business
    match:
      executable: ["*"]
    hide_names: true
"""
NOBODY = 65534


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """Becomes /etc in a mount namespace; one sound policy lies in its folder."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare: /etc is another in a mount namespace")
    folder = tmp_path / "etc"
    (folder / "anaros").mkdir(parents=True)
    for name in KEPT:
        if Path("/etc", name).exists():
            shutil.copy(Path("/etc", name), folder)
    (folder / "anaros/site.yaml").write_text(POLICY)
    for each in (folder, folder / "anaros"):
        each.chmod(0o755)
    (folder / "anaros/site.yaml").chmod(0o644)
    return folder


@pytest.fixture
def run(anaros: Command, etc: Path, tmp_path: Path) -> Callable[[], tuple[int, str, bool]]:
    """Exit code and stderr of a run there, and whether the program ran."""
    inside = 'mount --bind "$1" /etc && shift && exec "$@"'
    over = ["unshare", "--mount", "sh", "-c", inside, "sh", str(etc)]
    ran = tmp_path / "ran"
    words = anaros("run", "--no-kernel", "--output", tmp_path / "run", "--", "touch", ran)

    def start() -> tuple[int, str, bool]:
        done = subprocess.run(
            [*over, *words], capture_output=True, text=True, timeout=60, check=False
        )
        if "mount:" in done.stderr:
            pytest.skip(f"needs a mount namespace: {done.stderr.strip()}")
        return done.returncode, done.stderr, ran.exists()

    return start


def test_a_policy_that_is_roots_alone_applies(
    run: Callable[[], tuple[int, str, bool]], tmp_path: Path
) -> None:
    assert run() == (0, "", True)
    assert '"names_hidden": true' in (tmp_path / "run/meta.json").read_text()


@pytest.mark.parametrize(
    ("place", "change", "fact", "remedy"),
    [
        ("anaros/site.yaml", "chown", "belongs to uid 65534, not to root", "chown 0"),
        ("anaros/site.yaml", 0o646, "is writable by everyone", "chmod go-w"),
        ("anaros/site.yaml", 0o664, "is writable by its group", "chmod go-w"),
        ("anaros", "chown", "belongs to uid 65534, not to root", "chown 0"),
        ("anaros", 0o777, "is writable by everyone", "chmod go-w"),
        ("anaros", 0o1777, "is writable by everyone", "chmod go-w"),
        ("", 0o775, "is writable by its group", "chmod go-w"),
    ],
)
def test_a_policy_that_others_could_have_written_is_refused(
    run: Callable[[], tuple[int, str, bool]],
    etc: Path,
    tmp_path: Path,
    place: str,
    change: int | str,
    fact: str,
    remedy: str,
) -> None:
    loose = etc / place
    if isinstance(change, int):
        loose.chmod(change)
    else:
        os.chown(loose, NOBODY, NOBODY)
    told = "/etc/" + place if place else "/etc"
    refused = f"anaros: the policy is not applied: {told} {fact}; {remedy} {told}\n"
    assert run() == (0, refused, True)
    assert '"names_hidden": false' in (tmp_path / "run/meta.json").read_text()


def test_a_link_of_somebody_else_to_a_sound_policy_is_refused(
    run: Callable[[], tuple[int, str, bool]], etc: Path
) -> None:
    policy, link = etc / "anaros/site.yaml", etc / "anaros/zz.yaml"
    link.symlink_to(policy.name)
    os.chown(link, NOBODY, NOBODY, follow_symlinks=False)
    link = Path("/etc/anaros/zz.yaml")
    fact = f"{link} belongs to uid 65534, not to root; chown -h 0 {link}"
    assert run() == (0, f"anaros: the policy is not applied: {fact}\n", True)

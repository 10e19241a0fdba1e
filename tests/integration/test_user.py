# SPDX-License-Identifier: Apache-2.0
"""`anaros run --user`: the program is another user's, and carries the shim all the same."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from anaros import report
from anaros.store.rundir import RunDirectory

Command = Callable[..., list[str]]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")

USER = "nobody"


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that all users may enter, which those of pytest are not."""
    with tempfile.TemporaryDirectory(prefix="anaros-user-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, cwd=folder
    )


def test_the_program_is_the_users_and_is_seen(
    anaros: Command, tmp_path: Path, public: Path
) -> None:
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no /dev/shm")
    data = public / "data"
    data.write_bytes(os.urandom(100_000))
    words = 'id -u; id -G; cat data >/dev/null; stat -c "%a %u" "${LD_PRELOAD%/*}"/*'
    done = run(
        anaros("run", "--output", tmp_path / "run", "--user", USER, "--", "sh", "-c", words), public
    )
    # Of the shared memory this user has the rings, and may not even list the folder.
    assert "stat: cannot stat" in done.stderr
    assert done.stderr.count("\n") == 1
    account = pwd.getpwnam(USER)
    said = done.stdout.split()
    assert said[:1] == [str(account.pw_uid)]
    assert set(map(int, said[1:])) == set(os.getgrouplist(USER, account.pw_gid))
    found = RunDirectory.open(tmp_path / "run")
    assert found.meta()["user"] == USER
    assert found.path.stat().st_uid == 0
    told = report.build(found)
    assert told["coverage"]["without_shim"] == []
    read = sum(row["bytes"] for row in told["calls"] if row["kind"] == "file.read")
    assert read >= 100_000


def test_the_loader_is_not_told_of_a_shim_that_the_user_cannot_open(public: Path) -> None:
    """It would complain on the program's stderr. What others preload is theirs to judge."""
    hidden = public / "hidden"
    hidden.mkdir(mode=0o700)
    library = hidden / "libanaros.so"
    library.touch()
    code = (
        "import os, pwd, sys\n"
        "from anaros.capture.program.child import _become_user\n"
        "environment = {b'LD_PRELOAD': os.fsencode(sys.argv[2])}\n"
        "user = pwd.getpwnam(sys.argv[1])\n"
        "_become_user((user.pw_name, user.pw_uid, user.pw_gid), environment)\n"
        "print(os.getresuid(), environment)\n"
    )
    paths = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "overlay")}
    uid = pwd.getpwnam(USER).pw_uid
    for given, kept in (
        (f"{library}", {}),
        (f"{library}:/a b", {b"LD_PRELOAD": b"/a b"}),
        ("/etc/passwd:/b", {b"LD_PRELOAD": b"/etc/passwd:/b"}),
    ):
        words = [sys.executable, "-c", code, USER, given]
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=60, check=True, env=paths
        )
        assert done.stdout == f"{(uid, uid, uid)} {kept}\n"


def test_what_cannot_be_is_refused(anaros: Command, tmp_path: Path, public: Path) -> None:
    output = tmp_path / "run"
    command = ["run", "--output", output, "--user", "no-such-user", "--", "true"]
    done = run(anaros(*command), public)
    assert done.returncode == 2
    assert done.stderr == "anaros: there is no user no-such-user\n  getent passwd lists them\n"
    assert not output.exists()
    private = public / "private"
    private.write_text("#!/bin/sh\n")
    private.chmod(0o700)
    done = run(anaros("run", "--output", output, "--user", USER, "--", private), public)
    assert done.returncode == 126
    assert done.stderr.startswith(f"anaros: cannot run {private}: Permission denied\n")
    assert not output.exists()

# SPDX-License-Identifier: Apache-2.0
"""`anaros attach --live` on a terminal, ended from its keyboard."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import subprocess
import termios
import time
from pathlib import Path

from attach_harness import NEEDS, Command, Server, records

from anaros.kinds import Kind
from anaros.store.rundir import RunDirectory

pytestmark = NEEDS
COLUMNS, WAIT_S = 80, 120
SEQUENCE = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()=>].?")


def read_until(leader: int, process: subprocess.Popen[str], word: bytes, times: int) -> bytes:
    """What is shown up to where a word has come so many times, or the process has ended."""
    shown, deadline = b"", time.monotonic() + WAIT_S
    while shown.count(word) < times and time.monotonic() < deadline:
        if select.select([leader], [], [], 0.1)[0]:
            shown += os.read(leader, 65536)
        elif process.poll() is not None:
            break
    return shown


def test_the_keyboard_ends_it(anaros: Command, server: Server, tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (30, COLUMNS))
    before = termios.tcgetattr(follower)
    run = tmp_path / "run"
    process = subprocess.Popen(
        anaros("attach", "--live", "--output", run, server.pid),
        env={key: value for key, value in os.environ.items() if key != "COLUMNS"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(follower, termios.TIOCSCTTY, 0),
    )
    try:
        shown = read_until(leader, process, b"sockets", 1)
        assert b"\x1b[?1049h" in shown
        assert b"server.serve_forever()'" in SEQUENCE.sub(b"", shown), "whom it follows"
        os.write(leader, b"\x03")
        shown += read_until(leader, process, b"\x1b[?1049l", 1)
        out, err = process.communicate(timeout=WAIT_S)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, err) == (0, "")
    assert out.startswith(f"followed process {server.pid} for ")
    assert b"\x1b[?1049l" in shown, "the screen is the shell's again"
    assert termios.tcgetattr(follower) == before
    text = shown.replace(b"\x1b[H", b"\n").replace(b"^C", b"")  # each screen; what was pressed
    lines = SEQUENCE.sub(b"", text).decode(errors="replace").splitlines()
    assert max(map(len, lines)) <= COLUMNS
    assert RunDirectory.open(run).meta()["state"] == "finished"
    assert len(records(run, Kind.NET_SEND)) > 0
    os.close(follower)
    os.close(leader)

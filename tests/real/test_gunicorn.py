# SPDX-License-Identifier: Apache-2.0
"""gunicorn with workers that its first process forks, under wrk."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest
from real_harness import EXACTLY, Watched, finish, free_port, listens, needs, tool

pytestmark = [
    *needs("wrk"),
    pytest.mark.skipif(
        importlib.util.find_spec("gunicorn") is None,
        reason="not installed: gunicorn (scripts/setup --programs)",
    ),
]

BODY, CLIENTS = 100_000, 8
APPLICATION = f"""
def answer(environment, start):
    with open(__file__ + ".data", "rb") as file:
        body = file.read()
    start("200 OK", [("Content-Length", "{BODY}"), ("Content-Type", "text/plain")])
    return [body]
"""


def test_workers(watched: Watched, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "application.py").write_text(APPLICATION)
    (tmp_path / "application.py.data").write_bytes(os.urandom(BODY))
    exactly = tmp_path / "exactly.lua"
    exactly.write_text(EXACTLY)
    log, number = tmp_path / "log", tmp_path / "pid"
    server = [sys.executable, "-m", "gunicorn", "--chdir", tmp_path]
    server += ["--workers", "2", "--worker-class", "gthread"]
    server += ["--threads", "4", "--bind", f"127.0.0.1:{port}", "--access-logfile", log]
    server += ["--no-control-socket", "--pid", number, "application:answer"]
    watched.start(*server, ready=lambda: listens(port), more=True, cwd=tmp_path)
    load = ["wrk", "-t1", f"-c{CLIENTS}", "-d1", "-s", exactly, f"http://127.0.0.1:{port}/"]
    requests, size, refused = map(int, tool(*load).partition("exactly")[2].split()[:3])
    assert refused == 0
    finish(port)
    os.kill(int(number.read_text()), 15)
    seen = watched.end()
    served = len(log.read_text().splitlines())
    watched.same("lines of its log, requests", served, seen.requests, within=0)
    # What is under way when the time is over is answered, and not counted.
    assert requests <= served <= requests + CLIENTS
    more = 2 * CLIENTS * BODY
    watched.same("bytes that wrk read, sent", size, seen.bytes("net.send"), spare=more)
    # Which of the workers takes a connection is theirs to settle.
    ((read,),) = seen.ask(
        "SELECT sum(size_bytes)::BIGINT FROM records"
        " WHERE kind = 'file.read' AND name LIKE '%/application.py.data'"
    )
    watched.same("bytes of the file read", served * BODY, read, within=0)
    assert seen.share("socket_bytes") >= 0.999
    # Python's libraries that are loaded later are read by the loader, past the shim.
    assert seen.share("file_bytes") >= 0.99
    assert seen.named("read", "written") >= 0.999
    assert seen.coverage["without_shim"] == []

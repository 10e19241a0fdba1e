# SPDX-License-Identifier: Apache-2.0
"""nginx with workers of another user, under wrk."""

from __future__ import annotations

import os
from pathlib import Path

from real_harness import EXACTLY, Watched, finish, free_port, listens, needs, tool

pytestmark = needs("nginx", "wrk")

BODY, CLIENTS = 20_000, 8
CONFIGURATION = """
daemon off;
worker_processes 2;
user nobody nogroup;
pid {folder}/pid;
error_log {folder}/errors;
events {{ worker_connections 256; }}
http {{
    access_log {folder}/log;
    sendfile on;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/a;
    proxy_temp_path {folder}/b;
    fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d;
    scgi_temp_path {folder}/e;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/pages;
    }}
}}
"""


def test_pages(watched: Watched, public: Path) -> None:
    port, page = free_port(), public / "pages/page"
    page.parent.mkdir()
    page.write_bytes(os.urandom(BODY))
    configuration, exactly = public / "nginx.conf", public / "exactly.lua"
    configuration.write_text(CONFIGURATION.format(folder=public, port=port))
    exactly.write_text(EXACTLY)
    server = ["nginx", "-p", str(public), "-c", str(configuration)]
    watched.start(*server, ready=lambda: listens(port))
    load = [
        "wrk",
        "-t1",
        f"-c{CLIENTS}",
        "-d1",
        "-s",
        str(exactly),
        f"http://127.0.0.1:{port}/page",
    ]
    requests, size, refused = map(int, tool(*load).partition("exactly")[2].split())
    assert refused == 0
    finish(port)
    tool(*server, "-s", "quit")
    seen = watched.end()
    served = len((public / "log").read_text().splitlines())
    watched.same("lines of its log, requests", served, seen.requests, within=0)
    # What is under way when the time is over is answered, and not counted.
    assert requests <= served <= requests + CLIENTS
    more = 2 * CLIENTS * BODY
    watched.same("bytes that wrk read, sent", size, seen.bytes("net.send"), spare=more)
    # A client that has gone gets nothing.
    assert seen.count("file.sendfile") == served
    watched.same("bytes of pages, of sendfile", served * BODY, seen.bytes("file.sendfile"))
    assert seen.share("socket_bytes") >= 0.999
    assert seen.share("file_bytes") >= 0.999
    if watched.way == "run":
        assert seen.coverage["without_shim"] == []
        assert seen.coverage["partly_seen"] == []

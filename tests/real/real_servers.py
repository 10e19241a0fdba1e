# SPDX-License-Identifier: Apache-2.0
"""Servers that people run, with the settings that they need to be anybody's."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from real_harness import as_user, find, free_port, listens, serving, tool

#: The size of nginx's page.
PAGE = 20_000
_NGINX = """
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

#: The user that PostgreSQL's package makes.
OWNER = "postgres"
_POSTGRESQL = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = 16MB
max_connections = 20
autovacuum = off
"""


def nginx(folder: Path, port: int) -> list[str]:
    """The command of nginx with one page, which everybody may read."""
    page = folder / "pages/page"
    page.parent.mkdir()
    page.write_bytes(os.urandom(PAGE))
    settings = folder / "nginx.conf"
    settings.write_text(_NGINX.format(folder=folder, port=port))
    return ["nginx", "-p", str(folder), "-c", str(settings)]


def redis(port: int) -> list[str]:
    """The command of a Redis that keeps nothing by itself."""
    return ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]


class Postgresql:
    """A server on a cluster, seen from its clients."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.command = [str(find("postgres")), "-D", str(folder), "-p", str(port)]

    def ready(self) -> bool:
        """Whether it answers."""
        return listens(self.port) and "ready" in (self.folder / "postmaster.pid").read_text()

    def pgbench(self, *words: str) -> list[str]:
        """The command of its load tool."""
        at = ["-h", "127.0.0.1", "-p", str(self.port), "-U", OWNER]
        return [str(find("pgbench")), *at, *words, "postgres"]

    def stop(self) -> None:
        """As its owner would."""
        control = Path(str(find("postgres"))).with_name("pg_ctl")
        tool(*as_user(OWNER, control, "-D", self.folder, "-m", "fast", "stop"), cwd="/")


def cluster(place: Path) -> Path:
    """A cluster with the tables of pgbench in a folder that becomes its owner's."""
    folder = place / "data"
    shutil.chown(place, OWNER)
    make = [str(find("initdb")), "-D", str(folder), "-A", "trust", "-N"]
    tool(*as_user(OWNER, *make, "-E", "UTF8", "--no-locale"), cwd="/")
    with (folder / "postgresql.conf").open("a") as settings:
        settings.write(_POSTGRESQL)
    server = Postgresql(folder, free_port())
    with serving(*as_user(OWNER, *server.command), ready=server.ready, cwd="/"):
        tool(*server.pgbench("-i", "-s", "1", "-q"))
    return folder

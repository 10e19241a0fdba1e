# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL, which refuses to run as root, under pgbench."""

from __future__ import annotations

import pwd
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from real_harness import (
    Gate,
    Watched,
    as_user,
    find,
    finish,
    free_port,
    listens,
    needs,
    serving,
    tool,
)

pytestmark = needs("postgres", "initdb", "pgbench", "setpriv")

#: Transactions of each client that read one row, and that write.
READS, WRITES, CLIENTS = 1000, 10, 4
#: What pgbench sends for one that writes: BEGIN, five statements, END.
STATEMENTS = 7

#: The user that PostgreSQL's package makes.
OWNER = "postgres"
SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = 16MB
max_connections = 20
autovacuum = off
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cluster with the tables of pgbench, that no server runs on."""
    try:
        pwd.getpwnam(OWNER)
    except KeyError:
        pytest.skip("PostgreSQL's user is missing")
    with tempfile.TemporaryDirectory(prefix="anaros-real-") as name:
        folder = Path(name) / "data"
        shutil.chown(name, OWNER)
        initdb = [find("initdb"), "-D", folder, "-A", "trust", "-N", "-E", "UTF8", "--no-locale"]
        tool(*as_user(OWNER, *filter(None, initdb)), cwd="/")
        with (folder / "postgresql.conf").open("a") as settings:
            settings.write(SETTINGS)
        port = str(free_port())
        server = Server(folder, port)
        command = as_user(OWNER, *server.command)
        with serving(*command, ready=server.ready, cwd="/"):
            tool(*server.pgbench("-i", "-s", "1", "-q"))
        yield folder


class Server:
    """A server on a cluster, seen from its clients."""

    def __init__(self, folder: Path, port: str) -> None:
        self.folder = folder
        self.at = ["-h", "127.0.0.1", "-p", port, "-U", "postgres"]
        self.port = int(port)
        self.command = [str(find("postgres")), "-D", str(folder), "-p", port]

    def ready(self) -> bool:
        """Whether it answers."""
        return listens(self.port) and "ready" in (self.folder / "postmaster.pid").read_text()

    def pgbench(self, *words: str) -> list[str]:
        """The command of its load tool."""
        clients = () if "-i" in words else ("-n", "-c", str(CLIENTS))
        return [str(find("pgbench")), *self.at, *clients, *words, "postgres"]

    def stop(self) -> None:
        """As its owner would."""
        control = Path(str(find("postgres"))).with_name("pg_ctl")
        tool(*as_user(OWNER, control, "-D", self.folder, "-m", "fast", "stop"), cwd="/")


def test_pgbench(watched: Watched, cluster: Path) -> None:
    server = Server(cluster, str(free_port()))
    watched.start(*server.command, ready=server.ready, cwd="/", user=OWNER)
    loads = server.pgbench("--select-only", "-t", str(READS)), server.pgbench("-t", str(WRITES))
    told = [tool(*load) for load in loads]
    finish(server.port)
    server.stop()
    done = [int(re.findall(r"actually processed: (\d+)", each)[0]) for each in told]
    assert done == [READS * CLIENTS, WRITES * CLIENTS]
    seen = watched.end()
    asked = READS * CLIENTS + WRITES * CLIENTS * STATEMENTS
    # Connections have requests of their own before the first transaction.
    watched.same("statements, requests", asked, seen.requests)
    assert seen.share("file_bytes") >= 0.999
    assert seen.share("socket_bytes") >= 0.999
    if watched.way == "run":
        assert seen.coverage["without_shim"] == []
        assert seen.coverage["partly_seen"] == []


def test_latency(watched: Watched, cluster: Path, tmp_path: Path) -> None:
    server, gate = Server(cluster, str(free_port())), Gate(tmp_path)
    load = server.pgbench("-t", str(WRITES), "--log", f"--log-prefix={tmp_path / 'log'}")
    with serving(*as_user(OWNER, *server.command), ready=server.ready, cwd="/"):
        watched.start(*gate.before(*load), ready=gate.reached)
        gate.open()
        seen = watched.end()
    (log,) = tmp_path.glob("log.*")
    each = np.array([int(line.split()[2]) for line in log.read_text().splitlines()])
    told = {"mean": each.mean(), "p50": np.median(each), "max": each.max()}
    # Before its transactions a connection has requests of its own.
    turns = [found for found in seen.answers(server.port) if len(found) > WRITES * STATEMENTS]
    transactions = [found[-WRITES * STATEMENTS :].reshape(WRITES, -1) for found in turns]
    answers = np.concatenate(transactions).sum(axis=1)
    watched.same("transactions", len(each), len(answers), within=0)
    watched.as_long("a transaction", told, answers)

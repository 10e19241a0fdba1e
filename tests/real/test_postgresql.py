# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL, which refuses to run as root, under pgbench."""

from __future__ import annotations

import pwd
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from real_harness import (
    Gate,
    Watched,
    as_user,
    finish,
    free_port,
    needs,
    serving,
    tool,
)
from real_servers import OWNER, Postgresql, cluster

pytestmark = needs("postgres", "initdb", "pgbench", "setpriv")

#: Transactions of each client that read one row, and that write.
READS, WRITES, CLIENTS = 1000, 10, 4
#: What pgbench sends for one that writes: BEGIN, five statements, END.
STATEMENTS = 7


@pytest.fixture(scope="module")
def tables() -> Iterator[Path]:
    """A cluster with the tables of pgbench, that no server runs on."""
    try:
        pwd.getpwnam(OWNER)
    except KeyError:
        pytest.skip("PostgreSQL's user is missing")
    with tempfile.TemporaryDirectory(prefix="anaros-real-") as name:
        yield cluster(Path(name))


def test_pgbench(watched: Watched, tables: Path) -> None:
    server = Postgresql(tables, free_port())
    watched.start(*server.command, ready=server.ready, cwd="/", user=OWNER)
    clients = ["-n", "-c", str(CLIENTS)]
    loads = (*clients, "-S", "-t", str(READS)), (*clients, "-t", str(WRITES))
    told = [tool(*server.pgbench(*load)) for load in loads]
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


def test_latency(watched: Watched, tables: Path, tmp_path: Path) -> None:
    server, gate = Postgresql(tables, free_port()), Gate(tmp_path)
    log = ["--log", f"--log-prefix={tmp_path / 'log'}"]
    load = server.pgbench("-n", "-c", str(CLIENTS), "-t", str(WRITES), *log)
    with serving(*as_user(OWNER, *server.command), ready=server.ready, cwd="/"):
        watched.start(*gate.before(*load), ready=gate.reached)
        gate.open()
        seen = watched.end()
    (logged,) = tmp_path.glob("log.*")
    each = np.array([float(line.split()[2]) for line in logged.read_text().splitlines()])
    # Before its transactions a connection has requests of its own; the log has them as they end.
    turns = [found for found in seen.answers(server.port) if len(found) > WRITES * STATEMENTS]
    whole = [found[-WRITES * STATEMENTS :].reshape(WRITES, STATEMENTS, 2) for found in turns]
    statements = np.concatenate(whole)
    statements = statements[np.argsort(statements[:, -1, 1])]
    watched.same("transactions", len(each), len(statements), within=0)
    # It makes a query, and has its rows, between its clock and its calls, for each statement.
    took = statements[:, :, 0].sum(axis=1)
    watched.each_as_long("a transaction", each, took, near=15 * STATEMENTS)

# SPDX-License-Identifier: Apache-2.0
"""Listeners in the kernel plane: what waits in front of them, and what they turned away."""

from __future__ import annotations

import sys

import pytest
from kernel_harness import NEEDS, Run, record

from anaros.kinds import Kind

pytestmark = NEEDS

LIMIT = 2
BUSY = f"""
import socket, time
server = socket.create_server(("127.0.0.1", 0), backlog={LIMIT})
SO_COOKIE = 57
print("listener", int.from_bytes(server.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), "little"))
clients = []
for i in range(8):
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(server.getsockname())
    clients.append(client)
time.sleep(1.3)
with open("/proc/self/net/netstat") as file:
    lines = [line.split() for line in file if line.startswith("TcpExt:")]
counts = dict(zip(lines[0], lines[1]))
print("overflows", counts["ListenOverflows"])
print("drops", counts["ListenDrops"])
server.close()
"""
IDLE = """
import socket
server = socket.create_server(("127.0.0.1", 0), backlog=8)
for i in range(20):
    client = socket.create_connection(server.getsockname())
    server.accept()[0].close()
    client.close()
"""


def isolated(text: str) -> Run:
    """In a network namespace of its own, whose counters begin at 0."""
    inside = 'ip link set lo up && exec "$@"'
    python = [sys.executable, "-S", "-c", text]
    run = record(["unshare", "-n", "sh", "-c", inside, "sh", *python], more=True)
    if run.status:
        pytest.skip("no network namespace of its own")
    return run


def test_what_a_full_listener_turns_away_is_counted() -> None:
    run = isolated(BUSY)
    told = run.of(Kind.NET_BACKLOG)
    assert run.said["overflows"] > 0
    assert set(told.object.tolist()) == {run.said["listener"]}
    # A client may try once more between the program's look at the counters and its end.
    assert run.said["drops"] <= int(told.size_bytes.sum()) <= run.said["drops"] + 8
    assert set(told.address.tolist()) == {LIMIT}
    assert LIMIT < int(told.context.max()) <= LIMIT + 1
    assert (told.pid == run.pid).all()


def test_a_listener_that_accepts_tells_nothing() -> None:
    assert len(isolated(IDLE).of(Kind.NET_BACKLOG)) == 0

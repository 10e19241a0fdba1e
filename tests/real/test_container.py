# SPDX-License-Identifier: Apache-2.0
"""Servers in namespaces of their own, as containers have them, followed from outside."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from real_harness import Watched, finish, listens, needs, tool, until

pytestmark = [
    *needs("unshare", "nsenter", "ip", "redis-server", "redis-benchmark", "redis-cli"),
    pytest.mark.parametrize("watched", ["attach"], indirect=True),
]

REQUESTS, PORT = 5_000, 6379

SPACES = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--net", "--ipc"]

#: In a network with a loopback device alone, with a file system that nobody else has.
START = """
mount -t tmpfs none "$1" && ip link set lo up || exit
exec redis-server --port "$2" --bind 127.0.0.1 --save "" --dir "$1"
"""


def child(pid: int) -> int | None:
    """Of a process the first one, by the number that it has here."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(found[0]) if found else None


def test_redis(watched: Watched, tmp_path: Path) -> None:
    tried = subprocess.run([*SPACES, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no namespaces: {tried.stderr.strip()}")
    data = tmp_path / "data"
    data.mkdir()
    inner: list[int] = []

    def ready() -> bool:
        inner[:] = filter(None, [child(watched.pid)])
        return bool(inner) and listens(PORT, inner[0])

    command = ["sh", "-c", START, "sh", data, str(PORT)]
    watched.start(*SPACES, *command, ready=ready, target=lambda: inner[0])
    assert f"NSpid:\t{inner[0]}\t1\n" in Path(f"/proc/{inner[0]}/status").read_text()
    within = ["nsenter", "--target", str(inner[0]), "--net", "--mount"]
    load = ["redis-benchmark", "-p", str(PORT), "-n", str(REQUESTS), "-c", "20", "-d", "2000"]
    tool(*within, *load, "-t", "set", "-r", "5000", "--csv")
    info = tool(*within, "redis-cli", "-p", str(PORT), "info", "stats")
    told = dict(line.split(":") for line in info.split() if ":" in line)
    tool(*within, "redis-cli", "-p", str(PORT), "bgsave")
    snapshot = Path(f"/proc/{inner[0]}/root{data}/dump.rdb")
    until(snapshot.exists, "the snapshot is there")
    size = snapshot.stat().st_size
    assert not (data / "dump.rdb").exists()
    finish(PORT, inner[0])
    tool(*within, "redis-cli", "-p", str(PORT), "shutdown", "nosave")
    seen = watched.end()
    watched.same("commands, requests", int(told["total_commands_processed"]), seen.requests)
    watched.same("bytes received", int(told["total_net_input_bytes"]), seen.bytes("net.recv"))
    sent = int(told["total_net_output_bytes"]) + len(info)
    watched.same("bytes sent", sent, seen.bytes("net.send"))
    ((written,),) = seen.ask(
        "SELECT sum(size_bytes)::BIGINT FROM records"
        " WHERE kind = 'file.write' AND name LIKE '%.rdb'"
    )
    watched.same("bytes of the snapshot", size, written, within=0)
    assert seen.share("socket_bytes") >= 0.999
    assert seen.share("file_bytes") >= 0.999
    # Each process has the number that it has here.
    assert inner[0] in (pid for (pid,) in seen.ask("SELECT DISTINCT pid FROM records"))

# SPDX-License-Identifier: Apache-2.0
"""Redis under redis-benchmark, and its snapshot from a forked child."""

from __future__ import annotations

from pathlib import Path

from real_harness import Watched, finish, free_port, listens, needs, tool, until

pytestmark = needs("redis-server", "redis-benchmark", "redis-cli")

REQUESTS = 10_000


def test_benchmark_and_snapshot(watched: Watched, tmp_path: Path) -> None:
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    watched.start("redis-server", *options, ready=lambda: listens(port))
    at = ["-p", str(port)]
    benchmark = ["redis-benchmark", *at, "-n", str(REQUESTS), "-c", "20", "-r", "5000"]
    tool(*benchmark, "-d", "2000", "-t", "set,get", "--csv")
    info = tool("redis-cli", *at, "info", "stats")
    told = dict(line.split(":") for line in info.split() if ":" in line)
    tool("redis-cli", *at, "bgsave")
    snapshot = tmp_path / "dump.rdb"
    until(snapshot.exists, "the snapshot is there")
    finish(port)
    tool("redis-cli", *at, "shutdown", "nosave")
    seen = watched.end()
    assert int(told["total_commands_processed"]) >= 2 * REQUESTS
    # Of the commands two come in one request; after its count come `info` itself and `bgsave`.
    watched.same("commands, requests", int(told["total_commands_processed"]), seen.requests)
    watched.same("bytes received", int(told["total_net_input_bytes"]), seen.bytes("net.recv"))
    # What it answers to `info` itself comes after its count.
    sent = int(told["total_net_output_bytes"]) + len(info)
    watched.same("bytes sent", sent, seen.bytes("net.send"))
    assert seen.share("socket_bytes") >= 0.999
    ((written, writers),) = seen.ask(
        "SELECT sum(size_bytes)::BIGINT, count(DISTINCT pid) FROM records"
        " WHERE kind = 'file.write' AND name LIKE '%.rdb'"
    )
    assert writers == 1
    watched.same("bytes of the snapshot", snapshot.stat().st_size, written, within=0)
    assert seen.share("file_bytes") >= 0.999
    if watched.way == "run":
        assert seen.coverage["without_shim"] == []
        assert seen.coverage["partly_seen"] == []

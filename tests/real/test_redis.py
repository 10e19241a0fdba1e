# SPDX-License-Identifier: Apache-2.0
"""Redis under redis-benchmark, and its snapshot from a forked child."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from real_harness import Gate, Watched, finish, free_port, listens, needs, serving, tool, until
from real_servers import redis

pytestmark = needs("redis-server", "redis-benchmark", "redis-cli")

REQUESTS = 10_000


def test_benchmark_and_snapshot(watched: Watched, tmp_path: Path) -> None:
    port = free_port()
    watched.start(*redis(port), "--dir", tmp_path, ready=lambda: listens(port))
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


def test_latency(watched: Watched, tmp_path: Path) -> None:
    port, gate = free_port(), Gate(tmp_path)
    load = ["redis-benchmark", "-p", str(port), "-n", str(REQUESTS), "-c", "20", "-d", "2000"]
    with serving(*redis(port), ready=lambda: listens(port), cwd=tmp_path):
        watched.start(*gate.before(*load, "-t", "set", "--csv"), ready=gate.reached)
        gate.open()
        seen = watched.end()
    (row,) = csv.DictReader(watched.said().splitlines())
    names = {"mean": "avg", "p50": "p50", "p95": "p95", "p99": "p99", "max": "max"}
    told = {name: float(row[f"{theirs}_latency_ms"]) * 1e3 for name, theirs in names.items()}
    # It asks for the server's settings first, on a connection of its own.
    answers = np.concatenate([each for each in seen.answers(port) if len(each) > 1])
    watched.same("requests", REQUESTS, len(answers), within=0)
    # Its percentiles are the upper ends of steps of 8 us.
    watched.as_long("a SET", told, answers[:, 0], near=5 + 8)

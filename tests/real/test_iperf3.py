# SPDX-License-Identifier: Apache-2.0
"""iperf3 between two network namespaces over a link of limited rate, both ways at once."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator

import pytest
from real_harness import Watched, needs, tool

pytestmark = needs("iperf3", "ip", "tc")

PORT = "5201"
SERVER = "10.77.0.1"
#: What one holds beside its heads, with a time stamp in them.
SEGMENT = 1448


@pytest.fixture
def spaces() -> Iterator[tuple[str, str]]:
    """Two namespaces with a link of 400 Mbit/s between them, which drops what waits for 2 ms."""
    names = f"anaros-real-a{os.getpid()}", f"anaros-real-b{os.getpid()}"
    ends = f"anra{os.getpid()}", f"anrb{os.getpid()}"
    with contextlib.ExitStack() as undo:
        for name in names:
            made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
            if made.returncode:
                pytest.skip(f"no network namespaces: {made.stderr.decode().strip()}")
            undo.callback(subprocess.run, ["ip", "netns", "del", name], check=False)
        pair = ["ip", "link", "add", ends[0], "netns", names[0], "type", "veth"]
        tool(*pair, "peer", "name", ends[1], "netns", names[1])
        for number, (name, end) in enumerate(zip(names, ends, strict=True), 1):
            tool("ip", "-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", end)
            for device in (end, "lo"):
                tool("ip", "-n", name, "link", "set", device, "up")
            shaped = ["root", "tbf", "rate", "400mbit", "burst", "64kb", "latency", "2ms"]
            tool("tc", "-n", name, "qdisc", "add", "dev", end, *shaped)
        yield names


def test_both_ways(watched: Watched, spaces: tuple[str, str]) -> None:
    ours, theirs = (["ip", "netns", "exec", space] for space in spaces)

    def listening() -> bool:
        return f":{PORT} " in tool(*ours, "ss", "-ltn")

    server = [*ours, "iperf3", "--server", "--one-off", "--json", "--port", PORT]
    watched.start(*server, ready=listening)
    client = [*theirs, "iperf3", "--client", SERVER, "--port", PORT]
    told = json.loads(tool(*client, "--bidir", "--time", "1", "--json"))
    seen = watched.end()
    end = json.loads(watched.said())["end"]
    # The server sends what it calls the reverse; a client counts until its time is over.
    received, sent = end["sum_received"]["bytes"], end["sum_sent_bidir_reverse"]["bytes"]
    assert told["end"]["sum_received"]["bytes"] == received
    watched.same("bytes received", received, seen.bytes("net.recv"))
    watched.same("bytes sent", sent, seen.bytes("net.send"))
    # A record is of what is sent again at once, which may be many segments. Some kernels run no BPF
    # programs in interrupts on top of some process, and then a part is missing; those that a timer
    # sends after the test come after iperf3 has asked for its count.
    ((again,),) = seen.ask(
        f"SELECT coalesce(sum(ceil(size_bytes / {SEGMENT})), 0)::BIGINT"
        " FROM records WHERE kind = 'tcp.retransmit'"
    )
    reverse = end["sum_sent_bidir_reverse"]
    watched.same("segments sent again", reverse["retransmits"], again, within=0.3, spare=50)
    assert seen.share("socket_bytes") >= 0.999
    assert seen.share("file_bytes") >= 0.999
    if watched.way == "run":
        assert seen.coverage["without_shim"] == []

# SPDX-License-Identifier: Apache-2.0
"""A connection between two network namespaces over a link of a given rate."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from kernel_harness import MS, NEEDS, Run, record

from anaros.kinds import Kind, NameClass

pytestmark = NEEDS

BYTES = 8_000_000
RATE_MBIT = 50
CLOSED = 7
THERE = "10.77.0.2"
RECEIVE = f"""
import socket, time
with socket.create_server(("{THERE}", 7000)) as server:
    print("ready", flush=True)
    connection, _ = server.accept()
    got = 0
    while data := connection.recv(1 << 16):
        got += len(data)
    connection.sendall(b"y" * 1000)
    time.sleep(0.3)  # what comes with the end itself counts as not read by then
    print(got)
"""
SEND = f"""
import socket
connection = socket.create_connection(("{THERE}", 7000))
connection.sendall(bytes({BYTES}))
connection.shutdown(socket.SHUT_WR)
print("back", len(connection.recv(1000, socket.MSG_WAITALL)))
SO_COOKIE = 57
print("cookie", int.from_bytes(connection.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), "little"))
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def ends() -> Iterator[tuple[str, str]]:
    """Two namespaces and a link of RATE_MBIT from the first to the second."""
    here, there = (f"anaros-{end}-{os.getpid()}" for end in "ab")
    try:
        for name in (here, there):
            try:
                ip("netns", "add", name)
            except (OSError, subprocess.CalledProcessError):
                pytest.skip("no network namespaces can be made here")
        peer = ("type", "veth", "peer", "name", "far", "netns", there)
        ip("link", "add", "name", "near", "netns", here, *peer)
        for name, device, address in ((here, "near", "10.77.0.1"), (there, "far", THERE)):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", device)
            ip("-n", name, "link", "set", device, "up")
        shape = ["tc", "-n", here, "qdisc", "add", "dev", "near", "root", "tbf"]
        shape += ["rate", f"{RATE_MBIT}mbit", "burst", "64kb", "latency", "50ms"]
        if subprocess.run(shape, check=False, capture_output=True).returncode:
            pytest.skip("no token bucket filter")
        yield here, there
    finally:
        for name in (here, there):
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                ip("netns", "del", name)


def test_bytes_of_a_flow_are_those_of_the_program(ends: tuple[str, str]) -> None:
    here, there = ends
    python = [sys.executable, "-S", "-c"]
    inside = ["ip", "netns", "exec", there, *python, RECEIVE]
    with subprocess.Popen(inside, stdout=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout is not None
        assert receiver.stdout.readline() == "ready\n"
        run = record(["ip", "netns", "exec", here, *python, SEND], more=True)
        assert receiver.stdout.read() == f"{BYTES}\n"
    assert run.status == 0
    assert not run.drops["net"]
    states = run.of(Kind.TCP_STATE)
    # The end of a socket may come after that of its program: then the last walk has told of it.
    told = run.of(Kind.TCP_BYTES)
    told = told.take(told.object == run.said["cookie"])
    closed = states.take((states.object == run.said["cookie"]) & (states.status == CLOSED))
    sent = max([*told.context.tolist(), *closed.context.tolist()])
    received = max([*told.size_bytes.tolist(), *closed.size_bytes.tolist()])
    assert sent == BYTES
    assert received == run.said["back"] == 1000
    # On its way the walk has seen the bytes at the rate of the link.
    assert len(told) >= 1
    assert (np.diff(told.context.astype(np.int64)) >= 0).all()
    assert 0 < int(told.address.max()) < 1_000_000
    waits = run.of(Kind.NIC_QUEUE)
    # A packet that is cut into segments behind the queue is not timed.
    assert int(waits.size_bytes.sum()) > BYTES / 4
    assert float(waits.duration_ns.max()) / MS > 1
    assert (waits.status == 0).all()


def queue_drops(namespace: str) -> int:
    """By the kernel's own count, of all queues of the link's near end."""
    show = ["tc", "-n", namespace, "-s", "-j", "qdisc", "show", "dev", "near"]
    shown = subprocess.run(show, check=True, capture_output=True, text=True)
    return int(json.loads(shown.stdout)[0]["drops"])


@pytest.mark.skipif(shutil.which("iperf3") is None, reason="iperf3 is not installed")
def test_what_a_full_queue_drops_is_told_packet_by_packet(
    ends: tuple[str, str], tmp_path: Path
) -> None:
    here, there = ends
    small = ("root", "tbf", "rate", "20mbit", "burst", "4kb", "limit", "8kb")
    subprocess.run(["tc", "-n", here, "qdisc", "replace", "dev", "near", *small], check=True)
    inside = ["ip", "netns", "exec", there, "iperf3", "-s", "-1", "--forceflush"]
    with subprocess.Popen(inside, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            while "listening" not in (line := server.stdout.readline()):
                assert line, "iperf3 does not listen"
            before = queue_drops(here)
            flood = ["-u", "-b", "100M", "-l", "1000", "-k", "2000", "--connect-timeout", "5000"]
            load = ["iperf3", "-c", THERE, *flood, "-J", "--logfile", str(tmp_path / "said")]
            run = record(["ip", "netns", "exec", here, *load], more=True)
            dropped = queue_drops(here) - before
        finally:
            server.kill()
    assert run.status == 0
    assert dropped > 100
    drops = run.of(Kind.NIC_DROP)
    # Those of the kernel itself (neighbours, routers) are nobody's.
    in_queue = drops.take(drops.context != 0)
    assert dropped - 5 - dropped / 100 <= len(in_queue) <= dropped
    reasons = {run.name(NameClass.REASON, number)[0] for number in set(in_queue.address.tolist())}
    assert all(reason.startswith("QDISC_") for reason in reasons)
    near = json.loads(
        subprocess.run(
            ["ip", "-n", here, "-j", "link", "show", "near"], check=True, capture_output=True
        ).stdout
    )
    assert set(in_queue.context.tolist()) == {near[0]["ifindex"]}
    assert (in_queue.pid == run.pid).all()
    assert in_queue.size_bytes.min() > 50
    # What iperf3 gave to its socket, dropped or not: and before, four bytes to say hello.
    flows = run.of(Kind.NET_FLOW)
    sent = int(flows.context[(flows.object != 0) & (flows.status == 17)].sum())
    said = json.loads((tmp_path / "said").read_text())["end"]["sum"]["bytes"]
    assert said == 2_000_000
    assert sent == said + 4


DATAGRAMS = """
import socket
def cookie(word, s):
    SO_COOKIE = 57
    print(word, int.from_bytes(s.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), "little"))
    if word != "unix":
        print(word + "_port", s.getsockname()[1])
there = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
there.bind(("127.0.0.1", 0))
here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
here.connect(there.getsockname())
there6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
there6.bind(("::1", 0))
here6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
left, right = socket.socketpair()
for i in range(100):
    here.send(bytes(1000))
    there.recv(10, socket.MSG_PEEK)
    assert len(there.recv(600)) == 600  # the rest of it is gone
    here6.sendto(bytes(30), there6.getsockname())
    there6.recv(2000)
    left.send(bytes(77))
    right.recv(100)
assert here.connect_ex(("127.0.0.1", 1)) == 0
here.send(bytes(5))
for word, s in (("here", here), ("there", there), ("here6", here6), ("there6", there6)):
    cookie(word, s)
"""


def moved(run: Run, cookie: int) -> tuple[int, int, int, int]:
    """Bytes received and sent through a socket, and in how many calls."""
    told = run.of(Kind.NET_FLOW)
    told = told.take(told.object == cookie)
    calls = told.address.astype(np.int64)
    sums = told.size_bytes, told.context, calls & 0xFFFFFFFF, calls >> 32
    received, sent, receives, sends = (int(each.sum()) for each in sums)
    return received, sent, receives, sends


def test_datagrams_are_told_by_socket_and_other_families_together() -> None:
    run = record([sys.executable, "-S", "-c", DATAGRAMS], more=True)
    assert run.status == 0
    said = run.said
    assert moved(run, said["here"]) == (0, 100_005, 0, 101)
    assert moved(run, said["there"]) == (60_000, 0, 100, 0)
    assert moved(run, said["here6"]) == (0, 3000, 0, 100)
    assert moved(run, said["there6"]) == (3000, 0, 100, 0)
    told = run.of(Kind.NET_FLOW)
    of_unix = told.take((told.object == 0) & (told.status == 1))
    assert int(of_unix.size_bytes.sum()) == int(of_unix.context.sum()) == 7700
    assert set(told.status[told.object != 0].tolist()) == {17}
    assert (told.pid == run.pid).all()
    here, there = (f"127.0.0.1:{said[word]}" for word in ("here_port", "there_port"))
    assert run.name(NameClass.SOCKET, said["here"]) == [
        f"udp {here} -> {there}",
        f"udp {here} -> 127.0.0.1:1",
    ]
    assert run.name(NameClass.SOCKET, said["there6"]) == [f"udp [::1]:{said['there6_port']}"]


ONLY_RECEIVES = """
import pathlib, socket, sys, time
folder = pathlib.Path(sys.argv[1])
there = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
there.bind(("127.0.0.1", 0))
(folder / "unfinished").write_text(str(there.getsockname()[1]))
(folder / "unfinished").rename(folder / "port")
there.recv(10)
(folder / "took").touch()
deadline = time.monotonic() + 20
while not (folder / "sent").exists() and time.monotonic() < deadline:
    time.sleep(0.01)
SO_COOKIE = 57
print("cookie", int.from_bytes(there.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), "little"))
"""


def test_drops_of_a_socket_that_only_receives_are_the_targets(tmp_path: Path) -> None:
    def wait_for(name: str) -> None:
        deadline = time.monotonic() + 20
        while not (tmp_path / name).exists():
            assert time.monotonic() < deadline, name
            time.sleep(0.01)

    def flood() -> None:
        wait_for("port")
        port = int((tmp_path / "port").read_text())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"first", ("127.0.0.1", port))
            wait_for("took")
            for _ in range(50):
                sender.sendto(bytes(1000), ("127.0.0.1", port))
        (tmp_path / "sent").touch()

    run = record([sys.executable, "-S", "-c", ONLY_RECEIVES, str(tmp_path)], flood, more=True)
    assert run.status == 0
    drops = run.of(Kind.NIC_DROP)
    drops = drops.take(drops.object == run.said["cookie"])
    assert len(drops) > 30
    assert (drops.pid == run.pid).all()

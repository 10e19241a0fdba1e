# SPDX-License-Identifier: Apache-2.0
"""Sockets, drops, queues and polls of the kernel plane, against the kernel's own counts."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from kernel_harness import MS, NEEDS, probes, record

from anaros.kinds import Kind, NameClass
from anaros.records import FLAG_ASYNC

pytestmark = NEEDS

TCP_ESTABLISHED, TCP_SYN_SENT, TCP_SYN_RECV, TCP_CLOSE, TCP_LISTEN = 1, 2, 3, 7, 10


def test_tcp_states_of_both_ends(workload: str) -> None:
    run = record([workload, "tcp", "50"])
    states = run.of(Kind.TCP_STATE)
    seen = {
        who: list(
            zip(
                states.address[states.object == run.said[who]].tolist(),
                states.status[states.object == run.said[who]].tolist(),
                strict=True,
            )
        )
        for who in ("client", "accepted", "listener")
    }
    assert seen["listener"] == [(TCP_CLOSE, TCP_LISTEN), (TCP_LISTEN, TCP_CLOSE)]
    assert seen["client"][:2] == [(TCP_CLOSE, TCP_SYN_SENT), (TCP_SYN_SENT, TCP_ESTABLISHED)]
    # What a listener accepts is inherited, from before anybody accepts it.
    assert seen["accepted"][0] == (TCP_LISTEN, TCP_SYN_RECV)
    assert seen["accepted"][1] == (TCP_SYN_RECV, TCP_ESTABLISHED)
    assert (states.pid == run.pid).all()


def test_foreign_sockets_are_only_counted(workload: str) -> None:
    def connect() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname()).close()

    run = record([workload, "sleep", "5", "20000"], connect)
    assert len(run.of(Kind.TCP_STATE)) == 0
    assert run.counts["net"]["others"] > 3


def test_retransmits_and_drops_agree_with_the_kernel(workload: str) -> None:
    inside = 'ip link set lo up && exec "$@"'
    run = record(["unshare", "-n", "sh", "-c", inside, "sh", workload, "loss", "500"])
    if run.status:
        pytest.skip("no network namespace of its own")
    again = run.of(Kind.TCP_RETRANSMIT)
    # Its last words (FIN) may be late on a busy machine too, after it read the counters.
    again = again.take(again.size_bytes > 0)
    assert run.said["retransmitted"] >= 1
    assert len(again) == run.said["retransmitted"], run.counts
    assert (again.object == run.said["client"]).all()
    dropped = run.of(Kind.NIC_DROP)
    dropped = dropped.take(dropped.object == run.said["accepted"])
    reasons = [run.name(NameClass.REASON, number)[0] for number in dropped.address]
    # A segment is filtered when it arrives, which may be long after it was sent: how many were
    # is for the receiving socket to say. It counts duplicates too, which have another reason.
    assert 1 <= reasons.count("SOCKET_FILTER") <= run.said["dropped"] <= len(reasons)


def test_a_full_receive_buffer_is_a_named_drop(workload: str) -> None:
    run = record([workload, "flood", "40", "1000"])
    drops = run.of(Kind.NIC_DROP)
    drops = drops.take(drops.object == run.said["cookie"])
    assert len(drops) > 20
    assert (drops.pid == run.pid).all()
    assert (drops.status == drops.address.astype(np.int32)).all()
    assert run.name(NameClass.REASON, drops.address[0]) == ["SOCKET_RCVBUFF"]


def test_packets_wait_in_a_queueing_discipline(workload: str) -> None:
    shape = "tc qdisc add dev lo root tbf rate 16mbit burst 4kb latency 200ms"
    inside = f'ip link set lo up && {shape} && exec "$@"'
    argv = ["unshare", "-n", "sh", "-c", inside, "sh", workload, "flood", "40", "1000"]
    run = record(argv, settings=probes.Settings(backlog_min=1))
    if run.status:
        pytest.skip("no network namespace of its own, or no tbf")
    waits = run.of(Kind.NIC_QUEUE)
    assert len(waits) > 20
    assert (waits.object == 1).all()
    assert (waits.size_bytes >= 1000).all()
    # 40 packets at 16 Mbit/s: the last waits for the ~36 before it, 0.5 ms each, or longer where
    # the machine is late to let them go.
    assert 10 < waits.duration_ns.max() / MS < 1000
    polls = run.of(Kind.NIC_POLL)
    assert len(polls) > 0
    assert (polls.size_bytes > 0).all()
    assert not polls.pid.any()


def test_loopback_polls_of_few_packets_are_counted(workload: str) -> None:
    run = record([workload, "tcp", "50"])
    polls = run.of(Kind.NIC_POLL)
    assert (polls.take(polls.object == 0).size_bytes >= 8).all()
    assert run.counts["net"]["below_minimum"] > 50


def test_wakeups_through_loopback_are_marked_as_of_an_interrupt(workload: str) -> None:
    run = record([workload, "echo", "300"])
    edges = run.of(Kind.SCHED_WAKEUP)
    there = edges.take((edges.tid == run.pid) & (edges.object == run.said["child"]))
    back = edges.take((edges.tid == run.said["child"]) & (edges.object == run.pid))
    assert len(there) > 50
    assert len(back) > 50
    # The segment arrives in a soft interrupt on the sender's own time: likely, not certain.
    marked = (there.flags & FLAG_ASYNC) != 0
    assert marked.mean() > 0.9


ROUND_TRIPS = """
import socket, time
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
accepted = server.accept()[0]
for i in range(50):
    client.sendall(b"x" * 1000)
    accepted.recv(1000, socket.MSG_WAITALL)
time.sleep(1.2)
client_info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 72)
SO_COOKIE = 57
print("client", int.from_bytes(client.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), "little"))
print("rtt_us", int.from_bytes(client_info[68:72], "little"))
"""


def test_round_trips_are_those_of_the_kernel() -> None:
    run = record([sys.executable, "-S", "-c", ROUND_TRIPS], more=True)
    told = run.of(Kind.TCP_BYTES)
    told = told.take(told.object == run.said["client"])
    assert int(told.context.max()) == 50_000
    assert run.said["rtt_us"] > 0
    # The last look at the socket came after its last packet, as the program's own.
    assert int(told.address[-1]) == run.said["rtt_us"]


FULL = """
import fcntl, os, socket, struct
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", b"full", IFF_TAP | IFF_NO_PI))
os.system("ip link set full txqueuelen 4 up && ip addr add 10.9.9.1/24 dev full && "
          "ip neigh add 10.9.9.2 lladdr 02:00:00:00:00:02 dev full nud permanent")
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(200):
    sender.sendto(b"x" * 100, ("10.9.9.2", 9))
"""


def test_a_ring_that_is_full_is_a_drop_of_nobody() -> None:
    if not Path("/dev/net/tun").exists():
        pytest.skip("this kernel has no network device whose other end is a program")
    run = record(["unshare", "-n", sys.executable, "-S", "-c", FULL])
    if run.status:
        pytest.skip("no network namespace of its own")
    drops = run.of(Kind.NIC_DROP)
    full = [
        n for n in set(drops.address.tolist()) if run.name(NameClass.REASON, n) == ["FULL_RING"]
    ]
    assert len(full) == 1
    full_drops = drops.take(drops.address == full[0])
    assert 150 < len(full_drops) <= 200
    assert not full_drops.pid.any()

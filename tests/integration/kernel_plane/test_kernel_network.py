# SPDX-License-Identifier: Apache-2.0
"""Sockets, drops, queues and polls of the kernel plane, against the kernel's own counts."""

from __future__ import annotations

import socket

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
    # 40 packets at 16 Mbit/s: the last waits for the ~36 before it, 0.5 ms each.
    assert 10 < waits.duration_ns.max() / MS < 40
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

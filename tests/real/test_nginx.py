# SPDX-License-Identifier: Apache-2.0
"""nginx with workers of another user, under wrk."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
from real_harness import EXACTLY, Gate, Watched, finish, free_port, listens, needs, serving, tool
from real_servers import PAGE, nginx

pytestmark = needs("nginx", "wrk")

CLIENTS = 8


def load(folder: Path, port: int) -> list[str]:
    """The command of the load tool, which tells exactly what it had."""
    exactly = folder / "exactly.lua"
    exactly.write_text(EXACTLY)
    words = ["wrk", "-t1", f"-c{CLIENTS}", "-d1", "-s", str(exactly)]
    return [*words, f"http://127.0.0.1:{port}/page"]


def test_pages(watched: Watched, public: Path) -> None:
    port = free_port()
    server = nginx(public, port)
    watched.start(*server, ready=lambda: listens(port))
    requests, size, refused = map(
        int, tool(*load(public, port)).partition("exactly")[2].split()[:3]
    )
    assert refused == 0
    finish(port)
    tool(*server, "-s", "quit")
    seen = watched.end()
    served = len((public / "log").read_text().splitlines())
    watched.same("lines of its log, requests", served, seen.requests, within=0)
    # What is under way when the time is over is answered, and not counted.
    assert requests <= served <= requests + CLIENTS
    more = 2 * CLIENTS * PAGE
    watched.same("bytes that wrk read, sent", size, seen.bytes("net.send"), spare=more)
    # A client that has gone gets nothing.
    assert seen.count("file.sendfile") == served
    watched.same("bytes of pages, of sendfile", served * PAGE, seen.bytes("file.sendfile"))
    assert seen.share("socket_bytes") >= 0.999
    assert seen.share("file_bytes") >= 0.999
    if watched.way == "run":
        assert seen.coverage["without_shim"] == []
        assert seen.coverage["partly_seen"] == []


def corrected(took_us: npt.NDArray[np.float64], expected_us: int) -> npt.NDArray[np.float64]:
    """As wrk has it: who waits for two means or more kept others from being sent, one each mean.

    Args:
        took_us: Each answer's time.
        expected_us: The mean time between two requests of a connection.
    """
    late = took_us[took_us >= 2 * expected_us]
    more = [np.arange(took - expected_us, expected_us, -expected_us) for took in late]
    return np.concatenate([took_us, *more])


def test_latency(watched: Watched, public: Path) -> None:
    port, gate = free_port(), Gate(public)
    server = nginx(public, port)
    with serving(*server, ready=lambda: listens(port)):
        watched.start(*gate.before(*load(public, port)), ready=gate.reached)
        gate.open()
        seen = watched.end()
    (exactly,) = re.findall(r"exactly (.*)", watched.said())
    requests, took_us = int(exactly.split()[0]), int(exactly.split()[3])
    told = {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", exactly)}
    answers = np.concatenate(seen.answers(port))
    watched.same("answers", requests, len(answers), within=0, spare=CLIENTS)
    expected_us = took_us // max(1, requests // CLIENTS)
    watched.as_long("a page", told, corrected(answers[:, 0], expected_us))

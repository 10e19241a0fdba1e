# SPDX-License-Identifier: Apache-2.0
"""Bytes that were read, and the copy that moved them to the device, in real programs.

The programs tell the truth: for each copy the time just before it, and the time just after its
bytes had been read.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from anaros.store import sql
from anaros.store.rundir import RunDirectory

ROOT = Path(__file__).resolve().parents[2]
SIM = ROOT / "tests" / "native" / "cuda_sim"
ROUNDS = 24

#: What both programs begin with: a device, a buffer of the host that is page-locked, a decoder.
DEVICE = """
import ctypes, json, random, selectors, socket, sys, threading, time
from collections import deque
import numpy as np
from cuda.bindings import driver as cu

def ok(result):
    assert result[0] == 0, result[0]
    return result[1] if len(result) == 2 else result[1:]

how, ROUNDS, ROOM = sys.argv[1], int(sys.argv[2]), 1 << 16
staged = how not in ("file", "socket")
ok(cu.cuInit(0))
context = ok(cu.cuDevicePrimaryCtxRetain(ok(cu.cuDeviceGet(0))))
ok(cu.cuCtxSetCurrent(context))
device, staging = ok(cu.cuMemAlloc(ROOM)), int(ok(cu.cuMemHostAlloc(ROOM, 0)))
pinned = np.ctypeslib.as_array((ctypes.c_uint8 * ROOM).from_address(staging))
decoded = np.zeros(ROOM, np.uint8)
reader = threading.get_native_id()
file = open(sys.argv[3], "rb", buffering=0)
told = open(sys.argv[4], "w")
truth = []

def decode(source, target):
    np.bitwise_xor(source, 255, out=target)

def upload(buffer, size, was_read):
    if staged:
        decode(buffer[:size], decoded[:size])
        pinned[:size] = decoded[:size]
    else:
        decode(buffer[:size], buffer[:size])
    truth.append([time.monotonic_ns(), was_read])
    ok(cu.cuMemcpyHtoD(device, staging if staged else buffer.ctypes.data, size))
"""

#: One thread receives, another decodes and copies. It is told nothing: it looks again and again,
#: takes two requests at once, and serves either of them first.
SERVER = (
    DEVICE
    + """
buffers = [np.zeros(ROOM, np.uint8) for _ in range(2)]
inbox, outbox = deque(), deque()
ring, bell = socket.socketpair()
random.seed(1)

def work():
    ok(cu.cuCtxSetCurrent(context))
    for _ in range(ROUNDS):
        while len(inbox) < 2:
            time.sleep(0.0002)
        pair = [inbox.popleft(), inbox.popleft()]
        random.shuffle(pair)
        for who, size, was_read in pair:
            upload(buffers[who], size, was_read)
            outbox.append(who)
            bell.send(b"!")

listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connections = [listener.accept()[0] for _ in range(2)]
selector = selectors.DefaultSelector()
for each in [*connections, ring]:
    selector.register(each, selectors.EVENT_READ)
worker = threading.Thread(target=work)
worker.start()
left = 2 * ROUNDS
while left:
    for key, _ in selector.select():
        if key.fileobj is ring:
            ring.recv(64)
            while outbox:
                connections[outbox.popleft()].sendall(b"done")
                left -= 1
            continue
        who = connections.index(key.fileobj)
        size = int.from_bytes(key.fileobj.recv(4), "little")
        room = memoryview(buffers[who])[:size]
        if how == "socket":
            key.fileobj.recv_into(room, size, socket.MSG_WAITALL)
        else:
            file.seek(0)
            file.readinto(room)
        inbox.append((who, size, time.monotonic_ns()))
worker.join()
json.dump([reader, truth], told)
"""
)

#: One thread reads, decodes and copies; another reads what is never copied.
LOOP = (
    DEVICE
    + """
def chatter():
    scratch = np.zeros(ROOM, np.uint8)
    with open(sys.argv[3], "rb", buffering=0) as other:
        for number in range(2 * ROUNDS):
            other.seek(0)
            other.readinto(memoryview(scratch)[: random.randrange(100, 9000)])
            time.sleep(0.0005)

beside = threading.Thread(target=chatter)
beside.start()
buffer = np.zeros(ROOM, np.uint8)
for number in range(2 * ROUNDS):
    file.seek(0)
    size = file.readinto(memoryview(buffer)[: random.randrange(4096, 30000)])
    upload(buffer, size * 2 if how == "grows" else size, time.monotonic_ns())
    ok(cu.cuCtxSynchronize())
    time.sleep(0.001)
beside.join()
json.dump([reader, truth], told)
"""
)

#: Copies parts of a file from where it is mapped.
MAPPED = (
    DEVICE
    + """
mapped = np.memmap(sys.argv[3], np.uint8, "r")
for number in range(ROUNDS):
    ok(cu.cuMemcpyHtoD(device, mapped.ctypes.data + 512 * number, 4096))
json.dump([reader, []], told)
"""
)

Command = Callable[..., list[str]]


@dataclass(frozen=True)
class Told:
    """The links of a run, each with whether it is right, and how many copies there were."""

    rows: list[dict[str, Any]]
    copies: int

    def right(self, at_least: float = 0.0) -> tuple[int, int]:
        """How many links of such a probability are right, and how many there are."""
        some = [row["right"] for row in self.rows if row["probability"] >= at_least]
        return sum(some), len(some)

    def silent(self) -> int:
        """Copies of which nothing is told."""
        return self.copies - len({row["start_ns"] for row in self.rows})


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("make or a C compiler is missing: install build-essential")
    pytest.importorskip("cuda.bindings", reason="cuda-bindings is not installed")
    subprocess.run(["make", "-s", "-C", SIM], check=True)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("CUDA_", "ANAROS_"))}
    return env | {"LD_LIBRARY_PATH": str(SIM / "build"), "ANAROS_SIM_SPEED": "0"}


Watch = Callable[[str, str], Told]


@pytest.fixture
def watch(anaros: Command, environment: dict[str, str], tmp_path: Path) -> Watch:
    """Runs a program in one of its ways under observation, and compares what is told of it."""
    data, truth = tmp_path / "data", tmp_path / "truth"
    data.write_bytes(os.urandom(1 << 16))

    def run(program: str, how: str) -> Told:
        script = [sys.executable, "-c", program, how, str(ROUNDS), str(data), str(truth)]
        words = anaros("run", "--no-kernel", "--output", tmp_path / "run", "--", *script)
        with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as server:
            try:
                if program is SERVER:
                    assert server.stdout is not None
                    ask(int(server.stdout.readline()), how)
                assert server.wait(120) == 0
            finally:
                server.kill()
        return compared(RunDirectory.open(tmp_path / "run"), *json.loads(truth.read_text()))

    return run


def ask(port: int, how: str) -> None:
    """Two clients at a time; each request has a size of its own, or all have the same."""
    clients = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(2)]
    for turn in range(ROUNDS):
        for who, client in enumerate(clients):
            size = 4096 if how == "equal" else 4096 + 16 * (2 * turn + who)
            payload = bytes(size) if how == "socket" else b""
            client.sendall(size.to_bytes(4, "little") + payload)
        for client in clients:
            assert client.recv(4, socket.MSG_WAITALL) == b"done"
    for client in clients:
        client.close()


def compared(directory: RunDirectory, reader: int, truth: list[list[int]]) -> Told:
    """What is told of the copies in a run, and whether it is true."""
    found = sql.query(directory, "SELECT * FROM links ORDER BY start_ns")
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    copies = [
        at
        for (at,) in sql.query(
            directory, "SELECT start_ns FROM records WHERE kind = 'gpu.copy_h2d' ORDER BY 1"
        ).rows
    ]
    reads = sql.query(
        directory,
        "SELECT start_ns + duration_ns FROM records WHERE kind IN ('file.read', 'net.recv')"
        f" AND size_bytes >= 100 AND tid = {reader} ORDER BY 1",
    )
    ends = [end for (end,) in reads.rows]
    true = {
        copies[bisect_left(copies, began)]: ends[bisect_left(ends, was_read) - 1]
        for began, was_read in truth
    }
    assert len(true) == len(truth)
    for row in rows:
        row["right"] = true.get(row["start_ns"]) == row["read_ns"]
    return Told(rows, len(copies))


@pytest.mark.parametrize(("how", "kind"), [("file", "file.read"), ("socket", "net.recv")])
def test_bytes_that_are_decoded_in_place_are_known_by_their_address(
    how: str, kind: str, watch: Watch
) -> None:
    told = watch(SERVER, how)
    assert told.right() == (2 * ROUNDS, 2 * ROUNDS)
    for row in told.rows:
        assert (row["evidence"], row["kind"]) == ("buffer", kind)
        assert row["size_bytes"] == row["read_bytes"] == row["copy_bytes"]
        assert row["read_address"] == row["copy_address"]
        assert row["read_tid"] != row["tid"]
        assert row["probability"] > 0.9


def test_bytes_that_went_through_another_buffer_are_known_by_their_size(watch: Watch) -> None:
    told = watch(SERVER, "staged")
    right, count = told.right(0.9)
    assert right >= 0.9 * count
    # How sure they are depends on how the threads came to their turns.
    assert told.right()[0] >= ROUNDS
    assert all(row["read_address"] != row["copy_address"] for row in told.rows)


def test_where_nothing_tells_nothing_is_told(watch: Watch) -> None:
    """Equal sizes, taken in any order by a thread that nobody wakes."""
    told = watch(SERVER, "equal")
    right, count = told.right(0.9)
    assert right >= 0.9 * count
    right, count = told.right()
    assert count - right <= 0.3 * told.copies
    assert told.silent() > 0


@pytest.mark.parametrize("how", ["file", "staged", "grows"])
def test_on_one_thread_the_order_of_the_program_tells(how: str, watch: Watch) -> None:
    told = watch(LOOP, how)
    right, count = told.right(0.9)
    assert right >= 0.95 * count
    assert right >= 0.9 * told.copies
    expected = "buffer" if how == "file" else "program_order"
    assert {row["evidence"] for row in told.rows if row["right"]} == {expected}


def test_a_mapped_file_is_known_by_its_address(watch: Watch, tmp_path: Path) -> None:
    told = watch(MAPPED, "mapped")
    assert told.silent() == 0
    for row in told.rows:
        assert (row["evidence"], row["kind"]) == ("buffer", "file.mmap")
        assert (row["name"], row["size_bytes"]) == (str(tmp_path / "data"), 4096)
        assert row["probability"] == 0.99


def test_the_questions_of_the_docs_have_answers(watch: Watch, tmp_path: Path) -> None:
    told = watch(LOOP, "file")
    questions = re.findall(r"```sql\n(.*?)```", (ROOT / "docs/report.md").read_text(), re.DOTALL)
    assert any("FROM links" in question for question in questions)
    for question in questions:
        answer = sql.query(RunDirectory.open(tmp_path / "run"), question)
        # Nobody may have delayed it; tests/unit/test_delays.py asks that of a run that was.
        assert answer.rows or "FROM delays" in question
        if "FROM links" in question:
            rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
            (row,) = (row for row in rows if row["name"] == str(tmp_path / "data"))
            assert (row["evidence"], row["copies"]) == ("buffer", told.copies)

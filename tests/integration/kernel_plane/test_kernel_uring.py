# SPDX-License-Identifier: Apache-2.0
"""io_uring in the kernel plane: every operation of a program that uses it by system calls alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from kernel_harness import NEEDS, Run, record
from kernel_programs import built
from test_kernel_files import number

from anaros.kinds import Kind
from anaros.records import FLAG_FD_TYPE_MASK

pytestmark = NEEDS

FSYNC, ACCEPT, READ, WRITE, SEND, RECV = 3, 13, 22, 23, 26, 27
WORKER, POLL, MORE = 0x100, 0x200, 0x400
REGULAR, SOCKET = 1, 3
CANCELED = -125


@pytest.fixture(scope="module")
def uring(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The C helper, built."""
    return built(tmp_path_factory.mktemp("uring"), "uring")


def of_ring(argv: list[str]) -> Run:
    run = record(argv, more=True)
    if run.status == 77 << 8 or run.status == 77:
        pytest.skip("this machine has no io_uring, or it is turned off")
    assert run.status == 0
    assert run.drops["uring"] == 0
    return run


def test_reads_and_writes_are_those_of_the_program(uring: str, tmp_path: Path) -> None:
    path = tmp_path / "data"
    run = of_ring([uring, "file", str(path), "40", "8192"])
    done = run.of(Kind.FILE_URING)
    assert Counter((done.context & 0xFF).tolist()) == {READ: 40, WRITE: 40, FSYNC: 1}
    assert int(done.size_bytes.sum()) == run.said["moved"]
    assert (done.object == number(path)).all()
    assert ((done.flags & FLAG_FD_TYPE_MASK) == REGULAR).all()
    assert (done.tid == run.pid).all()
    assert (done.duration_ns > 0).all()
    for opcode in (READ, WRITE):
        of_one = done.take((done.context & 0xFF) == opcode)
        assert of_one.address.tolist() == list(range(1000, 1040))
        assert (of_one.status == 8192).all()
    synced = done.take((done.context & 0xFF) == FSYNC)
    assert int(synced.context[0]) & WORKER
    assert int(synced.size_bytes[0]) == 0


def test_a_receive_that_has_to_wait_is_told_as_a_poll(uring: str) -> None:
    run = of_ring([uring, "socket", "30", "1000"])
    done = run.of(Kind.FILE_URING)
    assert ((done.flags & FLAG_FD_TYPE_MASK) == SOCKET).all()
    assert int(done.size_bytes.sum()) == run.said["moved"] == 2 * 30 * 1000
    received = done.take((done.context & 0xFF) == RECV)
    sent = done.take((done.context & 0xFF) == SEND)
    assert set(received.object.tolist()) == {run.said["receiver"]}
    assert set(sent.object.tolist()) == {run.said["sender"]}
    assert ((received.context & POLL) != 0).all()
    assert ((sent.context & POLL) == 0).all()


def test_results_of_an_operation_that_goes_on(uring: str) -> None:
    done = of_ring([uring, "accept", "5"]).of(Kind.FILE_URING)
    more = done.take((done.context & MORE) != 0)
    assert len(more) == 5
    assert (more.status > 0).all()
    assert (more.address == 99).all()
    # The end of the program ends the operation itself.
    last = done.take((done.context & MORE) == 0)
    assert (last.context & 0xFF).tolist() == [ACCEPT]
    assert last.status.tolist() == [CANCELED]


def test_a_program_without_a_ring_has_none() -> None:
    run = record(["/bin/true"], more=True)
    assert len(run.of(Kind.FILE_URING)) == 0
    assert run.drops["uring"] == 0

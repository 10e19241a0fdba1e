# SPDX-License-Identifier: Apache-2.0
"""The coverage ledger: its reckoning against a slow one that takes record after record."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from anaros import coverage
from anaros.coverage import QUANTITIES, Quantity
from anaros.coverage.model import Total
from anaros.coverage.owners import by_program
from anaros.coverage.series import by_second
from anaros.kinds import Kind
from anaros.records import (
    FLAG_ACCOUNTED,
    FLAG_CAPTURE,
    FLAG_DEVICE_TIME,
    FLAG_KERNEL,
    FLAG_PEEK,
    FLAG_STDIO,
    RECORD_DTYPE,
    Columns,
)

SECOND = 1_000_000_000
MS = 1_000_000
ORIGIN = 1_000 * SECOND
FILE_BYTES = (Quantity.READ_BYTES, Quantity.WRITTEN_BYTES)
SOCKET_BYTES = (Quantity.RECEIVED_BYTES, Quantity.SENT_BYTES)


def columns_of(rows: list[dict[str, Any]]) -> Columns:
    """Records of such fields; the others are 0."""
    records = np.zeros(len(rows), RECORD_DTYPE)
    for place, row in enumerate(rows):
        for name, value in row.items():
            records[place][name] = value
    return Columns.from_records(records)


class Machine:
    """Processes that do things, what both witnesses say of it, and what is true."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.now = ORIGIN
        self.counts: dict[int, list[int]] = {}
        self.born: dict[int, int] = {}
        self.shim: dict[int, bool] = {}
        self.seen: dict[Quantity, int] = defaultdict(int)
        self.done: dict[Quantity, int] = defaultdict(int)
        self.starts = 0
        self.bare: dict[int, list[int]] = {}

    def later(self, ns: int = 1000) -> int:
        self.now += ns
        return self.now

    def record(self, kind: Kind, pid: int, **fields: Any) -> None:
        row = {"kind": kind, "pid": pid, "tid": pid, "start_ns": self.later(), **fields}
        if kind.name.startswith(("PROC_", "TCP_", "SCHED_")) and kind != Kind.PROC_SHIM:
            row["flags"] = row.get("flags", 0) | FLAG_KERNEL
        self.rows.append(row)

    def tell(self, pid: int, status: int) -> None:
        read, written, reads, writes = self.counts[pid]
        usage = {"size_bytes": read, "address": written, "object": reads, "context": writes}
        at = self.later()
        self.record(Kind.PROC_IO, pid, status=status, **usage)
        self.rows[-1]["start_ns"] = at
        self.record(Kind.PROC_CPU, pid, status=status, object=self.born[pid])
        self.rows[-1]["start_ns"] = at

    def fork(self, parent: int, child: int) -> None:
        self.record(Kind.PROC_FORK, parent, object=child)
        self.counts[child], self.born[child] = [0, 0, 0, 0], self.now
        self.shim[child] = self.shim.get(parent, False)
        self.bare.pop(child, None)

    def exec(self, pid: int, *, shim: bool, loader: int) -> None:
        counted = self.counts[pid]
        counted[0] += 800
        counted[2] += 2
        self.starts += 800
        self.tell(pid, 1)
        self.record(Kind.PROC_EXEC, pid, start_ns=self.now)
        self.shim[pid] = shim
        if shim:
            counted[0] += loader
            counted[2] += 3
            self.starts += loader
            self.record(Kind.PROC_SHIM, pid, size_bytes=counted[0], context=counted[2])
        else:
            self.bare[pid] = [0, 0]

    def move(self, pid: int, size: int, *, write: bool, raw: bool) -> None:
        counted = self.counts[pid]
        counted[int(write)] += size
        counted[2 + write] += 1
        byte, call = (
            (Quantity.WRITTEN_BYTES, Quantity.WRITE_CALLS)
            if write
            else (Quantity.READ_BYTES, Quantity.READ_CALLS)
        )
        self.done[byte] += size
        self.done[call] += 1
        if self.shim[pid] and not raw:
            self.record(Kind.FILE_WRITE if write else Kind.FILE_READ, pid, size_bytes=size)
            self.seen[byte] += size
            self.seen[call] += 1
        elif pid in self.bare:
            self.bare[pid][int(write)] += size

    def ledger(self) -> coverage.Ledger:
        order = np.random.default_rng(7).permutation(len(self.rows))
        return coverage.reckon(columns_of([self.rows[at] for at in order]), ORIGIN)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["read", "write", "raw", "fork", "exec", "static", "tell", "end", "wait"]),
        st.integers(0, 5),
        st.integers(1, 100_000),
    ),
    max_size=60,
)


def _play(machine: Machine, word: str, pid: int, size: int, others: list[int]) -> None:
    if word in ("read", "write"):
        machine.move(pid, size, write=word == "write", raw=False)
    elif word == "raw":
        machine.move(pid, size, write=bool(size % 2), raw=True)
    elif word == "fork":
        if others:
            machine.fork(pid, others[0])
    elif word in ("exec", "static"):
        machine.exec(pid, shim=word == "exec", loader=size)
    elif word == "tell":
        machine.tell(pid, 0)
    elif word == "end" and pid != 1:
        machine.tell(pid, 2)
        del machine.counts[pid]
    elif word == "wait":
        machine.later(size * 40_000)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_files_are_reckoned_as_by_hand(steps: list[tuple[str, int, int]]) -> None:
    machine = Machine()
    machine.counts[1], machine.born[1] = [5_000, 70, 9, 3], ORIGIN - SECOND
    machine.exec(1, shim=True, loader=4_000)
    machine.starts -= 800  # before anybody counted
    for word, which, size in steps:
        alive = sorted(machine.counts)
        gone = [pid for pid in range(2, 7) if pid not in machine.counts]
        _play(machine, word, alive[which % len(alive)], size, gone)
    for pid in list(machine.counts):
        machine.tell(pid, 2)
    found = machine.ledger()
    for quantity in (*FILE_BYTES, Quantity.READ_CALLS, Quantity.WRITE_CALLS):
        total = found.totals[quantity]
        assert total.seen == machine.seen[quantity]
        assert total.witnessed is not None
        # What passes the shim between fork and exec may be taken for the start of the program.
        if quantity in (Quantity.READ_BYTES, Quantity.READ_CALLS):
            slack = sum(1 for word, _, _ in steps if word in ("exec", "static")) * 4096
            assert machine.done[quantity] - slack <= total.witnessed <= machine.done[quantity]
        else:
            assert total.witnessed == machine.done[quantity]
        rows = found.rows.quantity == quantity
        assert int(found.rows.witnessed[rows].sum()) == total.witnessed
        assert int(found.rows.seen[rows].sum()) == total.seen
    read = found.totals[Quantity.READ_BYTES].witnessed
    assert read is not None
    assert found.before_shim_bytes + read == (machine.starts + machine.done[Quantity.READ_BYTES])


def test_bytes_past_the_shim_are_missing_exactly_and_told() -> None:
    machine = Machine()
    machine.counts[1], machine.born[1] = [0, 0, 0, 0], ORIGIN - SECOND
    machine.exec(1, shim=True, loader=4_000)
    machine.move(1, 900_000, write=False, raw=False)
    machine.move(1, 100_000, write=False, raw=True)
    machine.tell(1, 2)
    found = machine.ledger()
    assert found.totals[Quantity.READ_BYTES] == coverage.Total(900_000, 1_000_000, 900_000)
    assert coverage.shares_of(found)["file_bytes"] == 0.9
    (partly,) = coverage.partly_seen(found.programs, _no_names())
    assert (partly["pid"], partly["read_bytes"], partly["source"]) == (1, 100_000, "kernel")


def _no_names() -> Any:
    from anaros.store.names import Names

    return Names()


def test_a_program_without_the_shim_is_filled_from_the_kernels_count() -> None:
    machine = Machine()
    machine.counts[1], machine.born[1] = [0, 0, 0, 0], ORIGIN - SECOND
    machine.exec(1, shim=True, loader=4_000)
    for child, size in ((2, 111), (2, 222)):
        machine.fork(1, child)
        machine.exec(child, shim=False, loader=0)
        machine.move(child, size, write=False, raw=False)
        machine.move(child, 2 * size, write=True, raw=False)
        machine.tell(child, 2)
    machine.tell(1, 2)
    found = machine.ledger()
    bare = [{"pid": 2, "program": "/a", "reason": "static"}] * 2 + [
        {"pid": 3, "program": "/b", "reason": "static"}
    ]
    first, second, unknown = coverage.filled(bare, found.programs)
    assert [first["read_bytes"], first["written_bytes"], first["source"]] == [111, 222, "kernel"]
    assert [second["read_bytes"], second["written_bytes"]] == [222, 444]
    assert unknown["read_bytes"] is None
    assert unknown["source"] is None


def test_forked_children_of_a_program_without_the_shim_count_as_that_program() -> None:
    machine = Machine()
    for pid, shim in ((1, False), (11, True)):
        machine.counts[pid], machine.born[pid] = [0, 0, 0, 0], ORIGIN - SECOND
        machine.exec(pid, shim=shim, loader=0)
        # A child, one of its own, and one that becomes something else.
        machine.fork(pid, pid + 1)
        machine.fork(pid + 1, pid + 2)
        machine.fork(pid, pid + 3)
        machine.exec(pid + 3, shim=False, loader=0)
        for child in range(4):
            machine.move(pid + child, 10**child, write=True, raw=True)
            machine.tell(pid + child, 2)
    programs = machine.ledger().programs
    written = dict(zip(programs.pid.tolist(), programs.kernel_written.tolist(), strict=True))
    assert written == {1: 111, 4: 1000, 11: 1, 12: 10, 13: 100, 14: 1000}


SOCKETS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.booleans(),
        st.integers(0, 5_000),
        st.sampled_from(["", "peek", "raw"]),
    ),
    max_size=40,
)


@settings(max_examples=30, deadline=None)
@given(steps=SOCKETS, closes=st.integers(0, 15), udp=st.integers(0, 9_000))
def test_sockets_are_reckoned_as_by_hand(
    steps: list[tuple[int, bool, int, str]], closes: int, udp: int
) -> None:
    machine = Machine()
    moved = {cookie: [0, 0] for cookie in range(100, 104)}
    seen = {cookie: [0, 0] for cookie in moved}
    for cookie in moved:
        machine.record(Kind.TCP_STATE, 1, object=cookie, status=2, address=7)
    for which, sent, size, how in steps:
        cookie = 100 + which
        kind = Kind.NET_SEND if sent else Kind.NET_RECV
        flags = FLAG_PEEK if how == "peek" else FLAG_ACCOUNTED if size % 2 else 0
        if how != "raw":
            machine.record(kind, 1, object=cookie, size_bytes=size, flags=flags, duration_ns=10)
            seen[cookie][sent] += size if how != "peek" else 0
        moved[cookie][sent] += size if how != "peek" else 0
        if size % 5 == 0:
            machine.later(SECOND)
            _tell_socket(machine, cookie, moved[cookie], Kind.TCP_BYTES, 1)
    machine.record(Kind.NET_SEND, 1, object=999, size_bytes=udp)
    for cookie in moved:
        closed = closes >> (cookie - 100) & 1
        kind = Kind.TCP_STATE if closed else Kind.TCP_BYTES
        _tell_socket(machine, cookie, moved[cookie], kind, 7 if closed else 1)
    found = machine.ledger()
    for way, quantity in enumerate(SOCKET_BYTES):
        total = found.totals[quantity]
        assert total.seen == sum(each[way] for each in seen.values())
        assert total.witnessed == sum(each[way] for each in moved.values())
        both = zip(seen.values(), moved.values(), strict=True)
        assert total.covered == sum(min(mine[way], all_of[way]) for mine, all_of in both)
    assert found.unwitnessed_bytes == udp


def _tell_socket(machine: Machine, cookie: int, moved: list[int], kind: Kind, status: int) -> None:
    received, sent = moved
    machine.record(
        kind, 1, object=cookie, status=status, address=1, size_bytes=received, context=sent
    )


def test_sockets_other_than_tcp_are_compared_while_their_probe_is_there() -> None:
    machine = Machine()
    udp, unix = 200, 201

    def flow(cookie: int, began_ns: int, received: int, sent: int) -> None:
        machine.record(
            *(Kind.NET_FLOW, 1),
            flags=FLAG_KERNEL,
            object=cookie,
            start_ns=began_ns,
            duration_ns=machine.later() - began_ns,
            size_bytes=received,
            context=sent,
        )

    def call(kind: Kind, cookie: int, size: int) -> None:
        machine.record(kind, 1, object=cookie, size_bytes=size, duration_ns=10)
        machine.later()

    call(Kind.NET_SEND, udp, 70)  # nobody counts yet
    began_ns = machine.later()
    call(Kind.NET_SEND, udp, 1000)
    call(Kind.NET_RECV, udp, 500)
    flow(udp, began_ns, 600, 1000)  # 100 of them past the shim
    machine.later(SECOND)
    began_ns = machine.later()
    call(Kind.NET_SEND, udp, 3)
    flow(udp, began_ns, 0, 3)
    call(Kind.NET_SEND, unix, 40)
    flow(0, began_ns, 0, 40)
    found = machine.ledger()
    totals = {each: found.totals[each] for each in SOCKET_BYTES}
    assert totals == {
        Quantity.RECEIVED_BYTES: Total(500, 600, 500),
        Quantity.SENT_BYTES: Total(1003, 1003, 1003),
    }
    assert found.unwitnessed_bytes == 70 + 40
    assert found.programs.kernel_received.tolist() == [600]


def test_a_socket_is_of_those_who_moved_its_bytes() -> None:
    machine = Machine()
    for pid in (1, 2, 3):
        machine.counts[pid], machine.born[pid] = [0, 0, 0, 0], ORIGIN - SECOND
        machine.exec(pid, shim=True, loader=0)
    # The kernel names 1, which accepts; 2 and 3 answer, and something goes past the shim.
    machine.record(Kind.TCP_STATE, 1, object=5, status=2, address=7)
    for pid, size in ((2, 100), (3, 70_000), (2, 200)):
        machine.record(Kind.NET_SEND, pid, object=5, size_bytes=size)
    _tell_socket(machine, 5, [50, 170_300], Kind.TCP_STATE, 7)
    programs = machine.ledger().programs
    assert programs.pid.tolist() == [1, 2, 3]
    assert programs.shim_sent.tolist() == [0, 300, 70_000]
    assert programs.kernel_sent.tolist() == [0, 300, 170_000]
    assert programs.kernel_received.tolist() == [50, 0, 0]


@settings(max_examples=50, deadline=None)
@given(
    calls=st.lists(st.tuples(st.integers(0, 2), st.integers(-1, 3), st.integers(0, 99))),
    witnessed=st.tuples(*[st.integers(0, 300)] * 3),
    holder=st.tuples(*[st.integers(-1, 3)] * 3),
)
def test_what_is_counted_on_sockets_is_shared_out_whole(
    calls: list[tuple[int, int, int]],
    witnessed: tuple[int, int, int],
    holder: tuple[int, int, int],
) -> None:
    columns = np.array(calls, np.int64).reshape(-1, 3).T
    sizes, counted = columns[2].astype(np.uint64), np.array(witnessed, np.uint64)
    known = np.array([0 if each < 0 else each for each in holder])
    found = by_program(columns[0], np.maximum(columns[1], 0), sizes, counted, known, 4)
    assert found.sum() == sum(witnessed)
    found = by_program(columns[0], columns[1], sizes, counted, np.array(holder), 4)
    assert found.sum() <= sum(witnessed)
    for program in range(4):
        mine = [0, 0, 0]
        for socket, who, size in calls:
            mine[socket] += size if who == program else 0
        # Nobody is said to have moved less than was seen where the kernel saw no less.
        every = [sum(size for at, _, size in calls if at == socket) for socket in range(3)]
        sure = sum(mine[at] for at in range(3) if every[at] <= witnessed[at])
        assert found[program] >= sure


def test_a_socket_without_a_cookie_is_not_said_to_have_moved_nothing() -> None:
    machine = Machine()
    machine.record(Kind.TCP_STATE, 1, object=0, status=2, address=7)
    machine.record(Kind.NET_SEND, 1, object=0, size_bytes=10)
    machine.record(Kind.NET_SEND, 1, object=9, size_bytes=100)
    _tell_socket(machine, 0, [0, 0], Kind.TCP_STATE, 7)
    found = machine.ledger()
    assert {found.totals[each].witnessed for each in SOCKET_BYTES} == {None}
    assert found.unwitnessed_bytes == 110


def test_a_socket_that_was_open_before_counts_from_its_first_reading() -> None:
    machine = Machine()
    _tell_socket(machine, 5, [1_000_000, 0], Kind.TCP_BYTES, 1)
    machine.record(Kind.NET_RECV, 1, object=5, size_bytes=300)
    _tell_socket(machine, 5, [1_000_300, 0], Kind.TCP_STATE, 7)
    assert machine.ledger().totals[Quantity.RECEIVED_BYTES] == coverage.Total(300, 300, 300)


def test_what_the_kernel_does_not_count_is_no_file_byte() -> None:
    machine = Machine()
    machine.counts[1], machine.born[1] = [0, 0, 0, 0], ORIGIN - SECOND
    machine.exec(1, shim=True, loader=10)
    machine.record(Kind.NET_RECV, 1, size_bytes=100)  # recv
    machine.record(Kind.NET_RECV, 1, size_bytes=200, flags=FLAG_ACCOUNTED)  # read
    machine.record(Kind.FILE_SENDFILE, 1, size_bytes=400)  # splice
    machine.record(Kind.FILE_SENDFILE, 1, size_bytes=800, flags=FLAG_ACCOUNTED)
    machine.record(Kind.FILE_COPY, 1, size_bytes=1600)
    machine.record(Kind.FILE_READ, 1, size_bytes=3200, flags=FLAG_STDIO)
    machine.record(Kind.FILE_READ, 1, size_bytes=6400, flags=FLAG_KERNEL)
    machine.counts[1] = [machine.counts[1][0] + 9000, 9000, 99, 99]
    machine.tell(1, 2)
    found = machine.ledger()
    assert found.totals[Quantity.READ_BYTES].seen == 200 + 800 + 1600 + 3200
    assert found.totals[Quantity.WRITTEN_BYTES].seen == 800 + 1600
    assert found.totals[Quantity.READ_CALLS].seen == 3
    assert found.stdio_bytes == 3200


def test_what_io_uring_moved_is_past_the_shim() -> None:
    machine = Machine()
    machine.counts[1], machine.born[1] = [0, 0, 0, 0], ORIGIN - SECOND
    machine.exec(1, shim=True, loader=10)
    machine.move(1, 300, write=False, raw=False)
    for operation, size in ((22, 700), (0x101, 1000), (23, 50), (27, 9_999)):
        fields = {"flags": FLAG_KERNEL, "context": operation, "size_bytes": size}
        machine.record(Kind.FILE_URING, 1, **fields)
    machine.tell(1, 2)
    totals = machine.ledger().totals
    assert totals[Quantity.READ_BYTES] == coverage.Total(300, 2_000, 300, 1_700)
    assert totals[Quantity.WRITTEN_BYTES] == coverage.Total(0, 50, 0, 50)
    assert totals[Quantity.READ_CALLS] == coverage.Total(1, 3, 1, 2)
    # Where no shim is, its records are those of the calls.
    columns = columns_of(machine.rows)
    attached = coverage.reckon(columns, ORIGIN, attached=True).totals[Quantity.WRITTEN_BYTES]
    assert attached == coverage.Total(50, 50, 50)


def test_without_the_kernels_count_nothing_is_known() -> None:
    found = coverage.reckon(columns_of([{"kind": Kind.FILE_READ, "size_bytes": 5}]), 0)
    assert set(found.totals.values()) == {coverage.Total(None, None, None, None)}
    assert set(coverage.shares_of(found).values()) == {None}
    assert len(found.rows) == 0
    assert all(row["share"] is None for row in coverage.totals_of(found))
    assert len(QUANTITIES) == len(Quantity)


def test_attached_what_lies_between_two_readings_is_compared() -> None:
    machine = Machine()
    machine.counts[1], machine.born[1] = [5_000, 0, 5, 0], ORIGIN - SECOND
    machine.record(Kind.FILE_READ, 1, size_bytes=70, flags=FLAG_KERNEL)
    machine.counts[1][0] += 70
    machine.tell(1, 0)
    machine.record(Kind.FILE_READ, 1, size_bytes=300, flags=FLAG_KERNEL)
    machine.record(Kind.NET_RECV, 1, size_bytes=20, flags=FLAG_KERNEL | FLAG_ACCOUNTED)
    machine.record(Kind.NET_RECV, 1, size_bytes=9, flags=FLAG_KERNEL)
    machine.counts[1][0] += 300 + 20 + 40
    machine.tell(1, 0)
    _tell_socket(machine, 8, [900, 800], Kind.TCP_BYTES, 1)
    machine.record(Kind.NET_SEND, 1, object=8, size_bytes=40, flags=FLAG_KERNEL)
    _tell_socket(machine, 8, [900, 850], Kind.TCP_BYTES, 1)
    until = machine.now
    machine.record(Kind.FILE_READ, 1, size_bytes=44, flags=FLAG_KERNEL)
    machine.record(Kind.NET_SEND, 1, object=8, size_bytes=45, flags=FLAG_KERNEL)
    machine.counts[1][0] += 5_000
    machine.tell(1, 2)
    _tell_socket(machine, 8, [900, 9_000], Kind.TCP_STATE, 7)
    found = coverage.reckon(columns_of(machine.rows), ORIGIN, attached=True, until_ns=until)
    assert found.totals[Quantity.READ_BYTES] == coverage.Total(320, 360, 320)
    assert found.totals[Quantity.SENT_BYTES] == coverage.Total(40, 50, 40)
    assert coverage.shares_of(found)["file_bytes"] == 320 / 360
    whole = coverage.reckon(columns_of(machine.rows), ORIGIN, attached=True)
    assert whole.totals[Quantity.READ_BYTES] == coverage.Total(364, 5_360, 364)
    assert whole.totals[Quantity.SENT_BYTES] == coverage.Total(85, 8_200, 85)


def test_attached_what_was_before_the_calls_were_told_is_not_compared() -> None:
    machine = Machine()
    # The probes of threads are there before those of calls: one ends, one began, both unseen.
    for pid in (1, 2):
        machine.counts[pid], machine.born[pid] = [400, 0, 1, 0], machine.later()
    machine.tell(1, 2)
    machine.tell(2, 0)
    machine.record(Kind.TCP_STATE, 1, object=8, status=1, address=3)
    _tell_socket(machine, 8, [70, 80], Kind.TCP_STATE, 7)
    since = machine.later()
    machine.record(Kind.FILE_READ, 2, size_bytes=300, flags=FLAG_KERNEL)
    machine.counts[2][0] += 300
    machine.tell(2, 2)
    columns = columns_of(machine.rows)
    found = coverage.reckon(columns, ORIGIN, attached=True, since_ns=since)
    assert found.totals[Quantity.READ_BYTES] == coverage.Total(300, 300, 300)
    assert found.totals[Quantity.RECEIVED_BYTES].witnessed in (0, None)
    whole = coverage.reckon(columns, ORIGIN, attached=True)
    assert whole.totals[Quantity.READ_BYTES].witnessed == 400 + 400 + 300


def test_launches_are_compared_where_cupti_tells() -> None:
    rows = [
        {"kind": Kind.GPU_TIMING, "pid": 4, "object": 1},
        *[{"kind": Kind.GPU_LAUNCH, "pid": 4}] * 6,
        {"kind": Kind.GPU_LAUNCH, "pid": 4, "status": 1},
        {"kind": Kind.GPU_LAUNCH, "pid": 4, "flags": FLAG_CAPTURE},
        {"kind": Kind.GPU_GRAPH, "pid": 4, "size_bytes": 9, "context": 3},
        *[{"kind": Kind.GPU_EXECUTE, "pid": 4, "flags": FLAG_DEVICE_TIME}] * 12,
        *[{"kind": Kind.GPU_LAUNCH, "pid": 5}] * 2,
    ]
    found = coverage.reckon(columns_of([{"start_ns": ORIGIN, **row} for row in rows]), ORIGIN)
    assert found.totals[Quantity.LAUNCHES] == coverage.Total(9, 12, 9)


def test_cpu_time_is_what_no_sleep_and_no_queue_covers() -> None:
    ms = MS
    thread = {"pid": 3, "tid": 3, "flags": FLAG_KERNEL}
    rows = [
        # New, 1 ms until it got a CPU; it slept 20 to 30 ms, of which 2 in the queue; ended at 50.
        {"kind": Kind.SCHED_RUNQUEUE, "start_ns": ORIGIN, "duration_ns": ms, **thread},
        {"kind": Kind.SCHED_OFFCPU, "start_ns": ORIGIN + 20 * ms, "duration_ns": 10 * ms, **thread},
        {
            "kind": Kind.SCHED_RUNQUEUE,
            "start_ns": ORIGIN + 28 * ms,
            "duration_ns": 2 * ms,
            **thread,
        },
        {
            "kind": Kind.PROC_CPU,
            "start_ns": ORIGIN + 50 * ms,
            "object": ORIGIN,
            "size_bytes": 38 * ms,
            "status": 2,
            **thread,
        },
    ]
    total = coverage.reckon(columns_of(rows), ORIGIN).totals[Quantity.CPU_NS]
    assert total == coverage.Total(39 * ms, 38 * ms, 38 * ms)


def test_cpu_time_is_not_seen_while_the_schedulers_probe_is_away() -> None:
    thread = {"kind": Kind.PROC_CPU, "pid": 3, "tid": 3, "flags": FLAG_KERNEL, "object": ORIGIN}
    rows = [{"start_ns": ORIGIN + 4 * SECOND, "status": 2, "size_bytes": 4 * SECOND, **thread}]
    away = [(ORIGIN + SECOND, ORIGIN + 2 * SECOND), (ORIGIN + 3 * SECOND, ORIGIN + 9 * SECOND)]
    found = coverage.reckon(columns_of(rows), ORIGIN, unwatched=away)
    assert found.totals[Quantity.CPU_NS] == coverage.Total(2 * SECOND, 4 * SECOND, 2 * SECOND)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 10**12), st.integers(0, 10**10), st.integers(0, 10**12)),
        max_size=30,
    ),
    st.integers(1, 900),
)
def test_amounts_by_second_add_up(parts: list[tuple[int, int, int]], seconds: int) -> None:
    begin, length, amount = (
        np.array(column, np.int64) for column in (zip(*parts, strict=True) if parts else ((),) * 3)
    )
    found = by_second(amount, begin, begin + length, 0, seconds)
    assert len(found) == seconds
    assert int(found.sum()) == int(amount.sum())


def test_the_cgroups_count_is_the_witness_of_cpu_time_where_there_is_one() -> None:
    thread = {"kind": Kind.PROC_CPU, "pid": 3, "tid": 3, "flags": FLAG_KERNEL, "object": ORIGIN}
    rows = [{"start_ns": ORIGIN + 50 * MS, "status": 2, "size_bytes": 0, **thread}]
    group = np.array([ORIGIN, ORIGIN + SECOND]), np.array([7 * MS, 60 * MS])
    total = coverage.reckon(columns_of(rows), ORIGIN, group).totals[Quantity.CPU_NS]
    assert total == coverage.Total(50 * MS, 53 * MS, 50 * MS)


def test_costs_are_told_by_second_and_what_is_unknown_is() -> None:
    second = np.array([0, 1, 3], np.int64) * SECOND + ORIGIN
    readings = {
        "time_ns": second,
        "cpu_ns": np.array([10, 110, 510], np.int64),
        "rss_bytes": np.array([5, 9, 7], np.int64),
        "group_ns": np.full(3, -1, np.int64),
        "shim_drops": np.array([0, 2, 2], np.int64),
        "kernel_drops": np.array([-1, 0, 4], np.int64),
        "meter_ns": np.array([0, 1, 2], np.int64),
        "bpf_sched_ns": np.array([-1, 1000, 5000], np.int64),
    }
    begun = np.array([0, 1, 1], np.uint64) * np.uint64(SECOND) + np.uint64(ORIGIN + 5)
    cost = coverage.cost_of_records(begun, readings, 50.0, ORIGIN)
    assert cost.records.tolist() == [1, 2, 0, 0]
    assert cost.recording_ns.tolist() == [50, 100, 0, 0]
    assert cost.track["supervisor_ns"].tolist() == [100, 200, 200, 0]
    assert cost.track["workload_ns"].tolist() == [-1] * 4
    assert cost.track["shim_drops"].sum() == 2
    assert cost.track["kernel_drops"].tolist() == [-1, 2, 2, 0]
    assert cost.track["rss_bytes"].tolist() == [5, 9, -1, 7]
    assert cost.bpf_ns() == {"sched": 4000}
    assert cost.most("rss_bytes") == 9
    assert cost.most("workload_ns") is None
    alone = coverage.cost_of_records(begun, {}, None, ORIGIN)
    assert alone.track == {}
    assert set(alone.recording_ns.tolist()) == {-1}

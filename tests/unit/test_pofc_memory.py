# SPDX-License-Identifier: Apache-2.0
"""The map of device memory, measured against a slow loop that keeps the books call by call."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anaros.kinds import Kind
from anaros.pofc.memory.allocations import memory_map
from anaros.pofc.memory.model import Ending, Host, Memory
from anaros.pofc.memory.ranges import spread, within
from anaros.pofc.memory.standing import KINDS, past_of, standing
from anaros.pofc.memory.summary import summarise_memory
from anaros.records import (
    FLAG_ASYNC,
    FLAG_CAPTURE,
    FLAG_DEVICE_TIME,
    FLAG_PINNED,
    RECORD_DTYPE,
    Columns,
)

PINNED = {Memory.HOST, Memory.REGISTERED}


@dataclass
class Book:
    """A program that allocates and copies at random, and what is true of it."""

    random: Random
    rows: list[tuple[int, ...]] = field(default_factory=list)
    now: int = 1000
    next_address: dict[int, int] = field(default_factory=lambda: defaultdict(lambda: 1 << 20))
    spare: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    live: dict[int, dict[int, list[int]]] = field(default_factory=lambda: defaultdict(dict))
    expected: list[dict[str, Any]] = field(default_factory=list)
    copies: dict[tuple[int, int, int], list[int]] = field(
        default_factory=lambda: defaultdict(lambda: [0, 0])
    )
    mapped: dict[int, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    released: set[tuple[int, int]] = field(default_factory=set)

    def record(self, kind: Kind, pid: int, **more: int) -> tuple[int, int]:
        begin = self.now + self.random.randint(1, 9)
        took = self.random.randint(0, 9)
        self.now = begin + took
        self.rows.append(
            (
                begin,
                took,
                pid,
                pid,
                kind,
                more.get("flags", 0),
                more.get("status", 0),
                more.get("object", 0),
                more.get("size", 0),
                more.get("address", 0),
                0,
            )
        )
        return begin, self.now

    def alloc(self, pid: int) -> None:
        memory = self.random.choice([m for m in Memory if m is not Memory.IMPORTED])
        size = self.random.randint(1, 5) * 256
        if self.spare[pid] and self.random.random() < 0.7:
            address = self.spare[pid].pop(self.random.randrange(len(self.spare[pid])))
        else:
            address = self.next_address[pid]
            self.next_address[pid] += 2048
        flags = int(memory) | (FLAG_PINNED if memory in PINNED else 0)
        host = address if memory in PINNED else 0
        failed = self.random.random() < 0.1
        _, end = self.record(
            Kind.GPU_ALLOC,
            pid,
            flags=flags,
            status=2 if failed else 0,
            object=0 if failed else address,
            size=size,
            address=host,
        )
        row = {
            "pid": pid,
            "memory": memory,
            "size": size,
            "start": end,
            "end": 0,
            "address": address,
        }
        row |= {"ending": Ending.FAILED if failed else Ending.OPEN}
        if failed:
            row["end"] = end
            self.spare[pid].append(address)
        else:
            self.live[pid][address] = [len(self.expected), 1]
        self.expected.append(row)

    def free(self, pid: int) -> None:
        if not self.live[pid]:
            return
        address = self.random.choice(sorted(self.live[pid]))
        number = self.live[pid][address][0]
        if self.random.random() < 0.1:
            self.record(Kind.GPU_FREE, pid, object=address, status=700)
            return
        memory = self.expected[number]["memory"]
        if (pid, number) in self.released:
            return
        begin, _ = self.record(Kind.GPU_FREE, pid, object=address, flags=int(memory))
        self.let_go(pid, address, begin)
        if memory is Memory.PHYSICAL and address in self.live[pid]:
            self.released.add((pid, number))

    def let_go(self, pid: int, address: int, when: int) -> None:
        entry = self.live[pid][address]
        entry[1] -= 1
        if entry[1] == 0:
            self.expected[entry[0]] |= {"end": when, "ending": Ending.FREED}
            del self.live[pid][address]
            self.spare[pid].append(address)

    def map(self, pid: int) -> None:
        handles = [
            address
            for address, (number, _) in sorted(self.live[pid].items())
            if self.expected[number]["memory"] is Memory.PHYSICAL
            and (pid, number) not in self.released
        ]
        free = [a for a in range(8) if a not in self.mapped[pid]]
        if not handles or not free:
            return
        handle, slot = self.random.choice(handles), self.random.choice(free)
        self.record(Kind.GPU_VM_MAP, pid, object=(1 << 40) + slot * 4096, address=handle, size=4096)
        self.live[pid][handle][1] += 1
        self.mapped[pid][slot] = handle

    def unmap(self, pid: int) -> None:
        slots = sorted(self.mapped[pid])
        if not slots:
            return
        first = self.random.choice(slots)
        last = first
        while last + 1 in self.mapped[pid] and self.random.random() < 0.5:
            last += 1
        size = (last - first + 1) * 4096
        begin, _ = self.record(Kind.GPU_VM_UNMAP, pid, object=(1 << 40) + first * 4096, size=size)
        for slot in range(first, last + 1):
            self.let_go(pid, self.mapped[pid].pop(slot), begin)

    def copy(self, pid: int) -> None:
        kind = self.random.choice([Kind.GPU_COPY_H2D, Kind.GPU_COPY_D2H])
        address = (1 << 20) + self.random.randrange(0, 40) * 128
        size = self.random.randint(1, 6) * 128
        self.record(kind, pid, address=address, size=size, flags=FLAG_ASYNC)
        side = Host.PAGEABLE
        for start, (number, _) in self.live[pid].items():
            row = self.expected[number]
            if start <= address and address + size <= start + row["size"]:
                if row["memory"] in PINNED:
                    side = Host.PINNED
                elif row["memory"] is Memory.MANAGED:
                    side = Host.MANAGED
        entry = self.copies[pid, int(kind), int(side)]
        entry[0] += 1
        entry[1] += size

    def end(self, pid: int) -> None:
        if self.random.random() < 0.8:
            return
        begin, _ = self.record(self.random.choice([Kind.PROC_SHIM, Kind.PROC_EXIT]), pid)
        for number, _ in self.live[pid].values():
            self.expected[number] |= {"end": begin, "ending": Ending.PROCESS}
        self.live[pid].clear()
        self.mapped[pid].clear()

    def play(self, steps: int) -> Columns:
        acts = [self.alloc, self.alloc, self.free, self.map, self.unmap, self.copy, self.end]
        for _ in range(steps):
            self.random.choice(acts)(self.random.choice([10, 11]))
        return Columns.from_records(np.array(self.rows, RECORD_DTYPE))


def told_copies(found: Any) -> dict[tuple[int, int, int], list[int]]:
    sums: dict[tuple[int, int, int], list[int]] = defaultdict(lambda: [0, 0])
    for pid, kind, host, count, size in zip(
        found.pid, found.kind, found.host, found.count, found.size_bytes, strict=True
    ):
        entry = sums[int(pid), int(kind), int(host)]
        entry[0] += int(count)
        entry[1] += int(size)
    return sums


def curve(rows: list[dict[str, Any]]) -> dict[tuple[int, int], list[tuple[int, int, int]]]:
    """The bytes in use after each instant at which something changed."""
    events = defaultdict(list)
    for row in rows:
        if row["ending"] is Ending.FAILED:
            continue
        events[row["pid"], int(row["memory"])].append((row["start"], row["size"], 1))
        if row["end"]:
            events[row["pid"], int(row["memory"])].append((row["end"], -row["size"], -1))
    curves = {}
    for key, changes in events.items():
        steps: dict[int, tuple[int, int]] = {}
        size = count = 0
        for when, more, one in sorted(changes):
            size, count = size + more, count + one
            steps[when] = (size, count)
        curves[key] = [(when, *step) for when, step in sorted(steps.items())]
    return curves


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 150))
def test_the_map_agrees_with_a_loop(seed: int, steps: int) -> None:
    book = Book(Random(seed))
    found = memory_map(book.play(steps))
    names = ("start_ns", "pid", "memory", "size_bytes", "end_ns", "ending")
    rows = list(zip(*(getattr(found.allocations, name).tolist() for name in names), strict=True))
    wanted = [
        tuple(int(row[name]) for name in ("start", "pid", "memory", "size", "end", "ending"))
        for row in book.expected
    ]
    assert sorted(rows) == sorted(wanted)
    assert told_copies(found.copies) == book.copies
    use = found.use
    told = defaultdict(list)
    for row in zip(*(getattr(use, name).tolist() for name in use.__slots__), strict=True):
        told[row[1], row[3]].append((row[0], row[4], row[5]))
    together: dict[tuple[int, int], list[tuple[int, int, int]]] = {
        key: sorted(steps) for key, steps in told.items()
    }
    if not any(row[4] == Kind.PROC_SHIM or row[4] == Kind.PROC_EXIT for row in book.rows):
        assert together == curve(book.expected)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 150), st.floats(0, 1))
def test_what_is_held_agrees_with_a_loop(seed: int, steps: int, cut: float) -> None:
    """Wherever the past ends, and was made short."""
    book = Book(Random(seed))
    columns = book.play(steps)
    columns = columns.take(np.flatnonzero(np.isin(columns.kind, KINDS)))
    at = round(cut * len(columns))
    found = standing(past_of(columns.take(slice(0, at))), columns.take(slice(at, None)))
    held: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in book.expected:
        if row["ending"] is Ending.OPEN:
            entry = held[row["pid"], row["memory"].name.lower()]
            entry[0] += row["size"]
            entry[1] += 1
    if found is None:
        assert not book.expected
        return
    told = {
        (row["pid"], row["sort"]): [row["in_use_bytes"], row["in_use"]]
        for row in found["sorts"]
        if row["in_use"]
    }
    assert told == held
    assert found["failed"] == sum(row["ending"] is Ending.FAILED for row in book.expected)
    for row in found["sorts"]:
        assert sum(each["bytes"] for each in row["holders"]) == row["in_use_bytes"]
    if not any(row[4] in (Kind.PROC_SHIM, Kind.PROC_EXIT) for row in book.rows):
        most = {
            (pid, Memory(memory).name.lower()): max(size for _, size, _ in steps)
            for (pid, memory), steps in curve(book.expected).items()
        }
        highest = {(row["pid"], row["sort"]): row["high_water_bytes"] for row in found["sorts"]}
        assert highest == most


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(0, 40)] * 2, *[st.integers(0, 30)] * 2), max_size=20),
    st.lists(st.tuples(st.integers(-5, 50), st.integers(0, 40)), max_size=30),
)
def test_an_address_is_found_in_the_range_of_its_time(
    drawn: list[tuple[int, int, int, int]], asked: list[tuple[int, int]]
) -> None:
    ranges: list[tuple[int, int, int, int]] = []
    for low, high, begin, end in drawn:
        crosses = any(low < hi and lo < high and begin < e and b < end for lo, hi, b, e in ranges)
        if low < high and begin < end and not crosses:
            ranges.append((low, high, begin, end))
    columns = np.array(ranges, np.int64).reshape(-1, 4).T
    query = np.array(asked, np.int64).reshape(-1, 2).T
    expected = [
        next((i for i, (lo, hi, b, e) in enumerate(ranges) if lo <= at < hi and b <= when < e), -1)
        for at, when in asked
    ]
    assert within(*columns, *query).tolist() == expected


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 60), st.integers(0, 30), st.integers(0, 99)),
        max_size=25,
    )
)
def test_moves_agree_with_a_loop_over_bytes(drawn: list[tuple[int, int, int, int]]) -> None:
    alloc = {"kind": Kind.GPU_ALLOC, "object": 1, "size_bytes": 50, "flags": int(Memory.MANAGED)}
    rows = [
        {"kind": Kind.GPU_MIGRATE, "object": to, "address": at, "size_bytes": size}
        | {"duration_ns": took}
        for to, at, size, took in drawn
    ]
    found = memory_map(columns_of(alloc, *rows)).moves
    last: dict[int, int] = {}
    expected: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for to, at, size, took in drawn:
        if not size:
            continue
        entry = expected[1 if at <= 50 else 0, to]
        back = [byte for byte in range(at, at + size) if (last.get(byte, to) == 0) != (to == 0)]
        for column, value in enumerate((1, size, len(back), took)):
            entry[column] += value
        last |= dict.fromkeys(range(at, at + size), to)
    names = ("object", "moved_to", "count", "size_bytes", "returned_bytes", "duration_ns")
    told = zip(*(getattr(found, name).tolist() for name in names), strict=True)
    assert {(base, to): list(sums) for base, to, *sums in told} == expected


def test_spread() -> None:
    numbers, pair = spread(np.array([3, 9, 5]), np.array([5, 9, 8]))
    assert (numbers.tolist(), pair.tolist()) == ([3, 4, 5, 6, 7], [0, 0, 2, 2, 2])


def columns_of(*rows: dict[str, int]) -> Columns:
    """Records 100 ns apart, of 10 ns each."""
    records = np.zeros(len(rows), RECORD_DTYPE)
    records["pid"] = records["tid"] = 7
    records["duration_ns"] = 10
    records["start_ns"] = 1000 + 100 * np.arange(len(rows))
    for at, row in enumerate(rows):
        for name, value in row.items():
            records[name][at] = value
    return Columns.from_records(records)


def test_what_an_allocation_is_known_by() -> None:
    made = memory_map(
        columns_of(
            {"kind": Kind.GPU_CONTEXT, "object": 70, "size_bytes": 1, "address": 2},
            {"kind": Kind.GPU_CONTEXT, "object": 70, "size_bytes": 2},
            {"kind": Kind.GPU_ALLOC, "object": 4096, "size_bytes": 64, "flags": 4, "address": 33},
            {"kind": Kind.GPU_CONTEXT, "object": 70, "size_bytes": 3},
            {"kind": Kind.GPU_ALLOC, "object": 8192, "size_bytes": 64},
            {"kind": Kind.GPU_CONTEXT, "object": 70, "size_bytes": 0},
        ),
        np.array([-1, -1, 5, -1, -1, -1]),
    ).allocations
    assert made.context.tolist() == [70, 0]
    assert made.device.tolist() == [1, -1]
    assert made.request.tolist() == [5, -1]
    assert made.origin.tolist() == [33, 0]
    assert made.ending.tolist() == [Ending.CONTEXT, Ending.OPEN]
    assert made.end_ns.tolist() == [1500, 0]


@pytest.mark.parametrize("told", [True, False])
def test_what_is_held_at_the_end_is_the_same_whoever_tells_the_end(told: bool) -> None:
    alloc = {"kind": Kind.GPU_ALLOC, "object": 4096, "size_bytes": 64}
    end = {"kind": Kind.PROC_EXIT} if told else {"kind": Kind.GPU_FREE, "object": 1}
    made = {"kind": Kind.GPU_CONTEXT, "object": 70, "size_bytes": 1}
    gone = {"kind": Kind.GPU_CONTEXT, "object": 70, "size_bytes": 0}
    found = memory_map(
        columns_of(
            alloc,
            alloc | {"object": 8192},
            {"kind": Kind.GPU_FREE, "object": 8192},
            made,
            # What went with its context was not held to the end.
            alloc | {"object": 16384},
            gone,
            end,
        )
    )
    (process,) = summarise_memory(found)["processes"]
    (sort,) = process["sorts"]
    assert (process["in_use_bytes"], sort["in_use"], sort["in_use_bytes"]) == (64, 1, 64)
    ending = found.allocations.ending.tolist()
    assert ending == [Ending.PROCESS if told else Ending.OPEN, Ending.FREED, Ending.CONTEXT]


def test_what_is_only_captured_takes_no_memory() -> None:
    found = memory_map(
        columns_of(
            {"kind": Kind.GPU_ALLOC, "object": 1, "size_bytes": 64, "flags": 4 | FLAG_CAPTURE},
            {"kind": Kind.GPU_COPY_H2D, "address": 9, "size_bytes": 64, "flags": FLAG_CAPTURE},
        )
    )
    assert len(found.allocations) == len(found.use.time_ns) == len(found.copies.pid) == 0


def test_a_reference_more_is_no_memory_more() -> None:
    alloc = {"kind": Kind.GPU_ALLOC, "object": 5, "size_bytes": 64, "flags": int(Memory.PHYSICAL)}
    again = alloc | {"size_bytes": 0}
    free = {"kind": Kind.GPU_FREE, "object": 5, "flags": int(Memory.PHYSICAL)}
    made = memory_map(columns_of(alloc, again, free, free, free)).allocations
    assert made.size_bytes.tolist() == [64]
    assert made.end_ns.tolist() == [1300]


def test_an_address_given_out_again_ends_what_was_there() -> None:
    alloc = {"kind": Kind.GPU_ALLOC, "object": 5, "size_bytes": 64}
    made = memory_map(columns_of(alloc, alloc)).allocations
    assert made.ending.tolist() == [Ending.REPLACED, Ending.OPEN]
    assert made.end_ns.tolist() == [1110, 0]


@pytest.mark.parametrize("flag", [0, FLAG_PINNED])
def test_the_shim_knows_better(flag: int) -> None:
    copy = {"kind": Kind.GPU_COPY_H2D, "address": 9, "size_bytes": 64, "flags": flag}
    copies = memory_map(columns_of(copy)).copies
    assert copies.host.tolist() == [Host.PINNED if flag else Host.PAGEABLE]
    assert (copies.timed_bytes.tolist(), copies.timed_ns.tolist()) == ([64], [10])


def test_the_device_tells_how_long_a_copy_took() -> None:
    copy = {"kind": Kind.GPU_COPY_H2D, "address": 9, "size_bytes": 64, "flags": FLAG_ASYNC}
    ran = {"kind": Kind.GPU_TRANSFER, "address": 9, "size_bytes": 64, "duration_ns": 5}
    copies = memory_map(columns_of(copy, copy, ran)).copies
    assert (copies.count.tolist(), copies.timed_bytes.tolist()) == ([2], [64])
    assert copies.timed_ns.tolist() == [5]
    # From the same address twice before either ran: both times are of both sizes.
    copies = memory_map(columns_of(copy, copy, ran, ran)).copies
    assert (copies.timed_bytes.tolist(), copies.timed_ns.tolist()) == ([128], [10])


def test_what_cupti_told_of_copies_is_their_time() -> None:
    """Its runs tell no address, but the time of the call."""

    def ran(called: int, size: int, took: int, **more: int) -> dict[str, int]:
        told = {"kind": Kind.GPU_TRANSFER, "object": 1 << 32, "flags": FLAG_DEVICE_TIME}
        begun = {"start_ns": called + 50_000, "context": 50_000, "tid": 7, "size_bytes": size}
        return told | begun | {"duration_ns": took} | more

    up = {"kind": Kind.GPU_COPY_H2D, "flags": FLAG_ASYNC, "address": 4096}
    down = up | {"kind": Kind.GPU_COPY_D2H}
    first, fill, batch, other = 1005, 100_005, 200_005, 300_005
    copies = memory_map(
        columns_of(
            up | {"start_ns": 1000, "size_bytes": 64},
            ran(first, 64, 8),
            {"kind": Kind.GPU_MEMSET, "start_ns": 100_000, "size_bytes": 64, "flags": FLAG_ASYNC},
            # What a fill took is no time of the copy that is near.
            up | {"start_ns": 100_100, "size_bytes": 64},
            ran(fill, 64, 1000),
            # A batch is one call: the k-th run of a size is that of the k-th copy of that size.
            up | {"start_ns": 200_000, "size_bytes": 128},
            down | {"start_ns": 200_000, "size_bytes": 32},
            down | {"start_ns": 200_000, "size_bytes": 128},
            ran(batch, 128, 16),
            ran(batch, 32, 2, start_ns=batch + 50_100, context=50_100),
            ran(batch, 128, 12, start_ns=batch + 50_200, context=50_200),
            # Nobody told what became of this one, and the thread did not wait for it.
            down | {"start_ns": 300_000, "size_bytes": 512},
            ran(other, 512, 99, tid=8),
        )
    ).copies
    assert copies.kind.tolist() == [Kind.GPU_COPY_H2D, Kind.GPU_COPY_D2H]
    assert copies.size_bytes.tolist() == [256, 672]
    assert copies.timed_bytes.tolist() == [192, 160]
    assert copies.timed_ns.tolist() == [24, 14]

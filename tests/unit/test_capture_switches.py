# SPDX-License-Identifier: Apache-2.0
"""The rings of sched_switch: what records their slots become, each of them once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from anaros.kinds import Kind
from anaros.records import FLAG_ASYNC, FLAG_KERNEL, FLAG_OTHER_TENANT, Columns

arena = pytest.importorskip("anaros.capture.rings.arena", reason="needs the native module")
switches = pytest.importorskip("anaros.capture.kernel.switches", reason="needs the native module")

#: ``struct anaros_switch``.
SLOT = np.dtype(
    [
        *((name, "<u8") for name in ("in_ns", "off_ns", "waking_ns", "argument")),
        *((name, "<u4") for name in ("pid", "tid", "waker_pid", "waker_tid")),
        *((name, "<u4") for name in ("over_pid", "over_tid")),
        *((name, "<u2") for name in ("cpu", "cause", "state", "flags")),
    ]
)
CPUS, SLOTS = 2, 8
IOWAIT, WAKEUP, ASYNC, OTHER, READY, THROTTLED = 1, 2, 4, 8, 16, 32
UNKNOWN, IN_FAULT = 0xFFFF, 0xFFFE


class Rings:
    """Rings in files instead of BPF maps, and a segment that their records go to."""

    def __init__(self, folder: Path) -> None:
        self.files = _memory("ends", CPUS * 128), _memory("slots", CPUS * SLOTS * SLOT.itemsize)
        ends, slots = self.files
        self.ends = np.memmap(ends, np.uint64, "r+", shape=(CPUS, 16))
        self.slots = np.memmap(slots, SLOT, "r+", shape=(CPUS, SLOTS))
        self.rings = switches.Switches(ends.fileno(), slots.fileno(), CPUS, SLOTS)
        self.segment = arena.Segment.create(folder / "segment")
        self._cell = arena.ffi.new("struct segment *[1]", [self.segment.handle])

    def put(self, ring: int, **fields: int) -> None:
        """What the probe does."""
        head = int(self.ends[ring, 0])
        self.slots[ring, head % SLOTS] = 0
        for name, value in fields.items():
            self.slots[ring, head % SLOTS][name] = value
        self.ends[ring, 0] = head + 1

    def consume(self) -> Columns:
        """The new records."""
        before = self.segment.rows
        address = arena.ffi.addressof(arena.lib, "anaros_segment_sample")
        sample, cell = (int(arena.ffi.cast("uintptr_t", it)) for it in (address, self._cell))
        assert self.rings.consume(sample, cell) == self.segment.rows - before
        columns: Columns = self.segment.columns().take(slice(before, None))
        return columns

    def close(self) -> None:
        self.rings.close()
        self.segment.close()
        for file in self.files:
            file.close()


def _memory(name: str, size: int) -> BinaryIO:
    file = os.fdopen(os.memfd_create(name), "r+b")
    file.truncate(-(-size // 4096) * 4096)
    return file


@pytest.fixture
def rings(tmp_path: Path) -> Iterator[Rings]:
    made = Rings(tmp_path)
    yield made
    made.close()


def test_a_sleep_is_three_records(rings: Rings) -> None:
    rings.put(
        1,
        in_ns=900,
        off_ns=100,
        waking_ns=700,
        argument=7,
        pid=10,
        tid=11,
        waker_pid=20,
        waker_tid=21,
        over_pid=30,
        over_tid=31,
        cpu=1,
        cause=UNKNOWN,
        state=2,
        flags=IOWAIT | WAKEUP | ASYNC | OTHER | READY,
    )
    seen = rings.consume()
    assert seen.kind.tolist() == [Kind.SCHED_OFFCPU, Kind.SCHED_RUNQUEUE, Kind.SCHED_WAKEUP]
    assert seen.start_ns.tolist() == [100, 700, 700]
    assert seen.duration_ns.tolist() == [800, 200, 0]
    assert seen.pid.tolist() == [10, 10, 20]
    assert seen.tid.tolist() == [11, 11, 21]
    assert seen.status.tolist() == [2, 0, 0]
    assert seen.object.tolist() == [21, 31, 11]
    assert seen.size_bytes.tolist() == [1, 30, 0]
    assert seen.address.tolist() == [0, 1, 1]
    kernel = FLAG_KERNEL
    assert seen.flags.tolist() == [
        kernel | FLAG_ASYNC,
        kernel | FLAG_OTHER_TENANT,
        kernel | FLAG_ASYNC,
    ]
    assert not seen.context.any()


def test_a_preempted_thread_waits_from_then_on(rings: Rings) -> None:
    rings.put(0, in_ns=900, off_ns=100, waking_ns=500, over_tid=31, tid=11, cpu=3, flags=READY)
    rings.put(0, in_ns=1900, off_ns=1100, over_tid=31, tid=11, cpu=3, flags=READY | THROTTLED)
    seen = rings.consume()
    away, queued, throttled = Kind.SCHED_OFFCPU, Kind.SCHED_RUNQUEUE, Kind.SCHED_THROTTLE
    assert seen.kind.tolist() == [away, queued, away, throttled]
    assert seen.start_ns.tolist() == [100, 100, 1100, 1100]
    assert seen.duration_ns.tolist() == [800] * 4
    assert seen.object.tolist() == [0, 31, 0, 0]
    assert seen.address.tolist() == [0, 3, 0, 3]


def test_futexes_and_faults_have_records_of_their_own(rings: Rings) -> None:
    numbers = {"x86_64": (202, 0), "aarch64": (98, 63)}
    futex, read = numbers[os.uname().machine]
    sleep = {"in_ns": 900, "off_ns": 100, "waking_ns": 800, "waker_pid": 20, "waker_tid": 21}
    rings.put(0, **sleep, pid=10, tid=11, argument=0xCAFE, cause=futex, state=1)
    rings.put(0, **sleep, tid=11, argument=0xC0DE, cause=IN_FAULT, state=2, flags=IOWAIT)
    rings.put(0, **sleep, tid=11, argument=5, cause=read, state=1)
    rings.put(0, **sleep, tid=11, argument=5, cause=500, state=1)
    rings.put(0, **sleep, tid=11, argument=5, cause=futex, state=8)
    seen = rings.consume()
    away = seen.take(seen.kind == Kind.SCHED_OFFCPU)
    assert away.address.tolist() == [1 | futex << 16, 8, 4 | read << 16, 12 | 500 << 16, 9]
    assert away.context.tolist() == [0xCAFE, 0xC0DE, 5, 5, 5]
    own = seen.take(seen.kind != Kind.SCHED_OFFCPU)
    assert own.kind.tolist() == [Kind.SYNC_FUTEX, Kind.MEM_FAULT]
    assert own.object.tolist() == [0xCAFE, 0]
    assert own.address.tolist() == [21, 0xC0DE]
    assert own.size_bytes.tolist() == [20, 0]
    assert own.status.tolist() == [0, 1]
    assert own.duration_ns.tolist() == [800, 800]


def test_who_was_preempted_has_no_waker(rings: Rings) -> None:
    rings.put(0, in_ns=900, off_ns=100, waking_ns=90, waker_tid=21, tid=11, flags=ASYNC)
    seen = rings.consume()
    assert seen.kind.tolist() == [Kind.SCHED_OFFCPU]
    assert seen.object.tolist() == [0]
    assert seen.flags.tolist() == [FLAG_KERNEL]


def test_a_new_thread_was_only_woken(rings: Rings) -> None:
    rings.put(0, in_ns=900, waking_ns=90, waker_pid=20, waker_tid=21, tid=11, flags=WAKEUP)
    seen = rings.consume()
    assert seen.kind.tolist() == [Kind.SCHED_WAKEUP]


def test_rings_go_round_and_each_slot_is_read_once(rings: Rings) -> None:
    wanted: list[int] = []
    starts: list[int] = []
    for time_ns in range(1, 60):
        rings.put(time_ns % CPUS, in_ns=1000, off_ns=time_ns, tid=11)
        wanted.append(time_ns)
        if time_ns % 7 == 0:
            starts += rings.consume().start_ns.tolist()
    starts += rings.consume().start_ns.tolist()
    assert sorted(starts) == wanted
    assert len(rings.consume()) == 0
    assert (rings.ends[:, 0] == rings.ends[:, 8]).all()


def test_what_finds_no_room_stays_in_its_ring(rings: Rings) -> None:
    for time_ns in range(1, 7):
        rings.put(0, in_ns=1000, off_ns=time_ns, tid=11)
    address = arena.ffi.cast(
        "anaros_sample_fn", arena.ffi.addressof(arena.lib, "anaros_segment_sample")
    )
    consume = arena.lib.anaros_switches_consume
    cell = arena.ffi.new("struct segment *[1]", [rings.segment.handle])
    room = 9  # for two slots of at most four records, and a little
    assert consume(rings.rings.handle, room, address, cell) == 2
    assert consume(rings.rings.handle, 2, address, cell) == 0
    for time_ns in range(7, 11):  # past the end of the ring, to its first slots
        rings.put(0, in_ns=1000, off_ns=time_ns, tid=11)
    assert len(rings.consume()) == 8
    assert np.array_equal(rings.segment.columns().start_ns, np.arange(1, 11))

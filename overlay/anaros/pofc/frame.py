# SPDX-License-Identifier: Apache-2.0
"""The calls that matter to requests, in the order in which each thread made them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from anaros.kinds import KIND_NAMES, Kind
from anaros.pofc.blocks import Mapper
from anaros.pofc.model import I32, I64, U8, U16, U32
from anaros.pofc.native import Struct, checked, ffi, lib, pointer
from anaros.records import Columns

#: Records that are looked at at once.
_BLOCK = 1 << 20


class Role(IntEnum):
    """What a record means for the order on its thread."""

    NONE = 0
    WORK = 1
    READ = 2
    COPY = 3
    NET = 4
    ANCHOR = 5
    POLL = 6
    WAIT = 7
    WAKE = 8
    SIGNAL = 9
    SIGNALLED = 10
    OFFCPU = 11
    RUNQUEUE = 12
    THROTTLE = 13
    FAULT = 14
    STALL = 15


def table_of(values: dict[int, int], default: int = 0) -> U8:
    """A table by kind: ``table[kind]``."""
    table = np.full(1 << 16, default, np.uint8)
    for kind, value in values.items():
        table[kind] = value
    return table


def _roles() -> dict[int, int]:
    roles = {kind: Role.WORK for kind in KIND_NAMES if kind >> 8 in (0x01, 0x02, 0x04)}
    roles |= {
        Kind.FILE_READ: Role.READ,
        Kind.NET_RECV: Role.NET,
        Kind.NET_SEND: Role.NET,
        Kind.NET_ACCEPT: Role.NET,
        Kind.NET_CONNECT: Role.NET,
        Kind.NET_SOCKET: Role.NET,
        Kind.GPU_COPY_H2D: Role.COPY,
        Kind.GPU_COPY: Role.COPY,
        Kind.GPU_EXECUTE: Role.NONE,
        Kind.GPU_TRANSFER: Role.NONE,
        Kind.GPU_MIGRATE: Role.NONE,
        Kind.GPU_TIMING: Role.NONE,
        Kind.NET_BACKLOG: Role.NONE,
        Kind.NET_FLOW: Role.NONE,
        Kind.FILE_URING: Role.NONE,
        Kind.FILE_AIO: Role.NONE,
        Kind.FILE_FILL: Role.NONE,
        Kind.FILE_READAHEAD: Role.NONE,
        Kind.FILE_FAULT: Role.NONE,
        Kind.POLL_WAIT: Role.POLL,
        Kind.SYNC_WAIT: Role.WAIT,
        Kind.SYNC_WAKE: Role.WAKE,
        Kind.SCHED_OFFCPU: Role.OFFCPU,
        Kind.SCHED_RUNQUEUE: Role.RUNQUEUE,
        Kind.SCHED_THROTTLE: Role.THROTTLE,
        Kind.MEM_FAULT: Role.FAULT,
        Kind.MEM_RECLAIM: Role.STALL,
        Kind.MEM_COMPACT: Role.STALL,
    }
    return {int(kind): int(role) for kind, role in roles.items()}


ROLES = table_of(_roles())


@dataclass(frozen=True, slots=True)
class Frame:
    """M calls of T threads, thread by thread, each in order of start.

    ``position`` (M,) is the place of a call in the columns; ``role``, ``kind``, ``start_ns``,
    ``end_ns`` and ``thread`` (M,) are what their names say. ``first`` (T + 1,) is where each
    thread begins, ``pid`` and ``tid`` (T,) name it; threads are in the order of ``tid``.

    ``call`` (N,) is the way back: the place in the frame of each record, -1 for none; for a
    record of the scheduler the last call that its thread began before.

    ``records`` and ``calls`` are the columns and the frame for the native side.
    """

    columns: Columns
    call: I32
    position: I32
    role: U8
    kind: U16
    start_ns: I64
    end_ns: I64
    thread: I32
    first: I64
    pid: U32
    tid: U32
    records: Struct
    calls: Struct

    def __len__(self) -> int:
        return len(self.position)

    def thread_of(self, pid: U32, tid: U32) -> I64:
        """The thread of each (pid, tid), -1 where it has no record here."""
        mine = (self.pid.astype(np.uint64) << np.uint64(32)) | self.tid
        asked = (pid.astype(np.uint64) << np.uint64(32)) | tid
        if not len(mine):
            return np.full(len(asked), -1, np.int64)
        order = np.argsort(mine, kind="stable")
        found = np.searchsorted(mine[order], asked)
        index = order[np.minimum(found, len(mine) - 1)]
        return np.where(mine[index] == asked, index, -1)

    def where(self, role: Role) -> I64:
        """Places of the records of a role."""
        return np.flatnonzero(self.role == role)


def in_order(columns: Columns) -> tuple[Columns, I64 | None]:
    """The columns by start, and the permutation that made them so (None: they were)."""
    start = columns.start_ns
    if bool(np.all(start[1:] >= start[:-1])):
        return columns, None
    order = np.argsort(start, kind="stable")
    return columns.take(order), order


@dataclass(frozen=True, slots=True)
class Survey:
    """What all records are, at first sight.

    ``roles`` (N,) is the role of each by its kind. ``sockets``, ``polls`` and ``others`` are the
    places of what is done on sockets, of polls, and of what is done on descriptors that are
    neither files nor sockets. ``off_cpu`` says whether the scheduler was recorded.
    """

    roles: U8
    sockets: I64
    polls: I64
    others: I64
    off_cpu: bool

    @classmethod
    def of(cls, records: Struct, count: int, run: Mapper) -> Survey:
        """Looks at so many records, a block at a time."""
        roles = np.empty(count, np.uint8)

        def block(first: int) -> tuple[int, list[I64]]:
            end = min(first + _BLOCK, count)
            places = [np.empty(end - first, np.int64) for _ in range(3)]
            sockets, polls, others = places
            found = Struct("pofc_places", sockets=sockets, polls=polls, others=others)
            off_cpu = lib.anaros_pofc_survey(
                records.pointer, pointer(ROLES), first, end, pointer(roles), found.pointer
            )
            counts = found.pointer.socket_count, found.pointer.poll_count, found.pointer.other_count
            return off_cpu, [part[:kept] for part, kept in zip(places, counts, strict=True)]

        done = list(run(block, range(0, max(count, 1), _BLOCK)))
        sockets, polls, others = (
            np.concatenate(parts) for parts in zip(*(each for _, each in done), strict=True)
        )
        return cls(roles, sockets, polls, others, any(off_cpu for off_cpu, _ in done))


class Threads:
    """The threads that make calls, and which of them each record is of."""

    __slots__ = ("_call", "_columns", "_records", "_roles", "_scan")

    def __init__(self, columns: Columns, records: Struct, roles: U8) -> None:
        """Looks at all records.

        Args:
            columns: N records by start.
            records: The same for the native side.
            roles: (N,) role of each. They may change until the frame is made, but a call stays a
                call.

        Raises:
            MemoryError: There is no memory for it, or there are 2**31 records.
        """
        self._columns, self._records, self._roles = columns, records, roles
        self._call = np.empty(len(columns), np.int32)
        scan = lib.anaros_pofc_scan(self._records.pointer, pointer(roles), pointer(self._call))
        if scan == ffi.NULL:
            raise MemoryError
        self._scan = ffi.gc(scan, lib.anaros_pofc_scan_free)

    def frame(self, pids: U32, run: Mapper) -> Frame:
        """The frame of the calls of some processes; it can be made once.

        Args:
            pids: The processes, ascending.
            run: Runs both halves.

        Raises:
            MemoryError: There is no memory for it.
        """
        found = ffi.new("uint64_t *")
        count = checked(lib.anaros_pofc_choose(self._scan, pointer(pids), len(pids), found))
        threads = int(found[0])
        arrays: dict[str, Any] = {
            "position": np.empty(count, np.int32),
            "role": np.empty(count, np.uint8),
            "kind": np.empty(count, np.uint16),
            "start_ns": np.empty(count, np.int64),
            "end_ns": np.empty(count, np.int64),
            "thread": np.empty(count, np.int32),
            "first": np.empty(threads + 1, np.int64),
            "pid": np.empty(threads, np.uint32),
            "tid": np.empty(threads, np.uint32),
        }
        calls = Struct("pofc_calls", count=count, threads=threads, **arrays)
        known = (
            self._records.pointer,
            pointer(self._roles),
            pointer(self._call),
            calls.pointer,
        )
        list(run(lambda half: lib.anaros_pofc_fill(self._scan, half, *known), (0, 1)))
        return Frame(self._columns, self._call, records=self._records, calls=calls, **arrays)

# SPDX-License-Identifier: Apache-2.0
"""The calls that matter to requests, in the order in which each thread made them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from anaros.kinds import KIND_NAMES, Kind
from anaros.pofc.blocks import Mapper
from anaros.pofc.model import I64, U8, U32, U64, Mask
from anaros.pofc.order import as_time, bits
from anaros.records import Columns

_ROLE_BITS = 4
_TID_TABLE = 1 << 22

#: Records that are worked on at once: what they need fits the cache.
_BLOCK = 1 << 18


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
        Kind.POLL_WAIT: Role.POLL,
        Kind.SYNC_WAIT: Role.WAIT,
        Kind.SYNC_WAKE: Role.WAKE,
        Kind.SCHED_OFFCPU: Role.OFFCPU,
        Kind.SCHED_RUNQUEUE: Role.RUNQUEUE,
    }
    return {int(kind): int(role) for kind, role in roles.items()}


ROLES = table_of(_roles())

_CALL = np.isin(np.arange(len(Role)), (Role.NONE, Role.OFFCPU, Role.RUNQUEUE), invert=True)


@dataclass(frozen=True, slots=True)
class Frame:
    """M calls of T threads, thread by thread, each in order of start.

    ``position`` (M,) is the place of a call in the columns, ``role`` (M,) its role.
    ``first`` (T + 1,) is where each thread begins, ``pid`` and ``tid`` (T,) name it.
    """

    columns: Columns
    position: I64
    role: U8
    first: I64
    pid: U32
    tid: U32

    def __len__(self) -> int:
        return len(self.position)

    def start(self, index: I64) -> I64:
        """Start of the records at ``index``, ns."""
        return as_time(self.columns.start_ns[self.position[index]])

    def end(self, index: I64) -> I64:
        """End of the records at ``index``, ns."""
        position = self.position[index]
        return as_time(self.columns.start_ns[position]) + as_time(
            self.columns.duration_ns[position]
        )

    def thread(self, index: I64) -> I64:
        """Thread of the records at ``index``."""
        return np.searchsorted(self.first, index, side="right") - 1

    def thread_of(self, pid: U32, tid: U32) -> I64:
        """The thread of each (pid, tid), -1 where it has no record here."""
        mine = (self.pid.astype(np.uint64) << np.uint64(32)) | self.tid
        asked = (pid.astype(np.uint64) << np.uint64(32)) | tid
        order = np.argsort(mine, kind="stable")
        found = np.searchsorted(mine[order], asked)
        index = order[np.minimum(found, max(len(mine) - 1, 0))] if len(mine) else found
        if not len(mine):
            return np.full(len(asked), -1, np.int64)
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


def _belongs(pid: U32, pids: U32) -> Mask:
    """Which records belong to one of ``pids``."""
    if len(pids) == 1:
        belongs: Mask = pid == pids[0]
        return belongs
    return np.isin(pid, pids)


def build(columns: Columns, roles: U8, pids: U32, run: Mapper = map) -> Frame:
    """The frame of the calls of ``pids``.

    Args:
        columns: N records by start.
        roles: (N,) role of each; those of the scheduler are left out.
        pids: The processes to look at.
        run: Runs the blocks; with several processes they must run in turn.
    """
    place = bits(max(len(columns), 2))
    highest = int(columns.tid.max(initial=0))
    pid_of = np.zeros(min(highest + 1, _TID_TABLE), np.uint32)
    if len(pids) == 1:
        pid_of[:] = pids[0]

    def block(begin: int) -> U64 | None:
        return _pack(columns, roles, pids, pid_of, slice(begin, begin + _BLOCK), place)

    parts: list[U64 | None] = [None]
    if highest < _TID_TABLE:
        parts = list(run(block, range(0, len(columns), _BLOCK)))
    whole = [part for part in parts if part is not None]
    if len(whole) < len(parts):
        return _build_of_any(columns, roles, pids)
    packed = np.concatenate(whole) if whole else np.zeros(0, np.uint64)
    packed.sort()
    return _unpack(columns, packed, place, pid_of)


def _pack(
    columns: Columns, roles: U8, pids: U32, pid_of: U32, block: slice, place: int
) -> U64 | None:
    """Thread number, place and role of the calls of a block, None where numbers are shared."""
    role = roles[block]
    picked = np.flatnonzero(_CALL[role] & _belongs(columns.pid[block], pids))
    tid = columns.tid[block][picked]
    if len(pids) > 1 and not _agrees(pid_of, tid, columns.pid[block][picked]):
        return None
    packed = tid.astype(np.uint64)
    packed <<= np.uint64(place)
    packed |= (picked + block.start).view(np.uint64)
    packed <<= np.uint64(_ROLE_BITS)
    packed |= role[picked]
    return packed


def _agrees(pid_of: U32, tid: U32, pid: U32) -> bool:
    """Notes the process of each thread; false where two processes have one of the same number."""
    before = pid_of[tid]
    pid_of[tid] = pid
    return bool(np.all((before == 0) | (before == pid)) and np.all(pid_of[tid] == pid))


def _unpack(columns: Columns, packed: U64, place: int, pid_of: U32) -> Frame:
    role = packed.astype(np.uint8)
    role &= (1 << _ROLE_BITS) - 1
    packed >>= np.uint64(_ROLE_BITS)
    first, tid = [], []
    at = 0
    while at < len(packed):  # as often as there are threads
        thread = packed[at] >> np.uint64(place)
        first.append(at)
        tid.append(int(thread))
        following = (thread + np.uint64(1)) << np.uint64(place)
        at = int(np.searchsorted(packed, following))
    packed &= np.uint64((1 << place) - 1)
    tids = np.array(tid, np.uint32)
    starts = np.array([*first, len(packed)], np.int64)
    return Frame(columns, packed.view(np.int64), role, starts, pid_of[tids], tids)


def _build_of_any(columns: Columns, roles: U8, pids: U32) -> Frame:
    """The frame where thread numbers are too large, or shared by processes."""
    picked = np.flatnonzero(_CALL[roles] & _belongs(columns.pid, pids))
    both = (columns.pid[picked].astype(np.uint64) << np.uint64(32)) | columns.tid[picked]
    unique, rank = np.unique(both, return_inverse=True)
    order = np.argsort(rank, kind="stable")
    first = np.searchsorted(rank[order], np.arange(len(unique) + 1))
    return Frame(
        columns,
        picked[order],
        roles[picked[order]],
        first.astype(np.int64),
        (unique >> np.uint64(32)).astype(np.uint32),
        unique.astype(np.uint32),
    )

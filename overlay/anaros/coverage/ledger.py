# SPDX-License-Identifier: Apache-2.0
"""The ledger of a run, reckoned from its records: pure, on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anaros.coverage.cpu import cpu_rows
from anaros.coverage.frame import Counted, Frame, Spans
from anaros.coverage.images import images_of
from anaros.coverage.model import I64, SECOND_NS, U64, Mask, Programs, Quantity, Rows, Total
from anaros.coverage.series import grown, growth
from anaros.coverage.sockets import ByProgram, sockets
from anaros.kinds import Kind
from anaros.records import (
    FLAG_ACCOUNTED,
    FLAG_CAPTURE,
    FLAG_DEVICE_TIME,
    FLAG_STDIO,
    Columns,
)

#: The kinds of record that it is made of.
ABOUT = (
    Kind.FILE_READ,
    Kind.FILE_WRITE,
    Kind.FILE_SENDFILE,
    Kind.FILE_COPY,
    Kind.FILE_URING,
    Kind.NET_RECV,
    Kind.NET_SEND,
    Kind.GPU_LAUNCH,
    Kind.GPU_GRAPH,
    Kind.GPU_EXECUTE,
    Kind.GPU_TIMING,
    Kind.SCHED_OFFCPU,
    Kind.SCHED_RUNQUEUE,
    Kind.SCHED_THROTTLE,
    Kind.TCP_STATE,
    Kind.TCP_BYTES,
    Kind.NET_FLOW,
    Kind.PROC_FORK,
    Kind.PROC_EXEC,
    Kind.PROC_SHIM,
    Kind.PROC_IO,
    Kind.PROC_CPU,
)

#: Those of which ``context`` counts.
WITH_CONTEXT = (
    *(Kind.FILE_URING, Kind.GPU_GRAPH, Kind.TCP_STATE),
    *(Kind.TCP_BYTES, Kind.NET_FLOW, Kind.PROC_SHIM, Kind.PROC_IO),
)

#: Operations of io_uring that read, and that write: vectored, into fixed buffers, plain.
_URING_READS, _URING_WRITES = (1, 4, 22), (2, 5, 23)
_URING_OPERATION = 0xFF
#: ``status`` of proc.io and proc.cpu.
_AT_EXEC, _AT_END = 1, 2
_TIMING_ON = 1
#: What the kernel reads of a program at its exec, at most: the heads of a script, its interpreter
#: and the loader.
_START_MAX = {Quantity.READ_BYTES: 4096, Quantity.READ_CALLS: 16}
#: A run is cut into no more seconds than so many; what comes later falls into the last.
_SECONDS_MAX = 1 << 22


@dataclass(frozen=True, slots=True)
class Ledger:
    """What was seen and what was witnessed.

    Attributes:
        rows: Second by second; a quantity that nobody witnessed has no rows.
        programs: By program, in the order of pid and start.
        totals: By quantity.
        before_shim_bytes: Read for the start of programs, by the kernel, the loader and the shim
            before it could record; in no total.
        stdio_bytes: Of the bytes seen in files, what passed through streams of C, which count
            them as the program asked for them.
        unwitnessed_bytes: Seen on sockets that the kernel counts for nobody: other families than
            the Internet's, and others than TCP before their probe was there.
    """

    rows: Rows
    programs: Programs
    totals: dict[Quantity, Total]
    before_shim_bytes: int
    stdio_bytes: int
    unwitnessed_bytes: int


def reckon(
    columns: Columns,
    origin_ns: int,
    group: tuple[I64, I64] | None = None,
    *,
    attached: bool = False,
    since_ns: int | None = None,
    until_ns: int | None = None,
    unwatched: Sequence[tuple[int, int]] = (),
) -> Ledger:
    """The ledger of a run.

    Args:
        columns: Its records of the kinds of `ABOUT`, in any order.
        origin_ns: When it began.
        group: When the CPU time of its cgroup was read, and what it was in ns, in order; None: it
            had none, and the count of each thread is the witness.
        attached: The calls on record are of a time within the lives of its programs, whoever told
            of them: of each thread and socket those are taken that lie between its readings.
        since_ns: Since when they are; what the kernel counted before is compared with nothing.
            None: since the run began.
        until_ns: What the kernel counted later on is compared with nothing; None: all is.
        unwatched: When the scheduler's probe was away, each from when to when in ns.
    """
    seconds = _seconds(columns, origin_ns)
    since_ns = max(origin_ns, since_ns or 0)
    frame = Frame(columns, images_of(columns), origin_ns, seconds, attached, since_ns, until_ns)
    counted: dict[Quantity, Counted] = {}
    before = _files(frame, counted)
    by_socket, unwitnessed = sockets(frame, counted)
    if (rows := cpu_rows(columns, origin_ns, frame.seconds)) is not None:
        rows = frame.watched(rows[0], unwatched), rows[1]
        if group is not None and len(group[0]) > 1:
            times, used = group
            grew = np.maximum(np.diff(used), 0)
            rows = rows[0], frame.spread(grew, times[:-1], times[1:])
        seen, witnessed = ((np.array([each.sum()], np.uint64), each) for each in rows)
        counted[Quantity.CPU_NS] = Counted.of(seen, _nothing(seen), witnessed)
    _launches(frame, counted)
    unknown = Total(None, None, None, None)
    totals = {
        quantity: counted[quantity].total() if quantity in counted else unknown
        for quantity in Quantity
    }
    stdio = frame.calls(columns) & (columns.flags & FLAG_STDIO != 0)
    stdio &= np.isin(columns.kind, (Kind.FILE_READ, Kind.FILE_WRITE))
    return Ledger(
        _rows(counted, frame),
        _programs(frame, counted, before, by_socket),
        totals,
        int(before.sum()),
        int(columns.size_bytes[stdio].sum()),
        unwitnessed,
    )


def _nothing(like: tuple[U64, U64]) -> tuple[U64, U64]:
    return np.zeros_like(like[0]), np.zeros_like(like[1])


def _seconds(columns: Columns, origin_ns: int) -> int:
    if not len(columns):
        return 0
    last = int((columns.start_ns + columns.duration_ns).max())
    return min(max((last - origin_ns) // SECOND_NS + 1, 1), _SECONDS_MAX)


def _rows(counted: dict[Quantity, Counted], frame: Frame) -> Rows:
    """One row for each second in which either side has something."""
    begin = np.uint64(frame.origin_ns) + np.arange(frame.seconds, dtype=np.uint64) * np.uint64(
        SECOND_NS
    )
    parts = []
    for quantity, each in counted.items():
        some = np.flatnonzero(np.any(each.rows, axis=0))
        number = np.full(len(some), quantity, np.uint8)
        parts.append((begin[some], number, *(row[some] for row in each.rows)))
    if not parts:
        none = np.zeros(0, np.uint64)
        return Rows(none, np.zeros(0, np.uint8), none, none, none)
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.lexsort((joined[1], joined[0]))
    return Rows(*(column[order] for column in joined))


def _files(frame: Frame, counted: dict[Quantity, Counted]) -> U64:
    """The four quantities of files and pipes; returns by program what came before the shim."""
    images = frame.images
    told = frame.witnessed(frame.of(Kind.PROC_IO))
    before = np.zeros(len(images), np.uint64)
    if not len(told):
        return before
    shims = frame.of(Kind.PROC_SHIM)
    shims = shims.take(np.flatnonzero(shims.size_bytes > 0))
    # The shim's word is one more reading of the same counters, but it has none of writes.
    both = Columns.concatenate([told, shims])
    values = {
        Quantity.READ_BYTES: (both, both.size_bytes),
        Quantity.WRITTEN_BYTES: (told, told.address),
        Quantity.READ_CALLS: (both, np.concatenate([told.object, shims.context])),
        Quantity.WRITE_CALLS: (told, told.context),
    }
    for quantity, (readings, value) in values.items():
        ends = (readings.kind == Kind.PROC_IO) & (readings.status == _AT_END)
        owner = readings.pid.astype(np.uint64) << np.uint64(32) | readings.tid
        born = _born(frame, owner, readings.start_ns)
        found, earlier = growth(owner, readings.start_ns, ends, born, frame.since_ns)
        amount = grown(value, found, earlier)
        kind, status = readings.kind[found.place], readings.status[found.place]
        execs = (kind == Kind.PROC_IO) & (status == _AT_EXEC)
        # What was read until the exec is of the program before it.
        image = images.at(
            readings.pid[found.place], readings.start_ns[found.place] - execs.astype(np.uint64)
        )
        early = (kind == Kind.PROC_SHIM) & (image >= 0)
        seen, filled = _seen(frame, quantity, Spans.of(owner, found))
        starts = _Starts(image, early, execs, _START_MAX.get(quantity, 0))
        taken = starts.take(amount, seen[0] + filled[0])
        if quantity == Quantity.READ_BYTES:
            np.add.at(before, image[image >= 0], taken[image >= 0].astype(np.uint64))
        amount -= taken
        witnessed = np.zeros(len(images), np.uint64)
        np.add.at(witnessed, image[image >= 0], amount[image >= 0].astype(np.uint64))
        rows = frame.spread(amount, found.begin_ns, found.end_ns)
        uring = _uring(frame, quantity)
        if frame.attached:
            # Whoever tells of the calls there is the kernel for these as well.
            seen = _both(seen, uring)
        else:
            filled = _both(filled, uring)
        counted[quantity] = Counted.of(seen, filled, _both((witnessed, rows), uring))
    return before


def _both(one: tuple[U64, U64], other: tuple[U64, U64]) -> tuple[U64, U64]:
    return one[0] + other[0], one[1] + other[1]


@dataclass(frozen=True, slots=True)
class _Starts:
    """Which growths hold what the start of a program reads: by the kernel, the loader, the shim.

    ``early`` are those that end when the shim came, ``execs`` those that end with an exec: the
    kernel reads the head of the program and of its loader there, ``most`` at most.
    """

    image: I64
    early: Mask
    execs: Mask
    most: int

    def take(self, amount: I64, seen: U64) -> I64:
        """How much of each growth that is."""
        taken = np.where(self.early, amount, 0)
        known = self.execs & (self.image >= 0)
        whole = np.zeros(len(seen) + 1, np.int64)
        np.add.at(whole, self.image, np.where(self.early, 0, amount))
        spare = np.maximum(whole[:-1] - seen.astype(np.int64), 0)
        of_exec = np.minimum(spare[np.maximum(self.image, 0)], np.minimum(amount, self.most))
        return np.where(known & ~self.early, of_exec, taken)


def _born(frame: Frame, owner: U64, time_ns: U64) -> U64:
    """When the thread of each reading began, by its proc.cpu; 0: unknown."""
    told = frame.of(Kind.PROC_CPU)
    if not len(told):
        return np.zeros(len(owner), np.uint64)
    whose = told.pid.astype(np.uint64) << np.uint64(32) | told.tid
    order = np.lexsort((told.start_ns, whose))
    whose, times, born = whose[order], told.start_ns[order], told.object[order]
    known = np.unique(whose)
    every = np.unique(times)
    wide = np.uint64(len(every) + 1)
    keys = np.searchsorted(known, whose).astype(np.uint64) * wide + np.searchsorted(every, times)
    number = np.minimum(np.searchsorted(known, owner), len(known) - 1).astype(np.uint64)
    # Both are told at the same time or within the same look: the next one is of the same thread.
    asked = number * wide + np.searchsorted(every, time_ns)
    place = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.where(whose[place] == owner, born[place], 0).astype(np.uint64)


def _seen(
    frame: Frame, quantity: Quantity, spans: Spans
) -> tuple[tuple[U64, U64], tuple[U64, U64]]:
    """What was seen of one quantity of files, and what was filled, by program and by second."""
    columns = frame.columns
    reads = quantity in (Quantity.READ_BYTES, Quantity.READ_CALLS)
    file, net = (Kind.FILE_READ, Kind.NET_RECV) if reads else (Kind.FILE_WRITE, Kind.NET_SEND)
    marked = columns.flags & FLAG_ACCOUNTED != 0
    chosen = (columns.kind == file) | (columns.kind == Kind.FILE_COPY)
    chosen |= np.isin(columns.kind, (net, Kind.FILE_SENDFILE)) & marked
    in_bytes = quantity in (Quantity.READ_BYTES, Quantity.WRITTEN_BYTES)
    if not in_bytes:
        chosen &= columns.flags & FLAG_STDIO == 0
    mine = columns.take(np.flatnonzero(chosen))
    if frame.attached:
        thread = mine.pid.astype(np.uint64) << np.uint64(32) | mine.tid
        inside = spans.hold(thread, mine.start_ns + mine.duration_ns)
        mine = mine.take(np.flatnonzero(inside))
    image = frame.images.at(mine.pid, mine.start_ns)
    amount = mine.size_bytes if in_bytes else np.ones(len(mine), np.uint64)
    found = []
    for told in frame.told(mine, image):
        whose, ended = image[told], (mine.start_ns + mine.duration_ns)[told]
        by_image = np.zeros(len(frame.images), np.uint64)
        np.add.at(by_image, whose[whose >= 0], amount[told][whose >= 0])
        found.append((by_image, frame.at(amount[told], ended)))
    return found[0], found[1]


def _uring(frame: Frame, quantity: Quantity) -> tuple[U64, U64]:
    """What io_uring moved, which the kernel counts for no thread, by program and by second."""
    records = frame.of(Kind.FILE_URING)
    reads = quantity in (Quantity.READ_BYTES, Quantity.READ_CALLS)
    operation = records.context & np.uint64(_URING_OPERATION)
    where = np.flatnonzero(np.isin(operation, _URING_READS if reads else _URING_WRITES))
    amount = np.ones(len(where), np.uint64)
    if quantity in (Quantity.READ_BYTES, Quantity.WRITTEN_BYTES):
        amount = records.size_bytes[where]
    image = frame.images.at(records.pid[where], records.start_ns[where])
    mine = np.zeros(len(frame.images), np.uint64)
    np.add.at(mine, image[image >= 0], amount[image >= 0])
    return mine, frame.at(amount, records.start_ns[where] + records.duration_ns[where])


def _launches(frame: Frame, counted: dict[Quantity, Counted]) -> None:
    """Kernels launched against kernels that CUPTI told of, in the processes where it tells."""
    timing = frame.of(Kind.GPU_TIMING)
    pids = timing.pid[timing.object == _TIMING_ON]
    columns = frame.of(Kind.GPU_LAUNCH, Kind.GPU_GRAPH, Kind.GPU_EXECUTE)
    columns = columns.take(np.flatnonzero(np.isin(columns.pid, pids)))
    if not len(pids):
        return
    ran = (columns.kind == Kind.GPU_EXECUTE) & (columns.flags & FLAG_DEVICE_TIME != 0)
    asked = (columns.kind != Kind.GPU_EXECUTE) & (columns.status == 0)
    asked &= columns.flags & FLAG_CAPTURE == 0
    amount = np.where(columns.kind == Kind.GPU_GRAPH, columns.context, 1).astype(np.uint64)
    # By call, for what was launched in one second may run in the next.
    begun = np.where(asked, amount, 0).astype(np.uint64)
    images = frame.images.at(columns.pid, columns.start_ns)
    by_image = np.zeros((2, len(frame.images)), np.uint64)
    np.add.at(by_image[0], images[images >= 0], begun[images >= 0])
    np.add.at(by_image[1], images[images >= 0], ran[images >= 0].astype(np.uint64))
    times = columns.start_ns
    seen = by_image[0], frame.at(begun, times)
    witnessed = by_image[1], frame.at(ran.astype(np.uint64), times)
    counted[Quantity.LAUNCHES] = Counted.of(seen, _nothing(seen), witnessed)


def _programs(
    frame: Frame,
    counted: dict[Quantity, Counted],
    before: U64,
    by_socket: dict[Quantity, ByProgram],
) -> Programs:
    images = frame.images
    nothing = np.zeros(len(images), np.uint64)
    moved: dict[Quantity, ByProgram] = {
        quantity: (each.witnessed, each.seen, each.filled)
        if (each := counted.get(quantity))
        else (nothing, nothing, nothing)
        for quantity in (Quantity.READ_BYTES, Quantity.WRITTEN_BYTES)
    } | by_socket
    ways = ("read", "written", "received", "sent")
    fields = {
        f"{side}_{way}": images.gathered(amount) if side != "shim" else amount
        for way, amounts in zip(ways, moved.values(), strict=True)
        for side, amount in zip(("kernel", "shim", "filled"), amounts, strict=True)
    }
    chosen = np.flatnonzero(images.exec | (np.sum(list(fields.values()), axis=0) > 0))
    return Programs(
        pid=images.pid[chosen],
        start_ns=images.start_ns[chosen],
        shim=images.shim[chosen].astype(np.uint8),
        before_shim=before[chosen],
        **{name: amount[chosen] for name, amount in fields.items()},
    )

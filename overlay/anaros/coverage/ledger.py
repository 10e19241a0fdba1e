# SPDX-License-Identifier: Apache-2.0
"""The ledger of a run, reckoned from its records: pure, on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anaros.coverage.cpu import cpu_rows
from anaros.coverage.images import Images, images_of
from anaros.coverage.model import I64, SECOND_NS, U64, Mask, Programs, Quantity, Rows, Total
from anaros.coverage.owners import by_program
from anaros.coverage.series import Growth, by_second, grown, growth
from anaros.kinds import Kind
from anaros.records import (
    FLAG_ACCOUNTED,
    FLAG_CAPTURE,
    FLAG_DEVICE_TIME,
    FLAG_KERNEL,
    FLAG_PEEK,
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
_TCP_CLOSE = 7
#: States before the first byte: SYN_SENT, SYN_RECV, CLOSE, LISTEN (its listener), NEW_SYN_RECV.
_BEFORE_OPEN = (2, 3, 7, 10, 12)
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


@dataclass(frozen=True, slots=True)
class _Frame:
    """What all parts of the reckoning share."""

    columns: Columns
    images: Images
    origin_ns: int
    seconds: int
    attached: bool
    since_ns: int
    until_ns: int | None

    def calls(self, columns: Columns) -> Mask:
        """Which records tell of calls as the program made them."""
        if self.attached:
            return np.ones(len(columns), np.bool_)
        return np.asarray(columns.flags & FLAG_KERNEL == 0)

    def of(self, *kinds: int) -> Columns:
        return self.columns.take(np.flatnonzero(np.isin(self.columns.kind, kinds)))

    def witnessed(self, columns: Columns) -> Columns:
        """The readings that may be compared: later on nobody told of calls any more."""
        if self.until_ns is None:
            return columns
        return columns.take(np.flatnonzero(columns.start_ns <= np.uint64(self.until_ns)))

    def spread(self, amount: I64, begin_ns: I64, end_ns: I64) -> U64:
        return by_second(amount, begin_ns, end_ns, self.origin_ns, self.seconds)

    def watched(self, amount: U64, unwatched: Sequence[tuple[int, int]]) -> U64:
        """By second as much of it as does not lie in such a time, from when to when in ns."""
        if not unwatched:
            return amount
        begin, end = np.array(unwatched, np.int64).T
        away = self.spread(np.maximum(end - begin, 0), begin, end)
        kept = 1.0 - np.minimum(away, SECOND_NS) / SECOND_NS
        return np.rint(amount * kept).astype(np.uint64)

    def at(self, amount: U64, time_ns: U64) -> U64:
        times = time_ns.astype(np.int64)
        return self.spread(amount.astype(np.int64), times, times)


@dataclass(frozen=True, slots=True)
class _Counted:
    """One quantity: by second and by program (or whatever is compared one by one)."""

    seen_rows: U64
    witnessed_rows: U64
    seen: U64
    witnessed: U64

    def total(self) -> Total:
        both = np.minimum(self.seen, self.witnessed)
        return Total(int(self.seen.sum()), int(self.witnessed.sum()), int(both.sum()))


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
    frame = _Frame(columns, images_of(columns), origin_ns, seconds, attached, since_ns, until_ns)
    counted: dict[Quantity, _Counted] = {}
    before = _files(frame, counted)
    sockets, unwitnessed = _sockets(frame, counted)
    if (rows := cpu_rows(columns, origin_ns, frame.seconds)) is not None:
        rows = frame.watched(rows[0], unwatched), rows[1]
        if group is not None and len(group[0]) > 1:
            times, used = group
            grew = np.maximum(np.diff(used), 0)
            rows = rows[0], frame.spread(grew, times[:-1], times[1:])
        amounts = (np.array([each.sum()], np.uint64) for each in rows)
        counted[Quantity.CPU_NS] = _Counted(*rows, *amounts)
    _launches(frame, counted)
    unknown = Total(None, None, None)
    totals = {
        quantity: counted[quantity].total() if quantity in counted else unknown
        for quantity in Quantity
    }
    stdio = frame.calls(columns) & (columns.flags & FLAG_STDIO != 0)
    stdio &= np.isin(columns.kind, (Kind.FILE_READ, Kind.FILE_WRITE))
    return Ledger(
        _rows(counted, frame),
        _programs(frame, counted, before, sockets),
        totals,
        int(before.sum()),
        int(columns.size_bytes[stdio].sum()),
        unwitnessed,
    )


def _seconds(columns: Columns, origin_ns: int) -> int:
    if not len(columns):
        return 0
    last = int((columns.start_ns + columns.duration_ns).max())
    return min(max((last - origin_ns) // SECOND_NS + 1, 1), _SECONDS_MAX)


def _rows(counted: dict[Quantity, _Counted], frame: _Frame) -> Rows:
    """One row for each second in which either side has something."""
    begin = np.uint64(frame.origin_ns) + np.arange(frame.seconds, dtype=np.uint64) * np.uint64(
        SECOND_NS
    )
    parts = []
    for quantity, each in counted.items():
        some = np.flatnonzero((each.seen_rows > 0) | (each.witnessed_rows > 0))
        number = np.full(len(some), quantity, np.uint8)
        parts.append((begin[some], number, each.seen_rows[some], each.witnessed_rows[some]))
    if not parts:
        none = np.zeros(0, np.uint64)
        return Rows(none, np.zeros(0, np.uint8), none, none)
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.lexsort((joined[1], joined[0]))
    return Rows(*(column[order] for column in joined))


def _files(frame: _Frame, counted: dict[Quantity, _Counted]) -> U64:
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
        seen, seen_rows = _seen(frame, quantity, _Spans.of(owner, found))
        starts = _Starts(image, early, execs, _START_MAX.get(quantity, 0))
        taken = starts.take(amount, seen)
        if quantity == Quantity.READ_BYTES:
            np.add.at(before, image[image >= 0], taken[image >= 0].astype(np.uint64))
        amount -= taken
        witnessed = np.zeros(len(images), np.uint64)
        np.add.at(witnessed, image[image >= 0], amount[image >= 0].astype(np.uint64))
        rows = frame.spread(amount, found.begin_ns, found.end_ns)
        by_uring, uring_rows = _uring(frame, quantity)
        witnessed, rows = witnessed + by_uring, rows + uring_rows
        if frame.attached:
            # Whoever tells of the calls there is the kernel for these as well.
            seen, seen_rows = seen + by_uring, seen_rows + uring_rows
        counted[quantity] = _Counted(seen_rows, rows, seen, witnessed)
    return before


@dataclass(frozen=True, slots=True)
class _Spans:
    """From the first reading of each owner to its last, or its whole life; sorted by owner."""

    owner: U64
    begin_ns: I64
    end_ns: I64

    @classmethod
    def of(cls, owner: U64, found: Growth) -> _Spans:
        """Those of the owners of readings whose growths these are."""
        return cls.over(owner[found.place], found.begin_ns, found.end_ns)

    @classmethod
    def over(cls, owner: U64, begin_ns: I64, end_ns: I64) -> _Spans:
        """From the first to the last of the times of each owner."""
        owners, number = np.unique(owner, return_inverse=True)
        begin = np.full(len(owners), np.iinfo(np.int64).max)
        end = np.zeros(len(owners), np.int64)
        np.minimum.at(begin, number, begin_ns)
        np.maximum.at(end, number, end_ns)
        return cls(owners, begin, end)

    def hold(self, owner: U64, time_ns: U64) -> Mask:
        """Which of these times lie within the span of their owner."""
        if not len(self.owner):
            return np.zeros(len(owner), np.bool_)
        place = np.minimum(np.searchsorted(self.owner, owner), len(self.owner) - 1)
        when = time_ns.astype(np.int64)
        inside = (self.begin_ns[place] <= when) & (when <= self.end_ns[place])
        return np.asarray((self.owner[place] == owner) & inside)


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


def _born(frame: _Frame, owner: U64, time_ns: U64) -> U64:
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


def _seen(frame: _Frame, quantity: Quantity, spans: _Spans) -> tuple[U64, U64]:
    """What the shim saw of one quantity of files, by program and by second."""
    columns = frame.columns
    reads = quantity in (Quantity.READ_BYTES, Quantity.READ_CALLS)
    file, net = (Kind.FILE_READ, Kind.NET_RECV) if reads else (Kind.FILE_WRITE, Kind.NET_SEND)
    marked = columns.flags & FLAG_ACCOUNTED != 0
    chosen = (columns.kind == file) | (columns.kind == Kind.FILE_COPY)
    chosen |= np.isin(columns.kind, (net, Kind.FILE_SENDFILE)) & marked
    chosen &= frame.calls(columns)
    in_bytes = quantity in (Quantity.READ_BYTES, Quantity.WRITTEN_BYTES)
    if not in_bytes:
        chosen &= columns.flags & FLAG_STDIO == 0
    where = np.flatnonzero(chosen)
    ended = columns.start_ns[where] + columns.duration_ns[where]
    if frame.attached:
        thread = columns.pid[where].astype(np.uint64) << np.uint64(32) | columns.tid[where]
        inside = spans.hold(thread, ended)
        where, ended = where[inside], ended[inside]
    amount = columns.size_bytes[where] if in_bytes else np.ones(len(where), np.uint64)
    image = frame.images.at(columns.pid[where], columns.start_ns[where])
    mine = np.zeros(len(frame.images), np.uint64)
    np.add.at(mine, image[image >= 0], amount[image >= 0])
    return mine, frame.at(amount, ended)


def _uring(frame: _Frame, quantity: Quantity) -> tuple[U64, U64]:
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


@dataclass(frozen=True, slots=True)
class _Sockets:
    """By program: what its sockets moved by the kernel's count, and by the shim's records."""

    received: tuple[U64, U64]
    sent: tuple[U64, U64]


@dataclass(frozen=True, slots=True)
class _Moved:
    """What the kernel counted on sockets, from when to when; each array has shape (N,)."""

    cookie: U64
    image: I64
    received: I64
    sent: I64
    begin_ns: I64
    end_ns: I64

    def and_(self, other: _Moved) -> _Moved:
        pairs = ((getattr(self, name), getattr(other, name)) for name in self.__slots__)
        return _Moved(*(np.concatenate(pair) for pair in pairs))

    def spans(self) -> _Spans:
        return _Spans.over(self.cookie, self.begin_ns, self.end_ns)


def _tcp(frame: _Frame, told: Columns) -> _Moved:
    """By how much the counts of TCP sockets grew."""
    ends = (told.kind == Kind.TCP_STATE) & (told.status == _TCP_CLOSE)
    read = told.take(np.flatnonzero(ends | (told.kind == Kind.TCP_BYTES)))
    closed = (read.kind == Kind.TCP_STATE) & (read.status == _TCP_CLOSE)
    began = _first_told(told, read, frame.origin_ns)
    found, earlier = growth(read.object, read.start_ns, closed, began, frame.since_ns)
    return _Moved(
        read.object[found.place],
        frame.images.at(read.pid[found.place], read.start_ns[found.place]),
        grown(read.size_bytes, found, earlier),
        grown(read.context, found, earlier),
        found.begin_ns,
        found.end_ns,
    )


def _flows(frame: _Frame) -> _Moved:
    """What was moved through each socket that is not TCP, as far as they are told one by one."""
    told = frame.of(Kind.NET_FLOW)
    told = told.take(np.flatnonzero(told.object != 0))
    end = told.start_ns + told.duration_ns
    if frame.until_ns is not None:
        whole = np.flatnonzero(end <= np.uint64(frame.until_ns))
        told, end = told.take(whole), end[whole]
    return _Moved(
        told.object,
        frame.images.at(told.pid, told.start_ns),
        told.size_bytes.astype(np.int64),
        told.context.astype(np.int64),
        told.start_ns.astype(np.int64),
        end.astype(np.int64),
    )


def _sockets(frame: _Frame, counted: dict[Quantity, _Counted]) -> tuple[_Sockets, int]:
    """The two quantities of sockets, and what was seen on those that nobody witnesses."""
    told = frame.witnessed(frame.of(Kind.TCP_STATE, Kind.TCP_BYTES))
    told = told.take(np.flatnonzero(told.object))  # without a cookie nothing was counted either
    everything = frame.of(Kind.NET_RECV, Kind.NET_SEND)
    calls = everything.take(
        np.flatnonzero(frame.calls(everything) & (everything.flags & FLAG_PEEK == 0))
    )
    ended = calls.start_ns + calls.duration_ns
    tcp, flows = _tcp(frame, told), _flows(frame)
    by_tcp = np.isin(calls.object, told.object)
    # The probe of the others comes while the program runs: what was before is not compared.
    by_flow = flows.spans().hold(calls.object, ended)
    unwitnessed = int(calls.size_bytes[~(by_tcp | by_flow)].sum())
    if frame.attached:
        by_tcp &= tcp.spans().hold(calls.object, ended)
    nothing = np.zeros(len(frame.images), np.uint64)
    if not len(told) and not len(flows.cookie):
        return _Sockets((nothing, nothing), (nothing, nothing)), unwitnessed
    moved = tcp.and_(flows)
    cookies = np.unique(np.concatenate([told.object, flows.cookie]))
    whose = np.searchsorted(cookies, moved.cookie)
    holder = np.full(len(cookies), -1, np.int64)
    holder[whose] = moved.image
    by_image = []
    for quantity, kind, amount in (
        (Quantity.RECEIVED_BYTES, Kind.NET_RECV, moved.received),
        (Quantity.SENT_BYTES, Kind.NET_SEND, moved.sent),
    ):
        witnessed = np.zeros(len(cookies), np.uint64)
        np.add.at(witnessed, whose, amount.astype(np.uint64))
        mine = np.flatnonzero((by_tcp | by_flow) & (calls.kind == kind))
        size, socket = calls.size_bytes[mine], np.searchsorted(cookies, calls.object[mine])
        seen = np.zeros(len(cookies), np.uint64)
        np.add.at(seen, socket, size)
        counted[quantity] = _Counted(
            frame.at(size, ended[mine]),
            frame.spread(amount, moved.begin_ns, moved.end_ns),
            seen,
            witnessed,
        )
        caller = frame.images.at(calls.pid[mine], calls.start_ns[mine])
        shim = nothing.copy()
        np.add.at(shim, caller[caller >= 0], size[caller >= 0])
        kernel = by_program(socket, caller, size, witnessed, holder, len(shim))
        by_image.append((kernel, shim))
    return _Sockets(*by_image), unwitnessed


def _first_told(told: Columns, read: Columns, origin_ns: int) -> U64:
    """When each socket began, by the first word of it; one that was open before has no count."""
    order = np.lexsort((told.start_ns, told.object))
    cookies, first = np.unique(told.object[order], return_index=True)
    head = order[first]
    new = (told.kind[head] == Kind.TCP_STATE) & np.isin(told.address[head], _BEFORE_OPEN)
    began = np.where(new, np.maximum(told.start_ns[head], np.uint64(origin_ns)), 1)
    started: U64 = began.astype(np.uint64)[np.searchsorted(cookies, read.object)]
    return started


def _launches(frame: _Frame, counted: dict[Quantity, _Counted]) -> None:
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
    rows = frame.at(begun, times), frame.at(ran.astype(np.uint64), times)
    counted[Quantity.LAUNCHES] = _Counted(*rows, by_image[0], by_image[1])


def _programs(
    frame: _Frame, counted: dict[Quantity, _Counted], before: U64, sockets: _Sockets
) -> Programs:
    images = frame.images
    nothing = np.zeros(len(images), np.uint64)
    files = {
        quantity: (counted[quantity].witnessed, counted[quantity].seen)
        if quantity in counted
        else (nothing, nothing)
        for quantity in (Quantity.READ_BYTES, Quantity.WRITTEN_BYTES)
    }
    read, written = files[Quantity.READ_BYTES], files[Quantity.WRITTEN_BYTES]
    columns = (read, written, sockets.received, sockets.sent)
    kernel, shim = ([each[side] for each in columns] for side in (0, 1))
    kernel = [images.gathered(each) for each in kernel]
    some = images.exec | (np.sum(kernel, axis=0) > 0) | (np.sum(shim, axis=0) > 0)
    chosen = np.flatnonzero(some)
    kernel_read, kernel_written, kernel_received, kernel_sent = (each[chosen] for each in kernel)
    shim_read, shim_written, shim_received, shim_sent = (each[chosen] for each in shim)
    return Programs(
        pid=images.pid[chosen],
        start_ns=images.start_ns[chosen],
        shim=images.shim[chosen].astype(np.uint8),
        kernel_read=kernel_read,
        kernel_written=kernel_written,
        kernel_received=kernel_received,
        kernel_sent=kernel_sent,
        shim_read=shim_read,
        shim_written=shim_written,
        shim_received=shim_received,
        shim_sent=shim_sent,
        before_shim=before[chosen],
    )

# SPDX-License-Identifier: Apache-2.0
"""Whose records are whose: which request a thread was working for, and what says so.

The records of a thread are cut into segments: stretches of program order within which the
thread cannot have turned to another request. A segment belongs to one request or to none.

* On a *front* thread (one that receives requests) a segment begins with each record of a server
  connection, after the last send of a reply, after each poll, and where a signal is taken in; on
  an event loop also after each record that gives work to another thread.
* On any other thread (a worker) a segment begins where the thread was woken from idle, and ends
  with the signal to an event loop or the next idle wait. A wait is idle when nothing was done
  since the thread began, since its last signal or since an idle wait; or when it is on a
  semaphore on which threads wait when idle; or, in processes without signals, when a front
  thread ends it. Other waits are for a lock inside of the work.

Evidence, in this order: the connection itself and program order; semaphores, then scheduler
wake-ups from a segment that has an owner; the only request in flight; the buffer that a device
copies from; the turn of the event loop; first come first served.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from anaros.pofc import fifo, handoff
from anaros.pofc.frame import Frame, Role
from anaros.pofc.model import F32, I32, I64, PROBABILITY, U8, Evidence, Ints, Mask
from anaros.pofc.native import Struct, lib, pointer
from anaros.pofc.order import alone, distinct, mix, numbered
from anaros.pofc.requests import Anchors, Table
from anaros.records import Columns


class Begins(IntEnum):
    """Why a segment begins."""

    BEGIN = 1
    AFTER = 2
    SPLIT = 3
    TAKE = 4
    POLL = 5
    IDLE = 6
    ANCHOR = 7


_HOPS_MAX = 32


@dataclass(frozen=True, slots=True)
class Threads:
    """What each thread is: receives requests, polls too, and is of a process that signals loops."""

    front: Mask
    loop: Mask
    signals: Mask


@dataclass(slots=True)
class Segments:
    """S segments in the order of the frame.

    ``start`` is the place of the first record; ``kind`` says why it begins; ``thread`` is its
    thread. ``opened_ns`` is when the thread turned to it, ``closed_ns`` when it was done.
    ``works`` says whether it holds any work, ``signals`` whether it ends with a signal,
    ``receives`` whether it begins with a receive.
    ``source`` is the place of the record on another thread that started it, or -1.
    ``owner``, ``evidence`` and ``probability`` are the result. ``number`` (M,) is the segment of
    each call, ``threads`` says what the threads are. ``native`` is all this for the native side.
    """

    start: I64
    kind: U8
    thread: I64
    opened_ns: I64
    closed_ns: I64
    works: Mask
    signals: Mask
    receives: Mask
    source: I64
    owner: I64
    evidence: U8
    probability: F32
    number: I32
    threads: Threads
    native: Struct

    def __len__(self) -> int:
        return len(self.start)

    def at(self, index: I64) -> I64:
        """The segment that the place ``index`` of the frame lies in; -1 for -1."""
        return np.where(index >= 0, self.number[index], -1)


def trace(frame: Frame, columns: Columns, table: Table, anchors: Anchors) -> Segments:
    """Cuts the threads into segments and finds the owner of each.

    Args:
        frame: The threads, without the scheduler's records; roles of anchors and signals are set.
        columns: N records by start, those of the scheduler among them.
        table: The requests.
        anchors: The records that surely belong to one of them.
    """
    special = np.flatnonzero(frame.role >= Role.ANCHOR)
    thread = frame.thread[special]
    role = frame.role[special]
    work = (frame.role >= Role.WORK) & (frame.role <= Role.ANCHOR)
    worked = np.cumsum(work, dtype=np.int32)
    threads = _kinds_of_thread(frame, thread, role)
    waits, wakes = special[role == Role.WAIT], special[role == Role.WAKE]
    waker = handoff.wakers(frame, waits, wakes)
    idle = _idle(frame, threads, special, work, worked, waits, wakes, waker)
    anchor = special[role == Role.ANCHOR]
    whose = np.empty(len(frame), np.int64)
    whose[frame.call[anchors.position]] = anchors.owner
    replies = anchor[frame.start_ns[anchor] >= table.reply_ns[whose[anchor]]]
    mark = _marks(frame, threads, special, thread, role, waits[idle], replies)
    segments = _segments(frame, threads, mark)
    _connect(frame, columns, segments, waits, wakes, waker)
    segments = _split(frame, segments, mark)
    begins = np.flatnonzero(segments.kind == Begins.ANCHOR)
    owner, trust = whose[segments.start[begins]], PROBABILITY[Evidence.CONNECTION]
    give(segments, begins, owner, Evidence.PROGRAM_ORDER, np.float32(trust))
    _follow(segments, table)
    _alone(frame, segments, table)
    _follow(segments, table)
    return segments


def _kinds_of_thread(frame: Frame, thread: Ints, role: U8) -> Threads:
    count = len(frame.pid)
    made = np.bincount(thread * len(Role) + role, minlength=count * len(Role)) > 0
    front, polls, signals = made.reshape(count, -1)[:, [Role.ANCHOR, Role.POLL, Role.SIGNAL]].T
    signals = np.isin(frame.pid, frame.pid[signals & ~front])
    return Threads(np.ascontiguousarray(front), front & polls, signals)


def _idle(
    frame: Frame,
    threads: Threads,
    special: I64,
    work: Mask,
    worked: I32,
    waits: I64,
    wakes: I64,
    waker: I64,
) -> Mask:
    """Which waits are those of a worker that has nothing to do."""
    if not len(waits):
        return np.zeros(0, np.bool_)
    at = frame.thread[waits]
    worker = ~threads.front[at]
    fresh = worker & _nothing_done(frame, special, work, worked, waits, ~worker & worker)
    position = frame.position[waits]
    semaphore = numbered(mix(frame.columns.pid[position], frame.columns.object[position]))[0]
    shared = np.bincount(semaphore[fresh], minlength=len(semaphore)) > 0
    by_front = np.zeros(len(waits), np.bool_)
    found = waker >= 0
    by_front[found] = threads.front[frame.thread[wakes[waker[found]]]]
    idle = worker & (fresh | shared[semaphore] | (by_front & ~threads.signals[at]))
    return idle | (worker & _nothing_done(frame, special, work, worked, waits, idle))


def _nothing_done(
    frame: Frame, special: I64, work: Mask, worked: I32, waits: I64, idle: Mask
) -> Mask:
    """Which waits come before any work since the thread began, signalled, or was idle."""
    signal = special[frame.role[special] == Role.SIGNAL]
    starts = np.concatenate([frame.first[:-1], signal, waits[idle]])
    starts.sort()
    last = starts[np.searchsorted(starts, waits, side="right") - 1]
    nothing: Mask = worked[waits] == worked[last] - work[last]
    return nothing


#: What begins with a record on a front thread, by role.
_OPENS = np.zeros(len(Role), np.uint8)
_OPENS[Role.SIGNALLED], _OPENS[Role.POLL] = Begins.TAKE, Begins.POLL
_OPENS[Role.ANCHOR] = Begins.ANCHOR


def _marks(
    frame: Frame,
    threads: Threads,
    special: I64,
    thread: Ints,
    role: U8,
    idle: I64,
    replies: I64,
) -> U8:
    """(K,) why a segment begins at each place, 0 where none does."""
    mark = np.zeros(len(frame) + 1, np.uint8)
    front = threads.front[thread]
    mark[special[(role == Role.SIGNAL) & ~front] + 1] = Begins.AFTER
    mark[replies + 1] = Begins.TAKE
    mark[frame.first[:-1]] = Begins.BEGIN
    opens = np.where(front, _OPENS[role], 0)
    some = np.flatnonzero(opens)
    mark[special[some]] = opens[some]
    mark[idle] = Begins.IDLE
    return mark[:-1]


def _segments(frame: Frame, threads: Threads, mark: U8) -> Segments:
    """The segments that the marks begin, without sources and owners."""
    count = int(np.count_nonzero(mark))
    arrays: dict[str, Any] = {
        "start": np.empty(count, np.int64),
        "kind": np.empty(count, np.uint8),
        "thread": np.empty(count, np.int32),
        "opened_ns": np.empty(count, np.int64),
        "closed_ns": np.empty(count, np.int64),
        "works": np.empty(count, np.bool_),
        "signals": np.empty(count, np.bool_),
        "receives": np.empty(count, np.bool_),
        "number": np.empty(len(frame), np.int32),
    }
    native = Struct("pofc_segments", count=count, **arrays)
    lib.anaros_pofc_segments(frame.calls.pointer, pointer(mark), native.pointer)
    return Segments(
        source=np.full(count, -1, np.int64),
        owner=np.full(count, -1, np.int64),
        evidence=np.zeros(count, np.uint8),
        probability=np.zeros(count, np.float32),
        threads=threads,
        native=native,
        **arrays,
    )


def _connect(
    frame: Frame, columns: Columns, segments: Segments, waits: I64, wakes: I64, waker: I64
) -> None:
    """Finds what started the segments of workers.

    Waits of one thread with nothing done between them are one idle time: what counts is the last
    one that a front thread ended, else the last one that any thread ended.
    """
    segments.source, segments.evidence = _own_source(frame, columns, segments, waits, wakes, waker)
    lib.anaros_pofc_connect(
        frame.calls.pointer,
        segments.native.pointer,
        pointer(segments.threads.front),
        pointer(segments.source),
        pointer(segments.evidence),
    )


def _own_source(
    frame: Frame, columns: Columns, segments: Segments, waits: I64, wakes: I64, waker: I64
) -> tuple[I64, U8]:
    """What started each segment by its own first wait alone, and what says so."""
    source = np.full(len(segments), -1, np.int64)
    evidence = np.full(len(segments), Evidence.SEMAPHORE, np.uint8)
    idle = np.flatnonzero(segments.kind == Begins.IDLE)
    if len(idle):
        wait = np.searchsorted(waits, segments.start[idle])
        found = waker[wait]
        source[idle] = np.where(found >= 0, wakes[found] if len(wakes) else -1, -1)
        silent = idle[source[idle] < 0]
        source[silent] = handoff.scheduled(frame, columns, segments.start[silent])
        evidence[silent] = Evidence.WAKEUP
    # A new thread posts a semaphore that its maker waits for: its first wake.
    begins = np.flatnonzero(segments.kind == Begins.BEGIN)
    waiter = np.full(len(wakes), -1, np.int64)
    waiter[waker[waker >= 0]] = waits[waker >= 0]
    first = np.searchsorted(wakes, segments.start[begins])
    reach = first < len(wakes)
    begins, first = begins[reach], first[reach]
    mine = frame.thread[wakes[first]] == segments.thread[begins] if len(wakes) else first < 0
    source[begins[mine]] = waiter[first[mine]] if len(wakes) else -1
    return source, evidence


def _split(frame: Frame, segments: Segments, mark: U8) -> Segments:
    """Cuts the turns of an event loop after each record that gave work away."""
    given = segments.source[segments.source >= 0]
    given = given[segments.threads.loop[frame.thread[given]]]
    given = given[segments.kind[segments.at(given)] != Begins.ANCHOR]
    given = given[given + 1 < len(frame)]
    given = given[mark[given + 1] == 0]
    if not len(given):
        return segments
    mark[given + 1] = Begins.SPLIT
    finer = _segments(frame, segments.threads, mark)
    same = finer.number[segments.start]
    finer.source[same] = segments.source
    finer.evidence[same] = segments.evidence
    return finer


def _follow(segments: Segments, table: Table) -> None:
    """Gives segments that were started from one with an owner to the same owner."""
    parent = segments.at(segments.source)
    for _ in range(_HOPS_MAX):
        ask = np.flatnonzero((segments.owner < 0) & (parent >= 0))
        ask = ask[segments.owner[parent[ask]] >= 0]
        owner = segments.owner[parent[ask]]
        opened = segments.opened_ns[ask] + handoff.SLACK_NS
        fits = (segments.opened_ns[ask] <= table.end_ns[owner]) & (opened >= table.start_ns[owner])
        ask, owner = ask[fits], owner[fits]
        if not len(ask):
            return
        link = np.where(
            segments.evidence[ask] == Evidence.WAKEUP, Evidence.WAKEUP, Evidence.SEMAPHORE
        )
        before = segments.probability[parent[ask]]
        give(segments, ask, owner, link.astype(np.uint8), _TRUST[link] * before)


def give(
    segments: Segments, where: I64, owner: I64, evidence: U8 | int, trust: F32 | np.float32
) -> None:
    """Sets the owner of segments."""
    segments.owner[where] = owner
    segments.evidence[where] = evidence
    segments.probability[where] = trust


_TRUST = np.array([PROBABILITY[each] for each in Evidence], np.float32)


def _alone(frame: Frame, segments: Segments, table: Table) -> None:
    """Gives segments to the request that alone was in flight: on the thread, or in the process."""
    front = segments.threads.front
    mine = front[segments.thread]
    free = segments.owner < 0
    ask = np.flatnonzero(free & mine & (segments.kind != Begins.ANCHOR))
    thread = frame.thread_of(table.pid, table.tid)
    _only(segments, ask, table, thread, segments.thread[ask])
    ask = np.flatnonzero(free & ~mine & (segments.works | segments.signals))
    ask = ask[~front[frame.thread[np.maximum(segments.source[ask], 0)]]]
    pid = frame.pid[segments.thread[ask]]
    served = np.isin(pid, table.pids)
    ask, (process, theirs) = ask[served], numbered(table.pid, pid[served])
    _only(segments, ask, table, process, theirs)


def _only(segments: Segments, ask: I64, table: Table, group: Ints, mine: Ints) -> None:
    owner = alone(group, table.first_ns, table.end_ns, mine, segments.opened_ns[ask])
    found = owner >= 0
    trust = np.float32(PROBABILITY[Evidence.ALONE])
    give(segments, ask[found], owner[found], Evidence.ALONE, trust)


@dataclass(frozen=True, slots=True)
class Pieces:
    """P segments that are work which an event loop, or nobody known, gave to a worker.

    ``segment`` (P,) are their places, ascending; ``given_ns`` (P,) is when the work was given out,
    as far as that is known.
    """

    segment: I64
    given_ns: I64


_GIVEN = np.isin(np.arange(len(Begins) + 1), (Begins.IDLE, Begins.AFTER, Begins.BEGIN))


def pieces(frame: Frame, segments: Segments, table: Table) -> Pieces:
    """The work in the processes that serve; who owns it does not matter."""
    threads = segments.threads
    worker = np.isin(frame.pid, table.pids) & ~threads.front
    piece = worker[segments.thread] & (segments.works | segments.signals)
    at = np.flatnonzero(piece & _GIVEN[segments.kind])
    at = at[segments.signals[at] | ~threads.signals[segments.thread[at]]]
    source = segments.source[at]
    kept = (source < 0) | threads.front[frame.thread[np.maximum(source, 0)]]
    at, source = at[kept], source[kept]
    idle = segments.kind[at] == Begins.IDLE
    begun = np.where(idle, segments.opened_ns[at], frame.start_ns[segments.start[at]])
    return Pieces(at, np.where(source >= 0, frame.start_ns[np.maximum(source, 0)], begun))


def queue_up(frame: Frame, segments: Segments, table: Table, work: Pieces) -> None:
    """Gives the work that no evidence reached to the requests that had none, in order.

    What is left over then may be earlier work of the requests whose last piece is known.

    Args:
        frame: The threads.
        segments: The segments; changed in place.
        table: The requests.
        work: The pieces of work.
    """
    owner = segments.owner[work.segment]
    until = table.reply_ns.copy()
    known = np.flatnonzero(owner >= 0)
    known = known[np.argsort(-work.given_ns[known], kind="stable")]
    until[owner[known]] = work.given_ns[known]
    idle = np.ones(len(table), np.bool_)
    idle[owner[known]] = False
    pid = frame.pid[segments.thread[work.segment]]
    for process in distinct(pid[owner < 0]):
        for waits, share in ((idle, 1.0), (~idle, fifo.HOP_TRUST)):
            left = np.flatnonzero((pid == process) & (segments.owner[work.segment] < 0))
            waiting = np.flatnonzero((table.pid == process) & waits)
            piece, given = work.segment[left], work.given_ns[left]
            taken, trust = fifo.match(
                table.first_ns[waiting], until[waiting], given, segments.closed_ns[piece]
            )
            found = taken >= 0
            trust = (trust * share).astype(np.float32)
            give(segments, piece[found], waiting[taken[found]], Evidence.FIFO, trust[found])
    _give_back(segments)
    _follow(segments, table)


def _give_back(segments: Segments) -> None:
    """A turn of a loop that gave work away belongs to whom the work belongs to."""
    parent = segments.at(segments.source)
    child = np.flatnonzero((parent >= 0) & (segments.owner >= 0))
    child = child[segments.owner[parent[child]] < 0]
    up = parent[child]
    give(segments, up, segments.owner[child], segments.evidence[child], segments.probability[child])

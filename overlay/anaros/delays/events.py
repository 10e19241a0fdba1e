# SPDX-License-Identifier: Apache-2.0
"""Which records of the kernel plane are delays, and whose doing each was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from anaros.delays.model import Cause, Delays, Owner
from anaros.kinds import Kind, NameClass
from anaros.records import FLAG_OTHER_TENANT, Columns

#: Kinds that tell of delays.
KINDS = (
    Kind.SCHED_RUNQUEUE,
    Kind.SCHED_THROTTLE,
    Kind.CGROUP_FREEZE,
    Kind.IRQ_TOTAL,
    Kind.IRQ_HARD,
    Kind.IRQ_SOFT,
    Kind.BLOCK_IO,
    Kind.FILE_FAULT,
    Kind.MEM_FAULT,
    Kind.MEM_RECLAIM,
    Kind.MEM_COMPACT,
    Kind.MEM_MIGRATE,
    Kind.SYNC_KERNEL_TOTAL,
    Kind.SYNC_KERNEL,
    Kind.NIC_QUEUE,
)
#: Of these their ``context`` is needed.
WITH_CONTEXT = (Kind.BLOCK_IO,)

#: What is shorter is how long it takes to hand a request to a device that waits for it.
_QUEUED_NS_MIN = 10_000

#: The thread's own, with nobody to blame, and ``status`` or ``object`` as the thing of it.
_PLAIN = {
    Kind.SCHED_THROTTLE: (Cause.QUOTA, None),
    Kind.MEM_RECLAIM: (Cause.RECLAIM, "status"),
    Kind.MEM_COMPACT: (Cause.COMPACTION, None),
    Kind.MEM_MIGRATE: (Cause.MIGRATION, None),
    Kind.NIC_QUEUE: (Cause.PACKET_QUEUE, "object"),
}


def delays(here: Mapping[Kind, Columns]) -> list[Delays]:
    """The delays that records tell of, in parts of one cause each.

    Args:
        here: The records of each of ``KINDS``, by their start: see `anaros.delays.kinds.split`.
    """
    return [
        _run_queue(here[Kind.SCHED_RUNQUEUE]),
        *(_plain(here[kind], kind) for kind in _PLAIN),
        _frozen(here[Kind.CGROUP_FREEZE]),
        Delays.concatenate(
            [
                _interrupts(here[Kind.IRQ_TOTAL]),
                *(_longest(here[kind], Cause.INTERRUPT) for kind in (Kind.IRQ_HARD, Kind.IRQ_SOFT)),
            ]
        ),
        *_disk(here[Kind.BLOCK_IO]),
        _faults(here[Kind.MEM_FAULT], here[Kind.FILE_FAULT]),
        Delays.concatenate(
            [
                _locks(here[Kind.SYNC_KERNEL_TOTAL]),
                _longest(here[Kind.SYNC_KERNEL], Cause.KERNEL_LOCK),
            ]
        ),
    ]


def _told(found: Columns, cause: Cause, **given: Any) -> Delays:
    """Delays of one cause, each as its record tells it but for what is given."""
    names = ("start_ns", "duration_ns", "pid", "tid")
    return Delays.of(len(found), cause, **{name: getattr(found, name) for name in names} | given)


def _run_queue(found: Columns) -> Delays:
    """Who held the processor until then; nobody where it was idle."""
    somebody = found.size_bytes != 0
    other = found.flags & FLAG_OTHER_TENANT != 0
    owner = somebody.view(np.uint8) * (Owner.OWN + other.view(np.uint8))
    return _told(
        found,
        Cause.RUN_QUEUE,
        owner=owner,
        by_class=somebody.view(np.uint8) * np.uint8(NameClass.PROCESS),
        by=found.size_bytes,
    )


def _plain(found: Columns, kind: Kind) -> Delays:
    cause, thing = _PLAIN[kind]
    return _told(found, cause, thing=0 if thing is None else getattr(found, thing))


def _frozen(found: Columns) -> Delays:
    """From each freezing of a group to when it goes on; what lasts has no end to tell."""
    order = np.lexsort((found.start_ns, found.object))
    found = found.take(order)
    first = np.flatnonzero(
        (found.status[:-1] == 1) & (found.status[1:] == 0) & (found.object[:-1] == found.object[1:])
    )
    went_on_ns = found.start_ns[first + 1]
    found = found.take(first)
    return _told(
        found,
        Cause.FROZEN,
        duration_ns=went_on_ns - found.start_ns,
        pid=0,
        tid=0,
        by_class=NameClass.CGROUP,
        by=found.object,
    )


def _interrupts(found: Columns) -> Delays:
    return _told(
        found,
        Cause.INTERRUPT,
        pid=0,
        tid=0,
        by_class=NameClass.INTERRUPT,
        by=found.object,
        count=found.size_bytes,
        longest_ns=0,
    )


def _longest(found: Columns, cause: Cause) -> Delays:
    """Long ones, which the sums of their second count and add up already."""
    interrupt = cause is Cause.INTERRUPT
    return _told(
        found,
        cause,
        duration_ns=0,
        pid=0 if interrupt else found.pid,
        tid=0,
        by_class=NameClass.INTERRUPT if interrupt else 0,
        by=found.object if interrupt else 0,
        thing=0 if interrupt else found.status,
        count=0,
        longest_ns=found.duration_ns,
    )


def _disk(found: Columns) -> list[Delays]:
    """What kept the target's requests: those of others before them, and the queue above."""
    other = found.flags & FLAG_OTHER_TENANT != 0
    own = ~other & (found.pid != 0)
    kept = found.take(np.flatnonzero(own & (found.context >= _QUEUED_NS_MIN)))
    queued = _told(
        kept,
        Cause.DISK_QUEUE,
        start_ns=kept.start_ns - kept.context,
        duration_ns=kept.context,
        thing=kept.object,
    )
    ahead = []
    for device in np.unique(found.object[own]):
        here = found.object == device
        ahead.append(_ahead(found.take(np.flatnonzero(own & here)), found.take(~own & here)))
    return [queued, Delays.concatenate(ahead)]


def _ahead(mine: Columns, others: Columns) -> Delays:
    """For how long a request was in a device behind those that somebody else had issued before.

    The last of these to end takes the blame.
    """
    ends = others.start_ns + others.duration_ns
    last = np.maximum.accumulate(ends)
    # Whose end it is: the place of the newest that reached a new maximum.
    blamed = np.maximum.accumulate(np.where(ends == last, np.arange(len(ends)), 0))
    before = np.searchsorted(others.start_ns, mine.start_ns) - 1
    behind = before >= 0
    before = before[behind]
    mine = mine.take(behind)
    until = np.minimum(last[before], mine.start_ns + mine.duration_ns)
    late = until > mine.start_ns
    mine, until, by = mine.take(late), until[late], others.pid[blamed[before][late]]
    return _told(
        mine,
        Cause.DISK_AHEAD,
        duration_ns=until - mine.start_ns,
        owner=np.where(by == 0, Owner.NOBODY, Owner.OTHER),
        by_class=np.where(by == 0, 0, NameClass.PROCESS),
        by=by,
        thing=mine.object,
    )


def _faults(slept: Columns, files: Columns) -> Delays:
    """Sleeps in page faults, each with the file that the thread was told to wait for before it."""
    both = Columns.concatenate([files, slept])
    order = np.lexsort((both.start_ns, both.tid))
    both = both.take(order)
    at = np.flatnonzero(both.kind == Kind.MEM_FAULT)
    before = np.maximum(at - 1, 0)
    named = (at > 0) & (both.kind[before] == Kind.FILE_FAULT) & (both.tid[before] == both.tid[at])
    found = both.take(at)
    return _told(
        found,
        Cause.FAULT,
        by_class=np.where(named, NameClass.FILE, 0),
        by=np.where(named, both.object[before], 0),
    )


def _locks(found: Columns) -> Delays:
    return _told(found, Cause.KERNEL_LOCK, thing=found.status, count=found.size_bytes, longest_ns=0)

# SPDX-License-Identifier: Apache-2.0
"""Edges from thread to thread: who woke whom, by semaphore and by the scheduler."""

from __future__ import annotations

import numpy as np

from anaros.kinds import Kind
from anaros.pofc.frame import Frame, Role
from anaros.pofc.model import I64
from anaros.pofc.order import as_time, latest, mix, numbered
from anaros.records import Columns

#: Clocks of two CPUs may differ by this much.
SLACK_NS = 10_000


def wakers(frame: Frame, waits: I64, wakes: I64) -> I64:
    """The wake that ended each wait on a semaphore.

    A wake lets one sleeper go. Sleepers of one semaphore that end after the same wake took
    it and those before it, in order.

    Args:
        frame: The threads.
        waits: Places of the waits in the frame.
        wakes: Places of the wakes.

    Returns:
        For each wait an index in ``wakes``, -1 where none fits.
    """
    if not len(waits) or not len(wakes):
        return np.full(len(waits), -1, np.int64)
    columns = frame.columns
    at, by = frame.position[waits], frame.position[wakes]
    wait_object, wake_object = numbered(
        mix(columns.pid[at], columns.object[at]), mix(columns.pid[by], columns.object[by])
    )
    begun = frame.start_ns[wakes]
    order = np.lexsort((begun, wake_object))
    found = latest(wake_object[order], begun[order], wait_object, frame.end_ns[waits])
    # Waits that found the same wake: the last to end keeps it, the others step back.
    ranked = np.lexsort((frame.end_ns[waits], found))
    same = np.searchsorted(found[ranked], found[ranked], side="right")
    back = np.empty(len(waits), np.int64)
    back[ranked] = same - 1 - np.arange(len(ranked))
    chosen = order[np.maximum(found - back, 0)]
    fits = (
        (found - back >= 0)
        & (wake_object[chosen] == wait_object)
        & (begun[chosen] + SLACK_NS >= frame.start_ns[waits])
        & (frame.thread[wakes][chosen] != frame.thread[waits])
    )
    return np.where(fits, chosen, -1)


def scheduled(frame: Frame, columns: Columns, waits: I64) -> I64:
    """For each wait the place in the frame where the thread that woke it was, or -1.

    Args:
        frame: The threads.
        columns: N records by start, with the scheduler's wake-ups among them.
        waits: Places of the waits that no semaphore explains.
    """
    nothing = np.full(len(waits), -1, np.int64)
    wakeups = np.flatnonzero(columns.kind == Kind.SCHED_WAKEUP) if len(waits) else nothing[:0]
    if not len(wakeups):
        return nothing
    thread = frame.thread[waits]
    waker = frame.thread_of(columns.pid[wakeups], columns.tid[wakeups])
    wakeups, waker = wakeups[waker >= 0], waker[waker >= 0]
    time = as_time(columns.start_ns[wakeups])
    end = frame.end_ns[waits]
    woken = columns.object[wakeups].astype(np.int64, copy=False)
    found = latest(woken, time, frame.tid[thread].astype(np.int64), end)
    fits = (
        (found >= 0) & (time[found] + SLACK_NS >= frame.start_ns[waits]) if len(time) else found > 0
    )
    asked = np.flatnonzero(fits)
    if not len(asked):
        return nothing
    others = np.flatnonzero(np.isin(frame.role, (Role.ANCHOR, Role.POLL, Role.WORK, Role.WAKE)))
    place = latest(
        frame.thread[others], frame.start_ns[others], waker[found[asked]], time[found[asked]]
    )
    nothing[asked] = np.where(place >= 0, others[place], -1) if len(others) else -1
    return nothing

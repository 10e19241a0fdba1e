# SPDX-License-Identifier: Apache-2.0
"""Who is answered in which turn of an event loop.

A worker that is done signals its loop. The loop calls back what was signalled before its poll
ended, and the task that waited for it goes on a fixed number of turns later: in asyncio the next
one. So the pieces of work that were done in time for a turn, and the replies that begin so many
turns later, are the same ones in the same order, as long as they are equally many. Unlike a queue
this forgets: what is not understood in one turn confuses no other.
"""

from __future__ import annotations

import numpy as np

from anaros.pofc.frame import Frame, Role
from anaros.pofc.lineage import Segments, give, given_ns, pieces
from anaros.pofc.model import I64, PROBABILITY, Evidence
from anaros.pofc.requests import Table

#: A reply comes so many turns after the signal at most.
_TURNS_MAX = 4

#: So many of the pieces of work must be explained for the turns to be believed.
_CONTENT = 0.5


def match(frame: Frame, segments: Segments, table: Table) -> None:
    """Gives work to the requests that are answered in its turn.

    Args:
        frame: The threads.
        segments: The segments; changed in place.
        table: The requests.
    """
    piece = pieces(frame, segments, table) & segments.signals
    left = np.flatnonzero(piece & (segments.owner < 0))
    has_work = np.zeros(len(table), np.bool_)
    has_work[segments.owner[piece & (segments.owner >= 0)]] = True
    polls = frame.where(Role.POLL)
    loop = frame.thread[polls]
    home = frame.thread_of(table.pid, table.tid)
    given = given_ns(frame, segments)
    pid = frame.pid[segments.thread[left]]
    for process in np.unique(pid):
        waiting = np.flatnonzero((table.pid == process) & ~has_work & ~table.is_open)
        loops = np.unique(home[waiting])
        work = left[pid == process]
        if len(loops) != 1 or not len(waiting):
            continue  # which loop the signal was for is not known
        turns = np.sort(frame.end_ns[polls[loop == loops[0]]])
        done = segments.closed_ns[work]
        signalled = np.searchsorted(turns, done, side="left")
        answered = np.searchsorted(turns, table.answer_ns[waiting], side="right") - 1
        by_signal = np.argsort(done, kind="stable")
        by_answer = np.argsort(table.answer_ns[waiting], kind="stable")
        work, signalled = work[by_signal], signalled[by_signal]
        waiting, answered = waiting[by_answer], answered[by_answer]
        pairs = [_pairs(signalled + later, answered) for later in range(_TURNS_MAX)]
        mine, theirs = max(pairs, key=lambda pair: len(pair[0]))
        if len(mine) < _CONTENT * len(work):
            continue
        fits = given[work[mine]] >= table.first_ns[waiting[theirs]]
        mine, theirs = mine[fits], theirs[fits]
        trust = np.full(len(mine), PROBABILITY[Evidence.TURN], np.float32)
        give(segments, work[mine], waiting[theirs], Evidence.TURN, trust)


def _pairs(ready: I64, answered: I64) -> tuple[I64, I64]:
    """Pairs, in order, of what is ready and what is answered in turns that have equally many.

    Args:
        ready: Turn of each piece of work, ascending.
        answered: Turn of each reply, ascending.
    """
    first, last = (np.searchsorted(answered, ready, side=side) for side in ("left", "right"))
    begin, end = (np.searchsorted(ready, ready, side=side) for side in ("left", "right"))
    mine = np.flatnonzero((end - begin == last - first) & (last > first))
    return mine, first[mine] + mine - begin[mine]

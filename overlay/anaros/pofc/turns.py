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
from anaros.pofc.lineage import Pieces, Segments, give
from anaros.pofc.model import I64, PROBABILITY, Evidence
from anaros.pofc.order import distinct
from anaros.pofc.requests import Table

#: A reply comes so many turns after the signal at most.
_TURNS_MAX = 4

#: So many of the pieces of work must be explained for the turns to be believed.
_CONTENT = 0.5


def match(frame: Frame, segments: Segments, table: Table, work: Pieces) -> None:
    """Gives work to the requests that are answered in its turn.

    Args:
        frame: The threads.
        segments: The segments; changed in place.
        table: The requests.
        work: The pieces of work; those that end with a signal count.
    """
    signals = segments.signals[work.segment]
    piece, given = work.segment[signals], work.given_ns[signals]
    owner = segments.owner[piece]
    has_work = np.zeros(len(table), np.bool_)
    has_work[owner[owner >= 0]] = True
    piece, given = piece[owner < 0], given[owner < 0]
    pid = frame.pid[segments.thread[piece]]
    polls = frame.where(Role.POLL)
    loop = frame.thread[polls]
    home = frame.thread_of(table.pid, table.tid)
    for process in distinct(pid):
        waiting = np.flatnonzero((table.pid == process) & ~has_work & ~table.is_open)
        loops = distinct(home[waiting])
        mine = np.flatnonzero(pid == process)
        if len(loops) != 1 or not len(waiting):
            continue  # which loop the signal was for is not known
        turns = np.sort(frame.end_ns[polls[loop == loops[0]]])
        mine = mine[np.argsort(segments.closed_ns[piece[mine]], kind="stable")]
        waiting = waiting[np.argsort(table.answer_ns[waiting], kind="stable")]
        done, answered = segments.closed_ns[piece[mine]], table.answer_ns[waiting]
        pairs = _pairs(
            np.searchsorted(turns, done, side="left"),
            np.searchsorted(turns, answered, side="right") - 1,
        )
        if len(pairs[0]) < _CONTENT * len(mine):
            continue
        mine, theirs = mine[pairs[0]], waiting[pairs[1]]
        fits = given[mine] >= table.first_ns[theirs]
        trust = np.float32(PROBABILITY[Evidence.TURN])
        give(segments, piece[mine[fits]], theirs[fits], Evidence.TURN, trust)


def _pairs(ready: I64, answered: I64) -> tuple[I64, I64]:
    """Pairs, in order, of what is ready and what is answered so many turns later.

    Of the numbers of turns the one that explains most is taken. Turns that have unequally many
    of both explain nothing.

    Args:
        ready: Turn of each piece of work, ascending.
        answered: Turn of each reply, ascending; the one before the first is -1.
    """
    count = int(max(ready.max(initial=0), answered.max(initial=0))) + _TURNS_MAX + 1
    works = np.bincount(ready, minlength=count)
    rank = np.arange(len(ready)) - (np.cumsum(works) - works)[ready]
    replies = np.bincount(answered + 1, minlength=count + 1)
    first = np.cumsum(replies) - replies
    best: tuple[I64, I64] = (ready[:0], ready[:0])
    for later in range(_TURNS_MAX):
        turn = ready + later + 1
        mine = np.flatnonzero(works[ready] == replies[turn])
        if len(mine) > len(best[0]):
            best = mine, first[turn[mine]] + rank[mine]
    return best

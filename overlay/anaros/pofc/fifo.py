# SPDX-License-Identifier: Apache-2.0
"""Who is next: pairs what waits with what is taken up, first come first served.

The weakest evidence, used where nothing else tells. A queue in front of a pool of workers is
served in order, so the k-th piece of work belongs to the k-th request that waits for one; and
answers are sent in the order in which pieces of work are done. Both orders are asked, pairs
that cannot be (the work was not done between the request and its answer) are refused.
"""

from __future__ import annotations

import numpy as np

from anaros.pofc.model import F32, I64, Mask

#: A request that was turned down so often stays without.
_ROUNDS = 256

_NEVER = np.iinfo(np.int64).max

#: Pieces of work for one request at most, and how much less each further one is trusted.
_HOPS = 4
HOP_TRUST = 0.9

#: The two orders should agree on so many pairs; else the one that waits so much longer is wrong.
_CONTENT = 0.9
_LONGER = 4

#: How far a pair is trusted: both orders agree, one is silent, they contradict each other.
AGREE, SINGLE, CONTRADICT = 0.95, 0.7, 0.5


def in_turn(begin: I64, end: I64, start: I64, finish: I64) -> I64:
    """Gives each piece of work, in order of start, the request that waits longest and fits.

    A piece fits a request when it was given out after the request was received, and done before
    it was answered. Found in rounds: each request asks the first piece that it fits, each piece
    keeps the request that came first, and those turned down ask the next.

    Args:
        begin: When each of R requests was received.
        end: When each was answered.
        start: When each of W pieces of work was given out.
        finish: When each was done.

    Returns:
        For each piece an index in the requests, -1 for none.
    """
    by_begin, by_start = np.argsort(begin, kind="stable"), np.argsort(start, kind="stable")
    received, answered = begin[by_begin], end[by_begin]
    begun, done = np.append(start[by_start], _NEVER), np.append(finish[by_start], _NEVER)
    nobody = len(received)
    holder = np.full(len(begun), nobody, np.int64)
    asking = np.arange(nobody)
    piece = np.searchsorted(begun[:-1], received)
    for _ in range(_ROUNDS):
        open_yet = begun[piece[asking]] <= answered[asking]
        asking = asking[open_yet]
        if not len(asking):
            break
        asked = piece[asking]
        fits = done[asked] <= answered[asking]
        suitor, wanted = asking[fits], asked[fits]
        best = np.full(len(begun), nobody, np.int64)
        best[wanted[::-1]] = suitor[::-1]
        won = np.flatnonzero(best < holder)
        left = holder[won]
        holder[won] = best[won]
        turned_down = np.concatenate([asking[~fits], suitor[holder[wanted] != suitor]])
        asking = np.sort(np.concatenate([turned_down, left[left < nobody]]))
        piece[asking] += 1
    result = np.full(len(start), -1, np.int64)
    held = np.flatnonzero(holder < nobody)
    result[by_start[held]] = by_begin[holder[held]]
    return result


def _margin(times: I64) -> I64:
    """Distance of each time to its nearest neighbour."""
    order = np.argsort(times, kind="stable")
    gaps = np.diff(times[order])
    far = np.iinfo(np.int64).max
    nearest = np.minimum(np.append(gaps, far), np.insert(gaps, 0, far))
    margin = np.empty(len(times), np.int64)
    margin[order] = nearest
    return margin


def match(begin: I64, end: I64, start: I64, finish: I64) -> tuple[I64, F32]:
    """Pairs pieces of work with the requests that they were done for.

    A request may have several pieces: what is left over is paired again with what remains of
    each request before its last piece, or after its first.

    Args:
        begin: When each of R requests was received.
        end: When each was answered.
        start: When each of W pieces of work was given out.
        finish: When each was done.

    Returns:
        For each piece of work an index in the requests, -1 where nothing is feasible, and how
        far the pair is trusted.
    """
    owner = np.full(len(start), -1, np.int64)
    trust = np.zeros(len(start), np.float32)
    begin, end = begin.copy(), end.copy()
    for hop in range(_HOPS):
        left = np.flatnonzero(owner < 0)
        if not len(begin) or not len(left):
            break
        forward = in_turn(begin, end, start[left], finish[left])
        backward = in_turn(-end, -begin, -finish[left], -start[left])
        paired, sure = _merge(forward, backward, begin, end, start[left], finish[left])
        found = np.flatnonzero(paired >= 0)
        if not len(found):
            break
        owner[left[found]] = paired[found]
        trust[left[found]] = sure[found] * HOP_TRUST**hop
        last = found[backward[found] == paired[found]]
        first = found[backward[found] != paired[found]]
        last = last[np.argsort(-start[left[last]], kind="stable")]
        first = first[np.argsort(finish[left[first]], kind="stable")]
        end[paired[last]] = start[left[last]]
        begin[paired[first]] = finish[left[first]]
    return owner, trust


def _merge(
    forward: I64, backward: I64, begin: I64, end: I64, start: I64, finish: I64
) -> tuple[I64, F32]:
    """What both orders say together, and how far it is trusted."""
    both = (forward >= 0) & (backward >= 0)
    agree = both & (forward == backward)
    if int(agree.sum()) < _CONTENT * int(both.sum()):
        # The order of the longer queue is not kept: work passes through it more than once.
        waited = _median(start - begin[forward], forward >= 0)
        held = _median(end[backward] - finish, backward >= 0)
        if waited > _LONGER * held:
            forward = np.full_like(forward, -1)
        elif held > _LONGER * waited:
            backward = np.full_like(backward, -1)
    surer = np.where(_margin(start) >= _margin(finish), forward, backward)
    owner = np.where(forward < 0, backward, np.where(backward < 0, forward, surer))
    trust = np.where(agree, AGREE, np.where((forward < 0) | (backward < 0), SINGLE, CONTRADICT))
    return owner, np.where(owner >= 0, trust, 0.0).astype(np.float32)


def _median(values: I64, chosen: Mask) -> float:
    return float(np.median(values[chosen])) if chosen.any() else 0.0

# SPDX-License-Identifier: Apache-2.0
"""Links through the processor: bytes that it copied or decoded before a copy took them.

No address tells of them. What was read in one piece, or in pieces one after the other, is a
*payload*. Where the payloads that a thread read since its last copy add up to the very size of
its next one, program order tells. For what is left, each copy has the last few payloads of its
process as candidates. How good a pair is, is learned from the run itself: how long such pairs
take, how their sizes compare, and whether thread and request are the same. Copies and payloads
compete, for a payload is copied once; so the probability of a pair is that of the matching, not
of the pair alone, and where several fit as well nothing is said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anaros.kinds import Kind
from anaros.pofc.links import posterior
from anaros.pofc.links.model import Found
from anaros.pofc.memory.ranges import spread
from anaros.pofc.model import F32, I32, I64, PROBABILITY, U8, Evidence, Mask
from anaros.pofc.order import as_time, mix, numbered, ordered
from anaros.records import FLAG_FD_TYPE_MASK, FLAG_OFFSET, FLAG_PEEK, Columns

#: What is smaller is a signal or a length, not a payload.
_PAYLOAD_MIN = 16
_ANONYMOUS = 7

#: No more than so many bytes come out of one that was read: deflate ends at 1032. What a copy has
#: beyond that was computed, whatever was read before it (16 bytes of a database, say).
_GROWN_MAX = 1032

#: Links below this are not told.
TOLD_MIN = 0.5

#: So many of the copies of a process that no address explains must be explained by what is left.
_CONTENT = 0.05

#: How far the exact sum of sizes in program order is trusted.
EXACT = 0.97


@dataclass(frozen=True, slots=True)
class Owners:
    """The request of each record, -1 for none, and the `Evidence` for it."""

    request: I32
    evidence: U8


@dataclass(frozen=True, slots=True)
class Payloads:
    """P payloads, thread by thread, each by time: their records and their sizes.

    ``first`` and ``last`` are places in ``reads``, the places of the records.
    """

    reads: I64
    first: I64
    last: I64
    process: I32
    thread: I32
    end_ns: I64
    size: I64

    def __len__(self) -> int:
        return len(self.first)

    def take(self, index: I64) -> Payloads:
        """Some of them."""
        rest = (getattr(self, name)[index] for name in self.__slots__[1:])
        return Payloads(self.reads, *rest)


def payloads_of(columns: Columns, process: I32, thread: I32, taken: Mask) -> Payloads:
    """What was read and not taken yet.

    Args:
        columns: N records.
        process: The program of each.
        thread: The thread of each.
        taken: Which were joined to a copy by address.
    """
    kind, flags = columns.kind, columns.flags
    read = (
        ((kind == Kind.FILE_READ) | (kind == Kind.NET_RECV))
        & (columns.status >= 0)
        & (columns.size_bytes > 0)
        & (flags & (FLAG_OFFSET | FLAG_PEEK) == 0)
        & (flags & FLAG_FD_TYPE_MASK != _ANONYMOUS)
        & ~taken
    )
    at = np.flatnonzero(read)
    start = as_time(columns.start_ns[at])
    at = at[ordered(thread[at], start)]
    address, size = columns.address[at], columns.size_bytes[at]
    fresh = np.ones(len(at), np.bool_)
    fresh[1:] = (
        (np.diff(thread[at]) != 0)
        | (columns.object[at[1:]] != columns.object[at[:-1]])
        | (address[1:] != address[:-1] + size[:-1])
    )
    first = np.flatnonzero(fresh)
    last = np.concatenate([first[1:], [len(at)]])[: len(first)] - 1
    end = as_time(columns.start_ns[at[last]]) + as_time(columns.duration_ns[at[last]])
    sums = np.concatenate([[0], np.cumsum(as_time(size))])
    found = Payloads(
        at, first, last, process[at[first]], thread[at[first]], end, sums[last + 1] - sums[first]
    )
    return found.take(np.flatnonzero(found.size >= _PAYLOAD_MIN))


def by_payload(columns: Columns, process: I32, copy: I64, taken: Mask, owners: Owners) -> Found:
    """Finds what was read for copies that no address explains.

    Args:
        columns: N records.
        process: The program of each.
        copy: Places of those copies, by start.
        taken: Which records were joined to a copy by address.
        owners: Whose request they belong to.
    """
    thread = numbered(mix(process.astype(np.uint32), columns.tid))[0]
    payloads = payloads_of(columns, process, thread, taken)
    if not len(payloads) or not len(copy):
        return Found.nothing()
    exact, pair = _in_order(columns, thread, copy, payloads)
    parts = [_found(columns, payloads, copy[exact], pair, Evidence.PROGRAM_ORDER, EXACT)]
    used = np.zeros(len(payloads), np.bool_)
    used[pair] = True
    rest = np.setdiff1d(np.arange(len(copy)), exact)
    left = payloads.take(np.flatnonzero(~used))
    if len(rest) and len(left):
        parts.append(_likely(columns, process, thread, copy[rest], left, owners))
    return Found.joined(*parts)


def _likely(
    columns: Columns,
    process: I32,
    thread: I32,
    copy: I64,
    payloads: Payloads,
    owners: Owners,
) -> Found:
    """The likeliest payload of each copy, where one is likely enough."""
    begun = as_time(columns.start_ns[copy])
    band = posterior.band(process[copy], begun, payloads.process, payloads.end_ns)
    size = as_time(columns.size_bytes[copy])[:, None], payloads.size[band]
    band[size[0] // _GROWN_MAX > size[1]] = -1
    relation = _relations(columns, thread, copy, payloads, band, owners)
    delay = begun[:, None] - payloads.end_ns[band]
    pairs = posterior.Candidates(band, delay, *size, relation)
    trust, chosen, singled_out = posterior.best(pairs, len(payloads))
    row = np.arange(len(copy))
    best, near = band[row, chosen], relation[row, chosen]
    evidence, most = _evidence(copy, near, owners)
    ordered_only = (evidence == Evidence.PROGRAM_ORDER) & ~singled_out
    most[ordered_only] = np.minimum(most, _regular(thread[copy], relation))[ordered_only]
    trust = np.minimum(trust, most)
    # Without thread and request order alone is left: whether the next one or the one after
    # was meant cannot be told of a loop that runs evenly.
    told = (trust >= TOLD_MIN) & ((evidence != Evidence.PAYLOAD) | singled_out)
    # A rule that explains next to nothing of a process is no rule.
    mine = process[copy]
    share = np.bincount(mine, told) / np.maximum(np.bincount(mine), 1)
    kept = np.flatnonzero(told & (share[mine] >= _CONTENT))
    return _found(columns, payloads, copy[kept], best[kept], evidence[kept], trust[kept])


def _in_order(columns: Columns, thread: I32, copy: I64, payloads: Payloads) -> tuple[I64, I64]:
    """Copies and payloads of one thread, where those since the last copy add up to the next.

    Returns:
        Places of copies and of payloads, of the same length; a copy has one or more.
    """
    # By thread and time: how many payloads come before each copy, those that end just then too.
    begun = as_time(columns.start_ns[copy])
    both = np.concatenate([payloads.thread, thread[copy]])
    is_copy = np.repeat([False, True], [len(payloads), len(copy)])
    order = np.lexsort((is_copy, np.concatenate([payloads.end_ns, begun]), both))
    before = np.cumsum(~is_copy[order])[is_copy[order]]
    which, line = order[is_copy[order]] - len(payloads), order[~is_copy[order]]
    mine = thread[copy[which]]
    floor = np.searchsorted(payloads.thread[line], mine)
    same = np.flatnonzero(np.diff(mine) == 0) + 1
    floor[same] = before[same - 1]
    total = np.concatenate([[0], np.cumsum(payloads.size[line])])
    wanted = total[before] - as_time(columns.size_bytes[copy[which]])
    begin = np.minimum(np.searchsorted(total, wanted), len(line))
    fits = np.flatnonzero((total[begin] == wanted) & (begin >= floor) & (begin < before))
    at, index = spread(begin[fits], before[fits])
    return which[fits][index], line[at]


def _relations(
    columns: Columns, thread: I32, copy: I64, payloads: Payloads, band: I64, owners: Owners
) -> U8:
    """(C, K) how the thread and the request of each candidate compare with those of its copy."""
    begun = as_time(columns.start_ns[copy])
    order = np.lexsort((begun, thread[copy]))
    last = np.full(len(copy), -1, np.int64)
    same = np.flatnonzero(np.diff(thread[copy[order]]) == 0)
    last[order[same + 1]] = begun[order[same]]
    theirs = payloads.thread[band] == thread[copy][:, None]
    next_one = theirs & (payloads.end_ns[band] >= last[:, None])
    mine = owners.request[copy][:, None]
    its = owners.request[payloads.reads[payloads.last]][band]
    whose = np.where((mine < 0) | (its < 0), 0, np.where(mine == its, 1, 2))
    relation: U8 = (whose * 3 + theirs + next_one).astype(np.uint8)
    relation[band < 0] = 0
    return relation


def _regular(thread: I32, relation: U8) -> F32:
    """For each copy in how many of the cases its thread read one payload before a copy.

    A thread that reads and copies for reasons of their own has none as often, and two.
    """
    single = (relation % 3 == _NEXT).sum(axis=1) == 1
    every = np.maximum(np.bincount(thread), 1)
    share: F32 = (np.bincount(thread, single) / every).astype(np.float32)[thread]
    return share


_NEXT, _SAME_REQUEST = 2, 1


def _evidence(copy: I64, relation: U8, owners: Owners) -> tuple[U8, F32]:
    """What says that a pair belongs together, and how far that can be trusted at most."""
    by_request = owners.evidence[copy]
    evidence = np.where(
        relation % 3 > 0,
        Evidence.PROGRAM_ORDER,
        np.where(relation // 3 == _SAME_REQUEST, by_request, Evidence.PAYLOAD),
    ).astype(np.uint8)
    return evidence, _MOST[evidence]


_MOST = np.array([PROBABILITY[each] for each in Evidence], np.float32)
_MOST[Evidence.PROGRAM_ORDER] = EXACT


def _found(
    columns: Columns,
    payloads: Payloads,
    copy: I64,
    chosen: I64,
    evidence: U8 | Evidence,
    trust: F32 | float,
) -> Found:
    """Links to all records of the payloads."""
    place, index = spread(payloads.first[chosen], payloads.last[chosen] + 1)
    source = payloads.reads[place]
    # At most so much of a payload as the copy moves: more where decoding made less of it.
    share = np.minimum(payloads.size[chosen], as_time(columns.size_bytes[copy]))
    whole = np.maximum(payloads.size[chosen], 1)
    size = as_time(columns.size_bytes[source]) * (share / whole)[index]
    return Found(
        copy[index],
        source,
        size.astype(np.uint64),
        np.broadcast_to(np.asarray(evidence, np.uint8), len(copy))[index],
        np.broadcast_to(np.asarray(trust, np.float32), len(copy))[index],
        np.zeros(len(index), np.bool_),
    )

# SPDX-License-Identifier: Apache-2.0
"""Whose bytes those of a socket are that several programs may hold."""

from __future__ import annotations

import numpy as np

from anaros.coverage.model import I64, U64


def by_program(
    socket: I64, program: I64, size: U64, witnessed: U64, holder: I64, programs: int
) -> U64:
    """What the kernel counted on sockets, by program.

    The kernel names one holder of a socket, by its first or its last event: of servers that hand
    connections on, often somebody else than who moves the bytes. So those who were seen to move
    them come first; what remains is of whoever moved most, and of the holder where nobody did.

    Args:
        socket: Shape (N,): on which socket each call was.
        program: Shape (N,): whose it was; -1: unknown.
        size: Shape (N,): bytes that it moved.
        witnessed: Shape (S,): what the kernel counted on each socket.
        holder: Shape (S,): the program that the kernel names; -1: unknown.
        programs: How many there are.

    Returns:
        Shape (programs,); what is nobody's is left out.
    """
    wide = np.int64(programs + 1)
    pair, place = np.unique(socket * wide + program % wide, return_inverse=True)
    moved = np.zeros(len(pair), np.int64)
    np.add.at(moved, place, size.astype(np.int64))
    which, who = np.divmod(pair, wide)
    until = np.cumsum(moved)
    before = until - moved
    base = before[np.searchsorted(which, which)]
    most = witnessed.astype(np.int64)[which]
    taken = np.minimum(until - base, most) - np.minimum(before - base, most)
    counted = np.zeros(programs + 1, np.int64)
    np.add.at(counted, who, taken)
    rest = witnessed.astype(np.int64)
    np.subtract.at(rest, which, taken)
    heir = holder % wide
    largest_last = np.argsort(moved, kind="stable")
    heir[which[largest_last]] = who[largest_last]
    np.add.at(counted, heir, rest)
    return counted[:-1].astype(np.uint64)

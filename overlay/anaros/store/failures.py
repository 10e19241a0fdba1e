# SPDX-License-Identifier: Apache-2.0
"""Which records are calls that failed: what a status says depends on the kind of record."""

from __future__ import annotations

from enum import IntEnum

from anaros.kinds import Kind


class Rule(IntEnum):
    """When the status of a record of some kind says that a call failed.

    "Not yet" is an answer: EAGAIN and EINPROGRESS, and what CUDA and HIP (600), OpenCL and Level
    Zero (1) say to a question.
    """

    #: It is no call that could, or its status says something else.
    NEVER = 0
    #: The kernel's error numbers, negative.
    ERRNO = 1
    #: The result of a device library.
    RESULT = 2
    #: The result of a question.
    ANSWER = 3


_FAMILIES = {
    **dict.fromkeys((0x01, 0x02, 0x03, 0x06), Rule.ERRNO),
    0x04: Rule.RESULT,
}

#: Kinds that are otherwise than their family.
_KINDS = {
    **dict.fromkeys(
        (
            *(Kind.FILE_FILL, Kind.FILE_READAHEAD, Kind.FILE_FAULT, Kind.NET_BACKLOG),
            Kind.NET_FLOW,
            *(Kind.GPU_EXECUTE, Kind.GPU_TRANSFER, Kind.GPU_MIGRATE, Kind.GPU_COLLECTIVE),
            *(Kind.GPU_UNKNOWN, Kind.GPU_TIMING, Kind.BLOCK_ISSUE),
        ),
        Rule.NEVER,
    ),
    Kind.GPU_STORAGE: Rule.ERRNO,
    Kind.BLOCK_NVME: Rule.RESULT,
    Kind.GPU_QUERY: Rule.ANSWER,
}

#: Of records ``r`` with the rule of their kind in ``fails``. No lists: DuckDB makes joins of them,
#: and then leaves none out.
FAILED_SQL = f"""
    CASE r.fails
        WHEN {Rule.ERRNO.value} THEN r.status < 0 AND r.status <> -11 AND r.status <> -115
        WHEN {Rule.RESULT.value} THEN r.status <> 0
        WHEN {Rule.ANSWER.value} THEN r.status <> 0 AND r.status <> 1 AND r.status <> 600
        ELSE false
    END AS failed
"""


def rule_of(kind: int) -> Rule:
    """The rule of a kind."""
    return _KINDS.get(Kind(kind), _FAMILIES.get(kind >> 8, Rule.NEVER))

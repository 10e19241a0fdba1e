# SPDX-License-Identifier: Apache-2.0
"""Where the steps of a loop begin and end: in programs that serve no connection.

On a thread that drives a device a step begins with the first thing that is read after work was
finished: after the device was waited for, results were copied back, or something was written or
sent. A thread that reads nothing begins a step with the first staging or launch after a wait.
A step ends with the last device, write or send record before the next one. What touches no
device is no step, and a step whose device work was never waited for is an open one.
"""

from __future__ import annotations

import numpy as np

from anaros.kinds import Kind
from anaros.pofc.frame import Frame, Role, table_of
from anaros.pofc.model import I64, U8, U32, Mask
from anaros.pofc.order import TIME_MAX, distinct
from anaros.pofc.requests import Anchors, Table, no_requests
from anaros.records import FLAG_FD_TYPE_MASK, Columns

_INGEST, _ENQUEUE, _FINISH, _OUTPUT, _SETUP = 1, 2, 3, 4, 5

_MEANING = table_of(
    {
        Kind.FILE_READ: _INGEST,
        Kind.FILE_OPEN: _INGEST,
        Kind.FILE_MMAP: _INGEST,
        Kind.NET_RECV: _INGEST,
        Kind.GPU_COPY_H2D: _ENQUEUE,
        Kind.GPU_LAUNCH: _ENQUEUE,
        Kind.GPU_GRAPH: _ENQUEUE,
        Kind.GPU_MEMSET: _ENQUEUE,
        Kind.GPU_COPY: _ENQUEUE,
        Kind.GPU_MAP: _ENQUEUE,
        Kind.GPU_SYNC: _FINISH,
        Kind.GPU_COPY_D2H: _FINISH,
        Kind.FILE_WRITE: _OUTPUT,
        Kind.FILE_SYNC: _OUTPUT,
        Kind.FILE_COPY: _OUTPUT,
        Kind.NET_SEND: _OUTPUT,
        Kind.GPU_BUILD: _SETUP,
        Kind.GPU_STREAM: _SETUP,
    }
)

#: By type of descriptor: pipe, terminal.
_TALK = np.isin(np.arange(FLAG_FD_TYPE_MASK + 1), (4, 5))


def device_pids(columns: Columns) -> U32:
    """The processes that enqueue work on a device."""
    table = table_of({Kind.GPU_LAUNCH: 1, Kind.GPU_COPY_H2D: 1, Kind.GPU_GRAPH: 1})
    return distinct(columns.pid[table[columns.kind] != 0])


def loop(frame: Frame) -> tuple[Table, Anchors]:
    """Finds the steps of each thread that drives a device.

    Args:
        frame: The threads of the programs that drive a device.

    Returns:
        The steps by start, and their first records.
    """
    working = np.flatnonzero((frame.role >= Role.WORK) & (frame.role <= Role.NET))
    position = frame.position[working]
    meaning = _MEANING[frame.columns.kind[position]]
    kept = meaning != 0
    # What is written to a terminal or a pipe is talk, not output.
    talks = np.flatnonzero(meaning == _OUTPUT)
    kept[talks] = ~_TALK[frame.columns.flags[position[talks]] & FLAG_FD_TYPE_MASK]
    index, meaning = working[kept], meaning[kept]
    thread = frame.thread[index]
    on_device = (meaning == _ENQUEUE) | (meaning == _FINISH)
    drives = np.bincount(thread[on_device], minlength=len(frame.pid)) > 0
    kept = drives[thread]
    index, meaning, thread, on_device = index[kept], meaning[kept], thread[kept], on_device[kept]
    heads = np.flatnonzero(_heads(meaning, thread, len(frame.pid)))
    return _table(frame, index, meaning, thread, on_device, heads)


def _heads(meaning: U8, thread: I64, threads: int) -> Mask:
    """Which records begin a step, if device work follows."""
    reads = np.bincount(thread[meaning == _INGEST], minlength=threads) > 0
    begins = np.where(reads[thread], meaning == _INGEST, meaning == _ENQUEUE)
    ends = (meaning >= _FINISH) & (reads[thread] | (meaning != _OUTPUT))
    # The last record before this one that begins or ends: a step begins where it ends one.
    told = _last_marked(begins | ends)
    before = np.concatenate(([-1], told[:-1])) if len(told) else told
    first = np.searchsorted(thread, thread)
    result: Mask = begins & np.where(before >= first, ends[np.maximum(before, 0)], ~reads[thread])
    return result


def _last_marked(marked: Mask) -> I64:
    """For each place the last marked place at or before it, -1 where there is none."""
    return np.maximum.accumulate(np.where(marked, np.arange(len(marked)), -1))


def _table(
    frame: Frame, index: I64, meaning: U8, thread: I64, on_device: Mask, heads: I64
) -> tuple[Table, Anchors]:
    nothing = np.zeros(0, np.int64)
    if not len(heads):
        return no_requests(), Anchors(nothing, nothing)
    group = np.searchsorted(heads, np.arange(len(index)), side="right") - 1
    inside = (group >= 0) & (thread[heads[group]] == thread)
    index, meaning, group = index[inside], meaning[inside], group[inside]
    on_device = on_device[inside]
    heads = np.flatnonzero(np.diff(group, prepend=-1))
    enqueued = np.logical_or.reduceat(meaning == _ENQUEUE, heads)
    finished = np.logical_or.reduceat(meaning == _FINISH, heads)
    begun = frame.start_ns[index[heads]]
    ends = on_device | (meaning == _OUTPUT)
    ended = np.maximum.reduceat(np.where(ends, frame.end_ns[index], 0), heads)
    size = frame.columns.size_bytes[frame.position[index]]
    bytes_in = np.add.reduceat(np.where(meaning == _INGEST, size, 0), heads)
    bytes_out = np.add.reduceat(np.where(meaning == _OUTPUT, size, 0), heads)
    step = np.flatnonzero(enqueued | (on_device[heads] & finished))
    step = step[np.argsort(begun[step], kind="stable")]
    closed = (finished | np.logical_or.reduceat(meaning == _OUTPUT, heads))[step]
    first = frame.position[index[heads[step]]]
    ended = np.where(closed, np.maximum(ended, begun)[step], TIME_MAX)
    table = Table(
        start_ns=begun[step],
        end_ns=ended,
        first_ns=begun[step],
        answer_ns=ended,
        reply_ns=ended,
        pid=frame.columns.pid[first],
        tid=frame.columns.tid[first],
        connection=np.zeros(len(step), np.uint64),
        bytes_in=bytes_in[step],
        bytes_out=bytes_out[step],
    )
    return table, Anchors(first, np.arange(len(step)))

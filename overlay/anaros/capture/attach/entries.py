# SPDX-License-Identifier: Apache-2.0
"""The entry points of device libraries, and what of their arguments is what.

``ebpf/device.bpf.c`` reads one `Entry` for each probe; the kinds and fields are those of the
shim's records for the same calls.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum, IntFlag
from typing import NamedTuple

from anaros.kinds import Kind

_ASYNC, _PINNED = 0x10, 0x100
_MANAGED, _HOST, _REGISTERED, _ORDERED = 1, 2 | _PINNED, 3 | _PINNED, 4
_LEGACY_STREAM, _PER_THREAD_STREAM = 1, 2
_NAME_MAX = 24
_LAYOUT = struct.Struct("<QQIHHBBBBBB2x24s")


class Measure(IntEnum):
    """``enum measure``: how the size of a record comes about."""

    VALUE = 0
    NARROW = 1
    GRID = 2
    CONFIG = 3
    RANGE = 4
    RECT = 5
    PRODUCT = 6
    TYPED = 7


class Ends(IntFlag):
    """``enum entry_flag``."""

    NONE = 0
    RETURNS = 1
    MADE = 2
    MADE_THERE = 4
    GIVEN = 8
    NAMED = 16


class Entry(NamedTuple):
    """A function; arguments are counted from 1, and 0 is none.

    Args:
        kind: Of its record.
        object: The argument that is the record's object.
        address: The argument that is its address.
        size: The first argument that its size is made of.
        measure: How.
        scale: What the size is multiplied with.
        flags: Of its record.
        ends: What is taken at its return.
        stream: Whether the object is a stream, which may be NULL.
    """

    kind: Kind
    object: int = 0
    address: int = 0
    size: int = 0
    measure: Measure = Measure.VALUE
    scale: int = 1
    flags: int = 0
    ends: Ends = Ends.NONE
    stream: bool = False

    def packed(self, symbol: str) -> bytes:
        """``struct entry`` for the function of that name."""
        null_object, name = 0, b""
        if self.stream:
            per_thread = symbol.endswith(("_ptsz", "_ptds"))
            null_object = _PER_THREAD_STREAM if per_thread else _LEGACY_STREAM
        if self.ends & Ends.NAMED:
            name = symbol.removeprefix("nccl").encode()[:_NAME_MAX]
        return _LAYOUT.pack(
            null_object,
            _hash(name),
            self.scale,
            self.kind,
            self.flags,
            self.object,
            self.address,
            self.size,
            self.measure,
            self.ends,
            len(name),
            name,
        )


def _hash(name: bytes) -> int:
    value = 0xCBF29CE484222325
    for letter in name:
        value = (value ^ letter) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


_RETURNS, _MADE = Ends.RETURNS, Ends.RETURNS | Ends.MADE
_BOTH = _MADE | Ends.MADE_THERE


def _launch(stream: int) -> Entry:
    return Entry(Kind.GPU_LAUNCH, stream, 1, 2, Measure.GRID, flags=_ASYNC, stream=True)


def _copy(kind: Kind, host: int, size: int) -> Entry:
    return Entry(kind, 0, host, size, ends=_RETURNS, stream=True)


def _copy_async(kind: Kind, host: int, size: int, stream: int) -> Entry:
    return Entry(kind, stream, host, size, flags=_ASYNC, stream=True)


def _set(scale: int, *, rows: bool = False) -> Entry:
    size, measure = (4, Measure.PRODUCT) if rows else (3, Measure.VALUE)
    return Entry(Kind.GPU_MEMSET, 0, 1, size, measure, scale, ends=_RETURNS, stream=True)


def _set_async(stream: int, scale: int, *, rows: bool = False) -> Entry:
    size, measure = (4, Measure.PRODUCT) if rows else (3, Measure.VALUE)
    return Entry(Kind.GPU_MEMSET, stream, 1, size, measure, scale, _ASYNC, stream=True)


def _sync(handle: int, *, stream: bool = False) -> Entry:
    return Entry(Kind.GPU_SYNC, handle, ends=_RETURNS, stream=stream)


#: By base name: the same function has all the endings that its library exports.
_CUDA = {
    "cuLaunchKernel": _launch(9),
    "cuLaunchCooperativeKernel": _launch(9),
    "cuLaunchKernelEx": Entry(Kind.GPU_LAUNCH, 0, 2, 1, Measure.CONFIG, flags=_ASYNC, stream=True),
    "cuLaunch": Entry(Kind.GPU_LAUNCH, 0, 1, flags=_ASYNC, stream=True),
    "cuLaunchGrid": Entry(Kind.GPU_LAUNCH, 0, 1, flags=_ASYNC, stream=True),
    "cuLaunchGridAsync": Entry(Kind.GPU_LAUNCH, 4, 1, flags=_ASYNC, stream=True),
    "cuLaunchHostFunc": Entry(Kind.GPU_HOST_CALL, 1, 2, flags=_ASYNC, stream=True),
    "cuGraphLaunch": Entry(Kind.GPU_GRAPH, 2, 1, flags=_ASYNC, stream=True),
    "cuMemcpy": _copy(Kind.GPU_COPY, 1, 3),
    "cuMemcpyAsync": _copy_async(Kind.GPU_COPY, 1, 3, 4),
    "cuMemcpyHtoD": _copy(Kind.GPU_COPY_H2D, 2, 3),
    "cuMemcpyHtoDAsync": _copy_async(Kind.GPU_COPY_H2D, 2, 3, 4),
    "cuMemcpyDtoH": _copy(Kind.GPU_COPY_D2H, 1, 3),
    "cuMemcpyDtoHAsync": _copy_async(Kind.GPU_COPY_D2H, 1, 3, 4),
    "cuMemcpyDtoD": _copy(Kind.GPU_COPY_D2D, 1, 3),
    "cuMemcpyDtoDAsync": _copy_async(Kind.GPU_COPY_D2D, 1, 3, 4),
    "cuMemcpyPeer": _copy(Kind.GPU_COPY_D2D, 1, 5),
    "cuMemcpyPeerAsync": _copy_async(Kind.GPU_COPY_D2D, 1, 5, 6),
    "cuMemcpy2D": Entry(Kind.GPU_COPY, 0, 0, 1, Measure.RECT, ends=_RETURNS, stream=True),
    "cuMemcpy2DUnaligned": Entry(Kind.GPU_COPY, 0, 0, 1, Measure.RECT, ends=_RETURNS, stream=True),
    "cuMemcpy2DAsync": Entry(Kind.GPU_COPY, 2, 0, 1, Measure.RECT, flags=_ASYNC, stream=True),
    "cuMemcpy3D": Entry(Kind.GPU_COPY, ends=_RETURNS, stream=True),
    "cuMemcpy3DAsync": Entry(Kind.GPU_COPY, 2, flags=_ASYNC, stream=True),
    "cuMemsetD8": _set(1),
    "cuMemsetD16": _set(2),
    "cuMemsetD32": _set(4),
    "cuMemsetD2D8": _set(1, rows=True),
    "cuMemsetD8Async": _set_async(4, 1),
    "cuMemsetD16Async": _set_async(4, 2),
    "cuMemsetD32Async": _set_async(4, 4),
    "cuMemAlloc": Entry(Kind.GPU_ALLOC, 1, 0, 2, ends=_MADE),
    "cuMemAllocPitch": Entry(Kind.GPU_ALLOC, 1, 0, 3, Measure.PRODUCT, ends=_MADE),
    "cuMemAllocManaged": Entry(Kind.GPU_ALLOC, 1, 0, 2, flags=_MANAGED, ends=_MADE),
    "cuMemAllocHost": Entry(Kind.GPU_ALLOC, 1, 1, 2, flags=_HOST, ends=_BOTH),
    "cuMemHostAlloc": Entry(Kind.GPU_ALLOC, 1, 1, 2, flags=_HOST, ends=_BOTH),
    "cuMemHostRegister": Entry(Kind.GPU_ALLOC, 1, 1, 2, flags=_REGISTERED, ends=_RETURNS),
    "cuMemAllocAsync": Entry(Kind.GPU_ALLOC, 1, 3, 2, flags=_ORDERED | _ASYNC, ends=_MADE),
    "cuMemFree": Entry(Kind.GPU_FREE, 1, ends=_RETURNS),
    "cuMemFreeHost": Entry(Kind.GPU_FREE, 1, flags=_HOST, ends=_RETURNS),
    "cuMemHostUnregister": Entry(Kind.GPU_FREE, 1, flags=_REGISTERED, ends=_RETURNS),
    "cuMemFreeAsync": Entry(Kind.GPU_FREE, 1, 2, flags=_ORDERED | _ASYNC),
    "cuMemPrefetchAsync": Entry(Kind.GPU_PREFETCH, 4, 1, 2, flags=_ASYNC, stream=True),
    "cuStreamSynchronize": _sync(1, stream=True),
    "cuCtxSynchronize": _sync(0),
    "cuEventSynchronize": _sync(1),
    "cuEventRecord": Entry(Kind.GPU_EVENT, 2, 1, flags=_ASYNC, stream=True),
    "cuEventRecordWithFlags": Entry(Kind.GPU_EVENT, 2, 1, flags=_ASYNC, stream=True),
    "cuModuleLoadData": Entry(Kind.GPU_BUILD, 1, ends=_MADE),
    "cuModuleLoadDataEx": Entry(Kind.GPU_BUILD, 1, ends=_MADE),
    "cuModuleLoad": Entry(Kind.GPU_BUILD, 1, ends=_MADE),
    "cuLibraryLoadData": Entry(Kind.GPU_BUILD, 1, ends=_MADE),
}
#: Where an ending stands for other arguments.
_CUDA_OTHERS = {
    "cuMemPrefetchAsync_v2": Entry(Kind.GPU_PREFETCH, 5, 1, 2, flags=_ASYNC, stream=True),
    "cuMemPrefetchAsync_v2_ptsz": Entry(Kind.GPU_PREFETCH, 5, 1, 2, flags=_ASYNC, stream=True),
    "cuCtxSynchronize_v2": _sync(0),
}
_CUDA_ENDINGS = ("", "_v2", "_ptsz", "_ptds", "_v2_ptsz", "_v2_ptds")

_OPENCL = {
    "clEnqueueNDRangeKernel": Entry(Kind.GPU_LAUNCH, 1, 2, 5, Measure.RANGE, flags=_ASYNC),
    "clEnqueueTask": Entry(Kind.GPU_LAUNCH, 1, 2, flags=_ASYNC),
    "clEnqueueWriteBuffer": Entry(Kind.GPU_COPY_H2D, 1, 6, 5, ends=_RETURNS),
    "clEnqueueReadBuffer": Entry(Kind.GPU_COPY_D2H, 1, 6, 5, ends=_RETURNS),
    "clEnqueueCopyBuffer": Entry(Kind.GPU_COPY_D2D, 1, 3, 6, flags=_ASYNC),
    "clEnqueueFillBuffer": Entry(Kind.GPU_MEMSET, 1, 2, 6, flags=_ASYNC),
    "clEnqueueMapBuffer": Entry(Kind.GPU_MAP, 1, 0, 6, ends=_RETURNS),
    "clEnqueueUnmapMemObject": Entry(Kind.GPU_UNMAP, 1, 3, flags=_ASYNC),
    "clEnqueueSVMMemcpy": Entry(Kind.GPU_COPY, 1, 3, 5, ends=_RETURNS),
    "clCreateBuffer": Entry(Kind.GPU_ALLOC, 0, 4, 3, ends=_RETURNS | Ends.GIVEN),
    "clReleaseMemObject": Entry(Kind.GPU_FREE, 1, ends=_RETURNS),
    "clBuildProgram": Entry(Kind.GPU_BUILD, 1, ends=_RETURNS),
    "clFlush": Entry(Kind.GPU_FLUSH, 1),
    "clFinish": _sync(1),
    "clWaitForEvents": _sync(0),
}


def _collective(communicator: int, count: int = 3) -> Entry:
    ends = Ends.NAMED
    return Entry(
        Kind.GPU_COLLECTIVE, communicator, 0, count, Measure.TYPED, flags=_ASYNC, ends=ends
    )


_NCCL = {
    "ncclAllReduce": _collective(6),
    "ncclBroadcast": _collective(6),
    "ncclReduce": _collective(7),
    "ncclReduceScatter": _collective(6),
    "ncclAllGather": _collective(5),
    "ncclAlltoAll": _collective(5),
    "ncclBcast": _collective(5, 2),
    "ncclSend": _collective(5, 2),
    "ncclRecv": _collective(5, 2),
}


#: Whose first ABI had 32 bits for sizes; the second is `_v2`.
_NARROW = (
    "cuMemcpyHtoD",
    "cuMemcpyHtoDAsync",
    "cuMemcpyDtoH",
    "cuMemcpyDtoHAsync",
    "cuMemcpyDtoD",
    "cuMemcpyDtoDAsync",
    "cuMemsetD8",
    "cuMemsetD16",
    "cuMemsetD32",
    "cuMemAlloc",
    "cuMemAllocHost",
)


class Family(NamedTuple):
    """A sort of library.

    Args:
        name: What it is called.
        mark: A function that each such library has.
        entries: Its functions that are followed.
    """

    name: str
    mark: str
    entries: dict[str, Entry]


def _cuda() -> Iterator[tuple[str, Entry]]:
    for base, entry in _CUDA.items():
        for ending in _CUDA_ENDINGS:
            narrow = not ending and base in _NARROW
            yield base + ending, entry._replace(measure=Measure.NARROW) if narrow else entry
    yield from _CUDA_OTHERS.items()


FAMILIES = (
    Family("CUDA", "cuLaunchKernel", dict(_cuda())),
    Family("OpenCL", "clEnqueueNDRangeKernel", _OPENCL),
    Family("NCCL", "ncclAllReduce", _NCCL),
)

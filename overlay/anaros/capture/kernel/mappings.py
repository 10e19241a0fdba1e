# SPDX-License-Identifier: Apache-2.0
"""Tells when a process maps a file to run it, whichever way: linked, opened, or passed on.

The kernel reports each executable mapping to who asks (perf's side band). It is asked once for each
CPU, for all processes: following only some would cost them time at every context switch.
"""

from __future__ import annotations

import mmap
import os
import select
import struct
from collections.abc import Iterator, Sequence

from anaros.errors import KernelPlaneError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CALL = {"x86_64": 298, "aarch64": 241}
_RING_BYTES = 32768
_PAGE = mmap.PAGESIZE
_SOFTWARE, _DUMMY = 1, 9
_MMAP_EVENTS, _WATERMARK = 1 << 8, 1 << 14
_CLOSE_ON_EXEC = 8
#: ``struct perf_event_attr`` up to its first version, and the two ends of a ring.
_ATTRIBUTES = struct.Struct("<II5QIIQ")
_HEAD, _TAIL = 1024 // 8, 1032 // 8
_HEADER, _MAPPED = struct.Struct("<IHH"), struct.Struct("<IIQQQ")
_RECORD_MMAP, _RECORD_LOST = 1, 2


class Mappings:
    """What was mapped since the last look.

    Args:
        libbpf: For the call that Python has not.
        word: What the name of a file must have in it.

    Raises:
        KernelPlaneError: The kernel refuses.
    """

    def __init__(self, libbpf: Any, word: bytes) -> None:
        self._word = word
        self._rings: list[mmap.mmap] = []
        self._words: list[memoryview[int]] = []  # of a ring's first page, each read in one go
        self._fds: list[int] = []
        flags = _MMAP_EVENTS | _WATERMARK
        size = _ATTRIBUTES.size
        attributes = _ATTRIBUTES.pack(_SOFTWARE, size, _DUMMY, 1, 0, 0, flags, 1, 0, 0)
        number = _CALL.get(os.uname().machine)
        try:
            for cpu in _online():
                self._open(libbpf, attributes, number, cpu)
        except BaseException:
            self.close()
            raise

    def _open(self, libbpf: Any, attributes: bytes, number: int | None, cpu: int) -> None:
        ffi = libbpf.ffi
        argument = ffi.new("char[]", attributes)
        whole = [ffi.cast("long", value) for value in (-1, cpu, -1, _CLOSE_ON_EXEC)]
        fd = -1 if number is None else libbpf.lib.syscall(number, argument, *whole)
        if fd < 0:
            raise KernelPlaneError(f"perf events cannot be had: {os.strerror(ffi.errno)}")
        self._fds.append(fd)
        ring = mmap.mmap(fd, _PAGE + _RING_BYTES)
        self._rings.append(ring)
        self._words.append(memoryview(ring)[:_PAGE].cast("Q"))

    def filenos(self) -> Sequence[int]:
        """Descriptors that poll readable when something was mapped."""
        return self._fds

    def wait(self, *others: int) -> None:
        """Sleeps until something was mapped, or one of ``others`` is readable."""
        poll = select.poll()
        for fd in (*self._fds, *others):
            poll.register(fd, select.POLLIN)
        poll.poll()

    def take(self) -> tuple[list[tuple[int, str]], bool]:
        """Each process and file whose name has the word; and whether some were lost."""
        found: list[tuple[int, str]] = []
        lost = False
        for ring, words in zip(self._rings, self._words, strict=True):
            data = _drain(ring, words)
            if self._word in data or len(data) >= _RING_BYTES - _PAGE:
                for kind, body in _records(data):
                    lost |= kind == _RECORD_LOST
                    if kind == _RECORD_MMAP and self._word in body:
                        path = body[_MAPPED.size :].split(b"\0", 1)[0]
                        found.append((_MAPPED.unpack_from(body)[0], os.fsdecode(path)))
        return found, lost

    def close(self) -> None:
        """Asks no more."""
        while self._words:
            self._words.pop().release()
        while self._rings:
            self._rings.pop().close()
        while self._fds:
            os.close(self._fds.pop())


def _drain(ring: mmap.mmap, words: memoryview[int]) -> bytes:
    """What lies unread in a ring, which is free again then."""
    head, tail = words[_HEAD], words[_TAIL]
    if head == tail:
        return b""
    start, end = tail % _RING_BYTES, head % _RING_BYTES
    if start < end:
        data = ring[_PAGE + start : _PAGE + end]
    else:
        data = ring[_PAGE + start : _PAGE + _RING_BYTES] + ring[_PAGE : _PAGE + end]
    words[_TAIL] = head
    return data


def _online() -> Iterator[int]:
    with open("/sys/devices/system/cpu/online", encoding="ascii") as file:
        for part in file.read().strip().split(","):
            first, _, last = part.partition("-")
            yield from range(int(first), int(last or first) + 1)


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(data):
        kind, _, size = _HEADER.unpack_from(data, at)
        if size < _HEADER.size:
            return
        yield kind, data[at + _HEADER.size : at + size]
        at += size

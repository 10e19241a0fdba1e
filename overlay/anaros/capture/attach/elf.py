# SPDX-License-Identifier: Apache-2.0
"""Where functions lie in an ELF file, by its dynamic symbols: stripping leaves those.

Symbols are looked up in the hash table that the loader uses too; a library with 100,000 of them is
not read for the hundred that are asked for. What the file claims is checked against its size.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterable, Iterator

from anaros.errors import CaptureError

_MAGIC, _CLASS_64, _LITTLE = b"\x7fELF", 2, 1
_HEADER = struct.Struct("<16sHHIQQQIHHH")
_PROGRAM = struct.Struct("<IIQQQQQQ")
_DYNAMIC = struct.Struct("<qQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_GNU_HEADER = struct.Struct("<IIII")
_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NULL, _DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_GNU_HASH = 0, 4, 5, 6, 0x6FFFFEF5
_STT_FUNC = 2
_CHAIN_MAX = 4096


class Elf:
    """A 64-bit little-endian ELF file that is mapped to be read.

    Args:
        path: Of the file; it may be one of /proc.

    Raises:
        CaptureError: It cannot be read, or is no such file.
    """

    def __init__(self, path: str) -> None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                self._data = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
            finally:
                os.close(descriptor)
        except (OSError, ValueError) as problem:
            raise CaptureError(f"{path} cannot be read: {problem}") from problem
        try:
            self._read_tables()
        except (struct.error, OverflowError, CaptureError) as problem:
            self._data.close()
            raise CaptureError(f"{path} is no 64-bit ELF file that can be understood") from problem

    def _read_tables(self) -> None:
        data = self._data
        ident, *_, at, _, _, _, size, count = _HEADER.unpack_from(data)
        if ident[:4] != _MAGIC or ident[4] != _CLASS_64 or ident[5] != _LITTLE:
            raise CaptureError("not this sort of file")
        self._loads: list[tuple[int, int, int]] = []
        tables: dict[int, int] = {}
        for place in range(count):
            kind, _, offset, address, _, in_file, *_ = _PROGRAM.unpack_from(data, at + place * size)
            if kind == _PT_LOAD:
                self._loads.append((address, address + in_file, offset))
            elif kind == _PT_DYNAMIC:
                tables.update(self._dynamic(offset, in_file))
        self._strings = self._offset(tables.get(_DT_STRTAB))
        self._symbols = self._offset(tables.get(_DT_SYMTAB))
        self._gnu = self._offset(tables.get(_DT_GNU_HASH))
        self._sysv = self._offset(tables.get(_DT_HASH))

    def _dynamic(self, offset: int, size: int) -> Iterator[tuple[int, int]]:
        for at in range(offset, offset + size - _DYNAMIC.size + 1, _DYNAMIC.size):
            tag, value = _DYNAMIC.unpack_from(self._data, at)
            if tag == _DT_NULL:
                return
            yield tag, value

    def _offset(self, address: int | None) -> int | None:
        """Where in the file an address lies."""
        for begin, end, offset in self._loads:
            if address is not None and begin <= address < end:
                return address - begin + offset
        return None

    def functions(self, names: Iterable[str]) -> dict[str, list[int]]:
        """Offsets in the file of the functions that it defines, of those that are named.

        A name that stands there in several versions has several.
        """
        if self._strings is None or self._symbols is None:
            return {}
        found: dict[str, list[int]] = {}
        for name in names:
            raw = name.encode()
            try:
                places = self._by_gnu_hash(raw) if self._gnu is not None else self._by_hash(raw)
                offsets = {self._defined(place, raw) for place in places} - {None}
            except (struct.error, OverflowError):
                continue  # a table that leads out of the file
            if offsets:
                found[name] = sorted(offset for offset in offsets if offset is not None)
        return found

    def _word(self, at: int) -> int:
        return int.from_bytes(self._data[at : at + 4], "little")

    def _by_gnu_hash(self, name: bytes) -> Iterator[int]:
        assert self._gnu is not None
        buckets, first, filters, shift = _GNU_HEADER.unpack_from(self._data, self._gnu)
        value = _gnu_hash(name)
        if not buckets or not filters:
            return
        table = self._gnu + _GNU_HEADER.size
        at = table + (value // 64 % filters) * 8
        word = int.from_bytes(self._data[at : at + 8], "little")
        if not (word >> value % 64 & 1 and word >> (value >> shift) % 64 & 1):
            return
        table += filters * 8
        place = self._word(table + value % buckets * 4)
        if place < first:
            return
        chains = table + buckets * 4
        for _ in range(_CHAIN_MAX):
            here = self._word(chains + (place - first) * 4)
            if here | 1 == value | 1:
                yield place
            if here & 1:
                return
            place += 1

    def _by_hash(self, name: bytes) -> Iterator[int]:
        if self._sysv is None:
            return
        buckets, count = self._word(self._sysv), self._word(self._sysv + 4)
        if not buckets:
            return
        place = self._word(self._sysv + 8 + _sysv_hash(name) % buckets * 4)
        for _ in range(min(count, _CHAIN_MAX)):
            if not place:
                return
            yield place
            place = self._word(self._sysv + 8 + (buckets + place) * 4)

    def _defined(self, place: int, name: bytes) -> int | None:
        assert self._symbols is not None
        assert self._strings is not None
        text, info, _, section, address, _ = _SYMBOL.unpack_from(
            self._data, self._symbols + place * _SYMBOL.size
        )
        at = self._strings + text
        if self._data[at : at + len(name) + 1] != name + b"\0":
            return None
        return self._offset(address) if section and info & 15 == _STT_FUNC else None

    def close(self) -> None:
        """Unmaps it."""
        self._data.close()


def _gnu_hash(name: bytes) -> int:
    value = 5381
    for letter in name:
        value = value * 33 + letter & 0xFFFFFFFF
    return value


def _sysv_hash(name: bytes) -> int:
    value = 0
    for letter in name:
        value = (value << 4) + letter
        value = (value ^ (value >> 24 & 0xF0)) & 0x0FFFFFFF
    return value

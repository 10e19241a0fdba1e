# SPDX-License-Identifier: Apache-2.0
"""What an ELF file of a process exports, found by its own hash table: a file is not read whole."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import NamedTuple

from anaros.errors import InjectError

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_PROGRAM = struct.Struct("<IIQQQQQQ")
_DYNAMIC = struct.Struct("<qQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_LOAD, _DYNAMIC_HEADER, _INTERPRETER = 1, 2, 3
_STRTAB, _SYMTAB, _GNU_HASH, _FLAGS_1 = 5, 6, 0x6FFFFEF5, 0x6FFFFFFB
_NODELETE = 0x8
_FUNCTION, _INDIRECT = 2, 10

MACHINES = {"x86_64": 62}


class Symbol(NamedTuple):
    """A function as a file has it.

    Args:
        value: Its address from the object's base.
        size: In bytes.
    """

    value: int
    size: int


class ElfFile:
    """An object file, opened by its path.

    Args:
        path: Of the file.

    Raises:
        InjectError: It cannot be read, or is no 64-bit ELF file.
    """

    def __init__(self, path: str) -> None:
        try:
            with Path(path).open("rb") as file:
                self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as problem:
            raise InjectError(f"{path} cannot be read: {problem}") from problem
        if self.data[:5] != b"\x7fELF\x02":
            raise InjectError(f"{path} is no 64-bit ELF file")
        fields = _HEADER.unpack_from(self.data)
        self.machine = fields[2]
        first, size, count = fields[5], fields[9], fields[10]
        self._segments = [
            _PROGRAM.unpack_from(self.data, first + place * size) for place in range(count)
        ]
        self._tags = self._dynamic()

    def close(self) -> None:
        """Gives the file back."""
        self.data.close()

    @property
    def interpreter(self) -> str | None:
        """The loader that it asks for; None: it needs none."""
        for kind, _, offset, _, _, size, _, _ in self._segments:
            if kind == _INTERPRETER:
                return bytes(self.data[offset : offset + size]).rstrip(b"\0").decode()
        return None

    @property
    def is_dynamic(self) -> bool:
        """Whether it has tables for the loader."""
        return bool(self._tags)

    def flags_place(self) -> int | None:
        """Where in the file the word lies that says it is never unloaded; None: it has none."""
        for place, tag, _ in self._entries():
            if tag == _FLAGS_1:
                return place + 8
        return None

    def address(self, offset: int) -> int:
        """The address, from the object's base, of what lies at an offset of the file."""
        for kind, _, at, address, _, size, _, _ in self._segments:
            if kind == _LOAD and at <= offset < at + size:
                return int(address + offset - at)
        raise InjectError("an offset outside of the file's segments")

    def symbol(self, name: str) -> Symbol | None:
        """A function that it exports; None: it has none of this name."""
        if _GNU_HASH not in self._tags or _SYMTAB not in self._tags:
            return None
        wanted, table = name.encode(), self._offset(self._tags[_GNU_HASH])
        buckets, first, bloom, _ = struct.unpack_from("<4I", self.data, table)
        number = 5381
        for byte in wanted:
            number = (number * 33 + byte) & 0xFFFFFFFF
        at = table + 16 + bloom * 8
        (index,) = struct.unpack_from("<I", self.data, at + number % buckets * 4)
        if index < first:
            return None
        chains = at + buckets * 4
        while True:
            (link,) = struct.unpack_from("<I", self.data, chains + (index - first) * 4)
            if link | 1 == number | 1:
                found = self._function(index, wanted)
                if found is not None:
                    return found
            if link & 1:
                return None
            index += 1

    def _function(self, index: int, wanted: bytes) -> Symbol | None:
        place = self._offset(self._tags[_SYMTAB]) + index * _SYMBOL.size
        name, info, _, section, value, size = _SYMBOL.unpack_from(self.data, place)
        text = self._offset(self._tags[_STRTAB]) + name
        if self.data[text : text + len(wanted) + 1] != wanted + b"\0":
            return None
        return Symbol(value, size) if section and info & 15 in (_FUNCTION, _INDIRECT) else None

    def _dynamic(self) -> dict[int, int]:
        return {tag: value for _, tag, value in self._entries()}

    def _entries(self) -> list[tuple[int, int, int]]:
        found = []
        for kind, _, offset, _, _, size, _, _ in self._segments:
            if kind != _DYNAMIC_HEADER:
                continue
            for place in range(offset, offset + size, _DYNAMIC.size):
                tag, value = _DYNAMIC.unpack_from(self.data, place)
                if tag == 0:
                    break
                found.append((place, tag, value))
        return found

    def _offset(self, address: int) -> int:
        for kind, _, at, start, _, size, _, _ in self._segments:
            if kind == _LOAD and start <= address < start + size:
                return int(at + address - start)
        raise InjectError("an address outside of the file's segments")


def removable(data: bytes, place: int | None) -> bytes:
    """The same library, but one that the loader unloads when it is closed.

    Args:
        data: The file.
        place: What `ElfFile.flags_place` says of it.
    """
    if place is None:
        return data
    (word,) = struct.unpack_from("<Q", data, place)
    return data[:place] + struct.pack("<Q", word & ~_NODELETE) + data[place + 8 :]

# SPDX-License-Identifier: Apache-2.0
"""The end of a Parquet file: is the file whole, and are its bytes those that were written?

Parquet's checksums of pages are optional, and DuckDB writes and reads none: a bit that flips
inside a page may decode to other numbers without a word. So the footer of each of our files
carries the CRC-32 of all of its other bytes, which costs 0.4 ns a byte to check. It is an ordinary
entry of the footer's metadata: any Parquet tool reads such a file, and may drop it.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

#: The entry that holds the CRC-32 in hexadecimal digits, and what stands there until it is known.
_CRC = "anaros.crc32"
_UNKNOWN = "0" * 8

_MAGIC = b"PAR1"
#: A file that is read in pieces of this size stays in the caches.
_PIECE_BYTES = 1 << 18


class DamagedError(Exception):
    """A file that is not as it was written; the message says in what."""


@dataclass(frozen=True, slots=True)
class _Footer:
    """The metadata of a Parquet file, which lies at ``offset``."""

    offset: int
    data: bytes

    def find(self, key: str) -> tuple[int, int] | None:
        """Where the value of an entry begins and ends in the file.

        Entries follow all statistics, which hold any text; so the last one that looks like the
        entry is it. In Thrift's compact protocol both are fields of type 8, one after the other,
        each with its length before it.
        """
        looks = re.escape(key.encode()) + rb"\x18([\x00-\x7f])"
        found = list(re.finditer(looks, self.data))[-1:]
        if not found:
            return None
        begin = self.offset + found[0].end()
        return begin, begin + found[0][1][0]

    def value(self, key: str) -> str | None:
        place = self.find(key)
        if place is None:
            return None
        begin, end = (bound - self.offset for bound in place)
        return self.data[begin:end].decode(errors="replace")


def unsealed(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """``metadata`` with room for the checksum, for a file that `seal` will finish."""
    return {**(metadata or {}), _CRC: _UNKNOWN}


def seal(path: Path) -> None:
    """Put the checksum into a file that was written with `unsealed` metadata.

    Raises:
        OSError: It cannot be read or written.
    """
    with path.open("r+b") as file:
        place = _read(file).find(_CRC)
        if place is None:
            raise OSError(f"{path} has no room for its checksum")
        file.seek(place[0])
        file.write(_digits(file.fileno(), place))


def fault(path: Path) -> str | None:
    """Why ``path`` is not a Parquet file as it was written; None if nothing speaks against it.

    Of a file without a checksum only the first and the last bytes are looked at.
    """
    try:
        with path.open("rb") as file:
            footer = _read(file)
            place = footer.find(_CRC)
            if place is None:
                return None
            found = _digits(file.fileno(), place).decode()
            recorded = footer.value(_CRC)
    except DamagedError as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)
    if found == recorded:
        return None
    return f"changed since it was written: its checksum is {found}, not {recorded}"


def value(path: Path, key: str) -> str | None:
    """An entry of the footer's metadata; None where there is none or no footer.

    Only of files that have no `fault` it is known that the entry is right.
    """
    try:
        with path.open("rb") as file:
            return _read(file).value(key)
    except (DamagedError, OSError):
        return None


def checksum(path: Path) -> str | None:
    """The checksum that a file carries; None where it carries none."""
    return value(path, _CRC)


def _read(file: BinaryIO) -> _Footer:
    size = file.seek(0, os.SEEK_END)
    if size < 12:
        raise DamagedError(f"truncated to {size} bytes")
    file.seek(size - 8)
    tail = file.read(8)
    file.seek(0)
    if file.read(4) != _MAGIC:
        raise DamagedError("does not begin like a Parquet file")
    if tail[4:] != _MAGIC:
        raise DamagedError("truncated: the footer is missing")
    length = int.from_bytes(tail[:4], "little")
    if length > size - 12:
        raise DamagedError("truncated: the footer is longer than the file")
    file.seek(size - 8 - length)
    return _Footer(size - 8 - length, file.read(length))


def _digits(handle: int, place: tuple[int, int]) -> bytes:
    """The CRC-32 of a file but for the bytes at ``place``."""
    begin, end = place
    crc = _crc(handle, 0, begin, 0)
    return b"%08x" % _crc(handle, end, os.fstat(handle).st_size, crc)


def _crc(handle: int, begin: int, end: int, crc: int) -> int:
    piece = memoryview(bytearray(min(_PIECE_BYTES, max(end - begin, 0))))
    while begin < end:
        count = os.preadv(handle, [piece[: end - begin]], begin)
        if count == 0:
            break
        crc = zlib.crc32(piece[:count], crc)
        begin += count
    return crc

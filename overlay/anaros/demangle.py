# SPDX-License-Identifier: Apache-2.0
"""Names of kernels as their authors wrote them.

The C++ library that most machines have takes apart the names that compilers made. Where there is
none, or where only the beginning of a name was kept, what leads up to the first template remains.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

#: Itanium C++: all compilers for GPUs.
_PREFIX = "_Z"
_NESTED = re.compile(r"_Z(?:TV|L)?(N?)K?")
_PART = re.compile(r"L?(\d+)")


def readable(name: str) -> str:
    """A mangled C++ name in words; any other name as it is."""
    if not name.startswith(_PREFIX):
        return name
    whole = _library()
    return (whole(name) if whole is not None else None) or _beginning(name)


@functools.cache
def _library() -> Callable[[str], str | None] | None:
    import ctypes

    try:
        standard = ctypes.CDLL("libstdc++.so.6")
        take_apart, free = standard["__cxa_demangle"], ctypes.CDLL(None).free
    except (OSError, AttributeError):
        return None
    take_apart.restype = ctypes.c_void_p
    take_apart.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    free.argtypes = [ctypes.c_void_p]
    free.restype = None

    def whole(name: str) -> str | None:
        if "\0" in name or not name.isascii():
            return None
        text = take_apart(name.encode(), None, None, None)
        if not text:
            return None
        try:
            return ctypes.string_at(text).decode(errors="backslashreplace")
        finally:
            free(text)

    return whole


def _beginning(name: str) -> str:
    """The parts of a name up to its first template: ``at::native::kernel<...>``."""
    start = _NESTED.match(name)
    assert start is not None
    at, parts = start.end(), []
    while (part := _PART.match(name, at)) is not None:
        size = int(part[1])
        text = name[part.end() : part.end() + size]
        if len(text) < size:
            break
        parts.append("(anonymous namespace)" if text.startswith("_GLOBAL__N_") else text)
        at = part.end() + size
        if not start[1]:
            break
    if not parts:
        return name
    return "::".join(parts) + ("<...>" if name[at : at + 1] == "I" else "")

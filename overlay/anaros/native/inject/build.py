# SPDX-License-Identifier: Apache-2.0
"""Builds ``anaros._inject`` (cffi, API mode): borrowing a thread of a live process.

A module of its own: only ``anaros attach --inject`` loads it. Run by setup.py (``cffi_modules``).
"""

from __future__ import annotations

from pathlib import Path

from cffi import FFI

_FOLDER = Path("overlay/anaros/native/inject")
_HEADER = _FOLDER / "inject.h"


def _declarations(header: Path) -> str:
    """What a header declares; it needs no preprocessor."""
    lines = header.read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


ffi = FFI()
ffi.cdef("typedef uint32_t anaros_u32; typedef uint64_t anaros_u64;")
ffi.cdef(_declarations(Path("shim/include/anaros/inject.h")))
ffi.cdef(_declarations(_HEADER))
ffi.set_source(
    "anaros._inject",
    '#include "anaros/inject.h"\n#include "inject.h"',
    sources=[str(path) for path in sorted(_FOLDER.glob("*.c"))],
    depends=[str(path) for path in sorted(_FOLDER.glob("*.h"))],
    include_dirs=[str(_FOLDER), "shim/include"],
    extra_compile_args=["-std=gnu11", "-O2", "-Wall", "-Wextra"],
    libraries=["pthread"],
    py_limited_api=True,
)

if __name__ == "__main__":
    ffi.compile(verbose=False)

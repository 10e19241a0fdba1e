# SPDX-License-Identifier: Apache-2.0
"""Numbers of what the native modules and the Python sources must agree on.

Each is made of the declarations that both sides go by, without their comments and spaces. The
builds of the modules put theirs into them and write both into ``anaros/abi.py``, which belongs to
the Python sources: a module that was built for others is told by its number. Never imported by
what runs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TARGET = ROOT / "overlay/anaros/abi.py"

#: What of it C and Python, or two builds of C, lay out alike.
NATIVE = (
    "shim/include/anaros/record.h",
    "shim/include/anaros/control.h",
    "overlay/anaros/native/native.h",
    "overlay/anaros/native/pofc.h",
    "overlay/anaros/native/store.h",
)
LIBBPF = ("overlay/anaros/capture/kernel/libbpf_build.py",)

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_TEXT = '''# SPDX-License-Identifier: Apache-2.0
"""What the native modules must say of their layout. Written by their builds: native/layout.py."""

from __future__ import annotations

NATIVE = 0x{native:08X}
LIBBPF = 0x{libbpf:08X}
'''


def number(paths: Sequence[str], root: Path = ROOT) -> int:
    """A number of 31 bits that stands for what these files declare."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(b" ".join(_COMMENT.sub(" ", (root / path).read_text()).encode().split()))
    return int.from_bytes(digest.digest()[:4], "big") >> 1


def text(root: Path = ROOT) -> str:
    """What ``abi.py`` has to say."""
    return _TEXT.format(native=number(NATIVE, root), libbpf=number(LIBBPF, root))


def write() -> None:
    """Brings ``abi.py`` up to date."""
    if not TARGET.exists() or TARGET.read_text() != text():
        TARGET.write_text(text())

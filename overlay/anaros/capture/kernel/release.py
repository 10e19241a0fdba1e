# SPDX-License-Identifier: Apache-2.0
"""Takes many probes off their tracepoints without a wait of the kernel's for each.

Where the first of two probes of a tracepoint goes, the kernel waits until no CPU is in the old one
any more, some 15 ms, and lets nobody change another tracepoint meanwhile. Where three are there it
need not wait. So once somebody else's probes are found to be behind ours, two that do nothing
are put behind them: ours then go at once, and what waits is only the first of those, for all.
"""

from __future__ import annotations

import os
import struct
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from anaros.capture.kernel.probes import Libbpf

#: To take a probe away takes less than this, unless the kernel waits.
_WAITED_S = 0.004

_BPF_CALL = {"x86_64": 321, "aarch64": 280}
_LOAD, _OPEN, _RAW_TRACEPOINT = 5, 17, 17
_PROGRAM = struct.Struct("<IIQQIIQII16s")
_PLACE = struct.Struct("<QII")
#: Return 0.
_NOTHING = bytes.fromhex("b700000000000000 9500000000000000")


def release(libbpf: Libbpf, links: dict[str, Any], points: Mapping[str, str]) -> None:
    """Detaches programs, those that were attached last first.

    Args:
        libbpf: What attached them.
        links: ``struct bpf_link *`` by the name of the program; empty afterwards.
        points: The tracepoint of each.
    """
    while links:
        began = time.monotonic()
        libbpf.lib.bpf_link__destroy(links.popitem()[1])
        if time.monotonic() - began > _WAITED_S:
            break
    if not links:
        return
    behind = _put_behind(libbpf, {points[name] for name in links})
    while links:
        libbpf.lib.bpf_link__destroy(links.popitem()[1])
    while behind:
        os.close(behind.pop())


def _put_behind(libbpf: Libbpf, points: Iterable[str]) -> list[int]:
    """Two that do nothing on each tracepoint, the second ones last; what fails is left out."""
    program = _nothing(libbpf)
    if program < 0:
        return []
    ffi, descriptors = libbpf.ffi, []
    names = [ffi.new("char[]", point.encode()) for point in points]
    for name in (*names, *names):
        place = _PLACE.pack(int(ffi.cast("uintptr_t", name)), program, 0)
        descriptors.append(_bpf(libbpf, _OPEN, place))
    os.close(program)
    return [descriptor for descriptor in descriptors if descriptor >= 0]


def _nothing(libbpf: Libbpf) -> int:
    ffi = libbpf.ffi
    code, license_ = ffi.new("char[]", _NOTHING), ffi.new("char[]", b"GPL")
    addresses = (int(ffi.cast("uintptr_t", each)) for each in (code, license_))
    count = len(_NOTHING) // 8
    words = _PROGRAM.pack(_RAW_TRACEPOINT, count, *addresses, 0, 0, 0, 0, 0, b"anaros_nothing")
    return _bpf(libbpf, _LOAD, words)


def _bpf(libbpf: Libbpf, command: int, attributes: bytes) -> int:
    """A descriptor, or below 0."""
    ffi = libbpf.ffi
    held = ffi.new("char[]", attributes)
    words = [ffi.cast("long", command), held, ffi.cast("long", len(attributes))]
    number = _BPF_CALL.get(os.uname().machine)
    return -1 if number is None else int(libbpf.lib.syscall(number, *words))

# SPDX-License-Identifier: Apache-2.0
"""Names as the drain lays them down, and how the raw ones are spelled out."""

from __future__ import annotations

import ipaddress
import struct

import numpy as np

from anaros.demangle import readable
from anaros.kinds import NameClass
from anaros.store.names import Names

#: ``struct name_entry``: object, start_ns, pid, class, size.
_ENTRY = struct.Struct("<QQIHH")
#: ``struct socket_name`` of the shim: type, sizes of both addresses, both addresses.
_SOCKET = struct.Struct("<IIII28s28s")
_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_SOCK_TYPES = {1: "tcp", 2: "udp"}


def _address(raw: bytes, size: int) -> str:
    if size < 2:
        return "*"
    family = int.from_bytes(raw[:2], "little")
    if family == _AF_INET and size >= 8:
        return f"{ipaddress.IPv4Address(raw[4:8])}:{int.from_bytes(raw[2:4], 'big')}"
    if family == _AF_INET6 and size >= 24:
        return f"[{ipaddress.IPv6Address(raw[8:24])}]:{int.from_bytes(raw[2:4], 'big')}"
    if family == _AF_UNIX:
        path = raw[2:size].split(b"\0", 1)[0] if raw[2:3] != b"\0" else b"@" + raw[3:size]
        return path.decode(errors="backslashreplace") or "unnamed"
    return f"family {family}"


def socket_name(raw: bytes) -> str:
    """``tcp 127.0.0.1:80 -> 10.0.0.7:5312`` from both raw addresses."""
    if len(raw) != _SOCKET.size:
        return "malformed"
    kind, local_size, peer_size, _, local, peer = _SOCKET.unpack(raw)
    family = int.from_bytes(local[:2], "little")
    protocol = "unix" if family == _AF_UNIX else _SOCK_TYPES.get(kind, f"type {kind}")
    text = f"{protocol} {_address(local, min(local_size, 28))}"
    return f"{text} -> {_address(peer, min(peer_size, 28))}" if peer_size else text


def _spelled(name_class: int, raw: bytes) -> str:
    if name_class == NameClass.SOCKET:
        return socket_name(raw)
    text = raw.decode(errors="backslashreplace")
    return readable(text) if name_class == NameClass.KERNEL else text


def parse(raw: bytes) -> Names:
    """The names in the bytes of one segment; what does not fit its size is left out."""
    objects: list[int] = []
    classes: list[int] = []
    starts: list[int] = []
    pids: list[int] = []
    texts: list[str] = []
    at = 0
    while at + _ENTRY.size <= len(raw):
        obj, start_ns, pid, name_class, size = _ENTRY.unpack_from(raw, at)
        text = raw[at + _ENTRY.size : at + _ENTRY.size + size]
        at = (at + _ENTRY.size + size + 7) & ~7
        if len(text) < size:
            break
        objects.append(obj)
        classes.append(name_class & 0xFF)
        starts.append(start_ns)
        pids.append(pid)
        texts.append(_spelled(name_class, text))
    return Names(
        object=np.array(objects, np.uint64),
        name_class=np.array(classes, np.uint8),
        start_ns=np.array(starts, np.uint64),
        pid=np.array(pids, np.uint32),
        name=texts,
    )


def join(first: Names, second: Names) -> Names:
    """The names of both, in order."""
    return Names(
        object=np.concatenate([first.object, second.object]),
        name_class=np.concatenate([first.name_class, second.name_class]),
        start_ns=np.concatenate([first.start_ns, second.start_ns]),
        pid=np.concatenate([first.pid, second.pid]),
        name=[*first.name, *second.name],
    )


def without_private(names: Names) -> Names:
    """The names of code and hardware, and of programs the last part of their path.

    Files, peers, threads and cgroups are called whatever the user chose: their names are left out.
    """
    private = (NameClass.FILE, NameClass.SOCKET, NameClass.PROCESS, NameClass.CGROUP)
    kept = np.flatnonzero(~np.isin(names.name_class, private))
    is_program = (names.name_class == NameClass.PROGRAM).tolist()
    return Names(
        object=names.object[kept],
        name_class=names.name_class[kept],
        start_ns=names.start_ns[kept],
        pid=names.pid[kept],
        name=[
            names.name[place].rpartition("/")[2] if is_program[place] else names.name[place]
            for place in kept.tolist()
        ],
    )

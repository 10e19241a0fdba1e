# SPDX-License-Identifier: Apache-2.0
"""Three questions to the kernel about its network: addresses, routes, interfaces.

Asked over a plain netlink socket: the library that does all of netlink takes longer to import
than a whole run may take to start. A test compares the answers with that library's.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from anaros.errors import GovernError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_HEADER = struct.Struct("=IHHII")
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_INTERFACE_REQUEST = struct.Struct("16sH14x")

_ERROR, _DONE = 2, 3
_NEW_ADDRESS, _GET_ADDRESS = 20, 22
_NEW_ROUTE, _GET_ROUTE = 24, 26
_REQUEST, _DUMP = 0x1, 0x300

_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DESTINATION, _RTA_SOURCE, _RTA_INTERFACE, _RTA_MARK = 1, 2, 4, 16
_FIB_MATCH = 0x2000

#: Route types that carry a packet somewhere: unicast and local.
_UNICAST, _LOCAL = 1, 2

_NO_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ESRCH, errno.EACCES, errno.EINVAL}

_SIOCGIFFLAGS = 0x8913
_IFF_UP = 0x1

_SO_NETNS_COOKIE = 71
_WAIT_S = 2.0
_BUFFER = 1 << 16


@dataclass(frozen=True, slots=True)
class Assigned:
    """An address of this machine and the interface that has it."""

    interface: int
    address: Address


@dataclass(frozen=True, slots=True)
class Route:
    """Where a packet would go. ``interface`` is an index; 0 where the answer has none."""

    interface: int
    local: bool


def interface_index(name: str) -> int | None:
    """The index of an interface in this network namespace, None where there is none."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return None


def is_up(name: str) -> bool:
    """True where the interface is there and was set up."""
    from fcntl import ioctl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = ioctl(probe, _SIOCGIFFLAGS, _INTERFACE_REQUEST.pack(name.encode(), 0))
        except OSError:
            return False
    flags: int = _INTERFACE_REQUEST.unpack(answer)[1]
    return bool(flags & _IFF_UP)


def namespace_cookie() -> int:
    """The kernel's number for this network namespace; 0 before Linux 5.14."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            data = probe.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8)
        except OSError:
            return 0
    return int.from_bytes(data, "little" if struct.pack("=H", 1)[0] else "big")


def addresses() -> tuple[Assigned, ...]:
    """All addresses of this network namespace.

    Raises:
        GovernError: The kernel does not answer.
    """
    found = []
    for kind, payload in _ask(_GET_ADDRESS, _DUMP, _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0)):
        if kind != _NEW_ADDRESS:
            continue
        family, _, _, _, index = _ADDRESS.unpack_from(payload)
        if family not in (socket.AF_INET, socket.AF_INET6):
            continue
        attributes = dict(_attributes(payload[_ADDRESS.size :]))
        packed = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
        if packed:
            found.append(Assigned(index, ipaddress.ip_address(packed)))
    return tuple(found)


def route(
    to: Address, *, source: Address | None = None, interface: int = 0, mark: int = 0
) -> Route | None:
    """The route of a packet.

    Args:
        to: Its destination.
        source: Its source address, None for the kernel's choice.
        interface: Index that it must leave by, 0 for the kernel's choice. Without a route on
            that interface the answer is None, where the kernel itself would take the
            destination for a neighbour.
        mark: Its firewall mark.

    Raises:
        GovernError: The kernel does not answer.
    """
    bits = to.max_prefixlen
    body = _ROUTE.pack(
        socket.AF_INET if to.version == 4 else socket.AF_INET6,
        bits,
        bits if source else 0,
        *(0,) * 5,
        _FIB_MATCH if interface else 0,
    )
    body += _attribute(_RTA_DESTINATION, to.packed)
    if source:
        body += _attribute(_RTA_SOURCE, source.packed)
    if interface:
        body += _attribute(_RTA_INTERFACE, struct.pack("=I", interface))
    if mark:
        body += _attribute(_RTA_MARK, struct.pack("=I", mark))
    try:
        answers = list(_ask(_GET_ROUTE, 0, body))
    except OSError as error:
        if error.errno in _NO_ROUTE:
            return None
        raise GovernError(f"the kernel does not tell its routes: {error.strerror}") from error
    for kind, payload in answers:
        route_type = _ROUTE.unpack_from(payload)[7] if kind == _NEW_ROUTE else 0
        if route_type in (_UNICAST, _LOCAL):
            packed = dict(_attributes(payload[_ROUTE.size :])).get(_RTA_INTERFACE, bytes(4))
            return Route(struct.unpack("=I", packed)[0], local=route_type == _LOCAL)
    return None


def _ask(kind: int, flags: int, body: bytes) -> Iterator[tuple[int, bytes]]:
    """Send one request and yield its answers as (type, payload).

    Raises:
        OSError: The kernel answers with an error.
        GovernError: It does not answer.
    """
    try:
        asked = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    except OSError as error:
        raise GovernError(f"no netlink socket: {error.strerror}") from error
    with asked:
        asked.settimeout(_WAIT_S)
        asked.bind((0, 0))
        size = _HEADER.size + len(body)
        asked.send(_HEADER.pack(size, kind, flags | _REQUEST, os.getpid(), 0) + body)
        while True:
            try:
                data = asked.recv(_BUFFER)
            except TimeoutError as error:
                raise GovernError("the kernel does not answer over netlink") from error
            for answer, payload in _messages(data):
                if answer == _DONE:
                    return
                yield answer, payload
                if not flags & _DUMP:
                    return


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(data):
        size, kind, *_ = _HEADER.unpack_from(data, at)
        payload = data[at + _HEADER.size : at + size]
        if kind == _ERROR:
            code = -struct.unpack_from("=i", payload)[0]
            raise OSError(code, os.strerror(code))
        yield kind, payload
        at += (size + 3) & ~3


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        size, kind = _ATTRIBUTE.unpack_from(data, at)
        if size < _ATTRIBUTE.size:
            return
        yield kind, data[at + _ATTRIBUTE.size : at + size]
        at += (size + 3) & ~3


def _attribute(kind: int, value: bytes) -> bytes:
    size = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(size, kind) + value + bytes(-size % 4)

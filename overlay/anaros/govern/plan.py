# SPDX-License-Identifier: Apache-2.0
"""Turns fabric rules into what the BPF programs read, and finds what stands in their way.

The numbers and layouts are those of ``ebpf/fabric.bpf.c``.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from anaros.errors import GovernError
from anaros.govern import netlink
from anaros.policy.model import FabricRule, Sockets

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

EXEMPT = 0xFFFFFFFF
DESTINATIONS_MAX = 32768

_SET_INTERFACE, _SET_MARK, _SET_SOURCE4, _SET_SOURCE6 = 1, 2, 4, 8
_RULE = struct.Struct("=III4s16s16s")
_SETTINGS = struct.Struct("=QII")
_PREFIX = struct.Struct("=I")
_INDEX = struct.Struct("=I")

#: Keeps its route unless a rule names it: nobody means these by "every destination".
_NEVER_MEANT = (
    "127.0.0.0/8",
    "0.0.0.0/32",
    "169.254.0.0/16",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "::1/128",
    "::/128",
    "fe80::/10",
    "ff00::/8",
)

#: A far address of each family, to ask for the default route (documentation networks).
_FAR = ("192.0.2.1", "2001:db8::1")

_CAP_NET_ADMIN, _CAP_SYS_ADMIN, _CAP_BPF = 12, 21, 39


@dataclass(frozen=True, slots=True)
class Plan:
    """The contents of the BPF maps.

    Attributes:
        rules: One for each fabric rule, in order.
        destinations: Key of a prefix trie and the index of its rule, for IPv4 and IPv6.
        settings: The one settings entry.
        creates: True where the program for new sockets is needed.
    """

    rules: tuple[bytes, ...]
    destinations: tuple[dict[bytes, bytes], dict[bytes, bytes]]
    settings: bytes
    creates: bool


def networks(rule: FabricRule, assigned: Sequence[netlink.Assigned]) -> tuple[Network, ...]:
    """The destinations of a rule.

    A rule that names none is for all destinations of the families that it can serve: those of
    its sources, else those that its interface has an address of.
    """
    if rule.to:
        return tuple(ipaddress.ip_network(text) for text in rule.to)
    families = {ipaddress.ip_address(text).version for text in rule.source}
    if rule.interface and not families:
        index = netlink.interface_index(rule.interface)
        families = {
            own.address.version
            for own in assigned
            if own.interface == index and not own.address.is_link_local
        }
    whole = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
    return tuple(network for network in whole if not families or network.version in families)


def compile_rules(rules: Sequence[FabricRule]) -> Plan:
    """Lay out the maps for ``rules`` and the addresses that this machine has now.

    Raises:
        GovernError: The kernel does not tell its addresses, or the machine has too many.
    """
    tries: tuple[dict[bytes, bytes], dict[bytes, bytes]] = ({}, {})
    assigned = netlink.addresses()
    own = {str(one.address) for one in assigned}
    for text in (*_NEVER_MEANT, *own):
        _insert(tries, ipaddress.ip_network(text), EXEMPT)
    create_rule = EXEMPT
    for index, rule in enumerate(rules):
        for network in networks(rule, assigned):
            if str(network.network_address) not in own or network.num_addresses > 1:
                _insert(tries, network, index)
        if rule.sockets is Sockets.ALL:
            create_rule = index
    if max(map(len, tries)) > DESTINATIONS_MAX:
        raise GovernError(
            f"rules and addresses of this machine are more than {DESTINATIONS_MAX} prefixes",
            "use shorter prefixes in to:",
        )
    return Plan(
        rules=tuple(_rule(rule) for rule in rules),
        destinations=tries,
        settings=_SETTINGS.pack(netlink.namespace_cookie(), create_rule, 0),
        creates=create_rule != EXEMPT,
    )


def _insert(tries: tuple[dict[bytes, bytes], ...], network: Network, index: int) -> None:
    key = _PREFIX.pack(network.prefixlen) + network.network_address.packed
    tries[network.version == 6][key] = _INDEX.pack(index)


def _rule(rule: FabricRule) -> bytes:
    sets = 0
    sources = {4: bytes(4), 6: bytes(16)}
    if rule.interface:
        sets |= _SET_INTERFACE
    if rule.mark is not None:
        sets |= _SET_MARK
    for text in rule.source:
        address = ipaddress.ip_address(text)
        sources[address.version] = address.packed
        sets |= _SET_SOURCE4 if address.version == 4 else _SET_SOURCE6
    index = netlink.interface_index(rule.interface) if rule.interface else 0
    name = (rule.interface or "").encode()
    return _RULE.pack(sets, index or 0, rule.mark or 0, sources[4], sources[6], name)


def obstacles(rules: Sequence[FabricRule]) -> tuple[GovernError, ...]:
    """What on this machine would keep the rules from working, or connections from arriving."""
    found = list(_missing_rights())
    try:
        assigned = netlink.addresses()
        for rule in rules:
            found += _in_the_way(rule, assigned)
    except GovernError as error:
        found.append(error)
    return tuple(found)


def _missing_rights() -> Iterator[GovernError]:
    from anaros.govern.cgroups import cgroup2_mounts

    held = _capabilities()
    may_bpf = held >> _CAP_BPF & 1 or held >> _CAP_SYS_ADMIN & 1
    if not (may_bpf and held >> _CAP_NET_ADMIN & 1):
        fact = "choosing the network of connections needs CAP_BPF and CAP_NET_ADMIN"
        yield GovernError(fact, "run as root, or with sudo")
    if not cgroup2_mounts():
        fact = "no cgroup v2 hierarchy is mounted"
        yield GovernError(fact, "mount -t cgroup2 none /sys/fs/cgroup/unified")


def _capabilities() -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line[7:], 16) for line in lines if line.startswith("CapEff:")), 0)


def _in_the_way(rule: FabricRule, assigned: Sequence[netlink.Assigned]) -> Iterator[GovernError]:
    index = 0
    if rule.interface:
        found = netlink.interface_index(rule.interface)
        if found is None:
            fact = f"{rule.place}: there is no interface {rule.interface}"
            yield GovernError(fact, "see which there are with: ip -br link")
            return
        if not netlink.is_up(rule.interface):
            fact = f"{rule.place}: the interface {rule.interface} is down"
            yield GovernError(fact, f"ip link set {rule.interface} up")
            return
        index = found
    missing = list(_missing_sources(rule, assigned, index))
    yield from missing
    if not missing and index:
        yield from _missing_routes(rule, assigned, index)


def _missing_sources(
    rule: FabricRule, assigned: Sequence[netlink.Assigned], index: int
) -> Iterator[GovernError]:
    for text in rule.source:
        address = ipaddress.ip_address(text)
        homes = {own.interface for own in assigned if own.address == address}
        if not homes:
            fact = f"{rule.place}: this machine does not have the address {text}"
            yield GovernError(fact, "see which it has with: ip -br address")
        elif index and index not in homes:
            fact = f"{rule.place}: the interface {rule.interface} does not have the address {text}"
            yield GovernError(fact, f"see which it has with: ip address show {rule.interface}")


def _missing_routes(
    rule: FabricRule, assigned: Sequence[netlink.Assigned], index: int
) -> Iterator[GovernError]:
    """Look for destinations that the rule would cut off.

    A socket bound to an interface takes the whole world for its neighbours, so without a route
    there it would ask for a hardware address that nobody answers for.
    """
    for network in networks(rule, assigned):
        source = _source_of(rule, network.version, assigned, index)
        for probe in _probes(network):
            if netlink.route(probe, source=source, interface=index, mark=rule.mark or 0) is None:
                what = str(network) if rule.to else "the rest of the world"
                family = "-6 " if network.version == 6 else ""
                gateway = (
                    f"ip {family}route add {network} via GATEWAY dev {rule.interface} metric 1000"
                )
                other = gateway if rule.to else f"name its destinations in to:, or {gateway}"
                fact = f"{rule.place}: {rule.interface} has no route to {what}"
                yield GovernError(fact, other)
                break
            if _replies_dropped(rule, probe, source, index):
                path = f"net.ipv4.conf.{rule.interface}.rp_filter"
                fact = (
                    f"{rule.place}: {rule.interface} would drop replies from {network}, "
                    "as their way back is another interface and rp_filter is strict"
                )
                yield GovernError(fact, f"sysctl -w {path}=2, or add an ip rule for the source")
                break


def _probes(network: Network) -> tuple[netlink.Address, ...]:
    if network.prefixlen == 0:
        return (ipaddress.ip_address(_FAR[network.version == 6]),)
    if network.num_addresses <= 2:
        return (network[0],)
    return (network[1], network[-2])


def _source_of(
    rule: FabricRule, version: int, assigned: Sequence[netlink.Assigned], index: int
) -> netlink.Address | None:
    for text in rule.source:
        address = ipaddress.ip_address(text)
        if address.version == version:
            return address
    return next(
        (
            own.address
            for own in assigned
            if own.interface == index
            and own.address.version == version
            and not own.address.is_link_local
        ),
        None,
    )


def _replies_dropped(
    rule: FabricRule, peer: netlink.Address, source: netlink.Address | None, index: int
) -> bool:
    """True where the strict reverse path filter of IPv4 would drop what the peer answers."""
    if peer.version != 4 or source is None or _strictness(rule.interface or "") != 1:
        return False
    back = netlink.route(peer, source=source)
    return back is None or (back.interface != index and not back.local)


def _strictness(interface: str) -> int:
    """The larger of the two settings holds."""
    values = []
    for name in ("all", interface):
        try:
            path = Path("/proc/sys/net/ipv4/conf") / name / "rp_filter"
            values.append(int(path.read_text()))
        except (OSError, ValueError):
            continue
    return max(values, default=0)

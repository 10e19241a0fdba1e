# SPDX-License-Identifier: Apache-2.0
"""Version 1 of the policy language: reads a tree into tenants and rules.

Whatever is wrong becomes a problem with its place; a tenant with problems is still read to
its end, so that one check names them all.
"""

from __future__ import annotations

import ipaddress
import re

from anaros.policy.document import Node, Scalar, Table
from anaros.policy.model import (
    DeviceRule,
    FabricRule,
    Match,
    Place,
    Runtime,
    Sockets,
    Tenant,
)
from anaros.policy.reader import Fields, Reader, quoted

VERSION = 1

#: Ordinals that the control page can hold.
ORDINAL_MAX = 31

#: Fabric rules that one tenant may have: the size of the counters' map.
FABRIC_RULES_MAX = 64

#: Destinations that one rule may name.
DESTINATIONS_MAX = 256

DEFAULT = "default"

_FILE = ("version", "tenants", "default")
_TENANT = ("name", "reason", "match", "device", "fabric", "hide_names", "device_time")
_DEFAULT = ("reason", "device", "fabric", "hide_names", "device_time")
#: Nothing said, and what can be.
_DEVICE_TIMES = ("off", "queue", "kernel")
_MATCH = ("user", "executable", "argv", "argv_regex")
_DEVICE = ("visible", "order", "runtime", "reason", "metric")
_FABRIC = ("interface", "source", "to", "mark", "sockets", "reason", "metric")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_INTERFACE = re.compile(r"[^\s/:]{1,15}")
_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_WHY = "say why in one sentence"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def read_file(reader: Reader, root: Node) -> list[Tenant]:
    """The tenants of one file, the default as the last; problems go to ``reader``."""
    fields = reader.fields(root, "a policy file", _FILE)
    _check_version(fields)
    tenants = []
    node = fields.get("tenants")
    if isinstance(node, Scalar):
        reader.complain(node.place, "tenants: must be a list", "begin each tenant with - name:")
    elif node is not None:
        tenants = [_tenant(reader, item) for item in reader.items(node, "tenants:")]
    default = fields.get("default")
    if default is not None:
        tenants.append(_default(reader, default))
    if not tenants and not reader.problems:
        reader.complain(fields.place, "the file has no tenant", "add tenants: or default:")
    return tenants


def check_tenants(reader: Reader, tenants: list[Tenant]) -> list[Tenant]:
    """Check what only all files together show, and put the default last."""
    seen: dict[str, Place] = {}
    for tenant in tenants:
        if tenant.name in seen:
            what = "default:" if tenant.match is None else f"the tenant {quoted(tenant.name)}"
            first = seen[tenant.name]
            reader.complain(tenant.place, f"{what} is already there", f"the other is at {first}")
        elif tenant.name:
            seen[tenant.name] = tenant.place
    return [tenant for tenant in tenants if tenant.match] + [
        tenant for tenant in tenants if not tenant.match
    ]


def _check_version(fields: Fields) -> None:
    if fields.get("version") is None:
        if fields.misspelled:
            return
        fields.reader.complain(
            fields.place, "a policy file needs version:", f"begin it with: version: {VERSION}"
        )
        return
    number = fields.integer("version", 1, 1 << 31)
    if number is not None and number != VERSION:
        fields.reader.complain(
            fields.place_of("version"),
            f"the file is of version {number}, this anaros reads {VERSION}",
            f"install a newer anaros, or write version: {VERSION}",
        )


def _tenant(reader: Reader, node: Node) -> Tenant:
    fields = reader.fields(node, "a tenant", _TENANT)
    name = fields.text("name", required="give it a name")
    if name and not _NAME.fullmatch(name):
        remedy = "use letters, digits, dot, dash and underscore"
        reader.complain(fields.place_of("name"), f"{quoted(name)} is no name", remedy)
    if name == DEFAULT:
        reader.complain(fields.place_of("name"), "a tenant cannot be named default", "rename it")
    match = fields.get("match")
    if match is None and not fields.misspelled:
        remedy = "say whom it is for, or move it to default:"
        reader.complain(fields.place, f"the tenant {quoted(name)} needs match:", remedy)
    return _tenant_of(fields, name, _match(reader, match) if match else Match())


def _default(reader: Reader, node: Node) -> Tenant:
    return _tenant_of(reader.fields(node, "default:", _DEFAULT), DEFAULT, None)


def _tenant_of(fields: Fields, name: str, match: Match | None) -> Tenant:
    return Tenant(
        name=name,
        match=match,
        device=_device_of(fields),
        fabric=_fabric_of(fields),
        reason=fields.text("reason"),
        place=fields.place,
        hide_names=fields.flag("hide_names"),
        device_time=fields.choice("device_time", _DEVICE_TIMES, ""),
    )


def _match(reader: Reader, node: Node) -> Match:
    fields = reader.fields(node, "match:", _MATCH)
    users = fields.texts_or_integers("user")
    for user, place in users:
        if isinstance(user, int) and not 0 <= user < 1 << 32:
            reader.complain(place, f"{user} is no uid", "write a name or a uid")
    executables = fields.texts("executable")
    for pattern, place in executables:
        if not pattern.startswith(("/", "*")):
            remedy = f"write an absolute path, or {'*/' + pattern!r}"
            reader.complain(place, f"{quoted(pattern)} matches no absolute path", remedy)
    regex = fields.text("argv_regex")
    if regex:
        try:
            re.compile(regex)
        except (re.error, RecursionError, OverflowError) as error:
            reader.complain(
                fields.place_of("argv_regex"),
                f"argv_regex: is no regular expression: {error}",
                "escape what is meant literally with \\",
            )
    match = Match(
        users=tuple(user for user, _ in users),
        executables=tuple(pattern for pattern, _ in executables),
        arguments=tuple(pattern for pattern, _ in fields.texts("argv")),
        command_regex=regex,
    )
    if match == Match() and not reader.problems:
        reader.complain(node.place, "match: matches everything", "use default: for that")
    return match


def _device_of(tenant: Fields) -> DeviceRule | None:
    node = tenant.get("device")
    if node is None:
        return None
    fields = tenant.reader.fields(node, "a device rule", _DEVICE)
    visible, order = (_selectors(fields, key) for key in ("visible", "order"))
    if visible is None and order is None and not fields.misspelled:
        fields.reader.complain(node.place, "a device rule needs visible: or order:", "add one")
    return DeviceRule(
        visible=visible,
        order=order,
        runtime=Runtime(fields.choice("runtime", tuple(Runtime), Runtime.BOTH)),
        reason=fields.text("reason", required=_WHY),
        metric=fields.text("metric"),
        place=node.place,
    )


def _selectors(fields: Fields, key: str) -> tuple[int | str, ...] | None:
    if fields.get(key) is None:
        return None
    kept: list[int | str] = []
    for selector, place in fields.texts_or_integers(key):
        if isinstance(selector, int) and not 0 <= selector <= ORDINAL_MAX:
            fields.reader.complain(
                place, f"{selector} is no device ordinal", f"write 0 to {ORDINAL_MAX}"
            )
        elif isinstance(selector, str) and "," in selector:
            fields.reader.complain(
                place, f"{quoted(selector)} holds a comma", "make it two entries of the list"
            )
        elif selector in kept:
            fields.reader.complain(place, f"{selector} is written twice", "keep one")
        else:
            kept.append(selector)
    return tuple(kept)


def _fabric_of(tenant: Fields) -> tuple[FabricRule, ...]:
    reader = tenant.reader
    node = tenant.get("fabric")
    if isinstance(node, Table):
        reader.complain(node.place, "fabric: must be a list of rules", "begin the rule with -")
        return ()
    items = reader.items(node, "fabric:")
    if len(items) > FABRIC_RULES_MAX:
        reader.complain(
            tenant.place_of("fabric"), f"more than {FABRIC_RULES_MAX} fabric rules", "join some"
        )
    before = len(reader.problems)
    rules = tuple(_fabric(reader, item) for item in items)
    if len(reader.problems) == before:
        _check_overlap(reader, rules)
    return rules


def _fabric(reader: Reader, node: Node) -> FabricRule:
    fields = reader.fields(node, "a fabric rule", _FABRIC)
    interface = fields.text("interface")
    if interface and not _INTERFACE.fullmatch(interface):
        remedy = "an interface name has at most 15 characters, none of them / or :"
        reader.complain(fields.place_of("interface"), f"{quoted(interface)} is no name", remedy)
    if interface == "lo":
        remedy = "local connections are never rewritten"
        reader.complain(fields.place_of("interface"), "the interface cannot be lo", remedy)
    source = _sources(fields)
    networks = _networks(fields)
    mark = fields.integer("mark", 1, (1 << 32) - 1)
    sockets = Sockets(fields.choice("sockets", tuple(Sockets), Sockets.CONNECTING))
    if not fields.misspelled and not {"interface", "source", "mark"} & fields.values.keys():
        remedy = "add interface:, source: or mark:"
        reader.complain(node.place, "a fabric rule needs something to set", remedy)
    if sockets is Sockets.ALL and fields.get("to") is not None:
        reader.complain(
            fields.place_of("sockets"),
            "sockets: all cannot stand with to:, a new socket has no destination yet",
            "drop one of them",
        )
    if sockets is Sockets.ALL and not interface and mark is None:
        remedy = "add interface: or mark:"
        reader.complain(fields.place_of("sockets"), "sockets: all needs something to set", remedy)
    _check_families(fields, interface, source, networks, mark)
    return FabricRule(
        interface=interface or None,
        source=tuple(str(address) for address in source),
        to=tuple(str(network) for network in networks),
        mark=mark,
        sockets=sockets,
        reason=fields.text("reason", required=_WHY),
        metric=fields.text("metric"),
        place=node.place,
    )


def _sources(fields: Fields) -> list[Address]:
    found: list[Address] = []
    for text, place in fields.texts("source"):
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            fields.reader.complain(place, f"{quoted(text)} is no address", "write e.g. 10.0.0.1")
            continue
        if address.is_loopback or address.is_multicast or address.is_unspecified:
            remedy = "write an address of the interface"
            fields.reader.complain(place, f"{text} cannot be a source", remedy)
        elif address.version == 6 and (address.is_link_local or address.ipv4_mapped):
            remedy = "write a global address of the interface"
            fields.reader.complain(place, f"{text} cannot be a source", remedy)
        elif any(address.version == other.version for other in found):
            fields.reader.complain(
                place, f"two sources of IPv{address.version} in one rule", "make it two rules"
            )
        else:
            found.append(address)
    return found


def _networks(fields: Fields) -> list[Network]:
    found: list[Network] = []
    entries = fields.texts("to")
    if len(entries) > DESTINATIONS_MAX:
        remedy = "use shorter prefixes"
        place = fields.place_of("to")
        fields.reader.complain(place, f"more than {DESTINATIONS_MAX} destinations", remedy)
    for text, place in entries:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            remedy = "write ADDRESS/BITS, e.g. 10.0.0.0/24"
            fields.reader.complain(place, f"{quoted(text)} is no network", remedy)
            continue
        if "/" in text and ipaddress.ip_interface(text).ip != network.network_address:
            remedy = f"did you mean {network}?"
            fields.reader.complain(place, f"{quoted(text)} has bits behind its prefix", remedy)
        elif any(network.subnet_of(own) for own in _LOOPBACK if own.version == network.version):  # type: ignore[arg-type]
            remedy = "local connections are never rewritten"
            fields.reader.complain(place, f"{text} is this machine itself", remedy)
        elif (
            network.version == 6 and network.network_address.ipv4_mapped and network.prefixlen > 95
        ):
            remedy = "write the IPv4 network, it holds for both"
            fields.reader.complain(place, f"{text} is IPv4 inside IPv6", remedy)
        else:
            found.append(network)
    return found


def _check_families(
    fields: Fields,
    interface: str,
    source: list[Address],
    networks: list[Network],
    mark: int | None,
) -> None:
    """A destination whose family has no source would be matched for nothing."""
    if interface or mark is not None or not source:
        return
    families = {address.version for address in source}
    for network in networks:
        if network.version not in families:
            fields.reader.complain(
                fields.place_of("to"),
                f"{network} is IPv{network.version}, and the rule has no such source",
                "add a source of that family, or an interface",
            )


def _check_overlap(reader: Reader, rules: tuple[FabricRule, ...]) -> None:
    """The longest prefix wins, so the same prefix twice has no winner."""
    seen: dict[str, Place] = {}
    for rule in rules:
        for network in rule.to or ("every destination",):
            if network in seen:
                reader.complain(
                    rule.place, f"two rules are for {network}", f"the other is at {seen[network]}"
                )
            seen[network] = rule.place

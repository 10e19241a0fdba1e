# SPDX-License-Identifier: Apache-2.0
"""Fabric: which interface, source address and mark the connections of one cgroup get.

Three BPF programs hang on the cgroup of the run, each by a link that this process holds. No
pins: when the process ends, however it ends, the programs are gone and new connections go
their old way.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from anaros.errors import AnarosError, GovernError
from anaros.govern import plan
from anaros.govern.cgroups import is_cgroup2
from anaros.policy.model import Decision, FabricRule

_COUNTERS = struct.Struct("=QQQQQ")
_CONNECT = ("fabric_connect4", "fabric_connect6")
_CREATE = "fabric_create"


@dataclass(frozen=True, slots=True)
class FabricCounters:
    """What became of the sockets that one rule was for.

    Attributes:
        connected: Connections that got all that the rule names.
        created: Datagram and raw sockets that got it at their creation.
        own: Left alone, as the program had bound or marked the socket itself.
        failed: Could not be set, and went their old way.
        elsewhere: Left alone, as the socket is in another network namespace.
    """

    connected: int
    created: int
    own: int
    failed: int
    elsewhere: int


class FabricRewrite:
    """A fabric rewrite that is at work until ``revert``, or until this process ends."""

    def __init__(self, rules: tuple[FabricRule, ...], programs: _Programs | None) -> None:
        self.rules = rules
        self._programs = programs
        self._last = tuple(FabricCounters(0, 0, 0, 0, 0) for _ in rules)

    @property
    def active(self) -> bool:
        """True while new connections are rewritten."""
        return self._programs is not None

    def counters(self) -> tuple[FabricCounters, ...]:
        """The counters of each rule; after ``revert`` the last ones."""
        if self._programs is not None:
            self._last = tuple(self._programs.counters(i) for i in range(len(self.rules)))
        return self._last

    def revert(self) -> None:
        """Let new connections go their old way; those that exist keep theirs."""
        if self._programs is not None:
            self.counters()
            self._programs.close()
            self._programs = None

    def describe(self) -> tuple[str, ...]:
        """One sentence for each rule: what it does, and how often it did."""
        return tuple(
            f"{describe_rule(rule)}: {_counted(count)}"
            for rule, count in zip(self.rules, self.counters(), strict=True)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.revert()


def apply(decision: Decision, cgroup: Path, program: Path | None = None) -> FabricRewrite:
    """Rewrite the connections that processes in ``cgroup`` make from now on.

    Args:
        decision: What the policy says; without fabric rules nothing is loaded.
        cgroup: A cgroup v2 folder; its children are covered too.
        program: The BPF object, None for the built one.

    Raises:
        GovernError: Something stands in the way; nothing was changed.
    """
    if not decision.fabric:
        return FabricRewrite((), None)
    for obstacle in plan.obstacles(decision.fabric):
        raise obstacle
    if not is_cgroup2(cgroup):
        raise GovernError(f"{cgroup} is not a cgroup v2", "let anaros make the cgroup: run as root")
    if program is None:
        from anaros.artifacts import bpf_object

        try:
            program = bpf_object("fabric")
        except AnarosError as error:
            raise GovernError(error.fact, error.remedy) from error
    layout = plan.compile_rules(decision.fabric)
    programs = _Programs(program)
    try:
        programs.load(layout)
        programs.attach(cgroup, layout.creates)
    except BaseException:
        programs.close()
        raise
    return FabricRewrite(decision.fabric, programs)


def describe_rule(rule: FabricRule) -> str:
    """A rule as a sentence without its end: "to 10.0.0.0/24 by eth1 from 10.0.0.1"."""
    parts = [f"to {', '.join(rule.to) or 'every destination'}"]
    if rule.interface:
        parts.append(f"by {rule.interface}")
    if rule.source:
        parts.append(f"from {' or '.join(rule.source)}")
    if rule.mark is not None:
        parts.append(f"with mark {rule.mark:#x}")
    return " ".join(parts)


def _counted(count: FabricCounters) -> str:
    parts = [f"{count.connected} connection{'' if count.connected == 1 else 's'}"]
    named = {
        "sockets at creation": count.created,
        "left alone as bound by the program": count.own,
        "that could not be set": count.failed,
        "in another network namespace": count.elsewhere,
    }
    return ", ".join(parts + [f"{number} {what}" for what, number in named.items() if number])


def _libbpf() -> tuple[Any, Any]:
    try:
        from anaros.natives import libbpf

        ffi = libbpf()
        return ffi, ffi.dlopen("libbpf.so.1")
    except AnarosError as error:
        raise GovernError(error.fact, error.remedy) from error
    except OSError as error:
        raise GovernError("libbpf.so.1 cannot be loaded", "apt install libbpf1") from error


class _Programs:
    """The BPF object: loaded, filled, attached, closed."""

    def __init__(self, path: Path) -> None:
        self._ffi, self._lib = _libbpf()
        self._links: list[Any] = []
        self._object = self._lib.bpf_object__open_file(os.fsencode(path), self._ffi.NULL)
        if not self._object:
            raise self._failed(f"{path} cannot be opened")

    def load(self, layout: plan.Plan) -> None:
        printer = self._lib.libbpf_set_print(self._ffi.NULL)
        refused = self._lib.bpf_object__load(self._object)
        code = self._ffi.errno
        self._lib.libbpf_set_print(printer)
        if refused:
            raise self._failed("the kernel refuses the fabric programs", code)
        for index, rule in enumerate(layout.rules):
            self._put("rules", struct.pack("=I", index), rule)
        for name, entries in zip(
            ("destinations4", "destinations6"), layout.destinations, strict=True
        ):
            for key, value in entries.items():
                self._put(name, key, value)
        self._put("settings", bytes(4), layout.settings)

    def attach(self, cgroup: Path, creates: bool) -> None:
        try:
            folder = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise GovernError(f"{cgroup} cannot be opened: {error.strerror}") from error
        try:
            for name in (*_CONNECT, _CREATE) if creates else _CONNECT:
                program = self._lib.bpf_object__find_program_by_name(self._object, name.encode())
                link = program and self._lib.bpf_program__attach_cgroup(program, folder)
                if not link:
                    raise self._failed(f"{name} cannot be attached to {cgroup}")
                self._links.append(link)
        finally:
            os.close(folder)

    def counters(self, index: int) -> FabricCounters:
        value = self._ffi.new("char[]", _COUNTERS.size)
        key = struct.pack("=I", index)
        if self._lib.bpf_map_lookup_elem(self._map("counters"), key, value):
            raise self._failed("the counters cannot be read")
        return FabricCounters(*_COUNTERS.unpack(self._ffi.buffer(value)))

    def close(self) -> None:
        """Idempotent."""
        for link in self._links:
            self._lib.bpf_link__destroy(link)
        self._links.clear()
        if self._object:
            self._lib.bpf_object__close(self._object)
            self._object = None

    def _map(self, name: str) -> int:
        found: int = self._lib.bpf_map__fd(
            self._lib.bpf_object__find_map_by_name(self._object, name.encode())
        )
        return found

    def _put(self, name: str, key: bytes, value: bytes) -> None:
        if self._lib.bpf_map_update_elem(self._map(name), key, value, 0):
            raise self._failed(f"the map {name} cannot be filled")

    def _failed(self, fact: str, code: int | None = None) -> GovernError:
        code = self._ffi.errno if code is None else code
        reason = os.strerror(code) if code else "no reason given"
        return GovernError(f"{fact}: {reason}", "see what this kernel offers with: anaros doctor")

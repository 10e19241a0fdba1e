# SPDX-License-Identifier: Apache-2.0
"""What a policy says, as facts.

A rule is one wish for one resource. A new sort of rule is a dataclass here, a reader in
``schema.py`` and a room in ``anaros.govern``; nothing else knows the sorts by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Runtime(StrEnum):
    """The device runtimes that a device rule speaks to."""

    CUDA = "cuda"
    OPENCL = "opencl"
    BOTH = "both"

    def covers(self, other: Runtime) -> bool:
        """True where a rule for this runtime holds for ``other``."""
        return self is Runtime.BOTH or self is other


class Sockets(StrEnum):
    """When a fabric rule takes hold of a socket."""

    CONNECTING = "connecting"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a policy file; line and column count from 1."""

    file: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a policy file: where, what, and the nearest right word."""

    place: Place
    fact: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.fact}" + (f"; {self.remedy}" if self.remedy else "")


@dataclass(frozen=True, slots=True)
class DeviceRule:
    """Which devices the workload sees, and in which order.

    Attributes:
        visible: Ordinals, UUIDs and globs over names; None leaves all visible.
        order: The same; what it names comes first. None keeps the order of ``visible``.
        runtime: The runtimes that the rule holds for.
    """

    visible: tuple[int | str, ...] | None
    order: tuple[int | str, ...] | None
    runtime: Runtime
    reason: str
    metric: str
    place: Place


@dataclass(frozen=True, slots=True)
class FabricRule:
    """Which interface, source address and mark new connections get.

    Attributes:
        interface: Name of the interface, or None.
        source: At most one address of each family, in text.
        to: Destinations in CIDR form; empty means every destination but local ones.
        mark: Firewall mark for policy routing, or None.
        sockets: ``all`` also binds datagram and raw sockets when they are made.
    """

    interface: str | None
    source: tuple[str, ...]
    to: tuple[str, ...]
    mark: int | None
    sockets: Sockets
    reason: str
    metric: str
    place: Place


@dataclass(frozen=True, slots=True)
class Match:
    """Who a tenant is. Each list that is not empty must match; an empty one matches anything.

    Attributes:
        users: Names and uids; one of them must match.
        executables: Globs over the absolute path; one of them must match.
        arguments: Globs over single arguments; each must match one of them.
        command_regex: Regular expression searched in the quoted command line; empty for none.
    """

    users: tuple[str | int, ...] = ()
    executables: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    command_regex: str = ""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A workload and what holds for it. ``match`` is None for the default tenant.

    ``hide_names`` keeps names of files and peers, and the command's arguments, out of its runs.
    ``device_time`` is where their device times come from; empty where the policy does not say.
    """

    name: str
    match: Match | None
    device: DeviceRule | None
    fabric: tuple[FabricRule, ...]
    reason: str
    place: Place
    hide_names: bool = False
    device_time: str = ""

    @property
    def rules(self) -> tuple[DeviceRule | FabricRule, ...]:
        """All rules of this tenant, device first."""
        device = (self.device,) if self.device else ()
        return (*device, *self.fabric)


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy in force.

    Attributes:
        files: The files it was read from, in the order in which they count.
        digest: SHA-256 (hex) over what the files mean: comments and layout do not change it,
            the order of tenants does.
        tenants: In the order in which they are tried; the default, if any, is last.
    """

    files: tuple[Path, ...]
    digest: str
    tenants: tuple[Tenant, ...]

    @property
    def rules(self) -> tuple[DeviceRule | FabricRule, ...]:
        """The rules of all tenants."""
        return tuple(rule for tenant in self.tenants for rule in tenant.rules)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a tenant matched, and why."""

    tenant: str
    matched: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What a policy says about one command.

    Attributes:
        tenant: Name of the tenant that matched, or None.
        device: Its device rule, or None.
        fabric: Its fabric rules; empty for none.
        verdicts: One for each tenant that was tried, in order.
        digest: Digest of the policy; empty where there is none.
        hide_names: Names stay out of the run.
        device_time: Where device times come from; empty where the policy does not say.
    """

    tenant: str | None
    device: DeviceRule | None
    fabric: tuple[FabricRule, ...]
    verdicts: tuple[Verdict, ...]
    digest: str
    hide_names: bool = False
    device_time: str = ""

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each tenant that was tried."""
        return tuple(f"{verdict.tenant}: {verdict.reason}" for verdict in self.verdicts)

    @property
    def changes_nothing(self) -> bool:
        """True where no rule holds for the command."""
        return self.device is None and not self.fabric

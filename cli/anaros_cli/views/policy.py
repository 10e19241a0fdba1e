# SPDX-License-Identifier: Apache-2.0
"""Draws policies: what is wrong with them, what they say, what they would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from anaros.errors import PolicyError
from anaros.policy.model import DeviceRule, FabricRule, Match, Place, Policy, Problem


def plain(value: object) -> Any:
    """A fact of a policy as data for JSON; unset is null."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Place | Path):
        return str(value)
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return None if value == "" else value


def check_frame(policy: Policy, found: Sequence[Problem | PolicyError]) -> RenderableType:
    """Each problem with its remedy below it, and the verdict."""
    lines: list[Text] = []
    for one in found:
        where = Text(f"{one.place}: ", "bold") if isinstance(one, Problem) else Text()
        lines.append(where.append(one.fact, "red"))
        if one.remedy:
            lines.append(Text(f"  → {one.remedy}", "dim"))
    if found:
        lines += [Text(), Text(f"{_number(len(found), 'problem')}.", "bold red")]
    elif not policy.files:
        lines.append(Text("There is no policy file in /etc/anaros."))
    else:
        words = f"{_number(len(policy.files), 'file')}, {_number(len(policy.tenants), 'tenant')}, "
        words += f"{_number(len(policy.rules), 'rule')}: nothing is wrong."
        lines.append(Text(words, "bold green"))
    return Group(*lines)


def show_frame(policy: Policy) -> RenderableType:
    """The tenants in the order in which they are tried, with their rules."""
    if not policy.files:
        return Text("No policy is in force: /etc/anaros has no policy file.")
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for tenant in policy.tenants:
        table.add_row(tenant.name, Text(_match(tenant.match)))
        if tenant.reason:
            table.add_row("", Text(tenant.reason, "dim"))
        if tenant.hide_names:
            table.add_row(
                "", Text("names of files and peers, and the command's arguments, are hidden")
            )
        if tenant.device_time:
            table.add_row("", Text(f"device time: {tenant.device_time}"))
        for rule in tenant.rules:
            table.add_row("", Text(_rule(rule)))
            table.add_row("", Text(f"  {_why(rule)}", "dim"))
    files = ", ".join(str(path) for path in policy.files)
    return Group(table, Text(), Text(f"digest {policy.digest}\nfrom {files}", "dim"))


def explain_frame(found: Mapping[str, Any]) -> RenderableType:
    """Which tenants were tried, what would be done, and what stands in the way."""
    lines = [Text.assemble("program  ", (found["program"], "bold"))]
    lines.append(Text.assemble("tenant   ", (found["tenant"] or "none", "bold")))
    for verdict in found["tried"]:
        mark = Text("  yes ", "green") if verdict["matched"] else Text("  no  ", "dim")
        lines.append(mark.append(f"{verdict['tenant']}: {verdict['reason']}"))
    if not found["tried"]:
        lines.append(Text("  no policy is in force", "dim"))
    if not found["rewrites"] and not found["obstacles"]:
        lines += [Text(), Text("Nothing would be changed.")]
    for rewrite in found["rewrites"]:
        lines += [Text(), Text.assemble((rewrite["what"], "bold"), f": {rewrite['reason']}")]
        lines += [Text(f"  {note}") for note in rewrite["notes"]]
    if found["obstacles"]:
        lines += [Text(), Text("In the way on this machine:", "bold red")]
    for obstacle in found["obstacles"]:
        lines.append(Text(f"  {obstacle['fact']}", "red"))
        if obstacle["remedy"]:
            lines.append(Text(f"    → {obstacle['remedy']}", "dim"))
    return Group(*lines)


def _match(match: Match | None) -> str:
    if match is None:
        return "what no other tenant matches"
    parts = {
        "user": match.users,
        "executable": match.executables,
        "argv": match.arguments,
        "argv_regex": (match.command_regex,) if match.command_regex else (),
    }
    return ", ".join(
        f"{key} {' | '.join(str(word) for word in words)}" for key, words in parts.items() if words
    )


def _rule(rule: DeviceRule | FabricRule) -> str:
    if isinstance(rule, FabricRule):
        from anaros.govern.fabric import describe_rule

        every = ", all sockets" if rule.sockets == "all" else ""
        return f"fabric  {describe_rule(rule)}{every}"
    parts = [f"device  {rule.runtime.value}"]
    for key, words in (("visible", rule.visible), ("order", rule.order)):
        if words is not None:
            parts.append(f"{key} {', '.join(str(word) for word in words)}")
    return "  ".join(parts)


def _why(rule: DeviceRule | FabricRule) -> str:
    return f"{rule.reason} (moves {rule.metric})" if rule.metric else rule.reason


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"

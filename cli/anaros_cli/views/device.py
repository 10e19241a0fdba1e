# SPDX-License-Identifier: Apache-2.0
"""Draws what became of device time: one line of a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anaros_cli.views import format as fmt


def device_time(found: Mapping[str, Any]) -> list[str]:
    """The parts of the line; none where no device was driven."""
    parts = []
    if found["told"]:
        parts.append(f"device times of {fmt.number(found['told'], 'run')}")
        if found["residual_ns"] is not None:
            parts.append(f"clock within {fmt.duration(found['residual_ns'])}")
    if found["lost"]:
        parts.append(f"{found['lost']:,} lost")
    refused = [each for each in found["outcomes"] if each["outcome"] != "on"]
    for each in refused[:1]:
        by = f" ({fmt.printable(each['by'])})" if each["by"] else ""
        parts.append(f"no device time in pid {each['pid']}: {each['outcome']}{by}")
    if len(refused) > 1:
        parts.append(f"and in {len(refused) - 1} more")
    return parts

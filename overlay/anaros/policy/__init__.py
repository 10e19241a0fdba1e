# SPDX-License-Identifier: Apache-2.0
"""Policy: what shall be changed for which workload, read from files and validated.

``load`` reads, ``select`` finds what holds for one command, ``anaros.govern`` does it.

Names are imported when they are used: most runs have no policy, and need only
``anaros.policy.files.system_files`` to know.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anaros.policy.loading import InvalidPolicyError, examine, load
    from anaros.policy.model import (
        Decision,
        DeviceRule,
        FabricRule,
        Match,
        Place,
        Policy,
        Problem,
        Runtime,
        Sockets,
        Tenant,
        Verdict,
    )
    from anaros.policy.selection import select

__all__ = [
    "Decision",
    "DeviceRule",
    "FabricRule",
    "InvalidPolicyError",
    "Match",
    "Place",
    "Policy",
    "Problem",
    "Runtime",
    "Sockets",
    "Tenant",
    "Verdict",
    "examine",
    "load",
    "select",
]

_HOMES = {
    "InvalidPolicyError": "loading",
    "examine": "loading",
    "load": "loading",
    "select": "selection",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'model')}"), name)
    globals()[name] = found
    return found

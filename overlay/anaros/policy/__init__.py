# SPDX-License-Identifier: Apache-2.0
"""Policy: what shall be changed for which workload, read from files and validated.

``load`` reads, ``select`` finds what holds for one command, ``anaros.govern`` does it. A YAML
parser is imported only where there is a file to read.
"""

from __future__ import annotations

from anaros.policy.load import InvalidPolicyError, examine, load
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
from anaros.policy.select import select

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

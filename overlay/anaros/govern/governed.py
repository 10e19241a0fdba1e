# SPDX-License-Identifier: Apache-2.0
"""One workload under a policy, from the decision to the last counter.

A rule that cannot be applied is kept with its reason and changes nothing; the others hold, and
the workload runs in any case. Only a policy file that is not valid or not trusted is an error:
nobody knows what it was meant to say.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anaros.errors import GovernError
from anaros.policy.files import system_files

if TYPE_CHECKING:
    from anaros.govern.fabric import FabricRewrite
    from anaros.policy import Decision


class Governed:
    """A workload and the rewrites that hold for it.

    Args:
        decision: What the policy says.
        files: The files that said it.
        environment: What the workload would start with.

    Attributes:
        environment: What it starts with.
        cuda: Order of CUDA devices for the control page; None lets the runtime's list pass.
        opencl: The same for OpenCL.
    """

    def __init__(
        self, decision: Decision, files: Sequence[Path], environment: Mapping[str, str]
    ) -> None:
        self.decision = decision
        self.files = tuple(files)
        self.environment = dict(environment)
        self.cuda: tuple[int, ...] | None = None
        self.opencl: tuple[int, ...] | None = None
        self.not_applied: list[GovernError] = []
        self._device_notes: tuple[str, ...] = ()
        self._fabric: FabricRewrite | None = None
        if decision.device is not None:
            self._choose_devices()

    def _choose_devices(self) -> None:
        from anaros.govern import device

        try:
            found = device.rewrite(self.decision, self.environment)
        except GovernError as error:
            self.not_applied.append(error)
            return
        self.environment.update(found.environment)
        self.cuda, self.opencl = found.cuda, found.opencl
        self._device_notes = found.notes

    def enter(self, cgroup: Path | None) -> None:
        """Rewrite the connections of a cgroup from now on.

        Args:
            cgroup: Where the workload will run; None where it could not be given one.
        """
        if not self.decision.fabric:
            return
        from anaros.govern import fabric

        try:
            if cgroup is None:
                raise GovernError(
                    "without a cgroup of its own the workload's connections cannot be told apart",
                    "run as root",
                )
            self._fabric = fabric.apply(self.decision, cgroup)
        except GovernError as error:
            self.not_applied.append(error)

    def leave(self) -> None:
        """Take the fabric rewrite back; the counters stay readable."""
        if self._fabric is not None:
            self._fabric.revert()

    def meta(self) -> dict[str, Any]:
        """What a run directory keeps: digest, tenant, files, rewrites and what was not applied."""
        rewrites: list[dict[str, Any]] = []
        rule = self.decision.device
        if rule is not None and self._device_notes:
            rewrites.append(
                {
                    "what": "device",
                    "did": "; ".join(self._device_notes),
                    "reason": rule.reason,
                    "metric": rule.metric or None,
                }
            )
        if self._fabric is not None:
            rewrites += [
                {"what": "fabric", "did": did, "reason": own.reason, "metric": own.metric or None}
                for own, did in zip(self.decision.fabric, self._fabric.describe(), strict=True)
            ]
        return {
            "digest": self.decision.digest,
            "tenant": self.decision.tenant,
            "files": [str(path) for path in self.files],
            "rewrites": rewrites,
            "not_applied": [str(error) for error in self.not_applied],
        }


def govern(
    files: Sequence[Path], program: Path, argv: Sequence[str], environment: Mapping[str, str]
) -> Governed | None:
    """Decide for a workload that is to start, and work out its device rewrite.

    Args:
        files: Policy files that the user named; empty takes those of the system.
        program: The program, found through PATH.
        argv: Its command line.
        environment: What it would start with.

    Returns:
        None where there is no policy at all.

    Raises:
        PolicyError: A file is not valid or not trusted.
    """
    if not files and not system_files():
        return None
    from anaros.policy import load, select

    policy = load(list(files) or None)
    decision = select(policy, str(os.geteuid()), program, argv)
    return Governed(decision, policy.files, environment)

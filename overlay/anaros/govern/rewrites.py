# SPDX-License-Identifier: Apache-2.0
"""All rewrites of one run: decided before the program starts, all of them or none.

Without policy files nothing of this is imported but this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anaros.errors import AnarosError, GovernError, PolicyError

if TYPE_CHECKING:
    from anaros.govern.fabric import FabricRewrite
    from anaros.policy import Decision

_SYSTEM_FOLDER = Path("/etc/anaros")


class Rewrites:
    """What a policy changes for one run.

    Written out, for every run makes one before its program starts and dataclasses take 10 ms to
    import.

    Attributes:
        digest: Digest of the policy; None without one.
        files: The policy's files.
        tenant: The tenant that matched; None for none.
        environment: What is set in the program's environment.
        cuda: Order of CUDA devices for the control page, None to let the list pass.
        opencl: The same for OpenCL.
        done: One sentence for each rewrite.
        not_applied: One sentence for each that could not be made, with its remedy.
        fabric: The connections that are rewritten while the run lasts.
        hide_names: Names of files and peers, and the command's arguments, stay out of the run.
        device_time: Where device times come from; empty where the policy does not say.
    """

    def __init__(
        self,
        *,
        digest: str | None = None,
        files: tuple[str, ...] = (),
        tenant: str | None = None,
        not_applied: tuple[str, ...] = (),
        hide_names: bool = False,
        device_time: str = "",
    ) -> None:
        self.digest = digest
        self.files = files
        self.tenant = tenant
        self.environment: dict[str, str] = {}
        self.cuda: tuple[int, ...] | None = None
        self.opencl: tuple[int, ...] | None = None
        self.done: tuple[str, ...] = ()
        self.not_applied = not_applied
        self.fabric: FabricRewrite | None = None
        self.hide_names = hide_names
        self.device_time = device_time

    def describe(self) -> dict[str, object]:
        """For ``meta.json``; connections rewritten so far are counted."""
        fabric = self.fabric.describe() if self.fabric is not None else ()
        return {
            "digest": self.digest,
            "files": list(self.files),
            "tenant": self.tenant,
            "rewrites": [*self.done, *fabric],
            "not_applied": list(self.not_applied),
        }

    def revert(self) -> None:
        """Takes back what outlives the program's start."""
        if self.fabric is not None:
            self.fabric.revert()
            self.fabric = None


def decide(
    argv: Sequence[str],
    program: Path,
    user: str,
    environment: Mapping[str, str],
    files: Sequence[Path],
    cgroup: Path | None,
) -> Rewrites:
    """Finds the rewrites for a command and makes those that come before its start.

    Args:
        argv: The command line.
        program: The file that it runs.
        user: Who runs it.
        environment: What it would start with.
        files: Policies that the user named; none: those of /etc/anaros.
        cgroup: The run's cgroup; None where there is none.

    Returns:
        The rewrites; where one could not be made, none is, and ``not_applied`` says why.

    Raises:
        PolicyError: A file that the user named is missing, not trusted or not valid.
    """
    if not files and not _SYSTEM_FOLDER.is_dir():
        return Rewrites()
    from anaros.policy import load, select

    try:
        policy = load(files or None)
    except PolicyError as problem:
        if files:
            raise
        # The system's policy is not the user's to mend: the program runs without it.
        return Rewrites(not_applied=(str(problem),))
    if not policy.digest:
        return Rewrites()
    decision = select(policy, user, program, argv)
    found = Rewrites(
        digest=policy.digest,
        files=tuple(str(path) for path in policy.files),
        tenant=decision.tenant,
        hide_names=decision.hide_names,
        device_time=decision.device_time,
    )
    if decision.changes_nothing:
        return found
    try:
        _make(found, decision, environment, cgroup)
    except AnarosError as problem:
        found.revert()
        return Rewrites(
            digest=found.digest,
            files=found.files,
            tenant=found.tenant,
            not_applied=(str(problem),),
            hide_names=found.hide_names,
            device_time=found.device_time,
        )
    return found


def _make(
    found: Rewrites, decision: Decision, environment: Mapping[str, str], cgroup: Path | None
) -> None:
    from anaros.govern import device, fabric

    change = device.rewrite(decision, environment)
    if decision.fabric:
        if cgroup is None:
            raise GovernError(
                "the run has no cgroup v2 of its own, so its connections cannot be told apart",
                "run as root, with cgroup v2 mounted",
            )
        found.fabric = fabric.apply(decision, cgroup)
    found.environment = change.environment
    found.cuda, found.opencl = change.cuda, change.opencl
    found.done = change.notes

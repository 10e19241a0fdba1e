# SPDX-License-Identifier: Apache-2.0
"""What ``meta.json`` says of a run: at its start, and when all its records are durable."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence

from anaros import __version__
from anaros.capture.program.child import exit_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from anaros.capture.host.quota import Quota
    from anaros.session.parts import Parts


def user_name() -> str:
    """Who runs us; the number where it has no name."""
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def at_start(parts: Parts, argv: Sequence[str], name: str, shared: Path) -> dict[str, object]:
    """What a report needs even if we are killed before the end."""
    from pathlib import Path

    words = [Path(argv[0]).name] if parts.hide_names else argv
    return {
        "name": name,
        # Bytes that are not UTF-8 are spelled out: JSON cannot hold them.
        "command": [os.fsencode(word).decode(errors="backslashreplace") for word in words],
        "names_hidden": parts.hide_names,
        "state": "running",
        "start_ns": time.monotonic_ns(),
        "start_unix_ns": time.time_ns(),
        "user": parts.user[0] if parts.user is not None else user_name(),
        "working_directory": None
        if parts.hide_names
        else os.fsencode(Path.cwd()).decode(errors="backslashreplace"),
        "versions": {"anaros": __version__},
        "shm": str(shared),
        "cgroup": str(parts.leaf.path) if parts.leaf is not None else None,
        "policy": parts.rewrites.describe() if parts.rewrites is not None else None,
        "device_time": parts.device_time,
        "kernel_plane": kernel_off(parts.kernel_reason) if parts.kernel_reason else None,
        "nccl_profiler": "hidden"
        if parts.hide_names and parts.nccl_profiler is not None
        else parts.nccl_profiler,
    }


def libraries(followed: Mapping[str, int], *, hidden: bool) -> list[dict[str, object]]:
    """Where libraries lie, and since when in ns they are followed."""
    return [
        {"path": path.rpartition("/")[2] if hidden else path, "since_ns": since_ns}
        for path, since_ns in followed.items()
    ]


def throttled(quota: Quota | None, *, hidden: bool) -> list[dict[str, object]] | None:
    """What quotas of CPU cost; without names only which of them, from below."""
    if quota is None:
        return None
    used = quota.used()
    if hidden:
        for number, group in enumerate(used):
            group["cgroup"] = f"#{number + 1}"
    return used


def kernel_off(reason: str) -> dict[str, object]:
    """What stands where the kernel plane is not at work."""
    return {"active": False, "missing": [], "reason": reason}


def fate(status: int) -> dict[str, object]:
    """How the program ended, by its wait status."""
    code = exit_code(status)
    return {
        "exit_code": code if code >= 0 else None,
        "term_signal": -code if code < 0 else None,
    }


def at_end(parts: Parts, status: int, started_cpu_s: float) -> dict[str, Any]:
    """What is known when all records are durable."""
    import resource

    from anaros.capture.host import machine

    assert parts.arena is not None
    assert parts.recorder is not None
    usage = resource.getrusage(resource.RUSAGE_SELF)
    by_probe = parts.kernel.drops() if parts.kernel else None
    lost = parts.recorder.kernel_samples_lost
    residual_last_ns, residual_max_ns = parts.arena.clock_residual_ns()
    return {
        "state": "finished",
        "shm": None,
        "end_ns": time.monotonic_ns(),
        **fate(status),
        "host": machine.identity(),
        "kernel_plane": {
            "active": True,
            "loader": parts.kernel.loader,
            "missing": [*parts.kernel.missing(), *(parts.bare.missing() if parts.bare else ())],
            "reason": None,
            "since_ns": parts.kernel.since_ns(),
            "cufile": libraries(parts.kernel.cufile(), hidden=parts.hide_names),
            "bare": parts.bare.told() if parts.bare else [],
        }
        if parts.kernel is not None
        else kernel_off(parts.kernel_reason),
        "drops": {
            "shim": parts.arena.drops() + parts.recorder.unwritten,
            "kernel": sum(by_probe.values()) + lost if by_probe is not None else None,
            "by_probe": by_probe,
        },
        "budget": parts.account.told() if parts.account is not None else None,
        "throttled": throttled(parts.quota, hidden=parts.hide_names),
        "counters": parts.arena.counters(),
        "policy": parts.rewrites.describe() if parts.rewrites else None,
        "clock": {"residual_last_ns": residual_last_ns, "residual_max_ns": residual_max_ns},
        "overhead": {
            "record_ns": parts.arena.record_cost_ns(),
            "records": parts.recorder.records,
            "supervisor_cpu_s": usage.ru_utime + usage.ru_stime - started_cpu_s,
            "supervisor_rss_bytes": usage.ru_maxrss * 1024,
            "bpf_run_time_ns": parts.kernel.run_time_ns() if parts.kernel else None,
        },
    }

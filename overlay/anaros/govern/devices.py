# SPDX-License-Identifier: Apache-2.0
"""Which devices a workload would see, before any rewrite."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc/driver/nvidia/gpus")
_WAIT_S = 10.0

#: What must not reach a program that only looks.
_HIDDEN = ("CUDA_VISIBLE_DEVICES", "LD_PRELOAD")

PCI_ORDER = "PCI_BUS_ID"


@dataclass(frozen=True, slots=True)
class CudaDevice:
    """A CUDA device.

    Attributes:
        bus_ordinal: Its number by PCI address, as nvidia-smi counts.
        runtime_ordinal: Its number as the CUDA runtime of the workload counts.
    """

    bus_ordinal: int
    runtime_ordinal: int
    name: str
    uuid: str


@dataclass(frozen=True, slots=True)
class OpenclDevice:
    """An OpenCL device.

    Attributes:
        index: Its number in the list of all devices of all platforms.
        uuid: Empty where the platform does not tell it.
    """

    index: int
    name: str
    platform: str
    uuid: str


def cuda_devices(
    environment: Mapping[str, str], proc: Path = _PROC
) -> tuple[CudaDevice, ...] | None:
    """All CUDA devices by PCI address, those too that ``CUDA_VISIBLE_DEVICES`` hides.

    The kernel driver's own list is enough where all devices are of one model, as the runtime
    then counts them by PCI address too; else the runtime is asked.

    Returns:
        None where there is no CUDA driver.
    """
    listed = _listed(proc)
    same = len({name for _, name, _ in listed}) == 1
    if listed and (same or environment.get("CUDA_DEVICE_ORDER") == PCI_ORDER):
        return tuple(CudaDevice(i, i, name, uuid) for i, (_, name, uuid) in enumerate(listed))
    rows = _ask("cuda", environment)
    if rows is None:
        return None
    by_bus = sorted(range(len(rows)), key=lambda ordinal: rows[ordinal]["bus"])
    return tuple(
        CudaDevice(place, ordinal, rows[ordinal]["name"], rows[ordinal]["uuid"])
        for place, ordinal in enumerate(by_bus)
    )


def opencl_devices(environment: Mapping[str, str]) -> tuple[OpenclDevice, ...] | None:
    """All OpenCL devices in the order in which a program finds them.

    Returns:
        None where there is no OpenCL loader.
    """
    rows = _ask("opencl", environment, keep=("CUDA_VISIBLE_DEVICES",))
    if rows is None:
        return None
    return tuple(
        OpenclDevice(index, row["name"], row["platform"], row["uuid"])
        for index, row in enumerate(rows)
    )


def _listed(proc: Path) -> list[tuple[str, str, str]]:
    """(bus, model, UUID) of each device in the kernel driver's list, by bus."""
    found = []
    try:
        for folder in sorted(proc.iterdir()):
            lines = (folder / "information").read_text(errors="replace").splitlines()
            facts = {
                key.strip(): value.strip() for key, _, value in (x.partition(":") for x in lines)
            }
            uuid = facts.get("GPU UUID", "")
            if not uuid.startswith("GPU-") or "?" in uuid:
                return []
            found.append((folder.name, facts.get("Model", ""), uuid))
    except OSError:
        return []
    return found


def _ask(
    runtime: str, environment: Mapping[str, str], keep: tuple[str, ...] = ()
) -> list[dict[str, str]] | None:
    hidden = [name for name in _HIDDEN if name not in keep]
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(Path(__file__).with_name("probe.py")), runtime],
            env={key: value for key, value in environment.items() if key not in hidden},
            capture_output=True,
            timeout=_WAIT_S,
            check=True,
        )
        found: list[dict[str, str]] | None = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return found

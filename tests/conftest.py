# SPDX-License-Identifier: Apache-2.0
"""The report's header: what this machine is, and what is built."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def _shim() -> str:
    library = ROOT / "shim/libanaros.so"
    if not library.is_file():
        return "not built"
    return f"built, sha256 {hashlib.sha256(library.read_bytes()).hexdigest()[:12]}"


def _gpu() -> str:
    versions = Path("/proc/driver/nvidia/version")
    return versions.read_text().splitlines()[0] if versions.is_file() else "none"


def _btf() -> str:
    return "yes" if os.access("/sys/kernel/btf/vmlinux", os.R_OK) else "no"


def _native() -> str:
    found = importlib.util.find_spec("anaros._native")
    return Path(found.origin).name if found and found.origin else "not built"


def pytest_report_header() -> list[str]:
    objects = sorted(path.name.split(".")[0] for path in (ROOT / "ebpf").glob("*.bpf.o"))
    root = "no" if os.getuid() else "yes"
    return [
        f"kernel: {platform.release()}, BTF: {_btf()}, root: {root}, GPU: {_gpu()}",
        f"shim: {_shim()}, native drain: {_native()}, BPF objects: {' '.join(objects) or 'none'}",
    ]

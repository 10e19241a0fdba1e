# SPDX-License-Identifier: Apache-2.0
"""What of this machine can be used: the facts behind `anaros doctor`.

No function here changes anything, and none raises: what cannot be told is None.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from anaros.capture.host.machine import field, read

#: Bits of the capability sets in /proc/PID/status that Anaros can make use of.
CAPABILITIES = {
    "CAP_KILL": 5,
    "CAP_NET_ADMIN": 12,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYS_RESOURCE": 24,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}

_BTF = Path("/sys/kernel/btf/vmlinux")
#: Where distributions keep BCC's package, which has nothing to do with its namesake on PyPI.
_BCC = (
    Path("/usr/lib/python3/dist-packages/bcc"),
    Path(f"/usr/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages/bcc"),
)
_BPF_SYSCALL = {"x86_64": 321, "aarch64": 280}
_BPF_MAP_CREATE = 0
_BPF_MAP_TYPE_ARRAY = 2
_PROBE_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Cgroup:
    """Where this process lies in the cgroup v2 tree.

    Attributes:
        mount: Where the tree is mounted.
        path: The directory of this process's group.
        writable: A group for the workload can be made below it.
    """

    mount: Path
    path: Path
    writable: bool


@dataclass(frozen=True, slots=True)
class Probe:
    """What a probe in a process of its own found.

    Attributes:
        found: What it printed, or None where it failed.
        reason: Why it failed, as one line; empty where it did not.
    """

    found: dict[str, object] | None
    reason: str


def capabilities() -> frozenset[str] | None:
    """The names of CAPABILITIES that this process has; None where /proc does not tell."""
    word = field("/proc/self/status", "CapEff")
    if word is None:
        return None
    effective = int(word, 16)
    return frozenset(name for name, bit in CAPABILITIES.items() if effective >> bit & 1)


def btf_bytes() -> int | None:
    """The size of the kernel's type information; None where it has none."""
    try:
        return _BTF.stat().st_size or None
    except OSError:
        return None


def bcc_folder() -> Path | None:
    """The Python package of BCC, which loads the probes where the kernel has no BTF."""
    return next((folder for folder in _BCC if (folder / "libbcc.py").is_file()), None)


def tracepoints(names: frozenset[str]) -> frozenset[str] | None:
    """Those of ``names`` that this kernel has as BTF tracepoints; None where it has no BTF."""
    try:
        types = _BTF.read_bytes()
    except OSError:
        return None
    return frozenset(name for name in names if b"\0btf_trace_" + name.encode() + b"\0" in types)


def bpf_errno() -> int | None:
    """0 where the bpf system call makes a map for this process, else the errno it failed with.

    None on an architecture whose system call number is not known here. Containers often forbid
    the call to root too, so capabilities alone do not answer this.
    """
    number = _BPF_SYSCALL.get(os.uname().machine)
    if number is None:
        return None
    # union bpf_attr of BPF_MAP_CREATE: map_type, key_size, value_size, max_entries
    attributes = (ctypes.c_uint32 * 32)(_BPF_MAP_TYPE_ARRAY, 4, 8, 1)
    libc = ctypes.CDLL(None, use_errno=True)
    size = ctypes.c_uint(ctypes.sizeof(attributes))
    descriptor = libc.syscall(
        ctypes.c_long(number), ctypes.c_long(_BPF_MAP_CREATE), ctypes.byref(attributes), size
    )
    if descriptor < 0:
        return ctypes.get_errno()
    os.close(descriptor)
    return 0


def libbpf_version() -> str | None:
    """The version of the libbpf.so.1 that the loader finds, e.g. ``1.1``; None: there is none."""
    try:
        library = ctypes.CDLL("libbpf.so.1")
        version = library.libbpf_version_string
    except (OSError, AttributeError):
        return None
    version.restype = ctypes.c_char_p
    text: bytes = version() or b""
    return text.decode(errors="replace").removeprefix("v") or None


def has_uprobes() -> bool:
    """Whether the kernel can put probes at functions of programs."""
    return Path("/sys/bus/event_source/devices/uprobe").is_dir()


def ptrace_scope() -> int | None:
    """Yama's ``kernel.yama.ptrace_scope``; None on a kernel without Yama."""
    text = read("/proc/sys/kernel/yama/ptrace_scope")
    return int(text) if text is not None and text.strip().isdigit() else None


def cgroup() -> Cgroup | None:
    """This process's place in the cgroup v2 tree; None where the tree is not mounted."""
    mount = _cgroup_mount()
    inside = next(
        (
            line[3:]
            for line in (read("/proc/self/cgroup") or "").splitlines()
            if line.startswith("0::")
        ),
        None,
    )
    if mount is None or inside is None:
        return None
    path = mount / inside.removeprefix("/")
    return Cgroup(mount, path, path.is_dir() and os.access(path, os.W_OK | os.X_OK))


def _cgroup_mount() -> Path | None:
    for line in (read("/proc/self/mountinfo") or "").splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            return Path(before.split()[4].encode().decode("unicode_escape"))
    return None


def shared_memory_bytes(path: str = "/dev/shm") -> tuple[int, int] | None:
    """Size and free space of the file system that holds the arena; None where it is missing."""
    try:
        facts = os.statvfs(path)
    except OSError:
        return None
    return facts.f_blocks * facts.f_frsize, facts.f_bavail * facts.f_frsize


def preload(library: Path) -> str:
    """Start a trivial program under ``library``; why it did not come up clean, empty if it did."""
    environment = {**os.environ, "LD_PRELOAD": str(library)}
    try:
        done = subprocess.run(
            ["true"], env=environment, capture_output=True, timeout=_PROBE_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return _first_line(str(error))
    said = _first_line(done.stderr.decode(errors="replace"))
    if done.returncode != 0:
        return said or f"a program under it ended with {done.returncode}"
    return said


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def in_own_process(probe: str, timeout_s: float = _PROBE_TIMEOUT_S) -> Probe:
    """Call the function ``probe`` of this module in a process of its own.

    A broken driver may hang, print or crash; that must not take the caller with it.
    """
    code = (
        f"import json; from anaros.capture.host import survey; print(json.dumps(survey.{probe}()))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment.pop("LD_PRELOAD", None)
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            env=environment,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Probe(None, f"it did not answer within {timeout_s:g} s")
    except OSError as error:
        return Probe(None, str(error))
    lines = done.stdout.decode(errors="replace").splitlines()
    if done.returncode < 0:
        return Probe(None, f"it was ended by signal {-done.returncode}")
    try:
        return Probe(json.loads(lines[-1]), "")
    except (IndexError, ValueError):
        errors = done.stderr.decode(errors="replace").splitlines()
        return Probe(None, errors[-1].strip() if errors else "it said nothing")


def cuda_driver() -> dict[str, object]:
    """Ask the CUDA driver for its version and devices. Call it through ``in_own_process``.

    Returns:
        ``{"version", "devices": [{"name", "memory_bytes", "uuid"}], "error"}``; ``version`` is
        None where no driver library is found, ``error`` the driver's result where it refused.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return {"version": None, "devices": [], "error": _first_line(str(error))}
    number = ctypes.c_int(0)
    driver.cuDriverGetVersion(ctypes.byref(number))
    version = f"{number.value // 1000}.{number.value % 1000 // 10}"
    result = driver.cuInit(0)
    if result != 0:
        return {"version": version, "devices": [], "error": _cuda_error(driver, result)}
    count = ctypes.c_int(0)
    driver.cuDeviceGetCount(ctypes.byref(count))
    devices = [_cuda_device(driver, ordinal) for ordinal in range(count.value)]
    return {"version": version, "devices": devices, "error": None}


def _cuda_error(driver: ctypes.CDLL, result: int) -> str:
    text = ctypes.c_char_p()
    name = getattr(driver, "cuGetErrorName", None)
    if name is None or name(result, ctypes.byref(text)) != 0 or not text.value:
        return f"cuInit gave {result}"
    return f"cuInit gave {text.value.decode(errors='replace')} ({result})"


def _cuda_device(driver: ctypes.CDLL, ordinal: int) -> dict[str, object]:
    device = ctypes.c_int(0)
    driver.cuDeviceGet(ctypes.byref(device), ordinal)
    name = ctypes.create_string_buffer(128)
    driver.cuDeviceGetName(name, len(name), device)
    memory = ctypes.c_size_t(0)
    driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    uuid = (ctypes.c_ubyte * 16)()
    known = driver.cuDeviceGetUuid(uuid, device) == 0
    return {
        "name": name.value.decode(errors="replace"),
        "memory_bytes": memory.value,
        "uuid": bytes(uuid).hex() if known else None,
    }


def opencl() -> dict[str, object]:
    """Ask OpenCL, as pyopencl sees it here, for its platforms. Call it through ``in_own_process``.

    Returns:
        ``{"pyopencl", "platforms": [{"name", "version", "devices": [name]}], "error"}``;
        ``pyopencl`` is its version, None where it is not installed.
    """
    try:
        import pyopencl
    except ImportError as error:
        return {"pyopencl": None, "platforms": [], "error": str(error)}
    platforms: list[dict[str, object]] = []
    reason: str | None = None
    try:
        for found in pyopencl.get_platforms():
            devices = [device.name for device in found.get_devices()]
            platforms.append({"name": found.name, "version": found.version, "devices": devices})
    except pyopencl.Error as error:
        reason = _first_line(str(error))
    return {"pyopencl": pyopencl.VERSION_TEXT, "platforms": platforms, "error": reason}


def cupti() -> dict[str, object]:
    """Look for CUPTI as the shim does. Call it through ``in_own_process``.

    Returns:
        ``{"named", "path", "version"}``; ``named`` is what ANAROS_CUPTI holds, ``path`` is None
        where none loads, ``version`` is CUPTI's own number, as 28 or 130500; None where it does
        not tell.
    """
    told = os.environ.get("ANAROS_CUPTI", "")
    if told:
        return {"named": told, **_cupti_of([told] if told.startswith("/") else [])}
    names = ["libcupti.so.13", "libcupti.so.12"]
    for folder in ("extras/CUPTI/lib64", "lib64"):
        names += [f"/usr/local/cuda/{folder}/libcupti.so.{major}" for major in (13, 12)]
    for place in filter(None, sys.path):
        names += [str(path) for path in sorted(Path(place).glob("nvidia/*/lib/libcupti.so.1[23]"))]
    return {"named": None, **_cupti_of(names)}


def _cupti_of(names: list[str]) -> dict[str, object]:
    for name in names:
        try:
            library = ctypes.CDLL(name)
            number = ctypes.c_uint32(0)
            failed = library.cuptiGetVersion(ctypes.byref(number))
        except (OSError, AttributeError):
            continue
        return {"path": name, "version": None if failed else number.value}
    return {"path": None, "version": None}


def opencl_icds() -> tuple[str, ...]:
    """The installed OpenCL drivers: the names of the files that tell the loader about them."""
    folder = Path(os.environ.get("OCL_ICD_VENDORS") or "/etc/OpenCL/vendors")
    if folder.is_file():
        return (folder.name,)
    return tuple(sorted(path.name for path in folder.glob("*.icd")))


def bpf_tracepoints(folder: Path) -> frozenset[str]:
    """The tracepoints that the built probes in ``folder`` want, from their ELF section names."""
    wanted: set[str] = set()
    for path in folder.glob("*.bpf.o"):
        found = re.findall(rb"(?:tp_btf|raw_tp)/([a-z0-9_]+)\0", path.read_bytes())
        wanted.update(name.decode() for name in found)
    return frozenset(wanted)

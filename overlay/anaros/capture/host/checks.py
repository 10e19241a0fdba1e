# SPDX-License-Identifier: Apache-2.0
"""Judges the facts of ``survey``: what works here, what does not, and the remedy.

A check is a function from nothing to a ``Check``. The required ones decide whether `anaros run`
can work at all; the others say what a run will not see.
"""

from __future__ import annotations

import errno
import importlib
import importlib.metadata
import os
import platform
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from anaros import __version__, artifacts, natives
from anaros.capture.host import machine, survey
from anaros.errors import AnarosError, CaptureError
from anaros.store.rundir import runs_root

#: What one run takes of shared memory: two segments of columns that are being filled, and rings
#: of 128 MiB, fewer where less than twice that is free.
SHARED_BYTES = 256 << 20
SHARED_BYTES_MIN = 96 << 20
#: Below this much free space a run would end before it tells anything.
DISK_BYTES_MIN = 64 << 20

#: What is loaded into the kernel, and what does not work without it.
BPF_OBJECTS = {
    "anaros": "the kernel plane",
    "more": "memory, interrupts, files, io_uring, locks",
    "cufile": "cuFile",
    "syscalls": "anaros attach",
    "device": "calls of devices under anaros attach",
    "fabric": "fabric rules",
}

#: What the probes of system calls take.
ATTACH_LINUX = (5, 17)
_TRACED_BY_NOBODY = 3  # of kernel.yama.ptrace_scope

PACKAGES = ("cffi", "click", "duckdb", "numpy", "orjson", "psutil", "pyroute2", "pyyaml", "rich")

#: As the shim judges: a count up to CUDA 12, from 13.0 on as 130500.
CUPTI_VERSIONS = (range(19, 100), range(130000, 140000))

#: Folders that one line names.
_LISTED = 3

_MIB = 1 << 20
_GIB = 1 << 30


class State(StrEnum):
    """How far a thing works."""

    WORKS = "works"
    LIMITED = "limited"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `anaros doctor`.

    Attributes:
        name: What was looked at.
        state: How far it works.
        fact: What was found, as one line.
        remedy: What helps; empty where nothing is wrong.
        required: `anaros run` cannot work while this is missing.
    """

    name: str
    state: State
    fact: str
    remedy: str = ""
    required: bool = False


def examine() -> tuple[Check, ...]:
    """Make every check, the required ones first. Takes about half a second."""
    return (
        check_system(),
        check_shim(),
        check_drain(),
        check_packages(),
        check_shared_memory(survey.shared_memory_bytes()),
        *check_left_behind(),
        check_runs(runs_root()),
        check_btf(survey.btf_bytes(), survey.bcc_folder()),
        check_capabilities(survey.capabilities()),
        check_bpf_call(survey.bpf_errno()),
        check_libbpf(survey.libbpf_version(), _refused(natives.libbpf)),
        *check_probes(),
        check_attach(os.uname().release, uprobes=survey.has_uprobes()),
        check_inject(
            platform.machine(),
            survey.ptrace_scope(),
            survey.capabilities(),
            _refused(_load_inject),
        ),
        check_cgroup(survey.cgroup()),
        check_cuda(survey.in_own_process("cuda_driver")),
        check_cupti(survey.in_own_process("cupti")),
        check_opencl(survey.in_own_process("opencl"), survey.opencl_icds()),
    )


def can_run(checks: tuple[Check, ...]) -> bool:
    """Whether `anaros run` can work at all."""
    return all(check.state is not State.MISSING for check in checks if check.required)


def versions() -> dict[str, str | None]:
    """The versions of all that takes part; None for what is not installed."""
    found: dict[str, str | None] = {
        "anaros": __version__,
        "python": platform.python_version(),
        "libc": " ".join(platform.libc_ver()).strip() or None,
        "libbpf": survey.libbpf_version(),
    }
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


def check_system() -> Check:
    """The kernel and the processor."""
    facts = machine.identity()
    fact = f"Linux {facts['kernel']} on {facts['machine']}, {facts['cpus_usable']} CPUs"
    if facts["os"]:
        fact += f", {facts['os']}"
    if facts["machine"] not in ("x86_64", "aarch64"):
        remedy = "anaros is built for x86_64 and aarch64"
        return Check("system", State.MISSING, fact, remedy, required=True)
    return Check("system", State.WORKS, fact, required=True)


def check_shim() -> Check:
    """The preload library: built, and a program comes up under it."""
    try:
        library = artifacts.shim_library()
    except AnarosError as error:
        return Check("shim", State.MISSING, error.fact, error.remedy, required=True)
    said = survey.preload(library)
    if said:
        remedy = "run scripts/setup again on this machine"
        return Check("shim", State.MISSING, f"it does not load: {said}", remedy, required=True)
    return Check("shim", State.WORKS, "a program starts under it", required=True)


def check_drain() -> Check:
    """The native module that empties the rings."""
    try:
        natives.native()
    except AnarosError as error:
        return Check("drain", State.MISSING, error.fact, error.remedy, required=True)
    return Check("drain", State.WORKS, "the native module loads", required=True)


def check_packages() -> Check:
    """The Python packages that Anaros is built on."""
    found = versions()
    missing = [package for package in PACKAGES if found[package] is None]
    if missing:
        fact = f"missing: {', '.join(missing)}"
        remedy = "run scripts/setup, or install anaros again"
        return Check("packages", State.MISSING, fact, remedy, required=True)
    fact = f"Python {found['python']}, duckdb {found['duckdb']}, numpy {found['numpy']}"
    return Check("packages", State.WORKS, fact, required=True)


def check_shared_memory(facts: tuple[int, int] | None) -> Check:
    """Room in /dev/shm for the rings; ``facts`` are its size and free space in bytes."""
    name = "shared memory"
    if facts is None:
        return Check(name, State.MISSING, "no /dev/shm", "mount a tmpfs there", required=True)
    size, free = facts
    fact = f"/dev/shm: {free // _MIB:,} of {size // _MIB:,} MiB free"
    if free >= SHARED_BYTES:
        return Check(name, State.WORKS, fact, required=True)
    remedy = "remove what fills /dev/shm"
    if size < SHARED_BYTES:
        remedy = "mount -o remount,size=512m /dev/shm (in a container: --shm-size=512m)"
    if free >= SHARED_BYTES_MIN:
        fact += ", so the rings are smaller than usual"
        return Check(name, State.LIMITED, fact, remedy, required=True)
    fact += f", a run needs {SHARED_BYTES_MIN // _MIB}"
    return Check(name, State.MISSING, fact, remedy, required=True)


def check_left_behind() -> tuple[Check, ...]:
    """Runs whose supervisor was killed and that nobody has finished; nothing where none is."""
    try:
        from anaros.capture.rings.recovery import left_behind
    except (ImportError, AnarosError):
        return ()  # the checks of the drain and the packages tell why
    folders = left_behind()
    if not folders:
        return ()
    listed = ", ".join(str(folder) for folder in folders[:_LISTED])
    if len(folders) > _LISTED:
        listed += f" and {len(folders) - _LISTED} more"
    count = f"{len(folders)} run{'' if len(folders) == 1 else 's'}"
    return (
        Check(
            "left behind",
            State.LIMITED,
            f"{count} without a supervisor: {listed}",
            "anaros report RUN saves what they hold and removes them; without the run: rm -r",
        ),
    )


def check_runs(root: Path) -> Check:
    """Room for run directories under ``root``, or where it would be made."""
    place = root.absolute()
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        fact = f"{place} cannot be written to"
        remedy = "set ANAROS_RUNS to a directory that can, or use --output"
        return Check("runs", State.MISSING, fact, remedy, required=True)
    free = shutil.disk_usage(place).free
    fact = f"{root}: {free / _GIB:,.1f} GiB free"
    if free < DISK_BYTES_MIN:
        remedy = "free some space, or set ANAROS_RUNS to another disk"
        return Check("runs", State.MISSING, fact, remedy, required=True)
    return Check("runs", State.WORKS, fact, required=True)


def check_btf(size: int | None, bcc: Path | None) -> Check:
    """The kernel's type information, which libbpf fits the BPF programs to, or BCC in its place."""
    if size is not None:
        fact = f"{size / _MIB:.1f} MiB of kernel types: libbpf loads the probes"
        return Check("BTF", State.WORKS, fact)
    fact, kernel = "this kernel has no /sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF"
    if bcc is None:
        remedy = f"apt-get install python3-bpfcc, or boot a kernel with {kernel}: without either "
        return Check("BTF", State.MISSING, fact, f"{remedy}the kernel plane stays off")
    fact += f": BCC in {bcc} loads some of the probes"
    return Check("BTF", State.LIMITED, fact, f"boot a kernel with {kernel} for the others")


def check_capabilities(held: frozenset[str] | None) -> Check:
    """What this user may do; ``held`` as ``survey.capabilities`` tells it."""
    name, remedy = "capabilities", "for what the kernel sees, run as root or with sudo"
    if held is None:
        return Check(name, State.LIMITED, "/proc does not tell them", remedy)
    wanted = ("CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN", "CAP_SYS_PTRACE")
    lacking = [word for word in wanted if word not in held]
    if "CAP_SYS_ADMIN" in held:
        lacking = [word for word in lacking if word not in ("CAP_BPF", "CAP_PERFMON")]
    who = "root" if os.geteuid() == 0 else f"user {os.geteuid()}"
    if not lacking:
        return Check(name, State.WORKS, f"{who}, with all that is needed")
    state = State.MISSING if "CAP_BPF" in lacking or "CAP_PERFMON" in lacking else State.LIMITED
    return Check(name, state, f"{who}, without {', '.join(lacking)}", remedy)


def check_bpf_call(number: int | None) -> Check:
    """The bpf system call; ``number`` as ``survey.bpf_errno`` tells it."""
    if number == 0:
        return Check("bpf call", State.WORKS, "the kernel makes a map for this process")
    if number is None:
        return Check("bpf call", State.LIMITED, "not tried on this processor")
    fact = f"the kernel refuses it: {os.strerror(number)}"
    if number in (errno.EPERM, errno.EACCES):
        remedy = (
            "run as root; in a container, allow CAP_BPF and the bpf call in its seccomp profile"
        )
    else:
        remedy = "boot a kernel with CONFIG_BPF_SYSCALL"
    return Check("bpf call", State.MISSING, fact, remedy)


def check_libbpf(version: str | None, problem: AnarosError | None = None) -> Check:
    """The library that loads the BPF objects, and the module that calls it."""
    if version is None:
        return Check("libbpf", State.MISSING, "no libbpf.so.1", "apt-get install libbpf1")
    if problem is not None:
        return Check("libbpf", State.MISSING, problem.fact, problem.remedy)
    return Check("libbpf", State.WORKS, f"version {version}")


def check_probes() -> tuple[Check, ...]:
    """The BPF objects, and whether this kernel has the tracepoints that they want."""
    setup = "run scripts/setup, or install the wheel"
    try:
        folder = artifacts.folder("ebpf")
    except AnarosError as error:
        return (Check("BPF objects", State.MISSING, error.fact, error.remedy),)
    missing = []
    for name in BPF_OBJECTS:
        try:
            artifacts.bpf_object(name)
        except AnarosError:
            missing.append(name)
    if "anaros" in missing:
        return (Check("BPF objects", State.MISSING, "the probes have not been built", setup),)
    if missing:
        without = ", ".join(f"{name} ({BPF_OBJECTS[name]})" for name in missing)
        fact = f"built, but not {without}"
        objects = Check("BPF objects", State.LIMITED, fact, setup)
    else:
        objects = Check("BPF objects", State.WORKS, ", ".join(BPF_OBJECTS))
    return objects, check_tracepoints(folder)


def check_tracepoints(folder: Path) -> Check:
    """The tracepoints that the probes in ``folder`` want, against those of this kernel."""
    wanted = survey.bpf_tracepoints(folder)
    present = survey.tracepoints(wanted)
    if present is None:
        return Check("tracepoints", State.MISSING, "not to be told without BTF")
    lacking = sorted(wanted - present)
    if lacking:
        fact = f"{len(present)} of {len(wanted)}; missing: {', '.join(lacking)}"
        remedy = "what they would show stays unknown on this kernel"
        return Check("tracepoints", State.LIMITED, fact, remedy)
    return Check("tracepoints", State.WORKS, f"all {len(wanted)} that the probes want")


def check_attach(release: str, *, uprobes: bool) -> Check:
    """What `anaros attach` takes of the kernel beside the kernel plane."""
    version = tuple(int(word) for word in re.findall(r"\d+", release)[:2])
    if version < ATTACH_LINUX:
        remedy = "boot Linux {}.{} or newer".format(*ATTACH_LINUX)
        return Check("attach", State.MISSING, f"not on Linux {release}", remedy)
    if not uprobes:
        fact = "without the calls of device libraries: this kernel has no uprobes"
        return Check("attach", State.LIMITED, fact, "boot a kernel with CONFIG_UPROBE_EVENTS")
    fact = "the kernel tells the calls of processes that run, those of devices too"
    return Check("attach", State.WORKS, fact)


def _load_inject() -> None:
    try:
        importlib.import_module("anaros._inject")
    except ImportError as problem:
        remedy = "run scripts/setup, or install anaros again"
        raise CaptureError(f"anaros._inject cannot be loaded: {problem}", remedy) from problem


def _refused(load: Callable[[], object]) -> AnarosError | None:
    """Why something cannot be loaded; None where it can."""
    try:
        load()
    except AnarosError as problem:
        return problem
    return None


def check_inject(
    machine_name: str,
    scope: int | None,
    held: frozenset[str] | None,
    problem: AnarosError | None = None,
) -> Check:
    """What `anaros attach --inject` takes; ``scope`` is Yama's, None where there is none."""
    capable = held is not None and "CAP_SYS_PTRACE" in held
    if machine_name != "x86_64":
        fact, remedy = f"not built for {machine_name}", "use anaros attach without --inject"
        return Check("inject", State.MISSING, fact, remedy)
    if problem is not None:
        return Check("inject", State.MISSING, problem.fact, problem.remedy)
    if scope == _TRACED_BY_NOBODY:
        fact, remedy = "kernel.yama.ptrace_scope is 3: nobody may trace", "boot without it"
        return Check("inject", State.MISSING, fact, remedy)
    if scope and not capable:
        fact = f"kernel.yama.ptrace_scope is {scope}: only a parent may trace"
        return Check(
            "inject", State.MISSING, fact, "use sudo, or sysctl kernel.yama.ptrace_scope=0"
        )
    if not capable:
        fact = "into processes of this user alone: CAP_SYS_PTRACE is lacking"
        return Check("inject", State.LIMITED, fact, "run as root or with sudo")
    return Check("inject", State.WORKS, "the shim can be loaded into a process that runs")


def check_cgroup(place: survey.Cgroup | None) -> Check:
    """Where the workload's own control group can be made."""
    if place is None:
        remedy = "mount one: mount -t cgroup2 none /sys/fs/cgroup/unified; fabric rules need it"
        return Check("cgroup v2", State.MISSING, "no cgroup v2 tree is mounted", remedy)
    if not place.writable:
        remedy = "run as root, or have the group delegated; fabric rules need it"
        return Check("cgroup v2", State.LIMITED, f"{place.path} cannot be written to", remedy)
    return Check("cgroup v2", State.WORKS, f"{place.path} can be written to")


def check_cuda(probe: survey.Probe) -> Check:
    """The CUDA driver and its devices, as ``survey.cuda_driver`` found them."""
    name = "CUDA driver"
    if probe.found is None:
        fact = f"its driver does not come up: {probe.reason}"
        return Check(name, State.MISSING, fact, "reinstall the NVIDIA driver, see nvidia-smi")
    found: dict[str, Any] = probe.found
    if found["version"] is None:
        remedy = "needed only to record CUDA: install the NVIDIA driver"
        return Check(name, State.MISSING, "no libcuda.so.1 on this machine", remedy)
    fact = f"driver for CUDA {found['version']}"
    if found["error"] is not None:
        return Check(name, State.MISSING, f"{fact}; {found['error']}", "see nvidia-smi")
    devices = [f"{d['name']} ({d['memory_bytes'] / _GIB:.0f} GiB)" for d in found["devices"]]
    if not devices:
        return Check(name, State.LIMITED, f"{fact}, no device", "see nvidia-smi")
    return Check(name, State.WORKS, f"{fact}: {', '.join(devices)}")


def check_cupti(probe: survey.Probe) -> Check:
    """The library of `anaros run --device-time kernel`, as ``survey.cupti`` found it."""
    needed = "needed only by anaros run --device-time kernel"
    if probe.found is None:
        fact = f"it does not load: {probe.reason}"
        return Check("CUPTI", State.MISSING, fact, needed)
    found: dict[str, Any] = probe.found
    if found["path"] is None and found.get("named"):
        fact = f"ANAROS_CUPTI names {found['named']}, which does not load as a CUPTI"
        remedy = f"{needed}: set it to the path of a libcupti.so.13 or .12, or unset it"
        return Check("CUPTI", State.MISSING, fact, remedy)
    if found["path"] is None:
        remedy = f"{needed}: pip install nvidia-cuda-cupti, or set ANAROS_CUPTI to its path"
        return Check("CUPTI", State.MISSING, "no libcupti.so.13 or libcupti.so.12", remedy)
    number = found["version"]
    if number is None:
        remedy = f"{needed}: it does so beside a driver"
        return Check("CUPTI", State.LIMITED, f"{found['path']} does not tell its version", remedy)
    fact = f"{found['path']}, version {number}"
    if not any(number in known for known in CUPTI_VERSIONS):
        remedy = f"{needed}: it knows those of CUDA 12 and 13"
        return Check("CUPTI", State.LIMITED, f"{fact}, is not known to this anaros", remedy)
    return Check("CUPTI", State.WORKS, fact)


def check_opencl(probe: survey.Probe, icds: tuple[str, ...]) -> Check:
    """OpenCL as pyopencl sees it, and the installed drivers ``icds``."""
    installed = f"drivers: {', '.join(icds)}" if icds else "no driver in /etc/OpenCL/vendors"
    if probe.found is None:
        fact = f"it does not come up: {probe.reason}"
        return Check("OpenCL", State.MISSING, fact, f"look at the {installed}")
    found: dict[str, Any] = probe.found
    if found["pyopencl"] is None:
        remedy = (
            "needed only by programs that use it: pip install pyopencl pocl-binary-distribution"
        )
        state = State.LIMITED if icds else State.MISSING
        return Check("OpenCL", state, f"no pyopencl here; {installed}", remedy)
    if not found["platforms"]:
        fact = f"pyopencl {found['pyopencl']} finds no platform; {installed}"
        return Check("OpenCL", State.MISSING, fact, "pip install pocl-binary-distribution")
    counts = [(platform["name"], len(platform["devices"])) for platform in found["platforms"]]
    names = [f"{name} ({count} device{'' if count == 1 else 's'})" for name, count in counts]
    return Check("OpenCL", State.WORKS, f"pyopencl {found['pyopencl']}: {', '.join(names)}")

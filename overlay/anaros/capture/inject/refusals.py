# SPDX-License-Identifier: Apache-2.0
"""Why the shim cannot be loaded into a process, asked before anything of it is stopped."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path

from anaros.capture.host import machine
from anaros.capture.inject.elf import MACHINES, ElfFile
from anaros.capture.inject.seat import seat
from anaros.errors import InjectError
from anaros.govern.cgroups import cgroup2_mounts

_WITHOUT = "attach without --inject"
_CAP_SYS_PTRACE = 19
_NOBODY = 3  # of kernel.yama.ptrace_scope
_STRICT = 1  # of Seccomp in /proc/PID/status
_NAMED = 6


def check(pid: int, library: Path) -> None:
    """Whether the shim may be loaded into a process.

    Args:
        pid: Of the process.
        library: What is to be loaded, as we see it.

    Raises:
        InjectError: Why not.
    """
    status = _status(pid)
    _check_state(pid, status)
    _check_rights(pid, status)
    _check_program(pid)
    _check_stack(pid, status)
    _check_view(pid, library)
    _check_first(pid)


def check_exists(pid: int) -> None:
    """Whether there is such a process.

    Raises:
        InjectError: There is not.
    """
    _status(pid)


def _status(pid: int, path: str | None = None) -> dict[str, str]:
    text = machine.read(path or f"/proc/{pid}/status")
    if text is None:
        raise InjectError(f"there is no process {pid}", "see ps -e for those that there are")
    return {key: value.strip() for key, _, value in (x.partition(":") for x in text.splitlines())}


def _check_state(pid: int, status: dict[str, str]) -> None:
    state = status["State"][0]
    if state in "ZX":
        raise InjectError(f"process {pid} has ended")
    if state == "T":
        raise InjectError(f"process {pid} is stopped", f"let it go on: kill -CONT {pid}")
    for tid, thread in _threads(pid):
        tracer = int(thread.get("TracerPid", "0"))
        if tracer:
            name = (machine.read(f"/proc/{tracer}/comm") or "").strip()
            which = f"process {pid}" if tid == pid else f"thread {tid} of process {pid}"
            raise InjectError(
                f"{which} is traced by {name or 'another'} ({tracer}) already",
                "end that debugger or tracer first",
            )
    frozen = _cgroup_is_frozen(pid)
    if frozen:
        raise InjectError(f"process {pid} is frozen by its cgroup {frozen}", "thaw it first")


def _threads(pid: int) -> Iterator[tuple[int, dict[str, str]]]:
    """What /proc says of each thread."""
    try:
        names = [path.name for path in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return
    for name in names:
        with contextlib.suppress(InjectError):  # it ended
            yield int(name), _status(int(name), f"/proc/{pid}/task/{name}/status")


def _cgroup_is_frozen(pid: int) -> str | None:
    """By its cgroup of either version, wherever the hierarchy is mounted."""
    for line in (machine.read(f"/proc/{pid}/cgroup") or "").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            places, file, frozen = list(cgroup2_mounts()), "cgroup.events", "frozen 1"
        elif "freezer" in controllers.split(","):
            places, file, frozen = _freezer_mounts(), "freezer.state", "FR"
        else:
            continue
        for place in places:
            text = machine.read(f"{place}{path.rstrip('/')}/{file}") or ""
            if any(word.startswith(frozen) for word in text.splitlines()):
                return path
    return None


def _freezer_mounts() -> list[Path]:
    fields = (line.split(" ") for line in (machine.read("/proc/self/mounts") or "").splitlines())
    return [
        Path(field[1])
        for field in fields
        if field[2] == "cgroup" and "freezer" in field[3].split(",")
    ]


def _check_rights(pid: int, status: dict[str, str]) -> None:
    ours = os.geteuid()
    capable = _capable()
    users = {int(word) for word in status["Uid"].split()}
    if ours and users != {ours}:
        raise InjectError(
            f"process {pid} belongs to user {status['Uid'].split()[0]}",
            "only its owner and root may load the shim into it: use sudo",
        )
    scope = int((machine.read("/proc/sys/kernel/yama/ptrace_scope") or "0").strip() or 0)
    if scope == _NOBODY:
        raise InjectError("this kernel lets nobody trace (kernel.yama.ptrace_scope is 3)", _WITHOUT)
    if scope and not capable:
        raise InjectError(
            f"this kernel lets only a parent trace (kernel.yama.ptrace_scope is {scope})",
            "use sudo, or sysctl kernel.yama.ptrace_scope=0",
        )
    if not os.access(f"/proc/{pid}/exe", os.R_OK) or not _maps_readable(pid):
        if not ours and not capable:
            raise InjectError(
                f"process {pid} may not be traced by root without CAP_SYS_PTRACE",
                f"give it this capability, or {_WITHOUT}",
            )
        raise InjectError(
            f"process {pid} may not be traced: it was started with other rights than its user's",
            "use sudo, with CAP_SYS_PTRACE",
        )


def _capable() -> bool:
    mask = machine.field("/proc/self/status", "CapEff")
    return mask is not None and bool(int(mask, 16) >> _CAP_SYS_PTRACE & 1)


def _maps_readable(pid: int) -> bool:
    try:
        with Path(f"/proc/{pid}/maps").open("rb") as file:
            return bool(file.read(1))
    except OSError:
        return False


def _check_program(pid: int) -> None:
    name = platform.machine()
    if name not in MACHINES:
        raise InjectError(f"loading into a live process is not built for {name}", _WITHOUT)
    try:
        with Path(f"/proc/{pid}/exe").open("rb") as file:
            head = file.read(20)
    except OSError as problem:
        raise InjectError(f"the program of process {pid} cannot be read", "use sudo") from problem
    if head[:5] == b"\x7fELF\x01":
        raise InjectError(f"process {pid} is a 32-bit program, and the shim is not", _WITHOUT)
    program = ElfFile(f"/proc/{pid}/exe")
    try:
        if program.machine != MACHINES[name]:
            raise InjectError(f"process {pid} is a program of another machine", _WITHOUT)
        if program.interpreter is None:
            raise InjectError(
                f"process {pid} is a static program: it has no loader to load the shim", _WITHOUT
            )
        if "musl" in program.interpreter:
            raise InjectError(f"process {pid} runs on musl, and the shim on glibc", _WITHOUT)
    finally:
        program.close()


def _check_stack(pid: int, status: dict[str, str]) -> None:
    if "shstk" in status.get("x86_Thread_features", ""):
        raise InjectError(
            f"process {pid} has a shadow stack, on which no call can be laid", _WITHOUT
        )


def filtered(pid: int) -> list[int]:
    """Its threads with a seccomp filter.

    Raises:
        InjectError: One may do nothing but read and write.
    """
    found = []
    for tid, status in _threads(pid):
        mode = int(status.get("Seccomp", "0"))
        if mode == _STRICT:
            raise InjectError(
                f"thread {tid} of process {pid} is in seccomp's strict mode, and may only read and"
                " write",
                _WITHOUT,
            )
        if mode:
            found.append(tid)
    return found


def check_forbidden(pid: int, forbidden: Sequence[str]) -> None:
    """Whether its filters leave what loading takes.

    Args:
        pid: Of the process.
        forbidden: Calls that they may answer otherwise than the kernel would.

    Raises:
        InjectError: They do not.
    """
    if forbidden:
        more = f" and {len(forbidden) - _NAMED} more" if len(forbidden) > _NAMED else ""
        raise InjectError(
            f"a seccomp filter of process {pid} may forbid what the shim calls:"
            f" {', '.join(forbidden[:_NAMED])}{more}",
            f"allow these calls in its profile, or {_WITHOUT}",
        )


def _check_view(pid: int, library: Path) -> None:
    """By its own mounts the process must reach the same file by the same name."""
    remedy = f"attach from inside of its container, or {_WITHOUT}"
    try:
        ours, theirs = library.stat(), Path(f"/proc/{pid}/root{library}").stat()
    except OSError as problem:
        raise InjectError(
            f"process {pid} does not see {library.parent}: it has other mounts", remedy
        ) from problem
    if (ours.st_dev, ours.st_ino) != (theirs.st_dev, theirs.st_ino):
        raise InjectError(f"process {pid} has another {library.parent}", remedy)


def _check_first(pid: int) -> None:
    """What a killed anaros has left is taken over; not what one reads, nor the shim of a run."""
    first = seat(pid)
    if first is None or (first.injected and not first.is_read()):
        return
    remedy = "end that run or attachment first"
    if not first.injected and not first.is_read():
        remedy = "its anaros was killed: start the program again, or attach without --inject"
    raise InjectError(f"process {pid} has a shim already, of another anaros", remedy)

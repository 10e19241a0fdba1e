# SPDX-License-Identifier: Apache-2.0
"""Runs small programs under the kernel plane and keeps what it said of them."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from anaros.capture.rings.names import socket_name
from anaros.kinds import Kind, NameClass
from anaros.records import RECORD_DTYPE, Columns

cffi = pytest.importorskip("cffi")
kernel = pytest.importorskip("anaros.capture.kernel.plane")
probes = pytest.importorskip("anaros.capture.kernel.probes")

OBJECT = Path(__file__).resolve().parents[3] / "ebpf" / "anaros.bpf.o"

#: What every test of the plane needs.
NEEDS = [
    pytest.mark.skipif(os.geteuid() != 0, reason="loading BPF programs takes root"),
    pytest.mark.skipif(
        not Path("/sys/kernel/btf/vmlinux").exists(), reason="this kernel has no BTF"
    ),
    pytest.mark.skipif(not OBJECT.exists(), reason="ebpf/anaros.bpf.o has not been built"),
]

MS = 1_000_000
INTERRUPTIBLE = 1


@dataclass
class Samples:
    """Collects what the plane hands over, behind a real C function pointer."""

    records: list[bytes] = field(default_factory=list)
    names: list[tuple[np.void, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ffi = cffi.FFI()
        self.function = self.ffi.callback("int(void *, void *, size_t)", self._take)

    def _take(self, _context: object, data: object, size: int) -> int:
        sample = bytes(self.ffi.buffer(data, size))
        record = np.frombuffer(sample[:64], RECORD_DTYPE)[0]
        if record["kind"] == Kind.META_NAME:
            assert len(sample) == 64 + record["size_bytes"]
            spelled = socket_name if record["status"] == NameClass.SOCKET else bytes.decode
            self.names.append((record, spelled(sample[64:])))
        else:
            assert len(sample) % 64 == 0
            self.records.append(sample)
        return 0

    @property
    def address(self) -> int:
        return int(self.ffi.cast("uintptr_t", self.function))

    def columns(self) -> Columns:
        records = np.frombuffer(b"".join(self.records), RECORD_DTYPE)
        return Columns.from_records(np.sort(records, order="start_ns", kind="stable"))


@dataclass
class Run:
    """A finished run under the plane."""

    pid: int
    status: int
    said: dict[str, int]
    records: Columns
    names: list[tuple[np.void, str]]
    counts: dict[str, dict[str, int]]
    drops: dict[str, int]

    def of(self, *kinds: Kind, tid: int | None = None) -> Columns:
        chosen = np.isin(self.records.kind, kinds)
        if tid is not None:
            chosen &= self.records.tid == tid
        return self.records.take(chosen)

    def name(self, name_class: NameClass, number: int) -> list[str]:
        return [
            text
            for record, text in self.names
            if record["status"] == name_class and record["object"] == number
        ]


def stopped(argv: list[str]) -> subprocess.Popen[str]:
    """A child that stopped before its exec of ``argv``, as ``anaros run`` starts one."""
    child = subprocess.Popen(
        ["/bin/sh", "-c", 'kill -STOP $$; exec "$@"', "sh", *argv],
        stdout=subprocess.PIPE,
        text=True,
    )
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
    return child


def record(
    argv: list[str],
    beside: Callable[[], None] = lambda: None,
    settings: probes.Settings | None = None,
    *,
    consume: bool = True,
    more: bool = False,
) -> Run:
    """Runs ``argv`` under the plane; ``beside`` runs in this process at the same time.

    With ``more`` the probes that come while a program runs are there before it does.
    """
    samples = Samples()
    child = stopped(argv)
    plane = None
    try:
        target = kernel.Target(child.pid)
        plane = kernel.KernelPlane.start(target, samples.address, 0, probes.Loading(settings))
        if more:
            extend(plane)
        os.kill(child.pid, signal.SIGCONT)
        beside()
        deadline = time.monotonic() + 30
        while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            assert time.monotonic() < deadline, "the workload hangs"
            if consume:
                plane.consume()
            time.sleep(0.01)
        said, _ = child.communicate()
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        if plane is not None:
            plane.stop()
    assert plane is not None
    words = {line.split()[0]: int(line.split()[1]) for line in said.splitlines()}
    return Run(
        child.pid,
        child.returncode,
        words,
        samples.columns(),
        samples.names,
        plane.counts(),
        plane.drops(),
    )


def extend(plane: kernel.KernelPlane) -> None:
    """Brings in the probes of the second object and waits for them."""
    plane.extend(delay_s=0.0)
    deadline = time.monotonic() + 10
    while not plane.extended():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert plane.missing() == (), plane.missing()


@contextlib.contextmanager
def cgroup(controller: str, **files: object) -> Iterator[Path]:
    """A cgroup of its own, in the controller's hierarchy; skips where none can be made.

    ``files`` are written to it: names with ``__`` for a dot.
    """
    root = Path("/sys/fs/cgroup")
    parent = root / controller if (root / controller / "cgroup.procs").exists() else root
    group = parent / f"anaros-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup of {controller} can be made here: {error}")
    try:
        for name, value in files.items():
            path = group / name.replace("__", ".")
            if not path.exists():
                pytest.skip(f"{path} is not there")
            path.write_text(str(value))
        yield group
    finally:
        deadline = time.monotonic() + 5
        while group.exists():
            with contextlib.suppress(OSError):
                group.rmdir()
            assert time.monotonic() < deadline, f"{group} cannot be removed"


def within(group: Path, argv: list[str]) -> list[str]:
    """A command that runs another in a cgroup."""
    return ["/bin/sh", "-c", 'echo $$ > "$0"/cgroup.procs; exec "$@"', str(group), *argv]


def total_ms(columns: Columns) -> float:
    return float(columns.duration_ns.sum()) / MS


def direct_or_skip(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_DIRECT))
    except OSError as error:
        if error.errno == errno.EINVAL:
            pytest.skip("this file system has no O_DIRECT")
        raise

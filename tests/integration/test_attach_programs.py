# SPDX-License-Identifier: Apache-2.0
"""`anaros attach` to programs of other sorts: static, of 32 bits, in a container."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from attach_harness import NEEDS, Command, attached, reads_of, records, running, until_called

from anaros.kinds import Kind
from anaros.store.names import read_names
from anaros.store.rundir import RunDirectory

pytestmark = NEEDS


def test_a_static_program(anaros: Command, static: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with running(static) as target:
        done = attached(anaros("attach", target.pid, "--duration", "1", "--output", run))
        assert done.returncode == 0
    reads = reads_of(run, 123)
    assert len(reads) > 50
    # Of one whose beginning the kernel did not show only the end is told, with 0 ns.
    assert (reads.duration_ns > 0).mean() > 0.9
    opens = records(run, Kind.FILE_OPEN)
    assert len(opens) > 50
    assert (opens.status >= 3).all()
    # Each open makes the file anew: its object is that of the reads.
    assert set(reads.object.tolist()) <= set(opens.object.tolist())


#: getppid and a short nanosleep, by the way of 32-bit programs into the kernel.
COMPAT = """
    .globl _start
    _start: movl $64, %eax
            int $0x80
            movl $162, %eax
            movl $time, %ebx
            xorl %ecx, %ecx
            int $0x80
            jmp _start
    .data
    time:   .long 0, 5000000
"""


def test_a_32_bit_program(anaros: Command, tmp_path: Path) -> None:
    if os.uname().machine != "x86_64" or shutil.which("as") is None:
        pytest.skip("needs an assembler for x86")
    (tmp_path / "a.s").write_text(COMPAT)
    subprocess.run(["as", "--32", "-o", tmp_path / "a.o", tmp_path / "a.s"], check=True)
    words = ["ld", "-m", "elf_i386", "-o", tmp_path / "program", tmp_path / "a.o"]
    subprocess.run(words, check=True)
    run = tmp_path / "run"
    try:
        with running(tmp_path / "program") as target:
            done = attached(anaros("attach", target.pid, "--duration", "1", "--output", run))
    except OSError as problem:
        pytest.skip(f"32-bit programs do not run here: {problem}")
    assert done.returncode == 0
    meta = RunDirectory.open(run).meta()
    assert meta["attached"][0]["bits"] == 32
    said = "\n".join(meta["kernel_plane"]["missing"])
    counted = re.search(r"(\d+) calls of 32-bit programs, which are only counted", said)
    assert counted is not None
    assert int(counted[1]) > 100
    assert len(records(run, Kind.SCHED_OFFCPU)) > 50


#: As a container's runtime does: other mounts, processes, network, and another root.
CONTAINER = """
    import ctypes, os, shutil, sys

    libc = ctypes.CDLL(None, use_errno=True)
    PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}[os.uname().machine]
    DETACHED = 2

    def done(result):
        if result:
            raise OSError(ctypes.get_errno(), "the room cannot be made")

    done(libc.mount(b"tmpfs", b"/mnt", b"tmpfs", 0, None))
    shutil.copy(sys.argv[1], "/mnt/inside")
    os.mkdir("/mnt/proc")
    os.mkdir("/mnt/old")
    done(libc.mount(b"proc", b"/mnt/proc", b"proc", 0, None))
    os.chdir("/mnt")
    if libc.syscall(PIVOT_ROOT, b".", b"old"):
        os.chroot(".")  # below the first root of all there is no other
    else:
        os.chdir("/")
        done(libc.umount2(b"/old", DETACHED))
    os.execv("/inside", ["inside"])
"""

MOUNTED = "mount -t tmpfs tmpfs /mnt && cp $0 /mnt/inside && exec /mnt/inside"
INSIDE = {
    "other mounts": ("--mount-proc", "sh", "-c", MOUNTED),
    "another root": ("--net", sys.executable, "-c", textwrap.dedent(CONTAINER)),
}


@pytest.mark.parametrize("how", INSIDE)
def test_other_namespaces(anaros: Command, static: Path, tmp_path: Path, how: str) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    words = ["unshare", "--mount", "--pid", "--fork", *INSIDE[how], static]
    run = tmp_path / "run"
    with running(*words) as outer:
        deadline = time.monotonic() + 60
        child = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
        while not (pids := child.read_text().split()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        pid = int(pids[0])
        until_called(pid, "inside")
        done = attached(anaros("attach", pid, "--duration", "0.6", "--output", run))
        os.kill(pid, signal.SIGKILL)
    assert done.returncode == 0
    reads = reads_of(run, 123)
    assert len(reads) > 10
    assert set(reads.pid.tolist()) == {pid}
    (one,) = RunDirectory.open(run).meta()["attached"]
    assert one["program"].endswith("/inside")
    assert any(name.endswith("/stat") for name in read_names(RunDirectory.open(run)).name)

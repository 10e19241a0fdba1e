# SPDX-License-Identifier: Apache-2.0
"""Programs in pid namespaces of their own: shim and kernel speak of them by the same numbers."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from anaros import report
from anaros.kinds import Kind
from anaros.records import FLAG_KERNEL, Columns
from anaros.store.names import read_names
from anaros.store.rundir import RunDirectory
from anaros.store.segments import load

ROOT = Path(__file__).resolve().parents[2]
Command = Callable[..., list[str]]

OWN = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
BYTES = 8 << 20
WAIT_S = 60

#: Reads a byte at each line, and says so.
READER = "while read -r line; do head -c 1 /dev/zero >/dev/null; echo read; done"


def may_be_made() -> bool:
    return shutil.which("unshare") is not None and not subprocess.call(
        [*OWN, "true"], stderr=subprocess.DEVNULL, timeout=WAIT_S
    )


pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="loading BPF programs takes root"),
    pytest.mark.skipif(not (ROOT / "ebpf/anaros.bpf.o").exists(), reason="ebpf is not built"),
    pytest.mark.skipif(not may_be_made(), reason="no pid namespace can be made here"),
]


def of_the_shim(columns: Columns) -> Columns:
    own = (columns.flags & FLAG_KERNEL == 0) & (columns.kind != Kind.META_NAME)
    return columns.take(np.flatnonzero(own))


def test_a_run_in_a_pid_namespace_is_seen_whole(anaros: Command, tmp_path: Path) -> None:
    (tmp_path / "from").write_bytes(b"\n" + bytes(BYTES))
    copied = f"cat {tmp_path}/from > {tmp_path}/to; (read -r word < {tmp_path}/from); exit 3"
    words = anaros("run", "--output", tmp_path / "run", "--", *OWN, "sh", "-c", copied)
    done = subprocess.run(words, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 3, done.stderr
    run = RunDirectory.open(tmp_path / "run")
    columns = load(run)
    starts = columns.take(np.flatnonzero(columns.kind == Kind.PROC_FORK)).object
    first = columns.take(np.flatnonzero(columns.kind == Kind.PROC_EXEC)).pid
    seen = of_the_shim(columns)
    # Also of the child that goes on in the subshell, where no program is started.
    assert set(seen.pid.tolist()) <= {*starts.tolist(), *first.tolist()}
    assert len(set(seen.pid.tolist())) > 2
    assert np.array_equal(seen.pid, seen.tid)
    names = read_names(run)
    programs = {
        object_: name
        for object_, name in zip(names.object.tolist(), names.name, strict=True)
        if name.endswith("/cat")
    }
    copies = seen.take(np.flatnonzero(np.isin(seen.kind, (Kind.FILE_COPY, Kind.FILE_READ))))
    assert set(programs) & set(copies.pid.tolist())
    told = report.build(run)["coverage"]
    assert told["without_shim"] == []
    assert 0.99 < told["shares"]["file_bytes"] <= 1


def test_what_is_injected_into_a_container_counts_as_its_own(
    anaros: Command, tmp_path: Path, until_it_follows: Callable[..., int]
) -> None:
    outer = subprocess.Popen(
        [*OWN, "sh", "-c", f"echo; {READER}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    attached = None
    try:
        assert outer.stdin is not None
        assert outer.stdout is not None
        outer.stdout.readline()
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        pid = int(children[0])
        words = anaros("attach", "--inject", "--output", tmp_path / "run", str(pid))
        attached = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        until_it_follows(attached.pid, pid)
        outer.stdin.write("\n")
        outer.stdin.flush()
        outer.stdout.readline()
        attached.terminate()
        said = attached.communicate(timeout=WAIT_S)[0].decode()
        assert attached.returncode == 0, said
    finally:
        for process in (attached, outer):
            if process is not None:
                process.kill()
                process.communicate(timeout=WAIT_S)
    run = RunDirectory.open(tmp_path / "run")
    seen = of_the_shim(load(run))
    assert set(seen.pid.tolist()) == {pid}
    assert set(seen.tid.tolist()) == {pid}
    # The shim costs the program what it does in a run.
    assert 0 < report.build(run)["overhead"]["record_ns"] < 1e6

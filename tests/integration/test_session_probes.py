# SPDX-License-Identifier: Apache-2.0
"""The probes that come while the program runs, and quotas of CPU, as a run tells of them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anaros.kinds import Kind
from anaros.store.rundir import RunDirectory
from anaros.store.segments import load

Command = Callable[..., list[str]]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="loading BPF programs takes root")

BUSY = "import time\nend = time.monotonic() + {}\nwhile time.monotonic() < end: pass"


def run_of(words: list[str], output: Path, prefix: tuple[str, ...] = ()) -> RunDirectory:
    subprocess.run([*prefix, *words], check=True, timeout=60, capture_output=True)
    run = RunDirectory.open(output)
    plane = run.meta()["kernel_plane"]
    if not plane["active"]:
        pytest.skip(f"no kernel plane: {plane['reason']}")
    return run


def test_each_probe_tells_since_when_it_is_at_work(anaros: Command, tmp_path: Path) -> None:
    busy = (sys.executable, "-S", "-c", BUSY.format(1.5))
    run = run_of(anaros("run", "--output", tmp_path / "run", "--", *busy), tmp_path / "run")
    meta: dict[str, Any] = run.meta()
    since = meta["kernel_plane"]["since_ns"]
    later = {"mem", "irq", "lock", "cgroup"}
    assert later < set(since)
    started = since["sched"]
    assert all(since[probe] == started for probe in ("process", "block", "net"))
    assert all(started < since[probe] < meta["end_ns"] for probe in later)
    # Before they came, and after the program's end, there is nothing of them.
    records = load(run)
    interrupts = records.take(records.kind == Kind.IRQ_TOTAL)
    assert len(interrupts)
    assert int(interrupts.start_ns.min()) >= since["irq"] - 1_000_000
    assert int(interrupts.duration_ns.sum()) < 1.5e9
    assert not any(meta["drops"]["by_probe"][probe] for probe in later)


def test_a_program_that_ends_at_once_is_spared_the_loading(anaros: Command, tmp_path: Path) -> None:
    run = run_of(anaros("run", "--output", tmp_path / "run", "--", "/bin/true"), tmp_path / "run")
    plane = run.meta()["kernel_plane"]
    assert plane["missing"] == []
    assert "sched" in plane["since_ns"]


def test_a_quota_is_told_with_what_it_cost(anaros: Command, tmp_path: Path) -> None:
    root = Path("/sys/fs/cgroup/cpu")
    group = root / f"anaros-test-{os.getpid()}"
    if not (root / "cpu.cfs_quota_us").exists():
        pytest.skip("no hierarchy of the controller cpu")
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    try:
        (group / "cpu.cfs_quota_us").write_text("30000")
        enter = ("/bin/sh", "-c", 'echo $$ > "$0"/cgroup.procs; exec "$@"', str(group))
        program = f"import os\nos.fork()\n{BUSY.format(1)}"
        words = anaros("run", "--output", tmp_path / "run", "--", sys.executable, "-c", program)
        run = run_of(words, tmp_path / "run", enter)
    finally:
        deadline = time.monotonic() + 5
        while group.exists() and time.monotonic() < deadline:
            try:
                group.rmdir()
            except OSError:
                time.sleep(0.01)
    (told,) = run.meta()["throttled"]
    assert told["cgroup"] == str(group)
    assert told["periods"] >= told["throttled"] >= 3
    assert told["throttled_ns"] > 10_000_000
    records = load(run)
    waited = records.take(records.kind == Kind.SCHED_THROTTLE)
    assert len(waited) >= 3
    # The count is of the group, in which the supervisor is too, and of each CPU.
    by_thread = [int(waited.duration_ns[waited.tid == tid].sum()) for tid in np.unique(waited.tid)]
    assert max(by_thread) < told["throttled_ns"] * 1.1

# SPDX-License-Identifier: Apache-2.0
"""The probes that come while the program runs, and quotas of CPU, as a run tells of them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anaros import report
from anaros.kinds import Kind
from anaros.store.rundir import RunDirectory
from anaros.store.segments import load
from anaros.store.sql import query

Command = Callable[..., list[str]]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="loading BPF programs takes root")

#: Answers each "x" after 20 ms of work, until it gets something else.
SERVER = """
import socket, time
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
peer, _ = listener.accept()
while peer.recv(1) == b"x":
    end = time.thread_time() + 0.02
    while time.thread_time() < end: pass
    peer.send(b"x")
"""
#: Two processes that work until they have been kept from it for many periods.
THROTTLED = """
import os, time
os.fork()
end = time.monotonic() + 60
def throttled():
    with open({stat!r}) as file:
        return int(dict(line.split() for line in file)["nr_throttled"])
while throttled() < 15 and time.monotonic() < end:
    for _ in range(100_000): pass
"""
#: Works on the CPU that it has with somebody else until it has waited for it.
DELAYED = """
import time
end = time.monotonic() + 60
def waited_ns():
    with open("/proc/self/schedstat") as file:
        return int(file.read().split()[1])
while waited_ns() < {} * 1_000_000 and time.monotonic() < end:
    for _ in range(100_000): pass
"""
BUSY = "import time\nend = time.monotonic() + {}\nwhile time.monotonic() < end: pass"


def run_of(words: list[str], output: Path, prefix: tuple[str, ...] = ()) -> RunDirectory:
    subprocess.run([*prefix, *words], check=True, timeout=180, capture_output=True)
    run = RunDirectory.open(output)
    plane = run.meta()["kernel_plane"]
    if not plane["active"]:
        pytest.skip(f"no kernel plane: {plane['reason']}")
    return run


def test_each_probe_tells_since_when_it_is_at_work(anaros: Command, tmp_path: Path) -> None:
    later = {"mem", "irq", "lock", "cgroup"}
    for seconds in (1.5, 8, 40):  # until they come even on a busy machine
        busy = (sys.executable, "-S", "-c", BUSY.format(seconds))
        path = tmp_path / f"run-{seconds}"
        run = run_of(anaros("run", "--output", path, "--", *busy), path)
        meta: dict[str, Any] = run.meta()
        since = meta["kernel_plane"]["since_ns"]
        if later <= set(since):
            break
    assert later < set(since)
    started = since["sched"]
    assert all(since[probe] == started for probe in ("process", "block", "net"))
    assert all(started < since[probe] < meta["end_ns"] for probe in later)
    # Before they came, and after the program's end, there is nothing of them.
    records = load(run)
    interrupts = records.take(records.kind == Kind.IRQ_TOTAL)
    assert len(interrupts)
    assert int(interrupts.start_ns.min()) >= since["irq"] - 1_000_000
    assert int(interrupts.duration_ns.sum()) < seconds * 1e9
    assert not any(meta["drops"]["by_probe"][probe] for probe in later)


def test_a_program_that_ends_at_once_is_spared_the_loading(anaros: Command, tmp_path: Path) -> None:
    run = run_of(anaros("run", "--output", tmp_path / "run", "--", "/bin/true"), tmp_path / "run")
    plane = run.meta()["kernel_plane"]
    assert "sched" in plane["since_ns"]
    assert not any("mem" in line or "irq" in line for line in plane["missing"])


@pytest.fixture
def quota() -> Iterator[Path]:
    """A cgroup that may use a tenth of a CPU."""
    root = Path("/sys/fs/cgroup/cpu")
    group = root / f"anaros-test-{os.getpid()}"
    if not (root / "cpu.cfs_quota_us").exists():
        pytest.skip("no hierarchy of the controller cpu")
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    (group / "cpu.cfs_quota_us").write_text("10000")
    yield group
    deadline = time.monotonic() + 5
    while group.exists() and time.monotonic() < deadline:
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.01)


def enter(group: Path) -> tuple[str, ...]:
    """What is put before a command to run it in the group."""
    return ("/bin/sh", "-c", 'echo $$ > "$0"/cgroup.procs; exec "$@"', str(group))


def test_a_quota_is_told_with_what_it_cost(anaros: Command, tmp_path: Path, quota: Path) -> None:
    (quota / "cpu.cfs_quota_us").write_text("30000")  # the supervisor is in there too
    program = THROTTLED.format(stat=str(quota / "cpu.stat"))
    words = anaros("run", "--output", tmp_path / "run", "--", sys.executable, "-c", program)
    run = run_of(words, tmp_path / "run", enter(quota))
    (told,) = run.meta()["throttled"]
    assert told["cgroup"] == str(quota)
    assert told["periods"] >= told["throttled"] >= 3
    assert told["throttled_ns"] > 10_000_000
    records = load(run)
    waited = records.take(records.kind == Kind.SCHED_THROTTLE)
    assert len(waited) >= 3
    assert len(np.unique(waited.pid)) == 2
    (row,) = (row for row in report.build(run)["delays"] if row["cause"] == "quota")
    assert row["count"] == len(waited)
    assert row["total_ms"] == pytest.approx(float(waited.duration_ns.sum()) / 1e6)


def test_who_had_the_processor_is_told_by_name(anaros: Command, tmp_path: Path) -> None:
    cpu = str(min(os.sched_getaffinity(0)))
    neighbour = tmp_path / "neighbour"  # what the kernel calls it
    neighbour.symlink_to(sys.executable)
    pinned = ("taskset", "-c", cpu)
    rows: list[dict[str, Any]] = []
    with subprocess.Popen((*pinned, neighbour, "-S", "-c", BUSY.format(120))) as other:
        try:
            for wait_ms in (100, 1_000, 5_000):  # until they meet even on a busy machine
                path = tmp_path / f"run-{wait_ms}"
                program = (*pinned, sys.executable, "-S", "-c", DELAYED.format(wait_ms))
                run = run_of(anaros("run", "--output", path, "--", *program), path)
                found = report.build(run)["delays"]
                rows = [row for row in found if row["delayed_by"] == "neighbour"]
                if rows:
                    break
        finally:
            other.kill()
    (row,) = rows
    assert (row["resource"], row["cause"], row["owner"]) == ("CPU", "run queue", "other")
    assert row["delayed_by_pids"] == [other.pid]
    assert 0 < row["longest_ms"] <= row["total_ms"]
    question = "SELECT sum(count), sum(duration_ns) / 1e6 FROM delays WHERE delayed_by_pid = $1"
    ((count, total_ms),) = query(run, question.replace("$1", str(other.pid))).rows
    assert (count, total_ms) == (row["count"], pytest.approx(row["total_ms"]))


def test_requests_of_a_throttled_server_wait_for_the_quota(
    anaros: Command, tmp_path: Path, quota: Path
) -> None:
    # Only the program goes there, so that the supervisor need not wait.
    command = (*enter(quota), sys.executable, "-S", "-c", SERVER)
    words = anaros("run", "--output", tmp_path / "run", "--", *command)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            port = int(server.stdout.readline())
            with socket.create_connection(("127.0.0.1", port), timeout=60) as peer:
                for _ in range(10):
                    peer.send(b"x")
                    assert peer.recv(1) == b"x"
                peer.send(bytes(1))
            server.wait(120)
        except BaseException:
            server.kill()
            raise
    run = RunDirectory.open(tmp_path / "run")
    if not run.meta()["kernel_plane"]["active"]:
        pytest.skip(f"no kernel plane: {run.meta()['kernel_plane']['reason']}")
    built = report.build(run)
    assert built["requests"]["count"] == 10
    assert built["slowest"]["waits"]["throttled"] > 0.2
    # What the kernel told of the time since the first byte is in the stages.
    ((in_stages, waited, tid, began_ns),) = query(
        run, "SELECT sum(wait_throttled_ns), sum(wait_ns), min(tid), min(start_ns) FROM spans"
    ).rows
    records = load(run)
    told = records.take((records.kind == Kind.SCHED_THROTTLE) & (records.tid == tid))
    told = told.take(told.start_ns >= np.uint64(began_ns))
    assert in_stages <= waited
    assert in_stages == pytest.approx(int(told.duration_ns.sum()), rel=0.2)

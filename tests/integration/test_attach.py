# SPDX-License-Identifier: Apache-2.0
"""`anaros attach` to real processes: what is seen."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from attach_harness import NEEDS, Command, Follow, Server, attached, records, running

from anaros import pofc, report
from anaros.kinds import Kind, NameClass
from anaros.store.names import read_names
from anaros.store.rundir import RunDirectory

pytestmark = NEEDS


def test_a_server_under_load(anaros: Command, server: Server, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = attached(anaros("attach", server.pid, "--duration", "2", "--output", run))
    server.rest()
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(
        rf"followed process {server.pid} for \d+\.\d s: {re.escape(str(run))}\n", done.stdout
    )
    assert server.wrong == 0
    assert server.process.poll() is None

    seen = records(run)
    assert set(seen.pid[seen.kind == Kind.NET_RECV].tolist()) == {server.pid}
    assert len(set(seen.tid[seen.kind == Kind.NET_RECV].tolist())) >= 3, "threads that ran already"
    reads = seen.take(np.flatnonzero((seen.kind == Kind.FILE_READ) & (seen.size_bytes > 0)))
    status = server.data.stat()
    device = (status.st_dev ^ status.st_dev >> 16 ^ status.st_dev >> 32) & 0xFFFF
    data = device << 48 | status.st_ino & 0xFFFF_FFFF_FFFF
    assert set(reads.size_bytes[reads.object == data].tolist()) == {20_000}
    names = read_names(RunDirectory.open(run))
    called = {
        (NameClass(kind), name)
        for kind, name in zip(names.name_class.tolist(), names.name, strict=True)
    }
    assert (NameClass.FILE, str(server.data)) in called
    assert any(
        kind == NameClass.SOCKET and name.startswith(f"tcp 127.0.0.1:{server.port} -> 127.0.0.1:")
        for kind, name in called
    )
    requests = pofc.derive(RunDirectory.open(run)).requests
    whole = requests.bytes_out >= 20_000
    assert whole.sum() >= 20, "connections that were open before are told in requests"


def test_what_was_seen_is_what_the_kernel_counted(
    anaros: Command, server: Server, tmp_path: Path
) -> None:
    """Of connections and threads that had moved bytes before, and go on when it ends."""
    run = tmp_path / "run"
    done = attached(anaros("attach", server.pid, "--duration", "1.5", "--output", run))
    assert done.returncode == 0, done.stderr
    found = report.build(RunDirectory.open(run))["coverage"]
    by_name = {row["quantity"]: row for row in found["quantities"]}
    for quantity in (
        *("file.read_bytes", "file.read_calls"),
        *("socket.received_bytes", "socket.sent_bytes"),
    ):
        row = by_name[quantity]
        assert row["seen"] == pytest.approx(row["witnessed"], rel=0.01), quantity
    assert by_name["file.read_bytes"]["witnessed"] > 0
    assert found["shares"]["file_bytes"] >= 0.99
    assert found["shares"]["socket_bytes"] >= 0.99


def test_the_last_targets_end_detaches(
    anaros: Command, until_it_follows: Follow, tmp_path: Path
) -> None:
    short = [subprocess.Popen(["cat"], stdin=subprocess.PIPE) for _ in range(2)]
    run = tmp_path / "run"
    words = anaros("attach", *(one.pid for one in short), "--output", run)
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    until_it_follows(process.pid, short[1].pid)
    for one in short:
        assert process.poll() is None
        one.communicate(timeout=60)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    ends = records(run, Kind.PROC_EXIT)
    assert short[1].pid in ends.pid.tolist()
    meta = RunDirectory.open(run).meta()
    assert [one["pid"] for one in meta["attached"]] == [one.pid for one in short]
    assert meta["state"] == "finished"


def test_two_supervisors_on_one_target(anaros: Command, server: Server, tmp_path: Path) -> None:
    runs = [tmp_path / "one", tmp_path / "two"]
    both = [
        subprocess.Popen(anaros("attach", server.pid, "--duration", "1.5", "--output", run))
        for run in runs
    ]
    assert [one.wait(180) for one in both] == [0, 0]
    assert all(len(records(run, Kind.NET_RECV)) > 10 for run in runs)
    assert server.wrong == 0


def test_children_are_followed(anaros: Command, until_it_follows: Follow, tmp_path: Path) -> None:
    script = "read line; (echo a > first; sh -c 'echo bb > second')"
    shell = subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, cwd=tmp_path)
    run = tmp_path / "run"
    process = subprocess.Popen(
        anaros("attach", shell.pid, "--output", run), stdout=subprocess.PIPE, text=True
    )
    until_it_follows(process.pid, shell.pid)
    assert shell.stdin is not None
    shell.stdin.write(b"\n")
    shell.stdin.close()
    shell.wait(60)
    process.communicate(timeout=120)
    assert process.returncode == 0
    writes = records(run, Kind.FILE_WRITE)
    assert sorted(writes.size_bytes.tolist()) == [2, 3]
    assert shell.pid not in writes.pid
    execs = records(run, Kind.PROC_EXEC)
    assert len(execs) == 1
    assert set(execs.pid.tolist()) <= set(writes.pid.tolist())


def test_hidden_names(anaros: Command, server: Server, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = attached(
        anaros("attach", server.pid, "--hide-names", "--duration", "1", "--output", run)
    )
    assert done.returncode == 0
    assert len(records(run, Kind.NET_RECV)) > 0
    names = read_names(RunDirectory.open(run))
    assert not set(names.name_class.tolist()) & {NameClass.FILE, NameClass.SOCKET}
    assert "/" not in "".join(names.name)
    meta = RunDirectory.open(run).meta()
    assert meta["command"] == [Path(sys.executable).name]
    assert server.data.name not in (run / "meta.json").read_text()


def test_a_call_that_waits_longer_than_we_are_there(
    anaros: Command, until_it_follows: Follow, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    code = "import os; [(os.write(1, b'-'), os.read(0, 10)) for _ in range(2)]"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with running(sys.executable, "-c", code, **pipes) as target:
        assert target.stdin is not None
        assert target.stdout is not None
        assert target.stdout.read(1) == b"-"
        words = anaros("attach", target.pid, "--output", run)
        with running(*words, stdout=subprocess.DEVNULL) as process:
            until_it_follows(process.pid, target.pid)
            target.stdin.write(b"12345")
            target.stdin.flush()
            assert target.stdout.read(1) == b"-"
            process.terminate()
            assert process.wait(120) == 0
    reads = records(run, Kind.FILE_READ)
    assert reads.size_bytes.tolist() == [5]
    since_ns = RunDirectory.open(run).meta()["attach"]["calls_since_ns"]
    assert reads.start_ns.tolist() == [since_ns], "it began before, it is told from here on"

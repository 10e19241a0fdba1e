# SPDX-License-Identifier: Apache-2.0
"""A budget for the probes, from the command line to the report."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from anaros import report
from anaros.kinds import Kind
from anaros.store.rundir import RunDirectory
from anaros.store.segments import load
from anaros.store.sql import query

Command = Callable[..., list[str]]

_PATIENCE_S = 60

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="loading BPF programs takes root"),
    pytest.mark.skipif(
        not Path("/sys/kernel/btf/vmlinux").exists(), reason="this kernel has no BTF"
    ),
]

#: Answers each byte with one, after a wait for a pipe, until its peer closes.
SERVER = """
import os, socket, threading
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
there, back = os.pipe(), os.pipe()
def other():
    while os.read(there[0], 1): os.write(back[1], b"x")
threading.Thread(target=other, daemon=True).start()
peer, _ = listener.accept()
while peer.recv(1):
    os.write(there[1], b"x")
    os.read(back[0], 1)
    peer.send(b"x")
"""


@contextlib.contextmanager
def started(words: list[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def meta_of(path: Path) -> dict[str, Any]:
    """What a run that goes on says of itself; nothing yet: nothing."""
    try:
        found: dict[str, Any] = json.loads((path / "meta.json").read_text())
    except (OSError, ValueError):
        return {}
    return found


def until(reached: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def shed_in(path: Path) -> list[str]:
    changes = (meta_of(path).get("budget") or {}).get("changes") or []
    return [change["probe"] for change in changes if change["shed"]]


def ask_until(port: int, reached: Callable[[], object]) -> None:
    """Asks a server until then, and a hundred times more."""
    import socket

    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S) as peer:

        def ask() -> None:
            peer.send(b"x")
            assert peer.recv(1) == b"x"

        def asked() -> object:
            ask()
            return reached()

        until(asked)
        for _ in range(100):
            ask()


def test_a_run_within_a_tiny_budget_tells_what_it_gave_up(anaros: Command, tmp_path: Path) -> None:
    output = tmp_path / "run"
    command = (sys.executable, "-S", "-c", SERVER)
    words = anaros("run", "--budget", "0.0001%", "--output", output, "--", *command)
    with started(words) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        ask_until(port, lambda: "sched" in shed_in(output))
        assert server.wait(_PATIENCE_S) == 0
    run = RunDirectory.open(output)
    told: dict[str, Any] = run.meta()["budget"]
    assert told["percent"] == pytest.approx(0.0001)
    assert told["readings"] >= 2
    assert told["most_percent"] >= told["mean_percent"] > 0
    records = load(run)
    shed = records.take(records.kind == Kind.PROBE_SHED)
    assert sorted(shed.start_ns.tolist()) == sorted(
        change["time_ns"] for change in told["changes"] if change["shed"]
    )
    rows = query(run, "SELECT name FROM records WHERE kind = 'probe.shed'").rows
    assert ("sched",) in rows
    built = report.build(run)
    gone_ns = next(change["time_ns"] for change in told["changes"] if change["probe"] == "sched")
    after = report.build(run, (gone_ns + 1, int(run.meta()["end_ns"])))
    assert after["requests"]["count"] >= 99
    assert after["slowest"]["waits"]["runqueue"] is None
    assert all(stage["self_p50_ms"] is None for stage in after["stages"])
    assert {probe["probe"] for probe in built["budget"]["probes"]} == set(shed_in(output))
    away = next(probe for probe in built["budget"]["probes"] if probe["probe"] == "sched")
    first, last = away["intervals_s"][0]
    assert 0 < first < last <= built["run"]["duration_s"]
    assert built["coverage"]["probes_since_s"]["sched"] < 60
    begin_ns = gone_ns + 10**9
    late = records.take((records.kind == Kind.SCHED_OFFCPU) & (records.start_ns > begin_ns))
    assert not len(late), "nothing of a probe that is away"
    done = subprocess.run(
        anaros("report", output), check=True, capture_output=True, text=True, timeout=60
    )
    assert "budget    0.0001 % of " in done.stdout
    said = " ".join(done.stdout.split())
    assert re.search(r"without ([a-z]+ for [0-9.]+ s, )*sched for [0-9.]+ s", said)


def test_an_ample_budget_gives_nothing_up(anaros: Command, tmp_path: Path) -> None:
    output = tmp_path / "run"
    command = ("/bin/sh", "-c", f'while [ ! -e "{tmp_path}/end" ]; do sleep 0.02; done')
    with started(anaros("run", "--budget", "100%", "--output", output, "--", *command)) as process:
        time.sleep(2.5)
        (tmp_path / "end").touch()
        assert process.wait(_PATIENCE_S) == 0
    told: dict[str, Any] = RunDirectory.open(output).meta()["budget"]
    assert told["changes"] == []
    assert report.build(RunDirectory.open(output))["budget"]["probes"] == []


def test_an_attachment_gives_up_the_probes_of_calls_too(anaros: Command, tmp_path: Path) -> None:
    output = tmp_path / "run"
    loop = f'while [ ! -e "{tmp_path}/end" ]; do read line < "{tmp_path}/data"; done'
    (tmp_path / "data").write_text("line\n")
    with (
        started(["/bin/sh", "-c", loop]) as target,
        started(
            anaros("attach", "--budget", "0.0001%", "--output", output, str(target.pid))
        ) as follower,
    ):
        until(lambda: "calls" in shed_in(output))
        follower.send_signal(signal.SIGINT)
        assert follower.wait(_PATIENCE_S) == 0
        (tmp_path / "end").touch()
        assert target.wait(_PATIENCE_S) == 0
    meta: dict[str, Any] = RunDirectory.open(output).meta()
    assert meta["attach"]["witnessed_until_ns"] >= meta["attach"]["calls_since_ns"] > 0
    assert {"sched", "calls"} <= meta["kernel_plane"]["since_ns"].keys()
    assert meta["throttled"] is not None
    built = report.build(RunDirectory.open(output))
    assert "calls" in [probe["probe"] for probe in built["budget"]["probes"]]
    assert built["coverage"]["shares"]["file_bytes"] is None or (
        built["coverage"]["shares"]["file_bytes"] <= 1
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "--budget", "1", "--", "/bin/true"), "no budget"),
        (("run", "--budget", "0%", "/bin/true"), "no budget"),
        (("attach", "--budget", "200%", "1"), "no budget"),
        (("run", "--no-kernel", "--budget", "1%", "--", "/bin/true"), "--no-kernel"),
    ],
)
def test_other_words_are_refused(anaros: Command, words: tuple[str, ...], said: str) -> None:
    done = subprocess.run(anaros(*words), capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    fact, remedy = done.stderr.splitlines()
    assert said in fact
    assert remedy.startswith("  ")

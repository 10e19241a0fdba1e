# SPDX-License-Identifier: Apache-2.0
"""`anaros attach` leaves nothing behind, however it ends."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from attach_harness import NEEDS, ROOT, Command, Follow, Server, left, ours, records, wait_for

from anaros import session
from anaros.capture.rings.recovery import left_behind
from anaros.kinds import Kind
from anaros.store.rundir import RunDirectory

pytestmark = NEEDS


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_detaches_at_once(
    anaros: Command, until_it_follows: Follow, server: Server, tmp_path: Path, number: int
) -> None:
    run = tmp_path / "run"
    process = subprocess.Popen(
        anaros("attach", server.pid, "--output", run),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    meta = wait_for(run, process)
    until_it_follows(process.pid, server.pid)
    server.more(20)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert out.startswith(f"followed process {server.pid} for ")
    assert not Path(str(meta["shm"])).exists()
    attach = RunDirectory.open(run).meta()["attach"]
    assert attach["detached_ns"] - attach["until_ns"] < 10e9
    assert len(records(run, Kind.NET_SEND)) > 0
    assert server.process.poll() is None


def test_a_killed_supervisor_leaves_no_program_and_no_memory(
    anaros: Command, until_it_follows: Follow, server: Server, tmp_path: Path
) -> None:
    before = ours()
    run = tmp_path / "run"
    process = subprocess.Popen(anaros("attach", server.pid, "--output", run), text=True)
    meta = wait_for(run, process)
    until_it_follows(process.pid, server.pid)
    server.more(50)
    time.sleep(0.7)  # until these are taken from the kernel
    process.kill()
    process.wait()
    assert not left(before)
    shared = Path(str(meta["shm"]))
    assert shared.exists(), "what it had recorded lies there"
    assert shared in left_behind(), "doctor names it"
    assert session.recover(run)
    assert not shared.exists()
    assert len(records(run, Kind.NET_SEND)) > 0
    assert server.wrong == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_starts(
    anaros: Command, sleeper: subprocess.Popen[bytes], tmp_path: Path, number: int
) -> None:
    before = ours()
    run = tmp_path / "run"
    process = subprocess.Popen(
        anaros("attach", sleeper.pid, "--output", run),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    meta = wait_for(run, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert not Path(str(meta["shm"])).exists()
    assert not left(before)


#: What a process shows of one that traces it or changed what it does with signals.
STATES = r"^(?:TracerPid|Sig(?:Blk|Ign|Cgt)|Seccomp):.*"


class Traces:
    """What may stay of attachments: in the target, in the kernel, in shared memory, anywhere."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._unheld: Callable[[], set[tuple[str, int]]] = bench("left_behind").unheld
        self._objects = self._unheld()
        self._target = self._look()

    def _look(self) -> dict[str, object]:
        folder = Path(f"/proc/{self._pid}")
        status = (folder / "status").read_text()
        return {
            "traced, signals": re.findall(STATES, status, re.M),
            "ours": re.findall(r".*anaros.*", (folder / "maps").read_text()),
            "cgroups": (folder / "cgroup").read_text(),
        }

    def gone(self, name: str) -> None:
        """Nothing of it is there any more.

        Args:
            name: What the runs have in their names.
        """
        deadline = time.monotonic() + 60
        while left := self._unheld() - self._objects:
            assert time.monotonic() < deadline, left
            time.sleep(0.05)
        assert self._look() == self._target
        assert name not in Path(f"/proc/{self._pid}/mountinfo").read_text()
        assert not list(Path("/sys/fs/cgroup").rglob(f"*{name}*"))
        assert not list(Path("/sys/fs/bpf").rglob("*anaros*"))


def bench(name: str) -> ModuleType:
    """A module of tests/bench."""
    path = ROOT / f"tests/bench/{name}.py"
    found = importlib.util.spec_from_file_location(name, path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.skipif(shutil.which("bpftool") is None, reason="bpftool is not installed")
def test_killed_whenever(anaros: Command, server: Server, tmp_path: Path) -> None:
    """At whatever it was, the kernel takes back all that it had brought in."""
    traces = Traces(server.pid)
    for place in range(6):
        run = tmp_path / f"killed-{place}"
        process = subprocess.Popen(
            anaros("attach", server.pid, "--output", run), stdout=subprocess.DEVNULL, text=True
        )
        try:
            meta = wait_for(run, process)
            time.sleep(0.08 * place)  # while it loads the first, the calls', the others
        finally:
            process.kill()
            process.wait()
        session.recover(run)
        assert not Path(str(meta["shm"])).exists()
    traces.gone(tmp_path.name)
    server.more(10)
    assert server.wrong == 0


@pytest.mark.skipif(shutil.which("bpftool") is None, reason="bpftool is not installed")
def test_again_and_again(server: Server, tmp_path: Path) -> None:
    """20 attachments in one process: no descriptor, program or memory stays behind."""
    script = f"""
        import gc, os, shutil, threading
        from pathlib import Path
        from anaros.capture.attach.calls import AttachLoading
        from anaros.capture.attach.targets import check
        from anaros.session.attach import attach

        def memory():
            return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

        def once(place):
            run = Path({str(tmp_path)!r}) / str(place)
            duration_s = 0.001 if place % 10 else 0.3
            done = attach(check([{server.pid}]), AttachLoading(), output=run, duration_s=duration_s)
            assert done.problem is None
            shutil.rmtree(run)

        def held():
            gc.collect()
            return len(os.listdir("/proc/self/fd")), threading.active_count()

        for place in range(11):
            once(place)
        before, bytes_before = held(), memory()
        for place in range(11, 20):
            once(place)
        assert held() == before, (held(), before)
        grown = memory() - bytes_before
        assert grown < 16 << 20, grown
    """
    traces = Traces(server.pid)
    paths = f"{ROOT / 'overlay'}:{ROOT / 'cli'}"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    traces.gone(tmp_path.name)
    assert server.wrong == 0

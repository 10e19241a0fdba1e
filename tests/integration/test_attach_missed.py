# SPDX-License-Identifier: Apache-2.0
"""Calls whose beginning the kernel left out: its probe was busy with that of another thread."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from anaros.kinds import Kind
from anaros.store.rundir import RunDirectory
from anaros.store.segments import load

ROOT = Path(__file__).resolve().parents[2]
THREADS, WAIT_S = 24, 60
Command = Callable[..., list[str]]

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="loading BPF programs takes root"),
    pytest.mark.skipif(
        not (ROOT / "ebpf/syscalls.bpf.o").exists(), reason="ebpf/syscalls.bpf.o is not built"
    ),
    pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler"),
]

#: More threads than CPUs, that come between each other wherever they are.
CROWD = """
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>
static void *work(void *unused)
{
    char bytes[77];
    for (;;) {
        int file = open("/dev/zero", O_RDONLY);
        if (read(file, bytes, sizeof(bytes)) != sizeof(bytes) || close(file) != 0)
            return unused;
        usleep(20);
    }
}
int main(void)
{
    pthread_t thread;
    for (int i = 1; i < THREADS; i++)
        pthread_create(&thread, NULL, work, NULL);
    work(NULL);
}
"""


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program whose threads read all the time."""
    (tmp_path / "a.c").write_text(CROWD)
    words = ["cc", "-O1", "-pthread", f"-DTHREADS={THREADS}", "-o", "crowd", "a.c"]
    subprocess.run(words, check=True, cwd=tmp_path)
    process = subprocess.Popen([tmp_path / "crowd"])
    yield process
    process.kill()
    process.wait(WAIT_S)


def test_a_call_begins_at_its_end_rather_than_with_us(
    anaros: Command, crowd: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """Only what was under way when we came began then: of each thread no call but the first."""
    run = tmp_path / "run"
    words = anaros("attach", "--duration", "2", "--output", run, crowd.pid)
    done = subprocess.run(words, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    opened = RunDirectory.open(run)
    calls = load(opened, kinds=[Kind.FILE_OPEN, Kind.FILE_READ])
    assert len(calls) > 100
    since_ns = opened.meta()["attach"]["calls_since_ns"]
    ends_ns = calls.start_ns + calls.duration_ns
    early = calls.start_ns == since_ns
    for tid in set(calls.tid[early].tolist()):
        own = calls.tid == tid
        assert (own & early).sum() == 1
        later = calls.start_ns[own & ~early]
        assert not len(later) or int(ends_ns[own & early][0]) <= int(later.min())

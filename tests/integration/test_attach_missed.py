# SPDX-License-Identifier: Apache-2.0
"""More threads than CPUs: calls that are lost are counted, none is told as longer than it was."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from anaros import report
from anaros.kinds import Kind
from anaros.store.rundir import RunDirectory
from anaros.store.segments import load

ROOT = Path(__file__).resolve().parents[2]
THREADS, WAIT_S = 24, 120
ROUNDS = 5000
Command = Callable[..., list[str]]
Follow = Callable[..., int]

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


#: Each thread writes and reads so many times, once it is told to; then it says so and waits.
COUNTED = """
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>
static pthread_barrier_t gate;
static int file;
static void *work(void *place)
{
    char bytes[400] = {};
    long at = (long)place * 4096;
    pthread_barrier_wait(&gate);
    for (int i = 0; i < ROUNDS; i++)
        if (pwrite(file, bytes, 400, at) != 400 || pread(file, bytes, 300, at) != 300)
            _exit(1);
    pthread_barrier_wait(&gate);
    pause();
    return place;
}
int main(int count, char **words)
{
    pthread_t thread;
    char byte;
    file = open(words[count - 1], O_RDWR | O_CREAT, 0600);
    pthread_barrier_init(&gate, NULL, THREADS + 1);
    for (long i = 0; i < THREADS; i++)
        pthread_create(&thread, NULL, work, (void *)i);
    if (read(0, &byte, 1) != 1)
        return 1;
    pthread_barrier_wait(&gate);
    pthread_barrier_wait(&gate);
    write(1, "d", 1);
    pause();
}
"""


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program whose threads all work at once when they are told to."""
    (tmp_path / "b.c").write_text(COUNTED)
    words = ["cc", "-O1", "-pthread", "-w", f"-DTHREADS={THREADS}", f"-DROUNDS={ROUNDS}"]
    subprocess.run([*words, "-o", "counted", "b.c"], check=True, cwd=tmp_path)
    process = subprocess.Popen(
        [tmp_path / "counted", tmp_path / "file"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    yield process
    process.kill()
    process.communicate(timeout=WAIT_S)


@pytest.fixture
def crowded(
    anaros: Command,
    until_it_follows: Follow,
    counted: subprocess.Popen[bytes],
    tmp_path: Path,
) -> RunDirectory:
    """A run over all that they do."""
    run = tmp_path / "run"
    process = subprocess.Popen(
        anaros("attach", "--output", run, counted.pid), stdout=subprocess.DEVNULL
    )
    try:
        until_it_follows(process.pid, counted.pid)
        assert counted.stdin is not None
        assert counted.stdout is not None
        counted.stdin.write(b"x")
        counted.stdin.flush()
        assert counted.stdout.read(1) == b"d"
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_S) == 0
    finally:
        process.kill()
        process.wait(WAIT_S)
    return RunDirectory.open(run)


def test_what_is_not_on_record_is_counted(
    crowded: RunDirectory, counted: subprocess.Popen[bytes]
) -> None:
    lost = crowded.meta()["drops"]["by_probe"]
    calls = load(crowded, kinds=[Kind.FILE_READ, Kind.FILE_WRITE])
    assert (calls.pid == counted.pid).all()
    # Theirs, and one byte each way of the main thread's.
    assert len(calls) + lost["calls"] == 2 * THREADS * ROUNDS + 2

    # They slept when we came and went on to until they were told: that is told, and not as work.
    began_ns = int(calls.start_ns[calls.kind == Kind.FILE_WRITE].min())
    sleeps = load(crowded, kinds=[Kind.SCHED_OFFCPU])
    early = sleeps.start_ns < began_ns
    assert len(set(sleeps.tid[early].tolist())) + lost["sched"] >= THREADS
    rows = report.build(crowded)["coverage"]["quantities"]
    cpu = next(row for row in rows if row["quantity"] == "cpu_ns")
    assert cpu["seen"] < 2 * cpu["witnessed"] + 2e9

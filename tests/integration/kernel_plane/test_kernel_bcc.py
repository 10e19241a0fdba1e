# SPDX-License-Identifier: Apache-2.0
"""The probes that BCC loads where BTF is hidden, against those of libbpf on the same program."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_harness import NEEDS, Samples, direct_or_skip, kernel, probes, stopped

from anaros import report
from anaros.capture.host import survey
from anaros.errors import KernelPlaneError
from anaros.kinds import Kind, NameClass
from anaros.records import FLAG_ASYNC, FLAG_KERNEL, FLAG_OTHER_TENANT, RECORD_DTYPE, Columns
from anaros.store.rundir import RunDirectory
from anaros.store.segments import load

HIDE = 'mount -t tmpfs none /sys/kernel/btf && exec "$@"'
HIDDEN = ["unshare", "--mount", "sh", "-c", HIDE, "sh"]
ROOT = Path(__file__).resolve().parents[3]
OBSERVER = Path(__file__).with_name("bcc_observer.py")
#: What a wait has to last, and what is a moment, does not depend on who looks at the clock first.
SETTINGS = {"runqueue_min_ns": 0, "backlog_min": 1, "net_recent_ns": 60_000_000_000}
TIMEOUT_S = 180


def _cannot_hide() -> bool:
    if os.geteuid() != 0:
        return True
    words = [*HIDDEN, "test", "!", "-e", "/sys/kernel/btf/vmlinux"]
    return subprocess.run(words, capture_output=True, check=False).returncode != 0


pytestmark = [
    *NEEDS,
    pytest.mark.skipif(survey.bcc_folder() is None, reason="BCC (python3-bpfcc) is not installed"),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="BCC serves x86-64 only"),
    pytest.mark.skipif(_cannot_hide(), reason="no mount namespace where BTF can be hidden"),
]


def environment(**more: str) -> dict[str, str]:
    paths = [str(ROOT / "overlay"), str(ROOT / "cli"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **more}


def installed_headers(folder: Path) -> dict[str, str]:
    """Where BCC is to look for what the distribution installed, of whatever kernel that is.

    Debian keeps them in two trees.
    """
    trees = sorted(path for path in Path("/usr/src").glob("linux-headers-*"))
    if not trees:
        pytest.skip("no headers of a kernel are installed")
    for place in ("include", "arch/x86/include"):
        (folder / place).mkdir(parents=True)
        for tree in trees:
            for path in (tree / place).glob("*"):
                if not (folder / place / path.name).exists():
                    (folder / place / path.name).symlink_to(path)
    return {"BCC_KERNEL_SOURCE": str(folder)}


@dataclass
class Seen:
    """What a loader saw of a program."""

    records: Columns
    names: list[tuple[int, int, str]]
    counts: dict[str, dict[str, int]]

    def of(self, kind: Kind) -> Columns:
        return self.records.take(self.records.kind == kind)

    def counted(self, counter: str) -> int:
        """A counter of all probes."""
        return sum(counts[counter] for counts in self.counts.values())

    def rows(self, kind: Kind, *fields: str) -> Counter[tuple[int, ...]]:
        """How often each combination of the fields is there."""
        return rows(self.of(kind), *fields)


@dataclass
class Both:
    """What both saw, and what BCC's has to say beside.

    Attributes:
        hog: The pid of somebody else who held a CPU.
    """

    ours: Seen
    theirs: Seen
    said: dict[str, Any]
    hog: int = 0

    @property
    def lost(self) -> int:
        """How many records may differ: as many as hang on the events that were not seen.

        The kernel skips BCC's probes where they interrupt another, or somebody's access to a map,
        and counts that; and it does not show every switch to anybody.
        """
        return 4 * (self.theirs.counted("missed") + self.ours.counted("dropped"))


def rows(records: Columns, *fields: str) -> Counter[tuple[int, ...]]:
    """How often each combination of the fields is there."""
    columns = [getattr(records, field).tolist() for field in fields]
    return Counter(zip(*columns, strict=True))


def differ(one: Counter[tuple[int, ...]], other: Counter[tuple[int, ...]]) -> int:
    """How many have no like in the other."""
    return ((one - other) + (other - one)).total()


def observe(
    argv: list[str],
    folder: Path,
    more: dict[str, str],
    beside: Callable[[], None] = lambda: None,
    *further: str,
) -> Both:
    """Runs a program under both loaders at once; BCC's is a process where BTF is hidden."""
    samples = Samples()
    child = stopped(argv)
    words = [
        *HIDDEN,
        sys.executable,
        OBSERVER,
        child.pid,
        json.dumps(SETTINGS),
        folder / "seen.npy",
        *further,
    ]
    observer = subprocess.Popen(
        [str(word) for word in words],
        env=environment(**more),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    plane = None
    try:
        assert observer.stdout is not None
        assert select.select([observer.stdout], [], [], TIMEOUT_S)[0], "it never was ready"
        assert observer.stdout.readline() == "ready\n"
        loading = probes.Loading(probes.Settings(**SETTINGS))
        plane = kernel.KernelPlane.start(kernel.Target(child.pid), samples.address, 0, loading)
        assert plane.loader == "libbpf"
        beside()
        os.kill(child.pid, signal.SIGCONT)
        deadline = time.monotonic() + TIMEOUT_S
        while child.poll() is None:
            assert time.monotonic() < deadline, "the program hangs"
            plane.consume()
            time.sleep(0.01)
        child.communicate()
        plane.stop()
        observer.communicate(timeout=TIMEOUT_S)
    finally:
        for process in (child, observer):
            if process.poll() is None:
                process.kill()
                process.wait()
        if plane is not None:
            plane.stop()
    assert observer.returncode == 0
    said = json.loads((folder / "seen.json").read_text())
    raw = np.load(folder / "seen.npy").view(RECORD_DTYPE)
    theirs = Columns.from_records(np.sort(raw, order="start_ns", kind="stable"))
    names = [(int(record["status"]), int(record["object"]), text) for record, text in samples.names]
    ours = Seen(samples.columns(), names, plane.counts())
    return Both(ours, Seen(theirs, [tuple(name) for name in said["names"]], said["counts"]), said)


WHO = ("pid", "tid")
#: What is compared of each record; times are not, and what BCC does not know.
FIELDS = {
    Kind.SCHED_OFFCPU: (*WHO, "flags", "status", "object"),
    Kind.SCHED_RUNQUEUE: (*WHO, "flags", "object", "size_bytes"),
    Kind.SCHED_WAKEUP: (*WHO, "flags", "object", "address"),
    Kind.PROC_FORK: (*WHO, "object"),
    Kind.PROC_EXEC: (*WHO, "address"),
    Kind.PROC_EXIT: WHO,
    Kind.SCHED_MIGRATE: (*WHO, "object", "address"),
}
NETWORK = {
    Kind.TCP_STATE: (*WHO, "flags", "status", "address"),
    Kind.TCP_RETRANSMIT: (*WHO, "flags"),
}
IN_EACH = (Kind.PROC_EXEC, Kind.PROC_EXIT, Kind.SCHED_OFFCPU)
POLL = (*WHO, "flags", "object", "size_bytes", "address")


def compare(both: Both) -> None:
    """Whoever it was, whatever it was and however often: the same, and the sums of times nearly."""
    ours, theirs = both.ours, both.theirs
    assert both.said["loader"] == "bcc"
    assert both.said["left"] == 0, "descriptors, after it was stopped"
    assert theirs.counted("dropped") + theirs.counted("untracked") <= both.lost
    for kind, fields in FIELDS.items():
        assert len(ours.of(kind)) > 0 or kind == Kind.SCHED_MIGRATE, kind
        assert differ(ours.rows(kind, *fields), theirs.rows(kind, *fields)) <= both.lost, kind
    programs, same = (
        sorted(name for name in seen.names if name[0] == NameClass.PROGRAM)
        for seen in (ours, theirs)
    )
    assert programs == same
    assert programs
    wall_ns = int(ours.records.start_ns[-1] - ours.records.start_ns[0])
    for kind in (Kind.SCHED_OFFCPU, Kind.SCHED_RUNQUEUE):
        sums = [int(seen.of(kind).duration_ns.sum()) for seen in (ours, theirs)]
        assert abs(sums[0] - sums[1]) < 0.1 * wall_ns, kind


def network(workload: str) -> str:
    """Connections, segments that are lost, and datagrams that wait and find no room."""
    shape = "tc qdisc add dev lo root tbf rate 16mbit burst 4kb latency 200ms"
    inside = (
        f"ip link set lo up && {workload} tcp 50 && {workload} loss 300 && {shape} &&"
        f" {workload} flood 40 1000"
    )
    return f"unshare -n sh -c '{inside}';"


@pytest.fixture(scope="module")
def both(workload: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """One program under both loaders, beside a foreign hog of a CPU and one of the disk."""
    folder = tmp_path_factory.mktemp("bcc")
    direct, other = folder / "direct", folder / "other"
    direct_or_skip(direct)
    script = (
        f"{workload} pingpong 200; {workload} echo 50; {workload} spin 30 0 & {workload} spin 30 0;"
        f"wait; /bin/true & wait; {workload} spin 100 1; {workload} write {direct} 16 65536;"
        f"{workload} buffered {direct} 1048576; sync; {network(workload)} exit 3"
    )
    disk = ["dd", "if=/dev/zero", f"of={other}", "bs=4k", "count=100000", "oflag=direct"]
    tenants: list[subprocess.Popen[bytes]] = []

    def beside() -> None:
        tenants.append(subprocess.Popen([workload, "spin", "600000", "1"]))
        tenants.append(subprocess.Popen(disk, stderr=subprocess.DEVNULL))

    try:
        seen = observe(["/bin/sh", "-c", script], folder, {}, beside, "give up")
    finally:
        for tenant in tenants:
            tenant.kill()
            tenant.wait()
        other.unlink(missing_ok=True)
    seen.hog = tenants[0].pid
    yield seen


def test_both_loaders_record_the_same(both: Both) -> None:
    compare(both)
    assert any("proc.io" in sentence for sentence in both.said["missing"])
    assert (both.ours.of(Kind.SCHED_WAKEUP).flags & FLAG_ASYNC).any()


def test_both_loaders_name_the_same_hog(both: Both) -> None:
    for seen in (both.ours, both.theirs):
        delays = seen.of(Kind.SCHED_RUNQUEUE)
        by_hog = delays.take(delays.size_bytes == both.hog)
        assert len(by_hog) > 0
        assert (by_hog.flags & FLAG_OTHER_TENANT).all()
        assert (by_hog.object == both.hog).all()
        assert (int(NameClass.PROCESS), both.hog, "workload") in seen.names


def test_both_loaders_record_the_same_requests(both: Both) -> None:
    """Bytes and places exactly, and the order in which they were issued."""
    own, foreign, unknown = [], [], []
    for seen in (both.ours, both.theirs):
        requests = seen.of(Kind.BLOCK_IO)
        others = (requests.flags & FLAG_OTHER_TENANT) != 0
        own.append(requests.take((requests.pid != 0) & ~others))
        foreign.append(int(others.sum()))
        unknown.append(int((requests.pid == 0).sum()))
    if len(own[0]) == 0:
        pytest.skip("the folder for temporary files does not lie on a block device")
    fields = (*WHO, "flags", "status", "object", "size_bytes", "address")
    first, second = (rows(requests, *fields) for requests in own)
    assert differ(first, second) <= both.lost
    assert own[0].size_bytes.sum() >= 16 * 65536
    assert both.lost or own[0].address.tolist() == own[1].address.tolist()
    # Those of others that were under way at either end are seen by one of them at most.
    assert min(foreign) > 0
    assert bool(unknown[0]) == bool(unknown[1]), "threads of the kernel write for somebody"


def test_both_loaders_record_the_same_network(both: Both) -> None:
    """States, retransmissions, drops by name, queues and polls; but what BCC does not know."""
    ours, theirs = both.ours, both.theirs
    assert not theirs.of(Kind.TCP_STATE).object.any(), "no cookie is guessed"
    for kind, fields in NETWORK.items():
        assert differ(ours.rows(kind, *fields), theirs.rows(kind, *fields)) <= both.lost, kind
    # A packet that is dropped after its socket was found; what a socket leaves unread is not.
    fields = (*WHO, "flags", "status", "address")
    first, second = (seen.rows(Kind.NIC_DROP, *fields) for seen in (ours, theirs))
    assert (second - first).total() <= both.lost
    # Polls go on, those of others, until the last one looks away.
    begin, end = ours.of(Kind.TCP_STATE).start_ns[0], ours.of(Kind.PROC_EXIT).start_ns[-1]
    polls = []
    for seen in (ours, theirs):
        each = seen.of(Kind.NIC_POLL)
        polls.append(rows(each.take((each.start_ns > begin) & (each.start_ns < end)), *POLL))
    assert (polls[1] - polls[0]).total() <= both.lost + 2
    assert polls[1].total() > 0
    if len(ours.of(Kind.TCP_RETRANSMIT)) == 0:
        pytest.skip("no network namespace of its own")
    reasons = [
        {name for name in seen.names if name[0] == NameClass.REASON} for seen in (ours, theirs)
    ]
    assert reasons[1] <= reasons[0]
    numbers = {text: number for _, number, text in reasons[1]}
    for reason in ("SOCKET_FILTER", "SOCKET_RCVBUFF"):
        told = [
            sum(many for row, many in seen.items() if row[-1] == numbers[reason])
            for seen in (first, second)
        ]
        assert told[0] >= 1
        assert abs(told[0] - told[1]) <= both.lost, reason


def test_both_loaders_time_the_same_queues(both: Both) -> None:
    waits = []
    for seen in (both.ours, both.theirs):
        queued = seen.of(Kind.NIC_QUEUE)
        # BCC knows of a wait where the packet enters the queue, a moment later.
        waits.append(queued.take(queued.duration_ns > 100_000))
    if len(waits[0]) == 0:
        pytest.skip("no network namespace of its own, or no tbf")
    fields = (*WHO, "flags", "status", "object", "size_bytes")
    assert differ(*(rows(queued, *fields) for queued in waits)) <= both.lost + 2
    longest, other = (int(queued.duration_ns.max()) for queued in waits)
    assert abs(longest - other) < 0.1 * longest


def test_probes_that_bcc_loaded_are_given_up_and_come_back(both: Both) -> None:
    told = both.said["given_up"]
    assert told["away"] == told["programs"] == 14
    assert told["ran"] == []
    assert told["back"]
    assert told["runs_again"]
    assert told["mine"] > 0
    assert told["through"] == 0, "what was under way is forgotten"
    assert told["spent_ns"]["sched"] > 0
    assert not any("budget" in sentence for sentence in both.said["missing"])


def test_headers_that_are_installed_change_nothing(workload: str, tmp_path: Path) -> None:
    more = installed_headers(tmp_path / "headers")
    script = f"{workload} pingpong 50; /bin/true & wait"
    compare(observe(["/bin/sh", "-c", script], tmp_path, more))


IN_A_NAMESPACE = """
import os, subprocess, sys
assert "BCC_KERNEL_SOURCE" not in os.environ
subprocess.run([sys.argv[1], "pingpong", "50"], check=True)
print(os.getpid())
sys.exit(3)
"""


def test_a_run_without_btf_in_a_pid_namespace(workload: str, tmp_path: Path) -> None:
    """It tells its loader; there the program and its child have other numbers than on record."""
    names = [HIDDEN[0], "--mount", "--pid", "--fork", "--mount-proc", *HIDDEN[2:]]
    words = [*names, sys.executable, "-m", "anaros_cli", "run", "--output", str(tmp_path / "run")]
    done = subprocess.run(
        [*words, "--", sys.executable, "-S", "-c", IN_A_NAMESPACE, workload],
        env=environment(),
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
        text=True,
    )
    assert (done.returncode, done.stderr) == (3, "")
    run = RunDirectory.open(tmp_path / "run")
    plane = run.meta()["kernel_plane"]
    assert plane["active"]
    assert plane["loader"] == "bcc"
    assert set(plane["since_ns"]) == {"sched", "process", "block", "net"}
    assert any("sync.futex" in sentence for sentence in plane["missing"])
    records = load(run)
    records = records.take((records.flags & FLAG_KERNEL) != 0)
    pids = {kind: set(records.pid[records.kind == kind].tolist()) for kind in IN_EACH}
    assert len(pids[Kind.PROC_EXEC]) == 2
    assert pids[Kind.PROC_EXIT] >= pids[Kind.PROC_EXEC]
    assert pids[Kind.SCHED_OFFCPU] <= pids[Kind.PROC_EXIT]
    assert int(done.stdout.split()[-1]) not in pids[Kind.PROC_EXEC]


RUNS_ALREADY = """
import socket, subprocess, sys, threading, time
def rest():
    sys.stdout.write(f"{threading.get_native_id()}\\n")  # in one piece, beside the other's
    sys.stdout.flush()
    while True:
        time.sleep(0.005)
for _ in range(2):
    threading.Thread(target=rest, daemon=True).start()
server = socket.create_server(("127.0.0.1", 0))
early = socket.create_connection(server.getsockname())
sys.stdin.readline()
threading.Thread(target=rest, daemon=True).start()
subprocess.run(["/bin/true"])
socket.create_connection(server.getsockname()).close()
early.sendall(b"x")
time.sleep(0.1)
early.close()
"""


def test_attach_without_btf_follows_what_runs_already(tmp_path: Path) -> None:
    """Its threads and sockets of before, and what comes later; its calls are unknown, not none."""
    target = subprocess.Popen(
        [sys.executable, "-S", "-c", RUNS_ALREADY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert target.stdout is not None
    tids = [int(target.stdout.readline()) for _ in range(2)]
    words = [*HIDDEN, sys.executable, "-m", "anaros_cli", "attach", "--budget", "90%"]
    anaros = subprocess.Popen(
        [*words, "--output", str(tmp_path / "run"), str(target.pid)],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert anaros.stderr is not None
        assert select.select([anaros.stderr], [], [], TIMEOUT_S)[0], "it does not attach"
        said = anaros.stderr.readline() + anaros.stderr.readline()
        tids.append(int(target.communicate("go on\n", timeout=TIMEOUT_S)[0]))
        said += anaros.communicate(timeout=TIMEOUT_S)[1]
    finally:
        for process in (target, anaros):
            process.kill()
            process.wait()
    assert said == (
        "anaros: this kernel has no BTF: system calls and calls of device libraries are not"
        " followed\n  boot a kernel with CONFIG_DEBUG_INFO_BTF=y, or use --inject\n"
    )
    run = RunDirectory.open(tmp_path / "run")
    meta, records = run.meta(), load(run)
    assert meta["attach"]["calls_since_ns"] is None
    assert set(meta["kernel_plane"]["since_ns"]) == {"sched", "process", "block", "net"}
    assert said.splitlines()[0].removeprefix("anaros: ") in meta["kernel_plane"]["missing"]
    assert set(records.tid[records.kind == Kind.SCHED_OFFCPU].tolist()) >= set(tids)
    states = records.take(records.kind == Kind.TCP_STATE)
    assert set(states.pid.tolist()) == {target.pid}
    child = records.take(records.kind == Kind.PROC_FORK).object
    assert set(records.pid[records.kind == Kind.PROC_EXIT].tolist()) == {
        target.pid,
        *child.tolist(),
    }
    coverage = report.build(run)["coverage"]
    assert set(coverage["shares"].values()) == {None}


def test_processes_of_another_namespace_in_proc_are_refused(tmp_path: Path) -> None:
    words = [HIDDEN[0], "--mount", "--pid", "--fork", *HIDDEN[2:], sys.executable]
    words += ["-m", "anaros_cli", "run", "--output", str(tmp_path / "run"), "--", "/bin/true"]
    done = subprocess.run(
        words,
        env=environment(),
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
        text=True,
    )
    assert done.returncode == 0
    assert "that of another pid namespace" in done.stderr
    assert "mount -t proc" in done.stderr
    assert not RunDirectory.open(tmp_path / "run").meta()["kernel_plane"]["active"]


def test_neither_btf_nor_bcc(idle: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_VMLINUX_BTF", "/nonexistent")
    monkeypatch.setattr(survey, "_BCC", ())
    with pytest.raises(KernelPlaneError, match="BCC is not installed") as caught:
        kernel.KernelPlane.start(kernel.Target(idle.pid), Samples().address, 0)
    assert "python3-bpfcc" in caught.value.remedy
    assert "--no-kernel" in caught.value.remedy

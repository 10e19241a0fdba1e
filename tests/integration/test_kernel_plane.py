# SPDX-License-Identifier: Apache-2.0
"""The kernel plane against small programs whose trace in the kernel is known."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from anaros.errors import KernelPlaneError
from anaros.kinds import Kind, NameClass
from anaros.records import FLAG_ASYNC, FLAG_KERNEL, FLAG_OTHER_TENANT, RECORD_DTYPE, Columns

cffi = pytest.importorskip("cffi")
kernel = pytest.importorskip("anaros.capture.kernel")

ROOT = Path(__file__).resolve().parents[2]
OBJECT = ROOT / "ebpf" / "anaros.bpf.o"

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="loading BPF programs takes root"),
    pytest.mark.skipif(
        not Path("/sys/kernel/btf/vmlinux").exists(), reason="this kernel has no BTF"
    ),
    pytest.mark.skipif(not OBJECT.exists(), reason="ebpf/anaros.bpf.o has not been built"),
]

MS = 1_000_000
TCP_ESTABLISHED, TCP_SYN_SENT, TCP_SYN_RECV, TCP_CLOSE, TCP_LISTEN = 1, 2, 3, 7, 10
INTERRUPTIBLE = 1


@dataclass
class Samples:
    """Collects what the plane hands over, behind a real C function pointer."""

    records: list[bytes] = field(default_factory=list)
    names: list[tuple[np.void, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ffi = cffi.FFI()
        self.function = self.ffi.callback("int(void *, void *, size_t)", self._take)

    def _take(self, _context: object, data: object, size: int) -> int:
        sample = bytes(self.ffi.buffer(data, size))
        record = np.frombuffer(sample[:64], RECORD_DTYPE)[0]
        if record["kind"] == Kind.META_NAME:
            assert len(sample) == 64 + record["size_bytes"]
            self.names.append((record, sample[64:].decode()))
        else:
            assert len(sample) == 64
            self.records.append(sample)
        return 0

    @property
    def address(self) -> int:
        return int(self.ffi.cast("uintptr_t", self.function))

    def columns(self) -> Columns:
        return Columns.from_records(np.frombuffer(b"".join(self.records), RECORD_DTYPE))


@dataclass
class Run:
    """A finished run under the plane."""

    pid: int
    status: int
    said: dict[str, int]
    records: Columns
    names: list[tuple[np.void, str]]
    counts: dict[str, dict[str, int]]
    drops: dict[str, int]

    def of(self, *kinds: Kind, tid: int | None = None) -> Columns:
        chosen = np.isin(self.records.kind, kinds)
        if tid is not None:
            chosen &= self.records.tid == tid
        return self.records.take(chosen)

    def name(self, name_class: NameClass, number: int) -> list[str]:
        return [
            text
            for record, text in self.names
            if record["status"] == name_class and record["object"] == number
        ]


@pytest.fixture(scope="session")
def workload(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The C helper, built."""
    program = tmp_path_factory.mktemp("kernel_plane") / "workload"
    source = Path(__file__).parent / "kernel_plane" / "workload.c"
    command = ["gcc", "-std=c11", "-O2", "-Wall", "-Werror", "-pthread", source, "-o", program]
    subprocess.run(command, check=True)
    return str(program)


def stopped(argv: list[str]) -> subprocess.Popen[str]:
    """A child that stopped before its exec of ``argv``, as ``anaros run`` starts one."""
    child = subprocess.Popen(
        ["/bin/sh", "-c", 'kill -STOP $$; exec "$@"', "sh", *argv],
        stdout=subprocess.PIPE,
        text=True,
    )
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
    return child


def record(
    argv: list[str],
    beside: Callable[[], None] = lambda: None,
    settings: kernel.Settings | None = None,
    *,
    consume: bool = True,
) -> Run:
    """Runs ``argv`` under the plane; ``beside`` runs in this process at the same time."""
    samples = Samples()
    child = stopped(argv)
    plane = None
    try:
        target = kernel.Target(child.pid)
        plane = kernel.KernelPlane.start(target, samples.address, 0, settings)
        os.kill(child.pid, signal.SIGCONT)
        beside()
        deadline = time.monotonic() + 30
        while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            assert time.monotonic() < deadline, "the workload hangs"
            if consume:
                plane.consume()
            time.sleep(0.01)
        said, _ = child.communicate()
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        if plane is not None:
            plane.stop()
    words = {line.split()[0]: int(line.split()[1]) for line in said.splitlines()}
    return Run(
        child.pid,
        child.returncode,
        words,
        samples.columns(),
        samples.names,
        plane.counts(),
        plane.drops(),
    )


def total_ms(columns: Columns) -> float:
    return float(columns.duration_ns.sum()) / MS


# Scheduler


def test_sleeps_are_off_cpu_intervals(workload: str) -> None:
    run = record([workload, "sleep", "20", "5000"])
    away = run.of(Kind.SCHED_OFFCPU, tid=run.pid)
    naps = away.take((away.status == INTERRUPTIBLE) & (away.duration_ns > 4 * MS))
    # On a busy machine a thread may be preempted on its way to sleep: then that is the interval.
    assert 10 <= len(naps) <= 20
    assert total_ms(away) >= 95
    exits = run.of(Kind.PROC_EXIT)
    assert total_ms(away) <= float(exits.start_ns[-1] - away.start_ns[0]) / MS
    # A timer woke it: whatever ran on that CPU had nothing to do with it.
    assert not naps.object.any()
    assert not naps.context.any()
    assert (naps.start_ns[1:] >= naps.start_ns[:-1] + naps.duration_ns[:-1]).all()


def test_every_record_is_of_the_kernel_and_of_the_tree(workload: str) -> None:
    with subprocess.Popen([workload, "sleep", "2000", "100"]):
        run = record([workload, "pingpong", "200"])
    records = run.records
    assert (records.flags & FLAG_KERNEL).all()
    assert (records.kind != 0).all()
    assert (records.start_ns > 0).all()
    foreign = (records.flags & FLAG_OTHER_TENANT) != 0
    own = np.isin(records.tid, list(run.said.values()))
    sched = np.isin(records.kind, [k for k in Kind if k.name.startswith("SCHED")])
    assert own[sched].all()
    # What delayed it is named beside it, never recorded for its own sake.
    assert (records.kind[foreign & own] == Kind.SCHED_RUNQUEUE).all()


def test_wakeups_link_the_two_threads(workload: str) -> None:
    run = record([workload, "pingpong", "500"])
    first, second = run.said["first"], run.said["second"]
    edges = run.of(Kind.SCHED_WAKEUP)
    there = edges.take((edges.tid == first) & (edges.object == second))
    back = edges.take((edges.tid == second) & (edges.object == first))
    assert len(there) > 50
    assert len(back) > 50
    assert not (edges.flags & FLAG_ASYNC).any()
    assert (edges.pid == run.pid).all()
    waits = run.of(Kind.SCHED_OFFCPU, tid=second)
    waits = waits.take(waits.status != 0)
    # A write to a pipe whose reader is not asleep yet wakes nobody: the kernel's own count of
    # how often the thread slept is the truth.
    assert 0 <= len(waits) - run.said["slept"] <= 3
    assert (waits.object == first).sum() + 1 == len(there), "and one edge for its creation"
    assert (waits.object == first).mean() > 0.9
    ends = waits.start_ns + waits.duration_ns
    which = np.searchsorted(ends, there.start_ns[1:])
    assert (waits.object[which] == first).all(), "woken while it slept"


def test_a_foreign_hog_is_named_as_what_ran_instead(workload: str) -> None:
    with subprocess.Popen([workload, "spin", "400", "1"]) as hog:
        time.sleep(0.05)
        run = record([workload, "spin", "150", "1"])
    delays = run.of(Kind.SCHED_RUNQUEUE, tid=run.pid)
    by_hog = delays.take(delays.size_bytes == hog.pid)
    assert (by_hog.flags & FLAG_OTHER_TENANT).all()
    assert (by_hog.object == hog.pid).all()
    assert (by_hog.address == 1).all()
    assert total_ms(by_hog) > 60, "two hogs share a CPU: 150 ms of work wait about as long"
    assert run.name(NameClass.PROCESS, hog.pid) == ["workload"]
    preempted = run.of(Kind.SCHED_OFFCPU, tid=run.pid)
    preempted = preempted.take(preempted.status == 0)
    assert total_ms(preempted) > 60
    assert not preempted.object.any()


def test_own_threads_that_ran_instead_are_not_other_tenants(workload: str) -> None:
    script = f"{workload} spin 60 0 & {workload} spin 60 0; wait"
    run = record(["/bin/sh", "-c", script])
    forks = set(run.of(Kind.PROC_FORK).object.tolist())
    delays = run.of(Kind.SCHED_RUNQUEUE)
    mutual = delays.take(np.isin(delays.size_bytes, list(forks)) & np.isin(delays.pid, list(forks)))
    assert total_ms(mutual) > 20
    assert not (mutual.flags & FLAG_OTHER_TENANT).any()


def test_migrations_name_both_cpus(workload: str) -> None:
    if os.cpu_count() == 1:
        pytest.skip("one CPU: nothing migrates")
    run = record([workload, "hop", "40"])
    moves = run.of(Kind.SCHED_MIGRATE, tid=run.pid)
    assert len(moves) >= 39
    assert (moves.object != moves.address).all()
    assert set(moves.address.tolist()) >= {0, 1}


def test_short_waits_for_a_cpu_are_counted(workload: str) -> None:
    settings = kernel.Settings(runqueue_min_ns=10**12)
    run = record([workload, "pingpong", "300"], settings=settings)
    assert len(run.of(Kind.SCHED_RUNQUEUE)) == 0
    assert run.counts["sched"]["below_minimum"] > 500


# Processes


def test_fork_exec_exit_are_exact() -> None:
    script = "/bin/true; /bin/false; (exit 7); sh -c 'kill -9 $$'; /bin/true | /bin/true; exit 3"
    run = record(["/bin/sh", "-c", script])
    forks, execs, exits = (
        run.of(kind) for kind in (Kind.PROC_FORK, Kind.PROC_EXEC, Kind.PROC_EXIT)
    )
    children = sorted(forks.object.tolist())
    assert len(children) == 6
    assert len(set(children)) == 6
    assert sorted(exits.pid.tolist()) == sorted([*children, run.pid])
    assert sorted(exits.status.tolist()) == [0, 0, 0, 9, 1 << 8, 3 << 8, 7 << 8]
    assert len(execs) == 6
    assert sorted(set(execs.pid.tolist()) - {run.pid}) == sorted(
        set(children) - set(exits.pid[exits.status == 7 << 8].tolist())
    )
    assert run.name(NameClass.PROGRAM, run.pid) == ["/bin/sh"]
    assert sum(name == "/bin/true" for _, name in run.names) == 3
    assert run.status == 3
    assert not any(run.drops.values())


def test_threads_are_not_processes(workload: str) -> None:
    run = record([workload, "threads", "50"])
    assert len(run.of(Kind.PROC_FORK)) == 0
    exits = run.of(Kind.PROC_EXIT)
    assert exits.pid.tolist() == [run.pid]
    assert exits.status.tolist() == [5 << 8]
    started = run.of(Kind.SCHED_WAKEUP, tid=run.pid)
    assert len(set(started.object.tolist()) - {run.pid}) == 50


def test_a_daemon_stays_in_the_tree(workload: str) -> None:
    run = record(["/bin/sh", "-c", f"({workload} sleep 4 2000 &) ; {workload} sleep 10 3000"])
    assert len(run.of(Kind.PROC_FORK)) == 3
    assert len(run.of(Kind.PROC_EXIT)) == 4
    naps = run.of(Kind.SCHED_OFFCPU)
    naps = naps.take((naps.status == INTERRUPTIBLE) & (naps.duration_ns > 1.9 * MS))
    assert len(set(naps.pid.tolist()) - {run.pid}) >= 2


def test_a_process_that_already_has_threads_and_children_is_followed(workload: str) -> None:
    samples = Samples()
    script = f"{workload} sleep 400 1000 & wait"
    with subprocess.Popen(["/bin/sh", "-c", script]) as shell:
        time.sleep(0.1)
        plane = kernel.KernelPlane.start(kernel.Target(shell.pid), samples.address, 0)
        time.sleep(0.1)
        plane.stop()
    naps = samples.columns()
    naps = naps.take((naps.kind == Kind.SCHED_OFFCPU) & (naps.pid != shell.pid))
    assert len(naps) > 30


def test_lost_records_are_counted_exactly() -> None:
    runs = 60
    loop = f"i=0; while [ $i -lt {runs} ]; do /bin/true; i=$((i+1)); done"
    settings = kernel.Settings(ring_bytes=4096)
    run = record(["/bin/sh", "-c", loop], settings=settings, consume=False)
    kinds = (Kind.PROC_FORK, Kind.PROC_EXEC, Kind.PROC_EXIT)
    programs = [name for name, _ in run.names if name["status"] == NameClass.PROGRAM]
    shipped = len(run.of(*kinds)) + len(programs)
    made = runs * 3 + 2 + (runs + 1)  # each child: fork, exec, exit; the root: exec, exit; names
    assert run.drops["process"] > 0
    assert shipped + run.drops["process"] == made


# Block layer


def on_a_disk(path: Path) -> int:
    """The device of the file system as a record has it, or a skip."""
    device = path.stat().st_dev
    disk = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    if not disk.exists():
        pytest.skip(f"{path} does not lie on a block device")
    if (disk / "partition").exists():
        major, minor = (disk / ".." / "dev").resolve().read_text().split(":")
        return int(major) << 20 | int(minor)
    return os.major(device) << 20 | os.minor(device)


def direct_or_skip(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_DIRECT))
    except OSError as error:
        if error.errno == errno.EINVAL:
            pytest.skip("this file system has no O_DIRECT")
        raise


def test_direct_writes_are_block_requests_of_the_target(workload: str, tmp_path: Path) -> None:
    device, file = on_a_disk(tmp_path), tmp_path / "direct"
    direct_or_skip(file)
    run = record([workload, "write", str(file), "16", "65536"])
    requests = run.of(Kind.BLOCK_IO)
    own = requests.take((requests.pid == run.pid) & (requests.status == 1))
    assert own.size_bytes.sum() >= 16 * 65536
    assert (own.object == device).all()
    assert (own.tid == run.pid).all()
    assert (own.duration_ns > 0).all()
    assert len(set(own.address.tolist())) == len(own)
    assert (own.context < own.duration_ns + 100 * MS).all()
    assert not (own.flags & FLAG_OTHER_TENANT).any()
    flushes = requests.take(requests.status == 2)
    assert not flushes.size_bytes.any()


def test_writeback_belongs_to_nobody(workload: str, tmp_path: Path) -> None:
    on_a_disk(tmp_path)
    lazy, direct = tmp_path / "lazy", tmp_path / "direct"
    direct_or_skip(direct)
    # The journal and the flusher write while the target is at work on the same device.
    script = f"{workload} buffered {lazy} 4194304; {workload} write {direct} 4 4096"

    def flush() -> None:
        time.sleep(0.05)
        os.sync()

    run = record(["/bin/sh", "-c", script], flush)
    forks = [run.pid, *run.of(Kind.PROC_FORK).object.tolist()]
    requests = run.of(Kind.BLOCK_IO)
    own = requests.take(np.isin(requests.pid, forks) & (requests.status == 1))
    assert own.size_bytes.sum() < 4194304, "writeback was charged to the target"
    unknown = requests.take(requests.pid == 0)
    assert not (unknown.flags & FLAG_OTHER_TENANT).any()


def test_other_tenants_on_the_device_are_shown_while_they_matter(
    workload: str, tmp_path: Path
) -> None:
    on_a_disk(tmp_path)
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    direct_or_skip(mine)
    script = f"sleep 0.1; exec {workload} write {mine} 100 65536"
    with subprocess.Popen([workload, "write", str(theirs), "20000", "65536"]) as other:
        run = record(["/bin/sh", "-c", script])
        other.kill()
    requests = run.of(Kind.BLOCK_IO)
    foreign = requests.take((requests.flags & FLAG_OTHER_TENANT) != 0)
    assert (foreign.pid == other.pid).sum() > 3
    assert run.name(NameClass.PROCESS, other.pid) == ["workload"]
    assert run.counts["block"]["others"] > 0, "before the target began, they were only counted"


# Sockets and NIC


def test_tcp_states_of_both_ends(workload: str) -> None:
    run = record([workload, "tcp", "50"])
    states = run.of(Kind.TCP_STATE)
    seen = {
        who: list(
            zip(
                states.address[states.object == run.said[who]].tolist(),
                states.status[states.object == run.said[who]].tolist(),
                strict=True,
            )
        )
        for who in ("client", "accepted", "listener")
    }
    assert seen["listener"] == [(TCP_CLOSE, TCP_LISTEN), (TCP_LISTEN, TCP_CLOSE)]
    assert seen["client"][:2] == [(TCP_CLOSE, TCP_SYN_SENT), (TCP_SYN_SENT, TCP_ESTABLISHED)]
    # What a listener accepts is inherited, from before anybody accepts it.
    assert seen["accepted"][0] == (TCP_LISTEN, TCP_SYN_RECV)
    assert seen["accepted"][1] == (TCP_SYN_RECV, TCP_ESTABLISHED)
    assert (states.pid == run.pid).all()


def test_foreign_sockets_are_only_counted(workload: str) -> None:
    def connect() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname()).close()

    run = record([workload, "sleep", "5", "20000"], connect)
    assert len(run.of(Kind.TCP_STATE)) == 0
    assert run.counts["net"]["others"] > 3


def test_retransmits_and_drops_agree_with_the_kernel(workload: str) -> None:
    inside = 'ip link set lo up && exec "$@"'
    run = record(["unshare", "-n", "sh", "-c", inside, "sh", workload, "loss", "500"])
    if run.status:
        pytest.skip("no network namespace of its own")
    again = run.of(Kind.TCP_RETRANSMIT)
    assert run.said["retransmitted"] >= 1
    assert len(again) == run.said["retransmitted"], run.counts
    assert (again.object == run.said["client"]).all()
    dropped = run.of(Kind.NIC_DROP)
    dropped = dropped.take(dropped.object == run.said["accepted"])
    reasons = [run.name(NameClass.REASON, number)[0] for number in dropped.address]
    assert reasons.count("SOCKET_FILTER") >= run.said["retransmitted"]


def test_a_full_receive_buffer_is_a_named_drop(workload: str) -> None:
    run = record([workload, "flood", "40", "1000"])
    drops = run.of(Kind.NIC_DROP)
    drops = drops.take(drops.object == run.said["cookie"])
    assert len(drops) > 20
    assert (drops.pid == run.pid).all()
    assert (drops.status == drops.address.astype(np.int32)).all()
    assert run.name(NameClass.REASON, drops.address[0]) == ["SOCKET_RCVBUFF"]


def test_packets_wait_in_a_queueing_discipline(workload: str) -> None:
    shape = "tc qdisc add dev lo root tbf rate 16mbit burst 4kb latency 200ms"
    inside = f'ip link set lo up && {shape} && exec "$@"'
    argv = ["unshare", "-n", "sh", "-c", inside, "sh", workload, "flood", "40", "1000"]
    run = record(argv, settings=kernel.Settings(backlog_min=1))
    if run.status:
        pytest.skip("no network namespace of its own, or no tbf")
    waits = run.of(Kind.NIC_QUEUE)
    assert len(waits) > 20
    assert (waits.object == 1).all()
    assert (waits.size_bytes >= 1000).all()
    # 40 packets at 16 Mbit/s: the last waits for the ~36 before it, 0.5 ms each.
    assert 10 < waits.duration_ns.max() / MS < 40
    polls = run.of(Kind.NIC_POLL)
    assert len(polls) > 0
    assert (polls.size_bytes > 0).all()
    assert not polls.pid.any()


def test_loopback_polls_of_few_packets_are_counted(workload: str) -> None:
    run = record([workload, "tcp", "50"])
    polls = run.of(Kind.NIC_POLL)
    assert (polls.take(polls.object == 0).size_bytes >= 8).all()
    assert run.counts["net"]["below_minimum"] > 50


def test_wakeups_through_loopback_are_marked_as_of_an_interrupt(workload: str) -> None:
    run = record([workload, "echo", "300"])
    edges = run.of(Kind.SCHED_WAKEUP)
    there = edges.take((edges.tid == run.pid) & (edges.object == run.said["child"]))
    back = edges.take((edges.tid == run.said["child"]) & (edges.object == run.pid))
    assert len(there) > 50
    assert len(back) > 50
    # The segment arrives in a soft interrupt on the sender's own time: likely, not certain.
    marked = (there.flags & FLAG_ASYNC) != 0
    assert marked.mean() > 0.9


# The plane itself


@pytest.fixture
def idle() -> Iterator[subprocess.Popen[str]]:
    child = stopped(["/bin/true"])
    yield child
    child.kill()
    child.wait()
    assert child.stdout is not None
    child.stdout.close()


def test_start_and_stop_are_quick_and_leave_nothing(
    idle: subprocess.Popen[str], capfd: pytest.CaptureFixture[str]
) -> None:
    samples = Samples()
    took = []
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        begin = time.process_time()
        plane = kernel.KernelPlane.start(kernel.Target(idle.pid), samples.address, 0)
        took.append(time.process_time() - begin)
        plane.stop()
        plane.stop()
        assert plane.consume() == 0
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert min(took) < 0.15, "CPU time, for a wall time of 80 ms on a machine that is idle"
    assert capfd.readouterr() == ("", "")


def test_only_a_half_full_ring_wakes_the_consumer() -> None:
    samples = Samples()
    child = stopped(["/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do /bin/true; done"])
    settings = kernel.Settings(ring_bytes=8192)
    plane = kernel.KernelPlane.start(kernel.Target(child.pid), samples.address, 0, settings)
    calm = kernel.KernelPlane.start(kernel.Target(child.pid), samples.address, 0)
    try:
        os.kill(child.pid, signal.SIGCONT)
        child.communicate()
        import select

        ready, _, _ = select.select([plane.fileno(), calm.fileno()], [], [], 1)
        assert ready == [plane.fileno()]
    finally:
        calm.stop()
        plane.stop()
    assert plane.drops()["sched"] + plane.drops()["process"] > 0
    assert not any(calm.drops().values())


def test_run_time_is_unknown_unless_measured(idle: subprocess.Popen[str], workload: str) -> None:
    samples = Samples()
    settings = kernel.Settings(stats=True)
    for wanted in (None, settings):
        plane = kernel.KernelPlane.start(kernel.Target(idle.pid), samples.address, 0, wanted)
        subprocess.run([workload, "sleep", "20", "1000"], check=True)
        live = plane.run_time_ns()
        plane.stop()
        if wanted is None:
            assert live is None
        else:
            assert live is not None
            assert live["sched"] > 0
            assert plane.run_time_ns() is not None


def test_a_process_that_is_gone(idle: subprocess.Popen[str]) -> None:
    idle.kill()
    idle.wait()
    with pytest.raises(KernelPlaneError, match="does not exist"):
        kernel.KernelPlane.start(kernel.Target(idle.pid), Samples().address, 0)


def test_without_the_right_to_load(idle: subprocess.Popen[str]) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setuid(65534)
            kernel.KernelPlane.start(kernel.Target(idle.pid), 0, 0)
        except KernelPlaneError as error:
            os.write(writer, f"{error.fact}|{error.remedy}".encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as words:
        fact, remedy = words.read().split("|")
    assert "CAP_BPF" in fact
    assert "--no-kernel" in remedy


def test_an_object_of_another_version(idle: subprocess.Popen[str], tmp_path: Path) -> None:
    libbpf = kernel._Libbpf()
    plan = kernel._Plan(kernel.Settings())
    other = tmp_path / "other.bpf.o"
    other.write_bytes(b"not an object")
    with pytest.raises(KernelPlaneError, match="not a BPF object"):
        kernel._open(libbpf, other, plan)


def test_the_branches_for_older_kernels_load() -> None:
    libbpf = kernel._Libbpf()
    plan = kernel._Plan(kernel.Settings(), switch_has_state=False, drop_has_socket=False)
    loaded = kernel._load(libbpf, OBJECT, plan)
    assert plan.off == {}
    assert not plan.switch_has_state, "no second attempt was needed"
    libbpf.lib.bpf_object__close(loaded)


def test_without_the_preempt_count_the_stack_tells_interrupts(
    workload: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel._Libbpf, "preempt_distance", lambda _self: 0)
    direct_or_skip(tmp_path / "direct")
    script = f"{workload} write {tmp_path / 'direct'} 8 65536; {workload} echo 100"
    run = record(["/bin/sh", "-c", f"{script}; {workload} pingpong 300"])
    requests = run.of(Kind.BLOCK_IO)
    own = requests.take((requests.pid != 0) & (requests.flags & FLAG_OTHER_TENANT == 0))
    assert own.size_bytes[own.status == 1].sum() >= 8 * 65536
    edges = run.of(Kind.SCHED_WAKEUP)
    assert (edges.tid == run.said["first"]).sum() > 30
    assert not (edges.flags & FLAG_ASYNC).any()
    assert not edges.take(edges.object == run.said["child"]).tid[1:].any()


def test_what_a_kernel_lacks_is_left_out_and_named() -> None:
    libbpf = kernel._Libbpf()
    plan = kernel._Plan(kernel.Settings())
    plan.survey(libbpf)
    assert plan.off == {}
    by_name = {program.name: program for program in kernel._PROGRAMS}
    plan.leave_out(by_name["nic_poll"], "this kernel has no tracepoint napi_poll")
    assert plan.off == {"nic_poll": "no nic.poll: this kernel has no tracepoint napi_poll"}
    loaded = kernel._load(libbpf, OBJECT, plan)
    absent = libbpf.lib.bpf_object__find_program_by_name(loaded, b"nic_poll")
    assert libbpf.lib.bpf_program__fd(absent) < 0
    libbpf.lib.bpf_object__close(loaded)
    with pytest.raises(KernelPlaneError, match="cannot be followed"):
        plan.leave_out(by_name["process_fork"], "refused")

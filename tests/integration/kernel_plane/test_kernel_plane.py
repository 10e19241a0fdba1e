# SPDX-License-Identifier: Apache-2.0
"""The kernel plane itself: start, stop, refusals, and what older kernels lack."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from kernel_harness import NEEDS, OBJECT, Samples, direct_or_skip, kernel, probes, record, stopped

from anaros.errors import KernelPlaneError
from anaros.kinds import Kind
from anaros.records import FLAG_ASYNC, FLAG_OTHER_TENANT

pytestmark = NEEDS


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


def test_probes_that_nobody_takes_are_freed() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    loading = probes.Loading()
    loading.cancel()
    loading.cancel()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(
    ("settings", "probe"),
    [
        (probes.Settings(ring_bytes=8192), "process"),
        (probes.Settings(switch_slots=64), "sched"),
    ],
)
def test_only_a_half_full_ring_wakes_the_consumer(settings: probes.Settings, probe: str) -> None:
    samples = Samples()
    child = stopped(["/bin/sh", "-c", "i=0; while [ $i -lt 60 ]; do /bin/true; i=$((i+1)); done"])
    target, loading = kernel.Target(child.pid), probes.Loading(settings)
    plane = kernel.KernelPlane.start(target, samples.address, 0, loading)
    calm = kernel.KernelPlane.start(target, samples.address, 0)
    try:
        os.kill(child.pid, signal.SIGCONT)
        child.communicate()
        ready, _, _ = select.select([plane.fileno(), calm.fileno()], [], [], 1)
        assert ready == [plane.fileno()]
    finally:
        calm.stop()
        plane.stop()
    assert plane.drops()[probe] > 0
    assert not any(calm.drops().values())


def test_lost_switches_are_counted_exactly(workload: str) -> None:
    """Two planes follow one program; what one of them lost, the other has."""
    child = stopped([workload, "pingpong", "2000"])
    kept, most = Samples(), Samples()
    target, never = kernel.Target(child.pid), 10**12
    small = probes.Settings(switch_slots=64, runqueue_min_ns=never)
    large = probes.Settings(runqueue_min_ns=never)
    planes = [
        kernel.KernelPlane.start(target, kept.address, 0, probes.Loading(small)),
        kernel.KernelPlane.start(target, most.address, 0, probes.Loading(large)),
    ]
    try:
        os.kill(child.pid, signal.SIGCONT)
        child.communicate()
    finally:
        for plane in planes:
            plane.stop()
    few, all_of_them = (
        int(np.isin(samples.columns().kind, (Kind.SCHED_OFFCPU, Kind.SCHED_WAKEUP)).sum())
        for samples in (kept, most)
    )
    assert planes[0].drops()["sched"] > 0
    assert not any(planes[1].drops().values())
    assert few + planes[0].drops()["sched"] == all_of_them


def test_run_time_is_unknown_unless_measured(idle: subprocess.Popen[str], workload: str) -> None:
    samples = Samples()
    settings = probes.Settings(stats=True)
    for wanted in (None, settings):
        loading = probes.Loading(wanted)
        plane = kernel.KernelPlane.start(kernel.Target(idle.pid), samples.address, 0, loading)
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
    libbpf = probes.Libbpf()
    plan = probes.Plan(probes.Settings())
    other = tmp_path / "other.bpf.o"
    other.write_bytes(b"not an object")
    with pytest.raises(KernelPlaneError, match="not a BPF object"):
        probes.open_object(libbpf, str(other), plan)
    plan = probes.Plan(plan.settings, programs=(probes.Program("of_tomorrow", "sched", "", ""),))
    with pytest.raises(KernelPlaneError, match="another version"):
        probes.load_object(libbpf, str(OBJECT), plan)


def test_the_branches_for_older_kernels_load() -> None:
    libbpf = probes.Libbpf()
    plan = probes.Plan(probes.Settings(), switch_has_state=False, drop_has_socket=False)
    loaded = probes.load_object(libbpf, str(OBJECT), plan)
    assert plan.off == {}
    assert not plan.switch_has_state, "no second attempt was needed"
    libbpf.lib.bpf_object__close(loaded)


def test_without_the_preempt_count_the_stack_tells_interrupts(
    workload: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes.Libbpf, "preempt_distance", lambda _self: 0)
    direct_or_skip(tmp_path / "direct")
    script = f"{workload} write {tmp_path / 'direct'} 8 65536; {workload} echo 100"
    run = record(["/bin/sh", "-c", f"{script}; {workload} pingpong 300"])
    requests = run.of(Kind.BLOCK_IO)
    own = requests.take((requests.pid != 0) & (requests.flags & FLAG_OTHER_TENANT == 0))
    assert own.size_bytes[own.status == 1].sum() >= 8 * 65536
    edges = run.of(Kind.SCHED_WAKEUP)
    # Measured by how often the other thread slept: on a busy machine that is not often.
    assert (edges.tid == run.said["first"]).sum() > run.said["slept"] / 2
    assert not (edges.flags & FLAG_ASYNC).any()
    assert not edges.take(edges.object == run.said["child"]).tid[1:].any()


def test_what_a_kernel_lacks_is_left_out_and_named() -> None:
    libbpf = probes.Libbpf()
    plan = probes.Plan(probes.Settings())
    plan.survey(libbpf)
    assert plan.off == {}
    by_name = {program.name: program for program in probes.PROGRAMS}
    plan.leave_out(by_name["nic_poll"], "this kernel has no tracepoint napi_poll")
    assert plan.off == {"nic_poll": "no nic.poll: this kernel has no tracepoint napi_poll"}
    loaded = probes.load_object(libbpf, str(OBJECT), plan)
    absent = libbpf.lib.bpf_object__find_program_by_name(loaded, b"nic_poll")
    assert libbpf.lib.bpf_program__fd(absent) < 0
    libbpf.lib.bpf_object__close(loaded)
    with pytest.raises(KernelPlaneError, match="cannot be followed"):
        plan.leave_out(by_name["process_fork"], "refused")

# SPDX-License-Identifier: Apache-2.0
"""The probes that BCC loads where BTF is hidden, against those of libbpf on the same program."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_harness import NEEDS, Samples, direct_or_skip, kernel, probes, stopped

from anaros.capture.host import survey
from anaros.errors import KernelPlaneError
from anaros.kinds import Kind, NameClass
from anaros.records import FLAG_ASYNC, FLAG_OTHER_TENANT, RECORD_DTYPE, Columns
from anaros.store.rundir import RunDirectory
from anaros.store.segments import load

HIDE = 'mount -t tmpfs none /sys/kernel/btf && exec "$@"'
HIDDEN = ["unshare", "--mount", "sh", "-c", HIDE, "sh"]
ROOT = Path(__file__).resolve().parents[3]
OBSERVER = Path(__file__).with_name("bcc_observer.py")
#: What a wait has to last does not depend on who looks at the clock first.
SETTINGS = {"runqueue_min_ns": 0}
TIMEOUT_S = 90


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

    def rows(self, kind: Kind, *fields: str) -> Counter[tuple[int, ...]]:
        """How often each combination of the fields is there."""
        records = self.of(kind)
        columns = [getattr(records, field).tolist() for field in fields]
        return Counter(zip(*columns, strict=True))


def observe(argv: list[str], folder: Path, more: dict[str, str]) -> tuple[Seen, Seen, Any]:
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
        os.kill(child.pid, signal.SIGCONT)
        child.communicate(timeout=TIMEOUT_S)
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
    return ours, Seen(theirs, [tuple(name) for name in said["names"]], said["counts"]), said


def differ(one: Seen, other: Seen, kind: Kind, *fields: str) -> int:
    """How many records have no like in the other's."""
    first, second = one.rows(kind, *fields), other.rows(kind, *fields)
    return ((first - second) + (second - first)).total()


@pytest.mark.parametrize("headers", ["none", "installed"])
def test_both_loaders_record_the_same(workload: str, tmp_path: Path, headers: str) -> None:
    more = installed_headers(tmp_path / "headers") if headers == "installed" else {}
    script = (
        f"{workload} pingpong 200; {workload} echo 50; {workload} spin 30 0 & {workload} spin 30 0;"
        "wait; /bin/true & wait; exit 3"
    )
    ours, theirs, said = observe(["/bin/sh", "-c", script], tmp_path, more)
    assert said["loader"] == "bcc"
    assert any("proc.io" in sentence for sentence in said["missing"])
    # A probe that interrupts another is skipped and counted, with at most as many records.
    lost = 4 * sum(counts["missed"] for counts in theirs.counts.values())
    assert not any(counts["dropped"] + counts["untracked"] for counts in theirs.counts.values())
    who = ("pid", "tid")
    for kind, fields in {
        Kind.SCHED_OFFCPU: (*who, "flags", "status", "object"),
        Kind.SCHED_RUNQUEUE: (*who, "flags", "object", "size_bytes"),
        Kind.SCHED_WAKEUP: (*who, "flags", "object", "address"),
        Kind.SCHED_MIGRATE: (*who, "object", "address"),
        Kind.PROC_FORK: (*who, "object"),
        Kind.PROC_EXEC: (*who, "address"),
        Kind.PROC_EXIT: who,
    }.items():
        if kind != Kind.SCHED_MIGRATE:
            assert len(ours.of(kind)) > 0, kind
        assert differ(ours, theirs, kind, *fields) <= lost, kind
    programs = [
        sorted(name for name in seen.names if name[0] == NameClass.PROGRAM)
        for seen in (ours, theirs)
    ]
    assert programs[0] == programs[1]
    assert len(programs[0]) >= 5
    wall_ns = int(ours.records.start_ns[-1] - ours.records.start_ns[0])
    for kind in (Kind.SCHED_OFFCPU, Kind.SCHED_RUNQUEUE):
        sums = [int(seen.of(kind).duration_ns.sum()) for seen in (ours, theirs)]
        assert abs(sums[0] - sums[1]) < 0.1 * wall_ns, kind
    assert (ours.of(Kind.SCHED_WAKEUP).flags & FLAG_ASYNC).any()


def test_both_loaders_record_the_same_requests(workload: str, tmp_path: Path) -> None:
    """Bytes and places exactly; whose they are, and the order in which they were issued."""
    direct, other = tmp_path / "direct", tmp_path / "other"
    direct_or_skip(direct)
    script = f"{workload} write {direct} 16 65536; {workload} buffered {direct} 1048576; sync"
    foreign = f"while :; do dd if=/dev/zero of={other} bs=64k count=4 oflag=direct; done"
    with subprocess.Popen(
        ["/bin/sh", "-c", foreign], stderr=subprocess.DEVNULL, start_new_session=True
    ) as tenant:
        try:
            ours, theirs, _ = observe(["/bin/sh", "-c", script], tmp_path, {})
        finally:
            os.killpg(tenant.pid, signal.SIGKILL)
    if len(ours.of(Kind.BLOCK_IO)) == 0:
        pytest.skip(f"{tmp_path} does not lie on a block device")
    own = [seen.of(Kind.BLOCK_IO) for seen in (ours, theirs)]
    own = [seen.take((seen.pid != 0) & (seen.flags & FLAG_OTHER_TENANT == 0)) for seen in own]
    lost = sum(counts["missed"] for counts in theirs.counts.values())
    fields = ("pid", "tid", "flags", "status", "object", "size_bytes", "address")
    rows = [
        Counter(zip(*(getattr(seen, field).tolist() for field in fields), strict=True))
        for seen in own
    ]
    assert ((rows[0] - rows[1]) + (rows[1] - rows[0])).total() <= 2 * lost
    assert own[0].size_bytes.sum() >= 16 * 65536
    if not lost:
        assert own[0].address.tolist() == own[1].address.tolist(), "in the order of their issue"
    # Requests of others that were under way at either end are seen by one of them at most.
    foreign_ones = [
        int((seen.of(Kind.BLOCK_IO).flags & FLAG_OTHER_TENANT != 0).sum())
        for seen in (ours, theirs)
    ]
    assert min(foreign_ones) > 0


def test_a_foreign_hog_has_the_same_name(workload: str, tmp_path: Path) -> None:
    with subprocess.Popen([workload, "spin", "10000", "1"]) as hog:
        try:
            ours, theirs, _ = observe([workload, "spin", "150", "1"], tmp_path, {})
        finally:
            hog.kill()
    blamed = [seen.of(Kind.SCHED_RUNQUEUE) for seen in (ours, theirs)]
    for seen in blamed:
        by_hog = seen.take(seen.size_bytes == hog.pid)
        assert len(by_hog) > 0
        assert (by_hog.flags & FLAG_OTHER_TENANT).all()
        assert (by_hog.object == hog.pid).all()
    name = (int(NameClass.PROCESS), hog.pid, "workload")
    assert name in ours.names
    assert name in theirs.names


def test_a_run_without_btf_tells_its_loader(tmp_path: Path) -> None:
    words = [*HIDDEN, sys.executable, "-m", "anaros_cli", "run", "--output", str(tmp_path / "run")]
    program = ["/bin/sh", "-c", "sleep 0.05; test -z $BCC_KERNEL_SOURCE && exit 3"]
    done = subprocess.run(
        [*words, "--", *program],
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
    assert set(plane["since_ns"]) >= {"sched", "process", "block"}
    assert any("sync.futex" in sentence for sentence in plane["missing"])
    kinds = set(load(run).kind.tolist())
    assert {Kind.SCHED_OFFCPU, Kind.PROC_EXEC, Kind.PROC_EXIT} <= kinds


def test_neither_btf_nor_bcc(idle: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_VMLINUX_BTF", "/nonexistent")
    monkeypatch.setattr(survey, "_BCC", ())
    with pytest.raises(KernelPlaneError, match="BCC is not installed") as caught:
        kernel.KernelPlane.start(kernel.Target(idle.pid), Samples().address, 0)
    assert "python3-bpfcc" in caught.value.remedy
    assert "--no-kernel" in caught.value.remedy

# SPDX-License-Identifier: Apache-2.0
"""Who and what delayed a run, by records of the kernel plane."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anaros import report
from anaros.delays import Summary, told
from anaros.delays.groups import grouped
from anaros.delays.model import Cause, Delays
from anaros.delays.network import accepts_of
from anaros.kinds import Kind, NameClass
from anaros.records import FLAG_KERNEL, FLAG_OTHER_TENANT, Columns
from anaros.store import derived, sql
from anaros.store.names import Names, write_names
from anaros.store.rundir import RunDirectory
from anaros.store.segments import write_segment

ROOT = Path(__file__).resolve().parents[2]
MS = 1_000_000
OURS, THEIRS, WORKER = 10, 20, 30
DISK = 254 << 20 | 1


def records(*rows: dict[str, int]) -> Columns:
    columns = Columns.empty(len(rows))
    for place, row in enumerate(rows):
        for name, value in {"flags": FLAG_KERNEL, **row}.items():
            getattr(columns, name)[place] = value
    return columns.take(np.argsort(columns.start_ns, kind="stable"))


def waited(start_ms: int, ms: int, by: int = 0, *, other: bool = False) -> dict[str, int]:
    flags = FLAG_KERNEL | (FLAG_OTHER_TENANT if other else 0)
    whom = {"pid": OURS, "tid": OURS, "size_bytes": by, "object": by, "flags": flags}
    times = {"start_ns": start_ms * MS, "duration_ns": ms * MS}
    return {"kind": Kind.SCHED_RUNQUEUE, **times, **whom}


def request(start_ms: int, ms: int, pid: int, **fields: int) -> dict[str, int]:
    flags = FLAG_KERNEL | (FLAG_OTHER_TENANT if pid == THEIRS else 0)
    times = {"start_ns": start_ms * MS, "duration_ns": ms * MS}
    return {"kind": Kind.BLOCK_IO, "pid": pid, "object": DISK, "flags": flags, **times, **fields}


NAMES = Names(
    object=np.array([OURS, THEIRS, WORKER, 131308, 0xF11E, 3, 77], np.uint64),
    name_class=np.array(
        [
            *(NameClass.PROGRAM, NameClass.PROCESS, NameClass.PROCESS),
            *(NameClass.INTERRUPT, NameClass.FILE, NameClass.REASON, NameClass.CGROUP),
        ],
        np.uint8,
    ),
    start_ns=np.zeros(7, np.uint64),
    pid=np.zeros(7, np.uint32),
    name=[
        *("/opt/bin/serve", "backup", "kworker/u8:3", "local timer", "/lib/big.so"),
        *("SOCKET_RCVBUFF", "/batch"),
    ],
)


def rows_of(columns: Columns) -> dict[tuple[str, str | None], dict[str, Any]]:
    rows = told(Summary.of(columns), NAMES)["delays"]
    return {(row["cause"], row["delayed_by"]): row for row in rows}


def test_who_held_the_processor_takes_the_blame() -> None:
    columns = records(
        waited(1, 5, THEIRS, other=True),
        waited(9, 7, THEIRS, other=True),
        waited(20, 1, WORKER, other=True),
        waited(30, 2, OURS),
        waited(40, 3),
    )
    rows = rows_of(columns)
    backup = rows["run queue", "backup"]
    assert backup == {
        "resource": "CPU",
        "cause": "run queue",
        "on": None,
        "owner": "other",
        "delayed_by": "backup",
        "delayed_by_pids": [THEIRS],
        "delayed_by_count": 1,
        "delayed": "serve",
        "delayed_pids": [OURS],
        "count": 2,
        "total_ms": 12.0,
        "longest_ms": 7.0,
        "at_most": False,
    }
    assert rows["run queue", "kworker"]["delayed_by_pids"] == [WORKER]
    assert rows["run queue", "serve"]["owner"] == "own"
    assert rows["run queue", None]["owner"] == "nobody"
    assert [row["total_ms"] for row in rows.values()] == [12.0, 3.0, 2.0, 1.0]


def test_requests_ahead_on_the_disk_take_the_blame_while_they_last() -> None:
    columns = records(
        request(0, 4, THEIRS),
        request(1, 10, THEIRS),  # until 11: the last that was ahead
        request(2, 20, OURS, context=2 * MS),
        request(3, 5, OURS),  # done before them
        request(4, 50, THEIRS),  # behind: delays nobody
        request(12, 2, 0),
        request(13, 9, OURS),  # behind 4 to 54, too
        request(60, 9, OURS),
    )
    rows = rows_of(columns)
    ahead = rows["ahead on disk", "backup"]
    assert (ahead["count"], ahead["total_ms"], ahead["longest_ms"]) == (3, 9 + 5 + 9, 9.0)
    assert (ahead["on"], ahead["at_most"]) == ("254:1", True)
    assert rows["disk queue", None]["total_ms"] == 2.0
    assert ("ahead on disk", None) not in rows


def test_a_fault_is_that_of_the_file_told_before_it() -> None:
    at = {"pid": OURS, "kind": Kind.MEM_FAULT, "duration_ns": MS, "status": 1}
    columns = records(
        {"kind": Kind.FILE_FAULT, "start_ns": 5, "pid": OURS, "tid": 11, "object": 0xF11E},
        {**at, "start_ns": 6, "tid": 11},
        {**at, "start_ns": 7, "tid": 12},
        {**at, "start_ns": 8, "tid": 11},
    )
    rows = rows_of(columns)
    assert rows["page fault", "/lib/big.so"]["count"] == 1
    assert rows["page fault", None]["count"] == 2


def test_sums_tell_how_many_and_single_ones_how_long() -> None:
    lock = {"pid": OURS, "status": 33}
    timer = {"object": 131308}
    columns = records(
        {"kind": Kind.IRQ_TOTAL, "duration_ns": 5 * MS, "size_bytes": 250, **timer},
        {"kind": Kind.IRQ_HARD, "duration_ns": 2 * MS, "pid": OURS, **timer},
        {"kind": Kind.SYNC_KERNEL_TOTAL, "duration_ns": 9 * MS, "size_bytes": 3, **lock},
        {"kind": Kind.SYNC_KERNEL, "duration_ns": 4 * MS, "object": 0xFFFF, **lock},
        {"kind": Kind.SYNC_KERNEL_TOTAL, "duration_ns": MS, "size_bytes": 1, "pid": OURS},
    )
    rows = told(Summary.of(columns), NAMES)["delays"]
    found = [(r["cause"], r["on"], r["count"], r["total_ms"], r["longest_ms"]) for r in rows]
    assert found == [
        ("kernel lock", "mutex", 3, 9.0, 4.0),
        ("interrupt", None, 250, 5.0, 2.0),
        ("kernel lock", "spinlock", 1, 1.0, None),
    ]
    assert rows[1]["delayed_by"] == "local timer"
    assert rows[1]["delayed"] is None


def test_memory_quota_and_freezing() -> None:
    freeze = {"kind": Kind.CGROUP_FREEZE, "object": 77}
    columns = records(
        {"kind": Kind.MEM_RECLAIM, "duration_ns": 3 * MS, "pid": OURS, "status": 1},
        {"kind": Kind.MEM_COMPACT, "duration_ns": 2 * MS, "pid": OURS, "status": 4},
        {"kind": Kind.SCHED_THROTTLE, "duration_ns": MS, "pid": OURS},
        {"kind": Kind.NIC_QUEUE, "duration_ns": 4 * MS, "pid": OURS, "object": 2},
        {**freeze, "start_ns": 10 * MS, "status": 1},
        {**freeze, "start_ns": 16 * MS, "status": 0},
        {**freeze, "start_ns": 20 * MS, "status": 1},
        {**freeze, "start_ns": 21 * MS, "object": 78},
    )
    rows = told(Summary.of(columns), NAMES)["delays"]
    assert [(r["resource"], r["cause"], r["on"], r["delayed_by"], r["total_ms"]) for r in rows] == [
        ("CPU", "frozen", None, "/batch", 6.0),
        ("network", "packet queue", "interface 2", None, 4.0),
        ("memory", "reclaim", "limit of its group", None, 3.0),
        ("memory", "compaction", None, None, 2.0),
        ("CPU", "quota", None, None, 1.0),
    ]


def test_groups_agree_with_a_loop() -> None:
    random = np.random.default_rng(3)
    count = 5000
    arrays = {
        name: random.choice(np.array(values), count)
        for name, values in {
            "owner": (0, 1, 2),
            "by_class": (0, 5),
            "by": (0, 7, 4_000_000, 2**63),
            "thing": (0, 2**40),
            "pid": (1, 2, 4_194_303),
        }.items()
    }
    durations = random.integers(0, 10**6, count)
    found = Delays.of(count, Cause.RUN_QUEUE, duration_ns=durations, **arrays)
    expected: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for *key, duration in zip(*(a.tolist() for a in arrays.values()), durations, strict=True):
        expected[tuple(key)].append(int(duration))
    groups = grouped([found])
    keys = zip(*(getattr(groups, name).tolist() for name in arrays), strict=True)
    figures = zip(
        *(getattr(groups, name).tolist() for name in ("count", "total_ns", "longest_ns")),
        strict=True,
    )
    assert dict(zip(keys, figures, strict=True)) == {
        key: (len(all_of), sum(all_of), max(all_of)) for key, all_of in expected.items()
    }
    assert len(Summary.of(Columns.empty()).groups) == 0


def test_connections_wait_from_when_they_were_ready_until_they_were_taken() -> None:
    ready = {"kind": Kind.TCP_STATE, "status": 1, "address": 3}
    taken = {"kind": Kind.NET_ACCEPT, "pid": OURS, "tid": 11, "address": 99, "flags": 0}
    columns = records(
        {**ready, "start_ns": 10, "object": 2},
        {**ready, "start_ns": 12, "object": 1},
        {**ready, "start_ns": 13, "object": 4, "address": 2},  # it connected itself
        {**taken, "start_ns": 5, "duration_ns": 30, "object": 1},
        {**taken, "start_ns": 50, "duration_ns": 5, "object": 2},
        {**taken, "start_ns": 60, "duration_ns": 5, "object": 4},
        {**taken, "start_ns": 61, "duration_ns": 5, "object": 9},
    )
    calls = columns.kind == Kind.NET_ACCEPT
    found = accepts_of(columns.take(~calls), columns.take(calls))
    assert found.object.tolist() == [1, 2]
    assert found.start_ns.tolist() == [12, 10]
    assert found.waited_ns.tolist() == [23, 45]
    assert found.listener.tolist() == [99, 99]


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    made = RunDirectory.create(tmp_path / "run", {"start_ns": 0, "end_ns": 10**9})
    columns = records(
        waited(1, 5, THEIRS, other=True),
        waited(600, 7, THEIRS, other=True),
        waited(700, 3),
        request(2, 8, THEIRS),
        request(3, 9, OURS, context=MS),
        {"kind": Kind.IRQ_TOTAL, "duration_ns": MS, "size_bytes": 9, "object": 131308},
        {"kind": Kind.IRQ_HARD, "duration_ns": MS, "pid": OURS, "object": 131308},
        {"kind": Kind.MEM_FAULTS, "pid": OURS, "size_bytes": 100, "context": 3},
        {"kind": Kind.MEM_REMOTE, "object": 1, "size_bytes": 4096, "address": 8192},
        {"kind": Kind.TCP_RETRANSMIT, "pid": OURS, "size_bytes": 1448, "object": 5},
        {"kind": Kind.TCP_BYTES, "pid": OURS, "address": 250, "object": 5},
        {"kind": Kind.NIC_DROP, "pid": OURS, "address": 3, "object": 5},
        {"kind": Kind.NET_BACKLOG, "pid": OURS, "size_bytes": 4, "context": 129},
        {"kind": Kind.NIC_POLL, "size_bytes": 64, "address": 64, "status": 1},
        {"kind": Kind.NIC_BACKLOG, "size_bytes": 8, "context": 2, "address": 90},
        {"kind": Kind.NIC_POLL, "size_bytes": 3, "address": 64},
    )
    write_segment(made, columns, 0)
    write_names(made, NAMES)
    return made


def test_the_report_has_them_and_keeps_them(run: RunDirectory) -> None:
    found = report.build(run)
    assert [(row["cause"], row["delayed_by"], row["total_ms"]) for row in found["delays"]] == [
        ("run queue", "backup", 12.0),
        ("ahead on disk", "backup", 7.0),
        ("run queue", None, 3.0),
        ("interrupt", "local timer", 1.0),
        ("disk queue", None, 1.0),
    ]
    assert found["faults"] == {"minor": 100, "major": 3, "killed": 0, "remote_bytes": 4096}
    assert found["network"] == {
        "retransmits": 1,
        "retransmitted_bytes": 1448,
        "dropped": 1,
        "drops": [{"reason": "SOCKET_RCVBUFF", "count": 1}],
        "refused": 4,
        "waiting_most": 129,
        "polls": 2,
        "polls_full": 1,
        "backlog_stops": 2,
        "backlog_dropped": 8,
        "accepts": 0,
        **dict.fromkeys(("accept_p50_ms", "accept_p99_ms", "accept_longest_ms")),
        "round_trip_p50_ms": 0.25,
        "round_trip_most_ms": 0.25,
    }
    assert derived.fresh(run, ("delays", "network", "drops", "faults")) is not None
    assert report.build(run) == found
    within = report.build(run, (500 * MS, 650 * MS))
    assert [(row["delayed_by"], row["total_ms"]) for row in within["delays"]] == [("backup", 7.0)]


def test_without_the_kernel_plane_they_are_unknown(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", {"start_ns": 0, "end_ns": 10**9})
    write_segment(run, records({"kind": Kind.FILE_READ, "flags": 0, "duration_ns": 1}), 0)
    found = report.build(run)
    assert (found["delays"], found["faults"], found["network"]) == (None, None, None)


def test_the_view_has_a_row_for_each(run: RunDirectory) -> None:
    question = (
        "SELECT resource, cause, owner, delayed_by, delayed_by_pid, sum(count),"
        " sum(duration_ns) // 1000000 FROM delays GROUP BY ALL ORDER BY ALL"
    )
    assert sql.query(run, question).rows == [
        ("CPU", "interrupt", "nobody", "local timer", None, 9, 1),
        ("CPU", "run queue", "nobody", None, None, 1, 3),
        ("CPU", "run queue", "other", "backup", THEIRS, 2, 12),
        ("disk", "ahead on disk", "other", "backup", THEIRS, 1, 7),
        ("disk", "disk queue", "nobody", None, None, 1, 1),
    ]
    assert sql.query(run, "SELECT DISTINCT pid FROM delays ORDER BY 1").rows == [(OURS,), (None,)]


def test_the_question_of_the_docs_has_an_answer(run: RunDirectory) -> None:
    questions = re.findall(r"```sql\n(.*?)```", (ROOT / "docs/report.md").read_text(), re.DOTALL)
    (question,) = (question for question in questions if "FROM delays" in question)
    assert sql.query(run, question).rows == [("backup", THEIRS, 2, 12.0)]

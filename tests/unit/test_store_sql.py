# SPDX-License-Identifier: Apache-2.0
"""SQL over a run: the views, the names, the lock."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pytest

from anaros.errors import QueryError, RunDirectoryError
from anaros.kinds import Kind, NameClass
from anaros.records import FIELDS, Columns
from anaros.store import columnar, derived, sql
from anaros.store.names import Names, write_names
from anaros.store.rundir import RunDirectory
from anaros.store.segments import write_segment

BEGIN_NS = 10**12
RECORD_COLUMNS = [
    *("start_ns", "duration_ns", "pid", "tid", "kind", "kind_value", "flags", "status", "object"),
    *("size_bytes", "address", "context", "name", "start_s", "failed"),
]


def records(*rows: dict[str, int]) -> Columns:
    columns = Columns.empty(len(rows))
    for position, row in enumerate(rows):
        values = {"start_ns": BEGIN_NS + position, "pid": 70, "tid": 71, **row}
        for name, value in values.items():
            getattr(columns, name)[position] = value
    return columns


def names_of(*rows: tuple[int, NameClass, int, str]) -> Names:
    return Names(
        np.array([row[0] for row in rows], np.uint64),
        np.array([row[1] for row in rows], np.uint8),
        np.array([row[2] for row in rows], np.uint64),
        np.full(len(rows), 70, np.uint32),
        [row[3] for row in rows],
    )


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    made = RunDirectory.create(tmp_path / "it's a run", {"start_ns": BEGIN_NS})
    columns = records(
        {"kind": Kind.FILE_READ, "object": 5, "size_bytes": 4096, "duration_ns": 10},
        {"kind": Kind.FILE_READ, "object": 6, "size_bytes": 100, "duration_ns": 20},
        {"kind": Kind.NET_SEND, "object": 5, "status": -32, "start_ns": BEGIN_NS + 1_500_000_000},
    )
    write_segment(made, columns, 0)
    return made


def rows(run: RunDirectory, statement: str) -> list[tuple[object, ...]]:
    return sql.query(run, statement).rows


def test_records_have_their_fields_in_words(run: RunDirectory) -> None:
    found = sql.query(run, "FROM records ORDER BY start_ns")
    assert found.columns == RECORD_COLUMNS
    assert found.rows[0] == (
        *(BEGIN_NS, 10, 70, 71, "file.read", 0x0103, 0, 0, 5, 4096, 0, 0, None, 0.0, False),
    )
    assert found.rows[2][4:8] == ("net.send", 0x0207, 0, -32)
    assert found.rows[2][-2:] == (1.5, True)
    assert rows(run, "SELECT kind, count(*) FROM records GROUP BY ALL ORDER BY ALL") == [
        ("file.read", 2),
        ("net.send", 1),
    ]
    assert rows(run, "SELECT count(*) FROM records WHERE kind LIKE 'file.%'") == [(2,)]
    assert rows(run, "SELECT count(*) FROM records WHERE kind = 'no.such'") == [(0,)]


def test_what_failed_is_told_from_what_a_status_says_otherwise(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", {})
    said = [
        *((Kind.FILE_OPEN, 3, False), (Kind.FILE_OPEN, -2, True), (Kind.POLL_WAIT, 7, False)),
        # To be asked again: that is an answer.
        *((Kind.NET_RECV, -11, False), (Kind.NET_CONNECT, -115, False), (Kind.NET_SEND, -32, True)),
        *((Kind.GPU_LAUNCH, 719, True), (Kind.GPU_COPY_H2D, -36, True), (Kind.GPU_ALLOC, 2, True)),
        *((Kind.GPU_QUERY, 600, False), (Kind.GPU_QUERY, 1, False), (Kind.GPU_QUERY, 719, True)),
        # What became of the device's times is no call of the program.
        *((Kind.GPU_TIMING, 39, False), (Kind.GPU_STORAGE, 4096, False)),
        *((Kind.GPU_STORAGE, -5, True), (Kind.BLOCK_IO, 1, False), (Kind.BLOCK_IO, -5, True)),
        *((Kind.SCHED_OFFCPU, 1, False), (Kind.TCP_STATE, 1, False), (Kind.PROC_EXIT, 256, False)),
    ]
    rows_of = [{"kind": kind, "status": status} for kind, status, _ in said]
    write_segment(run, records(*rows_of), 0)
    found = rows(run, "SELECT kind_value, status, failed FROM records ORDER BY start_ns")
    assert found == said


def test_the_reason_of_device_time_is_its_name(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", {})
    write_names(run, names_of((9, NameClass.REASON, 1, "nsys"), (2, NameClass.STREAM, 1, "queue")))
    write_segment(run, records({"kind": Kind.GPU_TIMING, "object": 2, "address": 9}), 0)
    assert rows(run, "SELECT name FROM records") == [("nsys",)]


def test_every_number_of_a_record_is_exact(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", {})
    largest = {name: int(np.iinfo(dtype).max) for name, dtype in FIELDS}
    write_segment(run, records({**largest, "kind": 0xFFFE}), 0)
    fields = ", ".join("kind_value" if name == "kind" else name for name, _ in FIELDS)
    assert rows(run, f"SELECT {fields}, kind, start_s FROM records") == [
        (*{**largest, "kind": 0xFFFE}.values(), None, None)
    ]


def test_a_run_without_segments_has_empty_views(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", {"start_ns": 1})
    found = sql.query(run, "SELECT * FROM records")
    assert (found.columns, found.rows) == (RECORD_COLUMNS, [])
    assert rows(run, "FROM names") == rows(run, "FROM segments") == []


def test_a_name_is_the_latest_that_had_begun(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", {"start_ns": 0})
    write_names(
        run,
        names_of(
            (5, NameClass.FILE, BEGIN_NS + 20, "second"),
            (5, NameClass.FILE, BEGIN_NS + 10, "first"),
            (5, NameClass.FILE, BEGIN_NS + 30, "third"),
            (5, NameClass.SOCKET, 1, "peer"),
            (6, NameClass.FILE, BEGIN_NS + 99, "only"),
            (6, NameClass.FILE, BEGIN_NS + 100, "only"),
        ),
    )
    offsets = (0, 10, 19, 20, 29, 31)
    of_five = [{"kind": Kind.FILE_READ, "object": 5, "start_ns": BEGIN_NS + at} for at in offsets]
    others = [
        {"kind": Kind.FILE_WRITE, "object": 6, "start_ns": BEGIN_NS + 32},
        {"kind": Kind.FILE_READ, "object": 7, "start_ns": BEGIN_NS + 33},
        {"kind": Kind.NET_RECV, "object": 5, "start_ns": BEGIN_NS + 34},
    ]
    write_segment(run, records(*of_five, *others), 0)
    found = [row[0] for row in rows(run, "SELECT name FROM records ORDER BY start_ns")]
    assert found == [*["first"] * 3, *["second"] * 2, "third", "only", None, "peer"]
    assert rows(run, "SELECT count(*) FROM records WHERE name = 'second'") == [(2,)]


@pytest.mark.parametrize(
    ("kind", "field", "name_class"),
    [
        (Kind.FILE_SYNC, "object", NameClass.FILE),
        (Kind.NET_ACCEPT, "object", NameClass.SOCKET),
        (Kind.TCP_RETRANSMIT, "object", NameClass.SOCKET),
        (Kind.GPU_LAUNCH, "address", NameClass.KERNEL),
        (Kind.GPU_EXECUTE, "address", NameClass.KERNEL),
        (Kind.GPU_UNKNOWN, "object", NameClass.FUNCTION),
        (Kind.GPU_COPY_H2D, "object", NameClass.STREAM),
        (Kind.BLOCK_IO, "object", NameClass.DEVICE),
        (Kind.NIC_POLL, "object", NameClass.DEVICE),
        (Kind.NIC_DROP, "address", NameClass.REASON),
        (Kind.PROC_FORK, "object", NameClass.PROCESS),
        (Kind.PROC_EXEC, "address", NameClass.PROGRAM),
        (Kind.PROC_EXIT, "pid", NameClass.PROCESS),
        (Kind.SCHED_MIGRATE, "object", None),
        (Kind.GPU_ALLOC, "object", None),
    ],
)
def test_what_a_kind_is_named_after(
    tmp_path: Path, kind: Kind, field: str, name_class: NameClass | None
) -> None:
    run = RunDirectory.create(tmp_path / "run", {})
    numbers = {"object": 101, "address": 102, "pid": 103}
    write_names(
        run,
        names_of(
            *(
                (number, each, 1, f"{name} {each.name}")
                for name, number in numbers.items()
                for each in NameClass
            )
        ),
    )
    write_segment(run, records({"kind": kind, **numbers}), 0)
    expected = None if name_class is None else f"{field} {name_class.name}"
    assert rows(run, "SELECT name FROM records") == [(expected,)]


def test_an_aggregation_joins_names_only_where_it_asks_for_them(run: RunDirectory) -> None:
    write_names(run, names_of((5, NameClass.FILE, 1, "a"), (5, NameClass.FILE, 2, "b")))

    def scans(statement: str) -> bool:
        (plan,) = rows(run, f"EXPLAIN {statement}")
        return "name_class" in str(plan[1])

    assert scans("SELECT name FROM records")
    assert not scans("SELECT kind, count(*) FROM records GROUP BY kind")
    assert not scans("SELECT sum(duration_ns) FROM records WHERE kind = 'file.read'")


def test_names_and_segments_are_views(run: RunDirectory) -> None:
    write_names(run, names_of((5, NameClass.FILE, 9, "a")))
    bad = run.records / "segment-00000007.parquet"
    bad.write_bytes(b"PAR1")
    assert sql.query(run, "FROM names") == sql.QueryResult(
        ["object", "class", "class_value", "start_ns", "pid", "name"],
        [(5, "file", 1, 9, 70, "a")],
    )
    good = run.records / "segment-00000000.parquet"
    found = sql.query(run, "FROM segments ORDER BY file")
    assert found.columns == ["file", "rows", "bytes", "damaged", "reason"]
    assert found.rows == [
        ("records/segment-00000000.parquet", 3, good.stat().st_size, False, None),
        ("records/segment-00000007.parquet", None, 4, True, "truncated to 4 bytes"),
    ]


@pytest.mark.parametrize("broken", ["footer", "data", "names", "foreign"])
def test_damage_is_left_out(run: RunDirectory, broken: str) -> None:
    write_names(run, names_of(*((n, NameClass.FILE, 1, f"name {n}") for n in range(999))))
    columns = Columns.empty(4000)
    columns.start_ns[:] = np.random.default_rng(1).integers(1, 2**60, 4000)
    path = write_segment(run, columns.take(np.argsort(columns.start_ns)), 1)
    path = run.names if broken == "names" else path
    whole = path.read_bytes()
    if broken == "footer":
        path.write_bytes(whole[:-60] + b"\xff" * 40 + whole[-20:])
    elif broken == "foreign":
        path.unlink()
        with duckdb.connect() as connection:
            connection.execute(f"COPY (SELECT 1 AS a) TO {columnar.quoted(path)} (FORMAT parquet)")
    else:
        middle = len(whole) // 2
        path.write_bytes(whole[:100] + b"\xff" * (middle - 100) + whole[middle:])
    expected = 4003 if broken == "names" else 3
    assert rows(run, "SELECT count(start_ns), max(duration_ns), max(name) FROM records")[0][:2] == (
        expected,
        20,
    )
    assert list(run.unreadable) == [path]


FORBIDDEN = [
    "COPY records TO '{out}'",
    "COPY (SELECT 1) TO '{run}/records/x.parquet'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}'",
    "EXPLAIN (ANALYZE, FORMAT json) COPY (SELECT 1) TO '{run}/out'",
    "EXPLAIN /* so */ ANALYZE COPY (SELECT 1) TO '{out}'",
    "EXPORT DATABASE '{out}'",
    "ATTACH '{out}'",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM read_text('{run}/../secret')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM read_text('https://example.org/')",
    "SELECT * FROM enable_logging(storage = 'file', storage_path = '{out}')",
    "SET enable_external_access = true",
    "SET allowed_directories = ['/']",
    "RESET lock_configuration",
    "PRAGMA enable_profiling",
    "INSTALL httpfs",
    "LOAD httpfs",
    "CREATE TABLE t (a INT)",
    "DROP VIEW records",
    "PREPARE p AS COPY (SELECT 1) TO '{out}'",
    "CALL enable_logging()",
    "SELECT 1; COPY (SELECT 1) TO '{out}'",
    "PIVOT records ON kind USING count(*)",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_a_query_reads_the_run_and_nothing_else(run: RunDirectory, statement: str) -> None:
    (run.path.parent / "secret").write_text("secret")
    before = sorted(path for path in run.path.parent.rglob("*"))
    out = run.path.parent / "out"
    place = str(run.path).replace("'", "''")
    with pytest.raises(QueryError):
        sql.query(run, statement.format(out=str(out).replace("'", "''"), run=place))
    assert sorted(path for path in run.path.parent.rglob("*")) == before


def test_python_variables_are_no_tables(run: RunDirectory) -> None:
    secret = {"a": np.arange(3)}
    with pytest.raises(QueryError, match="there is no view secret"):
        sql.query(run, "FROM secret")
    assert len(secret["a"]) == 3


@pytest.mark.parametrize(
    ("statement", "fact", "remedy"),
    [
        ("SELEC 1", 'syntax error at or near "SELEC"', "did you mean SELECT?"),
        ("SELECT count(* FROM records", 'syntax error at or near "FROM"', "write one SELECT"),
        ("SELECT kin FROM records", 'Referenced column "kin" not found', "did you mean kind?"),
        ("FROM record", "there is no view record", "did you mean records?"),
        (
            "SELECT min(start_ns) - max(start_ns) FROM records",
            "Out of Range Error: Overflow in subtraction of UINT64",
            "fields have no sign",
        ),
        ("FROM wombat", "there is no view wombat", "the views are records, requests, spans,"),
        ("", "0 statements are given", "give one SELECT at a time"),
        ("SELECT 'x'::INT", "Could not convert string 'x' to INT32", ""),
    ],
)
def test_an_error_is_a_fact_and_a_remedy(
    run: RunDirectory, statement: str, fact: str, remedy: str
) -> None:
    with pytest.raises(QueryError) as caught:
        sql.query(run, statement)
    assert caught.value.fact.startswith(fact)
    assert caught.value.remedy.startswith(remedy)
    assert "\n" not in str(caught.value)


def test_a_time_with_a_zone_names_its_cast(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pytz", None)
    with pytest.raises(QueryError, match="with a time zone") as caught:
        sql.query(run, "SELECT now() AS at")
    assert caught.value.remedy.startswith("cast it")
    for cast in ("TIMESTAMP", "VARCHAR"):
        assert len(sql.query(run, f"SELECT CAST(now() AS {cast}) AS at").rows) == 1


def test_reading_statements_are_allowed(run: RunDirectory) -> None:
    for statement in (
        "DESCRIBE records",
        "SHOW TABLES",
        "SUMMARIZE records",
        "EXPLAIN ANALYZE SELECT count(*) FROM records",
        "WITH a AS (FROM records) SELECT count(*) FROM a;",
        "PIVOT records ON kind IN ('file.read', 'net.send') USING count(*)",
    ):
        assert rows(run, statement)


@dataclass
class Table:
    arrays: dict[str, np.ndarray]

    def as_dict(self) -> dict[str, np.ndarray]:
        return self.arrays


@dataclass
class Derived:
    requests: Table
    spans: Table


class Deriver:
    """Stands in for the analysis, and counts how often it is asked."""

    def __init__(self, keep: bool) -> None:
        self.keep = keep
        self.calls = 0

    def __call__(self, run: RunDirectory) -> Derived:
        self.calls += 1
        u64 = np.array([self.calls, 12], np.uint64)
        requests = {"request": u64, "start_ns": u64 + np.uint64(BEGIN_NS)}
        spans = {**requests, "stage": np.array([0, 6], np.uint8)}
        if self.keep:
            assert derived.write(run, {"requests": requests, "spans": spans})
        return Derived(Table(requests), Table(spans))


@pytest.mark.parametrize("keep", [True, False])
def test_requests_and_spans_are_computed_when_they_are_asked_for(
    run: RunDirectory, keep: bool
) -> None:
    derive = Deriver(keep)

    def ask(statement: str) -> list[tuple[object, ...]]:
        return sql.query(run, statement, derive=derive).rows

    assert ask("SELECT count(*) FROM records") == [(3,)]
    assert derive.calls == 0
    assert ask("SELECT stage, request FROM spans") == [("ingest", 1), ("egress", 12)]
    assert derive.calls == 1
    assert ask("SELECT request, start_s FROM requests")[1] == (12, 1.2e-8)
    assert derive.calls == (1 if keep else 2)
    write_segment(run, records({"kind": Kind.FILE_READ}), 5)
    ask("FROM spans JOIN requests USING (request)")
    assert derive.calls == (2 if keep else 3)


def test_a_result_is_stale_when_the_segments_or_the_layout_change(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = {"a": np.arange(4, dtype=np.uint64), "b": np.full(4, 0.5, np.float32)}
    assert derived.read(run, ["thing"]) is None
    before = derived.key(run)
    assert derived.write(run, {"thing": arrays, "other": arrays})
    tables = derived.read(run, ["other", "thing"])
    assert tables is not None
    found = tables["thing"]
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert (found[name] == array).all()
    with monkeypatch.context() as later:
        later.setattr(derived, "LAYOUT", derived.LAYOUT + 1)
        assert derived.read(run, ["thing"]) is None
    assert derived.read(run, ["thing"]) is not None
    write_segment(run, records({"kind": Kind.FILE_READ}), 5)
    assert derived.read(run, ["thing"]) is None
    derived.write(run, {"thing": arrays}, before)
    assert derived.read(run, ["thing"]) is None
    derived.write(run, {"thing": arrays})
    whole = (run.derived / "thing.parquet").read_bytes()
    (run.derived / "thing.parquet").write_bytes(whole[: len(whole) // 2])
    assert derived.read(run, ["thing"]) is None


def test_a_result_that_cannot_be_kept_is_no_error(run: RunDirectory) -> None:
    run.derived.rmdir()
    run.derived.write_text("in the way")
    assert not derived.write(run, {"thing": {"a": np.arange(4)}})
    assert derived.read(run, ["thing"]) is None
    assert [path.name for path in run.path.iterdir() if path.name.startswith(".")] == []
    derive = Deriver(keep=False)
    assert len(sql.query(run, "FROM requests", derive=derive).rows) == 2


def test_connect_is_locked_and_has_every_view(run: RunDirectory) -> None:
    with sql.connect(run, derive=Deriver(keep=False)) as connection:
        for view in sql.VIEWS:
            connection.execute(f"SELECT count(*) FROM {view}")
        with pytest.raises(Exception, match="disabled by configuration"):
            connection.execute("COPY (SELECT 1) TO '/tmp/never'")
    assert not os.path.lexists("/tmp/never")


def test_a_run_that_is_gone_is_no_traceback(run: RunDirectory) -> None:
    (run.path / "meta.json").unlink()
    with pytest.raises(RunDirectoryError, match=r"it has no meta\.json"):
        sql.query(run, "FROM records")


def test_how_long_a_connection_waited_to_be_accepted(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", {"start_ns": BEGIN_NS})
    ready = {"kind": Kind.TCP_STATE, "object": 9, "status": 1, "address": 3}
    connected = {"kind": Kind.TCP_STATE, "object": 8, "status": 1, "address": 2}
    taken = {"kind": Kind.NET_ACCEPT, "object": 9, "address": 7, "duration_ns": 40}
    other = {"kind": Kind.NET_ACCEPT, "object": 10, "address": 7}
    at = {"start_ns": BEGIN_NS + 1000}
    write_segment(run, records(ready, connected, taken | at, other | at), 0)
    found = rows(run, "SELECT start_ns, waited_ns, object, listener FROM accepts")
    assert found == [(BEGIN_NS, 1040, 9, 7)]

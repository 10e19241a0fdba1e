# SPDX-License-Identifier: Apache-2.0
"""SQL over a run: the views, and the lock around them.

::

    records   every record; kind, name and start_s in words, kind_value as the record has it,
              and whether it is a call that failed
    requests  one row for each request                  (computed by anaros.pofc at first use)
    spans     one row for each stage of a request       (likewise)
    allocations  one row for each allocation of device memory or page-locked memory (likewise)
    memory    the bytes in use: one row for each time that they changed  (likewise)
    copies    what was copied between host and device, and from where    (likewise)
    migrations  managed memory that moved, by allocation and where to    (likewise)
    links     one row for each read that a copy to a device has bytes of  (likewise)
    busy      the times in which a stream or queue had work              (likewise)
    delays    one row for each time that something delayed the target: who, how, on what
    accepts   how long a connection waited to be accepted
    coverage  what the shim saw and what the kernel counted, by second   (likewise)
    overhead  what recording cost, by second                             (likewise)
    names     what objects are called
    segments  the files of records, sound or damaged

A user's SQL reads the run directory and nothing else, and writes nothing.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

import duckdb

from anaros.errors import QueryError, RunDirectoryError
from anaros.kinds import KIND_NAMES, Kind, NameClass
from anaros.records import FIELDS
from anaros.store import columnar, derived, failures, names, segments
from anaros.store.columnar import Array, quoted
from anaros.store.rundir import RunDirectory

_MEMORY_VIEWS = ("memory", "allocations", "copies", "migrations")
VIEWS = (
    *("records", "requests", "spans", *_MEMORY_VIEWS),
    *("links", "busy", "delays", "accepts", "coverage", "overhead", "names", "segments"),
)

#: What a query is begun with and divided by; near words of a syntax error.
_KEYWORDS = (
    *("SELECT", "FROM", "WHERE", "WITH", "JOIN", "LEFT", "USING", "ON", "GROUP", "ORDER", "BY"),
    *("HAVING", "LIMIT", "DISTINCT", "UNION", "DESCRIBE", "SUMMARIZE", "EXPLAIN"),
)
_SQL_REMEDY = f"write one SELECT, in DuckDB's SQL, over {', '.join(VIEWS)}"


class Table(Protocol):
    """Arrays by name."""

    def as_dict(self) -> Mapping[str, Array]:
        """The arrays, all of one length."""


class DerivedTables(Protocol):
    """What is computed from the records; `anaros.pofc.Timeline` is one."""

    @property
    def requests(self) -> Table:
        """One row for each request."""

    @property
    def spans(self) -> Table:
        """One row for each stage of a request; ``stage`` is a place in `anaros.pofc.STAGES`."""


#: Computes what `derived` lacks.
Deriver = Callable[[RunDirectory], DerivedTables]

#: What the name of a record is the name of, by the family of its kind: a class of names, and the
#: field that holds the number.
_NAMED_FAMILIES = {
    0x01: (NameClass.FILE, "object"),
    0x02: (NameClass.SOCKET, "object"),
    0x04: (NameClass.STREAM, "object"),
    0x05: (NameClass.PROCESS, "object"),
    0x06: (NameClass.DEVICE, "object"),
    0x07: (NameClass.DEVICE, "object"),
    0x08: (NameClass.SOCKET, "object"),
    0x0A: (NameClass.INTERRUPT, "object"),
    0x0B: (NameClass.PROCESS, "pid"),
    0x0D: (NameClass.CGROUP, "object"),
    0x0E: (NameClass.PROBE, "object"),
}
#: Kinds that are named otherwise than their family. None: their object is a processor, or a
#: pointer that nobody names.
_NAMED_KINDS = {
    Kind.FILE_MUNMAP: None,
    Kind.GPU_LAUNCH: (NameClass.KERNEL, "address"),
    Kind.GPU_EXECUTE: (NameClass.KERNEL, "address"),
    Kind.GPU_COLLECTIVE: (NameClass.KERNEL, "address"),
    Kind.GPU_GRAPH: (NameClass.KERNEL, "address"),
    Kind.GPU_ALLOC: None,
    Kind.GPU_FREE: None,
    Kind.GPU_BUILD: None,
    Kind.GPU_INSTANTIATE: (NameClass.KERNEL, "object"),
    Kind.GPU_CONTEXT: None,
    Kind.GPU_RESERVE: None,
    Kind.GPU_VM_MAP: None,
    Kind.GPU_VM_UNMAP: None,
    Kind.GPU_POOL: None,
    Kind.GPU_STORAGE: (NameClass.FILE, "object"),
    Kind.GPU_MIGRATE: None,
    Kind.GPU_UNKNOWN: (NameClass.FUNCTION, "object"),
    Kind.GPU_TIMING: (NameClass.REASON, "address"),
    Kind.BLOCK_ISSUE: (NameClass.FILE, "object"),
    Kind.SCHED_MIGRATE: None,
    Kind.SCHED_THROTTLE: None,
    Kind.MEM_OOM: (NameClass.PROCESS, "object"),
    Kind.NIC_DROP: (NameClass.REASON, "address"),
    Kind.PROC_FORK: (NameClass.PROCESS, "object"),
    Kind.PROC_EXEC: (NameClass.PROGRAM, "address"),
}


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The answer to a query.

    Attributes:
        columns: The names of the columns.
        rows: The rows, each with one Python value for each column; None is NULL.
    """

    columns: list[str]
    rows: list[tuple[Any, ...]]


def query(run: RunDirectory, sql: str, *, derive: Deriver | None = None) -> QueryResult:
    """Ask a run a question.

    Args:
        run: The run.
        sql: One statement that only reads, in DuckDB's SQL.
        derive: What computes ``requests`` and ``spans``; None is `anaros.pofc`.

    Raises:
        QueryError: DuckDB refuses it, or it would do more than read.
        RunDirectoryError: The run cannot be read.
    """
    try:
        with columnar.cursor() as parser:
            _require_reading(parser, sql)
    except duckdb.Error as error:
        raise _query_error(error) from error
    # By words, for DuckDB can tell the tables of a join only when they exist.
    needed = set(re.findall(r"\w+", sql.lower()))
    with connect(run, views=needed, derive=derive) as connection:
        try:
            return _interruptible(connection, lambda: _answer(connection, sql))
        except columnar.READ_ERRORS as error:
            raise _query_error(error) from error


def _answer(connection: duckdb.DuckDBPyConnection, sql: str) -> QueryResult:
    cursor = connection.execute(sql)
    columns = [column[0] for column in cursor.description or ()]
    return QueryResult(columns, cursor.fetchall())


def _interruptible(
    connection: duckdb.DuckDBPyConnection, ask: Callable[[], QueryResult]
) -> QueryResult:
    """What ``ask`` answers; Ctrl-C ends it at once.

    DuckDB looks for signals only between its main thread's tasks, of which one may be most of the
    query. So it works in another thread, and this one, which Python's handlers run in, waits.
    """
    with ThreadPoolExecutor(1) as worker:
        answer = worker.submit(ask)
        try:
            wait([answer])
        except BaseException:
            # One that comes before the query has begun is forgotten.
            while not answer.done():
                connection.interrupt()
                wait([answer], timeout=0.02)
            raise
    return answer.result()


def connect(
    run: RunDirectory,
    *,
    views: set[str] | None = None,
    derive: Deriver | None = None,
) -> duckdb.DuckDBPyConnection:
    """A database with the views of a run, cut off from everything but the run directory.

    Args:
        run: The run.
        views: Only what these need is computed; None is all.
        derive: What computes ``requests`` and ``spans``; None is `anaros.pofc`.

    Raises:
        RunDirectoryError: The run cannot be read.
    """
    wanted = set(VIEWS) if views is None else {name.lower() for name in views}
    connection = columnar.connect(threads=os.cpu_count() or 1)
    try:
        _build(connection, run, wanted, derive or _pofc)
    except columnar.READ_ERRORS as error:
        connection.close()
        message = columnar.first_line(error)
        raise RunDirectoryError(f"cannot read {run.path}: {message}") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _build(
    connection: duckdb.DuckDBPyConnection, run: RunDirectory, wanted: set[str], derive: Deriver
) -> None:
    _add_kinds(connection)
    _add_names(connection, run)
    _add_records(connection, run)
    if "segments" in wanted:
        _add_segments(connection, run)
    if "delays" in wanted:
        _add_delays(connection, run)
    if "accepts" in wanted:
        _add_accepts(connection, run)
    if wanted & {"requests", "spans"}:
        _add_derived(connection, run, derive)
    if wanted.intersection(_MEMORY_VIEWS):
        _add_memory(connection, run)
    if "links" in wanted:
        _add_links(connection, run)
    if "busy" in wanted:
        _add_busy(connection, run)
    if "coverage" in wanted:
        _add_coverage(connection, run)
    if "overhead" in wanted:
        _add_overhead(connection, run)
    connection.execute(f"SET allowed_directories = [{quoted(run.path.resolve())}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _require_reading(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise QueryError(f"{len(statements)} statements are given", "give one SELECT at a time")
    statement = statements[0]
    if statement.type == duckdb.StatementType.EXPLAIN:
        inner = re.sub(r"(?i)^\s*explain\s+(analyze\b)?\s*(\([^)]*\))?", "", statement.query)
        _require_reading(connection, inner)
    elif statement.type == duckdb.StatementType.MULTI:
        raise QueryError(
            "this PIVOT would first store its values",
            "list them: PIVOT ... ON kind IN ('file.read')",
        )
    elif statement.type != duckdb.StatementType.SELECT:
        name = statement.type.name
        raise QueryError(f"{name} is not allowed: a query only reads", "use a SELECT")


def _add_kinds(connection: duckdb.DuckDBPyConnection) -> None:
    """The table of kinds: their names, and what names their records.

    The names are an ENUM, for grouping ten million numbers is faster than words.
    """
    words = ", ".join(quoted(name) for name in KIND_NAMES.values())
    connection.execute(
        f"CREATE TYPE kind_name AS ENUM ({words});"
        "CREATE TABLE kinds"
        " (value USMALLINT, name kind_name, name_class UTINYINT, named_field VARCHAR,"
        " fails UTINYINT)"
    )
    rows = []
    for value, name in KIND_NAMES.items():
        named = _NAMED_KINDS.get(Kind(value), _NAMED_FAMILIES.get(value >> 8))
        words = f"{named[0].value}, {quoted(named[1])}" if named else "NULL, NULL"
        rows.append(f"({value}, {quoted(name)}, {words}, {failures.rule_of(value).value})")
    connection.execute(f"INSERT INTO kinds VALUES {', '.join(rows)}")


def _add_names(connection: duckdb.DuckDBPyConnection, run: RunDirectory) -> None:
    if names.readable(run):
        connection.execute(
            f"CREATE VIEW all_names AS SELECT {names.FIELDS_SQL}"
            f" FROM read_parquet({quoted(run.names.resolve())})"
        )
    else:
        connection.execute(
            "CREATE TABLE all_names (object UBIGINT, name_class UTINYINT, start_ns UBIGINT,"
            " pid UINTEGER, name VARCHAR)"
        )
    cases = " ".join(f"WHEN {c.value} THEN {quoted(c.name.lower())}" for c in NameClass)
    connection.execute(
        f"CREATE VIEW names AS SELECT object, CASE name_class {cases} END AS class,"
        " name_class AS class_value, start_ns, pid, name FROM all_names"
    )


#: Records with their kind in words and the number and class of what names them, then with the
#: name. Each joined side is grouped by the very columns that it is joined on, and these are plain
#: columns on both sides: so DuckDB knows that a join neither adds nor removes records, and leaves
#: it out of an aggregation that asks for none of its columns.
_KINDS_JOINED = """
    SELECT r.*, k.name AS kind_word, k.name_class, k.fails, CASE k.named_field
        WHEN 'object' THEN r.object WHEN 'address' THEN r.address WHEN 'pid' THEN r.pid::UBIGINT
        END AS named
    FROM ({source}) r LEFT JOIN (
        SELECT value, any_value(name) AS name, any_value(name_class) AS name_class,
            any_value(named_field) AS named_field, any_value(fails) AS fails
        FROM kinds GROUP BY value
    ) k ON k.value = r.kind
"""
_NAMES_JOINED = """
    FROM ({records}) r LEFT JOIN (
        SELECT object, name_class, any_value(first) AS name, any_value(changes) AS changes
        FROM names_by_object GROUP BY object, name_class
    ) n ON n.object = r.named AND n.name_class = r.name_class
"""
_NAMES_BY_OBJECT = """
    SELECT object, name_class, arg_min(name, start_ns) AS first, NULL AS changes
    FROM all_names GROUP BY object, name_class
    UNION ALL
    SELECT object, name_class, NULL,
        list({'start_ns': start_ns, 'name': name} ORDER BY start_ns)
    FROM all_names SEMI JOIN (
        SELECT object, name_class FROM all_names
        GROUP BY object, name_class HAVING min(name) < max(name)
    ) USING (object, name_class)
    GROUP BY object, name_class
"""

#: Of an object whose name changed the last that had begun, else the first.
_NAME = """
    CASE WHEN n.changes IS NULL THEN n.name ELSE coalesce(
        list_last(list_filter(n.changes, lambda x: x.start_ns <= r.start_ns)).name, n.name
    ) END
"""


def _start_s(run: RunDirectory) -> str:
    """Seconds since the run began; NULL where that is unknown."""
    begin = run.meta().get("start_ns")
    value = "NULL::DOUBLE" if begin is None else f"(start_ns::HUGEINT - {int(begin)}) / 1e9"
    return f"{value} AS start_s"


def _add_records(connection: duckdb.DuckDBPyConnection, run: RunDirectory) -> None:
    paths = segments.sound_segments(run)
    selected = ", ".join(
        f"{expression} AS {name}" for name, expression in segments.RECORD_FIELDS_SQL.items()
    )
    if paths:
        listed = ", ".join(quoted(path.resolve()) for path in paths)
        source = f"SELECT {selected} FROM read_parquet([{listed}])"
    else:
        empty = ", ".join(f"0 AS {name}" for name, _ in FIELDS)
        source = f"SELECT {selected} FROM (SELECT {empty}) WHERE false"
    connection.execute(f"CREATE VIEW names_by_object AS {_NAMES_BY_OBJECT}")
    joined = _NAMES_JOINED.format(records=_KINDS_JOINED.format(source=source))
    connection.execute(
        "CREATE VIEW records AS SELECT r.start_ns, r.duration_ns, r.pid, r.tid,"
        " r.kind_word AS kind, r.kind AS kind_value, r.flags, r.status, r.object, r.size_bytes,"
        f" r.address, r.context, {_NAME} AS name, {_start_s(run)},"
        f" {failures.FAILED_SQL} {joined}"
    )


def _add_segments(connection: duckdb.DuckDBPyConnection, run: RunDirectory) -> None:
    connection.execute(
        "CREATE TABLE segments"
        " (file VARCHAR, rows UBIGINT, bytes UBIGINT, damaged BOOLEAN, reason VARCHAR)"
    )
    counts = segments.row_counts(run)
    damaged = {item.path: item for item in segments.damaged_segments(run)}
    rows: list[tuple[str, int | None, int | None, bool, str | None]] = [
        (str(path.relative_to(run.path)), count, path.stat().st_size, False, None)
        for path, count in counts.items()
        if path not in damaged
    ]
    rows += [
        (str(path.relative_to(run.path)), None, item.size_bytes, True, item.reason)
        for path, item in damaged.items()
    ]
    if rows:
        connection.executemany("INSERT INTO segments VALUES (?, ?, ?, ?, ?)", sorted(rows))


def _add_delays(connection: duckdb.DuckDBPyConnection, run: RunDirectory) -> None:
    """What delayed the target, with the names of who did."""
    from anaros.delays import CAUSES, OWNERS, delays_of

    _register(connection, "delays", delays_of(run).as_dict())
    causes, resources = (_listed(words) for words in zip(*CAUSES, strict=True))
    source = 'SELECT *, "by" AS named, by_class AS name_class FROM derived_delays WHERE count > 0'
    joined = _NAMES_JOINED.format(records=source)
    connection.execute(
        "CREATE VIEW delays AS SELECT r.start_ns, r.duration_ns, nullif(r.pid, 0) AS pid,"
        f" nullif(r.tid, 0) AS tid, {resources}[r.cause + 1] AS resource,"
        f" {causes}[r.cause + 1] AS cause, {_listed(OWNERS)}[r.owner + 1] AS owner,"
        f" r.count, {_NAME} AS delayed_by,"
        f' CASE r.by_class WHEN {NameClass.PROCESS.value} THEN r."by" END AS delayed_by_pid,'
        f" nullif(r.thing, 0) AS thing, {_start_s(run)} {joined}"
    )


def _add_accepts(connection: duckdb.DuckDBPyConnection, run: RunDirectory) -> None:
    """The kernel tells when a connection was ready, the call that took it when it was taken."""
    from anaros.delays import accepts_of

    _register(connection, "accepts", accepts_of(run).as_dict())
    source = f"SELECT *, object AS named, {NameClass.SOCKET.value} AS name_class"
    joined = _NAMES_JOINED.format(records=f"{source} FROM derived_accepts")
    connection.execute(
        f"CREATE VIEW accepts AS SELECT r.start_ns, {_start_s(run)}, r.waited_ns, r.pid, r.tid,"
        f" r.object, r.listener, {_NAME} AS name {joined}"
    )


def _register(
    connection: duckdb.DuckDBPyConnection, name: str, arrays: Mapping[str, Array]
) -> None:
    """A table ``derived_NAME`` of arrays."""
    connection.register("computed", arrays)
    connection.execute(f"CREATE TABLE derived_{name} AS SELECT * FROM computed")
    connection.unregister("computed")


def _add_derived(connection: duckdb.DuckDBPyConnection, run: RunDirectory, derive: Deriver) -> None:
    """``requests`` and ``spans``, from their files or computed now."""
    from anaros.pofc import STAGES

    sources = derived.fresh(run, ("requests", "spans"))
    if sources is None:
        timeline = derive(run)
        for name, table in (("requests", timeline.requests), ("spans", timeline.spans)):
            _register(connection, name, table.as_dict())
    else:
        for name, path in sources.items():
            source = f"read_parquet({quoted(str(path))})"
            connection.execute(f"CREATE VIEW derived_{name} AS SELECT * FROM {source}")
    start_s = _start_s(run)
    connection.execute(f"CREATE VIEW requests AS SELECT *, {start_s} FROM derived_requests")
    connection.execute(
        f"CREATE VIEW spans AS SELECT * REPLACE ({_listed(STAGES)}[stage + 1] AS stage), {start_s}"
        " FROM derived_spans"
    )


def _add_memory(connection: duckdb.DuckDBPyConnection, run: RunDirectory) -> None:
    """The tables of device memory, as they were kept or computed now; empty where there is none."""
    from anaros import pofc

    with pofc.tables(run) as found:
        memory = found.memory or pofc.Map.empty()
    for name, table in memory.tables().items():
        _register(connection, name, table)
    sort = f"{_words(pofc.Memory)}[memory + 1] AS memory"
    start_s = _start_s(run)
    connection.execute(
        f"CREATE VIEW allocations AS SELECT * REPLACE ({sort},"
        f" {_words(pofc.Ending)}[ending + 1] AS ending, nullif(end_ns, 0) AS end_ns,"
        " pinned = 1 AS pinned, nullif(context, 0) AS context, nullif(device, -1) AS device,"
        f" nullif(request, -1) AS request), {start_s} FROM derived_allocations"
    )
    connection.execute(
        f"CREATE VIEW memory AS SELECT * REPLACE ({sort}),"
        f" {start_s.replace('start_ns', 'time_ns').replace('start_s', 'time_s')}"
        " FROM derived_memory"
    )
    connection.execute(
        f"CREATE VIEW copies AS SELECT c.* REPLACE ({_words(pofc.Host)}[host + 1] AS host,"
        " k.name AS kind) FROM derived_copies c LEFT JOIN kinds k ON k.value = c.kind"
    )
    connection.execute(
        "CREATE VIEW migrations AS SELECT pid, nullif(object, 0) AS object,"
        " CASE moved_to WHEN 0 THEN 'host' ELSE 'device ' || (moved_to - 1) END AS moved_to,"
        " count, size_bytes, returned_bytes, duration_ns FROM derived_migrations"
    )


def _add_links(connection: duckdb.DuckDBPyConnection, run: RunDirectory) -> None:
    """What was read for the copies to devices, as it was kept or computed now."""
    from anaros import pofc

    _register(connection, "links", pofc.links(run).as_dict())
    source = "SELECT *, read_address AS address FROM derived_links"
    joined = _NAMES_JOINED.format(records=_KINDS_JOINED.format(source=source))
    connection.execute(
        "CREATE VIEW links AS SELECT r.start_ns, r.pid, r.tid, r.stream, r.copy_bytes,"
        " r.copy_address, r.read_ns, r.read_tid, r.kind_word AS kind, r.object, r.read_bytes,"
        f" r.read_address, r.size_bytes, {_words(pofc.Evidence)}[evidence + 1] AS evidence,"
        " round(r.probability::DOUBLE, 3) AS probability, r.again = 1 AS again,"
        f" nullif(r.request, -1) AS request, {_NAME} AS name, {_start_s(run)} {joined}"
    )


def _add_busy(connection: duckdb.DuckDBPyConnection, run: RunDirectory) -> None:
    """When streams had work, as it was kept or computed now."""
    from anaros import pofc
    from anaros.pofc.streams import UNKNOWN_NS

    with pofc.tables(run) as tables:
        _register(connection, "busy", pofc.busy(run, tables).as_dict())
    connection.execute(
        "CREATE VIEW busy AS SELECT * REPLACE (nullif(tid, 0) AS tid, told = 1 AS told,"
        f" nullif(end_ns, {UNKNOWN_NS}) AS end_ns),"
        f" {_start_s(run)} FROM derived_busy"
    )


def _add_coverage(connection: duckdb.DuckDBPyConnection, run: RunDirectory) -> None:
    """The rows of the ledger, as they were kept or reckoned now."""
    from anaros.coverage import QUANTITIES, ledger_of

    _register(connection, "ledger", ledger_of(run).rows.as_dict())
    quantity = f"{_listed(QUANTITIES)}[quantity + 1] AS quantity"
    connection.execute(
        f"CREATE VIEW coverage AS SELECT * REPLACE ({quantity}), {_start_s(run)}"
        " FROM derived_ledger"
    )


def _add_overhead(connection: duckdb.DuckDBPyConnection, run: RunDirectory) -> None:
    """What recording cost by second, as it was kept or reckoned now."""
    from anaros.coverage import cost_of

    found = cost_of(run).as_dict()
    _register(connection, "overhead", found)
    known = [name for name in found if name not in ("start_ns", "records")]
    told = ", ".join(f"nullif({name}, -1) AS {name}" for name in known)
    connection.execute(
        f"CREATE VIEW overhead AS SELECT * REPLACE ({told}), {_start_s(run)} FROM derived_overhead"
    )


def _words(words: type[IntEnum]) -> str:
    """The names of numbers from 0, as a list of SQL."""
    return _listed([each.name.lower() for each in words])


def _listed(words: Iterable[str]) -> str:
    """Words as a list of SQL."""
    return f"[{', '.join(map(quoted, words))}]"


def _pofc(run: RunDirectory) -> DerivedTables:
    from anaros import pofc

    return pofc.derive(run)


def _query_error(error: Exception) -> QueryError:
    """DuckDB's first line, and what it or we can suggest."""
    message = str(error)
    fact = columnar.first_line(error).rstrip("!.")
    missing = re.search(r"Table with name (\S+) does not exist", message)
    if missing:
        near = difflib.get_close_matches(missing[1].lower(), VIEWS, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"the views are {', '.join(VIEWS)}"
        return QueryError(f"there is no view {missing[1]}", remedy)
    if isinstance(error, duckdb.PermissionException):
        return QueryError(fact, "a query reads its run directory and nothing else")
    if isinstance(error, duckdb.ParserException):
        found = re.search(r'at or near "([^"]+)"', message)
        word = found[1].upper() if found else ""
        near = difflib.get_close_matches(word, _KEYWORDS, n=1) if word not in _KEYWORDS else []
        return QueryError(fact, f"did you mean {near[0]}?" if near else _SQL_REMEDY)
    if "'pytz'" in message:
        fact = "a time with a time zone cannot be given as a value"
        return QueryError(fact, "cast it: CAST(now() AS TIMESTAMP), or AS VARCHAR")
    if "subtraction of UINT" in message:
        return QueryError(fact, "fields have no sign: cast them before, as start_ns::BIGINT")
    near_word = re.search(r'(?:Candidate bindings: |Did you mean )"([^"]+)"', message)
    if near_word:
        return QueryError(fact, f"did you mean {near_word[1]}?")
    return QueryError(fact)

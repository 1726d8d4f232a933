"""ClickHouse, as a server (``clickhouse://user:password@host:8123``) or as chDB in this process (``chdb:///path``).

The only import of clickhouse_connect. Tables and views are in ``schema/``, what goes into them in ``columns.py``. What was
computed is written into one generation; whoever asks reads the current one.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, Error, OperationalError

from sinks import columns
from sinks.migrations import Migration, current_views, load, masked, statements
from sinks.store import (
    BadQuery,
    CalendarTime,
    Department,
    DepartmentDepth,
    DepartmentLine,
    NoGeneration,
    Result,
    StaffRow,
    StoredRecord,
    StoreLocked,
    StoreTooNew,
    Unavailable,
)
from streams.indicators import IndicatorValue
from streams.sealed import Batch

MIB = 1 << 20
FIRST = 1
"""The generation that a new store shows."""

# chDB takes these when its engine starts: its caches are made for servers and would grow to gigabytes.
EMBEDDED = {
    "mark_cache_size": 32 * MIB,
    "index_mark_cache_size": 1 * MIB,
    "primary_index_cache_size": 32 * MIB,
    "query_condition_cache_size": 4 * MIB,
    "compiled_expression_cache_size": 8 * MIB,
    "max_threads": 2,
}

# For everybody who asks. `readonly` is last: it forbids to change settings.
ASKING = {
    "max_threads": 2,
    "max_execution_time": 60,
    "max_memory_usage": 256 * MIB,
    "max_bytes_before_external_group_by": 96 * MIB,
    "max_bytes_before_external_sort": 96 * MIB,
    "readonly": 1,
}

SILENCE_SECONDS = 60
"""A server that is busy for longer says now and then how far it has come."""

# Codes of ClickHouse that go away by themselves or when somebody looks after the server.
_COME_BACK = {
    *(159, 160, 241),  # took too long, needs too much memory
    *(202, 203, 209, 210, 279, 425),  # busy, no free connection, network
    *(75, 74, 243, 252),  # disk, too many parts
    *(225, 242, 244, 254, 285, 286, 289, 319, 999),  # replicas and their keeper
    *(236, 394, 439),  # it is being stopped, or somebody stops what runs, or it has no thread
    *(192, 193, 194, 516),  # does not know us: until somebody mends that, nothing is lost
    *(1000, 1001, 1002),  # what the libraries below it say of disks and sockets
}
_TOO_MUCH = {159, 160, 241}

_SWITCHED = f"SELECT argMax(generation, (number, switched_at)) FROM {columns.PUBLIC}.switches"
"""0: nobody ever has."""

_READS = re.compile(r"\s*\(*\s*(select|with|from|show|describe|desc|explain|exists)\b", re.IGNORECASE)
_TABULAR = re.compile(r"\s*\(*\s*(select|with|from)\b", re.IGNORECASE)
_ELSEWHERE = re.compile(r"\binto\s+outfile\b|\bformat\s+\w+\s*$", re.IGNORECASE)
_UNREACHED = re.compile(r" executing HTTP request attempt \d+ \((\S+)\)$")
_OTHERS = re.compile(r"HTTP driver received HTTP status (\d+).*\(for url (\S+)\)$", re.DOTALL)
_CONNECTION = re.compile(r"^HTTPS?Connection(?:Pool)?\([^)]*\): ")
_MESSAGE = re.compile(r"DB::Exception: (?!.*DB::Exception: )(.*?)(?: \([A-Z0-9_]+\))?(?: \((?:version|for url) .*)?$")


class ClickHouse:
    """A :class:`sinks.store.Store` of one ``generation``. ``reader`` opens a second connection, which may only read, when
    somebody asks.
    """

    def __init__(self, writer: Client, reader: Callable[[], Client], generation: int = FIRST) -> None:
        self.generation, self.database = generation, columns.database_of(generation)
        self._writer, self._open_reader = writer, reader
        self._reader: Client | None = None
        self._opening = Lock()

    def migrate(self, migrations: Sequence[Migration] | None = None) -> list[Migration]:
        """Brings what is common, and this generation, to this code's schema, and returns what had to be done. A new store shows
        generation 1.
        """
        with _writing():
            done = self._bring(columns.PUBLIC, load() if migrations is None else migrations)
            new = self._switched() is None
            for database in sorted({self.database, columns.database_of(FIRST)} if new else {self.database}):
                done += self._bring(database, load(database))
            if new:
                self._insert(columns.switch(1, FIRST))
            self._show_current()
            self._show_beside_cases(anew=bool(done))
        return done

    def _bring(self, database: str, migrations: Sequence[Migration]) -> list[Migration]:
        self._writer.command(f"CREATE DATABASE IF NOT EXISTS {database}")
        self._writer.command(
            f"CREATE TABLE IF NOT EXISTS {database}.schema_migrations"
            " (version UInt32, name String, applied_at DateTime64(6, 'UTC') DEFAULT now64(6))"
            " ENGINE = ReplacingMergeTree ORDER BY version"
        )
        rows = self._writer.query(f"SELECT DISTINCT version FROM {database}.schema_migrations").result_rows
        applied = {int(version) for (version,) in rows}
        if unknown := applied - {m.version for m in migrations}:
            known = max((m.version for m in migrations), default=0)
            raise StoreTooNew(
                f"The store has schema {max(unknown)} of {database}, written by a later crossdesk; this one knows schemas up "
                f"to {known}. Run that crossdesk again: a schema is never taken back."
            )
        pending = [m for m in migrations if m.version not in applied]
        for migration in pending:
            for statement in statements(migration.sql):
                self._writer.command(statement)
            self._insert(columns.migration(migration, database))
        return pending

    # -- generations
    def current_generation(self) -> int:
        """The one that everybody reads. Raises Unavailable before there is any."""
        ((generation,),) = self.query(_SWITCHED).rows
        return int(generation)

    def generations(self) -> list[int]:
        """Those that lie in the store, whatever is in them."""
        found = (columns.generation_of(name) for (name,) in self.query("SELECT name FROM system.databases").rows)
        return sorted(generation for generation in found if generation is not None)

    def switch(self, generation: int) -> None:
        """From now on everybody reads this one. Each view changes at once, and all within a moment; who is stopped in the middle
        leaves it to the next :meth:`migrate`. Raises NoGeneration.
        """
        if generation not in (there := self.generations()):
            raise NoGeneration(f"The store has no generation {generation}; it has {_listed(there)}.")
        with _writing():
            ((number,),) = self._writer.query(f"SELECT max(number) FROM {columns.PUBLIC}.switches").result_rows
            self._insert(columns.switch(number + 1, generation))
            self._show_current()

    def drop(self, generation: int) -> None:
        """All that it has computed is gone. Raises NoGeneration where it is the current one."""
        with _writing():
            if self._switched() == generation:
                raise NoGeneration(
                    f"Generation {generation} is the current one: switch to another before it is dropped."
                )
            self._writer.command(f"DROP DATABASE IF EXISTS {columns.database_of(generation)} SYNC")

    def _switched(self) -> int | None:
        ((generation,),) = self._writer.query(_SWITCHED).result_rows
        return int(generation) or None

    def _show_current(self) -> None:
        """Has the views show the current generation, as this code has them: they may hide more than before. Somebody may have been
        stopped in the middle of it, or switch meanwhile.
        """
        current, shown = self._switched() or FIRST, 0
        while shown != current:
            for statement in statements(current_views(columns.database_of(current))):
                self._writer.command(statement)
            shown, current = current, self._switched() or FIRST

    def _show_beside_cases(self, anew: bool) -> None:
        """Who may list single cases finds beside them all that everybody may read, but for what wants parameters. ``anew``: views
        may have other columns now.
        """
        rows = self._writer.query(
            f"SELECT name, groupArray(database) FROM system.tables WHERE database IN ('{columns.PUBLIC}', '{columns.CASES}')"
            " AND engine = 'View' AND NOT match(as_select, '[{]\\\\w+:') GROUP BY name"
            f" HAVING has(groupArray(database), '{columns.PUBLIC}')"
        ).result_rows
        for name, databases in rows:
            if anew or columns.CASES not in databases:
                self._writer.command(
                    f"CREATE OR REPLACE VIEW {columns.CASES}.{name} DEFINER = CURRENT_USER SQL SECURITY DEFINER AS"
                    f" SELECT * FROM {columns.PUBLIC}.{name}"
                )

    # -- what is written
    def write_facts(self, facts: Sequence[bytes]) -> None:
        if facts:
            with _writing():
                self._writer.raw_insert(
                    f"{self.database}.{columns.FACTS}", columns.FACT, columns.facts(facts), fmt="MsgPack"
                )

    def write_events(self, records: Sequence[StoredRecord]) -> None:
        self._write(columns.events(records))

    def write_indicators(self, values: Sequence[IndicatorValue]) -> None:
        self._write(columns.indicators(values, self.generation))

    def write_departments(self, departments: Sequence[Department], version: int) -> None:
        self._write(columns.departments(departments, version))

    def write_calendar_time(self, rows: Sequence[CalendarTime], version: int) -> None:
        self._write(columns.calendar_time(rows, version))

    def write_department_depths(self, rows: Sequence[DepartmentDepth], version: int) -> None:
        self._write(columns.department_depths(rows, version))

    def write_department_lines(self, rows: Sequence[DepartmentLine], version: int) -> None:
        self._write(columns.department_lines(rows, version))

    def write_staff(self, rows: Sequence[StaffRow], version: int) -> None:
        self._write(columns.staff(rows, version))

    def write_sealed(self, batches: Sequence[Batch]) -> None:
        self._write(columns.sealed(batches))

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """One statement of crossdesk's own that writes what the store computes from what it holds."""
        with _writing():
            self._writer.command(sql, parameters=dict(parameters or {}))

    # -- what is asked
    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Result:
        """One statement that reads; ``{name:Type}`` in it stands for a parameter. Raises BadQuery, Unavailable."""
        statement = _one_reading(sql)
        bound = dict(parameters or {})
        with _reading():
            with self._opening:
                reader = self._reader = self._reader or self._open_reader()
            answer = reader.query(statement, parameters=bound)
            names, rows = tuple(answer.column_names), [tuple(row) for row in answer.result_rows]
            if not names and _TABULAR.match(masked(statement)):  # chDB names no columns where there are no rows
                described = reader.query(f"DESCRIBE (\n{statement}\n)", parameters=bound)
                names = tuple(str(row[0]) for row in described.result_rows)
        return Result(names, rows)

    def close(self) -> None:
        """chDB lets go of its folder."""
        if self._reader is not None:
            self._reader.close()
        self._writer.close()

    def _write(self, insert: columns.Insert) -> None:
        with _writing():
            self._insert(insert)

    def _insert(self, insert: columns.Insert) -> None:
        if insert.columns and insert.columns[0]:
            self._writer.insert(
                insert.table, insert.columns, insert.names, database=insert.database, column_oriented=True
            )
            for column in insert.columns:  # the driver leaves them in a cycle: 150 MB until the collector comes round
                column.clear()


def connect(dsn: str, generation: int = FIRST) -> ClickHouse:
    """What is computed is written into ``generation``. Who asks may list single cases, unless the address of a server names another
    database, such as ``crossdesk_public``. Raises StoreLocked where another process has chDB's folder open,
    Unavailable where nobody answers.
    """
    address = urlsplit(dsn)
    options: dict[str, Any] = {"dsn": dsn, "tz_mode": "aware"}

    asked = unquote(address.path).strip("/") if address.scheme != "chdb" else ""

    def reader() -> Client:
        return clickhouse_connect.get_client(**options, database=asked or columns.CASES, settings=ASKING)

    if address.scheme != "chdb":
        options["autogenerate_session_id"] = False  # threads may ask at once, and a session answers one at a time
        options["send_receive_timeout"] = SILENCE_SECONDS
        with _writing():
            return ClickHouse(clickhouse_connect.get_client(**options), reader, generation)

    path = os.path.realpath(unquote(address.path))
    options["chdb_options"] = EMBEDDED
    _refuse_locked(path, mine=os.getpid())
    try:
        return ClickHouse(clickhouse_connect.get_client(**options), reader, generation)
    except ClickHouseError as error:
        _refuse_locked(path)
        raise Unavailable(f"chDB cannot open {path}: {_first_line(error)}") from error


def _refuse_locked(path: str, mine: int | None = None) -> None:
    """chDB only says that its server could not be initialised, so look at its lock, which dies with its process."""
    file = Path(path, "status")
    if not file.is_file():
        return
    with file.open(encoding="utf-8") as status:
        try:
            fcntl.flock(status, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            found = re.search(r"PID: (\d+)", status.read())
            pid = int(found[1]) if found else None
            if pid is None or pid != mine:
                raise StoreLocked(path, pid if pid != os.getpid() else None) from None


def _listed(generations: Sequence[int]) -> str:
    return ", ".join(map(str, generations)) or "none yet"


def _one_reading(sql: str) -> str:
    """``readonly`` stops neither INTO OUTFILE nor SYSTEM nor, in chDB, a second statement."""
    found = list(statements(sql))
    if len(found) != 1:
        raise BadQuery("There is no statement here." if not found else "One statement at a time.")
    bare = masked(found[0])
    if not _READS.match(bare):
        raise BadQuery("Only statements that read: SELECT, WITH, SHOW, DESCRIBE, EXPLAIN, EXISTS.")
    if _ELSEWHERE.search(bare):
        raise BadQuery("INTO OUTFILE and FORMAT are not for here: the rows come back to whoever asked.")
    return found[0]


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(str(error)) from error
    except ClickHouseError as error:
        if not _comes_back(error):
            raise
        raise Unavailable(_first_line(error)) from error


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(str(error)) from error
    except ClickHouseError as error:
        code = error.code if isinstance(error, Error) else None
        if code == 81:
            raise Unavailable("Nothing has been stored yet.") from error
        kind = Unavailable if _comes_back(error) and code not in _TOO_MUCH else BadQuery
        raise kind(_first_line(error)) from error


def _comes_back(error: ClickHouseError) -> bool:
    code = error.code if isinstance(error, Error) else None
    if code is None:  # it did not come to ClickHouse, or not back
        return isinstance(error, OperationalError) or bool(_OTHERS.match(str(error)))
    return code in _COME_BACK


def _first_line(error: Exception) -> str:
    """What ClickHouse says to people, without its codes and stack; or why it could not."""
    text = str(error)
    if found := _OTHERS.match(text):
        return f"ClickHouse at {found[2]}: HTTP status {found[1]}, and no word of ClickHouse's"
    if found := _UNREACHED.search(text):  # whose address holds all that was asked for
        cause = getattr(error.__cause__, "reason", None) or error.__cause__ or error
        return f"ClickHouse at {found[1]}: {_CONNECTION.sub('', str(cause.args[-1]))}"
    line = text[max(text.rfind("DB::Exception: "), 0) :].split("\n", 1)[0]
    found = _MESSAGE.search(line)
    return (found[1] if found else line).strip()

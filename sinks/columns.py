"""What the contracts become in the tables of ``schema/``: one list for each column, times as whole microseconds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import Any, NamedTuple, get_args

import msgspec
from msgspec import Struct

from ingest.event import EPOCH, FeedbackEvent, Instant, Mark, PersonEvent
from sinks.migrations import Migration
from sinks.store import CalendarTime, Department, DepartmentDepth, DepartmentLine, StaffRow, StoredRecord
from streams.fact import Facts
from streams.indicators import IndicatorValue
from streams.sealed import Batch, Item

PUBLIC = "crossdesk_public"
CASES = "crossdesk_cases"
RAW = "crossdesk_raw"
_GENERATION = "crossdesk_"

_MICROSECOND = timedelta(microseconds=1)

# fmt: off
_INDICATOR = (
    "indicator", "department", "counterpart", "window", "as_of", "value", "n", "low", "high", "beyond", "offset",
)
_EVENT = (
    "id", "type", "source", "subject", "case_id", "time", "sequence", "actor", "offset", "appended_at", "raw",
)
_BATCH = ("closed", "week", "kind", "wave", "joined", "department", "site", "about", "persons")
# fmt: on


class Insert(NamedTuple):
    database: str
    table: str
    names: tuple[str, ...]
    columns: list[list[Any]]


def database_of(generation: int) -> str:
    """Where all lies that one generation has computed."""
    return f"{_GENERATION}{generation}"


def generation_of(database: str) -> int | None:
    """The other way round; None: it is no generation's."""
    number = database.removeprefix(_GENERATION)
    return int(number) if database != number and number.isdecimal() else None


FACTS = "facts_records"
FACT = Facts.__struct_fields__
_BEFORE_A_FACT = 4
"""Bytes of msgpack: that an array follows, its length in two bytes, the tag."""


def facts(batch: Sequence[bytes]) -> bytes:
    """Of records of facts the values of :data:`FACT` one after the other, as ClickHouse reads its format MsgPack.

    Columns, as everywhere else here, take four times as long.
    """
    return b"".join([fact[_BEFORE_A_FACT:] for fact in batch])


def indicators(batch: Sequence[IndicatorValue], generation: int) -> Insert:
    columns = [[getattr(value, name) for value in batch] for name in _INDICATOR]
    return Insert(database_of(generation), "indicators_versions", _INDICATOR, columns)


def departments(batch: Sequence[Department], version: int) -> Insert:
    return _of_version("departments_versions", Department._fields, batch, version)


def calendar_time(batch: Sequence[CalendarTime], version: int) -> Insert:
    return _of_version("calendar_time_versions", CalendarTime._fields, batch, version)


def department_depths(batch: Sequence[DepartmentDepth], version: int) -> Insert:
    return _of_version("department_depths_versions", DepartmentDepth._fields, batch, version)


def department_lines(batch: Sequence[DepartmentLine], version: int) -> Insert:
    return _of_version("department_lines_versions", DepartmentLine._fields, batch, version)


def staff(batch: Sequence[StaffRow], version: int) -> Insert:
    return _of_version("staff_versions", StaffRow._fields, batch, version)._replace(database=RAW)


def sealed(batches: Sequence[Batch]) -> Insert:
    """A row for each item. The proof is for sealing alone."""
    rows = [
        (batch.id.hex(), *(getattr(batch, name) for name in _BATCH), item, *msgspec.structs.astuple(sums))
        for batch in batches
        for item, sums in batch.items.items()
    ]
    names = ("id", *_BATCH, "item", *Item.__struct_fields__)
    return Insert(PUBLIC, "sealed_versions", names, [list(column) for column in zip(*rows, strict=True)])


def _of_version(table: str, names: tuple[str, ...], batch: Sequence[tuple[Any, ...]], version: int) -> Insert:
    columns = [[row[i] for row in batch] for i in range(len(names))]
    return Insert(PUBLIC, table, ("version", *names), [[version] * len(batch), *columns])


def migration(applied: Migration, database: str) -> Insert:
    return Insert(database, "schema_migrations", ("version", "name"), [[applied.version], [applied.name]])


def switch(number: int, generation: int) -> Insert:
    return Insert(PUBLIC, "switches", ("number", "generation"), [[number], [generation]])


class _Head(Struct):
    """What is a column of its own. An unreadable record keeps its place, under the hash of its bytes."""

    id: str
    type: str = ""
    source: str = ""
    subject: str = ""
    time: Instant = EPOCH
    sequence: int = 0
    actor: str = ""


def _tags(events: Any) -> frozenset[str]:
    return frozenset(str(event.__struct_config__.tag) for event in get_args(events))


_head = msgspec.json.Decoder(_Head)
_MARKS, _OF_PERSONS, _OF_ANSWERS = _tags(Mark), _tags(PersonEvent) | _tags(FeedbackEvent), _tags(FeedbackEvent)


def events(batch: Sequence[StoredRecord]) -> Insert:
    """Marks are left out; a person's pseudonym stays inside the record; of an answer only its place in the log is kept."""
    rows = []
    for offset, appended_us, raw in batch:
        try:
            head = _head.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            head = _Head(id=blake2b(raw, digest_size=16).hexdigest())
        if head.type in _MARKS:
            continue
        subject, case_id = head.subject, f"{head.source}/{head.subject}" if head.type else ""
        if head.type in _OF_PERSONS:
            subject = case_id = ""
        if head.type in _OF_ANSWERS:
            raw = b""
        time = (head.time - EPOCH) // _MICROSECOND
        who = (head.id, head.type, head.source, subject, case_id)
        rows.append((*who, time, head.sequence, head.actor, offset, appended_us, raw))
    return Insert(RAW, "events_versions", _EVENT, [list(column) for column in zip(*rows, strict=True)])

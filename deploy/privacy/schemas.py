"""What is stored, field by field, as the code itself declares it: events, records, rows and tables.

Nothing is listed here by hand but which schemas there are. Why each field is there stands in ``reasons``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, get_args

import msgspec
from pydantic import BaseModel

from deploy.rejected import ledger
from ingest import directory as people
from ingest import event as e
from ingest.answers import store as answers
from sinks import columns
from sinks.migrations import load, masked, statements
from sinks.prometheus import LABELS
from streams import cells, company, fact, indicators, row, sealed, sealing, staffing, timeline

GENERATION = f"{columns.database_of(1)[:-1]}N"
"""The databases of generations: N is its number."""
SERIES = ("department", "counterpart", "window")
"""Labels of indicators: see ``sinks.prometheus``."""
SERIES_OF_MORALE = ("about", "department", "question", "window")
"""Those of morale: see ``sinks.prometheus_morale``."""
ENVELOPE = "every event"

_ENTRIES: Mapping[str, type[BaseModel]] = {
    "a source": company.SourceEntry,
    "a department": company.DepartmentEntry,
    "a parent": company.ParentEntry,
    "a group": company.GroupEntry,
    "a person": company.PersonEntry,
    "a bot": company.BotEntry,
    "a wave": company.WaveEntry,
}
_TABLE = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?([\w.]+)\s*\(")
_ADDED = re.compile(r"ALTER TABLE ([\w.]+) ADD COLUMN (?:IF NOT EXISTS )?(\w+)")
_TTL = re.compile(r"\bTTL\b.*?\bINTERVAL (\d+) (\w+)")
_CLAUSE = re.compile(r"(PRIMARY|CONSTRAINT|UNIQUE|INDEX|CHECK)\b", re.IGNORECASE)


class Schema(NamedTuple):
    """``kept``: for how long, where the schema itself says so."""

    name: str
    fields: tuple[str, ...]
    kept: str = ""


def events() -> Iterator[Schema]:
    """The envelope, and what each type has besides; a type without fields of its own is not listed."""
    yield Schema(ENVELOPE, ("type", *(f.encode_name for f in msgspec.structs.fields(e.Envelope) if f.name != "data")))
    for name, kind in sorted(e.TYPES.items()):
        data = next(f.type for f in msgspec.structs.fields(kind) if f.name == "data")
        if fields := _names(data):
            yield Schema(name, fields)


def records() -> Iterator[Schema]:
    """What the other topics and the states hold."""
    yield Schema("directory: a place", people.Place._fields)
    yield Schema("directory: an absence", people.Absence._fields)
    yield Schema("directory: open positions", people.Open._fields)
    yield Schema("config: company.yaml", tuple(company.CompanyFile.model_fields))
    for what, entry in _ENTRIES.items():
        yield Schema(f"config: {what} of company.yaml", tuple(entry.model_fields))
    yield Schema("config: people of a department", staffing.StaffBlock._fields)
    yield Schema("cases: a row", _names(row.Row))
    yield Schema("cases: an event, as the fold keeps it", _names(timeline.Moment))
    yield Schema("cases: where a case stands", _names(timeline.Case))
    yield Schema("facts: a record", _names(fact.Facts))
    yield Schema("state of sealing: an answer that waits", _names(cells.Waiting))
    yield Schema("state of sealing: a wave", _names(sealing.Wave))
    yield Schema("sealed: a batch", _names(sealed.Batch))
    yield Schema("sealed: an item of a batch", _names(sealed.Item))
    yield Schema("indicators: a value", _names(indicators.IndicatorValue))
    yield Schema("rejected: a record", _names(ledger.Record))


def stores() -> Iterator[Schema]:
    """The tables of ClickHouse, of the store of answers, and the labels of Prometheus."""
    tables: dict[str, Schema] = {}
    for migration in (*load(), *load(GENERATION)):
        for sql in statements(migration.sql):
            if _TABLE.search(masked(sql)):
                table = _table(sql)
                tables[table.name] = table
            elif added := _ADDED.search(masked(sql)):
                table = tables[added[1]]
                tables[table.name] = table._replace(fields=(*table.fields, added[2]))
    yield from tables.values()
    for sql in answers.TABLES:
        table = _table(sql)
        yield table._replace(name=f"store of answers: {table.name}")
    yield Schema("Prometheus: labels of indicators", SERIES)
    yield Schema("Prometheus: labels of morale", SERIES_OF_MORALE)
    yield Schema("Prometheus: labels of the stages themselves", tuple(sorted(LABELS)))


def schemas() -> list[Schema]:
    return [*events(), *records(), *stores()]


def _table(sql: str) -> Schema:
    """The columns of the table that one statement creates."""
    bare = masked(sql)
    found = _TABLE.search(bare)
    assert found is not None
    kept = _TTL.search(bare)
    within = [part.strip() for part in _split(bare[found.end() :])]
    fields = tuple(part.split()[0] for part in within if part and not _CLAUSE.match(part))
    return Schema(found[1], fields, f"{kept[1]} {kept[2].lower()}s" if kept else "")


def _split(text: str) -> Iterator[str]:
    """At the commas of the list that has been opened, up to where it is closed."""
    depth, begin = 1, 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if not depth:
            yield text[begin:at]
            return
        if depth == 1 and character == ",":
            yield text[begin:at]
            begin = at + 1


def _names(struct: Any) -> tuple[str, ...]:
    """Also of several structs of which one stands there."""
    return tuple(dict.fromkeys(name for kind in get_args(struct) or (struct,) for name in _names_of(kind)))


def _names_of(kind: Any) -> tuple[str, ...]:
    if issubclass(kind, msgspec.Struct):
        return tuple(field.encode_name for field in msgspec.structs.fields(kind))
    return tuple(
        kind.__struct_fields__
    )  # of the compiled core: no struct of msgspec, but it tells its fields the same way

"""A file of who was where and when, from any HR system: CSV, or JSON as SCIM lists it. The whole of it is one history.

A row is a person's stay in one department, or a position that was open for so long; other columns, such as a manager or a level,
are never read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Struct
from pydantic import Field

from ingest.connector import BadFile, Connector, Document, FromOutside, Rejected, Tells, tells
from ingest.event import Left, Unreadable
from ingest.identity import People
from ingest.persons import open_positions
from ingest.reading import converted
from ingest.rows import csv_rows
from ingest.stays import Doubt, Stay, ZoneName, day_reader, events, next_day
from ingest.times import zone

RESOURCES = "Resources"
Column = Annotated[str, Field(min_length=1)]
Record = tuple[str, Mapping[str, str] | Unreadable]
"""The place of a row, and its values by what they are."""


class Row(Struct, frozen=True):
    place: str
    department: str
    begins: str
    ends: str
    site: str = ""


class Told(Struct, frozen=True):
    """All rows of a person, in any order. ``whole``: no row of the file was left out whose person could not be read. ``vacant``: of
    nobody, all open positions.
    """

    person: str
    rows: tuple[Row, ...]
    whole: bool = True
    vacant: bool = False


class HrFile(Connector):
    """``person``, ``department``, ``begins``, ``ends``, ``site``: the columns, in JSON dotted paths; no site unless named.
    ``ends_included``: the day in ``ends`` is the last one there. ``forever``: what stands there, besides nothing, where no end is
    known. ``vacant``: what stands in ``person`` of open positions. ``dates``: how they are written; ``zone``: whose days they are.
    """

    name: ClassVar[str] = "hr_file"
    tells: ClassVar[Tells] = tells("joined moved left open_positions")
    person: Column = "person"
    department: Column = "department"
    begins: Column = "from"
    ends: Column = "to"
    site: str = ""
    ends_included: bool = True
    forever: frozenset[str] = frozenset({"9999-12-31"})
    vacant: frozenset[Column] = frozenset()
    dates: Annotated[tuple[Column, ...], Field(min_length=1)] = ("iso",)
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    zone: ZoneName = "UTC"

    @cached_property
    def _columns(self) -> Mapping[str, str]:
        known = {name: getattr(self, name) for name in ("person", "department", "begins", "ends", "site")}
        return {name: column for name, column in known.items() if column}

    @cached_property
    def _day(self) -> Callable[[str], datetime]:
        return day_reader(self.dates, zone(self.zone))

    def filed(self, lines: Iterable[str], place: str) -> Iterator[Document | Rejected]:
        text = list(lines)
        begin = next((line.strip() for line in text if line.strip()), "")
        records = self._of_json("".join(text), place) if begin[:1] in ("[", "{") else self._of_csv(text, place)
        persons: dict[str, dict[str, Any]] = {}
        vacant: list[dict[str, Any]] = []
        whole = True
        for where, values in records:
            try:
                if isinstance(values, Unreadable):
                    raise values
                person = values["person"].strip()
                if not person:
                    raise Unreadable(f"no person: fill in {self.person!r}")
            except Unreadable as error:
                whole = False
                yield Rejected(source=self.source, reason=error.reason, place=where)
            else:
                if person in self.vacant:
                    vacant.append({**values, "place": where})
                    continue
                told = persons.setdefault(person.casefold(), {"person": person, "rows": []})
                told["rows"].append({**values, "place": where})
        yield from ({**told, "whole": whole} for told in persons.values())
        if vacant:
            yield {"person": "", "rows": vacant, "whole": whole, "vacant": True}

    def _of_csv(self, lines: Sequence[str], place: str) -> Iterator[Record]:
        for line, values in csv_rows(lines, list(self._columns.values()), place=place, delimiter=self.delimiter):
            named = values if isinstance(values, Unreadable) else dict(zip(self._columns, values, strict=True))
            yield f"{place}:{line}", named

    def _of_json(self, text: str, place: str) -> Iterator[Record]:
        try:
            found = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            raise BadFile(f"is no JSON ({error})", "export it again", place=place) from None
        whole = isinstance(found, list)
        listed = found if whole else found.get(RESOURCES)
        if not isinstance(listed, list) or not listed:
            raise BadFile("names no persons", f"give a list of them, or an object with {RESOURCES!r}", place=place)
        for name in ("person", "begins"):
            column = self._columns[name]
            if not any(_at(record, column) for record in listed):
                raise BadFile(f"has nowhere {column!r}", f"say under {name!r} what it is called", place=place)
        for number, record in enumerate(listed):
            where = f"{place}:{'' if whole else RESOURCES}[{number}]"
            try:
                yield where, {name: _text(_at(record, column), column) for name, column in self._columns.items()}
            except Unreadable as error:
                yield where, error

    # -- what it means
    def is_history(self, document: Document) -> bool:
        return document.get("whole") is not False

    def means(self, document: Document, people: People) -> Iterator[FromOutside | Rejected]:
        told = converted(document, Told)
        if told.person.strip() in self.bots:
            return
        doubts: list[Doubt] = []
        if told.vacant:
            yield from self._vacant(told.rows, doubts, people)
            return
        found = sorted(self._read(told.rows, doubts), key=lambda one: one[0].since)
        stays = list(_apart(found, doubts))
        for event in events(people, people.person(told.person, told.person), stays, doubts):
            if told.whole or not isinstance(event, Left):  # where they went on may be the row that could not be read
                yield event

    def _vacant(self, rows: Sequence[Row], doubts: list[Doubt], people: People) -> Iterator[FromOutside | Rejected]:
        """How many positions of each department are open, whenever that changes; nothing while a row cannot be read."""
        changes: dict[str, dict[datetime, int]] = {}
        for stay, row in self._read(rows, doubts):
            if not stay.department:
                doubts.append(Doubt(f"an open position in no department: fill in {self.department!r}", row.place, None))
                continue
            of = changes.setdefault(stay.department, {})
            of[stay.since] = of.get(stay.since, 0) + 1
            if stay.until is not None:
                of[stay.until] = of.get(stay.until, 0) - 1
        yield from (Rejected(source=self.source, reason=doubt.reason, place=doubt.place) for doubt in doubts)
        for department, of in changes.items() if not doubts else ():
            count = 0
            for at, change in sorted(of.items()):
                count += change
                yield open_positions(people, department, at, count)

    def _read(self, rows: Sequence[Row], doubts: list[Doubt]) -> Iterator[tuple[Stay, Row]]:
        for row in rows:
            since: datetime | None = None
            try:
                since = self._day(row.begins)
                until = self._end(row.ends)
            except Unreadable as error:
                column = self.begins if since is None else self.ends
                doubts.append(Doubt(f"{column!r}: {error.reason}; correct the date", row.place, since))
                continue
            if until is not None and until <= since:
                doubts.append(Doubt(f"ends on {row.ends}, before it begins: correct the dates", row.place, None))
                continue
            yield Stay(since, until, row.department.strip(), row.site.strip()), row

    def _end(self, text: str) -> datetime | None:
        """The instant from which on it is over. Raises ``Unreadable``."""
        text = text.strip()
        if not text or text in self.forever:
            return None
        day = self._day(text)
        return next_day(day, zone(self.zone)) if self.ends_included else day


def _apart(found: Iterable[tuple[Stay, Row]], doubts: list[Doubt]) -> Iterator[Stay]:
    """Those that do not begin before the one before them has ended."""
    last: tuple[Stay, Row] | None = None
    for stay, row in found:
        if last is not None and (last[0].until is None or stay.since < last[0].until):
            ends = f"ends on {last[1].ends}" if last[0].until else "does not end"
            reason = f"begins on {row.begins} while {last[1].place} {ends}: end that one before, or delete one of them"
            doubts.append(Doubt(reason, row.place, stay.since))
            continue
        last = stay, row
        yield stay


def _at(record: Any, path: str) -> Any:
    """What stands at a dotted path; a key may have dots of its own, as those of SCIM's extensions do. Absent: None."""
    if not isinstance(record, dict):
        return None
    if path in record:
        return record[path]
    for key, inner in record.items():
        if path.startswith(f"{key}."):
            return _at(inner, path.removeprefix(f"{key}."))
    return None


def _text(value: Any, column: str) -> str:
    """Raises ``Unreadable``."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Unreadable(f"{column!r} is no text: name a path that leads to one")
    return str(value)

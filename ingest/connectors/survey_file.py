"""The answers to a survey, in a CSV file: one row for each answer, one column for each question."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, tzinfo
from functools import cached_property
from typing import Annotated, ClassVar, Self

from msgspec import Struct
from pydantic import Field, field_validator, model_validator

from ingest.connector import Connector, Document, FromOutside, Rejected, Tells, tells
from ingest.event import Answered, Unreadable
from ingest.feedback import answered
from ingest.identity import People
from ingest.mapping import At
from ingest.reading import converted
from ingest.rows import csv_rows
from ingest.survey import Question, Questions, scores
from ingest.times import time_reader, zone

Column = Annotated[str, Field(min_length=1)]


class Told(Struct, frozen=True):
    """The columns that are read, by their names, and where they stand."""

    row: dict[str, str]
    place: str = ""


class SurveyFile(Connector):
    """``items``: the questions, by their columns. ``person``, ``department``, ``about``, ``wave`` and ``site``: the columns of who
    answers, of which department and site, about which department, and in which wave; all but the first may be absent (None).
    ``day``: the column of the day, or ``closed``: the day that holds for all. ``missing``: words for no answer, besides empty.
    """

    name: ClassVar[str] = "survey_file"
    tells: ClassVar[Tells] = tells("answered")
    items: Questions
    person: Column = "person"
    department: Column | None = "department"
    about: Column | None = "about"
    wave: Column | None = "wave"
    site: Column | None = None
    day: At | None = None
    closed: date | None = None
    zone: str = "UTC"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    missing: frozenset[str] = frozenset()

    @model_validator(mode="after")
    def _dated(self) -> Self:
        if (self.day is None) == (self.closed is None):
            raise ValueError("name a column under 'day' or a day under 'closed', one of them")
        return self

    @field_validator("zone")
    @classmethod
    def _there(cls, name: str) -> str:
        zone(name)
        return name

    @cached_property
    def _zone(self) -> tzinfo:
        return zone(self.zone)

    @cached_property
    def _columns(self) -> tuple[str, ...]:
        named = (self.person, self.department, self.about, self.wave, self.site, self.day and self.day.column)
        return tuple(dict.fromkeys([*(name for name in named if name), *self.items]))

    def filed(self, lines: Iterable[str], place: str) -> Iterator[Document | Rejected]:
        columns = self._columns
        for number, values in csv_rows(lines, columns, place=place, delimiter=self.delimiter):
            where = f"{place}:{number}"
            if isinstance(values, Unreadable):
                yield Rejected(source=self.source, reason=values.reason, place=where)
            else:
                yield {"row": dict(zip(columns, values, strict=True)), "place": where}

    def means(self, document: Document, people: People) -> Iterator[FromOutside | Rejected]:
        """Nothing of a row without answers: who was asked and did not answer."""
        told = converted(document, Told)
        try:
            if items := scores(self._numbers(told.row)):
                yield self._answered(told.row, items, people)
        except Unreadable as error:
            raise Unreadable(error.reason, place=told.place) from None

    def _numbers(self, row: Mapping[str, str]) -> Iterator[tuple[Question, float]]:
        for column, question in self.items.items():
            text = row.get(column, "").strip()
            if not text or text in self.missing:
                continue
            try:
                yield question, float(text)
            except ValueError:
                reason = f"{question.item} is answered without a number: write its step, or the word under 'missing'"
                raise Unreadable(reason) from None

    def _answered(self, row: Mapping[str, str], items: Mapping[str, int], people: People) -> Answered:
        """Raises ``Unreadable``."""
        person, department, about, wave, site = (
            row.get(column or "", "").strip()
            for column in (self.person, self.department, self.about, self.wave, self.site)
        )
        if not person:
            raise Unreadable(f"says not who answers: {self.person!r} is empty")
        return answered(
            people,
            people.person(person, person),
            self._day(row),
            items=items,
            wave=wave,
            about=about,
            department=department,
            site=site,
        )

    def _day(self, row: Mapping[str, str]) -> datetime:
        """Raises ``Unreadable``."""
        if self.day is None:
            assert self.closed is not None
            return datetime.combine(self.closed, time(), UTC)
        return time_reader(self.day.format, self._zone)(row.get(self.day.column, ""))

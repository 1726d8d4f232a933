"""How content the organisation's own customers were, week by week: a CSV file, or rows of JSON that are posted or asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from math import isfinite
from typing import Annotated, Any, ClassVar

from msgspec import Struct
from pydantic import Field

from ingest.connector import Api, Connector, Document, Doorbell, FromOutside, Hook, Page, Rejected, Tells, tells
from ingest.event import ExternalScore, ExternalScoreData, Unreadable, event_id
from ingest.feedback import week_begins, week_of
from ingest.identity import People
from ingest.reading import converted, decoded
from ingest.rows import csv_rows, pick
from ingest.signatures import hex_of_hmac, signed
from ingest.times import time_reader

SIGNATURE = "x-crossdesk-signature"

Column = Annotated[str, Field(min_length=1)]
_digits = re.compile(r"[0-9]{1,15}")
_week = re.compile(r"(\d{4})-?W(\d{1,2})")
_time = time_reader(("iso",), UTC)


class Told(Struct, frozen=True):
    row: Any
    place: str = ""


class ExternalScores(Connector):
    """``week``, ``score`` and ``answers``: the columns of a file, the keys of a row of JSON (with dots into what is nested).
    ``rows``: where in the JSON the rows are. ``path``: where they are asked for; empty: nowhere.
    """

    name: ClassVar[str] = "external_scores"
    tells: ClassVar[Tells] = tells("external_score")
    week: Column = "week"
    score: Column = "score"
    answers: Column = "answers"
    rows: str = ""
    path: Annotated[str, Field(pattern=r"^(/[^?#]*)?$")] = ""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","

    @cached_property
    def _paths(self) -> Sequence[tuple[str, Sequence[str]]]:
        return [(name, name.split(".")) for name in (self.week, self.score, self.answers)]

    # -- the API
    def authorization(self, secret: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {secret}"}

    def fetch(self, api: Api, cursor: str, now: datetime) -> Iterator[Page]:  # noqa: ARG002 (there is no from where)
        """All rows, every time: a week is a row, and an old one may have been counted anew."""
        if not self.path:
            yield Page((), "", None, False)
            return
        yield Page(self._documents(api.get(self.path)), "", week_begins(now), False)

    # -- webhooks
    def verify(self, hook: Hook, secrets: Sequence[str]) -> None:
        signed(hook.headers.get(SIGNATURE, ""), hook.body, secrets, hex_of_hmac, prefix="sha256=")

    def told_by(self, hook: Hook) -> Iterator[Document | Doorbell | Rejected]:
        yield from self._documents(decoded(hook.body, Any))

    def _documents(self, said: Any) -> list[Document]:
        """One for each row; what is no list is one row."""
        for part in self.rows.split(".") if self.rows else ():
            said = said.get(part) if isinstance(said, dict) else None
        return [{"row": row} for row in (said if isinstance(said, list) else [said])]

    # -- files
    def filed(self, lines: Iterable[str], place: str) -> Iterator[Document | Rejected]:
        columns = (self.week, self.score, self.answers)
        for number, values in csv_rows(lines, columns, place=place, delimiter=self.delimiter):
            where = f"{place}:{number}"
            if isinstance(values, Unreadable):
                yield Rejected(source=self.source, reason=values.reason, place=where)
            else:
                yield {"row": dict(zip(columns, values, strict=True)), "place": where}

    # -- what it means
    def means(self, document: Document, people: People) -> Iterator[FromOutside | Rejected]:  # noqa: ARG002 (names nobody)
        told = converted(document, Told)
        try:
            yield self._scored(told.row)
        except Unreadable as error:
            raise Unreadable(error.reason, place=told.place) from None

    def _scored(self, row: Any) -> ExternalScore:
        """Another score of the same week is another event; of several, the one of most answers is last. Raises ``Unreadable``."""
        week, score, answers = (text.strip() for text in pick(row, self._paths))
        begins = _begins(week, self.week)
        number, count = _number(score, self.score), _count(answers, self.answers)
        name = week_of(begins)
        return ExternalScore(
            id=event_id(self.source, f"external_score|{name}|{number!r}|{count}"),
            source=self.source,
            subject=name,
            time=begins,
            specversion="1.0",
            sequence=count,
            data=ExternalScoreData(week=name, score=number, answers=count),
        )


def _number(text: str, column: str) -> float:
    """Raises ``Unreadable``."""
    try:
        number = float(text)
    except ValueError:
        raise Unreadable(f"{column!r} is no number") from None
    if not isfinite(number):
        raise Unreadable(f"{column!r} is no number")
    return number


def _count(text: str, column: str) -> int:
    """Raises ``Unreadable``."""
    if not _digits.fullmatch(text):
        raise Unreadable(f"{column!r} is no whole number")
    return int(text)


def _begins(text: str, column: str) -> datetime:
    """Of a week as ``2026-W09``, or of the week of a day. Raises ``Unreadable``."""
    try:
        if match := _week.fullmatch(text):
            return datetime.fromisocalendar(int(match[1]), int(match[2]), 1).replace(tzinfo=UTC)
    except ValueError:
        raise Unreadable(f"{column!r} {text!r}: that year has no such week") from None
    try:
        return week_begins(_time(text))
    except Unreadable:
        raise Unreadable(f"{column!r} is neither a week as 2026-W09 nor a day as 2026-03-02") from None

"""The history of a person as stays, each in one place of the organisation, and the events that it means. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated, NamedTuple

from pydantic import AfterValidator

from ingest.connector import Rejected
from ingest.event import PersonEvent
from ingest.identity import People
from ingest.persons import joined, left, moved
from ingest.times import time_reader, zone

NOWHERE = ("", "")
_WITH_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})[T ].*")


def _known_zone(name: str) -> str:
    zone(name)
    return name


ZoneName = Annotated[str, AfterValidator(_known_zone)]
"""Of the IANA data base."""


class Stay(NamedTuple):
    """From the instant ``since`` to ``until``, which is no part of it; None: it goes on."""

    since: datetime
    until: datetime | None
    department: str
    site: str = ""


class Doubt(NamedTuple):
    """Something of a history could not be read: from ``since`` on all may have been otherwise; None: all of it."""

    reason: str
    place: str
    since: datetime | None


def events(
    people: People, person: str, stays: Sequence[Stay], doubts: Sequence[Doubt] = ()
) -> Iterator[PersonEvent | Rejected]:
    """Of stays in their order, none of which begins before the one before it ends. An event cannot be taken back: what a doubt
    leaves open is not told before it is mended.
    """
    for doubt in doubts:
        yield Rejected(source=people.source, reason=doubt.reason, place=doubt.place)
    if any(doubt.since is None for doubt in doubts):
        return
    sure = min((doubt.since for doubt in doubts if doubt.since is not None), default=None)
    for event in _changes(people, person, stays):
        if sure is None or event.time < sure:
            yield event


def _changes(people: People, person: str, stays: Sequence[Stay]) -> Iterator[PersonEvent]:
    before: Stay | None = None
    for stay in stays:
        if before is not None and before.until == stay.since:
            if before[2:] != stay[2:]:
                yield moved(people, person, stay.since, stay.department, stay.site)
        else:
            if before is not None and before.until is not None:
                yield left(people, person, before.until)
            yield joined(people, person, stay.since, stay.department, stay.site)
        before = stay
    if before is not None and before.until is not None:
        yield left(people, person, before.until)


def placed(
    spans: Iterable[tuple[datetime, datetime | None]], places: Mapping[datetime, tuple[str, str]]
) -> Iterator[Stay]:
    """Of spans in which somebody was there, and department and site from when on. Before the first of these it is not known."""
    days = sorted(places)
    for begun, ended in spans:
        place = next((places[day] for day in reversed(days) if day <= begun), NOWHERE)
        cuts = [begun, *(day for day in days if day > begun and (ended is None or day < ended))]
        for since, until in zip(cuts, [*cuts[1:], ended], strict=True):
            place = places.get(since, place)
            yield Stay(since, until, *place)


def day_reader(formats: Sequence[str], where: tzinfo) -> Callable[[str], datetime]:
    """A function from the text of a date to the instant at which that day begins in ``where``. ``formats`` as for
    :func:`ingest.times.time_reader`; a time that follows an ISO date is not looked at. It raises ``Unreadable``.
    """
    read = time_reader(formats, where)

    def day(text: str) -> datetime:
        match = _WITH_TIME.fullmatch(text.strip())
        return _midnight(read(match[1] if match else text), where)

    return day


def next_day(day: datetime, where: tzinfo) -> datetime:
    """The instant at which the day after begins."""
    return _midnight(day.astimezone(where) + timedelta(days=1), where)


def _midnight(at: datetime, where: tzinfo) -> datetime:
    return datetime.combine(at.astimezone(where).date(), datetime.min.time(), where).astimezone(UTC)

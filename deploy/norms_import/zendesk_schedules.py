"""Zendesk's schedules with their holidays, as opening hours.

https://developer.zendesk.com/api-reference/ticketing/ticket-management/schedules/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from deploy.norms_import.answers import Answer, called, of_kind, refuse
from deploy.norms_import.calendar import WEEK, Closure, Interval, Opening, hours
from deploy.norms_import.zones import ZONES, zone_called
from streams.opening import ALWAYS_OPEN, MIDNIGHT, closure
from streams.problems import did_you_mean

SCHEDULES, HOLIDAYS = "schedules", "holidays"
PATH = "/api/v2/business_hours/schedules"


class Span(Struct, frozen=True):
    """Minutes since Sunday 00:00."""

    start_time: int
    end_time: int


class Schedule(Struct, frozen=True):
    id: int | str
    name: str
    time_zone: str
    intervals: list[Span] | None = None


class Holiday(Struct, frozen=True):
    """Both days are part of it."""

    name: str
    start_date: str
    end_date: str


class OfSchedules(Struct, frozen=True):
    schedules: list[Schedule]


class OfHolidays(Struct, frozen=True):
    holidays: list[Holiday]


def chosen(found: Sequence[Answer], wanted: str) -> tuple[Opening | None, tuple[str, ...]]:
    """Opening hours of the schedule that is ``wanted`` (id or name; empty: of the only one), None if none was given; and notes."""
    schedules = [
        (answer, schedule)
        for answer, _ in of_kind(found, (SCHEDULES,))
        for schedule in answer.read(OfSchedules, PATH).schedules
    ]
    holidays = _holidays(found, [schedule for _, schedule in schedules])
    names = ", ".join(sorted({f"{schedule.name!r}" for _, schedule in schedules}))
    fitting = [one for one in schedules if not wanted or called(wanted, str(one[1].id), one[1].name)]
    if wanted and not fitting:
        refuse(
            "--schedule", f"no schedule is called {wanted!r}", f"there are {names}" if names else "give their answer"
        )
    if len({str(schedule.id) for _, schedule in fitting}) > 1:
        refuse(
            fitting[0][0].place, f"holds several schedules: {names}", "say --schedule NAME: which the department's is"
        )
    if not fitting:
        return None, ()
    answer, schedule = fitting[0]
    others = sorted({other.name for _, other in schedules if other.id != schedule.id})
    notes = (f"Not carried over: the schedules {', '.join(others)}, which triggers may choose.",) if others else ()
    return _opening(answer.place, schedule, holidays.get(str(schedule.id))), notes


def _holidays(found: Iterable[Answer], schedules: Sequence[Schedule]) -> dict[str, list[tuple[Answer, Holiday]]]:
    """By the id of their schedule. The answer does not say whose it is: its name does."""
    ids = {str(schedule.id) for schedule in schedules}
    by_schedule: dict[str, list[tuple[Answer, Holiday]]] = {}
    for answer, _ in of_kind(found, (HOLIDAYS,)):
        named = (
            set(re.findall(r"\w*?(\d+)", Path(answer.name).name if answer.name == answer.file else answer.name)) & ids
        )
        whose = ids if len(ids) == 1 else named
        if len(whose) != 1:
            mend = f"call it by the id of its schedule: {SCHEDULES}/ID/{HOLIDAYS} in a file of several, or {HOLIDAYS}-ID.json"
            refuse(
                answer.place,
                "holidays, and nothing says of which schedule" if ids else "holidays without a schedule",
                mend,
            )
        held = answer.read(OfHolidays, f"{PATH}/ID/{HOLIDAYS}").holidays
        by_schedule.setdefault(whose.pop(), []).extend((answer, holiday) for holiday in held)
    return by_schedule


def _opening(place: str, schedule: Schedule, holidays: list[tuple[Answer, Holiday]] | None) -> Opening:
    zone = zone_called(schedule.time_zone)
    if not zone:
        near = (
            did_you_mean(schedule.time_zone, ZONES) or "write its name in the time zone database, such as Europe/Berlin"
        )
        refuse(place, f"unknown zone {schedule.time_zone!r} of schedule {schedule.name!r}", near)
    open_hours = hours(_intervals(place, schedule), always=not holidays)
    closures = None if holidays is None else tuple(_closure(answer.place, one) for answer, one in holidays)
    notes: tuple[str, ...] = ()
    if closures is None:
        instead = "who is always open has none" if open_hours == ALWAYS_OPEN else "those of the organisation count"
        notes = (f"Holidays were not given ({PATH}/{schedule.id}/{HOLIDAYS}): {instead}.",)
    return Opening(schedule.name, zone, schedule.time_zone, open_hours, closures, notes)


def _intervals(place: str, schedule: Schedule) -> list[Interval]:
    """Zendesk's week begins on Sunday."""
    if not schedule.intervals:
        refuse(
            place,
            f"schedule {schedule.name!r} has no intervals: it is never open",
            "choose another with --schedule NAME",
        )
    found = []
    for span in schedule.intervals:
        if not 0 <= span.start_time < span.end_time <= WEEK:
            text = f"schedule {schedule.name!r} is open from minute {span.start_time} to {span.end_time}"
            refuse(place, text, f"give what GET {PATH} answers: minutes of the week, from 0 to {WEEK}")
        start = (span.start_time - MIDNIGHT) % WEEK
        end = start + span.end_time - span.start_time
        found += [(start, min(end, WEEK))] + ([(0, end - WEEK)] if end > WEEK else [])
    return found


def _closure(place: str, holiday: Holiday) -> Closure:
    start, end = holiday.start_date, holiday.end_date
    text = start if start == end else f"{start}..{end}"
    try:
        closure(text)
    except ValueError as error:
        refuse(place, f"holiday {holiday.name!r}: {error}", "mend it in Zendesk, or delete it in the file")
    return Closure(text, holiday.name)

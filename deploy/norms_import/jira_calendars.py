"""Calendars of Jira Service Management, as opening hours: ``/rest/workinghours/1/api/calendar/ID``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any
from zoneinfo import available_timezones

from msgspec import Struct

from deploy.norms_import.answers import Answer, called, refuse
from deploy.norms_import.calendar import Closure, Interval, Opening, hours
from streams.opening import MIDNIGHT
from streams.problems import did_you_mean

CALENDARS = "calendars"
PATH = "/rest/workinghours/1/api/calendar"
MS_OF_MINUTE = 60_000
ROUND_THE_CLOCK = "24/7"
"""How the calendar is called that every project has, and that no answer holds."""
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class WorkingTime(Struct, frozen=True):
    """Milliseconds since midnight."""

    weekday: str
    start: int
    end: int


class Holiday(Struct, frozen=True, rename="camel"):
    iso8601_date: str
    name: str = ""
    recurring: bool = False


class Calendar(Struct, frozen=True, rename="camel"):
    id: int | str
    name: str
    timezone_id: str
    working_times: list[WorkingTime] = []
    holidays: list[Holiday] = []


def is_calendar(body: Any) -> bool:
    return isinstance(body, dict) and isinstance(body.get("workingTimes"), list)


class Book:
    """All calendars that were given. ``years``: for which holidays that come back are written."""

    def __init__(self, found: Iterable[Answer], years: Sequence[int]) -> None:
        self._years = years
        self._openings: dict[str, Opening] = {}
        for answer in found:
            for calendar in _calendars(answer):
                opening = self._opening(answer.place, calendar)
                if self._openings.setdefault(str(calendar.id), opening) != opening:
                    refuse(answer.place, f"calendar {calendar.name!r} is given twice, and differs", "give one of them")

    def of(self, id: int | str | None, name: str | None) -> str:
        """The id of the calendar of a goal (as it is named, if it was not given); empty: it counts round the clock."""
        if id is None:
            if name is None or name.startswith(ROUND_THE_CLOCK):
                return ""
            fitting = [key for key, opening in self._openings.items() if called(name, opening.name)]
        else:
            fitting = [str(id)] if str(id) in self._openings else []
        if not fitting:
            return str(name if id is None else id)
        return "" if self._openings[fitting[0]].round_the_clock else fitting[0]

    def named(self, id: str) -> str:
        return self._openings[id].name if id in self._openings else id

    def chosen(self, wanted: str, used: Iterable[str], place: str) -> tuple[str, Opening | None, tuple[str, ...]]:
        """The calendar that is ``wanted`` (id or name; empty: the only one of those ``used``), its id, and notes."""
        ids = sorted(set(used) - {""})
        missing = [id for id in ids if id not in self._openings]
        if missing:
            refuse(
                place,
                f"goals count by calendar {missing[0]!r}, which was not given",
                f"give what GET {PATH}/ID answers, too",
            )
        if wanted:
            ids = [key for key, opening in self._openings.items() if called(wanted, key, opening.name)]
            if not ids:
                known = ", ".join(sorted(repr(opening.name) for opening in self._openings.values()))
                mend = f"there are {known}" if known else f"give what GET {PATH}/ID answers"
                refuse("--calendar", f"no calendar is called {wanted!r}", mend)
        if len(ids) > 1:
            names = ", ".join(repr(self.named(id)) for id in ids)
            refuse(
                place,
                f"goals count by several calendars: {names}",
                "say --calendar NAME: which holds the department's hours",
            )
        if not ids:
            return "", None, ("No goal counts by a calendar: the opening hours are those of the organisation.",)
        return ids[0], self._openings[ids[0]], ()

    def _opening(self, place: str, calendar: Calendar) -> Opening:
        zone = calendar.timezone_id
        if zone not in available_timezones():
            near = did_you_mean(zone, available_timezones()) or "write its name, such as Europe/Berlin"
            refuse(place, f"unknown zone {zone!r} of calendar {calendar.name!r}", near)
        intervals = [_interval(place, calendar.name, one) for one in calendar.working_times]
        if not intervals:
            refuse(
                place, f"calendar {calendar.name!r} has no working times: it is never open", "leave it out, or mend it"
            )
        closures = tuple(
            Closure(day.isoformat(), said) for day, said in sorted(dict(self._days(place, calendar)).items())
        )
        notes: tuple[str, ...] = ()
        if any(holiday.recurring for holiday in calendar.holidays):
            first, last = min(self._years), max(self._years)
            notes = (
                f"Holidays that come back every year are written for {first} to {last}: add those of later years in time.",
            )
        return Opening(calendar.name, zone, zone, hours(intervals, always=not closures), closures, notes)

    def _days(self, place: str, calendar: Calendar) -> Iterator[tuple[date, str]]:
        for holiday in calendar.holidays:
            try:
                first = date.fromisoformat(holiday.iso8601_date)
            except ValueError:
                text = f"holiday {holiday.name!r} of calendar {calendar.name!r} is on {holiday.iso8601_date!r}"
                refuse(place, text, "a date is written 2026-12-25")
            yield first, holiday.name
            for year in self._years if holiday.recurring else ():
                try:
                    yield first.replace(year=year), holiday.name
                except ValueError:
                    continue  # 29 February


def _calendars(answer: Answer) -> list[Calendar]:
    body = answer.body
    if is_calendar(body):
        return [answer.read(Calendar, f"{PATH}/ID")]
    listed = body.get(CALENDARS) if isinstance(body, dict) else body
    if not isinstance(listed, list) or not any(is_calendar(one) for one in listed):
        return []
    return answer._replace(body=listed).read(list[Calendar], PATH)


def _interval(place: str, name: str, given: WorkingTime) -> Interval:
    day = given.weekday.casefold()
    if day not in WEEKDAYS:
        refuse(
            place, f"calendar {name!r} is open on {given.weekday!r}, which is no day", f"days are {', '.join(WEEKDAYS)}"
        )
    if (
        given.start % MS_OF_MINUTE
        or given.end % MS_OF_MINUTE
        or not 0 <= given.start < given.end <= MIDNIGHT * MS_OF_MINUTE
    ):
        text = f"calendar {name!r} is open on {day} from {given.start} to {given.end} ms"
        refuse(place, text, "give whole minutes between 0 and 86400000, the first before the last")
    start = WEEKDAYS.index(day) * MIDNIGHT
    return start + given.start // MS_OF_MINUTE, start + given.end // MS_OF_MINUTE

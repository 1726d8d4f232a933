"""When a department is open: its week in words, the days ahead as they will be, and which are not as usual."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import groupby
from zoneinfo import ZoneInfo

from holidays import country_holidays

from deploy.norms_page.page import Day, Hours, Opening, Special
from ingest.event import instant as instant_of
from streams.configuration import Configuration
from streams.hours import Calendar, Schedule, Span
from streams.norms import default_schedule

AHEAD_DAYS = 14
"""Each of these is shown."""
SPECIAL_DAYS = 56
"""Of these, only what is not as usual."""
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
CLOSED = "closed"
DAY_MINUTES = 24 * 60


def hours_of(config: Configuration, department: str, now: int) -> Hours:
    """As of ``now`` (UTC µs), in the zone of the schedule in force."""
    calendar, schedule = config.calendar(department), schedule_at(config, department, now)
    zone = ZoneInfo(schedule.zone)
    today = instant_of(now).astimezone(zone).date()
    ahead = [today + timedelta(days) for days in range(SPECIAL_DAYS)]
    notes = {day: _special(config, department, day, zone) for day in ahead}
    opens = calendar.next_open(now)
    changes = next((at for at, _ in config.norms.versions.get(department, ()) if at > now), None)
    return Hours(
        zone=schedule.zone,
        always=schedule.always,
        week=list(week_in_words(schedule)),
        days=[_day(calendar, day, zone, notes[day]) for day in ahead[:AHEAD_DAYS]],
        special=[note for day in ahead if (note := notes[day]) is not None],
        next_open=None if opens is None else instant_of(opens),
        changes=None if changes is None else instant_of(changes),
    )


def schedule_at(config: Configuration, department: str, at: int) -> Schedule:
    """The hours that are written for that instant."""
    versions = config.norms.versions.get(department)
    version = None if versions is None else versions.at(at)
    return default_schedule(config.company, department) if version is None else version.schedule


def week_in_words(schedule: Schedule) -> Iterator[tuple[str, str]]:
    """Days that are alike, together: (``Monday to Thursday``, ``08:00–12:00, 13:00–17:00``)."""
    if schedule.always:
        yield "Every day", "around the clock"
        return
    for times, days in groupby(range(7), key=lambda day: times_in_words(schedule.week[day])):
        first, *others = days
        yield " to ".join([WEEKDAYS[first], *(WEEKDAYS[day] for day in others[-1:])]), times


def times_in_words(spans: tuple[Span, ...]) -> str:
    return ", ".join(f"{_clock(start)}–{_clock(end)}" for start, end in spans) or CLOSED


def _clock(minute: int) -> str:
    minute -= DAY_MINUTES * (minute > DAY_MINUTES)
    return f"{minute // 60:02}:{minute % 60:02}"


def _day(calendar: Calendar, day: date, zone: ZoneInfo, special: Special | None) -> Day:
    """What is open of a local day: what lasts over midnight is of both days."""
    start, end = (_midnight(d, zone) for d in (day, day + timedelta(1)))
    openings = [Opening(instant_of(a), instant_of(b)) for a, b in calendar.intervals(start, end)]
    return Day(day, openings, "" if special is None else special.note)


def _midnight(day: date, zone: ZoneInfo) -> int:
    """Where the clock jumps over it, the jump."""
    return int(datetime.combine(day, time(), zone).timestamp()) * 1_000_000


def _special(config: Configuration, department: str, day: date, zone: ZoneInfo) -> Special | None:
    schedule = schedule_at(config, department, _midnight(day, zone))
    if schedule.always:
        return None
    usual, single = schedule.week[day.weekday()], schedule.days.get(day)
    if single is not None:
        name = "" if single else holiday(schedule.holidays, day)
        differs = single != usual
        return Special(day, times_in_words(single), name or "not as usual") if differs else None
    name = holiday(schedule.holidays, day) if usual else ""
    return Special(day, CLOSED, name) if name else None


def holiday(codes: tuple[str, ...], day: date) -> str:
    """The name of the public holiday; empty where there is none."""
    return " / ".join(dict.fromkeys(name for code in codes if (name := _names(code, day.year).get(day))))


@lru_cache(maxsize=512)
def _names(code: str, year: int) -> dict[date, str]:
    country, _, region = code.partition("-")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of years whose movable holidays are not known
        found = country_holidays(country, subdiv=region or None, years=year, expand=False, language="en_US")
    return dict(found.items())


def hours_in_a_sentence(hours: Hours) -> str:
    """``Monday to Thursday 08:00–12:00, Friday 08:00–13:00``."""
    return "; ".join(f"{days} {times}" for days, times in hours.week if times != CLOSED)

"""Business time against an independent computation that walks every minute, and against its own laws to the microsecond."""

from __future__ import annotations

import os
import random
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from functools import cache
from itertools import groupby
from math import ceil
from zoneinfo import ZoneInfo

import pytest
from holidays import country_holidays
from hypothesis import given
from hypothesis import strategies as st

from streams.hours import US, Calendar, Schedule, Span, due_after, due_instant, elapsed, used
from streams.target import HOUR, Amount, Days, Hours, RoundTheClock, parse_target

MINUTE = 60 * US
DAY = 24 * HOUR
DAY_MINUTES = 1440
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HORIZON = 2 * DAY
NINE_TO_FIVE = ((Span(540, 1020),),) * 5 + ((), ())

Versions = list[tuple[int | None, Schedule]]
Pauses = Sequence[tuple[int, int | None]]


def instant(text: str) -> int:
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


# -- every minute walked: what does the clock on the wall show, and does the sign on the door say open at that time?


@cache
def clock_on_the_wall(zone: str, utc_day: int) -> array[int]:
    """For each minute of a UTC day (numbered from 1970) the local minutes since the year 1.

    When the clock shows an hour for the second time, nothing opens or closes: it is taken to stand at the end of the first.
    """
    shown = array("q")
    for minute in range(utc_day * DAY_MINUTES, (utc_day + 1) * DAY_MINUTES):
        wall = datetime.fromtimestamp(minute * 60, ZoneInfo(zone))
        while wall.fold:
            minute -= 1
            wall = datetime.fromtimestamp(minute * 60, ZoneInfo(zone))
        shown.append(wall.toordinal() * DAY_MINUTES + wall.hour * 60 + wall.minute)
    return shown


class Door:
    """The sign on the door: which local date's hours is it open on, at a time of the wall clock?"""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.painted: dict[int, bytearray] = {}

    def open_on(self, wall: int) -> int | None:
        day, minute = divmod(wall, DAY_MINUTES)
        if self.minutes(day - 1)[minute + DAY_MINUTES]:
            return day - 1
        return day if self.minutes(day)[minute] else None

    def minutes(self, day: int) -> bytearray:
        if day not in self.painted:
            self.painted[day] = bytearray(2 * DAY_MINUTES)
            for start, end in self.sign(date.fromordinal(day)):
                self.painted[day][start:end] = b"1" * (end - start)
        return self.painted[day]

    def sign(self, day: date) -> tuple[Span, ...]:
        if self.schedule.always:
            return (Span(0, DAY_MINUTES),)
        if day in self.schedule.days:
            return self.schedule.days[day]
        closed = any(day in HOLIDAYS[code] for code in self.schedule.holidays)
        return () if closed else self.schedule.week[day.weekday()]


class Walk:
    """Every minute of [first, last): the number of the business day that it is open on, or None."""

    def __init__(self, versions: Versions, first: int, last: int) -> None:
        self.first = first
        signs = [(since, Door(schedule)) for since, schedule in versions]
        doors = [self.door(signs, t) for t in range(first, last, MINUTE)]
        runs = groupby(day for day in doors if day is not None)
        numbers = (number for number, (_, run) in enumerate(runs) for _ in run)
        self.days = [None if day is None else next(numbers) for day in doors]
        self.sizes = Counter(self.days)

    @staticmethod
    def door(signs: list[tuple[int | None, Door]], t: int) -> int | None:
        for since, door in reversed(signs):
            if since is None or since <= t:
                day, minute = divmod(t // MINUTE, DAY_MINUTES)
                return door.open_on(clock_on_the_wall(door.schedule.zone, day)[minute])
        return None

    def open_in(self, a: int, b: int, pauses: Pauses = ()) -> Iterator[tuple[int, int]]:
        """The minutes that are open and outside the pauses, with their business days."""
        first = (a - self.first) // MINUTE
        for i, day in enumerate(self.days[first : (b - self.first) // MINUTE], first):
            t = self.first + i * MINUTE
            if day is not None and not (pauses and any(p <= t and (r is None or t < r) for p, r in pauses)):
                yield t, day


# -- random cases around what is difficult: clock changes, a day that is left out, the turn of the year, holidays

PLACES = {
    "Europe/Berlin": ("DE-BE", "2024-03-31", "2024-10-27", "2023-12-31", "2024-05-01"),
    "America/New_York": ("US-NY", "2024-03-10", "2024-11-03", "2021-12-31", "2024-07-04"),
    "Australia/Lord_Howe": ("AU-NSW", "2024-04-07", "2024-10-06", "2024-01-01", "2024-04-25"),
    "Australia/Sydney": ("AU-NSW", "2024-04-07", "2024-10-06", "2023-12-25", "2024-06-10"),
    "Asia/Kolkata": ("DE-BE", "2024-08-15", "2020-01-01", "2019-12-31", "2024-02-29"),
    "Pacific/Apia": ("AU-NSW", "2011-12-30", "2011-09-24", "2012-01-01", "2012-04-01"),
    "America/Sao_Paulo": ("US-NY", "2018-11-04", "2018-02-18", "2017-12-31", "2018-10-12"),
}
HOLIDAYS = {
    code: country_holidays(code[:2], subdiv=code[3:], years=range(2010, 2027)) for code in ("DE-BE", "US-NY", "AU-NSW")
}


def random_spans(rng: random.Random) -> tuple[Span, ...]:
    start = rng.randrange(0, DAY_MINUTES, 15)
    later = min(start + 120, DAY_MINUTES - 1)
    return rng.choice(
        (
            (),
            (Span(540, 1020),),
            (Span(480, 720), Span(780, 1020)),
            (Span(1020, 1500),),
            (Span(start, start + rng.randrange(15, DAY_MINUTES + 1, 15)),),
            (Span(start, start + 240), Span(later, later + 300)),
            tuple(Span(minute, minute + 15) for minute in range(0, 240, 30)),
        )
    )


def random_schedule(rng: random.Random, zone: str, near: date) -> Schedule:
    if rng.random() < 0.05:
        return Schedule(zone, always=True)
    usual = random_spans(rng)
    week = tuple(usual if rng.random() < 0.6 else random_spans(rng) for _ in range(7))
    days = {near + timedelta(days=rng.randrange(-4, 5)): random_spans(rng) for _ in range(rng.randrange(4))}
    return Schedule(zone, week, (PLACES[zone][0],) if rng.random() < 0.6 else (), days)


def minute_near(rng: random.Random, near: date, days: int) -> int:
    return instant(near.isoformat()) + rng.randrange(-days * DAY_MINUTES, days * DAY_MINUTES) * MINUTE


def random_versions(rng: random.Random, zone: str, near: date) -> Versions:
    changes = sorted({minute_near(rng, near, 3) for _ in range(rng.choice((0, 0, 1, 2)))})
    froms = [*changes] if changes and rng.random() < 0.1 else [None, *changes]
    zones = [zone if rng.random() < 0.8 else rng.choice(list(PLACES)) for _ in froms]
    return [(since, random_schedule(rng, where, near)) for since, where in zip(froms, zones, strict=True)]


def random_pauses(rng: random.Random, a: int) -> list[tuple[int, int | None]]:
    points = sorted(a + rng.randrange(-600, 3 * DAY_MINUTES) * MINUTE for _ in range(2 * rng.randrange(3)))
    pauses: list[tuple[int, int | None]] = list(zip(points[::2], points[1::2], strict=True))
    if pauses and rng.random() < 0.1:
        pauses[-1] = (pauses[-1][0], None)
    return pauses


def compare(seed: int) -> Counter[str]:
    """One random calendar, start, end, pauses and targets, walked and computed. Returns what was compared."""
    rng = random.Random(seed)
    zone = rng.choice(list(PLACES))
    near = date.fromisoformat(rng.choice(PLACES[zone][1:]))
    versions = random_versions(rng, zone, near)
    a = minute_near(rng, near, 1)
    b = a + rng.randrange(DAY_MINUTES * 3 // 2) * MINUTE
    pauses = random_pauses(rng, a)
    walked = Walk(versions, a - 2 * DAY, a + HORIZON + 2 * DAY)
    calendar = Calendar(versions)
    open_minutes = list(walked.open_in(a, b))
    by_day = Counter(day for _, day in open_minutes)
    assert calendar.worked(a, b) == len(open_minutes) * MINUTE
    assert calendar.days(a, b) == sum(Fraction(n, walked.sizes[day]) for day, n in by_day.items())
    assert elapsed(calendar, a, b, pauses) == len(list(walked.open_in(a, b, pauses))) * MINUTE
    assert sum(end - start for start, end in calendar.intervals(a, b)) == calendar.worked(a, b)
    assert calendar.open_at(a) == any(walked.open_in(a, a + MINUTE))
    compared = Counter(worked=1, days=1, elapsed=1)
    minutes, days = rng.randrange(1, 700), Fraction(rng.randrange(1, 9), rng.choice((3, 4, 6, 7, 8)))
    for name, stops in (("", []), (" with pauses", pauses)):
        if (due := walked_due(walked, a, minutes, stops)) is not None:
            compared[f"due{name}"] += 1
            assert name or calendar.due(a, minutes * MINUTE) == due
            assert due_instant(calendar, a, Hours(minutes * MINUTE), stops) == due
            assert due_in_steps(calendar, a, Hours(minutes * MINUTE), stops) == due
        if (due := walked_due_days(walked, a, days, stops)) is not None:
            compared[f"due in days{name}"] += 1
            assert name or calendar.due_days(a, days) == due
            assert due_instant(calendar, a, Days(days), stops) == due
            assert due_in_steps(calendar, a, Days(days), stops) == due
    return compared


def walked_due(walked: Walk, a: int, minutes: int, pauses: Pauses) -> int | None:
    """The end of the minute that is the last one needed; None if that lies beyond the horizon."""
    ticks = [t for t, _ in walked.open_in(a, a + HORIZON, pauses)]
    return ticks[minutes - 1] + MINUTE if minutes <= len(ticks) else None


def walked_due_days(walked: Walk, a: int, days: Fraction, pauses: Pauses) -> int | None:
    for day, run in groupby(walked.open_in(a, a + HORIZON, pauses), key=lambda tick: tick[1]):
        ticks = [t for t, _ in run]
        needed = days * walked.sizes[day]  # minutes of this day
        if needed <= len(ticks):
            last = ceil(needed) - 1
            return ticks[last] + ceil((needed - last) * MINUTE)
        days -= Fraction(len(ticks), walked.sizes[day])
    return None


def due_in_steps(calendar: Calendar, start: int, target: Amount, pauses: Pauses) -> int | None:
    """As the core of the stream does it: it knows one change at a time, and carries what was used."""
    spent: int | Fraction = 0
    running: int | None = start
    for paused, resumed in pauses:
        if resumed is not None and resumed <= start:
            continue
        if running is not None and paused > running:
            due = due_after(calendar, running, target, spent)
            if due <= paused:
                return due
            spent = spent + used(calendar, target, running, paused)
        running = resumed
    return None if running is None else due_after(calendar, running, target, spent)


def compare_all(cases: int) -> None:
    compared: Counter[str] = Counter()
    for seed in range(cases):
        try:
            compared += compare(seed)
        except AssertionError as wrong:
            raise AssertionError(f"case {seed}: {wrong}") from wrong
    print(f"business time: {cases} random cases agree with walking every minute: {dict(compared)}")
    assert min(compared.values()) > cases / 3, "too few cases had something to compare"


def test_business_time_is_what_walking_every_minute_gives() -> None:
    compare_all(500)


@pytest.mark.full
@pytest.mark.skipif(os.environ.get("CROSSDESK_FULL") != "1", reason="takes minutes: make test-full")
def test_business_time_is_what_walking_every_minute_gives_in_ten_thousand_cases() -> None:
    compare_all(10_000)


# -- laws, to the microsecond

CALENDARS = {
    "office": Calendar([(None, Schedule("Europe/Berlin", NINE_TO_FIVE, ("DE-BE",)))]),
    "shifts": Calendar([(None, Schedule("America/New_York", ((Span(0, 90), Span(100, 400), Span(1320, 1530)),) * 7))]),
    "always": Calendar([(None, Schedule("Australia/Lord_Howe", always=True))]),
    "turns": Calendar(
        [
            (None, Schedule("Pacific/Apia", ((Span(1, 2), Span(600, 1440)),) * 7)),
            (instant("2024-03-13T11:12:13.141516"), Schedule("Asia/Kolkata", NINE_TO_FIVE)),
        ]
    ),
}
calendars = st.sampled_from(sorted(CALENDARS)).map(CALENDARS.__getitem__)
instants = st.integers(instant("2024-02-20"), instant("2024-04-20"))
durations = st.integers(1, 100 * HOUR)
targets = st.one_of(
    durations.map(Hours),
    durations.map(RoundTheClock),
    st.fractions(Fraction(1, 1000), 9, max_denominator=1000).map(Days),
)
run_and_pause = st.tuples(st.integers(0, 40 * DAY), st.integers(1, 10 * DAY))


@given(calendars, st.tuples(instants, instants, instants))
def test_the_parts_of_a_stretch_add_up(calendar: Calendar, moments: tuple[int, int, int]) -> None:
    a, b, c = sorted(moments)
    assert calendar.worked(a, b) + calendar.worked(b, c) == calendar.worked(a, c)
    assert calendar.days(a, b) + calendar.days(b, c) == calendar.days(a, c)
    assert calendar.cumulative(b) - calendar.cumulative(a) == calendar.worked(a, b)


@given(calendars, instants, instants)
def test_open_time_never_runs_backwards_or_faster_than_time(calendar: Calendar, a: int, b: int) -> None:
    assert 0 <= calendar.worked(a, b) <= max(b - a, 0)
    assert sum(end - start for start, end in calendar.intervals(a, b)) == calendar.worked(a, b)


@given(calendars, instants, durations)
def test_due_is_the_first_instant_by_which_it_was_worked(calendar: Calendar, start: int, working: int) -> None:
    due = calendar.due(start, working)
    assert calendar.worked(start, due) == working
    assert calendar.worked(start, due - 1) == working - 1


@given(calendars, instants, st.fractions(Fraction(1, 10**9), 9))
def test_due_in_days_is_the_first_instant_by_which_they_passed(calendar: Calendar, start: int, days: Fraction) -> None:
    due = calendar.due_days(start, days)
    assert calendar.days(start, due - 1) < days <= calendar.days(start, due)


@given(calendars, targets, instants, st.lists(run_and_pause), st.booleans())
def test_one_change_at_a_time_gives_the_same_due_as_all_pauses_at_once(
    calendar: Calendar, target: Amount, start: int, lengths: list[tuple[int, int]], forever: bool
) -> None:
    pauses: list[tuple[int, int | None]] = []
    paused = start
    for running, length in lengths:
        paused += running
        pauses.append((paused, paused + length))
        paused += length
    if forever and pauses:
        pauses[-1] = (pauses[-1][0], None)
    due = due_instant(calendar, start, target, pauses)
    assert due == due_in_steps(calendar, start, target, pauses)
    if due is not None and isinstance(target, Hours):
        assert elapsed(calendar, start, due, pauses) == target.us
        assert elapsed(calendar, start, due - 1, pauses) == target.us - 1


@given(calendars, instants)
def test_the_next_opening_is_open_and_nothing_before_it_is(calendar: Calendar, t: int) -> None:
    opens = calendar.next_open(t)
    assert opens is not None
    assert calendar.open_at(opens)
    assert calendar.worked(t, opens) == 0


@given(targets)
def test_a_target_reads_back_as_it_was_written(target: Amount) -> None:
    assert parse_target(str(target)) == target


# -- two years of nights in which clocks change

ZONES = (
    *("Europe/Berlin", "America/New_York", "Australia/Sydney", "Australia/Lord_Howe", "America/Santiago"),
    *("Africa/Casablanca", "Asia/Beirut", "America/St_Johns", "Pacific/Chatham", "Europe/London"),
)
NIGHTS = ((Span(60, 300), Span(1320, 1440)),) * 7


def test_a_case_each_night_of_two_years_lasts_as_long_as_its_minutes(
    sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    """From 23:00 to 04:30 on the clock of the wall, open from 22:00 to 24:00 and from 01:00 to 05:00."""
    zones = random.Random(1).sample(ZONES, sample(len(ZONES), 2))
    changed = 0
    for zone in zones:
        schedule, first = Schedule(zone, NIGHTS), date(2024, 1, 1)
        calendar = Calendar([(None, schedule)])
        evenings = [datetime.combine(first + timedelta(day), time(23), ZoneInfo(zone)) for day in range(731)]
        mornings = [evening + timedelta(hours=5, minutes=30) for evening in evenings]
        nights = [(int(a.timestamp()) * US, int(b.timestamp()) * US) for a, b in zip(evenings, mornings, strict=True)]
        walk = Walk([(None, schedule)], nights[0][0], nights[-1][1])
        for a, b in nights:
            assert calendar.worked(a, b) == MINUTE * sum(1 for _ in walk.open_in(a, b)), (zone, a)
            changed += b - a != 330 * MINUTE
    assert changed >= len(zones) * 4, "clocks go forward and back, twice each"
    tally("nights in which clocks may change", len(zones) * 731)

"""Opening hours on the wall clock, and the instants they come to.

A span belongs to the local day on which it starts, so an overnight span is closed by a holiday on its first day only:

            Tue              Wed (holiday)      Thu
    span    17:00 ──── 01:00                    17:00 ──── 01:00

A wall-clock time becomes one instant. Where the clock is put forward over it, that is the instant of the jump; where the
clock is put back and shows it twice, the first time, for starts and ends alike: then spans that touch on the clock touch
in time, a break is taken once, and a span across the whole change lasts as long as it really does.
"""

from __future__ import annotations

import warnings
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from holidays import country_holidays

US = 1_000_000
DAY_MINUTES = 24 * 60
DAY = DAY_MINUTES * 60 * US
EPOCH = date(1970, 1, 1)
LONG_AGO, FAR_AHEAD = -(1 << 62), 1 << 62

Interval = tuple[int, int]


class Span(NamedTuple):
    """Minutes after local midnight; ``end`` exceeds 1440 where the span lasts over midnight (17:00–01:00 is 1020, 1500)."""

    start: int
    end: int


Spans = tuple[Span, ...]
WHOLE_DAY: Spans = (Span(0, DAY_MINUTES),)


@dataclass(frozen=True)
class Schedule:
    """One version of opening hours: ``week`` from Monday on; ``always`` instead of all else, for 24/7.

    ``holidays`` names countries and regions of the ``holidays`` package ("DE", "DE-BY"): their public holidays are closed.
    It knows most countries until 2100 only; a year that it does not know has none. ``days`` are half days and closures (an
    empty tuple), and override week and holidays. Raises ValueError on what cannot be meant.
    """

    zone: str
    week: tuple[Spans, ...] = ()
    holidays: tuple[str, ...] = ()
    days: Mapping[date, Spans] = field(default_factory=dict, hash=False)
    always: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "days", dict(self.days))  # a copy: nobody changes hours that are already in use
        _zone(self.zone)
        if self.always and (any(self.week) or self.holidays or self.days):
            raise ValueError(
                "open always, yet with hours, holidays or special days: give a week of 00:00-24:00 instead"
            )
        if not self.always and len(self.week) != 7:
            raise ValueError(f"a week has seven days, Monday first, not {len(self.week)}: give closed ones as ()")
        for start, end in (span for day in (*self.week, *self.days.values()) for span in day):
            if not 0 <= start < DAY_MINUTES or not start < end <= start + DAY_MINUTES:
                raise ValueError(
                    f"span {start}-{end}: it must start within the day and last 1 to {DAY_MINUTES} minutes"
                )
        for code in self.holidays:
            _public_holidays(code, 2020)


class Opening:
    """A schedule while it is in force: ``since`` ≤ instant < ``until`` (UTC µs)."""

    def __init__(self, schedule: Schedule, since: int = LONG_AGO, until: int = FAR_AHEAD) -> None:
        self._schedule, self._since, self.until = schedule, since, until
        self._zone = _zone(schedule.zone)
        self._holidays: dict[int, frozenset[date]] = {}

    def intervals(self, first: date, last: date) -> Iterator[tuple[date, int, int]]:
        """Open intervals with the day they belong to, in order and disjoint: what two spans share belongs to the earlier."""
        done = self._since
        days = self._days_in_force(first, last)
        midnights = [_first_second(datetime.combine(day, time(), self._zone)) for day in days]
        for day, midnight, after_next in zip(days, midnights, midnights[2:], strict=False):
            # Where two days last 48 hours nobody changed the clock: no zone ever changed it twice within two days.
            steady = midnight if after_next - midnight == 48 * 3600 else None
            for start, end in sorted(self._spans(day)):
                opens = max(self._instant(day, start, steady), done)
                closes = min(self._instant(day, end, steady), self.until)
                if opens < closes:
                    yield day, opens, closes
                    done = closes

    def local_day(self, t: int) -> date:
        return datetime.fromtimestamp(t // US, self._zone).date()

    def instant(self, day: date, minute: int) -> int:
        """When its clock shows that minute of the local day."""
        return self._instant(day, minute, None)

    def _days_in_force(self, first: date, last: date) -> list[date]:
        """The days from ``first`` to ``last`` on which the schedule may open, and two more."""
        epoch = EPOCH.toordinal()
        start = max(first.toordinal(), self._since // DAY + epoch - 3)
        end = min(last.toordinal(), self.until // DAY + epoch + 1)
        return [date.fromordinal(day) for day in range(start, end + 3)] if start <= end else []

    def _spans(self, day: date) -> Spans:
        schedule = self._schedule
        if schedule.always:
            return WHOLE_DAY
        special = schedule.days.get(day)
        if special is not None:
            return special
        spans = schedule.week[day.weekday()]
        return () if spans and day in self._holidays_of(day.year) else spans

    def _holidays_of(self, year: int) -> frozenset[date]:
        if year not in self._holidays:
            self._holidays[year] = frozenset().union(
                *(_public_holidays(code, year) for code in self._schedule.holidays)
            )
        return self._holidays[year]

    def _instant(self, day: date, minute: int, steady: int | None) -> int:
        if steady is not None:
            return US * (steady + 60 * minute)
        return US * _first_second(datetime.combine(day, time(), self._zone) + timedelta(minutes=minute))


def business_days(openings: Iterable[Opening], first: date, last: date) -> Iterator[list[Interval]]:
    """The open intervals (UTC µs) of each business day that starts from ``first`` to ``last``, local.

    Where one schedule takes over from another within a day, the parts of that date are one business day.
    """
    pieces = (piece for opening in openings for piece in opening.intervals(first, last))
    for _, day in groupby(pieces, key=lambda piece: piece[0]):
        yield [(start, end) for _, start, end in day]


def _first_second(wall: datetime) -> int:
    """The epoch second at which the clock of its zone first shows ``wall``, or else jumps over it."""
    before, after = int(wall.timestamp()), int(wall.replace(fold=1).timestamp())
    if before <= after:
        return before
    # In a gap the two readings lie on either side of the jump: the clock is past `wall` from the jump on.
    shown = wall.replace(tzinfo=None)
    seconds = range(after + 1, before)
    return seconds.start + bisect_left(
        seconds, True, key=lambda second: datetime.fromtimestamp(second, wall.tzinfo).replace(tzinfo=None) > shown
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"unknown time zone '{name}': write an IANA name such as Europe/Berlin") from None


def _public_holidays(code: str, year: int) -> Iterable[date]:
    country, _, region = code.partition("-")
    try:
        with warnings.catch_warnings():
            # India's movable holidays are known from 2001 to 2035; the package says so, once for each year that is not.
            warnings.simplefilter("ignore", UserWarning)
            return country_holidays(country, subdiv=region or None, years=year, expand=False)
    except NotImplementedError as unknown:
        raise ValueError(f"unknown holidays '{code}' ({unknown}): write DE, or DE-BY for a region") from None

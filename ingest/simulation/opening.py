"""When an office of the simulated company is open, and how much of a time it was."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from math import ceil
from zoneinfo import ZoneInfo

import holidays

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
US = 1_000_000


@dataclass(frozen=True)
class Office:
    """Hours in the words of a norms file: ``{"mon-thu": "08:00-12:00, 13:00-17:00"}``; ``country`` like ``DE-BE``.

    ``later``: other hours, each from a day on.
    """

    zone: str
    country: str
    hours: Mapping[str, str]
    closures: tuple[tuple[date, date], ...] = ()
    half_days: Mapping[date, str] = field(default_factory=dict)
    later: tuple[tuple[date, Mapping[str, str]], ...] = ()


class Opening:
    """The open time of one office as a list of intervals that grows as far as somebody asks.

    :meth:`after`, which people live by, counts in whole seconds since 1970; what is measured counts in microseconds.
    """

    def __init__(self, office: Office, first: date) -> None:
        self._zone = ZoneInfo(office.zone)
        self._office = office
        self._weeks = [(date.min, _week(office.hours)), *((since, _week(hours)) for since, hours in office.later)]
        self._next = first - timedelta(days=7)
        self._starts: list[int] = []
        self._before: list[int] = []
        self._days = [0]
        self._open = 0
        self._holidays: dict[int, frozenset[date]] = {}

    def after(self, t: int, work: float) -> int:
        """The first open second at which ``work`` seconds of open time have gone by since ``t``."""
        starts, before = self._starts, self._before
        while not starts or starts[-1] <= t:
            self._grow()
        i = bisect_right(starts, t) - 1
        target = int(work)
        if i >= 0:
            target += min(before[i] + t - starts[i], before[i + 1])
        while before[-1] <= target:
            self._grow()
        j = bisect_right(before, target) - 1
        return starts[j] + target - before[j]

    def is_open(self, t: int) -> bool:
        return self.after(t, 0) == t

    def works_on(self, day: date) -> bool:
        """Whether the office opens at all on its local ``day``."""
        return bool(self._parts(day))

    # In microseconds

    def worked(self, a: int, b: int) -> int:
        """How much of [a, b) it was open."""
        return self._gone(b) - self._gone(a) if a < b else 0

    def due(self, t: int, work: int) -> int:
        """The first instant by which it was open for ``work`` since ``t``."""
        return self._instant(self._gone(t) + work) if work > 0 else t

    def days(self, a: int, b: int) -> Fraction:
        """Working days in [a, b): of each the share of its own hours."""
        return self._days_gone(b) - self._days_gone(a) if a < b else Fraction(0)

    def due_days(self, t: int, days: Fraction) -> int:
        """The first instant by which ``days`` working days have gone by since ``t``."""
        if days <= 0:
            return t
        target = self._days_gone(t) + days
        whole = ceil(target) - 1
        while len(self._days) < whole + 2:
            self._grow()
        opens, closes = self._days[whole] * US, self._days[whole + 1] * US
        return self._instant(opens + ceil((target - whole) * (closes - opens)))

    def _gone(self, t: int) -> int:
        starts, before = self._starts, self._before
        while not starts or starts[-1] * US <= t:
            self._grow()
        i = bisect_right(starts, t // US) - 1
        return min(before[i] * US + t - starts[i] * US, before[i + 1] * US) if i >= 0 else 0

    def _instant(self, gone: int) -> int:
        while self._before[-1] * US < gone:
            self._grow()
        j = bisect_left(self._before, -(-gone // US)) - 1
        return (self._starts[j] - self._before[j]) * US + gone

    def _days_gone(self, t: int) -> Fraction:
        gone = self._gone(t)
        while self._days[-1] * US <= gone:
            self._grow()
        day = bisect_right(self._days, gone // US) - 1
        opens, closes = self._days[day] * US, self._days[day + 1] * US
        return day + Fraction(gone - opens, closes - opens)

    def _grow(self) -> None:
        for _ in range(30):
            for opens, closes in self._parts(self._next):
                start, end = (
                    int(datetime.combine(self._next, at, self._zone).astimezone(UTC).timestamp())
                    for at in (opens, closes)
                )
                self._starts.append(start)
                self._before.append(self._open)
                self._open += end - start
            if self._open > self._days[-1]:
                self._days.append(self._open)
            self._next += timedelta(days=1)

    def _parts(self, day: date) -> tuple[tuple[time, time], ...]:
        if day in self._office.half_days:
            return _parts(self._office.half_days[day])
        if any(first <= day <= last for first, last in self._office.closures) or self._is_holiday(day):
            return ()
        week = next(week for since, week in reversed(self._weeks) if since <= day)
        return week[day.weekday()]

    def _is_holiday(self, day: date) -> bool:
        if day.year not in self._holidays:
            country, _, part = self._office.country.partition("-")
            found = holidays.country_holidays(country, subdiv=part or None, years=[day.year])
            self._holidays[day.year] = frozenset(found)
        return day in self._holidays[day.year]


def _week(hours: Mapping[str, str]) -> list[tuple[tuple[time, time], ...]]:
    week: list[tuple[tuple[time, time], ...]] = [()] * 7
    for days, text in hours.items():
        first, _, last = days.partition("-")
        for day in range(_DAYS.index(first), _DAYS.index(last or first) + 1):
            week[day] = _parts(text)
    return week


def _parts(text: str) -> tuple[tuple[time, time], ...]:
    pairs = (part.strip().split("-") for part in text.split(","))
    return tuple((time.fromisoformat(opens), time.fromisoformat(closes)) for opens, closes in pairs)

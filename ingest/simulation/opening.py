"""When an office of the simulated company is open."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import holidays

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Office:
    """Hours in the words of a norms file: ``{"mon-thu": "08:00-12:00, 13:00-17:00"}``; ``country`` like ``DE-BE``."""

    zone: str
    country: str
    hours: Mapping[str, str]
    closures: tuple[tuple[date, date], ...] = ()
    half_days: Mapping[date, str] = field(default_factory=dict)


class Opening:
    """The open time of one office as a list of intervals that grows as far as somebody asks.

    Instants are whole seconds since 1970.
    """

    def __init__(self, office: Office, first: date) -> None:
        self._zone = ZoneInfo(office.zone)
        self._office = office
        self._week = _week(office.hours)
        self._next = first - timedelta(days=7)
        self._starts: list[int] = []
        self._before: list[int] = []
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
            self._next += timedelta(days=1)

    def _parts(self, day: date) -> tuple[tuple[time, time], ...]:
        if day in self._office.half_days:
            return _parts(self._office.half_days[day])
        if any(first <= day <= last for first, last in self._office.closures) or self._is_holiday(day):
            return ()
        return self._week[day.weekday()]

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

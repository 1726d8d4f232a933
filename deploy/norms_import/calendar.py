"""Opening hours as a norms file wants them, from a vendor's intervals and holidays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from streams.opening import ALWAYS_OPEN, DAYS, MIDNIGHT

WEEK = 7 * MIDNIGHT
EVERY_DAY = "mon-sun"
ALL_DAY = "00:00-24:00"

Interval = tuple[int, int]
"""Minutes since Monday 00:00, from and to."""


@dataclass(frozen=True)
class Closure:
    """``text`` as in a norms file: a day, or the first and the last. ``said``: what the vendor calls it."""

    text: str
    said: str


@dataclass(frozen=True)
class Opening:
    """``hours``: (days, times of day), or ``always``. ``closures`` None: nobody said what they are. ``zone_said``: as the vendor
    calls it.
    """

    name: str
    zone: str
    zone_said: str
    hours: tuple[tuple[str, str], ...] | str
    closures: tuple[Closure, ...] | None = ()
    notes: tuple[str, ...] = ()

    @property
    def round_the_clock(self) -> bool:
        return self.hours == ALWAYS_OPEN


def hours(intervals: Iterable[Interval], always: bool) -> tuple[tuple[str, str], ...] | str:
    """Days that are alike are one entry; closed days are not named. ``always``: no holiday ever interrupts them."""
    week = [times(spans) for spans in _by_day(intervals)]
    if week == [ALL_DAY] * 7:
        return ALWAYS_OPEN if always else ((EVERY_DAY, ALL_DAY),)
    return tuple(_alike(week))


def times(spans: Sequence[Interval]) -> str:
    return ", ".join(f"{_clock(start)}-{_clock(end)}" for start, end in spans)


def _by_day(intervals: Iterable[Interval]) -> list[list[Interval]]:
    """Cut at midnight, in order; those that touch are one."""
    days: list[list[Interval]] = [[] for _ in DAYS]
    for start, end in sorted(intervals):
        while start < end:
            day = start // MIDNIGHT
            until = min(end, (day + 1) * MIDNIGHT)
            spans, first, last = days[day % 7], start - day * MIDNIGHT, until - day * MIDNIGHT
            if spans and first <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(last, spans[-1][1]))
            else:
                spans.append((first, last))
            start = until
    return days


def _alike(week: Sequence[str]) -> Iterator[tuple[str, str]]:
    first = 0
    for day in range(1, len(week) + 1):
        if day == len(week) or week[day] != week[first]:
            if week[first]:
                yield DAYS[first] if day - first == 1 else f"{DAYS[first]}-{DAYS[day - 1]}", week[first]
            first = day


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"

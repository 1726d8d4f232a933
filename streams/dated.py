"""Values that change at instants: which department, since when."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Annotated, Generic, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator

from ingest.event import EPOCH
from streams.problems import did_you_mean, refuse

T = TypeVar("T")
D = TypeVar("D", bound=date)

FOR_EVER = -(1 << 63)
YEARS = range(1970, 2200)
_MICROSECOND = timedelta(microseconds=1)


class Dated(Generic[T]):
    """A value in time: each holds from its instant (µs) until the next one's, before the first there is ``before``."""

    __slots__ = ("_starts", "_values", "before")

    def __init__(self, entries: Iterable[tuple[int, T]], before: T) -> None:
        ordered = sorted(entries, key=lambda entry: entry[0])
        self._starts = [start for start, _ in ordered]
        self._values = [value for _, value in ordered]
        self.before = before

    def at(self, instant: int) -> T:
        index = bisect_right(self._starts, instant)
        return self._values[index - 1] if index else self.before

    def entry(self, instant: int) -> tuple[int, T]:
        """The value, and since when it holds."""
        index = bisect_right(self._starts, instant)
        return (self._starts[index - 1], self._values[index - 1]) if index else (FOR_EVER, self.before)

    def __iter__(self) -> Iterator[tuple[int, T]]:
        return zip(self._starts, self._values, strict=True)

    @property
    def starts(self) -> tuple[int, ...]:
        return tuple(self._starts)

    def first_difference(self, other: Dated[T]) -> int | None:
        """The first instant at which the two are not the same; :data:`FOR_EVER` if they never were."""
        starts = sorted({FOR_EVER, *self._starts, *other._starts})
        return next((start for start in starts if self.at(start) != other.at(start)), None)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(name: str) -> str:
    if name not in _zones():
        raise refuse(f"unknown zone '{name}'", did_you_mean(name, _zones()) or "a name such as Europe/Berlin")
    return name


def _plausible(day: D) -> D:
    if day.year not in YEARS:
        raise ValueError(f"the year {day.year}")
    return day


def _since(text: str) -> str:
    mend = "write a date (2026-01-31) or an instant with its offset (2026-01-31T12:00:00+01:00)"
    try:
        if len(text) <= 10:
            return _plausible(date.fromisoformat(text)).isoformat()
        moment = _plausible(datetime.fromisoformat(text))
    except ValueError:
        raise refuse(f"'{text}' is no date", mend) from None
    if moment.tzinfo is None:
        raise refuse(f"'{text}' has no offset", mend)
    return moment.isoformat()


def _day(text: str) -> str:
    try:
        return _plausible(date.fromisoformat(text)).isoformat()
    except ValueError:
        raise refuse(f"'{text}' is no date", "write a date such as 2026-01-31") from None


ZoneName = Annotated[str, AfterValidator(_zone)]
Day = Annotated[str, AfterValidator(_day)]
Since = Annotated[str, AfterValidator(_since)]
"""A date (its midnight, in a zone that the context gives) or an instant with an offset, as ISO 8601 text."""


def instant(since: str | None, zone: str) -> int:
    """UTC µs of a :data:`Since`; None is for ever back."""
    if since is None:
        return FOR_EVER
    if len(since) <= 10:
        moment = datetime.combine(date.fromisoformat(since), time(), ZoneInfo(zone))
    else:
        moment = datetime.fromisoformat(since)
    return (moment - EPOCH) // _MICROSECOND


def shown(instant: int, zone: str) -> str:
    """The date in its zone, for messages."""
    if instant == FOR_EVER:
        return "the beginning"
    return (EPOCH + instant * _MICROSECOND).astimezone(ZoneInfo(zone)).date().isoformat()

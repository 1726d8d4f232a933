"""Opening hours as people write them: days and times of day, holidays, closures, half days."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import cache
from typing import Annotated, Any, Literal

import holidays
from pydantic import AfterValidator, BeforeValidator, Discriminator, Tag

from streams.dated import Day
from streams.hours import Schedule, Span
from streams.problems import Listed, did_you_mean, refuse

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALWAYS_OPEN = "always"
CLOSED = "closed"
MIDNIGHT = 24 * 60
LONGEST_CLOSURE_DAYS = 3 * 366

_TIMES = re.compile(r"\s*(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})\s*")


def days_of_week(text: str) -> tuple[int, ...]:
    """``mon-thu``, ``sat``, ``mon, wed-fri``: Monday is 0."""
    days: list[int] = []
    for part in text.lower().split(","):
        first, _, last = (word.strip() for word in part.partition("-"))
        for word in (first, last or first):
            if word not in DAYS:
                raise refuse(f"'{word}' is no day", did_you_mean(word, DAYS) or f"days are {', '.join(DAYS)}")
        start, end = DAYS.index(first), DAYS.index(last or first)
        days.extend(day % 7 for day in range(start, end + 1 if end >= start else end + 8))
    return tuple(days)


def times_of_day(text: str) -> tuple[Span, ...]:
    """``08:00-12:00, 13:00-17:00``, overnight ``22:00-06:00``, or ``closed``."""
    if text.strip().lower() == CLOSED:
        return ()
    spans: list[Span] = []
    for part in text.split(","):
        found = _TIMES.fullmatch(part)
        if found is None:
            raise refuse(f"'{part.strip()}' is no time span", "write 08:00-12:00, several with commas, or closed")
        from_hour, from_minute, to_hour, to_minute = map(int, found.groups())
        start, end = from_hour * 60 + from_minute, to_hour * 60 + to_minute
        if from_minute > 59 or to_minute > 59 or start >= MIDNIGHT or end > MIDNIGHT:
            raise refuse(f"'{part.strip()}' is no time span", "times of day lie between 00:00 and 24:00")
        if start == end:
            raise refuse(f"'{part.strip()}' is empty", "write closed, or 00:00-24:00 for the whole day")
        if spans and start < spans[-1].end:
            raise refuse(f"'{part.strip()}' begins before the span in front of it ends", "write spans in order")
        spans.append(Span(start, end if end > start else end + MIDNIGHT))
    return tuple(spans)


def closure(text: str) -> tuple[date, ...]:
    """A date, or ``2026-12-24..2026-12-31`` with both ends."""
    first, dots, last = (word.strip() for word in text.partition(".."))
    try:
        start = date.fromisoformat(first)
        end = date.fromisoformat(last) if dots else start
    except ValueError:
        raise refuse(f"'{text}' is no closure", "write 2026-06-05 or 2026-12-24..2026-12-31") from None
    if not 0 <= (end - start).days <= LONGEST_CLOSURE_DAYS:
        raise refuse(f"'{text}' ends before it begins or lasts for years", "write first..last")
    return tuple(start + timedelta(days=day) for day in range((end - start).days + 1))


@cache
def _countries() -> Mapping[str, list[str]]:
    return holidays.list_supported_countries()


def _holiday_code(text: str) -> str:
    country, _, region = text.partition("-")
    if country not in _countries():
        near = did_you_mean(country, _countries()) or "codes are those of ISO 3166, such as DE or DE-BY"
        raise refuse(f"unknown holidays '{text}'", near)
    if region and region not in _countries()[country]:
        raise refuse(f"unknown holidays '{text}'", f"regions of {country}: {', '.join(_countries()[country])}")
    return text


def _day_once(given: dict[str, str]) -> dict[str, str]:
    days = [day for text in given for day in days_of_week(text)]
    if twice := sorted({DAYS[day] for day in days if days.count(day) > 1}):
        raise refuse(f"hours of {', '.join(twice)} are given twice", "give each day once")
    return given


def _checked(check: Any) -> AfterValidator:
    """The text stays as it was written; ``check`` only has to be able to read it."""

    def validate(text: str) -> str:
        check(text)
        return text

    return AfterValidator(validate)


def _hours_form(given: Any) -> str:
    return "words" if isinstance(given, str) else "week"


def _one_or_more(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


TimesOfDay = Annotated[str, _checked(times_of_day)]
Week = Annotated[dict[Annotated[str, _checked(days_of_week)], TimesOfDay], AfterValidator(_day_once)]
Hours = Annotated[Annotated[Literal["always"], Tag("words")] | Annotated[Week, Tag("week")], Discriminator(_hours_form)]
HolidayCodes = Annotated[Listed[Annotated[str, AfterValidator(_holiday_code)]], BeforeValidator(_one_or_more)]
Closures = Annotated[Listed[Annotated[str, _checked(closure)]], BeforeValidator(_one_or_more)]
HalfDays = dict[Day, TimesOfDay]


def schedule(
    zone: str,
    hours: str | Mapping[str, str],
    codes: Iterable[str] = (),
    closures: Iterable[str] = (),
    half_days: Mapping[str, str] | None = None,
) -> Schedule:
    """What the texts say. ``always`` knows no holidays and closures."""
    if isinstance(hours, str):
        return Schedule(zone, always=True)
    week: list[tuple[Span, ...]] = [()] * 7
    for days, times in hours.items():
        for day in days_of_week(days):
            week[day] = times_of_day(times)
    single: dict[date, tuple[Span, ...]] = {day: () for text in closures for day in closure(text)}
    single.update({date.fromisoformat(day): times_of_day(times) for day, times in (half_days or {}).items()})
    return Schedule(zone, tuple(week), tuple(codes), single)

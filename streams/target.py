"""Targets: how much time a norm leaves, as it is written and as it is used up (METRICS 2.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from streams.schedule import US

if TYPE_CHECKING:
    from streams.hours import Calendar

MINUTE = 60 * US
HOUR = 3600 * US


@dataclass(frozen=True, slots=True)
class Hours:
    """So many µs of open time."""

    us: int

    def __str__(self) -> str:
        return _in_words(self.us, "b")


@dataclass(frozen=True, slots=True)
class Days:
    """So many business days, each the calendar's own open time of that day."""

    days: Fraction

    def __str__(self) -> str:
        return f"{_decimal(self.days)}bd"


@dataclass(frozen=True, slots=True)
class RoundTheClock:
    """So many µs of calendar time, which runs at night and on holidays too."""

    us: int

    def __str__(self) -> str:
        return _in_words(self.us, "")


@dataclass(frozen=True, slots=True)
class By:
    """Until a time of the ``days``-th business day after: ``minute`` of the local day, None for when it closes."""

    days: int
    minute: int | None

    def __str__(self) -> str:
        day = "next business day" if self.days == 1 else f"business day {self.days}"
        return f"by {day} {'close' if self.minute is None else f'{self.minute // 60:02}:{self.minute % 60:02}'}"

    def due(self, calendar: Calendar, start: int) -> int:
        return calendar.on_business_day(start, self.days, self.minute)

    def hours(self, calendar: Calendar, start: int) -> Hours:
        """The open time until then: what a pause leaves of it. At least a microsecond."""
        return Hours(max(calendar.worked(start, self.due(calendar, start)), 1))


Amount = Hours | Days | RoundTheClock
"""A target that is used up."""
Target = Amount | By

_UNITS = {"h": HOUR, "m": MINUTE, "s": US}
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?|[0-9]+/[1-9][0-9]*) ?(bd|b?[hms])")
_BY = re.compile(
    r"(?:by )?(?:next business day|business day ([1-9][0-9]{0,2})) (?:([01][0-9]|2[0-3]):([0-5][0-9])|close)"
)


def parse_target(text: str) -> Target:
    """``4bh``, ``30bm``, ``1.5bd`` of business time; ``24h``, ``30m`` of calendar time; ``by next business day 16:00``,
    ``by business day 3 close`` for an instant. The inverse of ``str``.

    Raises ValueError with what to write instead.
    """
    by = _BY.fullmatch(text.strip())
    if by is not None:
        return By(int(by[1] or 1), int(by[2]) * 60 + int(by[3]) if by[2] else None)
    return parse_amount(text)


def parse_amount(text: str) -> Amount:
    """Of :func:`parse_target`, what is used up."""
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"'{text}' is no target: write 4bh, 30bm or 2bd for business time, 24h or 30m for calendar time, "
            "'by next business day 16:00' for an instant"
        )
    number, unit = Fraction(found[1]), found[2]
    if number == 0:
        raise ValueError(f"'{text}' leaves no time at all: write a target above zero, or none")
    if unit == "bd":
        return Days(number)
    us = number * _UNITS[unit[-1]]
    if us.denominator != 1:
        raise ValueError(f"'{text}' is not a whole number of microseconds: write it in a smaller unit")
    return Hours(int(us)) if unit[0] == "b" else RoundTheClock(int(us))


def _in_words(us: int, business: str) -> str:
    """In the largest unit in which it is whole."""
    unit = next((unit for unit, size in _UNITS.items() if us % size == 0), "s")
    return f"{_decimal(Fraction(us, _UNITS[unit]))}{business}{unit}"


def _decimal(number: Fraction) -> str:
    text = f"{float(number):.6f}".rstrip("0").rstrip(".")
    return text if Fraction(text) == number else str(number)

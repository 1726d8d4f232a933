"""Which way of counting gives the vendor's value: the simplest that does, as the reasons why it is not ours.

A vendor's value seldom comes alone: Zendesk says calendar and business time of the same span, Jira when a cycle began and ended.
A way must give all of it, so that none is found by chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from msgspec import UNSET, Struct, UnsetType

from deploy.compare.measured import EVERYBODY, Hours, Measured, Way, always
from deploy.compare.reasons import Reason
from streams.hours import Calendar

MOST = 3
"""So many reasons at once are believed."""


class Start(NamedTuple):
    at: int
    reason: Reason | None = None


class Stop(NamedTuple):
    at: int | None
    reason: Reason | None = None


class Parties(NamedTuple):
    """While the case waits for these, time counts."""

    parties: frozenset[str]
    reason: Reason | None = None


class By(NamedTuple):
    """``whose``: where all of it counts by the same hours, what they are called."""

    hours: Hours
    reason: Reason | None = None
    whose: str = ""


class Options(Struct):
    """In how many ways something may be counted; the first of each is ours, and has no reason."""

    starts: list[Start]
    stops: list[Stop]
    parties: list[Parties]
    hours: list[By]

    @property
    def ours(self) -> Way:
        return Way(self.starts[0].at, self.stops[0].at, self.parties[0].parties)


class Said(Struct, frozen=True, kw_only=True):
    """What a vendor says of a span, in µs, known to within ``unit``. UNSET: it does not say; None: it has not ended."""

    unit: int
    calendar: int | UnsetType | None = UNSET
    business: int | UnsetType | None = UNSET
    start: int | UnsetType = UNSET
    stop: int | UnsetType = UNSET


class Found(NamedTuple):
    """``whose``: the hours by which all of it was counted, where they are not ours."""

    reasons: tuple[Reason, ...]
    whose: str


def find(case: Measured, options: Options, said: Said) -> Found | None:
    """None: no way gives it."""
    for way, by, reasons in _ways(options):
        if _near(way.start, said.start, said.unit) and _near(way.stop, said.stop, said.unit):
            calendar, business = case.worked(way, always), case.worked(way, by.hours)
            if _near(calendar, said.calendar, said.unit) and _near(business, said.business, said.unit):
                exact = said.calendar in (UNSET, calendar) and said.business in (UNSET, business)
                return Found(reasons or (() if exact else (Reason.rounding,)), by.whose)
    return None


def hours_of(case: Measured, ours: Hours) -> list[By]:
    """All that a vendor may have counted by."""
    found = [By(ours), *(By(_by(calendar), Reason.one_schedule, whose) for whose, calendar in case.schedules())]
    if case.vendor_hours:
        found.append(By(case.by_the_vendor, Reason.other_hours))
        for department, calendar in case.vendor_hours.items():
            found.append(By(_by(calendar), Reason.other_hours, f"its hours of {case.config.name(department)}"))
    return [*found, By(always, Reason.calendar_time)]


def _by(calendar: Calendar) -> Hours:
    return lambda _: calendar


def pauses(ours: frozenset[str], within: frozenset[str] = EVERYBODY) -> list[Parties]:
    """All that a vendor may stand still for, of what it may count ``within``."""
    others = [
        within - still
        for still in (
            frozenset[str](),
            frozenset({"requester"}),
            frozenset({"requester", "third_party"}),
            frozenset({"requester", "third_party", "other_department"}),
        )
    ]
    return [Parties(ours), *(Parties(one, pause_reason(ours, one)) for one in others if one != ours)]


def pause_reason(ours: frozenset[str], theirs: frozenset[str]) -> Reason:
    return Reason.pauses_more if theirs < ours else Reason.pauses_less


def _ways(options: Options) -> Iterator[tuple[Way, By, tuple[Reason, ...]]]:
    """With their reasons: the fewest first, and of as many the hours before the end, before pauses, before the beginning."""
    every = [
        (Way(start.at, stop.at, parties.parties), by, _distinct((start.reason, stop.reason, parties.reason, by.reason)))
        for start, parties, stop, by in product(options.starts, options.parties, options.stops, options.hours)
    ]
    yield from sorted((one for one in every if len(one[2]) <= MOST), key=lambda one: len(one[2]))


def _distinct(reasons: Sequence[Reason | None]) -> tuple[Reason, ...]:
    return tuple(dict.fromkeys(reason for reason in reasons if reason is not None))


def _near(ours: int | None, theirs: int | UnsetType | None, unit: int) -> bool:
    if theirs is UNSET:
        return True
    if ours is None or theirs is None:
        return ours is theirs
    return abs(ours - theirs) < unit

"""CONTRACT: the catalogue of indicators of morale, and their values. docs/morale.md says what they mean.

Each is a function of sums of whole batches (:mod:`streams.sealed`): of those that one department, with all below it, has answered
about one other, or about none; of one wave, or of the weeks of a window. Instants are UTC microseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from streams.sealed import PERSONS, Kind

WEEK_US = 7 * 86_400_000_000
MONDAY_US = 4 * 86_400_000_000
"""The first of 1970."""
WINDOWS: Mapping[str, int] = {"28d": 4 * WEEK_US, "91d": 13 * WEEK_US, "364d": 52 * WEEK_US}
"""A window is (end - length, end] by the week in which batches closed. It ends with the week that is over at ``as_of``; where
nothing has closed in it, with that of the newest batch: what it said then is held.
"""
STEP = 5
"""Rates are rounded to so many points of a hundred, and numbers of people who were invited to so many."""


class Statistic(StrEnum):
    """``favourable``: answers that are 4 or 5 of 5 / all, Wilson interval. ``enps``: 100 (promoters - detractors) / all; passives
    are in all, skipped questions are not. ``response``: persons who answered / all who are there.
    """

    favourable = "favourable"
    enps = "enps"
    response = "response"


class MoraleIndicator(Struct, frozen=True):
    """``name`` ends in its unit. ``items``: also for each question, and not for all together only. ``about``: of answers about a
    department (True), about none (False), or both.
    """

    name: str
    kind: Kind
    statistic: Statistic
    question: str
    items: bool = False
    about: bool | None = None


MORALE: tuple[MoraleIndicator, ...] = (
    MoraleIndicator(
        "favourable_ratio",
        Kind.answers,
        Statistic.favourable,
        "How many of the answers about working here are favourable, which is 4 or 5 of 5?",
        items=True,
        about=False,
    ),
    MoraleIndicator(
        "perception_favourable_ratio",
        Kind.answers,
        Statistic.favourable,
        "How many of the answers about another department are favourable, which is 4 or 5 of 5?",
        items=True,
        about=True,
    ),
    MoraleIndicator(
        "rating_favourable_ratio",
        Kind.ratings,
        Statistic.favourable,
        "How many of the ratings of solved cases are 4 or 5 of 5?",
    ),
    MoraleIndicator(
        "enps_points",
        Kind.answers,
        Statistic.enps,
        "How many more of a hundred would recommend us (9 or 10 of 10) than would not (0 to 6)?",
    ),
    MoraleIndicator(
        "response_ratio",
        Kind.answers,
        Statistic.response,
        "How many of those who could answer have answered?",
        about=False,
    ),
)


class Trend(StrEnum):
    """Against the wave before. ``no clear change``: the 95 % interval of the difference holds 0. ``unknown``: none is before."""

    improved = "improved"
    declined = "declined"
    no_clear_change = "no clear change"
    unknown = ""


class MoraleValue(Struct, frozen=True, kw_only=True):
    """What ``department``, with all below it, says ``about`` a department and all below that (empty: about none). ``department`` is
    empty for the whole organisation, ``item`` for all questions together. Of a wave ``window`` is empty, of a window ``wave``.

    ``n`` answers stand behind it (of all questions together: persons), or 0: fewer than five, or none; see :func:`shown`. ``low``
    and ``high`` bound it at 95 %. ``weighted``: as if each department had answered alike. ``change`` from the wave ``before``, with
    its bounds. ``closed``: when the newest batch in it did, ``age_weeks`` before the last week that is over at ``as_of``.
    ``invited``: of a response, out of how many; rounded.
    """

    indicator: str
    item: str
    department: str
    about: str
    window: str
    wave: str
    as_of: int
    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    weighted: float | None = None
    trend: Trend = Trend.unknown
    before: str = ""
    change: float | None = None
    change_low: float | None = None
    change_high: float | None = None
    closed: int | None = None
    age_weeks: int | None = None
    invited: int | None = None


def shown(n: int) -> str:
    """A number of persons or answers, as it is written wherever people see it."""
    return f"<{PERSONS}" if n < PERSONS else str(n)


def rounded_rate(n: int, of: int) -> float:
    """``n`` of ``of``, to :data:`STEP` points of a hundred; a half goes up."""
    steps = 100 // STEP
    return (2 * steps * n + of) // (2 * of) / steps


def rounded_people(n: int) -> int:
    """To :data:`STEP`; 0 for fewer than :data:`PERSONS`."""
    return 0 if n < PERSONS else (2 * n + STEP) // (2 * STEP) * STEP


def last_monday(instant: int) -> int:
    """When the last week that is over at ``instant`` was."""
    return (instant - MONDAY_US) // WEEK_US * WEEK_US + MONDAY_US

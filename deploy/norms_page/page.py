"""CONTRACT: what the page of a department says. The JSON file is this, and the HTML is written from this.

Durations are seconds of the department's opening time, instants are UTC; a share or a duration behind which fewer than
:data:`ENOUGH` cases stand has no value, and only says how many.
"""

from __future__ import annotations

from datetime import date, datetime

from msgspec import Struct

from deploy.numbers import ENOUGH
from streams.indicators import IndicatorValue
from streams.statistics import Percentile, wilson

SECOND_US = 1_000_000
INDEX = "index"
"""The page of all pages."""


class Share(Struct, frozen=True, kw_only=True):
    """``value`` of ``n``, within ``low`` and ``high`` at 95 %."""

    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, hits: int, n: int) -> Share:
        if n < ENOUGH:
            return cls(n=n)
        low, high = wilson(hits, n)
        return cls(n=n, value=hits / n, low=low, high=high)

    @classmethod
    def told(cls, said: IndicatorValue | None) -> Share | None:
        if said is None or said.value is None or said.n < ENOUGH:
            return None if said is None else cls(n=said.n)
        return cls(n=said.n, value=said.value, low=said.low, high=said.high)


class Time(Struct, frozen=True, kw_only=True):
    """``seconds``, or more where ``beyond``. An end that is None is not bounded."""

    n: int
    seconds: float | None = None
    low: float | None = None
    high: float | None = None
    beyond: bool = False

    @classmethod
    def of(cls, found: Percentile | None, n: int) -> Time:
        """Of microseconds."""
        if found is None or n < ENOUGH:
            return cls(n=n)
        low, high = (None if us is None else us / SECOND_US for us in (found.low, found.high))
        return cls(n=n, seconds=found.value / SECOND_US, low=low, high=high, beyond=found.beyond)

    @classmethod
    def told(cls, said: IndicatorValue | None) -> Time | None:
        if said is None or said.value is None or said.n < ENOUGH:
            return None if said is None else cls(n=said.n)
        return cls(n=said.n, seconds=said.value, low=said.low, high=said.high, beyond=said.beyond)


class Service(Struct, frozen=True):
    name: str
    description: str


class Contact(Struct, frozen=True):
    best: str
    link: str
    email: str
    phone: str
    meeting: str


class Opening(Struct, frozen=True):
    """Open from ``since`` until ``until``, within one local day."""

    since: datetime
    until: datetime


class Day(Struct, frozen=True):
    """A local day. ``note``: why it is not as usual, a holiday's name, say."""

    day: date
    openings: list[Opening]
    note: str


class Special(Struct, frozen=True):
    """A day that is not as usual; ``times`` is ``closed`` or local times."""

    day: date
    times: str
    note: str


class Hours(Struct, frozen=True, kw_only=True):
    """``week``: days in words and their local times; ``days``: those ahead, as they will be; ``special``: those that are not
    as usual, further ahead too. ``changes``: when other hours or promises come into force, as far as that is written.
    """

    zone: str
    always: bool
    week: list[tuple[str, str]]
    days: list[Day]
    special: list[Special]
    next_open: datetime | None
    changes: datetime | None


class Promised(Struct, frozen=True, kw_only=True):
    """A target in force. ``giver``: the department that hands over (empty: to requesters; ``*``: any); ``kept``: by the cases of
    the last 28 days that were judged by the same promise. None: it is not told.
    """

    giver: str
    giver_name: str
    services: list[str]
    priorities: list[str]
    written: str
    words: str
    aim: float | None
    kept: Share | None


class Turnaround(Struct, frozen=True, kw_only=True):
    """One kind of norm, and what was observed of it, whichever promise counted. None: it is not measured."""

    kind: str
    promised: list[Promised]
    attainment: Share | None
    p50: Time | None
    p90: Time | None


class Age(Struct, frozen=True, kw_only=True):
    """Of cases that had waited ``seconds`` (those that began at ``began``, if they began just now), ``n`` went on from there. What
    is left: half need no more than ``p50``, nine of ten no more than ``p90``.
    """

    seconds: float
    began: datetime
    n: int
    p50: Time
    p90: Time


class Line(Struct, frozen=True, kw_only=True):
    """Who waits for ``kind``: ``waiting`` now, and what is left for whom. Of a case that begins now, half are through at
    ``half_by`` and nine of ten at ``most_by``.
    """

    kind: str
    waiting: int | None
    half_by: datetime | None
    most_by: datetime | None
    ages: list[Age]


class Written(Struct, frozen=True, kw_only=True):
    """What norms files say of a department: also of one that is too small for a page of its own."""

    department: str
    name: str
    services: list[Service]
    contact: Contact | None
    hours: Hours
    promised: list[tuple[str, Promised]]
    """Kind and target."""


class Link(Struct, frozen=True):
    """Another page. ``file`` without its ending."""

    department: str
    name: str
    file: str


class Page(Struct, frozen=True, kw_only=True):
    """``as_of``: how far everything is known. ``since``: the observed 28 days begin behind it; None before anything was measured.

    ``honesty``: how often the promises on this page were kept. ``coverage``: how many cases were of a service that is on it.
    """

    department: str
    name: str
    organisation: str
    as_of: datetime
    since: datetime | None
    above: Link | None
    below: list[Link]
    small: list[Written]
    services: list[Service]
    contact: Contact | None
    hours: Hours
    turnaround: list[Turnaround]
    lines: list[Line]
    honesty: Share | None
    coverage: Share | None
    reply: str


def file_of(department: str) -> str:
    """The name of its files, without the ending. No id begins with ``_``, so nobody takes another's place."""
    return f"_{department}" if department == INDEX else department

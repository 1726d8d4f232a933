"""Business time: how much of a stretch of time was open, and when a target is due (METRICS 2.2).

Instants are UTC microseconds since 1970 and durations microseconds, both as int; business days are Fractions. Nothing here
is rounded, reads a clock or does I/O. A calendar keeps its openings as a cumulative table, so that business time is two
look-ups, whatever lies between:

            Mon 09─────17        Tue 09─────17        Wed
    worked      0 ──── 8h ────────── 8h ─── 16h ──────
                     ↑ cumulative is flat while closed, and rises by 1 µs per µs while open
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

from streams.schedule import DAY_MINUTES, FAR_AHEAD, LONG_AGO, US, Interval, Opening, Schedule, Span, business_days
from streams.target import Amount, Days, Hours, RoundTheClock

__all__ = [
    "ALWAYS",
    "US",
    "Calendar",
    "NeverOpen",
    "Schedule",
    "Span",
    "due_after",
    "due_instant",
    "elapsed",
    "used",
]

DAY = DAY_MINUTES * 60 * US
WEEK = 7 * DAY
PATIENCE = 10 * 366 * DAY
ORIGIN_YEAR, FIRST_YEAR, LAST_YEAR = 2020, 1900, 2300

Pauses = Iterable[tuple[int, int | None]]


class NeverOpen(ValueError):
    """A calendar that does not open again: nothing can ever be due on it."""


def _new_year(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * US


class Calendar:
    """Opening hours through time: of ``versions`` (valid from, schedule), ascending, the one in force counts at each instant.

    A first version that is valid from None holds for ever back; before one that is not, the calendar is closed. Instants
    from 1901 to 2300 are known, others raise ValueError. Years are tabulated when they are first asked for.
    """

    __slots__ = (
        "_always",
        "_base",
        "_cumulative",
        "_day_bounds",
        "_days",
        "_ends",
        "_from",
        "_last_due",
        "_openings",
        "_origin_day",
        "_starts",
        "_until",
        "_years",
    )

    def __init__(self, versions: Sequence[tuple[int | None, Schedule]]) -> None:
        if not versions:
            raise ValueError("a calendar without a schedule: give at least one version")
        froms = [LONG_AGO if valid_from is None else valid_from for valid_from, _ in versions]
        if any(later <= earlier for earlier, later in pairwise(froms)):
            raise ValueError("two versions of a calendar are not ascending: give each its own valid_from, in order")
        self._openings = [
            Opening(schedule, since, until)
            for (_, schedule), since, until in zip(versions, froms, [*froms[1:], FAR_AHEAD], strict=True)
        ]
        self._always = froms[0] == LONG_AGO and all(schedule.always for _, schedule in versions)
        self._days: list[list[Interval]] = []
        self._last_due = (LONG_AGO, Fraction(0), LONG_AGO)
        self._origin_day = 0
        self._years = range(ORIGIN_YEAR, ORIGIN_YEAR)
        self._tabulate()

    def worked(self, a: int, b: int) -> int:
        """Open time in [a, b), in µs; 0 where b ≤ a."""
        if b <= a:
            return 0
        if self._always:
            return b - a
        if a < self._from or b >= self._until:
            self._cover(a)
            self._cover(b)
        # As :meth:`_worked_by` has it, twice: without the calls.
        starts, ends, base = self._starts, self._ends, self._base
        i = bisect_right(starts, a) - 1
        j = bisect_right(starts, b, i) - 1
        left, right = ends[i], ends[j]
        return base[j] + (b if b < right else right) - base[i] - (a if a < left else left)

    def cumulative(self, t: int) -> int:
        """Monotone: ``worked(a, b) == cumulative(b) - cumulative(a)``. Its zero is the same in every process."""
        return t if self._always else self._worked_by(t)

    def due(self, start: int, working: int) -> int:
        """The first instant from ``start`` on by which ``working`` µs were open. Raises :class:`NeverOpen`."""
        if working < 0:
            raise ValueError(f"a working time of {working} µs: it cannot be negative")
        if working == 0:
            return start
        return start + working if self._always else self._instant(self._worked_by(start) + working, start)

    def days(self, a: int, b: int) -> Fraction:
        """Business days in [a, b): of each local day the fraction of its own open time that is covered; 0 where b ≤ a."""
        return Fraction(*self.days_in_integers(a, b))

    def days_in_integers(self, a: int, b: int) -> tuple[int, int]:
        """:meth:`days` as a numerator and a denominator, not reduced: several times as fast."""
        if b <= a:
            return 0, 1
        since, left, length = self._day_at(a)
        until, into, whole = self._day_at(b)
        if since == until:
            return into - left, length
        return ((until - since) * whole + into) * length - left * whole, whole * length

    def due_days(self, start: int, days: Fraction) -> int:
        """The first instant from ``start`` on by which ``days`` have passed. Raises :class:`NeverOpen`."""
        asked, of, due = self._last_due  # several follow-ups begin in one instant
        if start == asked and days is of:
            return due
        wanted, unit = days.numerator, days.denominator
        if wanted <= 0:
            if wanted < 0:
                raise ValueError(f"{days} business days: they cannot be negative")
            return start
        # In integers, since Fractions are slow: the days that have passed are ``gone / whole`` after the beginning of ``day``.
        day, into, length = self._day_at(start)
        whole = length * unit
        gone = into * unit + length * wanted
        before = (gone - 1) // whole  # whole days before the day on which it is due
        last = self._origin_day + day + before
        while len(self._day_bounds) <= last + 1:
            self._look_ahead(start)
        opens, closes = self._day_bounds[last], self._day_bounds[last + 1]
        due = self._instant(opens - (before * whole - gone) * (closes - opens) // whole, start)
        self._last_due = start, days, due
        return due

    def on_business_day(self, start: int, days: int, minute: int | None) -> int:
        """``minute`` of the local day (None: closing time) of the ``days``-th business day after the day of ``start``, in the zone
        of the schedule that is in force at ``start``. Raises :class:`NeverOpen`.
        """
        opening = next(opening for opening in self._openings if start < opening.until)
        today = opening.local_day(start)
        if self._always:
            return opening.instant(today + timedelta(days), DAY_MINUTES if minute is None else minute)
        self._cover(start)
        first = bisect_right(self._days, today, key=lambda day: opening.local_day(day[0][0]))
        while len(self._days) < first + days:
            self._look_ahead(start)
        day = self._days[first + days - 1]
        return day[-1][1] if minute is None else opening.instant(opening.local_day(day[0][0]), minute)

    def open_at(self, t: int) -> bool:
        if self._always:
            return True
        self._cover(t)
        return t < self._ends[bisect_right(self._starts, t) - 1]

    def next_open(self, t: int) -> int | None:
        """The first open instant from ``t`` on; None if the calendar does not open within ten years."""
        if self.open_at(t):
            return t
        try:
            while self._starts[-1] <= t:
                self._look_ahead(t)
        except NeverOpen:
            return None
        return self._starts[bisect_right(self._starts, t)]

    def intervals(self, a: int, b: int) -> Iterator[Interval]:
        """The open intervals within [a, b), in order; none touches the next."""
        if self._always or b <= a:
            yield from ((a, b),) if a < b else ()
            return
        self._cover(a)
        self._cover(b)
        opens = closes = a
        for i in range(bisect_right(self._starts, a) - 1, bisect_left(self._starts, b)):
            start, end = self._starts[i], min(self._ends[i], b)
            if start > closes:
                if opens < closes:
                    yield opens, closes
                opens = start
            closes = max(closes, end)
        if opens < closes:
            yield opens, closes

    def _worked_by(self, t: int) -> int:
        if not self._from <= t < self._until:
            self._cover(t)
        i = bisect_right(self._starts, t) - 1
        end = self._ends[i]
        return self._base[i] + (t if t < end else end)

    def _instant(self, cumulative: int, start: int) -> int:
        """The first instant at which that much has been open, looking ahead from ``start``."""
        while self._cumulative[-1] < cumulative:
            self._look_ahead(start)
        return cumulative - self._base[bisect_left(self._cumulative, cumulative)]

    def _day_at(self, t: int) -> tuple[int, int, int]:
        """The business day of ``t``, from the origin, how much of it was open by then, and how much of it is open in all."""
        worked = self._worked_by(t)
        day = bisect_right(self._day_bounds, worked) - 1
        if day + 1 == len(self._day_bounds):
            return day - self._origin_day, 0, 1
        opens = self._day_bounds[day]
        return day - self._origin_day, worked - opens, self._day_bounds[day + 1] - opens

    def _look_ahead(self, start: int) -> None:
        """Tabulate one more year, unless the calendar has been closed for ten since ``start``."""
        since = max(start, self._ends[-1])
        if self._until - since >= PATIENCE:
            raise NeverOpen(
                f"the calendar is closed for ten years from {datetime.fromtimestamp(since // US, UTC):%Y-%m-%d} on: "
                "give it opening hours, or an end to its closures"
            )
        self._cover(self._until)

    def _cover(self, t: int) -> None:
        """Tabulate all years from those that are, to that of ``t``."""
        if self._from <= t < self._until:
            return
        if not _new_year(FIRST_YEAR) + WEEK <= t < _new_year(LAST_YEAR + 1):
            raise ValueError(f"instant {t} µs: opening hours are known from {FIRST_YEAR + 1} to {LAST_YEAR} only")
        first = datetime.fromtimestamp((t - WEEK) // US, UTC).year
        last = datetime.fromtimestamp(t // US, UTC).year
        known, self._years = self._years, range(min(first, self._years.start), max(last + 1, self._years.stop))
        earlier = [day for year in range(self._years.start, known.start) for day in self._business_days(year)]
        later = [day for year in range(known.stop, self._years.stop) for day in self._business_days(year)]
        self._days = [*earlier, *self._days, *later]
        self._origin_day += len(earlier)
        self._tabulate()

    def _business_days(self, year: int) -> list[list[Interval]]:
        """The business days that open in that year of UTC. A week more is looked at, since days overlap and zones differ."""
        opens, closes = _new_year(year), _new_year(year + 1)
        days = business_days(self._openings, date(year - 1, 12, 25), date(year + 1, 1, 7))
        return [day for day in days if opens <= day[0][0] < closes]

    def _tabulate(self) -> None:
        """Rebuild the table; the first row is a closing long ago, so that every instant has a row before it."""
        worked = -sum(end - start for day in self._days[: self._origin_day] for start, end in day)
        self._starts, self._ends, self._base = [LONG_AGO], [LONG_AGO], [worked - LONG_AGO]
        self._cumulative, self._day_bounds = [worked], [worked]
        for day in self._days:
            for start, end in day:
                self._starts.append(start)
                self._ends.append(end)
                self._base.append(worked - start)
                worked += end - start
                self._cumulative.append(worked)
            self._day_bounds.append(worked)
        # A day that opened in the year before the first may last into it, though never for a week.
        self._from = _new_year(self._years.start) + WEEK
        self._until = _new_year(self._years.stop)


ALWAYS = Calendar([(None, Schedule("UTC", always=True))])


def used(calendar: Calendar, target: Amount, a: int, b: int) -> int | Fraction:
    """What [a, b) consumes of the target, in its own unit: µs, or business days."""
    if isinstance(target, Days):
        return calendar.days(a, b)
    return (calendar if isinstance(target, Hours) else ALWAYS).worked(a, b)


def due_after(calendar: Calendar, start: int, target: Amount, used: int | Fraction) -> int:
    """When the target is due if it runs again from ``start`` on, with ``used`` of it consumed before.

    Where nothing is left of it, that is ``start``: it was due when the last of it was consumed. Raises :class:`NeverOpen`.
    """
    if isinstance(target, Days):
        return calendar.due_days(start, max(target.days - used, Fraction(0)) if used else target.days)
    left = int(max(target.us - used, 0))
    return (calendar if isinstance(target, Hours) else ALWAYS).due(start, left)


def elapsed(calendar: Calendar, a: int, b: int, pauses: Pauses) -> int:
    """Open time in [a, b) outside the pauses, in µs."""
    return sum(calendar.worked(start, b if end is None else min(end, b)) for start, end in _running(a, pauses))


def due_instant(calendar: Calendar, start: int, target: Amount, pauses: Pauses) -> int | None:
    """The first instant from ``start`` on by which the target was consumed outside the pauses.

    None while a pause without an end keeps it open. Raises :class:`NeverOpen`.
    """
    if target in (Hours(0), RoundTheClock(0), Days(Fraction(0))):
        return start
    consumed: int | Fraction = 0
    for begin, end in _running(start, pauses):
        due = due_after(calendar, begin, target, consumed)
        if end is None or due <= end:
            return due
        consumed += used(calendar, target, begin, end)
    return None


def _running(start: int, pauses: Pauses) -> Iterator[tuple[int, int | None]]:
    """The stretches from ``start`` on that lie in none of the half-open pauses; the end of the last may be None."""
    for paused, resumed in sorted(pauses, key=lambda pause: pause[0]):
        if resumed is not None and resumed <= max(start, paused):
            continue
        if start < paused:
            yield start, paused
        if resumed is None:
            return
        start = resumed
    yield start, None

"""A simulated organisation: an endless helpdesk for demonstrations, tests and benchmarks. No credentials, no network.

The same seed gives the same events, byte for byte, and a longer run begins with the events of a shorter one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate
from typing import Any, TypedDict, Unpack
from zoneinfo import ZoneInfo

import msgspec

from ingest.event import Record, watermark
from ingest.simulation.account import US
from ingest.simulation.company import TIDEWELL
from ingest.simulation.description import company_file, norms_file
from ingest.simulation.feedback import Feedback, Week
from ingest.simulation.generated import company_of
from ingest.simulation.parts import DAY, HOUR, Company, Service, Unit
from ingest.simulation.story import Story
from ingest.simulation.truth import Run, Truth
from ingest.simulation.world import SOURCE, Row, World

START = date(2026, 1, 5)
CASES_PER_DAY = 105.0
MARK_BEFORE_EVENT = timedelta(seconds=60)
MARK_WHEN_IDLE = timedelta(minutes=10)
TICK = timedelta(microseconds=1)
WEEKDAYS = (1.2, 1.1, 1.0, 0.95, 0.75, 0.04, 0.03)
HOURS = (0, 0, 0, 0, 0, 0.05, 0.3, 0.8, 2, 4, 4.2, 3.4, 1.8, 2.6, 3.4, 3, 2, 1, 0.4, 0.2, 0.15, 0.1, 0.05, 0)
HOLIDAY = 0.03


class Options(TypedDict, total=False):
    """Which company, and which of its days: see :func:`simulate`."""

    start: date
    cases_per_day: float | None
    departments: int | None


def simulate(
    seed: int,
    days: int = 120,
    *,
    start: date = START,
    cases_per_day: float | None = None,
    departments: int | None = None,
    recorder: Truth | None = None,
) -> Iterator[Record]:
    """Everything that happens from ``start`` (0:00 UTC) on, for ``days`` days, ordered by (time, sequence, id).

    Watermarks of the source ``helpdesk`` lie between the events; no event follows that is at or below one, and the last one
    is the end of the last day. While the source is down it says nothing; when it is back, it tells what happened meanwhile
    case by case, and only then moves its watermark on. ``cases_per_day`` is the mean on an ordinary working day;
    ``departments`` asks for a company of that many (2 to 500) instead of the example company. What changes in a company has
    its date in 2026, whatever ``start``. ``recorder`` is filled on the way: it holds the truth when the records have ended.
    Raises ``ValueError`` at once for arguments that mean nothing.
    """
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise ValueError(f"seed must be a whole number such as 1, not {seed!r}")
    if not isinstance(days, int) or isinstance(days, bool) or days < 1:
        raise ValueError(f"days must be a whole number of at least 1, not {days!r}")
    company = company_of(seed, departments)
    usual = CASES_PER_DAY * len(company.units) / len(TIDEWELL.units)
    rate = usual if cases_per_day is None else float(cases_per_day)
    if not 0 < rate < 1e7:
        raise ValueError(f"cases_per_day must be above 0 and below ten million, not {cases_per_day!r}")
    if not date(1971, 1, 1) <= start <= date(2100, 1, 1) - timedelta(days=days):
        raise ValueError(f"start must be a date such that all days lie between 1971 and 2099, not {start}")
    end = ((start - date(1970, 1, 1)).days + days) * DAY
    world = World(seed, start, company, end if recorder is not None else 0)
    if recorder is not None:
        run = Run(seed, days, start.isoformat(), None if cases_per_day is None else float(cases_per_day), departments)
        recorder.begin(run, world.places, end * US - 1)
    return _Run(world, start, days, rate, recorder).records()


def simulate_with_feedback(
    seed: int, days: int = 120, *, recorder: Truth | None = None, **options: Unpack[Options]
) -> Iterator[Record | Week]:
    """The records of :func:`simulate`, and when a week is over, what people answered in it. A week that is not over when the time
    is, publishes nothing. ``recorder`` then knows what was answered, too. Raises as :func:`simulate`.
    """
    records = simulate(seed, days, recorder=recorder, **options)
    feedback = Feedback(seed, company_of(seed, options.get("departments")), options.get("start", START))
    return _heard(records, feedback, recorder)


def _heard(records: Iterator[Record], feedback: Feedback, recorder: Truth | None) -> Iterator[Record | Week]:
    for record in records:
        yield record
        yield from feedback.hear(record)
    if recorder is not None:
        recorder.heard = feedback.heard
        for value in feedback.measured(recorder.now):
            recorder.count(value)


def truth(seed: int, days: int = 120, **options: Unpack[Options]) -> Truth:
    """What has to be measured of :func:`simulate` with the same arguments, as of its last watermark."""
    found = Truth()
    for _ in simulate(seed, days, recorder=found, **options):
        pass
    return found


def example_configuration(seed: int = 1, departments: int | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """``company.yaml`` and ``norms.yaml`` of the company that :func:`simulate` tells of, as plain data."""
    company = company_of(seed, departments)
    return company_file(company), norms_file(company)


class _Run:
    """One run of a world, day by day: what is yet to come is all that is kept."""

    def __init__(self, world: World, start: date, days: int, rate: float, truth: Truth | None) -> None:
        self.world, self.start, self.days, self.truth = world, start, days, truth
        self.demand = _Demand(world.company, world, rate)
        self.mark = datetime.combine(start, time(), UTC) - TICK
        self.outages = [(_at(since), _at(back)) for since, back in world.company.outages]

    def records(self) -> Iterator[Record]:
        for day in (self.start + timedelta(days=n) for n in range(self.days)):
            number = (day - date(1970, 1, 1)).days
            self.world.new_day(day)
            self.demand.open_cases(day, number)
            self._tell_truth()
            rows = self.world.agenda.pop(number, [])
            rows.sort()
            yield from self._of_day(rows)
        yield from self._marks(datetime.combine(self.start + timedelta(days=self.days), time(), UTC) - TICK)

    def _of_day(self, rows: list[Row]) -> Iterator[Record]:
        late: list[Row] = []
        for row in rows:
            at = row[3].time
            down = next((until for since, until in self.outages if since <= at < until), None)
            if down is not None:
                late.append(row)
                continue
            if at - self.mark >= MARK_BEFORE_EVENT:
                yield from self._catch_up(late)
                yield from self._marks(at - TICK)
            yield row[3]
        yield from self._catch_up(late)

    def _marks(self, until: datetime) -> Iterator[Record]:
        """Watermarks up to ``until``, but none while the source is down."""
        while self.mark < until:
            self.mark = min(self.mark + MARK_WHEN_IDLE, until)
            self.mark = next((back - TICK for down, back in self.outages if down <= self.mark < back), self.mark)
            yield watermark(SOURCE, self.mark)

    def _catch_up(self, late: list[Row]) -> Iterator[Record]:
        """What happened while the source was down, case by case."""
        if late:
            back = next(until for since, until in self.outages if since <= late[0][3].time < until)
            late.sort(key=lambda row: (row[3].subject, row[:3]))
            for n, (_, _, _, event) in enumerate(late):
                yield msgspec.structs.replace(event, observedtime=back + n * TICK)
            late.clear()

    def _tell_truth(self) -> None:
        if self.truth is not None:
            for account in self.world.told:
                self.truth.add(account)
        self.world.told.clear()


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class _Demand:
    """Who asks for what, and when: the hours of each zone's day and week."""

    def __init__(self, company: Company, world: World, rate: float) -> None:
        self.units, self.services, self.world, self.rate = company.units, company.services, world, rate
        self.total = sum(unit.weight for unit in company.units)

    def open_cases(self, day: date, number: int) -> None:
        """All cases that are asked for on a day of UTC, each told to its end."""
        world = self.world
        rng = world.rng
        cells = [(unit, hour) for unit in self.units for hour in range(24)]
        weights = [self._demand(unit, day, hour) for unit, hour in cells]
        expected = self.rate * sum(weights)
        wanted = list(accumulate(_weight(service, day) for service in self.services))
        count = max(0, round(rng.gauss(expected, expected**0.5)))
        for unit, hour in rng.choices(cells, weights, k=count):
            service = rng.choices(self.services, cum_weights=wanted)[0]
            while service.department == unit.department:  # nobody asks their own
                service = rng.choices(self.services, cum_weights=wanted)[0]
            now = number * DAY + hour * HOUR + rng.randrange(HOUR)
            Story(world, unit, rng.choice(world.people[unit.name]), service, now).tell()

    def _demand(self, unit: Unit, day: date, hour: int) -> float:
        """The share of an ordinary working day's cases that ``unit`` asks for in an hour of UTC."""
        local = datetime.combine(day, time(hour, 30), UTC).astimezone(ZoneInfo(unit.office.zone))
        share = unit.weight / self.total * WEEKDAYS[local.weekday()] * HOURS[local.hour] / sum(HOURS)
        opens = local.weekday() > 4 or self.world.openings[unit.name].works_on(local.date())
        return share if opens else share * HOLIDAY


def _weight(service: Service, day: date) -> float:
    """Some things are asked for at the month's end."""
    days, factor = service.month
    return service.weight * (factor if day.day in days else 1.0)

"""A simulated organisation: an endless helpdesk for demonstrations, tests and benchmarks. No credentials, no network.

The same seed gives the same events, byte for byte, and a longer run begins with the events of a shorter one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

from ingest.event import Actor, Record, Watermark, WatermarkData, event_id
from ingest.simulation.case import SOURCE
from ingest.simulation.company import DAY, HOUR, SERVICES, UNITS, Service, Unit
from ingest.simulation.story import Story
from ingest.simulation.world import World

CASES_PER_DAY = 105.0
MARK_BEFORE_EVENT = timedelta(seconds=60)
MARK_WHEN_IDLE = timedelta(minutes=10)
TICK = timedelta(microseconds=1)
WEEKDAYS = (1.2, 1.1, 1.0, 0.95, 0.75, 0.04, 0.03)
HOURS = (0, 0, 0, 0, 0, 0.05, 0.3, 0.8, 2, 4, 4.2, 3.4, 1.8, 2.6, 3.4, 3, 2, 1, 0.4, 0.2, 0.15, 0.1, 0.05, 0)
HOLIDAY = 0.03


def simulate(
    seed: int, days: int = 120, *, start: date = date(2026, 1, 5), cases_per_day: float | None = None
) -> Iterator[Record]:
    """Everything that happens from ``start`` (0:00 UTC) on, for ``days`` days, ordered by (time, sequence, id).

    Watermarks of the source ``helpdesk`` lie between the events; no event follows that is at or below one, and the last one
    is the end of the last day. ``cases_per_day`` is the mean on an ordinary working day.
    Raises ``ValueError`` at once for arguments that mean nothing.
    """
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise ValueError(f"seed must be a whole number such as 1, not {seed!r}")
    if not isinstance(days, int) or isinstance(days, bool) or days < 1:
        raise ValueError(f"days must be a whole number of at least 1, not {days!r}")
    rate = CASES_PER_DAY if cases_per_day is None else float(cases_per_day)
    if not 0 < rate < 1e7:
        raise ValueError(f"cases_per_day must be above 0 and below ten million, not {cases_per_day!r}")
    if not date(1971, 1, 1) <= start <= date(2100, 1, 1) - timedelta(days=days):
        raise ValueError(f"start must be a date such that all days lie between 1971 and 2099, not {start}")
    return _run(World(seed, start), start, days, rate)


def _run(world: World, start: date, days: int, rate: float) -> Iterator[Record]:
    mark = datetime.combine(start, time(), UTC) - TICK
    for day in (start + timedelta(days=n) for n in range(days)):
        number = (day - date(1970, 1, 1)).days
        world.new_day(day.weekday())
        _open_cases(world, day, number, rate)
        rows = world.agenda.pop(number, [])
        rows.sort()
        for _, _, _, event in rows:
            if event.time - mark >= MARK_BEFORE_EVENT:
                before = event.time - TICK
                while before - mark > MARK_WHEN_IDLE:
                    mark += MARK_WHEN_IDLE
                    yield _watermark(mark)
                mark = before
                yield _watermark(mark)
            yield event
    end = datetime.combine(start + timedelta(days=days), time(), UTC) - TICK
    while mark < end:
        mark = min(mark + MARK_WHEN_IDLE, end)
        yield _watermark(mark)


def _watermark(until: datetime) -> Watermark:
    return Watermark(
        id=event_id(SOURCE, f"watermark|{until}"),
        source=SOURCE,
        subject=SOURCE,
        time=until,
        specversion="1.0",
        actor=Actor.system,
        data=WatermarkData(until=until),
    )


def _open_cases(world: World, day: date, number: int, rate: float) -> None:
    """All cases that are asked for on a day of UTC, each told to its end."""
    rng = world.rng
    cells = [(unit, hour) for unit in UNITS for hour in range(24)]
    weights = [_demand(world, unit, day, hour) for unit, hour in cells]
    expected = rate * sum(weights)
    services = [_service_weights(unit, day) for unit in UNITS]
    of_unit = dict(zip((unit.name for unit in UNITS), services, strict=True))
    count = max(0, round(rng.gauss(expected, expected**0.5)))
    for unit, hour in rng.choices(cells, weights, k=count):
        service = rng.choices(SERVICES, cum_weights=of_unit[unit.name])[0]
        now = number * DAY + hour * HOUR + rng.randrange(HOUR)
        Story(world, unit, rng.choice(unit.people), service, now).tell()


def _demand(world: World, unit: Unit, day: date, hour: int) -> float:
    """The share of an ordinary working day's cases that ``unit`` asks for in an hour of UTC: its zone's day and week."""
    local = datetime.combine(day, time(hour, 30), UTC).astimezone(ZoneInfo(unit.office.zone))
    share = unit.weight / _TOTAL * WEEKDAYS[local.weekday()] * HOURS[local.hour] / sum(HOURS)
    opens = local.weekday() > 4 or world.openings[unit.name].works_on(local.date())
    return share if opens else share * HOLIDAY


def _service_weights(unit: Unit, day: date) -> list[float]:
    """Nobody asks their own department, and some things are asked for at the month's end."""
    return list(accumulate(_weight(service, unit, day) for service in SERVICES))


def _weight(service: Service, unit: Unit, day: date) -> float:
    if service.department == unit.department:
        return 0.0
    days, factor = service.month
    return service.weight * (factor if day.day in days else 1.0)


_TOTAL = sum(unit.weight for unit in UNITS)

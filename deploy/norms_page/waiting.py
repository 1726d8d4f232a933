"""Where a case stands in the queue: what is left for it, given how long it has waited already (Kaplan–Meier)."""

from __future__ import annotations

from datetime import datetime

from deploy.norms_page.observed import Durations, Observed, Told
from deploy.norms_page.page import SECOND_US, Age, Line, Time
from deploy.numbers import ENOUGH
from ingest.event import instant as instant_of
from streams.hours import Calendar, NeverOpen

KINDS = ("first_response", "resolution")
HOUR_US = 3600 * SECOND_US
AGES_US = tuple(HOUR_US * hours for hours in (0, 1, 2, 4, 8, 16, 24, 40, 80))
LOOK_BACK_US = 28 * 24 * HOUR_US


def line_of(kind: str, department: str, told: Told, observed: Observed, calendar: Calendar) -> Line:
    durations, now = observed.durations(department, kind), observed.as_of
    running = told.get(kind, "running_facts", department=department)
    ages = [age for us in AGES_US if (age := age_of(durations, us, calendar, now)) is not None]
    first = ages[0] if ages else None
    return Line(
        kind=kind,
        waiting=None if running is None or running.value is None else round(running.value),
        half_by=None if first is None else by(calendar, now, first.p50),
        most_by=None if first is None else by(calendar, now, first.p90),
        ages=ages,
    )


def age_of(durations: Durations, age: int, calendar: Calendar, now: int) -> Age | None:
    """None where too few went on that long, or no case of that age is younger than four weeks."""
    survival, opened = durations.survival(age), calendar.worked(now - LOOK_BACK_US, now)
    if survival.n < ENOUGH or opened < age:
        return None
    p50, p90 = (Time.of(survival.percentile(share), survival.n) for share in (0.5, 0.9))
    began = calendar.due(now - LOOK_BACK_US, opened - age) if age else now
    return Age(seconds=age / SECOND_US, began=instant_of(began), n=survival.n, p50=p50, p90=p90)


def by(calendar: Calendar, now: int, left: Time) -> datetime | None:
    """When so much opening time has passed from ``now`` on; None where nobody can say."""
    if left.seconds is None or left.beyond:
        return None
    try:
        return instant_of(calendar.due(now, round(left.seconds * SECOND_US)))
    except NeverOpen:
        return None

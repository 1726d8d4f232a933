"""What the second computation cannot take from facts: departments, opening hours and the tree, written out as rows of the store.

The sinks know nothing of calendars and the streams nothing of tables, so this lies between them.
"""

from __future__ import annotations

from collections.abc import Iterator

from sinks.store import CalendarTime, Department, DepartmentDepth, DepartmentLine, StaffRow, Store
from streams.company import ANYBODY
from streams.configuration import Configuration
from streams.hours import Calendar

LONG_AGO = 0
"""1970: the store's instants begin there."""


def write_hours_and_tree(store: Store, configuration: Configuration, since: int, until: int) -> None:
    """What the second computation needs of ``configuration``, whenever that is new, or time approaches ``until``.

    Each time from before the first clock that runs: what is written of one version must leave no gap in time.
    """
    store.write_calendar_time(list(calendar_rows(configuration, since, until)), configuration.version)
    write_tree(store, configuration)


def write_tree(store: Store, configuration: Configuration) -> None:
    """Where departments lie, and what is counted of their people, whenever ``configuration`` is new."""
    store.write_department_depths(list(depth_rows(configuration)), configuration.version)
    store.write_department_lines(list(line_rows(configuration)), configuration.version)
    store.write_staff([StaffRow(*block) for block in configuration.files.staff], configuration.version)


def store_departments(store: Store, configuration: Configuration, at: int) -> None:
    """Who they are at the instant ``at`` (µs), and where they lie in the tree."""
    store.write_departments(departments_of(configuration, at), configuration.version)
    write_tree(store, configuration)


def departments_of(configuration: Configuration, at: int) -> list[Department]:
    """The departments of a version at the instant ``at`` (µs), as the store keeps them."""
    levels = configuration.levels
    rows = []
    for id in configuration.departments:
        depth = configuration.depth(id, at)
        parent = configuration.path(id, at)[min(depth, levels) - 1] if depth else ""
        heads, hidden = configuration.head_count(id, at) or 0, id in configuration.hidden(at)
        rows.append(Department(id, configuration.name(id), parent, depth, heads, hidden))
    return rows


def calendar_rows(configuration: Configuration, since: int, until: int) -> Iterator[CalendarTime]:
    """Business time from ``since`` to ``until`` (microseconds): of every department, and of whoever has no calendar."""
    for department in (ANYBODY, *dict.fromkeys((*configuration.departments, *configuration.norms.versions))):
        calendar = configuration.calendar(department)
        for instant in edges(calendar, since, until):
            yield CalendarTime(department, instant, calendar.cumulative(instant))


def depth_rows(configuration: Configuration) -> Iterator[DepartmentDepth]:
    """How deep each department lies and whether it is hidden, whenever that changes."""
    for department in configuration.departments:
        known: tuple[int, bool] | None = None
        for since in (LONG_AGO, *configuration.turns):
            found = (configuration.depth(department, since), department in configuration.hidden(since))
            if found != known and since >= LONG_AGO:
                yield DepartmentDepth(department, since, *found)
                known = found


def line_rows(configuration: Configuration) -> Iterator[DepartmentLine]:
    """The whole tree, whenever that changes."""
    company = configuration.company
    for since in (LONG_AGO, *(at for at in company.reorganisations if at > LONG_AGO)):
        yield DepartmentLine("", since, [], company.head_count("", since), {})
        for department in configuration.departments:
            yield DepartmentLine(
                department,
                since,
                company.line(department, since),
                company.head_count(department, since),
                dict(company.sites(department)),
            )


def edges(calendar: Calendar, since: int, until: int) -> list[int]:
    """Both ends, and all openings and closings between them."""
    return sorted({since, until, *(edge for opening in calendar.intervals(since, until) for edge in opening)})

"""Norms, compiled: who promised what, when, to whom and for which cases; and the calendars that follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

from streams.company import ANYBODY, Company
from streams.dated import FOR_EVER, Dated, instant
from streams.hours import Calendar, Schedule
from streams.norm_entry import BY_GIVER, ExceptionEntry, NormEntry, NormsFile, OnChange, Rule
from streams.opening import schedule
from streams.target import HOUR, Target, parse_target


@dataclass(frozen=True, slots=True)
class Norm:
    """One promise. ``name`` is stable: ``it/first_response@2026-01-01``, ``it/acceptance/finance``,
    ``it/resolution:service=Laptop:priority=high``; ``written`` is the target as text. ``attainment``: the share of cases in
    which the department means to keep it.
    """

    name: str
    target: Target
    written: str
    attainment: float | None = None
    on_change: OnChange = OnChange.retroactive


class ForSome(NamedTuple):
    """A norm for some cases only: empty sets are all. Of :attr:`Promises.some` the first that fits counts."""

    services: frozenset[str]
    priorities: frozenset[str]
    norm: Norm

    def fits(self, service: str, priority: str) -> bool:
        return (not self.services or service in self.services) and (not self.priorities or priority in self.priorities)


@dataclass(frozen=True, slots=True)
class Promises:
    """What is promised of one kind to one giver: for ``some`` cases, the most specific first, and for ``all`` others."""

    all: Norm | None = None
    some: tuple[ForSome, ...] = ()

    def of(self, service: str, priority: str) -> Norm | None:
        if self.some:
            service, priority = service.casefold(), priority.casefold()
            for one in self.some:
                if one.fits(service, priority):
                    return one.norm
        return self.all

    def each(self) -> Iterator[Norm]:
        yield from (one.norm for one in self.some)
        if self.all is not None:
            yield self.all


NOTHING = Promises()


@dataclass(frozen=True, slots=True)
class Version:
    """What a department promises from one instant on; ``norms`` by (kind, giver)."""

    schedule: Schedule
    norms: Mapping[tuple[str, str], Promises]


UNEXPLAINED = Fraction(1)
"""So many business days a pause may last without a reason."""


class Excuse(NamedTuple):
    """An exception in the norms, in UTC µs; no ``departments``: all."""

    since: int
    until: int
    name: str
    departments: frozenset[str]


class _Calendars(dict[str, Calendar]):
    """By department. It is asked so often that another call around it would be seen."""

    def __init__(self, known: Mapping[str, Calendar], default: Calendar) -> None:
        super().__init__(known)
        self.default = default

    def __missing__(self, department: str) -> Calendar:
        return self.default


class Norms:
    """All norms files, compiled: look-ups by instant (UTC µs), and one calendar for each department."""

    def __init__(self, company: Company, files: Iterable[NormsFile]) -> None:
        self._company, files = company, tuple(files)
        self.excuses = sorted(excuse(company, entry) for file in files for entry in file.exceptions)
        entries: dict[str, list[tuple[int, Version | None]]] = {}
        for entry in (entry for file in files for entry in file.norms):
            entries.setdefault(entry.department, []).append(
                (valid_from(company, entry), Version(opening(company, entry), _norms(entry)))
            )
        self.versions: Mapping[str, Dated[Version | None]] = {
            department: Dated(versions, before=None) for department, versions in entries.items()
        }
        promised = (p for found in self.versions.values() for _, v in found if v is not None for p in v.norms.values())
        self._by_name = {norm.name: norm for promises in promised for norm in promises.each()}
        self.default = Calendar(((None, default_schedule(company)),))
        shared: dict[tuple[tuple[int | None, Schedule], ...], Calendar] = {}
        self.calendars: dict[str, Calendar] = {}
        for department in (*company.entries, *self.versions):
            schedules = self._schedules(department)
            self.calendars[department] = shared.setdefault(schedules, Calendar(schedules))
        self.calendar: Callable[[str], Calendar] = _Calendars(self.calendars, self.default).__getitem__
        """A department's hours over time; the organisation's for whatever has none."""

    def norm(
        self, kind: str, department: str, counterpart: str, at: int, service: str = "", priority: str = ""
    ) -> Norm | None:
        """What ``department`` promised at ``at``. Between departments: to ``counterpart``, else to what is above it, else to
        anybody; to requesters: the most specific for the service and priority.
        """
        versions = self.versions.get(department)
        version = None if versions is None else versions.at(at)
        if version is None:
            return None
        if kind not in BY_GIVER:
            return version.norms.get((kind, ""), NOTHING).of(service, priority)
        for giver in (*reversed(self._company.line(counterpart, at)), ANYBODY):
            if found := version.norms.get((kind, giver)):
                return found.all
        return None

    def excused(self, department: str, since: int, until: int) -> str:
        """What excuses a promise of that time from being kept; empty: nothing."""
        for one in self.excuses:
            whose = not one.departments or one.departments.intersection(self._company.line(department, since))
            if one.since < until and since < one.until and whose:
                return one.name
        return ""

    def lapse(self, department: str, since: int) -> int:
        """When a pause ends for which nobody gave a reason (METRICS 2.10)."""
        return self.calendar(department).due_days(since, UNEXPLAINED)

    def courteous(self, department: str, since: int, until: int) -> bool:
        """Whether a case that nobody worked on was open for so short a time that it was reopened out of courtesy."""
        return self.calendar(department).worked(since, until) <= HOUR

    def named(self, name: str) -> Norm | None:
        """The norm that facts call so."""
        return self._by_name.get(name)

    def _schedules(self, department: str) -> tuple[tuple[int | None, Schedule], ...]:
        """The department's versions one after the other; the organisation's hours before the first."""
        versions = [
            (at, v.schedule) for at, v in self.versions.get(department, Dated((), before=None)) if v is not None
        ]
        if not versions or versions[0][0] != FOR_EVER:
            versions.insert(0, (FOR_EVER, default_schedule(self._company, department)))
        return tuple((None if at == FOR_EVER else at, opened) for at, opened in versions)


def zone_of(company: Company, entry: NormEntry) -> str:
    """The norm's own zone, else its department's, else the organisation's."""
    return entry.zone or company.zone(entry.department)


def valid_from(company: Company, entry: NormEntry) -> int:
    return instant(entry.valid_from, zone_of(company, entry))


def excuse(company: Company, entry: ExceptionEntry) -> Excuse:
    since, until = (instant(at, company.file.zone) for at in (entry.since, entry.until))
    return Excuse(since, until, entry.name, frozenset(entry.departments))


def opening(company: Company, entry: NormEntry) -> Schedule:
    """The hours of a version; where it is silent, the company's."""
    holidays = company.file.holidays if entry.holidays is None else entry.holidays
    hours = company.file.hours if entry.hours is None else entry.hours
    return schedule(zone_of(company, entry), hours, holidays or (), entry.closures, entry.half_days)


def default_schedule(company: Company, department: str = "") -> Schedule:
    """The organisation's hours, in the department's zone."""
    file = company.file
    return schedule(company.zone(department), file.hours, file.holidays or ())


def _norms(entry: NormEntry) -> Mapping[tuple[str, str], Promises]:
    found: dict[tuple[str, str], Promises] = {}
    for kind, giver, rule in sorted(entry.rules(), key=lambda one: one[2].specificity, reverse=True):
        norm, known = _norm(entry, kind, giver, rule), found.get((kind, giver), NOTHING)
        if rule.service or rule.priority:
            some = ForSome(_folded(rule.service), _folded(rule.priority), norm)
            found[kind, giver] = replace(known, some=(*known.some, some))
        else:
            found[kind, giver] = replace(known, all=norm)
    return found


def _norm(entry: NormEntry, kind: str, giver: str, rule: Rule) -> Norm:
    target = parse_target(rule.target)
    whom = "/".join(filter(None, (entry.department, kind, giver)))
    classes = {"service": rule.service, "priority": rule.priority}
    scope = ":".join((whom, *(f"{name}={'+'.join(words)}" for name, words in classes.items() if words)))
    return Norm(
        name=scope + (f"@{entry.valid_from}" if entry.valid_from else ""),
        target=target,
        written=str(target),
        attainment=entry.attainment if rule.attainment is None else rule.attainment,
        on_change=rule.on_change or entry.on_change,
    )


def _folded(words: Iterable[str]) -> frozenset[str]:
    return frozenset(word.casefold() for word in words)

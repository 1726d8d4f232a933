"""Norms files: what departments have promised, by versions; and the calendars that follow from them.

A version is whole: what it does not say is not inherited from the version before it, but from the company file
(hours, holidays) or is no norm at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from streams.company import ANYBODY, Company, DepartmentId
from streams.dated import FOR_EVER, Dated, Since, ZoneName, instant
from streams.hours import Calendar, Schedule, Target, parse_target
from streams.opening import Closures, HalfDays, HolidayCodes, Hours, schedule
from streams.problems import Listed, Part, refuse

ACCEPTANCE = "acceptance"
KINDS = ("first_response", "next_response", "resolution", ACCEPTANCE)


def _target(text: str) -> str:
    try:
        parse_target(text)
    except ValueError as error:
        raise refuse(str(error)) from None
    return text


def _anybody(given: Any) -> Any:
    return {ANYBODY: given} if isinstance(given, str) else given


def _giver(text: str) -> str:
    if text != ANYBODY and text.startswith("_"):
        raise refuse(f"'{text}' is no department", f"name a department, or '{ANYBODY}' for all others")
    return text


TargetText = Annotated[str, AfterValidator(_target)]
ByGiver = Annotated[dict[Annotated[str, AfterValidator(_giver)], TargetText], BeforeValidator(_anybody)]


class NormEntry(Part):
    """One version of what one department promises. ``acceptance`` is by giving department, ``*`` for all others."""

    department: DepartmentId
    valid_from: Since | None = None
    zone: ZoneName | None = None
    hours: Hours | None = None
    holidays: HolidayCodes | None = None
    closures: Closures = ()
    half_days: HalfDays = Field(default_factory=dict)
    first_response: TargetText | None = None
    next_response: TargetText | None = None
    resolution: TargetText | None = None
    acceptance: ByGiver = Field(default_factory=dict)

    def targets(self) -> Iterator[tuple[tuple[str, str], str]]:
        """(kind, giver), where the giver is empty except for acceptance, and the target."""
        simple = {kind: getattr(self, kind) for kind in KINDS if kind != ACCEPTANCE}
        yield from (((kind, ""), text) for kind, text in simple.items() if text is not None)
        yield from (((ACCEPTANCE, giver), text) for giver, text in self.acceptance.items())


class NormsFile(Part):
    """``norms.yaml``, or one file in ``norms/``."""

    norms: Listed[NormEntry]


@dataclass(frozen=True, slots=True)
class Norm:
    """One promise. ``name`` is stable: ``it/first_response@2026-01-01``, ``it/acceptance/finance``; ``written`` is the target
    as text.
    """

    name: str
    target: Target
    written: str


@dataclass(frozen=True, slots=True)
class Version:
    """What a department promises from one instant on; ``norms`` by (kind, giver)."""

    schedule: Schedule
    norms: Mapping[tuple[str, str], Norm]


class Norms:
    """All norms files, compiled: look-ups by instant (UTC µs), and one calendar for each department."""

    def __init__(self, company: Company, files: Iterable[NormsFile]) -> None:
        self._company = company
        entries: dict[str, list[tuple[int, Version | None]]] = {}
        for entry in (entry for file in files for entry in file.norms):
            entries.setdefault(entry.department, []).append(
                (valid_from(company, entry), Version(opening(company, entry), _norms(entry)))
            )
        self.versions: Mapping[str, Dated[Version | None]] = {
            department: Dated(versions, before=None) for department, versions in entries.items()
        }
        self.default = Calendar(((None, default_schedule(company)),))
        shared: dict[tuple[tuple[int | None, Schedule], ...], Calendar] = {}
        self._calendars: dict[str, Calendar] = {}
        for department in (*company.entries, *self.versions):
            schedules = self._schedules(department)
            self._calendars[department] = shared.setdefault(schedules, Calendar(schedules))

    def calendar(self, department: str) -> Calendar:
        """Its hours over time; the organisation's for whatever has none."""
        return self._calendars.get(department, self.default)

    def norm(self, kind: str, department: str, counterpart: str, at: int) -> Norm | None:
        """What ``department`` promised at ``at``. ``acceptance``: to ``counterpart``, else to what is above it, else to anybody."""
        versions = self.versions.get(department)
        version = None if versions is None else versions.at(at)
        if version is None:
            return None
        if kind != ACCEPTANCE:
            return version.norms.get((kind, ""))
        for giver in (*reversed(self._company.line(counterpart, at)), ANYBODY):
            if norm := version.norms.get((kind, giver)):
                return norm
        return None

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


def opening(company: Company, entry: NormEntry) -> Schedule:
    """The hours of a version; where it is silent, the company's."""
    holidays = company.file.holidays if entry.holidays is None else entry.holidays
    hours = company.file.hours if entry.hours is None else entry.hours
    return schedule(zone_of(company, entry), hours, holidays or (), entry.closures, entry.half_days)


def default_schedule(company: Company, department: str = "") -> Schedule:
    """The organisation's hours, in the department's zone."""
    file = company.file
    return schedule(company.zone(department), file.hours, file.holidays or ())


def _norms(entry: NormEntry) -> Mapping[tuple[str, str], Norm]:
    since = f"@{entry.valid_from}" if entry.valid_from else ""
    targets = {key: parse_target(text) for key, text in entry.targets()}
    return {
        (kind, giver): Norm("/".join(filter(None, (entry.department, kind, giver))) + since, target, str(target))
        for (kind, giver), target in targets.items()
    }

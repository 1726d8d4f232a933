"""What other norms would change: the last days replayed under them and under what is in force. Nothing is changed by it.

In force is what judges now: every case by the version that was in force when its clock started. Planned is what the folder says
last of each department that it changes, as if that had been so the whole time; of the others nothing is replayed otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, time, timedelta
from fractions import Fraction
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from deploy.config_files import Loaded
from deploy.directory import of_log, with_people
from deploy.folder import Stopped
from deploy.log import Log
from deploy.norms_plan_fold import NOTHING, Kept, Scope, Stored, Times, Turned, differing, scopes, tally
from deploy.succession import Refused, successor, written_the_same
from ingest.event import EPOCH
from ingest.event import instant as instant_of
from streams.cases import META, Meta
from streams.configuration import Configuration, Files
from streams.dated import FOR_EVER, Dated, shown
from streams.lint import lint
from streams.norm_entry import KINDS, NormsFile
from streams.norms import Norm, Version, valid_from
from streams.problems import Problem, Severity

DAY_US = 86_400_000_000
WEEK = timedelta(days=7)
_US = timedelta(microseconds=1)


class Side(Struct, frozen=True):
    """How a norm was kept: ``target`` is None where it is not there. ``attainment`` is what the department means to reach.
    Of ``weeks`` in which anything was determined, those ``below`` it would have alerted.
    """

    target: str | None
    attainment: float | None
    met: int
    missed: int
    weeks: int
    below: list[str]

    @property
    def n(self) -> int:
        return self.met + self.missed

    @property
    def kept(self) -> float | None:
        return self.met / self.n if self.n else None


class Row(Struct, frozen=True):
    """One norm under both. ``turned``: the clocks that change."""

    norm: Scope
    in_force: Side
    planned: Side
    turned: Turned

    @property
    def differs(self) -> bool:
        return self.in_force != self.planned or self.turned != Turned()


class Change(Struct, frozen=True):
    """``valid_from``: from when on the department's norms would be others, in UTC µs; None: for ever back. ``first``: it had
    promised nothing. ``earlier``: until then, within the time replayed, other norms judged than those now in force.
    """

    department: str
    valid_from: int | None
    first: bool
    earlier: int | None


class Plan(Struct, frozen=True):
    """``refused``: why `apply` would not put it in force; empty: it would. ``problems``: warnings that what is in force has not.
    Clocks count that started after ``since``; ``until`` is how far all is known. Both are UTC µs.
    """

    version: int
    since: int
    until: int
    zone: str
    cases: int
    same: bool
    company_differs: bool
    changes: list[Change]
    rows: list[Row]
    problems: list[Problem]
    refused: list[Problem]


class _Sides(NamedTuple):
    """``after``: as the folder says it, with its dates; ``planned``: as it is replayed."""

    old: Configuration
    after: Configuration
    planned: Configuration


def plan(log: Log, loaded: Loaded, days: int) -> Plan:
    """Raises :class:`Stopped` where nothing is measured yet."""
    old, marks = _in_force(log), _marks(log)
    until = min(marks.values())
    files = with_people(loaded.configuration.files, of_log(log))
    after = Configuration(files.model_copy(update={"version": old.version + 1}))
    changed = differing(old, after)
    sides = _Sides(old, after, throughout(after, changed))
    zone = old.files.company.zone
    times = Times(until - days * DAY_US, weeks(until - days * DAY_US, until, zone))
    found = tally(stored(log, marks), old, sides.planned, times)
    before, becomes = (norms_at(config, until) for config in (old, sides.planned))
    rows = [
        Row(
            scope,
            _side(before.get(scope), found.old.get(scope, Kept()), times, zone),
            _side(becomes.get(scope), found.new.get(scope, Kept()), times, zone),
            found.turned.get(scope, Turned()),
        )
        for scope in sorted({*before, *becomes, *found.old, *found.new}, key=_order(after))
    ]
    return Plan(
        version=old.version,
        since=times.since,
        until=until,
        zone=zone,
        cases=found.cases,
        same=written_the_same(files, old),
        company_differs=files.company != old.files.company,
        changes=[_change(sides, department, at, times) for department, at in changed.items()],
        rows=rows,
        problems=_new_problems(old, loaded),
        refused=_refused(old, files, loaded, until),
    )


# -- what the log holds
def _in_force(log: Log) -> Configuration:
    versions = log.configurations()
    if not versions:
        raise Stopped(f"{log.name} has no norms yet: `crossdesk apply` puts the first in force")
    return Configuration.decode(versions[max(versions)])


def _marks(log: Log) -> Mapping[str, int]:
    meta = log.row_of_state("cases", META.encode())
    marks = msgspec.msgpack.decode(meta, type=Meta).marks if meta else {}
    if not marks:
        raise Stopped(f"{log.name} has nothing to replay: no source has said yet how far it is complete")
    return marks


def stored(log: Log, marks: Mapping[str, int]) -> Iterator[Stored]:
    """All cases of sources that have said how far they are complete, each with its records in order."""
    rows = log.db.execute(
        "SELECT key, value FROM events WHERE key <> '' AND generation IN (0, ?) ORDER BY key, offset", (log.generation,)
    )
    for case, some in groupby(rows, key=itemgetter(0)):
        now = marks.get(case.partition("/")[0])
        if now is not None:
            yield Stored(case, now, [value for _, value in some])


# -- what differs
def throughout(config: Configuration, departments: Mapping[str, object]) -> Configuration:
    """``config`` as if what it says last of ``departments`` had been so for ever."""
    entries = [entry for file in config.files.norms.values() for entry in file.norms]
    last = {entry.department: entry for entry in sorted(entries, key=lambda one: valid_from(config.company, one))}
    norms = {}
    for name, file in config.files.norms.items():
        kept = [
            entry.model_copy(update={"valid_from": None}) if entry.department in departments else entry
            for entry in file.norms
            if entry.department not in departments or entry is last[entry.department]
        ]
        norms[name] = NormsFile(norms=tuple(kept))
    return Configuration(config.files.model_copy(update={"norms": norms}))


def norms_at(config: Configuration, at: int) -> dict[Scope, Norm]:
    """What is promised at that instant."""
    names = scopes(config)
    found = (versions.at(at) for versions in config.norms.versions.values())
    norms = (norm for v in found if v is not None for promises in v.norms.values() for norm in promises.each())
    return {names[norm.name]: norm for norm in norms}


def _change(sides: _Sides, department: str, at: int, times: Times) -> Change:
    before = sides.old.norms.versions.get(department, NOTHING)
    starts = [start for start in before.starts if times.since < start]
    return Change(
        department,
        None if at == FOR_EVER else at,
        first=not _promises(before) and _promises(sides.after.norms.versions.get(department, NOTHING)),
        earlier=starts[-1] if starts else None,
    )


def _promises(versions: Dated[Version | None]) -> bool:
    return any(v is not None and v.norms for _, v in versions)


def _new_problems(old: Configuration, loaded: Loaded) -> list[Problem]:
    """Those that are not in what is in force, wherever there."""
    known = {problem.text for problem in lint(old.files.company, old.files.norms)}
    return [problem for problem in loaded.warnings if problem.text not in known]


def _refused(old: Configuration, files: Files, loaded: Loaded, watermark: int) -> list[Problem]:
    try:
        successor(old, files, lambda: watermark)
    except Refused as refused:
        return [p for p in loaded.located(refused.problems) if p.severity is Severity.error]
    return []


# -- how norms are kept
def weeks(since: int, until: int, zone: str) -> tuple[int, ...]:
    """The Mondays, 0:00 in that zone, of all weeks that have a part of that time; UTC µs."""
    first = instant_of(since).astimezone(ZoneInfo(zone)).date()
    day, found = first - timedelta(days=first.weekday()), list[int]()
    while not found or found[-1] <= until:
        found.append((datetime.combine(day, time(), ZoneInfo(zone)) - EPOCH) // _US)
        day += WEEK
    return tuple(found[:-1])


def _side(norm: Norm | None, kept: Kept, times: Times, zone: str) -> Side:
    aim = None if norm is None else norm.attainment
    below = [
        week for week, (met, missed) in sorted(kept.weeks.items()) if aim is not None and falls_short(met, missed, aim)
    ]
    return Side(
        target=None if norm is None else norm.written,
        attainment=aim,
        met=kept.met,
        missed=kept.missed,
        weeks=len(kept.weeks),
        below=[shown(times.weeks[week], zone) for week in below],
    )


def falls_short(met: int, missed: int, aim: float) -> bool:
    """Compared exactly: 999 of 1,000 are 99.9%."""
    return met < Fraction(aim).limit_denominator(100_000) * (met + missed)


def _order(config: Configuration) -> Callable[[Scope], tuple[object, ...]]:
    """As the company file names departments, and as norms files name kinds."""
    places = {department: n for n, department in enumerate(config.departments)}

    def place(scope: Scope) -> tuple[object, ...]:
        return places.get(scope.department, len(places)), scope.department, KINDS.index(scope.kind), scope.name

    return place

"""Cases folded under two configurations at once, and how their norms were kept under each: the arithmetic of a plan.

What was stored of a case is read once and folded twice. The log lets one process in, so that one reads, and hands cases to others.
"""

from __future__ import annotations

import multiprocessing
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

from msgspec import Struct

from deploy.explain import moments_of
from deploy.memory import collect_rarely
from streams.clock import Context
from streams.configuration import Configuration, Files, encode
from streams.dated import Dated
from streams.fact import MET, MISSED
from streams.fold import fold_whole
from streams.hours import Calendar
from streams.norms import Norm, Version, valid_from
from streams.picture import retracted
from streams.timeline import Moment

CHUNK = 100
"""Cases that are handed over together."""
FEW = 1_000
"""So many cases are folded here: other processes would take longer to start."""
MOST_PROCESSES = 4
NOTHING: Dated[Version | None] = Dated((), before=None)
"""What departments have that no norms file names."""


class Stored(NamedTuple):
    """All records of a case, and the watermark of its source."""

    case: str
    now: int
    records: Sequence[bytes]


class Scope(NamedTuple):
    """What stays the same of a norm from version to version. ``giver`` is empty except between departments; ``name`` is the norm's
    own, without the date of its version.
    """

    department: str
    kind: str
    giver: str
    name: str


class Times(NamedTuple):
    """Clocks count that started after ``since``; ``weeks`` are the instants at which weeks begin, in order."""

    since: int
    weeks: tuple[int, ...]

    def week(self, at: int) -> int:
        return max(bisect_right(self.weeks, at) - 1, 0)


class Verdict(NamedTuple):
    """What became of one clock that a norm judged."""

    scope: Scope
    met: bool
    counts_at: int


Clock = tuple[str, bytes, str]
"""What names a clock under either configuration: measure, opener, department."""


class Kept(Struct):
    """How often a norm was kept, in all and by the number of the week in which that was determined: ``[met, missed]`` each."""

    met: int = 0
    missed: int = 0
    weeks: dict[int, list[int]] = {}

    def count(self, met: bool, week: int) -> None:
        self.met, self.missed = self.met + met, self.missed + (not met)
        self.weeks.setdefault(week, [0, 0])[not met] += 1

    def add(self, other: Kept) -> None:
        self.met, self.missed = self.met + other.met, self.missed + other.missed
        for week, (met, missed) in other.weeks.items():
            mine = self.weeks.setdefault(week, [0, 0])
            mine[0], mine[1] = mine[0] + met, mine[1] + missed


class Turned(Struct):
    """Clocks about which the two say something else. ``gained`` and ``lost``: only the one or the other judges them."""

    now_missed: int = 0
    now_met: int = 0
    gained: int = 0
    lost: int = 0

    def add(self, other: Turned) -> None:
        self.now_missed += other.now_missed
        self.now_met += other.now_met
        self.gained += other.gained
        self.lost += other.lost


class Tally(Struct):
    """``cases`` have a clock that counts; ``old`` and ``new`` are by the norm that judges under each configuration, ``turned`` by
    the new one, or where there is none by the old.
    """

    cases: int = 0
    old: dict[Scope, Kept] = {}
    new: dict[Scope, Kept] = {}
    turned: dict[Scope, Turned] = {}

    def add(self, other: Tally) -> None:
        self.cases += other.cases
        for mine, others in ((self.old, other.old), (self.new, other.new)):
            for scope, kept in others.items():
                mine.setdefault(scope, Kept()).add(kept)
        for scope, turned in other.turned.items():
            self.turned.setdefault(scope, Turned()).add(turned)


def scopes(config: Configuration) -> dict[str, Scope]:
    """Of the names that facts give to norms."""
    found = {}
    for entry in (entry for file in config.files.norms.values() for entry in file.norms):
        version = config.norms.versions[entry.department].at(valid_from(config.company, entry))
        ending = f"@{entry.valid_from}" if entry.valid_from else ""
        for (kind, giver), promises in version.norms.items() if version else ():
            for norm in promises.each():
                found[norm.name] = Scope(entry.department, kind, giver, norm.name.removesuffix(ending))
    return found


class Noted(Configuration):
    """Notes whose hours and norms are asked for: where two configurations have the same company, a fold that asks for nothing in
    which they differ says the same under both.
    """

    def __init__(self, files: Files) -> None:
        super().__init__(files)
        calendar, norm = self.norms.calendar, self.norms.norm
        asked = self.asked = set[str]()

        def noted_calendar(department: str) -> Calendar:
            asked.add(department)
            return calendar(department)

        def noted_norm(
            kind: str, department: str, counterpart: str, at: int, service: str = "", priority: str = ""
        ) -> Norm | None:
            asked.add(department)
            return norm(kind, department, counterpart, at, service, priority)

        self.calendar, self.norm = noted_calendar, noted_norm


def differing(old: Configuration, new: Configuration) -> dict[str, int]:
    """The departments whose hours or norms differ, and from when on (UTC µs)."""
    found = {}
    for department in dict.fromkeys((*new.norms.versions, *old.norms.versions)):
        before, after = (config.norms.versions.get(department, NOTHING) for config in (old, new))
        if (at := before.first_difference(after)) is not None:
            found[department] = at
    return found


class Folding:
    """Folds cases under ``old`` and ``new``."""

    def __init__(self, old: Configuration, new: Configuration, times: Times) -> None:
        self.times, self.old, self.new = times, Noted(old.files), new
        self.old_scopes, self.new_scopes = scopes(old), scopes(new)
        moves = {*old.company.reorganisations, *new.company.reorganisations}
        self.moves = any(at > times.since for at in moves)
        one_company = (old.files.company, old.files.directory) == (new.files.company, new.files.directory)
        self.differing = frozenset(differing(old, new)) if one_company else None

    def tally(self, cases: Iterable[Stored]) -> Tally:
        found = Tally()
        for case in cases:
            self._count(case, found)
        return found

    def _count(self, case: Stored, found: Tally) -> None:
        moments = moments_of(case.records, case.now)
        if not moments or (moments[-1].time <= self.times.since and not self.moves):
            return  # only an event starts a clock, or a move of who has the case
        self.old.asked.clear()
        old, counts = self._judged(case, moments, self.old, self.old_scopes)
        if self.differing is None or self.old.asked & self.differing:
            new, counts_now = self._judged(case, moments, self.new, self.new_scopes)
            counts = counts or counts_now
        else:
            new = old
        found.cases += counts
        for judged, kept in ((old, found.old), (new, found.new)):
            for verdict in judged.values():
                week = self.times.week(verdict.counts_at)
                kept.setdefault(verdict.scope, Kept()).count(verdict.met, week)
        for clock in old.keys() | new.keys():
            was, becomes = old.get(clock), new.get(clock)
            if becomes is None:
                if was is not None:
                    found.turned.setdefault(was.scope, Turned()).lost += 1
                continue
            if was is None:
                found.turned.setdefault(becomes.scope, Turned()).gained += 1
            elif was.met != becomes.met:
                turned = found.turned.setdefault(becomes.scope, Turned())
                turned.now_met, turned.now_missed = turned.now_met + becomes.met, turned.now_missed + was.met

    def _judged(
        self, case: Stored, moments: Sequence[Moment], config: Configuration, names: dict[str, Scope]
    ) -> tuple[dict[Clock, Verdict], bool]:
        """Clocks that a norm has judged, at the deepest level of the tree; and whether any clock counts."""
        ctx = Context(config, case.case, case.now, 0)
        fold_whole(moments, ctx)
        found, counts, deepest = dict[Clock, Verdict](), False, config.levels - 1
        for (measure, opener, levels, departments), picture in ctx.pictures.items():
            outcome, counts_at, _, _, _, _, start, *_, norm, _ = picture.shared
            if start <= self.times.since or retracted(picture):
                continue
            counts = True
            if norm and deepest in levels and counts_at is not None and (outcome is MET or outcome is MISSED):
                department = departments[levels.index(deepest)]
                found[measure, opener, department] = Verdict(names[norm], outcome is MET, counts_at)
        return found, counts


# -- in several processes
_folding: Folding | None = None


def tally(cases: Iterable[Stored], old: Configuration, new: Configuration, times: Times, few: int = FEW) -> Tally:
    """Of all ``cases``, which come in any order; where there are ``few`` or more, in other processes."""
    cases = iter(cases)
    first = list(islice(cases, few))
    if len(first) < few:
        return Folding(old, new, times).tally(first)
    collect_rarely()
    found = Tally()
    processes = max(1, min(len(os.sched_getaffinity(0)), MOST_PROCESSES))
    spawned = multiprocessing.get_context("spawn")  # a fork would copy the log's file, and its lock
    arguments = (encode(old.files), encode(new.files), times)
    with spawned.Pool(processes, _begin, arguments) as pool:
        for some in pool.imap_unordered(_tally, _chunks(chain(first, cases))):
            found.add(some)
    return found


def _chunks(cases: Iterator[Stored]) -> Iterator[list[Stored]]:
    while chunk := list(islice(cases, CHUNK)):
        yield chunk


def _begin(old: bytes, new: bytes, times: Times) -> None:
    global _folding  # what a worker of a pool is given once
    collect_rarely()
    _folding = Folding(Configuration.decode(old), Configuration.decode(new), times)


def _tally(cases: list[Stored]) -> Tally:
    if _folding is None:
        raise AssertionError("a worker begins before it folds")
    return _folding.tally(cases)

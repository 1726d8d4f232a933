"""The stretches of one account: who had the case when, and how much open time they had."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from ingest.simulation.account import FAR, Account, Episode, Pause, Place
from ingest.simulation.world import UNOWNED, Places

HOUR = 3_600_000_000
BEFORE: Place = (-(1 << 62), 0)


class Tenure(NamedTuple):
    """``handed``: somebody handed it over; else the organisation moved the group."""

    since: Place
    until: Place
    department: str
    handed: bool


class Target(NamedTuple):
    """A promise in its own unit: microseconds of open time, or working days."""

    work: int
    days: Fraction

    @classmethod
    def of(cls, text: str) -> Target:
        if text.endswith("bd"):
            return cls(0, Fraction(text[:-2]))
        return cls(int(Fraction(text[:-2]) * (HOUR if text.endswith("bh") else HOUR // 60)), Fraction(0))


class Tenures:
    """Who had the case, from before it was asked for until now."""

    def __init__(self, account: Account, places: Places, now: int) -> None:
        self.account, self.places, self.now = account, places, now
        self.end: Place = (now + 1, 0)
        self.all = list(self._tenures())
        self.pauses = [self._lapsed(pause) for pause in account.pauses]
        self.asked_away = [p for p in self.pauses if p.whom == "requester"]

    def _lapsed(self, pause: Pause) -> Pause:
        """One that nobody explained ends after a working day of whoever had the case."""
        if pause.explained:
            return pause
        lapse = (self.places.opening(self.owner(pause.since)).due_days(pause.since[0], Fraction(1)), -1)
        return replace(pause, until=min(pause.until, lapse)) if lapse[0] <= self.now else pause

    def _tenures(self) -> Iterator[Tenure]:
        cuts: list[tuple[Place, str, bool]] = [(BEFORE, UNOWNED, True)]
        routes = self.account.routes
        for i, (at, group, _) in enumerate(routes):
            following = routes[i + 1][0] if i + 1 < len(routes) else self.end
            cuts.append((at, self.places.department(group, at[0]), True))
            for moved, department in self.places.moves.get(group, ()):
                if at[0] < moved <= following[0] and moved <= self.now:
                    cuts.append(((moved, -1), department, False))
        for i, (at, department, handed) in enumerate(cuts):
            yield Tenure(at, cuts[i + 1][0] if i + 1 < len(cuts) else FAR, department, handed)

    def owner(self, at: Place) -> str:
        """Who has it after the decision at ``at``."""
        return next(t.department for t in reversed(self.all) if t.since <= at)

    def handed(self, at: Place) -> bool:
        """Whether whoever has it after the decision at ``at`` was given it, and not moved with it by the organisation."""
        return next(t.handed for t in reversed(self.all) if t.since <= at)

    def holder(self, at: Place) -> str:
        """Who had it last, at ``at``; empty: nobody yet."""
        return next((t.department for t in reversed(self.all) if t.since <= at and t.department != UNOWNED), "")

    def actor(self, at: Place, who: str) -> str:
        """In whose name ``who`` acted: of the own department (or the group, after ``#``), else of whoever has the case."""
        if who[:1] == "#":
            return self.places.department(who[1:], at[0])
        return (self.places.person(who, at[0]) if who else "") or self.owner((at[0], at[1] - 1))

    def within(self, since: Place, until: Place) -> Iterator[Tenure]:
        """What of the tenures lies there, those that took no time too."""
        for t in self.all:
            if max(t.since, since) < min(t.until, until):
                yield Tenure(max(t.since, since), min(t.until, until), t.department, t.handed)

    def worked(self, department: str, a: int, b: int, *, pauses: bool = False) -> int:
        """Open time of the department in [a, b); with ``pauses`` less that in which the requester was asked."""
        opening = self.places.opening(department)
        time = opening.worked(a, b)
        for pause in self.asked_away if pauses else ():
            time -= opening.worked(max(a, pause.since[0]), min(b, pause.until[0]))
        return time

    def owned(self, a: int, b: int, *, pauses: bool = False) -> int:
        """Open time in [a, b) of whoever had the case at each instant."""
        return sum(
            self.worked(t.department, max(a, t.since[0]), min(b, t.until[0]), pauses=pauses)
            for t in self.all
            if t.since[0] < b and a < t.until[0]
        )

    def due(self, department: str, target: str, since: int, paused_until: int | None = None) -> int | None:
        """When a promise is due that runs from ``since`` on; None while a pause holds it up.

        It stands while the requester is asked, in pauses that begin before ``paused_until``; None: in no pause.
        """
        opening, (work, days) = self.places.opening(department), Target.of(target)
        at = since
        for pause in self.asked_away:
            begins, ends = pause.since[0], pause.until[0]
            if paused_until is None or not since <= begins < paused_until:
                continue
            due = opening.due_days(at, days) if days else opening.due(at, work)
            if due <= begins:
                return due
            if days:
                days -= opening.days(at, begins)
            else:
                work -= opening.worked(at, begins)
            if ends > self.now:
                return None
            at = ends
        return opening.due_days(at, days) if days else opening.due(at, work)

    def running(self, since: int, until: int) -> list[tuple[int, int]]:
        """The stretches in which the requester was not asked."""
        stretches, at = [], since
        for pause in self.asked_away:
            begins, ends = pause.since[0], pause.until[0]
            if at < ends and begins < until:
                stretches.append((at, begins))
                at = min(ends, until)
        return [(a, b) for a, b in [*stretches, (at, until)] if a < b]

    def used(self, department: str, target: str, since: int, until: int) -> Fraction:
        """The share of a promise that was used up by ``until``, which may be more than 1, without the time in which the
        requester was asked.
        """
        opening, (work, days) = self.places.opening(department), Target.of(target)
        stretches = self.running(since, until)
        if days:
            return sum((opening.days(a, b) for a, b in stretches), Fraction(0)) / days
        return Fraction(sum(opening.worked(a, b) for a, b in stretches)) / work

    def paused_now(self) -> bool:
        return any(p.since[0] <= self.now < p.until[0] for p in self.asked_away)


def first(places: list[Place], after: Place) -> Place:
    """The first place after that one; FAR if there is none."""
    return next((p for p in places if p > after), FAR)


def ended(episodes: list[Episode], after: Place) -> Episode | None:
    """The first episode that ended after that place."""
    return next((e for e in episodes if after < e.until < FAR), None)

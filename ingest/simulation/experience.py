"""What departments live through with each other: how long they were kept waiting, as shares of what was promised to them.

It is read off the events as they happen, so an opinion is of what had happened by then and of nothing later; corrections
that come afterwards change no opinion.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from math import log2
from typing import NamedTuple

from ingest.event import (
    EPOCH,
    Actor,
    AskedRequester,
    CaseEvent,
    Classified,
    Closed,
    Created,
    Deleted,
    Excluded,
    Merged,
    Replied,
    Routed,
    Solved,
)
from ingest.simulation.account import US
from ingest.simulation.parts import DAY
from ingest.simulation.tenure import Target
from ingest.simulation.world import UNOWNED, Places

REMEMBERED = 28 * DAY * US
"""In microseconds: what lies further back is forgotten."""
FASTEST, SLOWEST = 1 / 8, 4.0
"""Shares of a promise beyond which nobody notices a difference."""
OF_ALL = 3.0
"""What is told of a department weighs as much as so many cases of one's own."""


class Kind(Enum):
    answer = "answer"
    """The first response, or the acceptance of what was handed over."""
    solution = "solution"


class Solution(NamedTuple):
    """A case that a human solved; ``speed`` is None where nothing was promised."""

    requester: str
    unit: str
    provider: str
    speed: float | None


@dataclass
class _Case:
    """``handed``: by whom to the ``holder``, and when, until somebody there acts. Instants in UTC microseconds."""

    requester: str
    unit: str
    asker: str
    since: int
    priority: str
    first: str = ""
    holder: str = ""
    answered: bool = False
    handed: tuple[str, int] | None = None


Lived = tuple[int, str, str, Kind, float]
"""When, by whom, with whom, what, and how fast."""


class Experience:
    """Speed is the logarithm (base 2) of the promised time over the time it took: 0 just kept, 1 in half of the time, at most 3 and
    at least -2.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._cases: dict[str, _Case] = {}
        self._lived: list[Lived] = []

    def hear(self, event: CaseEvent) -> Solution | None:
        """An event of a case, in the order of the log."""
        at = microseconds(event.time)
        if isinstance(event, Created):
            self._asked(event, at)
            return None
        if isinstance(event, Closed | Merged | Deleted) or (isinstance(event, Excluded) and not event.data.reverted):
            self._cases.pop(event.subject, None)
            return None
        case = self._cases.get(event.subject)
        if case is None:
            return None
        if isinstance(event, Classified):
            case.priority = event.data.priority or case.priority
        elif isinstance(event, Routed):
            self._routed(case, event.data.group, at)
        elif event.actor is Actor.provider_human:
            return self._acted(case, event, at)
        return None

    def lately(self, until: int) -> dict[tuple[str, str], dict[Kind, float]]:
        """(who asked, of whom) -> how fast that was in the four weeks before ``until``, in UTC microseconds; less sure where there
        was little of it. Only for departments that have dealt with each other.
        """
        self._lived = [lived for lived in self._lived if lived[0] > until - REMEMBERED]
        own: dict[tuple[str, str, Kind], list[float]] = defaultdict(list)
        of_all: dict[tuple[str, Kind], list[float]] = defaultdict(list)
        for _, asker, provider, kind, speed in (*self._lived, *self._waiting(until)):
            own[asker, provider, kind].append(speed)
            of_all[provider, kind].append(speed)
        found: dict[tuple[str, str], dict[Kind, float]] = {}
        for asker, provider in sorted({key[:2] for key in own}):
            speeds = {}
            for kind in Kind:
                told, lived = of_all.get((provider, kind)), own.get((asker, provider, kind), [])
                if told:
                    speeds[kind] = (sum(lived) + OF_ALL * sum(told) / len(told)) / (len(lived) + OF_ALL)
            found[asker, provider] = speeds
        return found

    def _asked(self, event: Created, at: int) -> None:
        data = event.data
        asker = self._places.person(data.requester, at) or self._places.department(data.requester_group, at)
        case = _Case(data.requester, data.requester_group, asker, at, data.priority)
        case.answered = event.actor is Actor.provider_human  # by phone
        self._cases[event.subject] = case

    def _routed(self, case: _Case, group: str, at: int) -> None:
        """Whoever passes a case on has not kept the others waiting any longer."""
        receiver = self._places.department(group, at)
        self._taken_up(case, at)
        if receiver == UNOWNED:
            return
        if case.holder and receiver != case.holder:
            case.handed = (case.holder, at)
        case.holder = receiver
        case.first = case.first or receiver

    def _acted(self, case: _Case, event: CaseEvent, at: int) -> Solution | None:
        self._taken_up(case, at)
        if isinstance(event, Replied | AskedRequester | Solved) and not case.answered:
            case.answered = True
            self._live(at, case.asker, case.first, Kind.answer, self._speed("first_response", case, case.first, at))
        if not isinstance(event, Solved) or not case.holder:
            return None
        provider = self._places.department(event.data.group, at) if event.data.group else case.holder
        speed = self._speed("resolution", case, provider, at)
        self._live(at, case.asker, provider, Kind.solution, speed)
        return Solution(case.requester, case.unit, provider, speed)

    def _taken_up(self, case: _Case, at: int) -> None:
        if case.handed is not None:
            giver, since = case.handed
            case.handed = None
            target = self._places.target("acceptance", case.holder, giver, since)
            self._live(at, giver, case.holder, Kind.answer, self._share(case.holder, target, since, at))

    def _live(self, at: int, asker: str, provider: str, kind: Kind, speed: float | None) -> None:
        if speed is not None and provider and asker != provider:
            self._lived.append((at, asker, provider, kind, speed))

    def _waiting(self, until: int) -> Iterator[Lived]:
        """Who has waited in vain for longer than was promised."""
        for case in self._cases.values():
            if not case.answered and case.first and case.asker != case.first:
                speed = self._speed("first_response", case, case.first, until)
                if speed is not None and speed < 0:
                    yield until, case.asker, case.first, Kind.answer, speed

    def _speed(self, kind: str, case: _Case, provider: str, until: int) -> float | None:
        if not provider:
            return None
        target = self._places.target(kind, provider, case.asker, case.since, case.priority)
        return self._share(provider, target, case.since, until)

    def _share(self, provider: str, target: str, since: int, until: int) -> float | None:
        if not target:
            return None
        opening, (work, days) = self._places.opening(provider), Target.of(target)
        due = opening.due_days(since, days) if days else opening.due(since, work)
        share = opening.worked(since, until) / max(opening.worked(since, due), 1)
        return -log2(min(max(share, FASTEST), SLOWEST))


def microseconds(at: datetime) -> int:
    """Since 1970."""
    return (at - EPOCH) // timedelta(microseconds=1)

"""What is determined within a window, kept up while it moves on: only what comes in and what goes out is touched."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import NamedTuple

from streams.clock import NEVER
from streams.fact import DONE, EXCUSED, MET, MISSED, Outcome

GOES_ON = NEVER
DETERMINED = (MET, MISSED, EXCUSED, DONE)
FEW = 8
"""When more than one of so many change, they are counted anew."""


class Determined(NamedTuple):
    """``business_us``: :data:`GOES_ON` of what was missed and still runs. ``case`` only where cases are counted."""

    counts_at: int
    business_us: int
    outcome: Outcome
    case: str


class Window:
    """``ended``: the business time of each of ``n`` facts that does not go on, ascending. ``total_us``: their sum."""

    __slots__ = ("_cases", "_outcomes", "_since", "_times", "_until", "ended", "n", "total_us")

    def __init__(self) -> None:
        self._since = self._until = NEVER
        self._empty()

    def _empty(self) -> None:
        self.n = self.total_us = 0
        self.ended: list[int] = []
        self._outcomes: dict[str, int] = dict.fromkeys(DETERMINED, 0)
        self._times: dict[str, int] = dict.fromkeys(DETERMINED, 0)
        self._cases: dict[str, int] = {}

    @property
    def cases(self) -> int:
        """How many there are of them, where cases are counted."""
        return len(self._cases)

    def count(self, outcome: str) -> int:
        return self._outcomes[outcome]

    def time(self, outcome: str) -> int:
        """The part of ``total_us`` that has this outcome."""
        return self._times[outcome]

    def move(self, facts: list[Determined], since: int, until: int) -> None:
        """To (since, until]; ``facts`` are all that there are, ascending."""
        if self._since <= since <= self._until <= until:
            gone, come = between(facts, self._since, since), between(facts, self._until, until)
            if (len(gone) + len(come)) * FEW <= self.n:
                for fact in gone:
                    self._take(fact)
                for fact in come:
                    self._put(fact)
                self._since, self._until = since, until
                return
        self._since, self._until = since, until
        self._empty()
        facts = between(facts, since, until)
        self.ended = sorted(fact.business_us for fact in facts if fact.business_us != GOES_ON)
        self.total_us = sum(self.ended)
        for fact in facts:
            self._count(fact, 1)

    def put(self, fact: Determined) -> None:
        if self._since < fact.counts_at <= self._until:
            self._put(fact)

    def take(self, fact: Determined) -> None:
        """What was put."""
        if self._since < fact.counts_at <= self._until:
            self._take(fact)

    def _put(self, fact: Determined) -> None:
        self._count(fact, 1)
        if fact.business_us != GOES_ON:
            insort(self.ended, fact.business_us)
            self.total_us += fact.business_us

    def _take(self, fact: Determined) -> None:
        self._count(fact, -1)
        if fact.business_us != GOES_ON:
            del self.ended[bisect_left(self.ended, fact.business_us)]
            self.total_us -= fact.business_us

    def _count(self, fact: Determined, more: int) -> None:
        self.n += more
        self._outcomes[fact.outcome] += more
        if fact.business_us != GOES_ON:
            self._times[fact.outcome] += more * fact.business_us
        if fact.case:
            here = self._cases.get(fact.case, 0) + more
            if here:
                self._cases[fact.case] = here
            else:
                del self._cases[fact.case]


def between(facts: list[Determined], since: int, until: int) -> list[Determined]:
    """Those that count in (since, until]."""
    return facts[bisect_left(facts, (since + 1,)) : bisect_left(facts, (until + 1,))]

"""What people answered, in sums, as they decided it: what must come out of sealed batches, but for what these hold back."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import sqrt
from typing import NamedTuple

from msgspec import Struct

from ingest.simulation.opinion import Opinion

SIGMAS = 4.0
"""How far chance may lead from what was expected; it leads further once in 16,000 times."""
DIGITS = 6
IN_TIME = 4
"""Weeks in which what became of a suggestion is told within 20 business days."""


class Voices(NamedTuple):
    """Of whom, about whom: departments as the company file names them. ``kind``: answers (``wave`` is that of a survey, ``about``
    empty for the organisation itself) or ratings (``wave`` is the week). ``site``: empty where a department has but one.
    """

    kind: str
    wave: str
    department: str
    site: str
    about: str


class Asked(NamedTuple):
    """How many could have answered: all that were there when the first week of the wave was over."""

    wave: str
    department: str
    site: str
    n: int


class Persons(NamedTuple):
    """How many answered."""

    voices: Voices
    n: int


class ItemSum(NamedTuple):
    """``n``: who answered this item. ``sum``: on the scale of the events, so 0 to 10 of an answer, and 1 to 5 of a rating, whose
    item is ``score``. Favourable are 4 and 5 of 5; promoters gave 9 or 10 of 10 (item ``enps``), detractors 6 or less.
    """

    voices: Voices
    item: str
    n: int
    sum: int
    favourable: int
    promoters: int
    detractors: int

    def favourable_of(self, sealed: int) -> tuple[float, float]:
        """Between which the favourable share of ``sealed`` (1 to n) of these answers must lie, whichever of them they are."""
        held_back = self.n - sealed
        return max(self.favourable - held_back, 0) / sealed, min(self.favourable, sealed) / sealed


class Loop(NamedTuple):
    """Suggestions to a department: how many there were, and of how many it was told within 20 business days, or later, what
    became of them.
    """

    wave: str
    department: str
    said: int
    in_time: int
    late: int


class Planted(NamedTuple):
    """What was made to happen: of n answers to an item (empty: to all) about a department that gets worse, so many were favourable.
    The share lies between ``low`` and ``high``, around ``expected``, with all but certainty.
    """

    about: str
    item: str
    wave: str
    n: int
    favourable: int
    expected: float
    low: float
    high: float


class Heard(Struct, forbid_unknown_fields=True):
    """The section of the truth file, each list in order."""

    asked: list[Asked] = []
    persons: list[Persons] = []
    items: list[ItemSum] = []
    suggestions: list[Loop] = []
    planted: list[Planted] = []


@dataclass
class _Chance:
    n: int = 0
    favourable: int = 0
    expected: float = 0.0
    variance: float = 0.0

    def add(self, opinion: Opinion) -> None:
        self.n += 1
        self.favourable += opinion.favourable
        self.expected += opinion.chance
        self.variance += opinion.chance * (1 - opinion.chance)

    def planted(self, about: str, item: str, wave: str) -> Planted:
        share, far = self.expected / self.n, SIGMAS * sqrt(self.variance) / self.n
        low, high = max(share - far, 0.0), min(share + far, 1.0)
        return Planted(about, item, wave, self.n, self.favourable, *(round(x, DIGITS) for x in (share, low, high)))


@dataclass
class Tally:
    """``worse``: the departments that are made to get worse."""

    worse: frozenset[str]
    _asked: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _persons: Counter[Voices] = field(default_factory=Counter)
    _items: dict[tuple[Voices, str], list[int]] = field(default_factory=dict)
    _said: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))
    _chances: dict[tuple[str, str, str], _Chance] = field(default_factory=lambda: defaultdict(_Chance))

    def asked(self, wave: str, department: str, site: str) -> None:
        """One more."""
        self._asked[wave, department, site] += 1

    def answered(self, voices: Voices, opinions: Iterable[tuple[Opinion, int]]) -> None:
        """What one person answered, each with its score on the scale of the events."""
        self._persons[voices] += 1
        for opinion, score in opinions:
            sums = self._items.setdefault((voices, opinion.item), [0] * 5)
            for i, amount in enumerate((1, score, opinion.favourable, opinion.promoter, opinion.detractor)):
                sums[i] += amount
            if voices.about in self.worse and voices.kind == "answers":
                self._chances[voices.about, opinion.item, voices.wave].add(opinion)
                self._chances[voices.about, "", voices.wave].add(opinion)

    def suggested(self, wave: str, department: str) -> None:
        self._said[wave, department][0] += 1

    def followed_up(self, wave: str, department: str, weeks: int) -> None:
        """It was told what became of a suggestion, so many weeks later."""
        self._said[wave, department][1 if weeks <= IN_TIME else 2] += 1

    def heard(self) -> Heard:
        """As of now."""
        return Heard(
            asked=[Asked(*key, n) for key, n in sorted(self._asked.items())],
            persons=[Persons(*row) for row in sorted(self._persons.items())],
            items=[ItemSum(*key, *sums) for key, sums in sorted(self._items.items())],
            suggestions=[Loop(*key, *counts) for key, counts in sorted(self._said.items())],
            planted=[chance.planted(*key) for key, chance in sorted(self._chances.items())],
        )

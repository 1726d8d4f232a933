"""What somebody thinks of a department: how fast it was with theirs, how they see the world, and the mood of the day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import erf, sqrt
from random import Random
from statistics import fmean
from typing import NamedTuple

from ingest.simulation.experience import Kind
from ingest.survey import Item, Question

BEST = 5
LEAN, MOOD = 0.3, 0.7
"""Standard deviations, in steps of a scale of five: between persons, and between the questions that one person answers."""
SKIPPED = 0.03


class Weight(NamedTuple):
    """``answer``: how much of it depends on first responses, the rest on solutions; ``gain``: steps for twice the speed."""

    middle: float
    answer: float
    gain: float


ITEMS: Mapping[Item, Weight] = {
    Item.reliability: Weight(2.3, 0.3, 0.9),
    Item.responsiveness: Weight(2.0, 0.95, 1.3),
    Item.assurance: Weight(2.7, 0.5, 0.6),
    Item.empathy: Weight(2.8, 0.6, 0.5),
    Item.tangibles: Weight(3.3, 0.5, 0.15),
    Item.communication: Weight(2.2, 0.85, 1.0),
}
RATING = Weight(2.9, 0.0, 0.6)
QUESTIONS = {item: Question(item=item, worst=1, best=BEST) for item in ITEMS}
"""As a survey asks them; a connector puts the answers on the scale of the events."""


class Opinion(NamedTuple):
    """``given``: 1 to 5, of eNPS 0 to 10. ``chance``: with which probability it was to be favourable, which is 4 or 5."""

    item: str
    given: int
    chance: float = 0.0

    @property
    def favourable(self) -> bool:
        return self.item != Item.enps and self.given >= BEST - 1

    @property
    def promoter(self) -> bool:
        return self.item == Item.enps and self.given >= 9

    @property
    def detractor(self) -> bool:
        return self.item == Item.enps and self.given <= 6


def of_department(speeds: Mapping[Kind, float], lean: float, rng: Random) -> Iterator[Opinion]:
    """The items of a survey; some are left out."""
    for item, weight in ITEMS.items():
        opinion = _given(item.value, weight, speeds, lean, rng)
        if rng.random() >= SKIPPED:
            yield opinion


def of_case(speed: float | None, lean: float, rng: Random) -> Opinion:
    return _given("score", RATING, {} if speed is None else {Kind.solution: speed}, lean, rng)


def of_working_here(speeds: list[Mapping[Kind, float]], lean: float, rng: Random) -> Opinion:
    """Whoever is served well by all others would rather recommend the organisation."""
    known = [speed for one in speeds for speed in one.values()]
    liking = 6.0 + 1.2 * (fmean(known) if known else 1.0) + 2.0 * lean + rng.gauss(0.0, 1.7)
    return Opinion(Item.enps.value, min(max(round(liking), 0), 10))


def _given(item: str, weight: Weight, speeds: Mapping[Kind, float], lean: float, rng: Random) -> Opinion:
    answer, solution = (speeds.get(kind, 1.0) for kind in (Kind.answer, Kind.solution))
    speed = weight.answer * answer + (1 - weight.answer) * solution
    liking = weight.middle + weight.gain * speed + lean
    given = min(max(int(liking + rng.gauss(0.0, MOOD) + 0.5), 1), BEST)
    return Opinion(item, given, 0.5 + 0.5 * erf((liking - (BEST - 1.5)) / (MOOD * sqrt(2))))

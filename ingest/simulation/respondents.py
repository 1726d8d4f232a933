"""Who can be asked: where everybody sits by now, how willing a department is to answer, and how somebody sees the world."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from ingest.event import Joined, Left, Moved, PersonEvent
from ingest.simulation.opinion import LEAN
from ingest.simulation.parts import Company

LARGE = 20
"""A department with so many people has two sites at least."""
LEAST_WILLING, MOST_WILLING = 0.35, 0.85
CITIES = {"Asia/Kolkata": "Bengaluru", "America/New_York": "New York"}
"""Of zones that are not named after them."""


class Respondent(NamedTuple):
    person: str
    unit: str
    site: str


class Respondents:
    """``seed``: what their nature depends on; a person has the same in every wave."""

    def __init__(self, seed: str, company: Company) -> None:
        self._seed = seed
        self._unit_of = {person: unit.name for unit in company.units for person in unit.people}
        self._sites = _sites(company)

    def hear(self, event: PersonEvent) -> None:
        if isinstance(event, Joined | Moved):
            self._unit_of[event.subject] = event.data.department
        elif isinstance(event, Left):
            self._unit_of.pop(event.subject, None)

    def __iter__(self) -> Iterator[Respondent]:
        """All that are there now."""
        for person, unit in self._unit_of.items():
            yield self.one(person, unit)

    def one(self, person: str, unit: str) -> Respondent:
        sites = self._sites[unit]
        return Respondent(person, unit, Random(f"{self._seed} site {person}").choice(sites) if sites else "")

    def willing(self, department: str) -> float:
        """With which probability somebody of it answers a survey."""
        return Random(f"{self._seed} willing {department}").uniform(LEAST_WILLING, MOST_WILLING)

    def lean(self, person: str) -> float:
        """By how much they judge better than others, in steps of a scale of five."""
        return Random(f"{self._seed} lean {person}").gauss(0.0, LEAN)


def _sites(company: Company) -> dict[str, tuple[str, ...]]:
    """Of each unit: its city, where the department has several; two of them, where it is large; none, where it has but one."""
    cities = {unit.name: _city(unit.office.zone) for unit in company.units}
    found: dict[str, tuple[str, ...]] = {}
    for unit in company.units:
        together = [one for one in company.units if one.department == unit.department]
        city = cities[unit.name]
        if len({cities[one.name] for one in together}) > 1:
            found[unit.name] = (city,)
        elif sum(one.heads for one in together) >= LARGE:
            found[unit.name] = (f"{city} Centre", f"{city} Park")
        else:
            found[unit.name] = ()
    return found


def _city(zone: str) -> str:
    return CITIES.get(zone) or zone.rpartition("/")[2].replace("_", " ")

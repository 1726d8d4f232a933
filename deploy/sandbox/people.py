"""The people of the simulated company, with made-up names and addresses: the same in every helpdesk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ingest.simulation.parts import Company

DOMAIN = "tidewell.example"
FIRST = (
    "Adela", "Bartal", "Calla", "Davor", "Edwige", "Faris", "Greta", "Hamza", "Ilka", "Joris", "Kirsa", "Leander",
    "Mirela", "Nuno", "Odile", "Piran", "Quirin", "Runa", "Sorin", "Tamsin", "Ulrik", "Vesna", "Wanja", "Xenia", "Yorick",
    "Zora", "Anselm", "Brona", "Cosmo", "Delphine", "Eskil",
)  # fmt: skip
LAST = (
    "Abendroth", "Brandvold", "Castellane", "Dragomir", "Eberlin", "Fairweather", "Galanis", "Hartwell", "Iversholt",
    "Jankovits", "Kestrel", "Lindqvist", "Marchetto", "Nakagiri", "Ostrander", "Pellegrin", "Quennell", "Rosenthal",
    "Szabados", "Tolliver", "Underhay", "Vandermolen", "Wetherby", "Yarrowby", "Zelenka", "Ashdown", "Bellweather",
)  # fmt: skip


class Person(NamedTuple):
    """``pseudonym`` as the simulation has it; ``serves``: works in a department that others ask."""

    number: int
    pseudonym: str
    name: str
    email: str
    unit: str
    serves: bool


class People:
    """Everybody, numbered from 1 on: whoever was there at first, then who came, in that order."""

    def __init__(self, company: Company) -> None:
        self._serving = {department.unit for department in company.departments}
        self._all: list[Person] = []
        self._numbers: dict[str, int] = {}
        self._colleagues: dict[str, list[int]] = {}
        for unit in company.units:
            for pseudonym in unit.people:
                self.join(pseudonym, unit.name)

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Person]:
        return iter(self._all)

    def __getitem__(self, number: int) -> Person:
        return self._all[number - 1]

    def join(self, pseudonym: str, unit: str) -> None:
        """Whoever comes, perhaps named before: who is new in the morning in Berlin has asked for something in Sydney already."""
        number = self.number(pseudonym)
        self._all[number - 1] = self[number]._replace(unit=unit, serves=unit in self._serving)
        self._colleagues.setdefault(unit, []).append(number)

    def number(self, pseudonym: str) -> int:
        """0 for nobody."""
        if not pseudonym:
            return 0
        number = self._numbers.setdefault(pseudonym, len(self._all) + 1)
        if number > len(self._all):
            first, last = FIRST[number % len(FIRST)], LAST[number % len(LAST)]
            address = f"{first}.{last}{number}@{DOMAIN}".lower()
            self._all.append(Person(number, pseudonym, f"{first} {last}", address, "", serves=False))
        return number

    def colleague(self, number: int) -> int:
        """The next one of the same unit."""
        there = self._colleagues[self[number].unit]
        return there[(there.index(number) + 1) % len(there)]

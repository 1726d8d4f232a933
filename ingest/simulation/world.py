"""What the cases of the simulated company share."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from math import exp
from random import Random

from ingest.event import CaseEvent
from ingest.simulation.company import DEPARTMENTS, UNITS
from ingest.simulation.opening import Opening

Row = tuple[int, int, str, CaseEvent]


class World:
    """What the cases share: chance, the offices, how busy each department is, and the agenda of what will happen.

    ``agenda`` holds the rows of each day to come, by days since 1970; whoever runs the world takes them out.
    """

    def __init__(self, seed: int, first: date) -> None:
        self.rng = Random(f"crossdesk {seed}")
        self.agenda: dict[int, list[Row]] = defaultdict(list)
        self.units = {unit.name: unit for unit in UNITS}
        self.departments = {department.id: department for department in DEPARTMENTS}
        self.openings = {unit.name: Opening(unit.office, first) for unit in UNITS}
        self.pressure = dict.fromkeys(self.departments, 0.0)
        self.busy = dict.fromkeys(self.departments, 1.0)
        self._cases = 100_000

    def next_subject(self) -> str:
        self._cases += 1
        return f"HD-{self._cases}"

    def new_day(self, weekday: int) -> None:
        """Departments have busy weeks and quiet ones, and everybody has a busy Monday."""
        for department in self.pressure:
            self.pressure[department] = 0.8 * self.pressure[department] + self.rng.gauss(0.0, 0.12)
        self.busy = {name: exp(log) * (1.15 if weekday == 0 else 1.0) for name, log in self.pressure.items()}

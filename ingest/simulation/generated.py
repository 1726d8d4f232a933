"""A company of any size: the departments of the example company over and over, each in another place, and all of one tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from random import Random

from ingest.simulation.company import DEPARTMENTS, HEAD_OFFICE, OFFICES, PAIRS, SERVICES, TIDEWELL, UNITS
from ingest.simulation.parts import Company, Department, Division, Norm, Pair, Service, Unit

LEAST, MOST = 2, 500
OF_A_DIVISION = 8


def company_of(seed: int, departments: int | None) -> Company:
    """The company that the seed makes, with so many departments that have people; None, or as many as it has: the example.

    Raises ``ValueError`` for a number that makes no company.
    """
    if departments is None:
        return TIDEWELL
    if not isinstance(departments, int) or isinstance(departments, bool) or not LEAST <= departments <= MOST:
        raise ValueError(f"departments must be a whole number from {LEAST} to {MOST}, not {departments!r}")
    if departments == sum(bool(unit_of(d.id)) for d in TIDEWELL.divisions):
        return TIDEWELL
    return _Maker(seed, departments).company()


def unit_of(department: str) -> list[Unit]:
    return [unit for unit in UNITS if unit.department == department]


class _Maker:
    """Department ``i`` is of the kind ``i % len(DEPARTMENTS)``, in its own office hours; the first of a kind keeps the name."""

    def __init__(self, seed: int, count: int) -> None:
        self.rng = Random(f"company {seed} {count}")
        self.count = count
        self.kinds = [DEPARTMENTS[i % len(DEPARTMENTS)] for i in range(count)]
        self.ids = [self._named(kind.id, i, "-") for i, kind in enumerate(self.kinds)]

    def company(self) -> Company:
        made = [self._department(i) for i in range(self.count)]
        moving = next((d for d in made if len(d.groups) > 1), made[0])
        taker = made[(made.index(moving) + self.count // 2) % self.count]
        units = tuple(self._unit(i) for i in range(self.count))
        return Company(
            f"Tidewell Group of {self.count}",
            HEAD_OFFICE,
            tuple(self._divisions()),
            units,
            tuple(made),
            tuple(service for i in range(self.count) for service in self._services(i)),
            self._pairs(),
            breakdowns=((date(2026, 3, 9), self.ids[0], self.ids[1], Pair(slow=7.0, needs_info=0.4)),),
            moves=((date(2026, 1, 26), moving.groups[-1], taker.id),),
            transfers=((date(2026, 1, 28), units[0].people[3], units[0].name, units[-1].name),),
            outages=TIDEWELL.outages,
        )

    def _named(self, name: str, i: int, joint: str = " ") -> str:
        turn = i // len(DEPARTMENTS) + 1
        return name if turn == 1 else f"{name}{joint}{turn}"

    def _other(self, kind: str, i: int) -> str:
        """The department of that kind that ``i`` works with: of its own turn, if there is one."""
        number = next(n for n, d in enumerate(DEPARTMENTS) if d.id == kind)
        near = i - i % len(DEPARTMENTS) + number
        return self.ids[near if near < self.count else self.rng.randrange(self.count)]

    def _department(self, i: int) -> Department:
        kind = self.kinds[i]
        norms = tuple(self._norm(norm) for norm in kind.norms)
        groups = tuple(self._named(group, i) for group in kind.groups)
        unit = self._named(kind.unit, i)
        waits = (self._other(kind.waits_for[0], i), kind.waits_for[1]) if kind.waits_for[0] else kind.waits_for
        return replace(
            kind, id=self.ids[i], name=self._named(kind.name, i), unit=unit, groups=groups, norms=norms, waits_for=waits
        )

    def _norm(self, norm: Norm) -> Norm:
        """The promise to all others, and to the departments that exist."""

        def existing(promised: Mapping[str, str]) -> dict[str, str]:
            return {giver: target for giver, target in promised.items() if giver == "*" or giver in self.ids}

        return replace(norm, acceptance=existing(norm.acceptance), finish=existing(norm.finish))

    def _unit(self, i: int) -> Unit:
        kind = next(unit for unit in UNITS if unit.name == self.kinds[i].unit)
        office = kind.office if i < len(DEPARTMENTS) else self.rng.choice(OFFICES)
        return Unit(self._named(kind.name, i), self.ids[i], office, self.rng.randrange(6, 90), self.rng.uniform(1, 12))

    def _divisions(self) -> list[Division]:
        count = -(-self.count // OF_A_DIVISION)
        above = [Division(f"division-{n}", f"Division {n}", "group") for n in range(1, count + 1)]
        below = [
            Division(id, self._named(self.kinds[i].name, i), f"division-{i % count + 1}")
            for i, id in enumerate(self.ids)
        ]
        return [Division("group", "Tidewell Group"), *above, *below]

    def _services(self, i: int) -> list[Service]:
        found = [self._service(service, i) for service in SERVICES if service.department == self.kinds[i].id]
        if i == 0:  # what the planted breakdown hurts
            found.append(Service("Joint request", self.ids[0], 6, ((0.6, (self.ids[1],)),)))
        return found

    def _service(self, service: Service, i: int) -> Service:
        onward = tuple((chance, self._route(self.ids[i], route, i)) for chance, route in service.onward)
        child = self._other(service.child[0], i) if service.child[0] else ""
        return replace(
            service,
            name=self._named(service.name, i),
            department=self.ids[i],
            onward=tuple((chance, route) for chance, route in onward if route),
            child=(child, service.child[1]) if child not in ("", self.ids[i]) else ("", 0.0),
        )

    def _route(self, start: str, route: Sequence[str], i: int) -> tuple[str, ...]:
        """The same way among the departments that there are, nowhere twice in a row."""
        way = [start]
        for kind in route:
            there = start if kind == self.kinds[i].id else self._other(kind, i)
            if there != way[-1]:
                way.append(there)
        return tuple(way[1:])

    def _pairs(self) -> Mapping[tuple[str, str], Pair]:
        return {pair: how for pair, how in PAIRS.items() if set(pair) <= set(self.ids)}

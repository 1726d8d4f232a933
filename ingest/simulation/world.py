"""What the cases of a simulated company share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from math import exp
from random import Random
from zoneinfo import ZoneInfo

from ingest.event import Event, Joined, Left, Moved, PersonEvent, PlaceData, event_id
from ingest.simulation.account import US, Account
from ingest.simulation.opening import Opening
from ingest.simulation.parts import DAY, HOUR, USUAL, Company, Norm, Pair, pseudonym

Row = tuple[int, int, str, Event]
SOURCE = "helpdesk"
UNOWNED = "_unowned"


class World:
    """What the cases share: chance, the offices, how busy each department is, and the agenda of what will happen.

    ``evenings`` is the chance of who works late: one of its own, which moves no other.
    ``agenda`` holds the rows of each day to come, by days since 1970; whoever runs the world takes them out. ``known``: the end
    of the simulated time in seconds, for the accounts that ``tell`` gets; without it nobody keeps any.
    """

    def __init__(self, seed: int, first: date, company: Company, known: int = 0) -> None:
        self.rng, self.evenings = Random(f"crossdesk {seed}"), Random(f"crossdesk {seed} evenings")
        self.company, self.known = company, known
        self.agenda: dict[int, list[Row]] = defaultdict(list)
        self.units = {unit.name: unit for unit in company.units}
        self.people = {unit.name: list(unit.people) for unit in company.units}
        self.departments = {department.id: department for department in company.departments}
        shared = {id(unit.office): Opening(unit.office, first) for unit in company.units}
        self.openings = {unit.name: shared[id(unit.office)] for unit in company.units}
        self.places = Places(company, first)
        self.pressure = dict.fromkeys(self.departments, 0.0)
        self.busy = dict.fromkeys(self.departments, 1.0)
        self.today = first
        self.told: list[Account] = []
        self._cases, self._hired = 100_000, 0
        self._broken = {(giver, taker): (since, pair) for since, giver, taker, pair in company.breakdowns}

    def next_subject(self) -> str:
        self._cases += 1
        return f"HD-{self._cases}"

    def new_day(self, day: date) -> None:
        """Departments have busy weeks and quiet ones, and everybody has a busy Monday."""
        self.today = day
        for name in self.pressure:
            self.pressure[name] = 0.8 * self.pressure[name] + self.rng.gauss(0.0, 0.12)
        self._staff()
        monday = 1.15 if day.weekday() == 0 else 1.0
        self.busy = {name: exp(log) * monday * self._worse(name) for name, log in self.pressure.items()}

    def _staff(self) -> None:
        """People join, leave, and go from one unit to another, before their day begins."""
        rng = self.rng
        for day, who, old, new in self.company.transfers:
            if day == self.today and who in self.people[old]:
                self.people[old].remove(who)
                self.people[new].append(who)
                self._tell(Moved, who, new)
        for unit in self.company.units:
            if unit.heads >= 40 and rng.random() < unit.heads / 800:
                self._hired += 1
                who = pseudonym(unit.name, unit.heads + self._hired)
                self.people[unit.name].append(who)
                self._tell(Joined, who, unit.name)
            elif unit.heads >= 40 and rng.random() < unit.heads / 800 and len(self.people[unit.name]) > unit.heads // 2:
                leaving = rng.choice(self.people[unit.name])
                if all(leaving != who for _, who, _, _ in self.company.transfers):
                    self.people[unit.name].remove(leaving)
                    self._tell(Left, leaving)

    def _tell(self, kind: Callable[..., PersonEvent], who: str, unit: str = "") -> None:
        number = (self.today - date(1970, 1, 1)).days
        now = number * DAY + self.rng.randrange(5, 7) * HOUR
        key = event_id(SOURCE, f"{who}/{number}")
        data = {"data": PlaceData(department=unit)} if unit else {}
        time = datetime.fromtimestamp(now, UTC)
        event = kind(id=key, source=SOURCE, subject=who, time=time, specversion="1.0", **data)
        self.agenda[number].append((now, 0, key, event))

    def _worse(self, department: str) -> float:
        since, rate = self.departments[department].worse
        return 1.0 + rate * max((self.today - since).days / 7, 0.0)

    def pair(self, giver: str, taker: str, now: int) -> Pair:
        """How hand-overs go between the two at that time, in seconds since 1970."""
        since, broken = self._broken.get((giver, taker), (None, USUAL))
        if since is not None and now // DAY >= (since - date(1970, 1, 1)).days:
            return broken
        return self.company.pairs.get((giver, taker), USUAL)


class Places:
    """Who belongs where, and when who is open: what the company's own files say. Instants are UTC microseconds."""

    def __init__(self, company: Company, first: date) -> None:
        self._parents = {division.id: division.parent for division in company.divisions}
        self.levels = max(len(self._line(id)) for id in self._parents)
        self._paths: dict[str, tuple[str, ...]] = {}
        zone = ZoneInfo(company.office.zone)
        groups = [(u.name, u.department) for u in company.units]
        groups += [(group, d.id) for d in company.departments for group in d.groups]
        self._first: dict[str, str] = dict(groups)
        self.moves: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for since, group, department in sorted(company.moves):
            self.moves[group].append((midnight(since, zone), department))
        self._people: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for who, department, day in company.people:
            self._people[who].append((midnight(day, zone) if day else -1, department))
        offices = {u.name: u.office for u in company.units}
        self._offices = {d.id: offices[d.unit] for d in company.departments}
        self._offices |= {d.id: d.office for d in company.divisions if d.office is not None}
        self._make: Callable[[str], Opening] = lambda id: Opening(self._offices.get(id, company.office), first)
        self._openings: dict[str, Opening] = {}
        self._norms: dict[str, list[tuple[int, Norm]]] = {}
        for d in company.departments:
            local = ZoneInfo(offices[d.unit].zone)
            self._norms[d.id] = [(midnight(n.since, local) if n.since else -1, n) for n in d.norms]

    def department(self, group: str, at: int) -> str:
        if not group:
            return UNOWNED
        found = self._first[group]
        for since, department in self.moves.get(group, ()):
            if since <= at:
                found = department
        return found

    def person(self, who: str, at: int) -> str:
        """The department that the company file gives for this person, or empty."""
        return next((d for since, d in reversed(self._people.get(who, ())) if since <= at), "")

    def path(self, department: str) -> tuple[str, ...]:
        """The department at each level, from the top; below its own depth it stands for itself."""
        path = self._paths.get(department)
        if path is None:
            line = self._line(department)
            path = self._paths[department] = (*line, *[department] * (self.levels - len(line)))
        return path

    def opening(self, department: str) -> Opening:
        opening = self._openings.get(department)
        if opening is None:
            opening = self._openings[department] = self._make(department)
        return opening

    def target(self, kind: str, department: str, giver: str, at: int, priority: str = "") -> str:
        """What the department promised at that time; empty: nothing."""
        norm = next((n for since, n in reversed(self._norms.get(department, [])) if since <= at), None)
        if norm is None:
            return ""
        if kind in ("acceptance", "finish"):
            promised: Mapping[str, str] = getattr(norm, kind)
            above = [promised[g] for g in reversed(self._line(giver)) if g in promised]
            return above[0] if above else promised.get("*", "")
        if priority in norm.priorities.get(kind, {}):
            return norm.priorities[kind][priority]
        return {"first_response": norm.first_response, "next_response": norm.next_response}.get(kind, norm.resolution)

    def _line(self, department: str) -> list[str]:
        line = [department]
        while parent := self._parents.get(line[0], ""):
            line.insert(0, parent)
        return line


def midnight(day: date, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, time(), zone).astimezone(UTC).timestamp()) * US

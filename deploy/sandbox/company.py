"""The simulated company as a helpdesk holds it: cases with what happened to each, in the order in which they last changed.

All of it is there from the beginning; what is shown is what has happened by ``now``. A step of a case takes 18 bytes.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from struct import Struct
from threading import Lock
from typing import Any, NamedTuple

from deploy.sandbox.people import People
from ingest.connectors.simulated import simulate
from ingest.event import Actor, CaseEvent, Corrected, Created, Joined
from ingest.mapping import EVENTS
from ingest.simulation.description import company_file
from ingest.simulation.generated import company_of

KINDS = (*EVENTS, "corrected")
ACTORS = tuple(Actor)
_KIND_OF: Mapping[type[CaseEvent], str] = {**{kind: name for name, kind in EVENTS.items()}, Corrected: "corrected"}
_KIND_NUMBERS = {name: number for number, name in enumerate(KINDS)}
_ACTOR_NUMBERS = {actor: number for number, actor in enumerate(ACTORS)}
_STEP = Struct("<IBBIII")
_BITS = 24
"""So many has the number of a case in the index."""
FOREVER = (1 << 32) - 1


class Step(NamedTuple):
    """Something that happened: ``at`` in seconds since 1970, ``who`` as a number of :class:`People` (0: nobody).

    ``value``: the group of what was routed or solved, whom a pause waits for, the promise, the priority, the kind of what was
    corrected, the label by which it is excluded (empty: it has none any more). ``number``: seconds since 1970 for what is due, the
    other case for one that was merged or is a child.
    """

    at: int
    kind: str
    actor: Actor
    who: int
    value: str
    number: int


@dataclass(slots=True)
class Case:
    """``subject`` as the simulation has it; ``requester`` as a number of :class:`People`."""

    subject: str
    requester: int
    unit: str
    service: str
    priority: str
    channel: str
    steps: bytearray = field(default_factory=bytearray, repr=False)


class Merge(NamedTuple):
    """``other`` became part of this case; nobody has taken it back."""

    at: int
    who: int
    other: int


class Thanks(NamedTuple):
    at: int
    case: int


class Company:
    """What is asked while another thread moves the clock is asked under ``lock``. Cases are numbered from 0 on, as they came."""

    def __init__(
        self, seed: int, days: int, *, start: date, cases_per_day: float | None = None, departments: int | None = None
    ) -> None:
        """Raises ``ValueError`` for what :func:`simulate` refuses."""
        self.lock = Lock()
        self.now = 0
        self.plan = company_of(seed, departments)
        self.people = People(self.plan)
        self.cases: list[Case] = []
        self.thanks: list[Thanks] = []
        self.merges: dict[int, list[Merge]] = {}
        self.absences: dict[int, list[tuple[int, int]]] = {}
        self._numbers: dict[str, int] = {}
        self._words: list[str] = [""]
        self._word_numbers = {"": 0}
        self._changes = array("Q")
        self._told = 0
        """How many changes have happened by now."""
        self._last = array("I")
        for record in simulate(seed, days, start=start, cases_per_day=cases_per_day, departments=departments):
            if isinstance(record, Joined):
                self.people.join(record.subject, record.data.department)
            elif type(record) in _KIND_OF:
                self._take(record)  # type: ignore[arg-type]
        self.thanks.sort()
        del self._numbers, self._word_numbers

    # -- what is there by now
    def move(self, now: int) -> None:
        """The clock, in seconds since 1970. It only goes forward."""
        self.now = max(self.now, now)
        end = bisect_left(self._changes, (now + 1) << _BITS)
        for change in self._changes[self._told : end]:
            self._last[change & (1 << _BITS) - 1] = change >> _BITS
        self._told = max(self._told, end)

    def last(self, case: int) -> int:
        """When the case last changed; 0: there is none such by now."""
        return self._last[case] if 0 <= case < len(self.cases) else 0

    def changed(self, since: int, after: int = -1) -> Iterator[tuple[int, int]]:
        """(when, case) of all whose last change was at ``since`` or later, at ``since`` only of cases above ``after``, in order."""
        first = bisect_left(self._changes, max(since, 0) << _BITS | after + 1)
        for place in range(first, self._told):
            at, case = self._changes[place] >> _BITS, self._changes[place] & (1 << _BITS) - 1
            if self._last[case] == at:
                yield at, case

    def changes(self, since: int, until: int) -> Iterator[tuple[int, int]]:
        """(when, case) of every change after ``since`` up to ``until``."""
        first, end = (bisect_left(self._changes, (at + 1) << _BITS) for at in (since, until))
        for change in self._changes[first:end]:
            yield change >> _BITS, change & (1 << _BITS) - 1

    def steps(self, case: int) -> Iterator[Step]:
        """What has happened to it by now."""
        last = self._last[case]
        for at, kind, actor, who, value, number in _STEP.iter_unpack(self.cases[case].steps):
            if at > last:
                return
            yield Step(at, KINDS[kind], ACTORS[actor], who, self._words[value], number)

    def merged(self, case: int) -> list[Merge]:
        """What has become part of it by now."""
        return [merge for merge in self.merges.get(case, ()) if merge.at <= self._last[case]]

    def happened(self, case: int) -> Iterator[Step | Merge]:
        """Both by now, in order; of one second the step comes first."""
        merges = deque(self.merged(case))
        for step in self.steps(case):
            while merges and merges[0].at < step.at:
                yield merges.popleft()
            yield step
        yield from merges

    def deleted(self, case: int, *, for_good: bool = False) -> int:
        """Since when it has been, by now; 0: it is not. ``for_good``: and nobody will restore it."""
        last = self._last[case]
        absences = ((since, until) for since, until in self.absences.get(case, ()) if since <= last < until)
        return next((since for since, until in absences if until == FOREVER or not for_good), 0)

    def deletions(self, since: int) -> list[tuple[int, int]]:
        """(when, case) of all that are deleted by now, and were at ``since`` or later, in order."""
        found = [
            (at, case) for case in self.absences if self._last[case] and (at := self.deleted(case)) >= max(since, 1)
        ]
        return sorted(found)

    def thanked(self, since: int) -> list[Thanks]:
        first = bisect_left(self.thanks, Thanks(since, 0))
        return self.thanks[first : bisect_right(self.thanks, Thanks(self.now, FOREVER))]

    # -- how it comes to be
    def _take(self, event: CaseEvent) -> None:
        case = self._numbers.get(event.subject)
        if case is None:
            case = self._open(event)
        about = self.cases[case]
        who = self.people.number(event.who)
        if event.actor is Actor.provider_human and who == about.requester:
            who = self.people.colleague(who)  # nobody serves their own request
        at = int(event.time.timestamp())
        kind = _KIND_OF[type(event)]
        value, number = self._data(kind, event.data, about)
        actor = _ACTOR_NUMBERS[event.actor]
        about.steps += _STEP.pack(at, _KIND_NUMBERS[kind], actor, who, self._word(value), number)
        self._changed(at, case)
        self._remember(kind, Step(at, kind, event.actor, who, value, number), case)

    def _open(self, event: CaseEvent) -> int:
        assert isinstance(event, Created), f"{event.subject} begins with {event}"
        data, number = event.data, self.people.number(event.data.requester)
        case = self._numbers[event.subject] = len(self.cases)
        words = (data.requester_group, data.service, data.priority or "normal", data.channel)
        unit, service, priority, channel = (self._words[self._word(word)] for word in words)  # each is kept once
        self.cases.append(Case(event.subject, number, unit, service, priority, channel))
        self._last.append(0)
        return case

    def _data(self, kind: str, data: Any, about: Case) -> tuple[str, int]:
        match kind:
            case "routed" | "solved":
                return data.group, 0
            case "classified":
                return data.priority, 0
            case "paused":
                return data.owner.value, 0
            case "promised":
                return data.promise, int(data.due.timestamp())
            case "promise_accepted" | "delivered":
                return data.promise, 0
            case "excluded":
                return "" if data.reverted else data.reason, 0
            case "need_by":
                return "", int(data.due.timestamp())
            case "merged":
                return "", self._numbers[data.into]
            case "child_linked":
                return "", self._numbers[data.parent]
            case "corrected":
                *_, (_, before, *_) = _STEP.iter_unpack(about.steps)
                return KINDS[before], 0
        return "", 0

    def _remember(self, kind: str, step: Step, case: int) -> None:
        """What is asked for otherwise than case by case."""
        if kind == "thanked":
            self.thanks.append(Thanks(step.at, case))
        elif kind == "deleted":
            self.absences.setdefault(case, []).append((step.at, FOREVER))
        elif kind == "restored":
            self.absences[case][-1] = (self.absences[case][-1][0], step.at)
        elif kind == "merged":
            self.merges.setdefault(step.number, []).append(Merge(step.at, step.who, case))
            self._changed(step.at, step.number)
        elif kind == "unmerged":
            for into, merges in self.merges.items():
                self.merges[into] = [merge for merge in merges if merge.other != case]

    def _word(self, word: str) -> int:
        number = self._word_numbers.setdefault(word, len(self._words))
        if number == len(self._words):
            self._words.append(word)
        return number

    def _changed(self, at: int, case: int) -> None:
        change = at << _BITS | case
        place = bisect_left(self._changes, change)  # what an outage held back comes late
        if place == len(self._changes) or self._changes[place] != change:
            self._changes.insert(place, change)


def configuration(
    company: Company,
    source: str,
    group: Callable[[str], str],
    unit: Callable[[str], str],
    pseudonym: Callable[[str], str],
) -> dict[str, Any]:
    """``company.yaml`` of the company as a helpdesk ``source`` names its groups and units. ``pseudonym``: of an e-mail address."""
    plan = company.plan
    units = {one.name: one.department for one in plan.units}
    serving = {name: department.id for department in plan.departments for name in department.groups}
    told = company_file(plan)
    entries: list[Mapping[str, str]] = [
        {"source": source, "group": group(name), "department": department} for name, department in serving.items()
    ]
    entries += [{"source": source, "group": unit(name), "department": department} for name, department in units.items()]
    entries += [
        {"source": source, "group": group(name), "department": department, "since": since.isoformat()}
        for since, name, department in plan.moves
    ]
    people = company.people
    persons = [
        {**entry, "person": pseudonym(people[people.number(entry["person"])].email)} for entry in told.get("people", ())
    ]
    return {**told, "sources": [source], "groups": entries, **({"people": persons} if persons else {})}

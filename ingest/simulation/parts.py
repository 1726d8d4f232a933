"""What a simulated company is made of: units that ask, departments that serve, what they promise, and what changes when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from hashlib import blake2b

from ingest.simulation.opening import Office

MINUTE, HOUR, DAY = 60, 3600, 86400


def pseudonym(unit: str, number: int) -> str:
    return "k1:" + blake2b(f"{unit}\x1f{number}".encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Unit:
    """Where requesters sit, by the name the helpdesk has for it; ``weight`` is how much they ask for."""

    name: str
    department: str
    office: Office
    heads: int
    weight: float
    people: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "people", tuple(pseudonym(self.name, i) for i in range(self.heads)))


@dataclass(frozen=True)
class Service:
    """``onward``: with which probability other departments must do their part, in which order.

    ``second_line`` is the chance that the department's second group does the work; ``child`` names the department that a
    case of its own is opened for; ``month`` multiplies demand on days of the month.
    """

    name: str
    department: str
    weight: float
    onward: tuple[tuple[float, tuple[str, ...]], ...] = ()
    second_line: float = 0.0
    child: tuple[str, float] = ("", 0.0)
    bot_solves: float = 0.0
    month: tuple[range, float] = (range(0), 1.0)


@dataclass(frozen=True)
class Norm:
    """What a department promises from the day ``since`` on, in the words of a norms file; ``acceptance`` and ``finish`` by
    giver, ``priorities`` by kind and priority.
    """

    first_response: str
    next_response: str
    resolution: str
    acceptance: Mapping[str, str]
    since: date | None = None
    finish: Mapping[str, str] = field(default_factory=dict)
    priorities: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Department:
    """Times are medians in open hours; ``spread`` is the sigma of their logarithm; the rest are probabilities.

    ``worse`` multiplies its times by so much for every week after the day.
    """

    id: str
    name: str
    unit: str
    groups: tuple[str, ...]
    begin: float
    accept: float
    answer: float
    effort: float
    spread: float = 0.8
    asks: float = 0.28
    vendor: float = 0.05
    waits_for: tuple[str, float] = ("", 0.0)
    promises: float = 0.08
    forgets: float = 0.04
    reopened: float = 0.04
    thanked: float = 0.14
    overtime: float = 0.04
    norms: tuple[Norm, ...] = ()
    worse: tuple[date, float] = (date(9999, 1, 1), 0.0)


@dataclass(frozen=True)
class Pair:
    """How a hand-over differs from what its receiver is used to: ``slow`` multiplies the time until acceptance."""

    slow: float = 1.0
    needs_info: float = 0.06
    wrong: float = 0.02


USUAL = Pair()


@dataclass(frozen=True)
class Division:
    """A node of the tree of departments. ``office``: the hours of one that has people and serves nobody."""

    id: str
    name: str
    parent: str = ""
    office: Office | None = None


@dataclass(frozen=True)
class Company:
    """``breakdowns``: pairs (giver, receiver) that go wrong from a day on; ``moves``: groups that change their department on a
    day; ``transfers``: persons who go from one unit to another; ``outages``: when the source is down, in UTC seconds.
    """

    name: str
    office: Office
    divisions: tuple[Division, ...]
    units: tuple[Unit, ...]
    departments: tuple[Department, ...]
    services: tuple[Service, ...]
    pairs: Mapping[tuple[str, str], Pair]
    breakdowns: tuple[tuple[date, str, str, Pair], ...] = ()
    moves: tuple[tuple[date, str, str], ...] = ()
    transfers: tuple[tuple[date, str, str, str], ...] = ()
    outages: tuple[tuple[int, int], ...] = ()

    @property
    def people(self) -> list[tuple[str, str, date | None]]:
        """Whose department the company's files name, and since when (None: always)."""
        home = {unit.name: unit.department for unit in self.units}
        return [
            place for day, who, old, new in self.transfers for place in ((who, home[old], None), (who, home[new], day))
        ]

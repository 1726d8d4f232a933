"""What must be measured: per case from its account, and in sums; and the truth file.

The measures are stretches of time on an account (who had the case, until when it stood, when somebody spoke), cut and added
up; nothing goes through the events one after the other, and nothing is shared with ``streams``. Judged as of the last
instant of the simulated time: what still runs is counted up to then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
from msgspec import Struct

from ingest.simulation.account import Account
from ingest.simulation.heard import Heard
from ingest.simulation.measured import Measured, measure
from ingest.simulation.world import Places


class WrongTruth(ValueError):
    """A truth file that is none, or is that of another run: make a new one, or name the run it is of."""


class Run(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What was simulated: the arguments of ``simulate``."""

    seed: int
    days: int
    start: str
    cases_per_day: float | None = None
    departments: int | None = None

    def __str__(self) -> str:
        more = "" if self.departments is None else f", {self.departments} departments"
        more += "" if self.cases_per_day is None else f", {self.cases_per_day:g} cases a day"
        return f"seed {self.seed}, {self.days} days from {self.start}{more}"


@dataclass
class Total:
    """How many values there are, and their sums in microseconds."""

    n: int = 0
    calendar_us: int = 0
    business_us: int = 0


class Cell(NamedTuple):
    """What is summed up together. ``level`` 0 is the top of the tree; ``counterpart`` is empty where nobody else is part of it."""

    measure: str
    level: int
    department: str
    counterpart: str
    outcome: str


class _File(Struct, forbid_unknown_fields=True):
    """``cells`` in order: what a :class:`Cell` has, n, calendar and business time in microseconds. ``feedback``: what people
    answered, if it was asked for.
    """

    truth: Run
    as_of_us: int
    cells: list[tuple[str, int, str, str, str, int, int, int]]
    feedback: Heard | None = None


@dataclass
class Truth:
    """``totals``: number and sums for every cell, as of ``now``. ``each``, if given, gets every single value as well.
    ``heard``: what people answered, where ``simulate_with_feedback`` filled it.
    """

    each: Callable[[Measured], None] | None = None
    totals: dict[Cell, Total] = field(default_factory=dict, init=False)
    now: int = field(default=0, init=False)
    run: Run | None = field(default=None, init=False)
    places: Places | None = field(default=None, init=False, repr=False)
    heard: Heard | None = field(default=None, init=False)

    def begin(self, run: Run, places: Places, now: int) -> None:
        """A run begins whose last watermark is ``now``, in UTC microseconds."""
        self.run, self.places, self.now = run, places, now
        self.totals.clear()
        self.heard = None

    def add(self, account: Account) -> None:
        """A case that was told to its end."""
        if self.places is None:
            raise ValueError("a truth that no simulation has begun: give it to `simulate`")
        for value in measure(account, self.places, self.now):
            self.count(value)

    def count(self, value: Measured) -> None:
        """One value that must be measured."""
        cell = Cell(value.measure, value.level, value.department, value.counterpart, value.outcome)
        total = self.totals.setdefault(cell, Total())
        total.n += 1
        total.calendar_us += value.calendar_us
        total.business_us += value.business_us
        if self.each is not None:
            self.each(value)

    def written(self) -> bytes:
        """The truth file: JSON, one line for each cell, and one for what people answered."""
        if self.run is None:
            raise ValueError("a truth that no simulation has begun: give it to `simulate`")
        cells = [(*cell, t.n, t.calendar_us, t.business_us) for cell, t in sorted(self.totals.items())]
        lines = b",\n".join(map(msgspec.json.encode, cells))
        head = msgspec.json.encode({"truth": self.run, "as_of_us": self.now})
        heard = b"" if self.heard is None else b',"feedback":\n' + msgspec.json.encode(self.heard)
        return head[:-1] + b',"cells":[\n' + lines + b"\n]" + heard + b"}\n"


def read(text: bytes, run: Run) -> Truth:
    """The truth file of that run. Raises :class:`WrongTruth`."""
    try:
        file = msgspec.json.decode(text, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WrongTruth(f"no truth file: {error}. Delete it, and it is written anew") from None
    if file.truth != run:
        raise WrongTruth(f"the truth of {file.truth}, not of {run}: delete it to write a new one, or run what it is of")
    truth = Truth()
    truth.run, truth.now, truth.heard = run, file.as_of_us, file.feedback
    for name, level, department, counterpart, outcome, n, calendar_us, business_us in file.cells:
        cell = Cell(name, level, department, counterpart, outcome)
        truth.totals[cell] = Total(n, calendar_us, business_us)
    return truth

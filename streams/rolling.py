"""Facts in the order in which windows need them: what is determined by ``counts_at``, what runs by how long it has.

It is derived from the state, and only what has changed since it was last asked is filed anew.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from streams.fact import Facts
from streams.indicators import INDICATORS, Aggregation
from streams.window import DETERMINED, GOES_ON, Determined, Window

if TYPE_CHECKING:
    from streams.hours import Calendar

PAIRS = frozenset(i.measure for i in INDICATORS if i.pairs)
MEASURED = frozenset(i.measure for i in INDICATORS)
BY_CASE = frozenset(i.measure for i in INDICATORS if i.aggregation is Aggregation.cases)

OfCalendar = Callable[[str], "Calendar"]


class Running(NamedTuple):
    """The business time by an instant is ``before`` plus what its calendar had been open by then, but at least ``least``: so what
    runs stays in one order, whatever time it is.
    """

    before: int
    least: int


class Entry(NamedTuple):
    """What a record says to windows, the same at each of its levels. It may be in both: overdue, and going on."""

    determined: Determined | None
    running: Running | None
    calendar: str


class Group:
    """The facts of a department, or of one pair, at one level."""

    __slots__ = ("determined", "running", "windows")

    def __init__(self) -> None:
        self.determined: list[Determined] = []
        self.running: dict[str, list[Running]] = {}
        self.windows: dict[str, Window] = {}

    def __bool__(self) -> bool:
        return bool(self.determined) or any(self.running.values())

    def window(self, name: str, since: int, until: int) -> Window:
        """What counts in (since, until]. It costs little when the last of that ``name`` was not far from it."""
        window = self.windows.get(name)
        if window is None:
            window = self.windows[name] = Window()
        window.move(self.determined, since, until)
        return window

    def worked(self, at: int, calendar: OfCalendar) -> list[int]:
        """How long what runs has worked by ``at``, ascending."""
        found: list[int] = []
        for name, running in self.running.items():
            by_then = calendar(name).cumulative(at) if name else 0
            found += [max(one.least, one.before + by_then) for one in running]
        found.sort()
        return found

    def put(self, entry: Entry) -> None:
        if entry.determined is not None:
            insort(self.determined, entry.determined)
            for window in self.windows.values():
                window.put(entry.determined)
        if entry.running is not None:
            insort(self.running.setdefault(entry.calendar, []), entry.running)

    def append(self, entry: Entry) -> None:
        """Without its place: :meth:`sort` must follow."""
        if entry.determined is not None:
            self.determined.append(entry.determined)
        if entry.running is not None:
            self.running.setdefault(entry.calendar, []).append(entry.running)

    def sort(self) -> None:
        self.determined.sort()
        for running in self.running.values():
            running.sort()

    def take(self, entry: Entry) -> None:
        """What was put: of equal ones any."""
        if entry.determined is not None:
            del self.determined[bisect_left(self.determined, entry.determined)]
            for window in self.windows.values():
                window.take(entry.determined)
        if entry.running is not None:
            running = self.running[entry.calendar]
            del running[bisect_left(running, entry.running)]


class Series(NamedTuple):
    """Whose facts: of a department (no ``counterpart``) or of a pair, at one level."""

    measure: str
    department: str
    level: int
    counterpart: str


class Rolling:
    """All records by series, under one ``version`` of the configuration, which says when who is open."""

    def __init__(self, version: int, calendar: OfCalendar) -> None:
        self.version, self.calendar = version, calendar
        self.groups: dict[Series, Group] = {}
        self._places: dict[tuple[object, ...], tuple[Group, ...]] = {}

    def load(self, records: Iterable[Facts]) -> None:
        """All of them at once, where there was none."""
        for facts in records:
            entry = self._entry(facts)
            for group in self._of(facts):
                group.append(entry)
        for group in self.groups.values():
            group.sort()

    def replace(self, old: Facts | None, new: Facts | None) -> None:
        """One record by the next: a retraction is nothing."""
        if old is not None:
            entry = self._entry(old)
            for group in self._of(old):
                group.take(entry)
        if new is not None:
            entry = self._entry(new)
            for group in self._of(new):
                group.put(entry)

    def _of(self, facts: Facts) -> tuple[Group, ...]:
        """At each level a department's own, and the pair's."""
        place = (facts.measure, facts.departments, facts.levels, facts.counterparts)
        found = self._places.get(place)
        if found is None:
            found = self._places[place] = tuple(
                self.groups.setdefault(series, Group()) for series in _series(facts) if facts.measure in MEASURED
            )
        return found

    def _entry(self, facts: Facts) -> Entry:
        outcome, counts_at, runs = facts.outcome, facts.counts_at, facts.runs
        determined = running = None
        if counts_at is not None and outcome in DETERMINED:
            case = facts.case_id if facts.measure in BY_CASE else ""
            determined = Determined(counts_at, GOES_ON if runs else facts.business_us, outcome, case)
        if runs:
            opened = self.calendar(facts.calendar).cumulative(facts.since) if facts.calendar else 0
            running = Running(facts.business_us - opened, facts.business_us)
        return Entry(determined, running, facts.calendar)


def _series(facts: Facts) -> Iterable[Series]:
    paired = facts.measure in PAIRS
    for counterpart, level, department in zip(facts.counterparts, facts.levels, facts.departments, strict=True):
        yield Series(facts.measure, department, level, "")
        if paired and counterpart not in ("", department):
            yield Series(facts.measure, department, level, counterpart)

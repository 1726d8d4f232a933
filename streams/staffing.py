"""What HR systems tell of departments: who left, how much people were away, and how many positions are open (docs/staff.md).

It is counted in blocks of 13 weeks, of departments with :data:`MIN_PEOPLE` and more. A block is final: what was counted stands.
All instants and durations are UTC microseconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from streams.company import Company
from streams.dated import Dated
from streams.fact import UNMAPPED
from streams.hidden import hidden_departments
from streams.indicators import PROXY, IndicatorValue
from streams.morale import MONDAY_US, WEEK_US, WINDOWS, rounded_people
from streams.sealed import PERSONS

MIN_PEOPLE = 20
"""With fewer people a department is told of in what is above it alone: whoever leaves five is known by name."""
BLOCK_US = WINDOWS["91d"]
KEPT = 8
"""Blocks that are kept."""
SETTLED_US = 5 * WEEK_US
"""So long after its end a block is counted: HR systems learn late of who was away, and of who has left."""
LONGEST_AWAY_US = 6 * WEEK_US
"""Longer absences count nowhere: they say nothing of how a department is, and each is one person's."""
LEFT, AWAY, OPEN = "left_ratio", "away_ratio", "open_positions_ratio"
QUESTIONS: Mapping[str, str] = {
    LEFT: f"How many left the organisation, of all that a department has on average? {PROXY}",
    AWAY: f"For how much of the time were people of a department away? {PROXY}",
    OPEN: f"How many positions of a department are open, of all? {PROXY}",
}

Span = tuple[int, int]
History = Sequence[tuple[int, int]]
"""Since when how many."""


class StaffBlock(NamedTuple):
    """The block that ``ends``, of a department with all below it: how long its people were there (``present_us``: of all together)
    and away, how many ``left``, how many positions were ``open`` at its end. None: nobody says.
    """

    department: str
    ends: int
    present_us: int
    away_us: int | None
    left: int
    open: int | None


class Told(NamedTuple):
    """What HR systems say: of ``people`` (pseudonyms of one key) who are in the directory of the company, when each was ``away``;
    of departments, by source and its own name for them, how many ``positions`` are open.
    """

    people: Sequence[str] = ()
    away: Mapping[str, Sequence[Span]] = {}
    positions: Mapping[tuple[str, str], History] = {}


def staff_blocks(company: Company, told: Told, now: int) -> tuple[StaffBlock, ...]:
    """The last :data:`KEPT` blocks that are settled at ``now``, of the departments that may be told of."""
    last = (now - SETTLED_US - MONDAY_US) // BLOCK_US * BLOCK_US + MONDAY_US
    return tuple(
        one for back in reversed(range(KEPT)) for one in _Counted(company, told, last - back * BLOCK_US).shown()
    )


def kept(old: Sequence[StaffBlock], new: Sequence[StaffBlock]) -> tuple[StaffBlock, ...]:
    """``new``, but for the blocks of which ``old`` tells: these are final, until they are let go."""
    final = {one.ends for one in old}
    found = [*old, *(one for one in new if one.ends not in final)]
    newest = max((one.ends for one in found), default=0)
    lasting = (one for one in found if one.ends > newest - KEPT * BLOCK_US)
    return tuple(sorted(lasting, key=lambda one: one.ends))


class _Counted:
    """One block: what each department, with all below it under the tree of its end, adds up to."""

    def __init__(self, company: Company, told: Told, ends: int) -> None:
        self.company, self.ends, self.begins = company, ends, ends - BLOCK_US
        self.present: dict[str, int] = defaultdict(int)
        self.away: dict[str, int] = defaultdict(int)
        self.left: dict[str, int] = defaultdict(int)
        self.open: dict[str, int] = defaultdict(int)
        self.counts_away, self.counts_open = bool(told.away), bool(told.positions)
        for who in told.people:
            self._person(company.history(who), told.away.get(who, ()))
        for (source, name), history in told.positions.items():
            for department in self._line(company.department(source, name, ends)):
                self.open[department] += Dated(history, 0).at(ends)

    def shown(self) -> Iterator[StaffBlock]:
        people = {one: self.present[one] // BLOCK_US for one in self.company.entries if self.present[one]}
        hidden = hidden_departments(self.company, self.ends, MIN_PEOPLE, people)
        for department in people:
            if department not in hidden:
                yield StaffBlock(
                    department,
                    self.ends,
                    self.present[department],
                    self.away[department] if self.counts_away else None,
                    self.left[department],
                    self.open[department] if self.counts_open else None,
                )

    def _person(self, history: Dated[str], away: Sequence[Span]) -> None:
        apart = list(_joined(one for one in away if one[1] - one[0] <= LONGEST_AWAY_US))
        places = list(history)
        for (since, department), until in zip(places, [*(at for at, _ in places[1:]), self.ends], strict=True):
            there = max(since, self.begins), min(until, self.ends)
            if not department or there[0] >= there[1]:
                continue
            for above in self._line(department):
                self.present[above] += there[1] - there[0]
                self.away[above] += sum(_overlap(there, one) for one in apart)
        for (_, department), (at, after) in pairwise(places):
            if department and not after and self.begins < at <= self.ends:
                for above in self._line(department):
                    self.left[above] += 1

    def _line(self, department: str) -> Sequence[str]:
        return () if department == UNMAPPED else self.company.line(department, self.ends)


def _joined(spans: Iterable[Span]) -> Iterator[Span]:
    """Without overlaps: two systems may tell the same absence."""
    held: Span | None = None
    for since, until in sorted(spans):
        if held is not None and since <= held[1]:
            held = held[0], max(held[1], until)
            continue
        if held is not None:
            yield held
        held = since, until
    if held is not None:
        yield held


def _overlap(one: Span, other: Span) -> int:
    return max(min(one[1], other[1]) - max(one[0], other[0]), 0)


def staff(blocks: Iterable[StaffBlock], as_of: int) -> list[IndicatorValue]:
    """What is said at ``as_of``, of the newest block that is settled by then: of it alone (``91d``), and of the four that end with
    it (``364d``) where a department has all four. ``n``: people, rounded. Without a value fewer than five have left.
    """
    of: dict[str, dict[int, StaffBlock]] = defaultdict(dict)
    for one in blocks:
        if one.ends + SETTLED_US <= as_of:
            of[one.department][one.ends] = one
    newest = max((ends for known in of.values() for ends in known), default=0)
    found: list[IndicatorValue] = []
    for department, known in sorted(of.items()):
        for window, length in WINDOWS.items():
            ends = range(newest, newest - length, -BLOCK_US)
            if length >= BLOCK_US and all(at in known for at in ends):
                found += _said(department, window, [known[at] for at in ends])
    return sorted(found, key=lambda value: (value.indicator, value.department, value.window))


def _said(department: str, window: str, blocks: Sequence[StaffBlock]) -> Iterator[IndicatorValue]:
    newest, time = blocks[0], len(blocks) * BLOCK_US
    present, left = sum(one.present_us for one in blocks), sum(one.left for one in blocks)

    def value(indicator: str, of: str, number: float | None) -> IndicatorValue:
        people = rounded_people(present // time if of else newest.present_us // BLOCK_US)
        return IndicatorValue(
            indicator=indicator,
            department=department,
            counterpart="",
            window=of,
            as_of=newest.ends,
            value=number,
            n=people,
        )

    yield value(LEFT, window, _rounded(left * time, present, 20) if left >= PERSONS else None)
    away = [one.away_us for one in blocks if one.away_us is not None]
    if len(blocks) > 1 and len(away) == len(blocks):
        yield value(AWAY, window, _rounded(sum(away), present, 100))
    elif len(blocks) == 1 and newest.open is not None:
        positions = newest.open * BLOCK_US
        yield value(OPEN, "", _rounded(positions, positions + newest.present_us, 20))


def _rounded(part: int, whole: int, steps: int) -> float:
    """To so many steps of the whole; a half goes up."""
    return (2 * steps * part + whole) // (2 * whole) / steps

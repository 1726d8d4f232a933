"""What got slower or faster over the weeks, beyond chance: hand-overs between two departments, and a department's first answers.

Durations are compared, not how much was in time: a promise that changed makes nobody faster. They are compared by their
ranks, so that no single long one decides. Weeks differ more than their cases alone would make them (people are ill, the
month ends), so what is called a trend must stand out from how the weeks scatter around it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import erfc, log1p, sqrt
from statistics import median
from typing import NamedTuple

from deploy.chance import clear
from sinks.store import Asks

FEWEST_WEEKS = 4
FEWEST = 40
"""Durations, in a series."""
FEWEST_BESIDE = 10
"""Durations, before or after."""
WORTH_SAYING = 1.3
"""So many times as long."""

# At the deepest level each department stands for itself. The first week knows only of what was over soon.
DURATIONS = """
WITH (SELECT toMonday(min(start)) + INTERVAL 7 DAY FROM facts) AS first
SELECT measure, department, if(measure = 'acceptance', counterpart, '') AS giver,
       toUnixTimestamp64Micro(toDateTime64(toMonday(counts_at), 6, 'UTC')) AS week, groupArray(business_us)
FROM facts
WHERE measure IN ('acceptance', 'first_response') AND outcome IN ('met', 'missed', 'done') AND counts_at >= first
      AND level = (SELECT max(level) FROM facts)
GROUP BY measure, department, giver, week ORDER BY measure, department, giver, week
"""
"""How long each took, by the week in which it was determined."""


class Series(NamedTuple):
    """``counterpart``: who handed over; empty for a department's own."""

    measure: str
    department: str
    counterpart: str


Weeks = Mapping[int, Sequence[int]]
"""The durations (microseconds) of each week, by its Monday's instant, ascending."""

Durations = Mapping[Series, Weeks]


class Side(NamedTuple):
    """Before or after: how many durations, and the one in their middle, in microseconds."""

    n: int
    median: float


class Change(NamedTuple):
    """The weeks from ``since`` on differ most from those before; a slow slide has no such day, and this is its best guess."""

    series: Series
    since: int
    before: Side
    after: Side
    chance: float

    @property
    def slower(self) -> bool:
        return self.after.median > self.before.median


def weekly(store: Asks) -> Durations:
    """What the facts say, week by week."""
    found: dict[Series, dict[int, Sequence[int]]] = defaultdict(dict)
    for measure, department, counterpart, week, durations in store.query(DURATIONS).rows:
        found[Series(measure, department, counterpart)][week] = durations
    return found


def weeks_of(known: Durations) -> int:
    """How many weeks there are to compare."""
    return len({week for weeks in known.values() for week in weeks})


def changes(known: Durations) -> list[Change]:
    """Those that are clear, and worth saying, in the order of ``known``."""
    tried = [change for series, weeks in known.items() if (change := _change(series, weeks)) is not None]
    certain = clear([change.chance for change in tried])
    return [change for change, sure in zip(tried, certain, strict=True) if sure and _worth_saying(change)]


def _worth_saying(change: Change) -> bool:
    short, long = sorted((change.before.median, change.after.median))
    return long >= WORTH_SAYING * short


def _change(series: Series, weeks: Weeks) -> Change | None:
    """None where there is too little to tell."""
    if len(weeks) < FEWEST_WEEKS or sum(map(len, weeks.values())) < FEWEST:
        return None
    ranked = _Ranked(weeks.values())
    splits = list(ranked.splits())
    if not splits:
        return None
    split = max(splits, key=ranked.contrast)
    before, after = ([d for week in part for d in week] for part in _parted(list(weeks.values()), split))
    since = list(weeks)[split]
    return Change(series, since, Side(len(before), median(before)), Side(len(after), median(after)), ranked.chance())


def _parted(weeks: list[Sequence[int]], at: int) -> tuple[list[Sequence[int]], list[Sequence[int]]]:
    return weeks[:at], weeks[at:]


class _Ranked:
    """Weeks of durations as their sizes, and the sums of their ranks among all, less what is expected of that many."""

    def __init__(self, weeks: Iterable[Sequence[int]]) -> None:
        durations = list(weeks)
        ranks = _ranks(d for week in durations for d in week)
        self.sizes = [len(week) for week in durations]
        self.n = sum(self.sizes)
        middle = (self.n + 1) / 2
        self.excess = [sum(ranks[d] - middle for d in week) for week in durations]
        self.variance = (self.n * self.n - 1) / 12

    def splits(self) -> Iterator[int]:
        """Where there is enough on either side."""
        for i in range(FEWEST_WEEKS // 2, len(self.sizes) - FEWEST_WEEKS // 2 + 1):
            if min(sum(self.sizes[:i]), sum(self.sizes[i:])) >= FEWEST_BESIDE:
                yield i

    def contrast(self, at: int) -> float:
        """How different the two sides of a split are: Wilcoxon's rank sum as a squared normal deviate."""
        before = sum(self.sizes[:at])
        return sum(self.excess[:at]) ** 2 * self.n / (before * (self.n - before)) / self.variance

    def chance(self) -> float:
        """How likely chance makes as clear a slide, or as clear a step anywhere."""
        splits = list(self.splits())
        step = len(splits) * min(self._step(at) for at in splits)
        return min(1.0, 2 * min(self._slide(), step))

    def _slide(self) -> float:
        """The chance of so steep a line through the weeks."""
        mean = sum(i * size for i, size in enumerate(self.sizes)) / self.n
        spread = sum(size * (i - mean) ** 2 for i, size in enumerate(self.sizes))
        slope = sum((i - mean) * excess for i, excess in enumerate(self.excess)) / spread
        return self._unlikely(
            slope * slope * spread / self.variance, [slope * (i - mean) for i in range(len(self.sizes))]
        )

    def _step(self, at: int) -> float:
        """The chance of two levels so far apart, before and after the split."""
        levels = [sum(self.excess[part]) / sum(self.sizes[part]) for part in (slice(at), slice(at, None))]
        return self._unlikely(self.contrast(at), [levels[i >= at] for i in range(len(self.sizes))])

    def _unlikely(self, squared: float, expected: Sequence[float]) -> float:
        """Of a squared deviate. It counts less where weeks scatter around what is ``expected`` more than their cases would."""
        weeks = zip(self.sizes, self.excess, expected, strict=True)
        freedom = len(self.sizes) - 2
        dispersion = sum(size * (excess / size - level) ** 2 for size, excess, level in weeks) / self.variance / freedom
        if dispersion > 1:
            squared = _as_normal(squared / dispersion, freedom)
        return erfc(sqrt(squared / 2))


def _as_normal(squared: float, freedom: int) -> float:
    """The square of Student's t as that of a normal deviate that is as unlikely (Wallace 1959)."""
    return ((8 * freedom + 1) / (8 * freedom + 3)) ** 2 * freedom * log1p(squared / freedom)


def _ranks(durations: Iterable[int]) -> Mapping[int, float]:
    """From 1; what is equal shares the mean of its ranks."""
    ranks: dict[int, float] = {}
    counts: dict[int, int] = defaultdict(int)
    for duration in durations:
        counts[duration] += 1
    below = 0
    for duration in sorted(counts):
        ranks[duration] = below + (counts[duration] + 1) / 2
        below += counts[duration]
    return ranks

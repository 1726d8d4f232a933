"""Norms that are too loose: a department that always has much of the promised time left has promised too little (METRICS 3.2).

No praise follows from that, and nobody is to blame. How much is left is told week by week, of whole weeks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from deploy.numbers import ENOUGH
from sinks.store import Asks

WEEK_US = 604_800_000_000
MONDAY_US = 4 * 86_400_000_000
"""The first of 1970."""
WEEKS = 8
MUCH = 0.6
"""Of the promised time."""

# The median is that of the catalogue: so much is left of half of them, or less. At the deepest level each department stands
# for itself.
MARGINS = """
SELECT department, toUnixTimestamp64Micro(toDateTime64(toMonday(counts_at), 6, 'UTC')) AS week,
       quantileExactLow(0.5)(business_us) / 1e6, count()
FROM facts WHERE measure = 'margin' AND level = (SELECT max(level) FROM facts)
GROUP BY department, week ORDER BY department, week
"""


class Left(NamedTuple):
    """Of the promised time, in the week that begins at ``week`` (µs): ``median`` (a share) of ``n`` solutions."""

    week: int
    median: float
    n: int


Margins = Mapping[str, Sequence[Left]]
"""Of each department, by week, ascending."""


def margins(store: Asks) -> Margins:
    """What the facts say, week by week."""
    found: dict[str, list[Left]] = defaultdict(list)
    for department, *left in store.query(MARGINS).rows:
        found[department].append(Left(*left))
    return found


def last_weeks(as_of: int) -> range:
    """Where the last :data:`WEEKS` whole weeks before ``as_of`` begin (µs, UTC)."""
    this = (as_of - MONDAY_US) // WEEK_US * WEEK_US + MONDAY_US
    return range(this - WEEKS * WEEK_US, this, WEEK_US)


def too_loose(known: Margins, as_of: int) -> Iterator[tuple[str, Sequence[Left]]]:
    """Who had more than :data:`MUCH` left in each of the last weeks before ``as_of`` (µs), and what. A week of few solutions says
    nothing, and so neither do the others.
    """
    for department, weeks in known.items():
        by_week = {left.week: left for left in weeks if left.n >= ENOUGH and left.median > MUCH}
        last = [by_week[week] for week in last_weeks(as_of) if week in by_week]
        if len(last) == WEEKS:
            yield department, last

"""Which indicators are news to those who were told before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from functools import cache, partial
from itertools import islice
from time import monotonic

from streams.aggregate import Aggregator
from streams.departments import Departments
from streams.indicators import IndicatorValue
from streams.pair_facts import PairFacts, Untold, counted, told

SLICE = 20
"""So many values are computed before others get their turn. What is told is of one moment all the same."""

AGAIN_SECONDS = 12 * 3600.0
"""So often everything is told anew, before the topic is compacted: a worker that had been paused may have told something old."""

Said = tuple[float | None, int, float | None, float | None, bool]


class Told:
    """What was last told of one partition. Who begins tells everything. ``untold``: which pairs are not, of all partitions."""

    def __init__(self, partition: int, untold: Untold) -> None:
        self.partition, self.untold = partition, untold
        self.said: dict[tuple[str, str, str, str], Said] = {}
        self.aggregator: Aggregator | None = None
        """Of what was last told."""
        self.pairs: list[IndicatorValue] | None = []
        """All values of pairs, as if each were told. None: they are to be computed."""
        self.decided = 0
        """Up to which change of :attr:`untold`."""
        self.began = monotonic()
        self.again = False

    async def departments(self, fold: Departments) -> list[IndicatorValue]:
        """What of departments changed since; and of each one value in any case, which says how far it is known."""
        before, now = self.aggregator, fold.aggregator()
        if now is None or (before is not None and (before.as_of, before.offset) == (now.as_of, now.offset)):
            return []
        self.aggregator, self.pairs = now, None
        if monotonic() - self.began > AGAIN_SECONDS:
            self.said, self.began, self.again = {}, monotonic(), True
        return await self._changed(fold.values_alone(now), set())

    async def counts(self, fold: Departments) -> list[tuple[bytes, PairFacts]]:
        """How many facts stand behind our pairs, where the others must be told that."""
        if self.aggregator is None or self.pairs is not None:
            return []
        self.pairs, self.decided = [], -1
        async for slice in sliced(fold.values_of_pairs(self.aggregator)):
            self.pairs += slice
        again, self.again = self.again, False
        counts = counted(self.pairs, self.aggregator)
        return list(self.untold.say(self.partition, counts, self.aggregator.offset, again=again))

    async def of_pairs(self) -> list[IndicatorValue]:
        """What of pairs changed since, or is decided otherwise."""
        if self.aggregator is None or not self.pairs or self.decided == self.untold.changes:
            return []
        self.decided = self.untold.changes
        untold = cache(partial(self.untold.pairs, tree=self.aggregator))
        return await self._changed(told(self.pairs, untold, self.aggregator), None)

    async def _changed(self, values: Iterable[IndicatorValue], named: set[str] | None) -> list[IndicatorValue]:
        """``named``: the departments that need not be; None: all."""
        found: list[IndicatorValue] = []
        async for slice in sliced(values):
            for value in slice:
                series = (value.indicator, value.department, value.counterpart, value.window)
                says = (value.value, value.n, value.low, value.high, value.beyond)
                if self.said.get(series) != says or (named is not None and value.department not in named):
                    self.said[series] = says
                    if named is not None:
                        named.add(value.department)
                    found.append(value)
        return found


async def sliced(values: Iterable[IndicatorValue]) -> AsyncIterator[list[IndicatorValue]]:
    """Others get their turn between two."""
    rest = iter(values)
    while slice := list(islice(rest, SLICE)):
        yield slice
        await asyncio.sleep(0)

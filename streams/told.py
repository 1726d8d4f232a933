"""Which indicators are news to those who were told before."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from time import monotonic

from streams.departments import Departments
from streams.indicators import IndicatorValue

SLICE = 20
"""So many values are computed before others get their turn. What is told is of one moment all the same."""

AGAIN_SECONDS = 12 * 3600.0
"""So often everything is told anew, before the topic is compacted: a worker that had been paused may have told something old."""

Said = tuple[float | None, int, float | None, float | None, bool]


class Told:
    """What was last told of one partition. Who begins tells everything."""

    def __init__(self) -> None:
        self.said: dict[tuple[str, str, str, str], Said] = {}
        self.as_of: int | None = None
        self.offset = -1
        self.began = monotonic()

    async def news(self, fold: Departments) -> list[IndicatorValue]:
        """What changed since; and of each department one value in any case, which says how far it is known."""
        if (fold.meta.as_of, fold.meta.offset) == (self.as_of, self.offset):
            return []
        self.as_of, self.offset = fold.meta.as_of, fold.meta.offset
        if monotonic() - self.began > AGAIN_SECONDS:
            self.said, self.began = {}, monotonic()
        found: list[IndicatorValue] = []
        for slice in sliced(fold.indicators()):
            found += slice
            await asyncio.sleep(0)
        return list(self.changed(found))

    def changed(self, values: Iterable[IndicatorValue]) -> Iterator[IndicatorValue]:
        heard: set[str] = set()
        for value in values:
            series = (value.indicator, value.department, value.counterpart, value.window)
            says = (value.value, value.n, value.low, value.high, value.beyond)
            if self.said.get(series) != says or value.department not in heard:
                self.said[series] = says
                heard.add(value.department)
                yield value


def sliced(values: Iterator[IndicatorValue]) -> Iterator[list[IndicatorValue]]:
    slice: list[IndicatorValue] = []
    for value in values:
        slice.append(value)
        if len(slice) >= SLICE:
            yield slice
            slice = []
    yield slice

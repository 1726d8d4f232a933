"""From facts to indicators: which facts a window holds, and what they say together.

Where a fact belongs:

    fact                              in a window by counts_at    in every window
    met, missed, done, with a stop    yes                         -
    missed, without a stop            yes, as missed              yes: its duration is censored at as_of
    met, without a stop               yes: what held              -
    running, paused                   -                           yes: censored at as_of
    cancelled, retracted              -                           -
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

from streams.fact import Outcome
from streams.indicators import FLOOR_US, INDICATORS, WINDOWS, Aggregation, Indicator, IndicatorValue
from streams.rolling import GOES_ON, Determined, Group, Series
from streams.statistics import Survival, wilson

if TYPE_CHECKING:
    from streams.configuration import Configuration

SECOND_US = 1_000_000
CATALOGUE: Mapping[str, tuple[Indicator, ...]] = {
    m: tuple(i for i in INDICATORS if i.measure == m) for m in {i.measure for i in INDICATORS}
}


class Window:
    """What a group says within one window. A fact that was missed and still runs is in both, and has one duration."""

    def __init__(self, inside: Sequence[Determined], running: Sequence[int]) -> None:
        self.inside, self.running = inside, running

    def count(self, outcome: str) -> int:
        return sum(f.outcome == outcome for f in self.inside)

    @cached_property
    def ended(self) -> list[int]:
        """Business time, ascending."""
        return sorted(f.business_us for f in self.inside if f.business_us != GOES_ON)

    @cached_property
    def survival(self) -> Survival:
        return Survival(self.ended, self.running)


class Aggregator:
    """Indicators at one ``as_of``, under one configuration."""

    def __init__(self, config: Configuration, as_of: int, offset: int) -> None:
        self.config, self.as_of, self.offset = config, as_of, offset
        self.depth: Callable[[str], int] = cache(lambda department: config.depth(department, as_of))

    def shows(self, series: Series) -> bool:
        """A department is shown at its own depth in the tree, a pair at that of its deeper side."""
        depth, counterpart = self.depth(series.department), series.counterpart
        if not counterpart:
            return depth == series.level
        return depth <= series.level and max(depth, self.depth(counterpart)) == series.level

    def values(self, measure: str, department: str, counterpart: str, group: Group) -> Iterator[IndicatorValue]:
        """Every indicator of the measure over every window; what runs now has none."""
        indicators = [i for i in CATALOGUE[measure] if i.pairs or not counterpart]
        until, floor = self.as_of, self.as_of // FLOOR_US * FLOOR_US
        running = group.worked(until, self.config.calendar)
        found = [("", i, _number(len(running))) for i in indicators if i.aggregation is Aggregation.running]
        for name, length in WINDOWS.items():
            window = Window(group.between(floor - length, until), running)
            found += [(name, i, _OVER[i.aggregation](i, window)) for i in indicators if i.aggregation in _OVER]
        for name, indicator, what in found:
            yield IndicatorValue(
                indicator=indicator.name,
                department=department,
                counterpart=counterpart,
                window=name,
                as_of=self.as_of,
                value=what.value,
                n=what.n,
                low=what.low,
                high=what.high,
                beyond=what.beyond,
                offset=self.offset,
            )


class _Found(NamedTuple):
    """What an aggregation decides of an :class:`IndicatorValue`."""

    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    beyond: bool = False


def _ratio(hits: int, n: int) -> _Found:
    return _Found(hits / n, n, *wilson(hits, n)) if n else _Found(None, 0)


def _attainment(_: Indicator, window: Window) -> _Found:
    met = window.count(Outcome.met)
    return _ratio(met, met + window.count(Outcome.missed))


def _share(indicator: Indicator, window: Window) -> _Found:
    return _ratio(window.count(indicator.outcome), len(window.inside))


def _percentile(share: float, window: Window) -> _Found:
    found = window.survival.percentile(share)
    if found is None:
        return _Found(None, 0)
    return _Found(
        value=found.value / SECOND_US,
        n=window.survival.n,
        low=None if found.low is None else found.low / SECOND_US,
        high=None if found.high is None else found.high / SECOND_US,
        beyond=found.beyond,
    )


def _number(n: int) -> _Found:
    return _Found(float(n), n)


def _total(_: Indicator, window: Window) -> _Found:
    n = len(window.ended) + len(window.running)
    return _Found((sum(window.ended) + sum(window.running)) / SECOND_US, n)


_OVER: Mapping[Aggregation, Callable[[Indicator, Window], _Found]] = {
    Aggregation.attainment: _attainment,
    Aggregation.share: _share,
    Aggregation.p50: lambda _, window: _percentile(0.5, window),
    Aggregation.p90: lambda _, window: _percentile(0.9, window),
    Aggregation.count: lambda _, window: _number(len(window.inside)),
    Aggregation.cases: lambda _, window: _number(len({f.case for f in window.inside})),
    Aggregation.total: _total,
}

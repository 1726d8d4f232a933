"""From facts to indicators: which facts a window holds, and what they say together.

Where a fact belongs:

    fact                              in a window by counts_at    in every window
    met, missed, excused, done,
      with a stop                     yes                         -
    missed, excused, without a stop   yes                         yes: its duration is censored at as_of
    met, without a stop               yes: what held              -
    running, paused                   -                           yes: censored at as_of
    cancelled, retracted              -                           -

What is hidden (:mod:`streams.hidden`) says that there is nothing to say, as a pair does that has no facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

from streams.fact import Outcome
from streams.hidden import Pair
from streams.indicators import FLOOR_US, INDICATORS, WINDOWS, Aggregation, Indicator, IndicatorValue
from streams.pair_facts import nothing
from streams.rolling import Group, Series
from streams.statistics import Survival, wilson
from streams.window import Window

if TYPE_CHECKING:
    from streams.configuration import Configuration

SECOND_US = 1_000_000
CATALOGUE: Mapping[str, tuple[Indicator, ...]] = {
    m: tuple(i for i in INDICATORS if i.measure == m) for m in {i.measure for i in INDICATORS}
}


BESIDE: Mapping[str, str] = {i.measure: i.among for i in INDICATORS if i.among}
"""The measure whose facts are the rest of the whole, by the measure of which there is a share of it."""
PART_OF: Mapping[str, str] = {whole: part for part, whole in BESIDE.items()}


class Said:
    """What a group says over one window: what is ``inside`` it, and for how long the others run. A fact that was missed and still
    runs is in both, and has one duration. ``beside``: how many facts the rest of the whole has there.
    """

    def __init__(self, inside: Window, running: Sequence[int], beside: int) -> None:
        self.inside, self.running, self.beside = inside, running, beside

    @cached_property
    def survival(self) -> Survival:
        return Survival(self.inside.ended, self.running)


class Aggregator:
    """Indicators at one ``as_of``, under one configuration."""

    def __init__(self, config: Configuration, as_of: int, offset: int) -> None:
        self.config, self.as_of, self.offset = config, as_of, offset
        self.depth: Callable[[str], int] = cache(lambda department: config.depth(department, as_of))
        self.hidden = config.hidden(as_of)

    def shows(self, series: Series) -> bool:
        """A department is shown at its own depth in the tree, a pair at that of its deeper side; a hidden one nowhere."""
        if series.department in self.hidden:
            return False
        depth, counterpart = self.depth(series.department), series.counterpart
        if not counterpart:
            return depth == series.level
        return depth <= series.level and max(depth, self.depth(counterpart)) == series.level

    def pair(self, value: IndicatorValue) -> Pair:
        """Of which it is a value: told of at the depth of its deeper side."""
        department, counterpart = value.department, value.counterpart
        return Pair(department, counterpart, max(self.depth(department), self.depth(counterpart)))

    def above(self, pair: Pair) -> Pair:
        """In which it is counted one level up; where its sides are one department there, nothing is."""
        level = pair.level - 1
        if level < 0:
            return Pair("", "", level)
        department, counterpart = (self.config.path(who, self.as_of)[level] for who in pair[:2])
        return Pair(department, counterpart, level)

    def silence(self, measure: str, department: str, counterpart: str) -> Iterable[IndicatorValue]:
        """Of what has no facts any more, or is hidden."""
        found = self.values(measure, department, counterpart, Group())
        return map(nothing, found) if department in self.hidden else found

    def values(
        self, measure: str, department: str, counterpart: str, group: Group, beside: Group | None = None
    ) -> Iterator[IndicatorValue]:
        """Every indicator of the measure over every window; what runs now has none. ``beside``: the same department's facts of the
        measure that :data:`BESIDE` names.
        """
        indicators = [i for i in CATALOGUE[measure] if i.pairs or not counterpart]
        until, floor = self.as_of, self.as_of // FLOOR_US * FLOOR_US
        running = group.worked(until, self.config.calendar)
        found = [("", i, _number(len(running))) for i in indicators if i.aggregation is Aggregation.running]
        for name, length in WINDOWS.items():
            window = group.window(name, floor - length, until)
            said = Said(window, running, 0 if beside is None else beside.window(name, floor - length, until).n)
            found += [(name, i, _OVER[i.aggregation](i, said)) for i in indicators if i.aggregation in _OVER]
        for name, indicator, what in found:
            if counterpart and not what.n:
                what = NOTHING
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


NOTHING = _Found(None, 0)


def _ratio(hits: int, n: int) -> _Found:
    return _Found(hits / n, n, *wilson(hits, n)) if n else NOTHING


def _attainment(_: Indicator, said: Said) -> _Found:
    met = said.inside.count(Outcome.met)
    return _ratio(met, met + said.inside.count(Outcome.missed))


def _share(indicator: Indicator, said: Said) -> _Found:
    return _ratio(said.inside.count(indicator.outcome), said.inside.n + (said.beside if indicator.among else 0))


def _share_of_time(indicator: Indicator, said: Said) -> _Found:
    inside = said.inside
    return _Found(inside.time(indicator.outcome) / inside.total_us, len(inside.ended)) if inside.total_us else NOTHING


def _percentile(share: float, said: Said) -> _Found:
    found = said.survival.percentile(share)
    if found is None:
        return NOTHING
    return _Found(
        value=found.value / SECOND_US,
        n=said.survival.n,
        low=None if found.low is None else found.low / SECOND_US,
        high=None if found.high is None else found.high / SECOND_US,
        beyond=found.beyond,
    )


def _number(n: int) -> _Found:
    return _Found(float(n), n)


def _total(_: Indicator, said: Said) -> _Found:
    n = len(said.inside.ended) + len(said.running)
    return _Found((said.inside.total_us + sum(said.running)) / SECOND_US, n)


_OVER: Mapping[Aggregation, Callable[[Indicator, Said], _Found]] = {
    Aggregation.attainment: _attainment,
    Aggregation.share: _share,
    Aggregation.share_of_time: _share_of_time,
    Aggregation.p50: lambda _, said: _percentile(0.5, said),
    Aggregation.p90: lambda _, said: _percentile(0.9, said),
    Aggregation.count: lambda _, said: _number(said.inside.n),
    Aggregation.cases: lambda _, said: _number(said.inside.cases),
    Aggregation.total: _total,
}

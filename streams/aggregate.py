"""From the facts of one series to its indicators: which facts a window holds, and what they say together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from streams.fact import Fact, Outcome
from streams.indicators import FLOOR_US, INDICATORS, WINDOWS, Aggregation, Indicator, IndicatorValue
from streams.statistics import survival_percentile, wilson

if TYPE_CHECKING:
    from streams.configuration import Configuration

SECOND_US = 1_000_000
_DETERMINED = (Outcome.met, Outcome.missed, Outcome.done)
_OF_MEASURE: Mapping[str, tuple[Indicator, ...]] = {
    m: tuple(i for i in INDICATORS if i.measure == m) for m in {i.measure for i in INDICATORS}
}


class Series(NamedTuple):
    """The facts of one measure and department, at one level of the tree."""

    measure: str
    department: str
    level: int
    facts: Sequence[Fact]


class Window(NamedTuple):
    """What a window holds: ``inside`` by ``counts_at``; ``running`` has no stop yet, whenever it began."""

    inside: Sequence[Fact]
    running: Sequence[Fact]
    business: Mapping[bytes, int]


def values(series: Series, as_of: int, config: Configuration, offset: int) -> Iterator[IndicatorValue]:
    """Every indicator of the series, over every window, for the department and for each pair that is shown at its level."""
    catalogue = _OF_MEASURE.get(series.measure, ())
    groups = _groups(series, config, as_of)
    for counterpart, facts in groups.items():
        wanted = [i for i in catalogue if i.pairs or not counterpart]
        if not wanted:
            continue
        running = [f for f in facts if f.stop is None and f.outcome is not Outcome.retracted]
        business = {f.opener: business_at(f, as_of, config) for f in running}
        for name, length in WINDOWS.items():
            since = as_of // FLOOR_US * FLOOR_US - length
            inside = [f for f in facts if f.counts_at is not None and since < f.counts_at <= as_of]
            window = Window(inside, running, business)
            for indicator in wanted:
                value = _AGGREGATE[indicator.aggregation](indicator, window)
                yield IndicatorValue(
                    indicator=indicator.name,
                    department=series.department,
                    counterpart=counterpart,
                    window=name,
                    as_of=as_of,
                    offset=offset,
                    **value,
                )


def _groups(series: Series, config: Configuration, as_of: int) -> dict[str, Sequence[Fact]]:
    """The department's own facts at its own depth ("" for the key), and by counterpart where both sides are at hand."""
    depth = config.depth(series.department, as_of)
    groups: dict[str, list[Fact]] = defaultdict(list)
    if depth == series.level:
        groups[""] = list(series.facts)
    for fact in series.facts:
        if (
            fact.counterpart not in ("", series.department)
            and max(depth, config.depth(fact.counterpart, as_of)) == series.level
        ):
            groups[fact.counterpart].append(fact)
    return dict(groups)


def business_at(fact: Fact, as_of: int, config: Configuration) -> int:
    """The business time of a running fact at ``as_of``, in microseconds."""
    if not fact.calendar:
        return fact.business_us
    return fact.business_us + config.calendar(fact.calendar).worked(fact.since, as_of)


class _Value(dict[str, object]):
    """The fields of an :class:`IndicatorValue` that an aggregation decides."""


def _share(hits: int, n: int) -> _Value:
    if not n:
        return _Value(value=None, n=0)
    low, high = wilson(hits, n)
    return _Value(value=hits / n, n=n, low=low, high=high)


def _attainment(_: Indicator, window: Window) -> _Value:
    met = sum(f.outcome is Outcome.met for f in window.inside)
    return _share(met, met + sum(f.outcome is Outcome.missed for f in window.inside))


def _outcome_share(indicator: Indicator, window: Window) -> _Value:
    n = sum(f.outcome in _DETERMINED for f in window.inside)
    return _share(sum(f.outcome == indicator.outcome for f in window.inside), n)


def _percentile(share: float, window: Window) -> _Value:
    durations = [(f.business_us, True) for f in window.inside if f.stop is not None and f.outcome in _DETERMINED]
    durations += [(us, False) for us in window.business.values()]
    found = survival_percentile(durations, share)
    if found is None:
        return _Value(value=None, n=0)
    return _Value(
        value=found.value / SECOND_US,
        n=len(durations),
        low=None if found.low is None else found.low / SECOND_US,
        high=None if found.high is None else found.high / SECOND_US,
        beyond=found.beyond,
    )


def _count(_: Indicator, window: Window) -> _Value:
    n = sum(f.outcome in _DETERMINED for f in window.inside)
    return _Value(value=float(n), n=n)


def _cases(_: Indicator, window: Window) -> _Value:
    n = len({f.case_id for f in window.inside if f.outcome in _DETERMINED})
    return _Value(value=float(n), n=n)


def _running(_: Indicator, window: Window) -> _Value:
    return _Value(value=float(len(window.running)), n=len(window.running))


def _total(_: Indicator, window: Window) -> _Value:
    facts = [f.business_us for f in window.inside if f.stop is not None]
    return _Value(value=(sum(facts) + sum(window.business.values())) / SECOND_US, n=len(facts) + len(window.running))


_AGGREGATE = {
    Aggregation.attainment: _attainment,
    Aggregation.share: _outcome_share,
    Aggregation.p50: lambda _, window: _percentile(0.5, window),
    Aggregation.p90: lambda _, window: _percentile(0.9, window),
    Aggregation.count: _count,
    Aggregation.cases: _cases,
    Aggregation.running: _running,
    Aggregation.total: _total,
}

"""From sealed batches to indicators of morale: which batches a value pools, and what they say together (docs/morale.md).

All batches of a wave stand under one tree, that of the day on which the newest of them closed. ``""`` is the whole organisation,
the parent of the topmost departments.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from msgspec.structs import replace

from streams.company import Company
from streams.morale import (
    MORALE,
    WEEK_US,
    WINDOWS,
    MoraleValue,
    Statistic,
    Trend,
    last_monday,
    rounded_people,
    rounded_rate,
)
from streams.sealed import ENPS, Batch, Item, Joined, Kind
from streams.statistics import Estimate, enps, share

ORGANISATION = ""
WEIGHTED_FROM = 30
"""Percent that must have answered before anything is weighted."""
LIGHTEST, HEAVIEST = 1 / 3, 3.0


class Wave(NamedTuple):
    """In the order in which waves began; a week of ratings is called by its name. ``at``: when the newest batch of it closed."""

    began: int
    name: str
    kind: Kind
    at: int


class Part(NamedTuple):
    """What one batch says of one item, or of all: ``plus`` of ``n`` answers are favourable, or promoters; ``minus`` detractors."""

    wave: Wave
    batch: Batch
    n: int
    plus: int
    minus: int = 0

    @property
    def counted(self) -> int:
        """The answers of one person are of one mood: an interval is that of so many persons."""
        return min(self.n, self.batch.persons)


class Sums(NamedTuple):
    n: int
    counted: int
    plus: int
    minus: int


def morale(batches: Iterable[Batch], company: Company, as_of: int, *, pairs: bool = True) -> list[MoraleValue]:
    """All values, of each wave and each window, in the order of their names. ``batches``: all that have been sealed, in any order
    and as often as they come; what closed after ``as_of`` is not there yet. ``company`` has the tree and the head counts.
    ``pairs``: also what one department says about another, which is most of it.
    """
    closed = {batch.id: batch for batch in batches if batch.closed <= as_of}
    waves = _waves(closed.values())
    pooled: dict[tuple[str, str], list[Batch]] = defaultdict(list)
    for batch in closed.values():
        at = waves[batch.kind, batch.wave].at
        abouts = company.line(batch.about, at) if batch.about else [""]
        for department in dict.fromkeys((ORGANISATION, *company.line(batch.department, at))):
            for about in abouts:
                if (department != about or not about) and (pairs or not department or not about):
                    pooled[department, about].append(batch)
    pooling = _Pooling(waves, company, as_of)
    found = [value for pair in sorted(pooled) for value in pooling.values(*pair, pooled[pair])]
    return sorted([*found, *pooling.silent(found)], key=_name)


def beginnings(batches: Iterable[Batch], as_of: int) -> dict[str, int]:
    """Wave of answers -> when its first batch closed (UTC µs), of those that had by ``as_of``."""
    waves = _waves(batch for batch in batches if batch.kind is Kind.answers and batch.closed <= as_of)
    return {wave.name: wave.began for wave in waves.values()}


def _name(value: MoraleValue) -> tuple[str, ...]:
    return value.indicator, value.item, value.department, value.about, value.window, value.wave


def _waves(batches: Iterable[Batch]) -> dict[tuple[Kind, str], Wave]:
    closed: dict[tuple[Kind, str], list[int]] = defaultdict(list)
    for batch in batches:
        closed[batch.kind, batch.wave].append(batch.closed)
    return {
        (kind, name): Wave(min(at) if kind is Kind.answers else 0, name, kind, max(at))
        for (kind, name), at in closed.items()
    }


class _Pooling:
    def __init__(self, waves: Mapping[tuple[Kind, str], Wave], company: Company, as_of: int) -> None:
        self.waves, self.company, self.as_of, self.monday = waves, company, as_of, last_monday(as_of)
        self.heads: Callable[[str, int], int | None] = cache(company.head_count)
        self.own: Callable[[str, int], tuple[bool, int | None]] = cache(self._own)

    def values(self, department: str, about: str, batches: Sequence[Batch]) -> Iterator[MoraleValue]:
        for indicator in MORALE:
            if indicator.about is not None and indicator.about != bool(about):
                continue
            by_item: dict[str, list[Part]] = defaultdict(list)
            for batch in batches:
                if batch.kind is indicator.kind:
                    for item, part in _parts(indicator.statistic, self.waves[batch.kind, batch.wave], batch):
                        if indicator.items or not item or item == ENPS:
                            by_item[item].append(part)
            for item, parts in by_item.items():
                series = MoraleValue(
                    indicator=indicator.name,
                    item=item,
                    department=department,
                    about=about,
                    window="",
                    wave="",
                    as_of=self.as_of,
                    value=None,
                    n=0,
                )
                if indicator.statistic is Statistic.response:
                    yield from self._responses(series, parts)
                else:
                    yield from self._of_waves(indicator.statistic, series, parts)
                    yield from self._of_windows(indicator.statistic, series, parts)

    def silent(self, found: Iterable[MoraleValue]) -> Iterator[MoraleValue]:
        """The responses of departments of which there is no batch in a wave: fewer than five, or none."""
        responses = [value for value in found if value.indicator == "response_ratio"]
        answered = {(value.wave, value.department) for value in responses}
        nothing = {
            value.wave: replace(value, value=None, n=0, closed=None, age_weeks=None, invited=None)
            for value in responses
        }
        for wave, value in nothing.items():
            for department in self.company.entries:
                if (wave, department) not in answered:
                    people = self.heads(department, self.waves[Kind.answers, wave].at)
                    invited = None if people is None else rounded_people(people)
                    yield replace(value, department=department, invited=invited)

    def _of_waves(self, statistic: Statistic, series: MoraleValue, parts: Sequence[Part]) -> Iterator[MoraleValue]:
        before: tuple[str, Estimate] | None = None
        for wave, pooled in _by_wave(parts):
            estimate = self._estimate(statistic, series.department, pooled)
            value = replace(
                self._dated(series, statistic, estimate, pooled),
                wave=wave.name,
                weighted=self._weighted(statistic, series.department, wave, pooled),
            )
            yield value if before is None else _changed(value, estimate, *before)
            before = wave.name, estimate

    def _of_windows(self, statistic: Statistic, series: MoraleValue, parts: Sequence[Part]) -> Iterator[MoraleValue]:
        newest = max(part.batch.closed for part in parts)
        for window, length in WINDOWS.items():
            end = self.monday if newest > self.monday - length else newest
            pooled = [part for part in parts if end - length < part.batch.closed <= end]
            estimate = self._estimate(statistic, series.department, pooled)
            yield replace(self._dated(series, statistic, estimate, pooled), window=window)

    def _responses(self, series: MoraleValue, parts: Sequence[Part]) -> Iterator[MoraleValue]:
        """Of waves alone: a window may hold a part of a wave."""
        for wave, pooled in _by_wave(parts):
            n = _sums(pooled).n
            people = self._population(series.department, pooled, n)
            yield replace(
                self._aged(series, pooled),
                wave=wave.name,
                value=None if people is None else rounded_rate(n, people),
                n=n,
                invited=None if people is None else rounded_people(people),
            )

    def _aged(self, series: MoraleValue, pooled: Iterable[Part]) -> MoraleValue:
        closed = max(part.batch.closed for part in pooled)
        return replace(series, closed=closed, age_weeks=(self.monday - closed) // WEEK_US)

    def _dated(
        self, series: MoraleValue, statistic: Statistic, estimate: Estimate, pooled: Sequence[Part]
    ) -> MoraleValue:
        low, high = (-100.0, 100.0) if statistic is Statistic.enps else (0.0, 1.0)
        return replace(
            self._aged(series, pooled),
            value=estimate.value,
            n=_sums(pooled).counted,
            low=max(estimate.low, low),
            high=min(estimate.high, high),
        )

    def _estimate(self, statistic: Statistic, department: str, pooled: Sequence[Part]) -> Estimate:
        sums = _sums(pooled)
        people = self._population(department, pooled, sums.counted)
        if statistic is Statistic.enps:
            return enps(sums.plus / sums.n, sums.minus / sums.n, sums.counted, people)
        return share(sums.plus / sums.n, sums.counted, people)

    def _population(self, department: str, pooled: Iterable[Part], n: int) -> int | None:
        """How many were asked, in each wave about each department; None where it is not known, or where ``n`` cannot have answered.
        Nobody is asked for a rating.
        """
        people = 0
        for wave, _ in {(part.wave, part.batch.about) for part in pooled}:
            heads = self.heads(department, wave.at) if wave.kind is Kind.answers else None
            if heads is None:
                return None
            people += heads
        return people if people >= n else None

    def _weighted(self, statistic: Statistic, department: str, wave: Wave, pooled: Sequence[Part]) -> float | None:
        """Post-stratified by department, and by site where the company file knows these; what is of several counts as it is."""
        persons = sum(part.batch.persons for part in pooled)
        people = self._population(department, pooled, persons)
        if people is None or 100 * persons < WEIGHTED_FROM * people:
            return None
        strata: dict[tuple[str, str], list[Part]] = defaultdict(list)
        rest: list[Part] = []
        for part in pooled:
            stratum = self._stratum(part.batch, wave.at)
            (rest if stratum is None else strata[stratum]).append(part)
        sizes = [(self._size(*stratum, wave.at), _sums(parts)) for stratum, parts in sorted(strata.items())]
        known = [(heads, sums) for heads, sums in sizes if heads]
        if len(known) < len(sizes) or not known:
            return None
        answers, heads_of_all = sum(sums.n for _, sums in known), sum(heads for heads, _ in known)
        terms = [(1.0, _sums(rest))] if rest else []
        for heads, sums in known:
            weight = heads * answers / (sums.n * heads_of_all)
            terms.append((min(max(weight, LIGHTEST), HEAVIEST), sums))
        balance = sum(weight * (sums.plus - sums.minus) for weight, sums in terms)
        of = sum(weight * sums.n for weight, sums in terms)
        return (100 if statistic is Statistic.enps else 1) * balance / of

    def _stratum(self, batch: Batch, at: int) -> tuple[str, str] | None:
        """Department and site; None: it is of several."""
        department, is_cell = batch.department, batch.joined is Joined.cell
        if sites := self.company.sites(department):
            return (department, batch.site) if is_cell and batch.site in sites else None
        return (department, "") if is_cell or not self.own(department, at)[0] else None

    def _size(self, department: str, site: str, at: int) -> int | None:
        """How many people it has; None: not known, or none, which cannot be."""
        return self.company.sites(department)[site] or None if site else self.own(department, at)[1]

    def _own(self, department: str, at: int) -> tuple[bool, int | None]:
        """Whether there are departments below it; and how many people it has who are in none of those. None: not known."""
        heads = self.heads(department, at)
        below = [self.heads(child, at) for child, above in self.company.parents.items() if above.at(at) == department]
        known = [people for people in below if people is not None]
        own = None if heads is None or len(known) < len(below) else heads - sum(known)
        return bool(below), own if own is not None and own > 0 else None


def _parts(statistic: Statistic, wave: Wave, batch: Batch) -> Iterator[tuple[str, Part]]:
    """What it says of each item, and of all together."""
    if statistic is Statistic.response:
        yield "", Part(wave, batch, batch.persons, batch.persons)
    elif statistic is Statistic.enps:
        if ENPS in batch.items:
            item = batch.items[ENPS]
            yield ENPS, Part(wave, batch, item.n, item.promoters or 0, item.detractors or 0)
    else:
        items: dict[str, Item] = {name: item for name, item in batch.items.items() if name != ENPS}
        for name, item in items.items():
            yield name, Part(wave, batch, item.n, item.favourable or 0)
        if items:
            n, favourable = (
                sum(item.n for item in items.values()),
                sum(item.favourable or 0 for item in items.values()),
            )
            yield "", Part(wave, batch, n, favourable)


def _by_wave(parts: Iterable[Part]) -> list[tuple[Wave, list[Part]]]:
    found: dict[Wave, list[Part]] = defaultdict(list)
    for part in parts:
        found[part.wave].append(part)
    return sorted(found.items())


def _sums(parts: Iterable[Part]) -> Sums:
    return Sums(*map(sum, zip(*((part.n, part.counted, part.plus, part.minus) for part in parts), strict=True)))


def _changed(value: MoraleValue, estimate: Estimate, name: str, before: Estimate) -> MoraleValue:
    change = estimate.minus(before)
    trend = Trend.improved if change.low > 0 else Trend.declined if change.high < 0 else Trend.no_clear_change
    return replace(value, trend=trend, before=name, change=change.value, change_low=change.low, change_high=change.high)

"""The two statistics of the indicators: a share with its Wilson interval, and Kaplan-Meier percentiles."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from math import exp, inf, log, sqrt
from typing import NamedTuple

Z = 1.959963984540054  # two-sided 95 %
ROUNDING = 1e-9  # survival is a product of ratios: what it lost by rounding decides nothing


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927). ``n`` must be positive."""
    p, zz = hits / n, Z * Z
    middle = (p + zz / (2 * n)) / (1 + zz / n)
    half = Z / (1 + zz / n) * sqrt(p * (1 - p) / n + zz / (4 * n * n))
    return (0.0 if hits == 0 else middle - half), (1.0 if hits == n else middle + half)


class Percentile(NamedTuple):
    """``value`` in the unit of the durations; ``beyond``: it lies beyond that, the largest observed. None: not bounded."""

    value: int
    low: int | None
    high: int | None
    beyond: bool


class Survival:
    """The Kaplan-Meier curve of durations that ``ended`` and others that were ``censored``: those went on longer than that.
    Both ascend.

    Each list has one entry per distinct ``ended``: the share that lasts longer, and Greenwood's sum for its variance.
    """

    __slots__ = ("durations", "greenwood", "largest", "n", "survival")

    def __init__(self, ended: Sequence[int], censored: Sequence[int]) -> None:
        self.n = len(ended) + len(censored)
        self.largest = max((*ended[-1:], *censored[-1:]), default=0)
        self.durations: list[int] = []
        self.survival: list[float] = []
        self.greenwood: list[float] = []
        survival, variance = 1.0, 0.0
        at_risk, gone = self.n, 0
        for duration, deaths in Counter(ended).items():
            before, gone = gone, bisect_left(censored, duration, gone)  # censored at that duration: was at risk there
            at_risk -= gone - before
            left = at_risk - deaths
            survival *= left / at_risk
            variance += deaths / (at_risk * left) if left else inf
            at_risk = left
            self.durations.append(duration)
            self.survival.append(survival)
            self.greenwood.append(variance)

    def percentile(self, share: float) -> Percentile | None:
        """inf {d: S(d) <= 1 - share}; None without durations.

        The interval is that of Brookmeyer and Crowley (1982), with the log-log transform of Greenwood's variance: the
        durations at which the band around the curve reaches the target. Where nobody is left, the variance is
        undefined and the interval not bounded, as in R's ``survival``.
        """
        if not self.n:
            return None
        target = 1 - share + ROUNDING
        durations, steps = self.durations, range(len(self.durations))
        bounded = len(steps) - (self.greenwood[-1:] == [inf])
        at = bisect_left(steps, True, key=lambda i: self.survival[i] <= target)
        end = min(at + 1, bounded)
        low = bisect_left(steps, True, hi=end, key=lambda i: self._band(i)[0] <= target)
        return Percentile(
            value=durations[at] if at < len(steps) else self.largest,
            low=durations[low] if low < end else None,
            high=next((durations[i] for i in steps[at:bounded] if self._band(i)[1] <= target), None),
            beyond=at == len(steps),
        )

    def _band(self, i: int) -> tuple[float, float]:
        """The 95 % band of the curve after its step ``i``, unless nobody is left there."""
        hazard = -log(self.survival[i])
        width = exp(Z * sqrt(self.greenwood[i]) / hazard)
        return exp(-hazard * width), exp(-hazard / width)

"""The statistics of the indicators: a share with its Wilson interval, eNPS, differences of both, and Kaplan-Meier percentiles."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from math import exp, hypot, inf, log, sqrt
from typing import NamedTuple

Z = 1.959963984540054  # two-sided 95 %
ROUNDING = 1e-9  # survival is a product of ratios: what it lost by rounding decides nothing


def wilson(hits: float, n: float) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927). ``n`` must be positive; it need not be whole, see :func:`share`."""
    p, zz = hits / n, Z * Z
    middle = (p + zz / (2 * n)) / (1 + zz / n)
    half = Z / (1 + zz / n) * sqrt(p * (1 - p) / n + zz / (4 * n * n))
    return (0.0 if hits == 0 else middle - half), (1.0 if hits == n else middle + half)


class Estimate(NamedTuple):
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    def minus(self, other: Estimate) -> Estimate:
        """The difference of two that are independent, with its interval from theirs (Newcombe 1998, method 10)."""
        difference = self.value - other.value
        return Estimate(
            difference,
            difference - hypot(self.value - self.low, other.high - other.value),
            difference + hypot(self.high - self.value, other.value - other.low),
        )


def share(value: float, n: int, population: int | None) -> Estimate:
    """Of ``n`` out of a ``population`` that was asked whole: Wilson's interval, with n / (1 - n/N) in the place of n, for who has
    answered is not in doubt. None: nobody knows how large it is, or it is endless.
    """
    if population == n:
        return Estimate(value, value, value)
    effective = n if population is None else n * population / (population - n)
    return Estimate(value, *wilson(value * effective, effective))


def enps(promoters: float, detractors: float, n: int, population: int | None) -> Estimate:
    """100 (p_P - p_D), of both shares; SE = 100 sqrt((p_P + p_D - (p_P - p_D)^2) / n * (1 - n/N)). Its ends may lie beyond 100."""
    difference = promoters - detractors
    doubt = 1 if population is None else 1 - n / population
    half = Z * 100 * sqrt(max(promoters + detractors - difference**2, 0) / n * doubt)
    value = 100 * difference
    return Estimate(value, value - half, value + half)


class Percentile(NamedTuple):
    """``value`` in the unit of the durations; ``beyond``: it lies beyond that, the largest observed. None: not bounded."""

    value: int
    low: int | None
    high: int | None
    beyond: bool


class Step(NamedTuple):
    """After a duration: the share that lasts longer, and Greenwood's sum for its variance."""

    survival: float
    greenwood: float

    def band(self) -> tuple[float, float]:
        """95 % around it, by the log-log transform; not where nobody is left."""
        hazard = -log(self.survival)
        width = exp(Z * sqrt(self.greenwood) / hazard)
        return exp(-hazard * width), exp(-hazard / width)


class Survival:
    """The Kaplan-Meier curve of durations that ``ended`` and others that were ``censored``: those went on longer than that.
    Both ascend.

    Where none is censored between two that ended, only those at risk get fewer, one by one: the curve is what it was at the
    beginning of such a stretch, by the share that is left of those who were at risk there. So it is known at the ends of
    stretches (``_ends``: in ``ended``), and computed between them where somebody asks.
    """

    __slots__ = ("_at_risk", "_ends", "_greenwood", "_left", "_survival", "ended", "largest", "n")

    def __init__(self, ended: Sequence[int], censored: Sequence[int]) -> None:
        self.ended, self.n = ended, len(ended) + len(censored)
        self.largest = max((*ended[-1:], *censored[-1:]), default=0)
        self._ends: list[int] = []
        self._at_risk: list[int] = []
        self._survival: list[float] = []
        self._greenwood: list[float] = []
        self._left: list[int] = []
        """Who would be, with all of ``ended`` still to come."""
        n, everybody, of_censored = self.n, len(ended), len(censored)
        first, gone, survival, greenwood = 0, 0, 1.0, 0.0
        while first < everybody:
            gone = bisect_left(censored, ended[first], gone)  # who is censored at that duration was at risk there
            end = bisect_right(ended, censored[gone], first) if gone < of_censored else everybody
            at_risk, left = n - gone - first, n - gone - end
            self._ends.append(end)
            self._at_risk.append(at_risk)
            self._survival.append(survival)
            self._greenwood.append(greenwood)
            self._left.append(n - gone)
            survival *= left / at_risk
            greenwood += 1 / left - 1 / at_risk if left else inf
            first = end

    def step(self, i: int) -> Step:
        """After the duration ``ended[i]``."""
        end = bisect_right(self.ended, self.ended[i], i)
        stretch = bisect_left(self._ends, end)
        left, at_risk = self._left[stretch] - end, self._at_risk[stretch]
        return Step(
            self._survival[stretch] * (left / at_risk),
            self._greenwood[stretch] + (1 / left - 1 / at_risk if left else inf),
        )

    def percentile(self, share: float) -> Percentile | None:
        """inf {d: S(d) <= 1 - share}; None without durations.

        The interval is that of Brookmeyer and Crowley (1982), with the log-log transform of Greenwood's variance: the
        durations at which the band around the curve reaches the target. Where nobody is left, the variance is
        undefined and the interval not bounded, as in R's ``survival``.
        """
        if not self.n:
            return None
        target = 1 - share + ROUNDING
        ended, steps = self.ended, range(len(self.ended))
        nobody_left = bool(steps) and self.step(len(steps) - 1).survival == 0
        bounded = bisect_left(ended, ended[-1]) if nobody_left else len(steps)
        at = bisect_left(steps, True, key=lambda i: self.step(i).survival <= target)
        end = min(at + 1, bounded)
        low = bisect_left(steps, True, hi=end, key=lambda i: self.step(i).band()[0] <= target)
        return Percentile(
            value=ended[at] if at < len(steps) else self.largest,
            low=ended[low] if low < end else None,
            high=self._high(target, at, bounded),
            beyond=at == len(steps),
        )

    def _high(self, target: float, at: int, end: int) -> int | None:
        """The upper side of the band may rise again, where few are left."""
        while at < end:
            if self.step(at).band()[1] <= target:
                return self.ended[at]
            at = bisect_right(self.ended, self.ended[at], at)
        return None

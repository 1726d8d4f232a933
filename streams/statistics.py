"""The two statistics of the indicators: a share with its Wilson interval, and Kaplan-Meier percentiles."""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, inf, log, sqrt
from typing import NamedTuple

Z = 1.959963984540054  # two-sided 95 %


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


def survival_percentile(durations: Iterable[tuple[int, bool]], share: float) -> Percentile | None:
    """inf {d: S(d) <= 1 - share} of the Kaplan-Meier curve of ``(duration, ended)``; not ended: censored there.

    The interval is that of Brookmeyer and Crowley (1982) with the log-log transform of Greenwood's variance. None without
    durations.
    """
    ordered = sorted(durations)
    if not ordered:
        return None
    target = 1 - share + 1e-12  # S is a product of ratios: let rounding not decide
    at_risk, survival, variance = len(ordered), 1.0, 0.0
    value = low = high = None
    i = 0
    while i < len(ordered) and (value is None or high is None):
        duration = ordered[i][0]
        j, deaths = i, 0
        while j < len(ordered) and ordered[j][0] == duration:
            deaths += ordered[j][1]
            j += 1
        if deaths:
            survival *= 1 - deaths / at_risk
            variance += deaths / (at_risk * (at_risk - deaths)) if at_risk > deaths else inf
            lower, upper = _band(survival, variance)
            value = duration if value is None and survival <= target else value
            low = duration if low is None and lower <= target else low
            high = duration if high is None and upper <= target else high
        at_risk -= j - i
        i = j
    if value is None:
        return Percentile(ordered[-1][0], low, None, True)
    return Percentile(value, low, high, False)


def _band(survival: float, variance: float) -> tuple[float, float]:
    """The 95 % band of the survival curve at one point."""
    if survival <= 0 or variance == inf:
        return 0.0, 1.0 if survival > 0 else 0.0
    if survival >= 1:
        return 1.0, 1.0
    width = Z * sqrt(variance) / log(survival)
    centre = log(-log(survival))
    return exp(-exp(centre - width)), exp(-exp(centre + width))

"""Shares of what was in time, and what among many differs by more than chance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import exp, lgamma, log
from typing import NamedTuple

FALSE = 0.1
"""Of all that is called clear, so much may be chance."""


class Share(NamedTuple):
    """Of ``n`` that were judged, ``hits`` were in time."""

    hits: int
    n: int

    @property
    def value(self) -> float:
        """Raises ``ZeroDivisionError`` where nothing was judged: that is neither 0 nor 100 %."""
        return self.hits / self.n


def together(shares: Iterable[Share]) -> Share:
    hits = n = 0
    for share in shares:
        hits, n = hits + share.hits, n + share.n
    return Share(hits, n)


def so_few(share: Share, usual: float) -> float:
    """How likely are so few hits or fewer, where each of ``n`` is one with the chance ``usual`` (binomial)?"""
    hits, n = share
    if hits == n or usual <= 0:
        return 1.0
    if usual >= 1:
        return 0.0
    return min(1.0, sum(exp(_ways(n, k) + k * log(usual) + (n - k) * log(1 - usual)) for k in range(hits + 1)))


def clear(chances: Sequence[float]) -> list[bool]:
    """Which of many are no chance: of those that are called so, no more than :data:`FALSE` are (Benjamini and Hochberg 1995)."""
    ordered = sorted(chances)
    limits = (chance for i, chance in enumerate(ordered, 1) if chance <= FALSE * i / len(ordered))
    limit = max(limits, default=-1.0)
    return [chance <= limit for chance in chances]


def _ways(n: int, k: int) -> float:
    """The logarithm of n over k."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)

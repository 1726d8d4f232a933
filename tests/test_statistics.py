"""Shares with their Wilson interval, and Kaplan-Meier percentiles: by hand, by the book, and against a slow definition."""

from __future__ import annotations

import random
from fractions import Fraction
from math import exp, log, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.statistics import Percentile, Survival, wilson

# Weeks until women stopped using an intrauterine device, and how long those used it who had not stopped by then. The curve
# and its standard errors: D. Collett, Modelling Survival Data in Medical Research, examples 2.3 and 2.4.
COLLETT_ENDED = (10, 19, 30, 36, 59, 75, 93, 97, 107)
COLLETT_CENSORED = (13, 18, 23, 38, 54, 56, 104, 107, 107)
COLLETT_CURVE = (0.9444, 0.8815, 0.8137, 0.7459, 0.6526, 0.5594, 0.4662, 0.3729, 0.2486)
COLLETT_ERRORS = (0.0540, 0.0790, 0.0978, 0.1107, 0.1303, 0.1412, 0.1452, 0.1430, 0.1392)


# -- shares


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(0, 5, 0, 0.4345), (5, 5, 0.5655, 1), (8, 10, 0.4902, 0.9433), (0, 1, 0, 0.7935), (50, 100, 0.4038, 0.5962)],
)
def test_the_interval_of_a_share_is_wilsons(hits: int, n: int, low: float, high: float) -> None:
    assert wilson(hits, n) == pytest.approx((low, high), abs=5e-5)


def test_the_ends_of_an_interval_are_exactly_none_and_all() -> None:
    assert wilson(0, 7)[0] == 0.0
    assert wilson(7, 7)[1] == 1.0


@given(st.integers(1, 5000), st.data())
def test_the_interval_of_a_share_holds_it_and_mirrors_that_of_its_complement(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    low, high = wilson(hits, n)
    assert 0 <= low <= hits / n <= high <= 1
    assert wilson(n - hits, n) == pytest.approx((1 - high, 1 - low))


# -- percentiles


@pytest.mark.parametrize(
    ("ended", "censored", "p50", "p90"),
    [
        # S(1) .. S(10) = 0.9 .. 0: the curve reaches 0.5 and 0.1 exactly
        (range(1, 11), (), 5, 9),
        # S(1) = 2/3, S(2) = 1/3
        ((1, 2, 3), (), 2, 3),
        # three at once: S(2) = 1/4
        ((2, 2, 2, 7), (), 2, 7),
        # S(1) = 2/3, then one goes on beyond 2 unseen, S(3) = 0: without it the median would be 1
        ((1, 3), (2,), 3, 3),
        # who is censored at an instant was still at risk at that instant: S(4) = 1/2
        ((4,), (4,), 4, None),
        # S(1) = 3/4 and no further
        ((1,), (5, 6, 9), None, None),
        # who is censored before the first end says nothing: S(5) = 1/2, S(6) = 0
        ((5, 6), (1, 2, 3, 4), 5, 6),
        # answered outside opening hours, in no time at all
        ((0, 0, 0), (), 0, 0),
        # ninety of a hundred at 1: S(1) = 0.1
        ((1,) * 90 + (2,) * 10, (), 1, 1),
    ],
)
def test_a_percentile_is_where_the_survival_curve_gets_there(
    ended: tuple[int, ...], censored: tuple[int, ...], p50: int | None, p90: int | None
) -> None:
    survival = Survival(tuple(ended), censored)
    for share, wanted in ((0.5, p50), (0.9, p90)):
        found = survival.percentile(share)
        assert found is not None
        assert (found.value, found.beyond) == ((max((*ended, *censored)), True) if wanted is None else (wanted, False))


def test_a_curve_that_does_not_get_there_says_beyond_the_largest_observed() -> None:
    assert Survival((1,), (5, 6, 9)).percentile(0.5) == Percentile(9, 1, None, beyond=True)
    assert Survival((), (3, 8)).percentile(0.5) == Percentile(8, None, None, beyond=True)


def test_nothing_observed_says_nothing() -> None:
    assert Survival((), ()).percentile(0.5) is None


def test_what_is_certain_of_nobody_is_not_bounded() -> None:
    """One observation, or all at one instant: Greenwood's variance is undefined, and R says NA."""
    assert Survival((5,), ()).percentile(0.5) == Percentile(5, None, None, beyond=False)
    assert Survival((5, 5, 5), ()).percentile(0.9) == Percentile(5, None, None, beyond=False)


def test_the_curve_and_its_errors_are_those_of_the_book() -> None:
    survival = Survival(COLLETT_ENDED, COLLETT_CENSORED)
    assert survival.n == 18
    steps = [survival.step(i) for i in range(len(COLLETT_ENDED))]
    assert [step.survival for step in steps] == pytest.approx(COLLETT_CURVE, abs=5e-5)
    errors = [step.survival * sqrt(step.greenwood) for step in steps]
    assert errors == pytest.approx(COLLETT_ERRORS, abs=1e-4)


def test_the_interval_is_where_the_band_around_the_curve_gets_there() -> None:
    """After 36 weeks S = 0.7459, its error 0.1107, -ln S = 0.2932; 1.96 * 0.1107 / (0.7459 * 0.2932) = 0.992; the band goes
    down to exp(-0.2932 * exp(0.992)) = 0.454, and after 30 weeks only to 0.524. Up, it ends at 0.531 after 107 weeks.
    """
    assert Survival(COLLETT_ENDED, COLLETT_CENSORED).percentile(0.5) == Percentile(93, 36, None, beyond=False)
    assert Survival(COLLETT_ENDED, COLLETT_CENSORED).percentile(0.25) == Percentile(36, 10, 93, beyond=False)


@given(st.lists(st.integers(0, 12), max_size=40), st.lists(st.integers(0, 12), max_size=40))
def test_percentiles_agree_with_their_definition(ended: list[int], censored: list[int]) -> None:
    agrees(ended, censored)


@pytest.mark.parametrize("seed", range(20))
def test_percentiles_of_many_agree_with_their_definition(seed: int) -> None:
    rnd = random.Random(seed)
    n = rnd.choice((100, 300, 1000))
    times = [int(rnd.weibullvariate(1e6, rnd.choice((0.5, 1, 2)))) for _ in range(n)]
    censored_share = rnd.choice((0, 0.1, 0.5, 0.9))
    ends = [rnd.random() >= censored_share for _ in times]
    agrees(
        [t for t, end in zip(times, ends, strict=True) if end],
        [t for t, end in zip(times, ends, strict=True) if not end],
    )


def agrees(ended: list[int], censored: list[int]) -> None:
    survival = Survival(sorted(ended), sorted(censored))
    for percent in (25, 50, 90):
        assert survival.percentile(percent / 100) == by_definition(ended, censored, Fraction(percent, 100))


def by_definition(ended: list[int], censored: list[int], share: Fraction) -> Percentile | None:
    """Every instant looked at, in fractions; the band drawn around the curve as powers of it."""
    everybody = [*ended, *censored]
    if not everybody:
        return None
    target = 1 - share
    curve, greenwood = Fraction(1), Fraction(0)
    value: int | None = None
    low: int | None = None
    high: int | None = None
    for d in sorted(set(ended)):
        at_risk = sum(x >= d for x in everybody)
        deaths = ended.count(d)
        curve *= 1 - Fraction(deaths, at_risk)
        if value is None and curve <= target:
            value = d
        if deaths == at_risk:
            break
        greenwood += Fraction(deaths, at_risk * (at_risk - deaths))
        stretch = exp(1.959963984540054 * sqrt(greenwood) / abs(log(curve)))
        if low is None and float(curve) ** stretch <= target:
            low = d
        if high is None and float(curve) ** (1 / stretch) <= target:
            high = d
    return Percentile(max(everybody) if value is None else value, low, high, value is None)

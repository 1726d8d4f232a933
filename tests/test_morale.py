"""What sealed batches say: shares, eNPS, responses, weights and changes, and that all of it is of whole batches."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
from adversary import MONDAY, WEEK, company
from pooled import (
    SPRING,
    WEEK_US,
    Simulated,
    batch,
    favourable,
    random_batches,
    rated_favourable,
    simulated,
    would_recommend,
)

from ingest.simulation.heard import ItemSum
from streams.company import Company
from streams.morale import MORALE, MoraleValue, Trend, rounded_people, rounded_rate, shown
from streams.pooling import morale
from streams.sealed import PERSONS, Batch, Joined, Kind
from streams.statistics import Estimate, enps, share, wilson

PARENTS = {"ops": "", "it": "ops", "cloud": "ops", "hr": ""}
UNTIL = SPRING + 40 * WEEK_US


def people(parents: Any = PARENTS, sites: Mapping[str, int] | None = None, **heads: int) -> Company:
    """``sites``: of IT."""
    return company(1, parents, {}, heads=heads, sites={"it": sites} if sites else {}).company


def said(batches: Iterable[Batch], of: Company | None = None, as_of: int = UNTIL, **wanted: str) -> list[MoraleValue]:
    """The values that are ``wanted``: unless they say otherwise, of all questions together and by wave, about none."""
    fields = {"item": "", "about": "", "window": "", **wanted}
    return [
        value
        for value in morale(batches, of or people(), as_of)
        if all(getattr(value, name) == what for name, what in fields.items())
    ]


def one(batches: Iterable[Batch], of: Company | None = None, as_of: int = UNTIL, **wanted: str) -> MoraleValue:
    (value,) = said(batches, of, as_of, **{"indicator": "favourable_ratio", "department": "it", **wanted})
    return value


# -- the arithmetic


def test_enps_of_forty_promoters_and_twenty_five_detractors_in_a_hundred_is_fifteen() -> None:
    value, low, high = enps(0.40, 0.25, 100, None)
    assert value == pytest.approx(15)
    assert (value - low, high - value) == pytest.approx([1.96 * 100 * sqrt(0.6275 / 100)] * 2, rel=1e-4)
    of_200 = enps(0.40, 0.25, 100, 200)
    assert of_200.high - of_200.value == pytest.approx((high - value) * sqrt(0.5))
    batches = [batch(persons=100, items=would_recommend(40, 25, 100))]
    found = one(batches, indicator="enps_points", item="enps")
    assert found.value == pytest.approx(15)
    assert found.n == 100, "passives are in it"
    alike = one([batch(persons=6, items=would_recommend(5, 0, 6))], indicator="enps_points", item="enps")
    assert alike.high == 100


def test_the_interval_is_that_of_wilson() -> None:
    assert wilson(8, 10) == pytest.approx((0.490, 0.943), abs=5e-4)
    assert share(0.8, 10, None) == (0.8, *wilson(8, 10))
    value = one([batch(items=favourable(8, 10))])
    assert (value.value, value.low, value.high) == (0.8, *wilson(8, 10))


def test_where_most_have_answered_less_is_in_doubt() -> None:
    assert share(0.8, 10, 20) == (0.8, *wilson(16, 20)), "n / (1 - 10/20)"
    assert share(0.8, 10, 10) == (0.8, 0.8, 0.8), "nobody is left who could think otherwise"
    batches = [batch(items=favourable(8, 10))]
    assert (one(batches, people(it=20)).low, one(batches, people(it=20)).high) == wilson(16, 20)
    assert (one(batches, people(it=9)).low, one(batches, people(it=9)).high) == wilson(8, 10), (
        "a number that is not true"
    )
    ratings = [batch(kind=Kind.ratings, wave="2026-W10", about="hr", items=rated_favourable(8, 10))]
    found = one(ratings, people(it=20), indicator="rating_favourable_ratio", about="hr")
    assert (found.low, found.high) == wilson(8, 10), "nobody is asked for ratings"


def test_answers_of_one_person_are_not_several() -> None:
    value = one([batch(items=favourable(8, 10) | favourable(4, 10, "assurance"))])
    assert (value.value, value.n, value.low, value.high) == (0.6, 10, *wilson(6, 10))


def test_about_several_departments_everybody_was_asked_several_times() -> None:
    """Nine of twenty in each of two batches may be the same nine."""
    batches = [batch(persons=9, about=about, items=favourable(6, 9)) for about in ("it", "cloud")]
    value = one(batches, people(hr=20), indicator="perception_favourable_ratio", department="", about="ops")
    assert value.low == wilson(12, 18)[0]
    of_hr = [batch("hr", 9, about=about, items=favourable(6, 9)) for about in ("it", "cloud")]
    value = one(of_hr, people(hr=20), indicator="perception_favourable_ratio", department="hr", about="ops")
    assert (value.low, value.high) == share(12 / 18, 18, 40)[1:]


def test_a_change_is_told_where_its_interval_excludes_none() -> None:
    def then(first: int, second: int, n: int = 40) -> MoraleValue:
        waves = [
            batch(persons=n, wave=wave, week=week, items=favourable(hits, n))
            for wave, week, hits in (("a", 4, second), ("b", 0, first))
        ]
        return one(waves, wave="a")

    down = then(32, 16)
    assert (down.trend, down.before) == (Trend.declined, "b")
    before, now = share(0.8, 40, None), share(0.4, 40, None)
    low = -0.4 - sqrt((now.value - now.low) ** 2 + (before.high - before.value) ** 2)
    high = -0.4 + sqrt((now.high - now.value) ** 2 + (before.value - before.low) ** 2)
    assert [down.change_low, down.change, down.change_high] == pytest.approx([low, -0.4, high])
    assert then(16, 32).trend is Trend.improved
    assert then(20, 24).trend is Trend.no_clear_change
    assert str(then(8, 6, 10).trend) == "no clear change"
    assert one([batch()]).trend is Trend.unknown
    assert Estimate(0.0, -0.1, 0.2).minus(Estimate(0.0, -0.3, 0.4)) == pytest.approx((0, -sqrt(0.17), sqrt(0.13)))


# -- responses


def test_responses_are_rounded_and_below_five_no_number_is_shown() -> None:
    batches = [batch(persons=13), batch("hr", 12, wave="autumn", week=1)]
    found = {(v.wave, v.department): v for v in said(batches, people(it=21, hr=3), indicator="response_ratio")}
    it = found["spring", "it"]
    assert (it.value, it.n, it.invited, it.low) == (0.6, 13, 20, None), "62 % of 21"
    silent = found["autumn", "it"]
    assert (silent.value, silent.n, shown(silent.n), silent.invited, silent.closed) == (None, 0, "<5", 20, None)
    assert (found["spring", "hr"].n, shown(found["spring", "hr"].invited or 0)) == (0, "<5")
    assert found["autumn", "hr"].value is None, "twelve of three"
    assert {department for _, department in found} == {"", *PARENTS}
    assert [rounded_rate(n, 200) for n in (0, 4, 5, 199, 200)] == [0, 0, 0.05, 1, 1]
    assert [rounded_people(n) for n in (0, 4, 5, 7, 8, 12, 13)] == [0, 0, 5, 5, 10, 10, 15]
    assert [shown(n) for n in (0, 4, 5)] == ["<5", "<5", "5"]


def test_a_window_has_no_response() -> None:
    assert said([batch()], window="28d", indicator="response_ratio") == []


# -- weights


def test_weights_are_as_by_hand() -> None:
    """IT: 30 of 50 people, 10 of 20 answers, so 1.2 each; cloud: 20 of 50, so 0.8."""
    answers = [batch("it", items=favourable(9, 10)), batch("cloud", items=favourable(2, 10))]
    value = one(answers, people(it=30, cloud=20), department="ops")
    assert [value.value, value.weighted] == pytest.approx([0.55, (1.2 * 9 + 0.8 * 2) / (1.2 * 10 + 0.8 * 10)])
    as_enps = [batch("it", items=would_recommend(9, 1, 10)), batch("cloud", items=would_recommend(2, 8, 10))]
    points = one(as_enps, people(it=30, cloud=20), department="ops", indicator="enps_points", item="enps")
    assert [points.value, points.weighted] == pytest.approx([10, 100 * (1.2 * 8 - 0.8 * 6) / 20])


def test_nobody_counts_for_more_than_three_or_less_than_a_third() -> None:
    """IT: 40 of 50 people and 5 of 25 answers would be 4 each; cloud: 10 and 20, a quarter."""
    answers = [batch("it", 5, items=favourable(5, 5)), batch("cloud", 20, items=favourable(0, 20))]
    assert one(answers, people(it=40, cloud=10), department="ops").weighted == pytest.approx(15 / (15 + 20 / 3))


def test_leftovers_of_several_departments_count_as_they_are_and_people_of_its_own_as_theirs() -> None:
    answers = [
        batch("it", items=favourable(9, 10)),
        batch("ops", items=favourable(2, 10)),
        batch("ops", 5, week=3, joined=Joined.respondents, items=favourable(1, 5)),
    ]
    all_of_them = people(it=30, ops=50, cloud=0)
    value = one(answers, all_of_them, department="ops")
    assert value.weighted == pytest.approx((1.2 * 9 + 0.8 * 2 + 1) / 25), "30 in IT, 20 in no department below"


def test_sites_are_weighted_where_it_is_known_who_is_there() -> None:
    """North: 30 of 40 people, 10 of 20 answers; south 10. What is left over of both counts as it is."""
    answers = [batch(site="north", items=favourable(9, 10)), batch(site="south", items=favourable(2, 10))]
    sites = people(it=50, sites={"north": 30, "south": 10})
    assert one(answers, sites).weighted == pytest.approx((1.5 * 9 + 0.5 * 2) / 20)
    assert one(answers, people(it=50)).weighted == pytest.approx(0.55), "one stratum"
    left = batch(persons=5, week=3, joined=Joined.respondents, items=favourable(1, 5))
    assert one([*answers, left], sites).weighted == pytest.approx((1.5 * 9 + 0.5 * 2 + 1) / 25)


def test_nothing_is_weighted_by_what_is_not_known_or_where_too_few_answered() -> None:
    answers = [batch("it", items=favourable(9, 10)), batch("cloud", 10)]
    assert one(answers, people(it=33)).weighted == pytest.approx(0.9), "30.3 %"
    assert one(answers, people(it=34)).weighted is None, "29.4 %"
    assert one(answers, people(it=20, cloud=20), department="ops").weighted == pytest.approx(0.95)
    assert one(answers, people(ops=40, it=20), department="ops").weighted is None, "nobody knows how many are in cloud"
    assert one(answers, people(), department="ops").weighted is None


# -- who is in a value


def test_a_department_shows_what_is_of_it_and_below_it_and_nothing_else() -> None:
    answers = [batch("it", 5), batch("cloud", 6, week=1), batch("ops", 7, week=2), batch("hr", 8), batch("", 9)]
    found = {v.department: v.n for v in said(answers, indicator="favourable_ratio")}
    assert found == {"it": 5, "cloud": 6, "ops": 18, "hr": 8, "": 35}


def test_a_pair_is_of_who_answered_and_whom_it_is_about_and_all_below_both() -> None:
    answers = [batch("it", 5, about="hr"), batch("hr", 6, about="it"), batch("cloud", 7, about="it")]
    pairs = {
        (v.department, v.about): v.n
        for v in morale(answers, people(), UNTIL)
        if v.indicator == "perception_favourable_ratio" and v.item == v.window == ""
    }
    about_hr = dict.fromkeys([("it", "hr"), ("ops", "hr"), ("", "hr")], 5)
    of_hr = dict.fromkeys([("hr", "it"), ("hr", "ops")], 6)
    of_cloud = dict.fromkeys([("cloud", "it"), ("cloud", "ops"), ("ops", "it")], 7)
    of_all = dict.fromkeys([("", "it"), ("", "ops")], 13)
    assert pairs == about_hr | of_hr | of_cloud | of_all, "not what a department thinks of itself"


def test_a_wave_stands_under_the_tree_of_its_own_time() -> None:
    moved = people(
        PARENTS | {"it": [{"department": "ops"}, {"department": "hr", "since": f"{MONDAY + WEEK:%Y-%m-%d}"}]}
    )
    answers = [batch("it", 5), batch("it", 6, wave="autumn", week=1), batch("it", 7, wave="autumn", week=0, site="x")]
    assert [v.n for v in said(answers, moved, indicator="favourable_ratio", department="ops")] == [5]
    assert [v.n for v in said(answers, moved, indicator="favourable_ratio", department="hr")] == [13]


def test_a_window_takes_in_and_lets_go_whole_batches_and_holds_what_it_said_last() -> None:
    answers = [batch(persons=n, week=week, wave=f"w{week}") for n, week in ((5, 0), (6, 3), (7, 4))]
    found = []
    for weeks in (0, 3, 4, 6, 7, 8, 30):
        value = one(answers, as_of=SPRING + weeks * WEEK_US, window="28d")
        found.append((weeks, value.n, value.age_weeks))
    assert found == [(0, 5, 0), (3, 11, 0), (4, 13, 0), (6, 13, 2), (7, 7, 3), (8, 13, 4), (30, 13, 26)]


def test_order_and_repetition_say_nothing() -> None:
    pooled = random_batches(random.Random(7))
    again = random.Random(8).sample([*pooled.batches, *pooled.batches], 2 * len(pooled.batches))
    values = morale(pooled.batches, pooled.configuration.company, pooled.until)
    assert values == morale(again, pooled.configuration.company, pooled.until)
    assert all(value.n == 0 or value.n >= PERSONS for value in values)


# -- the catalogue


def test_every_indicator_is_said_and_on_the_page() -> None:
    pooled = random_batches(random.Random(1))
    values = morale(pooled.batches, pooled.configuration.company, pooled.until)
    assert {value.indicator for value in values} == {indicator.name for indicator in MORALE}
    assert all(indicator.name.endswith(("_ratio", "_points")) for indicator in MORALE)
    page = (Path(__file__).parent.parent / "docs" / "morale.md").read_text(encoding="utf-8")
    first, *_ = page.split("\n## ")
    rows = [line.split(" | ") for line in first.splitlines() if line.startswith("| `")]
    assert {row[0].strip("| `"): row[1] for row in rows} == {i.name: i.question for i in MORALE}


# -- the simulated company


@pytest.fixture(scope="module")
def months() -> Simulated:
    return simulated(1, 120)


def values_of(months: Simulated) -> Sequence[MoraleValue]:
    return morale(months.pooled.batches, months.pooled.configuration.company, months.pooled.until)


def test_sealed_shares_lie_within_the_bounds_of_the_truth(months: Simulated) -> None:
    """Of each department about each, all sites together; ratings too."""
    truth: dict[tuple[str, ...], ItemSum] = {}
    for row in months.heard.items:
        kind, wave, department, _, about = row.voices
        item = "" if kind == "ratings" else row.item
        for who in (department, "") if about else (department,):
            key = kind, wave, who, about, item
            before = truth.get(key)
            sums = row[2:] if before is None else [a + b for a, b in zip(before[2:], row[2:], strict=True)]
            truth[key] = ItemSum(row.voices, item, *sums)
    leaves = {row.voices.department for row in months.heard.persons}
    compared = 0
    for value in values_of(months):
        kind = "ratings" if value.indicator == "rating_favourable_ratio" else "answers"
        row_or_none = truth.get((kind, value.wave, value.department, value.about, value.item))
        if not value.indicator.endswith("favourable_ratio") or row_or_none is None:
            continue
        assert value.department in {*leaves, ""}
        assert value.value is not None
        low, high = row_or_none.favourable_of(value.n)
        assert low - 1e-9 <= value.value <= high + 1e-9
        compared += 1
    assert compared > 500


def test_the_worsening_that_was_planted_is_seen(months: Simulated) -> None:
    found = {
        (v.about, v.item, v.wave): v
        for v in values_of(months)
        if (v.indicator, v.department, v.window) == ("perception_favourable_ratio", "", "")
    }
    shares: dict[str, list[float]] = defaultdict(list)
    for row in months.heard.planted:
        value = found[row.about, row.item, row.wave]
        assert value.value is not None
        if row.item:
            held_back = row.n - value.n
            assert row.low * row.n - held_back <= value.value * value.n <= row.high * row.n
        shares[row.item].append(value.value)
    assert len(shares) == 7
    first, second, third, fourth = shares["responsiveness"]
    assert min(first, second) > max(third, fourth) + 0.1
    (about,) = {row.about for row in months.heard.planted}
    trends = [v.trend for (who, item, _), v in sorted(found.items()) if (who, item) == (about, "responsiveness")]
    assert trends == [Trend.unknown, Trend.no_clear_change, Trend.declined, Trend.no_clear_change]


def test_enps_of_the_organisation_is_that_of_the_truth_but_for_what_is_held_back(months: Simulated) -> None:
    balance: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in months.heard.items:
        if row.item == "enps":
            balance[row.voices.wave][0] += row.promoters - row.detractors
            balance[row.voices.wave][1] += row.n
    values = {v.wave: v for v in values_of(months) if (v.indicator, v.department, v.window) == ("enps_points", "", "")}
    assert values.keys() == balance.keys()
    for wave, (sums, n) in balance.items():
        value = values[wave].value
        assert value is not None
        assert abs(value / 100 * values[wave].n - sums) <= n - values[wave].n + 1e-9

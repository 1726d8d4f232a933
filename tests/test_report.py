"""What a manager reads: what is called clear and what is not, what got slower, and that no data is never a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from random import Random

import msgspec
import pytest
from rich.console import Console

from deploy import config_files, findings, trend
from deploy.chance import Share, clear, so_few, together
from deploy.demo import EXAMPLE, Demo
from deploy.left_out import reasons
from deploy.loose_norms import Left, Margins
from deploy.numbers import Numbers
from deploy.report import Beside, print_comparison, print_report
from deploy.trend import Change, Durations, Series, Side
from deploy.truth_file import Comparison, Difference
from deploy.words import of_100
from ingest.simulation.truth import Cell, Total
from sinks.clickhouse import connect
from streams.fact import Facts, Outcome, encode
from streams.indicators import IndicatorValue
from streams.statistics import wilson

CONFIGURATION = config_files.load(EXAMPLE).configuration
HOUR = 3_600_000_000
WEEK = 7 * 24 * HOUR
MONDAY = 1_767_571_200_000_000  # 5 January 2026, 00:00 UTC
NOW = MONDAY + 17 * WEEK
ANSWERS, HANDOVERS = Series("first_response", "controlling", ""), Series("acceptance", "procurement", "it")


def ratio(kind: str, hits: int, n: int, department: str, counterpart: str = "") -> IndicatorValue:
    low, high = wilson(hits, n) if n else (None, None)
    found = value(f"{kind}_attainment_ratio", hits / n if n else None, n, department, counterpart)
    return msgspec.structs.replace(found, low=low, high=high)


def half(kind: str, seconds: float, n: int, department: str, counterpart: str = "") -> IndicatorValue:
    return value(f"{kind}_p50_seconds", seconds, n, department, counterpart)


def value(indicator: str, found: float | None, n: int, department: str, counterpart: str) -> IndicatorValue:
    return IndicatorValue(
        indicator=indicator,
        department=department,
        counterpart=counterpart,
        window="28d",
        as_of=NOW,
        value=found,
        n=n,
    )


def answers(*values: IndicatorValue) -> list[str]:
    return list(findings.answers(Numbers(values, "28d"), CONFIGURATION))


def handovers(*values: IndicatorValue) -> list[str]:
    return list(findings.handovers(Numbers(values, "28d"), CONFIGURATION))


# -- who answers in time


def test_only_those_are_called_later_who_are_so_by_more_than_chance_in_the_order_of_the_company_file() -> None:
    said = answers(
        ratio("first_response", 880, 1000, "tidewell"),
        ratio("first_response", 60, 100, "controlling"),
        ratio("first_response", 85, 100, "legal"),
        ratio("first_response", 40, 100, "facilities"),
        ratio("first_response", 50, 100, "operations"),
    )
    assert said[0].startswith("Of 100 requests, 88 had their first answer in the time promised (surely 86 to 90; 1,000")
    assert said[1] == (
        "Clearly later than that: Facilities (40 in time, surely 31 to 50) and Controlling (60 in time, surely 50 to 69)."
    )


def test_where_nobody_stands_out_nobody_is_named() -> None:
    said = answers(ratio("first_response", 88, 100, "tidewell"), ratio("first_response", 17, 20, "legal"))
    assert said[1] == "No department is clearly later than that."


@pytest.mark.parametrize("n", [0, 1, 4])
def test_of_nothing_and_of_few_no_share_is_said(n: int) -> None:
    for said in (
        answers(ratio("first_response", n, n, "tidewell")),
        handovers(ratio("acceptance", n, n, "legal", "hr")),
    ):
        assert len(said) == 1
        assert "nothing to say" in said[0] if n == 0 else said[0].endswith("due: too few to say.")
        assert "100" not in said[0]


def test_nearly_all_is_not_all() -> None:
    assert [of_100(share) for share in (0, 0.001, 0.5, 0.999, 1, None)] == ["0", "1", "50", "99", "100", "–"]


# -- where hand-overs stall


def test_steps_that_stall_come_with_the_one_first_at_which_most_was_late() -> None:
    said = handovers(
        ratio("acceptance", 10, 40, "legal", "procurement"),
        ratio("acceptance", 20, 120, "procurement", "it"),
        half("acceptance", 30_240, 120, "procurement", "it"),
        ratio("acceptance", 400, 420, "it", "hr"),
        ratio("acceptance", 1, 200, "commercial", "operations"),
    )
    assert said[0] == (
        "Of 100 hand-overs between departments, 74 were taken up in time (surely 70 to 78; 580 hand-overs)."
    )
    assert said[1:4] == [
        "Clearly fewer at these steps:",
        "• IT Service to Procurement: 17 of 100 in time (surely 11 to 24; 120 hand-overs); half waited more than 8.4 h.",
        "• Procurement to Legal: 25 of 100 in time (surely 14 to 40; 40 hand-overs).",
    ]


def test_of_many_steps_the_first_are_named_and_the_others_counted() -> None:
    good = ratio("acceptance", 5_000, 5_000, "it", "hr")
    pairs = [ratio("acceptance", 10, 40, "legal", giver.id) for giver in CONFIGURATION.files.company.departments[2:]]
    said = handovers(
        good, *(pair for pair in pairs if pair.counterpart not in ("legal", "people", "finance", "commercial"))
    )
    assert [line for line in said if line.startswith("•")][5:] == ["• and 6 more."]


def test_of_those_that_were_taken_up_it_says_how_many_were_complete() -> None:
    said = handovers(
        ratio("acceptance", 90, 100, "legal", "hr"),
        ratio("first_time_complete", 45, 60, "legal", "hr"),
        ratio("first_time_complete", 30, 30, "hr", "legal"),
        ratio("first_time_complete", 0, 50, "commercial", "operations"),
    )
    assert said[0].endswith("100 hand-overs). Of 100 that were, 83 had come with all that was needed.")


# -- what is promised


def promises(*values: IndicatorValue) -> list[str]:
    return list(findings.promises(Numbers(values, "28d"), CONFIGURATION))


def test_promises_are_kept_by_the_date_first_named_or_by_the_last_that_was_agreed_on() -> None:
    said = promises(
        ratio("promise_first", 140, 200, "tidewell"),
        ratio("promise_final", 156, 200, "tidewell"),
        ratio("promise_first", 20, 60, "it"),
        ratio("promise_first", 65, 80, "legal"),
    )
    assert said == [
        "Of 100 promises, 70 were kept by the date first named (surely 63 to 76; 200 promises), "
        "and 78 by the last that both had agreed on in time.",
        "Clearly fewer than that: IT Service (33 kept, surely 23 to 46).",
    ]


def test_where_no_date_was_moved_in_time_there_is_one_number() -> None:
    said = promises(ratio("promise_first", 7, 10, "tidewell"), ratio("promise_final", 7, 10, "tidewell"))
    assert said[0].endswith("10 promises).")
    assert said[1] == "No department clearly keeps fewer than that."


@pytest.mark.parametrize("n", [0, 1, 4])
def test_of_no_promises_and_of_few_no_share_is_said(n: int) -> None:
    said = promises(ratio("promise_first", n, n, "tidewell"))
    assert len(said) == 1
    assert "nothing to say" in said[0] if n == 0 else said[0].endswith("come due: too few to say.")


# -- what got worse


def weeks(rng: Random, *medians: float, n: int = 25) -> dict[int, list[int]]:
    """Durations around a median of hours for each week."""
    return {
        MONDAY + i * WEEK: [round(rng.lognormvariate(0, 0.8) * m * HOUR) for _ in range(n)]
        for i, m in enumerate(medians)
    }


def test_a_breakdown_and_a_slow_slide_are_found_among_many_that_are_as_they_were() -> None:
    rng = Random(1)
    known: dict[Series, dict[int, list[int]]] = {
        Series("acceptance", f"d{i}", "it"): weeks(rng, *[1.0] * 16) for i in range(40)
    }
    known[HANDOVERS] = weeks(rng, *[1.0] * 9, *[7.0] * 7)
    known[ANSWERS] = weeks(rng, *(2 * 1.06**i for i in range(16)))
    found = {change.series: change for change in trend.changes(known)}
    assert found.keys() == {HANDOVERS, ANSWERS}
    assert all(change.slower for change in found.values())
    assert found[HANDOVERS].since == MONDAY + 9 * WEEK
    assert (found[HANDOVERS].before.n, found[HANDOVERS].after.n) == (225, 175)


def test_where_nothing_changes_something_is_found_in_few_companies() -> None:
    """Weeks differ by themselves: some are busy. At most one in ten is promised; here it is counted."""
    found = 0
    for seed in range(40):
        rng = Random(seed)
        known = {
            Series("acceptance", f"d{i}", "it"): weeks(rng, *(rng.lognormvariate(0, 0.2) for _ in range(16)))
            for i in range(40)
        }
        found += bool(trend.changes(known))
    assert found <= 8


def test_who_got_faster_is_no_bad_news() -> None:
    (change,) = trend.changes({ANSWERS: weeks(Random(2), *[4.0] * 8, *[1.0] * 8)})
    assert not change.slower
    said = list(findings.slower([change], 16, CONFIGURATION))
    assert said[:2] == ["Nothing, clearly.", "What got better:"]
    assert said[2].startswith("• Controlling: half of the first answers took more than ")


@pytest.mark.parametrize(
    "known",
    [
        {},
        {ANSWERS: weeks(Random(3), 1.0, 9.0, 9.0, n=50)},
        {ANSWERS: weeks(Random(3), *[1.0] * 8, *[9.0] * 8, n=2)},
        {ANSWERS: weeks(Random(3), *[1.0] * 8, *[1.1] * 8, n=3000)},
    ],
    ids=["nothing", "three weeks", "few", "certain and small"],
)
def test_what_is_too_little_to_tell_is_not_told(known: Durations) -> None:
    assert trend.changes(known) == []


def test_a_change_is_said_in_working_time_with_its_numbers() -> None:
    change = Change(HANDOVERS, MONDAY + 9 * WEEK, Side(164, 1.2 * HOUR), Side(214, 7.5 * HOUR), 1e-4)
    assert list(findings.slower([change], 17, CONFIGURATION)) == [
        "• IT Service to Procurement: half of the hand-overs took more than 7.5 h since about Mon 09 Mar 2026, "
        "and 1.2 h before (214 and 164 of them)."
    ]
    assert list(findings.slower([], 3, CONFIGURATION)) == ["Too early to say: it takes 5 weeks to compare."]


def test_only_those_are_followed_who_do_the_work() -> None:
    known: Durations = {
        s: {}
        for s in (HANDOVERS, ANSWERS, Series("first_response", "_unowned", ""), Series("acceptance", "finance", "it"))
    }
    assert list(findings.worth_following(known, NOW, CONFIGURATION)) == [HANDOVERS, ANSWERS]


# -- norms that are too loose


def left(*medians: float, n: int = 9, until: int = NOW) -> list[Left]:
    """The last week ends at ``until``."""
    return [Left(until - i * WEEK, median, n) for i, median in zip(range(len(medians), 0, -1), medians, strict=True)]


def loose(known: Margins, at: int = NOW + WEEK - 1) -> list[str]:
    return list(findings.loose(known, at, CONFIGURATION))


def test_a_norm_is_too_loose_when_much_was_left_in_eight_weeks_in_the_order_of_the_company_file() -> None:
    """The week that has just begun says nothing yet."""
    much = left(0.2, 0.61, 0.7, 0.8, 0.9, 0.61, 0.65, 0.7, 0.7)
    said = loose({"controlling": much, "it": [*left(*[0.75] * 8, n=1200), Left(NOW, 0.1, 50)]})
    assert said == [
        "A norm that is too loose, which is no praise: in each of 8 weeks, half of the solutions left more than 60% of the "
        "time promised.",
        "• IT Service: 75% to 75% (9,600 solutions since Mon 09 Mar 2026).",
        "• Controlling: 61% to 90% (72 solutions since Mon 09 Mar 2026).",
    ]


def test_of_many_the_first_are_named_and_the_others_counted() -> None:
    at_work = {"it", "facilities", "logistics", "hr", "payroll", "payables", "controlling"}
    said = loose(dict.fromkeys(at_work, left(*[0.7] * 8)))
    assert [line.partition(":")[0] for line in said[1:]] == [
        "• IT Service", "• Facilities", "• Logistics", "• HR Service", "• Payroll", "• and 2 more.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "known",
    [
        {"it": left(0.7, 0.7, 0.7, 0.6, 0.7, 0.7, 0.7, 0.7)},
        {"it": left(*[0.7] * 8, n=4)},
        {"it": left(*[0.7] * 8, until=NOW - WEEK)},
        {"it": [week for week in left(*[0.7] * 9) if week.week != NOW - 3 * WEEK]},
        {"finance": left(*[0.7] * 8), "_unmapped": left(*[0.7] * 8)},
    ],
    ids=["no more than that", "of few", "until lately", "a week without", "nobody who does the work"],
)
def test_else_it_is_not(known: Margins) -> None:
    assert loose({"legal": left(*[0.1] * 9), **known}) == ["No norm is clearly too loose."]


@pytest.mark.parametrize("known", [{}, {"it": left(*[0.9] * 7)}], ids=["nothing", "seven weeks"])
def test_before_eight_weeks_are_over_it_is_too_early(known: Margins) -> None:
    assert loose(known) == ["Too early to say whether a norm is too loose: that takes 8 weeks."]


# -- chance


def test_the_chance_of_few_is_that_of_the_binomial_distribution() -> None:
    assert so_few(Share(0, 3), 0.5) == pytest.approx(0.125)
    assert so_few(Share(1, 3), 0.5) == pytest.approx(0.5)
    assert so_few(Share(3, 3), 0.5) == 1
    assert so_few(Share(2, 3), 1.0) == 0
    assert so_few(Share(0, 3), 0.0) == 1


def test_of_many_the_smallest_chances_are_clear() -> None:
    """With q = 0.1 of five: at most 0.02, 0.04, 0.06, 0.08, 0.1; the largest that keeps its limit takes those below along."""
    assert clear([0.5, 0.001, 0.055, 0.045, 0.9]) == [False, True, True, True, False]
    assert clear([0.021, 0.5, 0.5, 0.5, 0.5]) == [False] * 5
    assert clear([]) == []


def test_shares_are_put_together_by_what_is_behind_them() -> None:
    assert together([Share(1, 2), Share(0, 8)]) == Share(1, 10)


# -- what counts nowhere


def excluded(hits: int, n: int, department: str) -> IndicatorValue:
    found = value("excluded_share_ratio", hits / n, n, department, "")
    low, high = wilson(hits, n)
    return msgspec.structs.replace(found, low=low, high=high)


def left_out(reasons: Mapping[str, Mapping[str, int]], *values: IndicatorValue) -> list[str]:
    counted = {department: Counter(found) for department, found in reasons.items()}
    return list(findings.left_out(Numbers(values, "28d"), counted, CONFIGURATION))


def test_what_counts_nowhere_is_said_with_its_reasons_and_of_whom_it_is_surely_too_much() -> None:
    said = left_out(
        {
            "tidewell": {"test": 9, "merged": 20, "spam": 2},
            "it": {"monitoring": 31, "merged": 1},
            "legal": {"test": 1},
            "operations": {"monitoring": 31},
        },
        excluded(31, 1550, "tidewell"),
        excluded(32, 40, "it"),
        excluded(1, 10, "legal"),  # more than 5 of 100, but not surely
        excluded(31, 40, "operations"),  # has others below it
    )
    assert said == [
        "Of 100 cases, 2 count nowhere (surely 1 to 3; 1,550 cases): 20 merged, 9 test and 2 spam.",
        "Surely more than 5 of 100, so that what is left says little: IT Service (80 of 100: 31 monitoring and 1 merged).",
    ]


def test_of_many_reasons_the_rarest_are_put_together() -> None:
    (said,) = left_out({"tidewell": dict.fromkeys("abcdefg", 2)}, excluded(14, 1400, "tidewell"))
    assert said.startswith("Of 100 cases, 1 counts nowhere (")
    assert said.endswith(": 2 a, 2 b, 2 c, 2 d, 2 e and 4 for other reasons.")


def test_nothing_left_out_is_no_reason_and_of_few_nothing_is_said() -> None:
    nobody = ["No case was left out."]
    assert left_out({}, ratio("first_response", 1, 50, "tidewell")) == nobody
    assert left_out({}, excluded(0, 50, "tidewell")) == nobody
    assert left_out({}, excluded(1, 4, "tidewell")) == ["Only 4 cases: too few to say."]


def test_the_store_is_asked_for_reasons_within_the_window_and_counts_a_case_once(tmp_path: Path) -> None:
    pytest.importorskip("chdb", reason="without chDB there is no store here")

    def facts(case: str, reason: str, at: int, outcome: Outcome = Outcome.done) -> bytes:
        levels: tuple[int, ...] = (0, 1, 2)
        return encode(
            Facts(
                version=1,
                outcome=outcome,
                counts_at=at,
                stop=at,
                case_id=case,
                measure="excluded",
                opener=case.encode().ljust(16),
                start=at,
                since=at,
                flags=reason,
                counterparts=("", "", ""),
                levels=levels,
                departments=("tidewell", "legal", "legal"),
            )
        )

    store = connect(f"chdb://{tmp_path / 'store'}")
    try:
        store.migrate()
        long_ago = NOW - 28 * 24 * HOUR
        inside = [facts("a", "test", NOW), facts("b", "test", NOW - HOUR), facts("c", "spam", long_ago + 1)]
        outside = [
            facts("d", "test", long_ago),
            facts("e", "test", NOW + 1),
            facts("f", "test", NOW, Outcome.retracted),
        ]
        store.write_facts(inside + outside)
        wanted = {"test": 2, "spam": 1}
        assert reasons(store, NOW, "28d") == {"tidewell": wanted, "legal": wanted}
    finally:
        store.close()


# -- the page


def page(*values: IndicatorValue) -> str:
    console = Console(file=StringIO(), width=80)
    print_report(console, values, Beside(), CONFIGURATION, MONDAY)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_a_company_without_data_has_neither_zero_nor_hundred_per_cent() -> None:
    said = page(ratio("first_response", 0, 0, "tidewell"), ratio("first_response", 0, 0, "legal"))
    table = said.partition("Department by department")[2].partition("In time")[0]
    assert "–" in table
    assert "%" not in table


def test_before_the_first_watermark_it_says_what_it_waits_for() -> None:
    assert "No indicators yet: they wait until every source has said how far it is complete (helpdesk)" in page()


def test_a_comparison_shows_the_first_that_differ_and_counts_the_others() -> None:
    cell = Cell("acceptance", 2, "legal", "it", "met")
    console = Console(file=StringIO(), width=80)
    found = Comparison(30, 7, [Difference(cell, Total(1, 2, 3), Total(1, 2, 4))] * 7)
    print_comparison(console, found, EXAMPLE / "truth.json")
    assert isinstance(console.file, StringIO)
    lines = console.file.getvalue().splitlines()
    assert "truth: 30 values, 7 differ" in lines
    assert (
        sum(
            line.startswith("• acceptance, legal (from it), level 2, met: is n 1, 2 and 3 µs, should be")
            for line in lines
        )
        == 5
    )
    assert lines[-1] == "• and 2 more"


# -- which demo


def test_a_demo_is_as_large_as_memory_allows() -> None:
    assert not Demo(1, 3650).too_large
    assert not Demo(1, 120, 79).too_large
    assert not Demo(1, 10, 500).too_large
    assert "--days 10 or less, or --departments 79 or less" in Demo(1, 120, 500).too_large


def test_the_company_of_a_demo_has_as_many_departments_as_were_asked_for() -> None:
    company = Demo(3, 1, 30).configuration().files.company
    assert sum(department.head_count is not None for department in company.departments) == 30
    assert Demo(3, 1).configuration().files == CONFIGURATION.files

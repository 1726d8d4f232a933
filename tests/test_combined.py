"""Combined indicators: what the store says of several, by hand, beside their parts in the stream, and beside the truth."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from histories import DAY, HOUR, START, write

from deploy import config_files
from deploy.demo import EXAMPLE
from deploy.embedded import Embedded
from deploy.loose_norms import Left, margins
from ingest.connectors.simulated import simulate
from ingest.simulation.measured import Measured
from ingest.simulation.truth import Truth
from sinks.clickhouse import ClickHouse, connect
from sinks.store import DepartmentDepth
from streams.combined import COMBINED
from streams.fact import Fact, Outcome
from streams.hidden import MIN_FACTS
from streams.indicators import BY_NAME, IndicatorValue
from streams.statistics import wilson

NOON = START + 12 * HOUR
DEPTHS = {"ops": 0, "people": 0, "legal": 1, "hr": 1, "it": 2, "lab": 2}
RECIPROCITY = "thanks_reciprocity_ratio"
SLIP, DEPENDABLE, SHARE, REWORK, HEAT = (entry.name for entry in COMBINED)
JUDGED = {True: Outcome.met, False: Outcome.missed}

Key = tuple[str, str, str, str]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ClickHouse]:
    opened = connect(f"chdb://{tmp_path / 'store'}")
    opened.migrate()
    opened.write_department_depths([DepartmentDepth(who, 0, depth) for who, depth in DEPTHS.items()], 1)
    yield opened
    opened.close()


def by_key(values: list[IndicatorValue]) -> dict[Key, IndicatorValue]:
    found = {(v.indicator, v.department, v.counterpart, v.window): v for v in values}
    assert len(found) == len(values), "no answer twice"
    return found


ALL = "crossdesk_1.combined"
"""Also of pairs that are of too few to be told of in public."""


def combined(store: ClickHouse, view: str = "combined") -> dict[Key, IndicatorValue]:
    """All that the view says."""
    sql = f"SELECT * EXCEPT as_of, toUnixTimestamp64Micro(as_of) AS as_of FROM {view}"
    names, rows = store.query(sql)
    return by_key([IndicatorValue(**dict(zip(names, row, strict=True))) for row in rows])


def stands(store: ClickHouse, department: str, as_of: int) -> None:
    """So far its numbers are known."""
    of: dict[str, Any] = {
        "indicator": "promise_first_facts",
        "department": department,
        "counterpart": "",
        "window": "7d",
    }
    store.write_indicators([IndicatorValue(**of, as_of=as_of, value=0, n=0, offset=as_of)])


def at_noon(store: ClickHouse, *facts: Fact, as_of: int = NOON) -> dict[Key, Any]:
    write(store, facts)
    stands(store, "legal", as_of)
    return combined(store, ALL)


def said(measure: str, case: int, at: int = START + HOUR, **fields: Any) -> Fact:
    """Of legal, for human resources or from there; it began and ended in one instant, unless ``fields`` say else."""
    known: dict[str, Any] = {
        "case_id": f"desk/C{case}",
        "opener": case.to_bytes(16, "big"),
        "level": 1,
        "department": "legal",
        "counterpart": "hr",
        "start": at,
        "stop": at,
        "since": at,
        "counts_at": at,
        "outcome": Outcome.done,
    }
    return Fact(version=case, measure=measure, **(known | fields))


def promise(case: int, first: bool, final: bool, **fields: Any) -> list[Fact]:
    """Whether it was kept by the date first named, and by the last that both agreed on."""
    kept = {"promise_first": first, "promise_final": final}
    return [said(measure, case, outcome=JUDGED[met], **fields) for measure, met in kept.items()]


def promises(both: int, final: int, first: int, neither: int) -> list[Fact]:
    """So many kept by either date."""
    kinds = [(True, True)] * both + [(False, True)] * final + [(True, False)] * first + [(False, False)] * neither
    return [fact for case, kept in enumerate(kinds) for fact in promise(case, *kept)]


def test_the_catalogue_names_indicators_that_there_are_and_gives_each_a_unit() -> None:
    assert {entry.unit for entry in COMBINED} == {"ratio"}
    assert {part for entry in COMBINED for part in entry.parts} <= BY_NAME.keys()
    assert not {entry.name for entry in COMBINED} & BY_NAME.keys()
    assert all(entry.departments or entry.pairs for entry in COMBINED)


def test_the_readme_says_what_is_combined() -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    assert [entry.name for entry in COMBINED if f"`{entry.name}`" not in readme] == []


# -- promises


def test_slip_is_what_is_kept_only_by_a_later_date_with_newcombes_interval(store: ClickHouse) -> None:
    """His own example (1998, method 10): 36, 12, 2 and 0 of 50."""
    found = at_noon(store, *promises(36, 12, 2, 0))
    for who in (("legal", ""), ("legal", "hr")):
        slip = found[(SLIP, *who, "24h")]
        assert (slip.value, slip.n, slip.as_of) == (pytest.approx(48 / 50 - 38 / 50), 50, NOON)
        assert (slip.low, slip.high) == (pytest.approx(0.0569, abs=5e-5), pytest.approx(0.3404, abs=5e-5))
    assert (SLIP, "hr", "", "24h") not in found


def test_where_both_dates_say_the_same_of_all_the_interval_is_narrow_and_no_point(store: ClickHouse) -> None:
    slip = at_noon(store, *promises(20, 0, 0, 20))[SLIP, "legal", "", "7d"]
    apart = 2**0.5 * (wilson(20, 40)[1] - 0.5)
    assert slip.value == 0
    assert 0.02 < slip.high < apart / 3
    assert slip.low == pytest.approx(-slip.high)


def test_where_all_are_kept_it_is_not_known_how_alike_they_are(store: ClickHouse) -> None:
    slip = at_noon(store, *promises(40, 0, 0, 0))[SLIP, "legal", "", "7d"]
    assert (slip.value, slip.high) == (0, pytest.approx(1 - wilson(40, 40)[0]))


def test_a_promise_whose_last_date_is_still_to_come_counts_by_its_first_alone(store: ClickHouse) -> None:
    open_one = [
        said("promise_first", 90, outcome=Outcome.missed),
        said("promise_final", 90, outcome=Outcome.running, stop=None, counts_at=None),
    ]
    slip = at_noon(store, *promises(2, 1, 0, 0), *open_one)[SLIP, "legal", "", "24h"]
    assert (slip.value, slip.n) == (pytest.approx(3 / 3 - 2 / 4), 3)


def test_dependable_is_kept_when_first_promised_and_holds(store: ClickHouse) -> None:
    solved = [said("reopening", 100 + i, outcome=JUDGED[i >= 3], counterpart="hr") for i in range(12)]
    found = at_noon(store, *promises(6, 2, 0, 0), *solved)
    value = found[DEPENDABLE, "legal", "", "24h"]
    kept, held = 6 / 8, 9 / 12
    assert (value.value, value.n) == (pytest.approx(kept * held), 8)
    (kept_low, kept_high), (held_low, held_high) = wilson(6, 8), wilson(9, 12)
    down = (held * (kept - kept_low)) ** 2 + (kept * (held - held_low)) ** 2
    up = (held * (kept_high - kept)) ** 2 + (kept * (held_high - held)) ** 2
    assert value.low == pytest.approx(kept * held - down**0.5)
    assert value.high == pytest.approx(kept * held + up**0.5)
    assert (DEPENDABLE, "legal", "hr", "24h") not in found, "its solutions are the department's alone"


def test_all_that_is_kept_and_holds_is_bounded_by_one(store: ClickHouse) -> None:
    solved = [said("reopening", 100 + i, outcome=Outcome.met) for i in range(5)]
    value = at_noon(store, *promises(5, 0, 0, 0), *solved)[DEPENDABLE, "legal", "", "24h"]
    assert (value.value, value.high) == (1, 1)


def test_without_solutions_that_were_followed_up_nobody_is_dependable(store: ClickHouse) -> None:
    held = said("reopening", 100, outcome=Outcome.running, stop=None, counts_at=None)
    found = at_noon(store, *promises(5, 0, 0, 0), held)
    assert (SLIP, "legal", "", "24h") in found
    assert (DEPENDABLE, "legal", "", "24h") not in found


# -- hand-overs


def handed(case: int, giver: str, taker: str, levels: tuple[int, ...] = (1, 2), **fields: Any) -> list[Fact]:
    return [
        said("acceptance", case, level=level, department=taker, counterpart=giver, **fields)
        for level in levels
    ]  # fmt: skip


def test_a_share_of_hand_overs_is_of_all_at_the_level_of_the_pair(store: ClickHouse) -> None:
    """Between it and lab, of one parent, there is none but at the deepest level."""
    found = at_noon(
        store,
        *handed(1, "hr", "legal"),
        *handed(2, "hr", "legal"),
        *handed(3, "legal", "hr"),
        *handed(4, "it", "lab", (2,)),
        *handed(5, "legal", "lab", (2,)),
        said("acceptance", 5, level=1, department="tech", counterpart="legal"),
    )
    shares = {key[1:3]: value for key, value in found.items() if key[0] == SHARE and key[3] == "28d"}
    assert {pair: (round(value.value or 0, 4), value.n) for pair, value in shares.items()} == {
        ("legal", "hr"): (0.5, 4),
        ("hr", "legal"): (0.25, 4),
        ("tech", "legal"): (0.25, 4),
        ("lab", "it"): (0.2, 5),
        ("lab", "legal"): (0.2, 5),
    }
    value = shares["legal", "hr"]
    assert [value.low, value.high] == pytest.approx([*wilson(2, 4)])


def test_a_hand_over_counts_when_it_happens_whatever_becomes_of_it(store: ClickHouse) -> None:
    """The windows that end at noon: an hour, and a day, which begins at noon of the day before."""
    eleven, before = NOON - HOUR, NOON - DAY
    found = at_noon(
        store,
        *handed(1, "hr", "legal", (1,), at=eleven + 1, outcome=Outcome.running, stop=None, counts_at=None),
        *handed(2, "legal", "hr", (1,), at=eleven, outcome=Outcome.cancelled, counts_at=NOON),
        *handed(3, "hr", "legal", (1,), at=before, outcome=Outcome.missed, counts_at=NOON),
        *handed(4, "hr", "legal", (1,), at=NOON + 1, outcome=Outcome.met),
    )
    shares = {key[1:]: (value.value, value.n) for key, value in found.items() if key[0] == SHARE}
    assert shares["legal", "hr", "1h"] == (1, 1)
    assert ("hr", "legal", "1h") not in shares
    assert shares["legal", "hr", "24h"] == shares["hr", "legal", "24h"] == (0.5, 2)
    assert shares["legal", "hr", "7d"] == (pytest.approx(2 / 3), 3)


def test_a_share_of_fewer_than_five_hand_overs_is_not_told_although_as_many_acceptances_count(
    store: ClickHouse,
) -> None:
    """Of five that count within the hour, one was handed over before it began."""
    before, within = NOON - HOUR - 1, NOON - HOUR + 1
    told = msgspec.structs.replace(thanked("legal", "hr", 5, 5), indicator="acceptance_facts")
    store.write_indicators([msgspec.structs.replace(told, window=window) for window in ("1h", "24h")])
    write(store, [fact for case in range(4) for fact in handed(case, "hr", "legal", (1,), at=within)])
    found = at_noon(store, *handed(4, "hr", "legal", (1,), at=before, stop=NOON, counts_at=NOON))
    assert found[SHARE, "legal", "hr", "1h"].n == 4
    assert {key[3] for key in combined(store) if key[:3] == (SHARE, "legal", "hr")} == {"24h"}


# -- rework


def test_rework_is_told_for_each_case_that_was_had_in_the_window(store: ClickHouse) -> None:
    """One ended at eleven sharp, when the window of an hour begins; one runs, and was had twice; one has not begun."""
    eleven = NOON - HOUR
    found = at_noon(
        store,
        said("ownership", 1, at=START, stop=eleven),
        said("ownership", 2, at=START, stop=eleven + 1),
        said("ownership", 3, at=START, stop=START + HOUR),
        said("ownership", 3, at=eleven + 2, stop=None, outcome=Outcome.running, counts_at=None, opener=bytes(16)),
        said("rework", 3, at=eleven + 2, opener=bytes(16)),
        said("rework", 2, at=START + HOUR),
        said("ownership", 4, at=NOON + 1, stop=None, outcome=Outcome.running, counts_at=None),
    )
    told = {key[3]: value for key, value in found.items() if key[:3] == (REWORK, "legal", "")}
    assert (told["1h"].value, told["1h"].n) == (0.5, 2)
    assert (told["24h"].value, told["24h"].n) == (pytest.approx(2 / 3), 3)
    assert (told["24h"].low, told["24h"].high) == (None, None)
    assert (REWORK, "legal", "hr", "24h") not in found


# -- reopen heat


def test_a_case_that_goes_to_and_fro_heats_each_time(store: ClickHouse) -> None:
    """One case was reopened twice and then held; two held; a fourth is not known yet, and a fifth counted on the day before."""
    at_noon(
        store,
        *(said("reopening", 1, opener=bytes([n] * 16), outcome=JUDGED[n == 2]) for n in range(3)),
        *(said("reopening", case, outcome=Outcome.met) for case in (2, 3)),
        said("reopening", 4, outcome=Outcome.running, stop=None, counts_at=None),
        said("reopening", 5, at=NOON - DAY, outcome=Outcome.missed),
        said("reopening", 1, opener=bytes([1] * 16), outcome=Outcome.missed, level=0, department="people"),
    )
    found = combined(store, "crossdesk_1.reopen_heat")
    assert {key[1:]: (v.value, v.n, v.low) for key, v in found.items() if key[3] in ("24h", "7d")} == {
        ("legal", "", "24h"): (pytest.approx(2 / 3), 3, None),
        ("legal", "", "7d"): (pytest.approx(3 / 4), 4, None),
        ("people", "", "24h"): (1, 1, None),
        ("people", "", "7d"): (1, 1, None),
    }
    assert {HEAT} == {key[0] for key in found} == {key[0] for key in combined(store)}


def test_behaviour_that_tells_of_morale_is_called_a_proxy() -> None:
    """FEATURES MOR-10: these, and no other."""
    assert {*(i.name for i in BY_NAME.values() if i.proxy), *(i.name for i in COMBINED if i.proxy)} == {
        "thanks_attainment_ratio",
        "reopening_share_ratio",
        HEAT,
        "after_hours_ratio",
    }


# -- the tree, the view


def test_depths_are_those_that_held_at_that_instant(store: ClickHouse) -> None:
    moved = [DepartmentDepth(who, 0, depth) for who, depth in DEPTHS.items()]
    store.write_department_depths([*moved, DepartmentDepth("legal", NOON + 1, 2)], 2)
    facts = [fact for level in (1, 2) for fact in promise(1, True, True, level=level)]
    facts += promise(2, True, True, level=2)
    assert at_noon(store, *facts)[SLIP, "legal", "", "24h"].n == 1
    assert at_noon(store, as_of=NOON + HOUR)[SLIP, "legal", "", "24h"].n == 2


def test_an_empty_store_says_nothing(store: ClickHouse) -> None:
    assert combined(store, ALL) == {}
    write(store, promise(1, True, True))
    assert combined(store, ALL) == {}, "nor where it is not known how far"


def test_it_is_told_as_of_the_department_that_is_known_least(store: ClickHouse) -> None:
    for department, as_of in (("hr", NOON), ("it", NOON + DAY)):
        stands(store, department, as_of)
    of_legal = (SLIP, "legal", "", "7d")
    facts = [*promise(1, True, True), *promise(2, True, True, at=NOON + 1)]
    assert at_noon(store, *facts, as_of=NOON + HOUR)[of_legal].n == 1
    stands(store, "hr", NOON + 2 * HOUR)
    value = combined(store, ALL)[of_legal]
    assert (value.n, value.as_of) == (2, NOON + HOUR)


# -- how alike two departments thank each other


def thanked(solver: str, asker: str, met: int, n: int, window: str = "28d", as_of: int = NOON) -> IndicatorValue:
    fields: dict[str, Any] = {"department": solver, "counterpart": asker, "window": window, "as_of": as_of, "n": n}
    return IndicatorValue(indicator="thanks_attainment_ratio", value=met / n if n else None, offset=1, **fields)


def test_reciprocity_is_the_smaller_share_of_the_greater_and_the_same_both_ways(store: ClickHouse) -> None:
    months = [thanked("it", "hr", 5, 10), thanked("hr", "it", 2, 8, as_of=NOON + 1)]
    weeks = [thanked("it", "hr", 1, 2, "7d"), thanked("hr", "it", 2, 2, "7d")]
    store.write_indicators([*months, *weeks, thanked("it", "", 7, 10)])
    found = combined(store, "reciprocity")
    assert found.keys() == {(RECIPROCITY, *pair, w) for pair in (("it", "hr"), ("hr", "it")) for w in ("7d", "28d")}
    assert {(key[3], v.value, v.n, v.as_of, v.low, v.high) for key, v in found.items()} == {
        ("28d", 0.5, 8, NOON, None, None),
        ("7d", 0.5, 2, NOON, None, None),
    }


def test_there_is_none_where_nobody_thanks_or_only_one_asks(store: ClickHouse) -> None:
    store.write_indicators([thanked("it", "hr", 0, 10), thanked("hr", "it", 0, 8), thanked("it", "legal", 3, 10)])
    store.write_indicators([thanked("legal", "hr", 1, 2), thanked("hr", "legal", 0, 0)])
    assert combined(store, "reciprocity") == {}
    store.write_indicators([thanked("legal", "it", 0, 10)])
    assert {value.value for value in combined(store, "reciprocity").values()} == {0}


# -- of a simulated company


class Company:
    """Twelve days of it: all of that lies in the longest window."""

    def __init__(self, folder: Path) -> None:
        self.measured: list[Measured] = []
        self.configuration = config_files.load(EXAMPLE).configuration
        with Embedded(folder) as embedded:
            embedded.apply(self.configuration.files)
            records = simulate(3, 12, cases_per_day=200.0, recorder=Truth(each=self.measured.append))
            for _ in embedded.accept("simulated", records):
                pass
            embedded.flush()
            values = embedded.indicators()
            store, self.as_of = embedded.store, embedded.as_of
            assert store is not None
            assert self.as_of is not None
            store.write_indicators(values)
            self.stream = by_key(values)
            self.sql, self.reciprocity = combined(store), combined(store, "reciprocity")
            self.margins = margins(store)

    def depth(self, *departments: str) -> int:
        return max(self.configuration.depth(who, self.as_of or 0) for who in departments if who)

    def of(self, indicator: str) -> dict[tuple[str, str], IndicatorValue]:
        """Over the longest window."""
        return {key[1:3]: value for key, value in self.sql.items() if key[0] == indicator and key[3] == "28d"}


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return Company(tmp_path_factory.mktemp("company") / "data")


def test_every_combined_indicator_is_there_of_whom_the_catalogue_says(company: Company) -> None:
    for entry in COMBINED:
        found = [value for key, value in company.sql.items() if key[0] == entry.name]
        assert {bool(value.counterpart) for value in found} == {
            pair for pair, has in ((False, entry.departments), (True, entry.pairs)) if has
        }, entry.name
        assert {value.window for value in found} >= {"7d", "28d"}
        for value in found:
            assert (value.low is not None) == bool(entry.interval)
            assert (
                value.low is None or value.high is None or value.value is None or value.low <= value.value <= value.high
            )
    assert {key[0] for key in company.sql} == {entry.name for entry in COMBINED}


def test_the_tree_is_known_without_any_history_that_was_published(company: Company) -> None:
    assert {company.depth(*key[1:3]) for key in company.sql} == {0, 1, 2}
    assert {value.as_of for value in company.sql.values()} == {company.as_of}


def test_what_has_a_formula_of_indicators_is_that_of_the_streams(
    company: Company, tally: Callable[[str, int], None]
) -> None:
    compared = 0
    for entry in (e for e in COMBINED if e.name in (SLIP, DEPENDABLE)):
        for who, value in {key[1:]: value for key, value in company.sql.items() if key[0] == entry.name}.items():
            parts = {part: company.stream[(part, *who)].value for part in entry.parts}
            assert None not in parts.values(), "what is not told in parts is not told together"
            assert value.value == pytest.approx(eval(entry.formula, {}, parts), abs=1e-12), (entry.name, who)
            assert value.n == min(company.stream[(part, *who)].n for part in entry.parts)
            compared += 1
    assert compared > 80
    tally("combined indicators by their parts", compared)


def test_the_share_of_a_pair_is_what_the_simulation_handed_over(
    company: Company, tally: Callable[[str, int], None]
) -> None:
    handed = Counter((m.level, m.department, m.counterpart) for m in company.measured if m.measure == "acceptance")
    of_all = Counter[int]()
    for (level, *_), n in handed.items():
        of_all[level] += n
    pairs = {
        (taker, giver): (n / of_all[level], of_all[level])
        for (level, taker, giver), n in handed.items()
        if level == company.depth(taker, giver) and taker != giver
    }
    assert len(pairs) > 30
    told = {pair: (value.value, value.n) for pair, value in company.of(SHARE).items()}
    assert told == {pair: pairs[pair] for pair in told}
    few = {pair for pair in pairs if handed[company.depth(*pair), *pair] < MIN_FACTS}
    assert len(told) > 5
    assert few
    assert not few & told.keys()
    tally("shares of hand-overs that are the simulation's", len(told))


def test_rework_per_case_is_what_the_simulation_had_done_again(
    company: Company, tally: Callable[[str, int], None]
) -> None:
    again = Counter((m.level, m.department) for m in company.measured if m.measure == "rework")
    cases: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
    for m in company.measured:
        if m.measure == "ownership":
            cases[m.level, m.department].add(m.case)
    right = {
        (department, ""): (again[level, department] / len(had), len(had))
        for (level, department), had in cases.items()
        if level == company.depth(department)
    }
    assert {who: (value.value, value.n) for who, value in company.of(REWORK).items()} == right
    assert sum(1 for value, _ in right.values() if value) > 10
    for (department, _), (value, n) in right.items():
        facts = company.stream.get(("rework_facts", department, "", "28d"))
        assert (facts.value if facts else 0) == pytest.approx(value * n)
    tally("rework per case that is the simulation's", len(right))


def test_reopen_heat_is_that_of_the_solutions_that_the_simulation_broke(
    company: Company, tally: Callable[[str, int], None]
) -> None:
    """It counts when the seven days are over, either way."""
    judged = [
        m
        for m in company.measured
        if m.measure == "reopening" and m.outcome in ("met", "missed") and (m.due or 0) <= (company.as_of or 0)
    ]
    right = {}
    for department in {m.department for m in judged}:
        own = [m for m in judged if m.department == department and m.level == company.depth(department)]
        cases = len({m.case for m in own})
        right[department, ""] = (sum(m.outcome == "missed" for m in own) / cases, cases)
    found = {who: (value.value or 0.0, value.n) for who, value in company.of(HEAT).items()}
    assert found == right
    share = {who[1]: v for who, v in company.stream.items() if who[0] == "reopening_share_ratio" and who[3] == "28d"}
    for (department, _), (value, n) in found.items():
        assert value * n == pytest.approx((share[department].value or 0) * share[department].n)
    tally("reopen heats that are the simulation's", len(right))


def test_reciprocity_is_that_of_those_whom_the_simulation_had_thanked(
    company: Company, tally: Callable[[str, int], None]
) -> None:
    """Of pairs with few cases nothing is said in either direction."""
    shown = {key[1:3] for key, v in company.stream.items() if key[::3] == ("thanks_attainment_ratio", "28d") and v.n}
    thanks = Counter(
        (m.department, m.counterpart, m.outcome)
        for m in company.measured
        if m.measure == "thanks" and m.level == company.depth(m.department, m.counterpart)
    )
    right = {}
    for pair in {pair for pair in shown if pair[1] and pair[::-1] in shown}:
        both = [(thanks[*way, "met"], thanks[*way, "missed"]) for way in (pair, pair[::-1])]
        low, high = sorted(met / max(met + missed, 1) for met, missed in both)
        if high:
            right[pair] = (round(low / high, 12), min(map(sum, both)))
    assert len(right) > 5
    found = {key[1:3]: (round(v.value or 0, 12), v.n) for key, v in company.reciprocity.items() if key[3] == "28d"}
    assert found == right
    tally("pairs whose thanks are the simulation's", len(right))


def test_what_was_left_of_promised_times_is_a_median_of_each_week(company: Company) -> None:
    weeks = company.margins["it"]
    monday = START - 8 * 7 * DAY
    assert [left.week for left in weeks] == [monday + n * 7 * DAY for n in range(len(weeks))]
    left = [
        m for m in company.measured if (m.measure, m.level, m.department) == ("margin", 2, "it") and m.stop is not None
    ]
    first = sorted(m.business_us for m in left if (m.stop or 0) < monday + 7 * DAY)
    assert weeks[0] == Left(monday, first[(len(first) - 1) // 2] / 1e6, len(first))

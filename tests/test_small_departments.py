"""Small departments and pairs with few cases: not in the indicators of the stream, of SQL, of the store's public views, of
Prometheus, nor in a report; and single cases are listed by whoever has a right of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest
from histories import config_mark
from rich.console import Console
from test_second_computation import Both, Key, by_key, facts_of

from deploy import config_files, findings
from deploy.calendar_time import departments_of, depth_rows
from deploy.exported import exported_departments
from deploy.loose_norms import Left, last_weeks
from deploy.report import Beside, print_report
from deploy.trend import Series
from ingest import event as e
from ingest.connectors.simulated import simulate
from sinks.clickhouse import ClickHouse
from sinks.migrations import statements
from sinks.prometheus import Exporter
from sinks.store import BadQuery, DepartmentDepth
from streams.company import CompanyFile
from streams.configuration import Configuration, Files
from streams.dated import instant
from streams.hidden import MIN_FACTS, Pair, untold_pairs
from streams.indicators import IndicatorValue

ROOT = Path(__file__).parent.parent
FILES = config_files.load(ROOT / "deploy" / "example").configuration.files
SMALL = {"legal", "marketing"}
"""Legal once it is of four; and the next-smallest beside it."""
DAY = 86_400_000_000


def with_heads(**heads: int) -> Configuration:
    """The example company, in which some departments have so many people."""
    company = FILES.company
    entries = tuple(
        entry.model_copy(update={"head_count": heads.get(entry.id, entry.head_count)}) for entry in company.departments
    )
    return Configuration(FILES.model_copy(update={"company": company.model_copy(update={"departments": entries})}))


SMALL_LEGAL = with_heads(legal=4)


def value(department: str, counterpart: str = "", n: int = 9) -> IndicatorValue:
    return IndicatorValue(
        indicator="first_response_facts",
        department=department,
        counterpart=counterpart,
        window="28d",
        as_of=20 * DAY,
        value=float(n),
        n=n,
    )


# -- the rule for pairs


@pytest.mark.parametrize(
    ("facts", "hidden", "found"),
    [
        ({"a": 9, "b": 5}, (), []),
        ({"a": 9, "b": 4, "c": 7}, (), ["b", "c"]),
        ({"a": 9, "b": 1, "c": 2}, (), ["c", "b", "a"]),
        ({"a": 9, "b": 1, "c": 4}, (), ["b", "c"]),
        ({"a": 9, "b": 0, "c": 9}, (), []),
        ({"a": 9, "b": 3, "c": 0}, (), ["b", "a"]),
        ({"a": 9, "b": 3}, (), ["b", "a"]),
        ({"b": 3}, (), ["b"]),
        ({"b": 3, "c": 7, "a": 7}, (), ["a", "b"]),
        ({"a": 30, "b": 20, "c": 10}, ("a",), ["a", "c"]),
        ({"a": 30, "b": 20, "c": 0}, ("c",), []),
    ],
)
def test_a_pair_of_few_hides_with_the_next_smallest(
    facts: dict[str, int], hidden: tuple[str, ...], found: list[str]
) -> None:
    assert column_untold(facts, hidden) == set(found)


def column_untold(facts: Mapping[str, int], hidden: Collection[str] = ()) -> set[str]:
    """Of one department, of which each counterpart asks nobody else."""
    pairs = {Pair("d", counterpart, 0): n for counterpart, n in facts.items()}
    return {pair.counterpart for pair in untold_pairs(pairs, hidden, lambda _: Pair("", "", -1))}


def told(facts: tuple[int, ...]) -> tuple[int | None, ...]:
    hidden = column_untold({str(place): n for place, n in enumerate(facts)})
    return tuple(None if str(place) in hidden else n for place, n in enumerate(facts))


def test_what_a_department_tells_of_itself_less_what_it_tells_of_pairs_makes_no_pair_a_small_one(
    tally: Callable[[str, int], None],
) -> None:
    """Of all that adds up to what is told, for each that is hidden there is more than one answer, and one that is not small."""
    seen = {(sum(facts), told(facts)) for facts in product(range(8), repeat=4)}
    partly = [(total, shown) for total, shown in seen if None in shown and any(shown)]
    for total, shown in partly:
        left = total - sum(n or 0 for n in shown)
        possible = [found for found in product(range(left + 1), repeat=shown.count(None)) if sum(found) == left]
        for one in zip(*possible, strict=True):
            assert len(set(one)) > 1
            assert max(one) >= MIN_FACTS
    assert len(partly) > 200
    tally("departments of which some pairs are hidden", len(partly))


# -- stream and SQL


def test_neither_the_stream_nor_sql_tells_of_a_small_department_or_of_few(store: ClickHouse) -> None:
    said = facts_of([config_mark(1), *(e.encode(r) for r in simulate(5, 12))], SMALL_LEGAL)
    both = Both(store, said, SMALL_LEGAL)
    for offset in (len(said) // 2, len(said)):
        both.go_to(offset)
        assert both.compare() > 2000
    stream = list(both.departments.indicators())
    spoken = by_key(stream)
    assert not SMALL & {who for _, *pair, _ in spoken for who in pair}
    assert all(v.n >= 5 for v in spoken.values() if v.counterpart)
    assert len([v for v in spoken.values() if v.counterpart]) > 100
    assert ("first_response_facts", "commercial", "", "7d") in spoken, "their parent tells of them"
    for silent in (v for v in stream if v.department in SMALL or (v.counterpart and not v.n)):
        assert (silent.value, silent.n, silent.low, silent.high, silent.beyond) == (None, 0, None, None, False)
    assert partly_hidden(store, spoken) > 1
    again = Both(store, said, Configuration(FILES))
    again.go_to(len(said))
    assert {v.department for v in by_key(again.departments.indicators()).values()} >= SMALL


def partly_hidden(store: ClickHouse, spoken: Mapping[Key, IndicatorValue]) -> int:
    """How many departments tell of some of their pairs: what they do not tell of is two or more, and five facts or more."""
    counted = store.query(
        "SELECT department, counterpart, count() FROM facts WHERE measure = 'first_response' AND level = 2 AND"
        " outcome IN ('met', 'missed', 'excused', 'done') AND counterpart NOT IN ('', department)"
        " AND counts_at <= (SELECT max(since) FROM facts) GROUP BY ALL"
    ).rows
    found = 0
    for department in {row[0] for row in counted} - SMALL:
        cells = {counterpart: n for who, counterpart, n in counted if who == department}
        told = {c for c in cells if ("first_response_facts", department, c, "28d") in spoken}
        assert all(spoken["first_response_facts", department, c, "28d"].n == cells[c] for c in told)
        if told and (gone := cells.keys() - told):
            found += 1
            assert len(gone) > 1
            assert sum(cells[c] for c in gone) >= MIN_FACTS
    return found


# -- every sum that somebody knows


def test_who_asks_hides_too() -> None:
    """Who knows what hr asked of all (20) less what legal and lab tell (16) would know what it asked of it."""
    numbers = {"it": {"hr": 4, "sales": 8, "ops": 6}, "legal": {"hr": 9, "sales": 20, "ops": 40}}
    numbers["lab"] = {"hr": 7, "sales": 6, "ops": 30}
    pairs = {Pair(who, asks, 0): n for who, of in numbers.items() for asks, n in of.items()}
    untold = {pair[:2] for pair in untold_pairs(pairs, (), lambda _: Pair("", "", -1))}
    # first it-ops and lab-hr beside it; then lab-ops beside it-ops, and lab-sales beside lab-hr; then it-sales beside lab-sales
    assert untold == set(product(("it", "lab"), ("hr", "sales", "ops")))


def test_what_is_one_level_up_does_not_give_away_what_is_below() -> None:
    """Four from it and nine from lab to hr: they lie in ops. So no part is told; and nothing of what is not told itself."""
    below = {Pair("hr", "it", 1): 4, Pair("hr", "lab", 1): 9, Pair("hr", "web", 1): 8}
    whole = {Pair("hr", "ops", 0): 21, Pair("hr", "legal", 0): 12, Pair("hr", "sales", 0): 13}
    ops = {"it", "lab", "web"}

    def above(pair: Pair) -> Pair:
        return Pair(pair.department, "ops" if pair.counterpart in ops else "", pair.level - 1)

    assert untold_pairs(below | whole, (), above) == {Pair("hr", "it", 1), Pair("hr", "web", 1)}
    small = whole | {Pair("hr", "legal", 0): 3, Pair("hr", "sales", 0): 30}
    assert untold_pairs(below | small, (), above) >= {*below, Pair("hr", "ops", 0), Pair("hr", "legal", 0)}
    assert Pair("hr", "sales", 0) not in untold_pairs(below | small, (), above)


def test_no_sum_less_what_is_told_of_it_is_of_few(
    sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    """Trees of two levels: what each tells for all, what each asks of all, and each pair one level up."""
    draw, sums = random.Random(8), 0
    for _ in range(sample(2000, 300)):
        tops = [f"t{n}" for n in range(draw.randint(2, 4))]
        parent = {f"d{n}": draw.choice(tops) for n in range(draw.randint(3, 8))}
        cells: dict[Pair, int] = {}
        for department, counterpart in product(parent, parent):
            if department != counterpart and (n := draw.choice([0, 0, 1, 3, 6, 9, 30])):
                cells[Pair(department, counterpart, 1)] = n
                up = Pair(parent[department], parent[counterpart], 0)
                if up.department != up.counterpart:
                    cells[up] = cells.get(up, 0) + n

        def above(pair: Pair, parent: Mapping[str, str] = parent) -> Pair:
            return Pair(parent.get(pair.department, ""), parent.get(pair.counterpart, ""), pair.level - 1)

        untold = untold_pairs(cells, draw.sample(sorted(parent), draw.randint(0, 1)), above)
        assert untold >= {pair for pair, n in cells.items() if n < MIN_FACTS}
        parts: dict[Any, list[Pair]] = {}
        for pair in cells:
            ways = [("for", pair.department, pair.level), ("from", pair.counterpart, pair.level)]
            for way in (*ways, *([up] if (up := above(pair)) in cells else [])):
                parts.setdefault(way, []).append(pair)
        for way, of in parts.items():
            gone = [pair for pair in of if pair in untold]
            if way in untold:
                assert gone == of
            elif gone and len(gone) < len(of):
                sums += 1
                assert len(gone) > 1
                assert sum(cells[pair] for pair in gone) >= MIN_FACTS
    assert sums > 1000
    tally("sums of pairs of which some are not told", sums)


# -- who is hidden, in time


def test_who_is_hidden_changes_where_the_tree_or_a_group_does() -> None:
    base: dict[str, Any] = {"organisation": "n", "zone": "UTC", "hours": "always", "sources": ["desk"]}
    departments = [
        {"id": "all", "head_count": 20},
        {"id": "a", "parent": "all", "head_count": 9},
        {"id": "b", "parent": [{"department": "all"}, {"since": "2026-03-01"}], "head_count": 8},
    ]
    groups = [
        {"source": "desk", "group": "g", "department": "a"},
        {"source": "desk", "group": "g", "department": "all", "since": "2026-02-01"},
    ]
    company = CompanyFile.model_validate(base | {"departments": departments, "groups": groups})
    here = Configuration(Files(version=1, company=company))
    assert [set(here.hidden(instant(f"2026-0{month}-15", "UTC"))) for month in (1, 2, 3)] == [set(), {"b"}, set()]
    assert [row for row in depth_rows(here) if row.department == "b"] == [
        DepartmentDepth("b", 0, 1, False),
        DepartmentDepth("b", instant("2026-02-01", "UTC"), 1, True),
        DepartmentDepth("b", instant("2026-03-01", "UTC"), 0, False),
    ]


# -- the store


def test_what_was_told_before_a_department_became_small_is_told_no_more(store: ClickHouse) -> None:
    store.write_indicators([value("it"), value("legal"), value("it", "legal"), value("it", "sales")])
    sql = "SELECT department, counterpart FROM {} ORDER BY ALL"
    store.write_departments(departments_of(with_heads(legal=5), 0), 1)
    assert len(store.query(sql.format("crossdesk_public.indicators")).rows) == 4
    store.write_departments(departments_of(SMALL_LEGAL, 0), 2)
    for view in ("crossdesk_public.indicators", "crossdesk_cases.indicators", "indicators"):
        assert store.query(sql.format(view)).rows == [("it", ""), ("it", "sales")]
    names = store.query("SELECT id FROM departments WHERE hidden ORDER BY id").rows
    assert {name for (name,) in names} == SMALL


def test_no_single_case_is_in_what_everybody_reads(store: ClickHouse) -> None:
    columns = store.query("SELECT table, name FROM system.columns WHERE database = 'crossdesk_public'").rows
    assert not {"case_id", "fact_id", "opener", "opener_id", "clock"} & {name for _, name in columns}
    assert not {"facts", "ran"} & {table for table, _ in columns}
    with pytest.raises(BadQuery):
        store.query("SELECT 1 FROM crossdesk_public.facts")
    views = "SELECT name FROM system.tables WHERE engine = 'View' AND database = {database:String}"
    public, cases = (
        {name for (name,) in store.query(views, {"database": f"crossdesk_{which}"}).rows}
        for which in ("public", "cases")
    )
    assert cases == (public - {"morale_at", "department_overview"}) | {"facts", "ran"}, "and none that wants parameters"


def test_a_store_of_before_shows_cases_no_more(store: ClickHouse) -> None:
    store._writer.command("DROP DATABASE crossdesk_cases SYNC")
    store._writer.command("CREATE VIEW crossdesk_public.facts AS SELECT * FROM crossdesk_1.facts")
    store._writer.command(
        "ALTER TABLE crossdesk_public.schema_migrations DELETE WHERE version = 4 SETTINGS mutations_sync = 2"
    )
    store.migrate()
    with pytest.raises(BadQuery):
        store.query("SELECT 1 FROM crossdesk_public.facts")
    assert store.query("SELECT count() FROM facts").rows == store.query("SELECT count() FROM indicators").rows == [(0,)]


def test_a_store_of_before_hides_what_is_hidden_now(store: ClickHouse) -> None:
    """Its views are as an earlier release made them."""
    store.write_indicators([value("it"), value("legal")])
    store.write_departments(departments_of(SMALL_LEGAL, 0), 1)
    store._writer.command("CREATE OR REPLACE VIEW crossdesk_public.indicators AS SELECT * FROM crossdesk_1.indicators")
    store.migrate()
    for view in ("crossdesk_public.indicators", "crossdesk_cases.indicators"):
        assert store.query(f"SELECT department FROM {view}").rows == [("it",)]


def test_the_grants_that_are_documented_are_what_clickhouse_reads(store: ClickHouse) -> None:
    """Nothing here can carry them out: chDB knows no users."""
    text = (ROOT / "docs" / "kafka.md").read_text(encoding="utf-8")
    block = next(block for block in text.split("```sql\n")[1:] if "GRANT" in block).split("```")[0]
    found = list(statements(block))
    assert len(found) > 3
    for statement in found:
        assert store._writer.query(f"EXPLAIN AST {statement}").result_rows
    looks = [s for s in found if s.startswith("GRANT") and s.endswith("TO crossdesk_looks")]
    assert looks == ["GRANT SELECT ON crossdesk_public.* TO crossdesk_looks"]


# -- who else tells


def test_prometheus_shows_nothing_of_a_small_department() -> None:
    shown = exported_departments(SMALL_LEGAL, 0)
    assert shown is not None
    assert {*SMALL_LEGAL.departments} - shown == SMALL
    exporter = Exporter()
    exporter.update([value("it"), value("legal")])
    exporter.retain(shown)
    exporter.update([value("marketing")])
    _, body = exporter.render()
    assert b'department="it"' in body
    assert not any(f'"{who}"'.encode() in body for who in SMALL)


def test_a_report_tells_nothing_of_a_small_department() -> None:
    rng = random.Random(1)
    written = StringIO()
    weeks = {week * 7 * DAY: [rng.randrange(DAY) for _ in range(30)] for week in range(9)}
    history = {Series("first_response", who, ""): weeks for who in ("it", "legal")}
    assert [s.department for s in findings.worth_following(history, 60 * DAY, SMALL_LEGAL)] == ["it"]
    values = [value(who) for who in ("it", "commercial", "legal", "marketing")]
    values = [msgspec.structs.replace(v, indicator="resolution_running_facts", window="") for v in values]
    print_report(Console(file=written, width=80), values, Beside(history), SMALL_LEGAL, 0)
    said = written.getvalue()
    assert "IT Service" in said
    assert "Legal" not in said
    assert "Marketing" not in said


def test_no_norm_of_a_small_department_is_called_too_loose() -> None:
    weeks = [Left(week, 0.9, 30) for week in last_weeks(70 * DAY)]
    of_it, *others = list(findings.loose({"it": weeks, "legal": weeks}, 70 * DAY, SMALL_LEGAL))[1:]
    assert of_it.startswith("• IT Service: 90% to 90%")
    assert not others

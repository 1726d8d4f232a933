"""Whether a wave improves after people were told what became of what they had said: by hand, and the same by SQL."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from adversary import company
from histories import write
from pooled import SPRING, WEEK_US, Pooled, batch, favourable, random_batches

from deploy.calendar_time import line_rows
from sinks.clickhouse import ClickHouse
from sinks.store import Department
from streams.company import Company
from streams.echo import ECHO, echo
from streams.fact import Fact, Outcome
from streams.indicators import IndicatorValue
from streams.statistics import wilson

TREE = company(1, {"ops": "", "it": "ops", "hr": ""}, {})
OF = TREE.company
UNTIL = SPRING + 40 * WEEK_US
TOPICS = ("empathy", "assurance", "working_here", "other")


def told(department: str, week: int | None, topic: str = "empathy", case: int = 1) -> Fact:
    """In the week that begins when so many are over; None: not yet."""
    stop = None if week is None else SPRING + week * WEEK_US
    return Fact(
        version=1,
        outcome=Outcome.running if stop is None else Outcome.met,
        counts_at=stop,
        stop=stop,
        case_id=f"survey/{case}",
        measure="loop",
        opener=case.to_bytes(16, "big"),
        start=SPRING - 9 * WEEK_US,
        flags=topic,
        department=department,
    )


def waves(*shares: tuple[int, int], about: str = "it", department: str = "hr", item: str = "empathy") -> list[Any]:
    """(week in which it closed, favourable answers of 40)."""
    return [
        batch(department, 40, week, wave=f"wave {n}", about=about, items=favourable(hits, 40, item))
        for n, (week, hits) in enumerate(shares)
    ]


def said(batches: Sequence[Any], *facts: Fact, of: Company = OF, as_of: int = UNTIL) -> dict[str, tuple[Any, ...]]:
    return {v.department: (v.value, v.n, v.low, v.high) for v in echo(batches, of, facts, as_of)}


# -- by hand


def test_of_three_rounds_one_improves() -> None:
    """A wave each eighth week, of 40 answers each: 16, 32, 32, 16 and 32 are favourable. IT told of something in the weeks before
    the second, third and fourth wave, and of nothing before the fifth.
    """
    batches = waves((0, 16), (8, 32), (16, 32), (24, 16), (32, 32))
    facts = [told("it", week, case=week) for week in (3, 10, 18, 19)]
    found = said(batches, *facts)
    assert found == {"it": (1 / 3, 3, *wilson(1, 3))}
    assert found["it"][2:] == pytest.approx((0.061, 0.792), abs=5e-4)


def test_what_is_told_counts_from_the_week_of_the_wave_before_to_that_before_the_next() -> None:
    """Batches that close when 8 weeks are over have answers of the week that begins when 7 are over."""
    batches = waves((0, 16), (8, 32))
    rounds = {week: said(batches, told("it", week)) for week in (-2, -1, 0, 6, 7, 8)}
    assert [week for week, found in rounds.items() if found] == [-1, 0, 6]


def test_a_round_is_of_the_topic_and_of_whom_it_was_said_to() -> None:
    batches = waves((0, 16), (8, 32))
    others = [told("it", 3, "assurance"), told("hr", 3, case=2), told("it", None, case=3), told("it", 3, "other", 4)]
    assert said(batches, *others) == {}
    assert said(batches, told("it", 3), told("it", 4, case=2))["it"][1] == 1, "one round, however much is told"
    assert said(batches, told("it", 3), as_of=SPRING + 8 * WEEK_US - 1) == {}, "there is no next wave yet"
    above = said(batches, told("it", 3), told("ops", 3))
    assert above.keys() == {"it", "ops"}, "what is about IT is about what it lies in"


def test_working_here_is_asked_of_the_department_itself() -> None:
    batches = waves((0, 16), (8, 32), about="", department="it")
    assert said(batches, told("it", 3, "working_here"))["it"][:2] == (1.0, 1)
    assert said(batches, told("it", 3), told("hr", 3, "working_here", 2)) == {}


def test_a_round_is_let_go_after_a_year() -> None:
    batches, fact = waves((0, 16), (8, 32)), told("it", 3)
    weeks = [week for week in (8, 59, 60) if said(batches, fact, as_of=SPRING + week * WEEK_US)]
    assert weeks == [8, 59]


def test_what_may_be_chance_is_no_improvement() -> None:
    assert said(waves((0, 20), (8, 24)), told("it", 3))["it"][:2] == (0.0, 1)


# -- by SQL


def by_sql(store: ClickHouse, as_of: int) -> list[IndicatorValue]:
    sql = (
        "SELECT * EXCEPT as_of, toUnixTimestamp64Micro(as_of) AS as_of FROM crossdesk_1.echo_at(as_of = {as_of:Int64}) "
        "ORDER BY department"
    )
    names, rows = store.query(sql, {"as_of": as_of})
    return [IndicatorValue(**dict(zip(names, row, strict=True))) for row in rows]


def random_facts(dice: random.Random, departments: Sequence[str]) -> list[Fact]:
    return [
        told(dice.choice(departments), dice.choice([None, dice.randrange(-3, 40)]), dice.choice(TOPICS), case)
        for case in range(dice.randint(0, 200))
    ]


def in_rounds(dice: random.Random, pooled: Pooled) -> Pooled:
    """With more waves of the same, so that some improve."""
    asked = [one for one in pooled.configuration.departments if dice.random() < 0.7]
    more = [
        one
        for department in asked
        for one in waves(
            *((4 * n, dice.randint(5, 40)) for n in range(7)),
            about=department,
            item=dice.choice(["empathy", "assurance"]),
        )
    ]
    own = [one for who in asked for one in waves((1, 9), (9, dice.randint(9, 40)), about="", department=who)]
    found = {one.id: one for one in (*pooled.batches, *more, *own)}
    return pooled._replace(batches=[*found.values()])


def test_both_say_the_same(
    store: ClickHouse, sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    compared, improved = 0, 0.0
    for seed in range(sample(100, 5)):
        dice = random.Random(seed)
        pooled = in_rounds(dice, random_batches(dice))
        facts = random_facts(dice, [*pooled.configuration.departments])
        for table in ("crossdesk_public.sealed_versions", "crossdesk_1.facts_versions"):
            store.execute(f"TRUNCATE TABLE {table}")
        store.write_sealed(pooled.batches)
        store.write_department_lines(list(line_rows(pooled.configuration)), seed + 1)
        write(store, facts)
        for as_of in (dice.randint(SPRING, pooled.until), pooled.until + dice.randint(0, 60 * WEEK_US)):
            mine = echo(pooled.batches, pooled.configuration.company, facts, as_of)
            its = by_sql(store, as_of)
            assert [(v.indicator, v.department, v.n, v.value) for v in its] == [
                (ECHO, v.department, v.n, v.value) for v in mine
            ]
            assert [(v.low, v.high) for v in its] == [pytest.approx((v.low, v.high)) for v in mine]
            compared += len(mine)
            improved += sum((v.value or 0) * v.n for v in mine)
    assert compared > 3 * sample(100, 5)
    assert improved > sample(100, 5) / 2
    tally("echoes by SQL", compared)


def test_nothing_is_told_of_a_department_that_is_hidden(store: ClickHouse) -> None:
    """The view asks as of now: so the waves are of this year."""
    ((now,),) = store.query("SELECT toUnixTimestamp64Micro(now64(6))").rows
    weeks = (now - SPRING) // WEEK_US
    store.write_sealed(waves((weeks - 20, 16), (weeks - 10, 32)))
    store.write_department_lines(list(line_rows(TREE)), 1)
    write(store, [told("it", weeks - 15), told("ops", weeks - 15, case=2)])
    for version, hidden, shown in ((1, False, [("it", 1.0, 1), ("ops", 1.0, 1)]), (2, True, [("ops", 1.0, 1)])):
        store.write_departments([Department("it", "IT", "ops", 1, 4, hidden)], version)
        assert store.query("SELECT department, value, n FROM echo ORDER BY department").rows == shown

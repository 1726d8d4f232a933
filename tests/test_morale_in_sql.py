"""Morale by SQL over sealed batches says what the streams' computation says."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from adversary import company
from pooled import SPRING, WEEK_US, Pooled, batch, favourable, random_batches, simulated

from deploy.calendar_time import line_rows
from deploy.sink_cli import write_departments
from sinks.clickhouse import ClickHouse
from sinks.morale import morale_at, tell
from streams.configuration import encode
from streams.morale import MoraleValue
from streams.pooling import morale

NUMBERS = ("value", "low", "high", "weighted", "change", "change_low", "change_high")
WORDS = tuple(name for name in MoraleValue.__struct_fields__ if name not in NUMBERS)


def put(store: ClickHouse, pooled: Pooled, version: int = 1) -> None:
    """This alone, under a configuration of this version."""
    store.execute("TRUNCATE TABLE crossdesk_public.sealed_versions")
    store.write_sealed(pooled.batches)
    store.write_department_lines(list(line_rows(pooled.configuration)), version)


def exact(values: Sequence[MoraleValue]) -> list[tuple[object, ...]]:
    """All but the numbers, and of these whether they are there."""
    return [(*(getattr(v, name) for name in WORDS), *(getattr(v, name) is None for name in NUMBERS)) for v in values]


def numbers(values: Sequence[MoraleValue]) -> list[float]:
    return [number for v in values for name in NUMBERS if (number := getattr(v, name)) is not None]


def compare(store: ClickHouse, pooled: Pooled, as_of: int) -> int:
    mine = morale(pooled.batches, pooled.configuration.company, as_of)
    its = sorted(morale_at(store, as_of), key=lambda v: (v.indicator, v.item, v.department, v.about, v.window, v.wave))
    assert exact(its) == exact(mine)
    assert numbers(its) == pytest.approx(numbers(mine), rel=1e-9, abs=1e-9)
    return len(mine)


def test_both_say_the_same_of_random_batches(
    store: ClickHouse, sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    compared = 0
    for seed in range(sample(200, 5)):
        dice = random.Random(seed)
        pooled = random_batches(dice)
        put(store, pooled, seed + 1)
        for as_of in (dice.randint(SPRING, pooled.until), pooled.until + dice.randint(0, 30 * WEEK_US)):
            compared += compare(store, pooled, as_of)
    assert compared > 500 * sample(200, 5)
    tally("values of morale by SQL", compared)


def test_both_say_the_same_of_the_simulated_company(store: ClickHouse, tally: Callable[[str, int], None]) -> None:
    pooled = simulated(2, 62).pooled
    put(store, pooled)
    compared = sum(compare(store, pooled, pooled.until - back * WEEK_US + 1) for back in (0, 3))
    assert compared > 5_000
    tally("values of morale by SQL", compared)


def test_a_version_of_the_configuration_brings_its_tree(store: ClickHouse) -> None:
    files = company(3, {"ops": "", "it": "ops"}, {}, heads={"it": 9}, sites={"it": {"north": 4}}).files
    write_departments(store, encode(files))
    asked = "SELECT department, line, head_count, sites FROM department_lines ORDER BY department"
    lines = [("", [], 9, {}), ("it", ["ops", "it"], 9, {"north": 4}), ("ops", ["ops"], 9, {})]
    assert store.query(asked).rows == lines
    write_departments(store, encode(company(4, {"it": ""}, {}).files))
    assert store.query(asked).rows == [("", [], None, {}), ("it", ["it"], None, {})]


def test_of_now_there_is_a_view(store: ClickHouse) -> None:
    put(store, Pooled([batch(items=favourable(8, 10))], company(1, {"it": "", "hr": ""}, {}), 0))
    tell(store, SPRING)
    asked = "SELECT department, indicator, value, shown FROM morale WHERE window = '' AND item = ''"
    assert sorted(store.query(asked + " AND department != ''").rows) == [
        ("hr", "response_ratio", None, "<5"),
        ("it", "favourable_ratio", 0.8, "10"),
        ("it", "response_ratio", None, "10"),
    ]


def test_a_batch_that_is_written_again_is_there_once(store: ClickHouse) -> None:
    one = batch()
    store.write_sealed([one, one])
    store.write_sealed([one])
    assert store.query("SELECT id, week, persons, item, n, total, favourable FROM sealed").rows == [
        (one.id.hex(), "2026-W09", 10, "empathy", 10, 80, 10)
    ]

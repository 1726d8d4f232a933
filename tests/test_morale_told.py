"""Morale of each week is told once, and read from there: it is what is computed, whoever was killed or late meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from adversary import company
from pooled import SPRING, WEEK_US, Pooled, batch, favourable, random_batches, rated_favourable
from test_morale_in_sql import put

from deploy.calendar_time import line_rows
from sinks import telling
from sinks.clickhouse import ClickHouse
from sinks.morale import tell, untold
from sinks.store import Unavailable
from streams.morale import WINDOWS, last_monday

COLUMNS = (
    "indicator, item, department, about, window, wave, value, n, shown, low, high, weighted, trend, before, change, change_low, "
    "change_high, closed, age_weeks, invited"
)
OF_WEEKS = (
    "indicator, item, department, about, window, wave, value, n, shown, low, high, weighted, closed, age_weeks, invited"
)
STAYS = "(window != '' AND (about = '' OR department = '') OR indicator = 'response_ratio')"
Rows = list[tuple[Any, ...]]


def told(store: ClickHouse) -> Rows:
    return store.query(f"SELECT {COLUMNS} FROM morale ORDER BY ALL").rows


def computed(store: ClickHouse, as_of: int, columns: str = COLUMNS, which: str = "true") -> Rows:
    return store.query(
        f"SELECT {columns} FROM crossdesk_public.morale_at(as_of = {as_of}) WHERE {which} ORDER BY ALL"
    ).rows


def in_week(store: ClickHouse, monday: int) -> Rows:
    return store.query(
        f"SELECT {OF_WEEKS} FROM morale_weeks WHERE as_of = fromUnixTimestamp64Micro({monday}) ORDER BY ALL"
    ).rows


def weeks(store: ClickHouse) -> list[int]:
    return [
        at
        for (at,) in store.query(
            "SELECT DISTINCT toUnixTimestamp64Micro(as_of) AS at FROM morale_weeks ORDER BY at"
        ).rows
    ]


def check(store: ClickHouse, until: int) -> int:
    """That each week says what is computed as of its end: of how many values."""
    compared = told(store)
    assert compared == computed(store, until), "age_weeks is of that Monday"
    count = len(compared)
    for monday in weeks(store):
        found = in_week(store, monday)
        newest = max((row for row in found if row[0] == "response_ratio" and row[13] is not None), default=None)
        wave = newest[5] if newest else ""
        assert found == [
            row for row in computed(store, monday, OF_WEEKS, STAYS) if row[0] != "response_ratio" or row[5] == wave
        ]
        count += len(found)
    return count


def test_what_is_told_is_what_is_computed(
    store: ClickHouse, sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    compared = 0
    for seed in range(sample(30, 2)):
        dice = random.Random(seed)
        pooled = random_batches(dice, weeks=3)
        store.execute("TRUNCATE TABLE crossdesk_public.morale_told")
        put(store, pooled, seed + 1)
        until = last_monday(pooled.until + dice.choice([0, 3, 60]) * WEEK_US)
        assert tell(store, until + dice.randrange(WEEK_US)) > 1
        compared += check(store, until)
        assert tell(store, until) == 0, "nothing is told twice"
    assert compared > 1000
    tally("values of morale that were told", compared)


ONE = company(1, {"it": "", "hr": ""}, {}, heads={"it": 20})


def test_between_the_weeks_that_are_told_nothing_changes(store: ClickHouse) -> None:
    put(store, Pooled([batch(items=favourable(8, 10)), batch(week=2, items=favourable(9, 9))], ONE, 0))
    until = SPRING + 7 * WEEK_US
    tell(store, until)
    there = weeks(store)
    lengths = (0, *WINDOWS.values())
    turns = {SPRING + week * WEEK_US + length for week in (0, 2) for length in lengths}
    assert there == sorted(at for at in turns if at <= until)
    without_age = OF_WEEKS.replace("age_weeks, ", "")
    shown, compared = "", 0
    for week in range(8):
        monday = SPRING + week * WEEK_US
        said = repr(computed(store, monday, without_age, STAYS))
        assert monday in there or said == shown
        compared += monday not in there
        shown = said
    assert compared == 8 - len([at for at in there if at <= until])


def test_a_batch_that_comes_late_changes_the_weeks_since_and_no_other(store: ClickHouse) -> None:
    first, late = batch(items=favourable(8, 10)), batch(week=1, items=favourable(5, 10))
    put(store, Pooled([first], ONE, 0))
    until = SPRING + 6 * WEEK_US
    assert tell(store, until) == 1 + 2
    store.write_sealed([late])
    anew = untold(store, until)
    lengths = (1, 4, 5)
    assert [week.monday for week in anew] == [until, *(SPRING + n * WEEK_US for n in lengths)]
    assert tell(store, until) == len(anew)
    assert check(store, until)


def test_another_tree_is_told_of_all_weeks_and_only_that(store: ClickHouse) -> None:
    put(store, Pooled([batch(items=favourable(8, 10))], ONE, 0))
    until = SPRING + 6 * WEEK_US
    tell(store, until)
    same = company(2, {"it": "", "hr": ""}, {"a group": "it"}, heads={"it": 20})
    store.write_department_lines(list(line_rows(same)), 2)
    assert tell(store, until) == 0, "another version, and the same tree"
    store.write_department_lines(list(line_rows(company(3, {"it": "hr", "hr": ""}, {}))), 3)
    assert tell(store, until) == 1 + 2
    assert check(store, until)
    assert {row[2] for row in told(store)} == {"", "it", "hr"}
    store.write_department_lines(list(line_rows(ONE)), 4)
    assert tell(store, until) == 1 + 2, "and back"
    assert check(store, until)


def test_every_monday_all_is_told_anew_and_the_week_before_is_gone(store: ClickHouse) -> None:
    put(store, Pooled([batch(items=favourable(8, 10))], ONE, 0))
    tell(store, SPRING)
    for week in (1, 2):
        assert tell(store, SPRING + week * WEEK_US) == 1
    assert check(store, SPRING + 2 * WEEK_US)
    assert store.query("SELECT uniqExact(number) FROM crossdesk_public.morale_versions WHERE whole").rows == [(1,)]
    assert tell(store, SPRING + WEEK_US) == 1, "also back"
    assert check(store, SPRING + WEEK_US)


@dataclass
class Dying:
    """A store whose process is killed after so many statements."""

    store: ClickHouse
    statements: int

    def query(self, *asked: Any) -> Any:
        return self.store.query(*asked)

    def execute(self, *said: Any) -> None:
        if not self.statements:
            raise KeyboardInterrupt
        self.statements -= 1
        self.store.execute(*said)


@pytest.mark.parametrize("statements", range(4))
def test_whoever_is_killed_anywhere_leaves_what_was_or_what_is_new(store: ClickHouse, statements: int) -> None:
    put(store, Pooled([batch(items=favourable(8, 10))], ONE, 0))
    tell(store, SPRING)
    was = told(store)
    store.write_sealed([batch(week=1, kind="ratings", wave="2026-W10", items=rated_favourable(7, 10))])
    monday = SPRING + WEEK_US
    dying = Dying(store, statements)
    with pytest.raises(KeyboardInterrupt):
        tell(dying, monday)  # it is more than so many statements
    assert told(store) in (was, computed(store, monday))
    tell(store, monday)
    assert check(store, monday)
    assert tell(store, monday) == 0


def test_nothing_is_told_where_nothing_is_sealed(store: ClickHouse) -> None:
    assert tell(store, SPRING) == 0
    assert told(store) == []


def test_a_stage_tells_a_week_at_a_time_and_waits_after_a_failure(
    store: ClickHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, Pooled([batch(items=favourable(8, 10))], ONE, 0))
    now = SPRING + 5 * WEEK_US
    monkeypatch.setattr(time, "time_ns", lambda: now * 1000)
    stage = telling.Telling()
    assert [stage.step(store) for _ in range(4)] == [True, True, True, False]
    assert check(store, now)
    store.write_sealed([batch(week=2, items=favourable(9, 9))])
    assert not stage.step(store), "it looks when it is told to"
    stage.look()
    full = Dying(store, 0)
    full.execute = refuse  # type: ignore[method-assign]
    assert not stage.step(full)
    assert not stage.step(store), "it waits"
    moment = time.monotonic() + telling.AGAIN_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: moment)
    while stage.step(store):
        pass
    assert check(store, now)
    now += WEEK_US
    assert stage.step(store), "a week is over"
    assert check(store, now)


def refuse(*_: Any) -> None:
    raise Unavailable("no space left on device")

"""Service, hand-overs and morale of a department side by side: each column is what the view says that it is taken from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from adversary import company
from pooled import SPRING, WEEK_US, batch, favourable, rated_favourable, would_recommend
from test_small_departments import SMALL, SMALL_LEGAL

from deploy import config_files
from deploy.calendar_time import departments_of, write_tree
from deploy.demo import EXAMPLE
from deploy.embedded import Embedded
from deploy.intake import bring_up_to_date
from ingest import event as e
from ingest.connectors.simulated import START, simulate
from sinks.clickhouse import ClickHouse
from sinks.morale import tell
from streams.configuration import Configuration
from streams.indicators import BY_NAME, IndicatorValue
from streams.statistics import wilson

Row = dict[str, Any]
OWN = {
    "first_response": "first_response_attainment_ratio",
    "next_response": "next_response_attainment_ratio",
    "resolution": "resolution_attainment_ratio",
    "received_acceptance": "acceptance_attainment_ratio",
    "received_complete": "first_time_complete_attainment_ratio",
    "proxy_thanks": "thanks_attainment_ratio",
    "proxy_reopening": "reopening_share_ratio",
    "proxy_after_hours": "after_hours_ratio",
}
GIVEN = {"given_acceptance": "acceptance_attainment_ratio", "given_complete": "first_time_complete_attainment_ratio"}
MORALE = {"favourable": "favourable_ratio", "enps": "enps_points", "response": "response_ratio"}
ABOUT = {"perceived_favourable": "perception_favourable_ratio", "rated_favourable": "rating_favourable_ratio"}


def rows(store: ClickHouse, where: str = "true", of: str = "") -> list[Row]:
    view = "crossdesk_public.department_overview(department = {of:String})"
    names, found = store.query(f"SELECT * FROM {view} WHERE {where} ORDER BY kind, department, as_of", {"of": of})
    return [dict(zip(names, row, strict=True)) for row in found]


def part(row: Row, name: str) -> tuple[Any, ...]:
    unit = "points" if name == "enps" else "ratio"
    return tuple(row.get(key) for key in (f"{name}_{unit}", f"{name}_n", f"{name}_low_{unit}", f"{name}_high_{unit}"))


def test_what_is_a_proxy_is_called_one_and_nothing_ranks(store: ClickHouse) -> None:
    names = store.query("SELECT * FROM crossdesk_public.department_overview(department = '')").columns
    for name, indicator in OWN.items():
        assert BY_NAME[indicator].proxy == name.startswith("proxy_")
        assert f"{name}_ratio" in names
    assert not [name for name in names if "rank" in name or "score" in name]


# -- of the simulated company
@pytest.fixture
def lived(tmp_path: Path) -> Iterator[Embedded]:
    """Five weeks, which end on a Monday."""
    with Embedded(tmp_path) as embedded:
        embedded.apply(config_files.load(EXAMPLE).configuration.files)
        list(embedded.accept("simulated", simulate(2, 35, cases_per_day=60)))
        end = datetime.combine(START, datetime.min.time(), UTC) + timedelta(days=35)
        list(embedded.accept("and all was told by its end", [e.watermark("helpdesk", end)]))
        bring_up_to_date(embedded, history=True)
        yield embedded


def test_what_is_pooled_of_days_is_what_the_window_says(lived: Embedded) -> None:
    store = lived.store
    assert store is not None
    now = {row["department"]: row for row in rows(store, "kind = 'now'")}
    weeks = rows(store, "kind = 'week'")
    last = [row for row in weeks if row["as_of"] == max(other["as_of"] for other in weeks)]
    compared = 0
    for row in last:
        assert row["as_of"] == now[row["department"]]["as_of"], "which ends on that Monday"
        for name in OWN:
            if name != "proxy_after_hours":
                assert part(row, name) == pytest.approx(part(now[row["department"]], name), abs=1e-12, nan_ok=True)
                compared += part(row, name)[1] is not None
    assert compared > 40
    assert {row["department"] for row in last} == now.keys()


def test_of_one_department_it_says_what_it_says_among_all(lived: Embedded) -> None:
    store = lived.store
    assert store is not None
    every = rows(store)
    for department in ("it", "finance", "nowhere"):
        own = [row for row in every if row["department"] == department]
        assert rows(store, of=department) == own
        assert bool(own) == (department != "nowhere")


def test_now_is_what_the_indicators_say(lived: Embedded) -> None:
    store = lived.store
    assert store is not None
    values = {(v.indicator, v.department): v for v in lived.indicators() if v.window == "28d" and not v.counterpart}
    found = rows(store, "kind = 'now'")
    for row in found:
        for name, indicator in OWN.items():
            value = values.get((indicator, row["department"]))
            said = (value.value, value.n, value.low, value.high) if value is not None and value.n else (None,) * 4
            assert part(row, name)[:2] == said[:2]
            assert name == "proxy_after_hours" or part(row, name) == said
    assert len(found) > 10


def test_what_is_given_is_what_those_say_who_receive_each_counted_once(lived: Embedded) -> None:
    store, configuration = lived.store, lived.configuration
    assert store is not None
    assert configuration is not None
    depth = {department: configuration.depth(department, lived.as_of or 0) for department in configuration.departments}
    told = store.query(
        "SELECT indicator, counterpart, department, value, n FROM indicators WHERE window = '28d' AND counterpart != '' AND n > 0"
    ).rows
    given = 0
    for row in rows(store, "kind = 'now'"):
        who = row["department"]
        for name, indicator in GIVEN.items():
            pairs = [p for p in told if p[:2] == (indicator, who) and depth.get(p[2], 0) <= depth.get(who, 0)]
            n, hits = sum(p[4] for p in pairs), sum(round(p[3] * p[4]) for p in pairs)
            low_high = wilson(hits, n) if n else (None, None)
            expected = (hits / n, n, *low_high) if n else (None,) * 4
            assert part(row, name) == pytest.approx(expected, nan_ok=True)
            given += n
    assert given > 50


# -- of batches that are written by hand
def hand_made(store: ClickHouse, configuration: Configuration) -> None:
    """Of 20 people in it and 30 in hr, whose window lets the first wave go after 13 weeks."""
    write_tree(store, configuration)
    store.write_departments(departments_of(configuration, 0), 1)
    store.write_sealed(
        [
            batch("it", items={**favourable(8, 10), **would_recommend(5, 2, 10)}),
            batch("it", week=2, wave="summer", items=favourable(6, 10)),
            batch("hr", about="it", items=favourable(3, 10)),
            batch("hr", week=1, about="it", kind="ratings", wave="2026-W10", items=rated_favourable(7, 10)),
        ]
    )
    assert tell(store, SPRING + 14 * WEEK_US)


def monday(week: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=SPRING + week * WEEK_US)


def test_morale_stands_beside_each_week_until_it_changes(store: ClickHouse) -> None:
    hand_made(store, company(1, {"it": "", "hr": ""}, {}, heads={"it": 20, "hr": 30}))
    weeks = {row["as_of"]: row for row in rows(store, "kind = 'week' AND department = 'it'")}
    assert [*weeks] == [monday(n) for n in range(15)], "every Monday, whether something changed or not"
    for week, row in weeks.items():
        said = store.query(
            "SELECT indicator, about, value, n, low, high FROM crossdesk_public.morale_at(as_of ="
            f" {SPRING + (week - monday(0)) // timedelta(microseconds=1)}) WHERE item IN ('', 'enps') AND window = '91d'"
            " AND (department = 'it' AND about = '' OR department = '' AND about = 'it')"
        ).rows
        values = {(indicator, about): tuple(rest) for indicator, about, *rest in said}
        for names, about in ((MORALE, ""), (ABOUT, "it")):
            for name, indicator in names.items():
                if name != "response":
                    assert part(row, name) == values.get((indicator, about), (None,) * 4), (week, name)
    assert [weeks[monday(n)]["response_ratio"] for n in (0, 1, 2, 14)] == [0.5] * 4
    assert weeks[monday(1)]["rated_favourable_ratio"] == 0.7
    assert weeks[monday(0)]["rated_favourable_ratio"] is None
    (now,) = rows(store, "kind = 'now' AND department = 'it'")
    last = weeks[monday(14)]
    assert {k: v for k, v in now.items() if k != "kind"} == {k: v for k, v in last.items() if k != "kind"}
    for hr in rows(store, "department = 'hr'"):
        assert hr["favourable_ratio"] is None
        assert hr["response_ratio"] is None, "of it there is no batch"
        assert hr["response_n"] == 0


def test_a_small_department_has_no_row(store: ClickHouse) -> None:
    hand_made(store, SMALL_LEGAL)
    of = {"indicator": "resolution_attainment_ratio", "counterpart": "", "window": "28d"}
    store.write_indicators(
        [IndicatorValue(**of, department=who, as_of=SPRING, value=0.5, n=8, offset=1) for who in ("it", *SMALL)]  # type: ignore[arg-type]
    )
    there = {row["department"] for row in rows(store)}
    assert "it" in there
    assert not there & {*SMALL}

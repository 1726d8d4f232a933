"""Morale in Prometheus is what ClickHouse says of the same batches, of the departments that may be seen, and of no pair."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable

import pytest
from adversary import company
from pooled import Pooled, batch, favourable, random_batches, rated_favourable, would_recommend
from test_morale_in_sql import put
from test_prometheus import OPENMETRICS, full, lint, series

from sinks.clickhouse import ClickHouse
from sinks.morale import tell
from sinks.prometheus import Exporter
from sinks.prometheus_morale import exported
from streams.morale import MoraleValue, last_monday
from streams.pooling import morale
from streams.sealed import Kind

DEPARTMENTS = 500
QUESTIONS = ("reliability", "responsiveness", "assurance", "empathy", "tangibles", "communication")


def shown(values: list[MoraleValue], departments: set[str] | None = None) -> dict[str, float]:
    exporter = Exporter()
    exporter.retain(departments)
    exporter.show_morale(exported(values))
    return {name: number for name, number in series(exporter).items() if "morale" in name}


def test_it_says_what_clickhouse_says_as_of_the_same_monday(
    store: ClickHouse, sample: Callable[[int, int], int]
) -> None:
    compared = 0
    for seed in range(sample(50, 4)):
        pooled = random_batches(random.Random(seed), 20)
        put(store, pooled, seed + 1)
        store.execute("TRUNCATE TABLE crossdesk_public.morale_told")
        monday = last_monday(pooled.until)
        tell(store, monday, course=False)
        found = shown(morale(pooled.batches, pooled.configuration.company, monday, pairs=False))
        rows = store.query(
            "SELECT indicator, item, department, about, value, low, high, n FROM morale WHERE value IS NOT NULL"
            " AND (department = '') != (about = '') AND (window = '91d' OR indicator = 'response_ratio' AND wave = ("
            "SELECT argMax(wave, (closed, wave)) FROM sealed WHERE kind = 'answers' AND about = ''))"
        ).rows
        expected: dict[str, float] = {}
        for indicator, item, department, about, value, low, high, n in rows:
            own, (stem, unit) = bool(department), str(indicator).rsplit("_", 1)
            if own == (stem in ("perception_favourable", "rating_favourable")) or (item and not own):
                continue
            labels = {"about": about, "department": department, "question": "" if item == "enps" else item}
            labels["window"] = "" if stem == "response" else "91d"
            written = ",".join(f'{name}="{text}"' for name, text in labels.items() if text)
            numbers = {f"{stem}_{unit}": value}
            if stem != "response" and item in ("", "enps"):
                numbers |= {f"{stem}_low_{unit}": low, f"{stem}_high_{unit}": high, f"{stem}_answers": n}
            expected |= {f"crossdesk_morale_{name}{{{written}}}": number for name, number in numbers.items()}
        found.pop("crossdesk_morale_closed_timestamp_seconds", None)
        assert found == pytest.approx(expected, abs=1e-9)
        compared += len(found)
    assert compared > 50 * sample(50, 4)


def of_all() -> list[MoraleValue]:
    """Of a company in which every department has answered, was spoken of and was rated."""
    names = [f"department-{n}" for n in range(DEPARTMENTS)]
    items = {question: next(iter(favourable(8, 10).values())) for question in QUESTIONS}
    batches = [
        one
        for n, name in enumerate(names)
        for one in (
            batch(name, items={**items, **would_recommend(5, 2, 10)}),
            batch(name, about=names[n - 1], items=items),
            batch(name, about=names[n - 1], kind=Kind.ratings, wave="2026-W10", items=rated_favourable(7, 10)),
        )
    ]
    there = company(1, dict.fromkeys(names, ""), {}, heads=dict.fromkeys(names, 20)).company
    return morale(batches, there, max(one.closed for one in batches), pairs=False)


def test_five_hundred_departments_with_their_morale_stay_within_the_limit() -> None:
    exporter = Exporter()
    exporter.update(full(DEPARTMENTS))
    values = exported(of_all())
    exporter.show_morale(values)
    started = time.process_time()
    body = exporter.render(OPENMETRICS)[1]
    assert time.process_time() - started < 1
    lines = [line for line in body.splitlines() if not line.startswith(b"#")]
    assert len(lines) < 110_000
    assert sum(b"_morale_" in line for line in lines) == 23 * DEPARTMENTS + 1
    labels = {label for line in lines if b"_morale_" in line for label in re.findall(rb'[{,](\w+)="', line)}
    assert labels == {b"about", b"department", b"question", b"window"}
    assert not [line for line in lines if b'about="' in line and b'department="' in line], "no pair"


def test_promtool_finds_nothing_to_say_about_it() -> None:
    exporter = Exporter()
    exporter.show_morale(exported(of_all()))
    assert lint(exporter) == ""


def test_what_may_not_be_seen_has_no_series() -> None:
    pooled = Pooled([batch("it"), batch("hr"), batch("it", about="hr")], company(1, {"it": "", "hr": ""}, {}), 0)
    values = morale(pooled.batches, pooled.configuration.company, max(one.closed for one in pooled.batches))
    everything = shown(values)
    assert any('department="hr"' in name for name in everything)
    assert any('about="hr"' in name for name in everything)
    some = shown(values, {"it"})
    assert some
    assert not [name for name in some if "hr" in name]
    assert {name: number for name, number in everything.items() if "hr" not in name} == some


def test_where_nothing_is_sealed_nothing_is_said() -> None:
    assert shown([]) == {}

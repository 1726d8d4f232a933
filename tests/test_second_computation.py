"""The second computation: SQL over the facts says what the stream says, and what can be computed by hand."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from histories import (
    CONFIGURATIONS,
    DAY,
    HOUR,
    MINUTE,
    START,
    Overheard,
    config_mark,
    facts_in,
    history,
    keyed,
    watermark,
    write,
)

from deploy import config_files
from deploy.calendar_time import write_hours_and_tree
from deploy.demo import EXAMPLE
from ingest import event as e
from ingest.connectors.simulated import simulate
from ingest.feedback import we_did, you_said
from sinks.clickhouse import ClickHouse
from sinks.recompute import NotCovered, indicators_at
from sinks.store import CalendarTime, DepartmentDepth
from streams.cases import Cases
from streams.clock import NEVER
from streams.configuration import Configuration
from streams.departments import Departments
from streams.effects import carry_out
from streams.fact import Fact, Facts, Outcome, decode
from streams.indicators import INDICATORS, WINDOWS, Aggregation, IndicatorValue

SECOND = 1_000_000
QUANTILES = {i.name for i in INDICATORS if i.aggregation in (Aggregation.p50, Aggregation.p90)}

Key = tuple[str, str, str, str]


def by_key(values: Iterable[IndicatorValue]) -> dict[Key, IndicatorValue]:
    """What has facts behind it."""
    listed = [((v.indicator, v.department, v.counterpart, v.window), v) for v in values]
    found = dict(listed)
    assert len(found) == len(listed), "no answer twice"
    return {key: value for key, value in found.items() if value.n}


# -- against the stream


def same(stream: Mapping[Key, IndicatorValue], sql: Mapping[Key, IndicatorValue]) -> int:
    """How many values were compared."""
    assert stream.keys() == sql.keys()
    for key, one in stream.items():
        other = sql[key]
        assert (other.n, other.as_of, other.beyond) == (one.n, one.as_of, one.beyond), key
        assert one.value is not None
        assert other.value == (pytest.approx(one.value, rel=0.01) if key[0] in QUANTILES else one.value), key
        rel, abs_ = (0.01, None) if key[0] in QUANTILES else (None, 1e-9)
        for bound in ("low", "high"):
            mine, its = getattr(one, bound), getattr(other, bound)
            assert its == (None if mine is None else pytest.approx(mine, rel=rel, abs=abs_)), (key, bound)
    return len(stream)


class Both:
    """The facts of a log, told to the stream and to the store as far as they have been said."""

    def __init__(self, store: ClickHouse, said: Sequence[bytes], configuration: Configuration) -> None:
        self.store, self.said, self.configuration = store, said, configuration
        self.state: dict[bytes, bytes] = {}
        self.departments = Departments(self.state, 1, lambda _: configuration)
        self.done = 0
        starts = [f.since for f in facts_in(said) if f.calendar]
        write_hours_and_tree(store, configuration, min(starts) - DAY, max(starts) + 60 * DAY)

    def go_to(self, offset: int) -> None:
        new = self.said[self.done : offset]
        carry_out(self.departments.batch(keyed(enumerate(new, self.done))).changes, self.state)
        self.store.write_facts([raw for raw in new if isinstance(decode(raw), Facts)])
        self.done = max(self.done, offset)

    def compare(self) -> int:
        as_of = self.departments.meta.as_of
        if as_of == NEVER:
            return 0
        return same(by_key(self.departments.indicators()), by_key(indicators_at(self.store, as_of)))


def facts_of(records: Sequence[bytes], configuration: Configuration, size: int = 400) -> list[bytes]:
    """What ``cases`` says about a log that comes ``size`` records at a time, with what cases say to each other."""
    state: dict[str, bytes] = {}
    cases, said, offset = Cases(state, 0, lambda _: configuration), [], 0
    for first in range(0, len(records), size):
        batch = list(records[first : first + size])
        while batch:
            effects = cases.batch(enumerate(batch, offset))
            offset += len(batch)
            said += [output.value for output in effects.outputs if output.topic == "facts"]
            batch = [output.value for output in effects.outputs if output.topic == "events"]
            carry_out(effects.changes, state)
    return said


def test_the_stream_equals_sql_at_any_instant_of_a_simulated_company(
    store: ClickHouse, sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    configuration = config_files.load(EXAMPLE).configuration
    log = [e.encode(r) for r in (*suggested(), *simulate(5, 15))]
    said = facts_of([config_mark(1), *log], configuration)
    both = Both(store, said, configuration)
    rnd, instants, compared = random.Random(5), sample(50, 8), 0
    answered: set[str] = set()
    for offset in sorted([*rnd.sample(range(len(said) // 20, len(said)), instants - 1), len(said)]):
        both.go_to(offset)
        compared += both.compare()
        answered |= {key[0] for key in by_key(both.departments.indicators())}
    assert answered == {i.name for i in INDICATORS}, "of every indicator there was something to compare"
    assert compared > 2000 * instants
    tally("indicator values by SQL", compared)
    tally("instants at which SQL was asked", instants)


def suggested() -> Iterator[e.Suggestion]:
    """To three departments, five weeks before the first case of the company; one of them was told what became of it."""
    december, january = datetime(2025, 12, 1, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC)
    for n, group in enumerate(("IT Service Desk", "HR Helpdesk", "Facilities Desk")):
        yield you_said("helpdesk", f"S{n}", december, department=group, topic=e.Topic.other)
    yield we_did("helpdesk", "S1", january)


@pytest.mark.parametrize("version", CONFIGURATIONS)
def test_the_stream_equals_sql_after_random_histories_crashes_and_reorganisations(
    store: ClickHouse, version: int, sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    """Merges, corrections, exclusions; in the last version a department moves down the tree meanwhile."""
    rnd, compared, instants = random.Random(version), 0, sample(20, 3)
    events = sorted(history(rnd, 30, 25, structural=True), key=lambda x: (x.time, x.sequence, x.id))
    world = Overheard()
    world.log = [config_mark(version)]
    for event in events:
        world.log += [e.encode(event), watermark(int(event.time.timestamp()) * SECOND - SECOND)]
    world.log.append(watermark(int(events[-1].time.timestamp()) * SECOND + DAY))
    world.run((1, 40), crash=rnd)
    both = Both(store, world.said, CONFIGURATIONS[version])
    for offset in sorted([*rnd.sample(range(len(world.said)), instants), len(world.said)]):
        both.go_to(offset)
        compared += both.compare()
    assert compared > 200 * instants
    tally("indicator values by SQL", compared)


# -- by hand: legal is open round the clock, and so is whoever has no calendar; it is open 09:00-17:00 on the first day only


NINE, FIVE = START + 9 * HOUR, START + 17 * HOUR
NOON = START + 36 * HOUR
DEPTHS = {"ops": 0, "people": 0, "legal": 1, "hr": 1, "it": 2}


@pytest.fixture
def told(store: ClickHouse) -> Callable[..., dict[Key, IndicatorValue]]:
    """What the indicators are at noon of the second day, unless ``as_of`` is another instant."""
    ends = (START, START + 60 * DAY)
    always = [CalendarTime(who, at, at - START) for who in ("*", "legal") for at in ends]
    it = [(ends[0], 0), (NINE, 0), (FIVE, 8 * HOUR), (ends[1], 8 * HOUR)]
    store.write_calendar_time([*always, *(CalendarTime("it", at, open_for) for at, open_for in it)], 1)
    store.write_department_depths([DepartmentDepth(who, 0, depth) for who, depth in DEPTHS.items()], 1)

    asked = [i for i in INDICATORS if i.measure in ("first_response", "reopening")]

    def tell(*facts: Fact, as_of: int = NOON) -> dict[Key, IndicatorValue]:
        write(store, facts)
        return by_key(indicators_at(store, as_of, asked))

    return tell


Told = Callable[..., dict[Key, IndicatorValue]]


def runs(case: int, **fields: Any) -> Fact:
    """A first response of legal to human resources that runs since midnight, unless ``fields`` say else."""
    said: dict[str, Any] = {
        "version": case,
        "case_id": f"desk/C{case}",
        "measure": "first_response",
        "opener": case.to_bytes(16, "big"),
        "level": 1,
        "department": "legal",
        "counterpart": "hr",
        "start": START,
        "since": START,
        "calendar": "legal",
    }
    return Fact(**(said | fields))


def took(case: int, hours: float, outcome: Outcome = Outcome.met, at: int = NINE, **fields: Any) -> Fact:
    ended: dict[str, Any] = {"stop": at, "since": at, "counts_at": at, "calendar": "", "outcome": outcome}
    return runs(case, **(ended | {"business_us": int(hours * HOUR)} | fields))


def of_legal(found: Mapping[Key, IndicatorValue], indicator: str, window: str = "7d", asker: str = "") -> Any:
    return found[f"first_response_{indicator}", "legal", asker, window]


def test_a_share_is_counted_and_has_wilsons_interval(told: Told) -> None:
    met, missed = [took(i, 1) for i in range(8)], [took(i, 1, Outcome.missed) for i in (8, 9)]
    value = of_legal(told(*met, *missed, took(10, 1, Outcome.done), took(11, 1, Outcome.cancelled)), "attainment_ratio")
    assert (value.value, value.n) == (0.8, 10)
    assert (value.low, value.high) == (pytest.approx(0.4902, abs=5e-5), pytest.approx(0.9433, abs=5e-5))


@pytest.mark.parametrize(("outcome", "low", "high"), [(Outcome.missed, 0, 0.4345), (Outcome.met, 0.5655, 1)])
def test_none_and_all_of_five_have_an_exact_edge(told: Told, outcome: Outcome, low: float, high: float) -> None:
    value = of_legal(told(*(took(i, 1, outcome) for i in range(5))), "attainment_ratio")
    assert (value.low, value.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    assert {low, high} & {value.low, value.high} == {low, high} & {0, 1}


@pytest.mark.parametrize(
    ("ended", "censored", "p50", "p90"),
    [
        ((1, 2, 3, 4), (), 2, 4),  # exactly half is left after two: that is the median
        ((1, 2, 3), (), 2, 3),
        ((2, 2, 2, 5), (), 2, 5),
        ((1, 2, 2, 4), (2,), 2, 4),  # censored at 2: it was at risk there, so 5 - 1 - 2 are left of 4 at risk
        ((1, 3), (2,), 3, 3),
        ((3,), (1, 2), 3, 3),
        ((1,) * 10, (), 1, 1),
        (tuple(range(1, 11)), (), 5, 9),  # a tenth is left after nine
    ],
)
def test_percentiles_are_kaplan_and_meiers(
    told: Told, ended: tuple[int, ...], censored: tuple[int, ...], p50: int, p90: int
) -> None:
    waiting = [runs(50 + i, calendar="", business_us=hours * HOUR) for i, hours in enumerate(censored)]
    found = told(*(took(i, hours) for i, hours in enumerate(ended)), *waiting)
    for indicator, hours in (("p50_seconds", p50), ("p90_seconds", p90)):
        value = of_legal(found, indicator)
        assert (value.value, value.n, value.beyond) == (hours * 3600, len(ended) + len(censored), False)


def test_a_percentile_that_is_not_reached_lies_beyond_the_largest_observed(told: Told) -> None:
    found = told(took(1, 1), *(runs(i, calendar="", business_us=7 * HOUR) for i in (2, 3)))
    for indicator in ("p50_seconds", "p90_seconds"):
        value = of_legal(found, indicator)
        assert (value.value, value.beyond, value.n, value.high) == (7 * 3600, True, 3, None)


def test_a_running_clock_has_worked_when_its_calendar_was_open(told: Told) -> None:
    """Until noon of the second day: it since 10:00 of the first, 7 h after an hour; legal 36 h; whoever is not known too."""
    in_it = {"department": "it", "level": 2, "since": NINE + HOUR, "business_us": HOUR}
    found = told(runs(1, calendar="it", **in_it), runs(2), runs(3, department="_unowned", level=0, calendar="_unowned"))
    for department, hours in (("it", 8), ("legal", 36), ("_unowned", 36)):
        value = found["first_response_p50_seconds", department, "", "1h"]
        assert (value.value, value.beyond) == (hours * 3600, True)


def test_a_clock_that_was_missed_and_goes_on_is_determined_and_censored(told: Told) -> None:
    found = told(runs(1, outcome=Outcome.missed, due=NINE, counts_at=NINE))
    assert of_legal(found, "attainment_ratio").value == 0
    assert of_legal(found, "facts").value == 1
    assert of_legal(found, "running_facts", "").value == 1
    assert (of_legal(found, "p50_seconds").value, of_legal(found, "p50_seconds").n) == (36 * 3600, 1)
    assert ("first_response_attainment_ratio", "legal", "", "24h") not in found, "27 hours ago"
    assert of_legal(found, "p50_seconds", "24h").n == 1


def test_what_held_has_no_stop_and_does_not_run(told: Told) -> None:
    found = told(runs(1, measure="reopening", outcome=Outcome.met, due=NINE, counts_at=NINE))
    assert {(key[0], key[3]) for key in found} == {("reopening_share_ratio", "7d"), ("reopening_share_ratio", "28d")}
    assert {value.value for value in found.values()} == {0}


@pytest.mark.parametrize("window", WINDOWS)
def test_the_edges_of_a_window_are_exact(told: Told, window: str) -> None:
    """Of four that were answered at the edges, the two within were in time, the two outside were not."""
    floor = START + 40 * DAY
    as_of, since = floor + 4 * MINUTE + 59 * SECOND + 999_999, floor - WINDOWS[window]
    within, outside = (since + 1, as_of), (since, as_of + 1)
    met = [took(case, 1, at=at) for case, at in enumerate(within)]
    missed = [took(case, 1, Outcome.missed, at=at) for case, at in enumerate(outside, 2)]
    value = of_legal(told(*met, *missed, as_of=as_of), "attainment_ratio", window)
    assert (value.value, value.n) == (1, 2)


def test_a_department_is_shown_at_its_depth_and_a_pair_at_that_of_its_deeper_side(told: Told) -> None:
    paths = {"it": ("ops", "ops", "it"), "hr": ("people", "hr", "hr"), "ops": ("ops", "ops", "ops")}
    said = [
        runs(case, level=level, department=paths[who][level], counterpart=paths[asker][level])
        for case, (who, asker) in enumerate((("it", "hr"), ("hr", "it"), ("it", "ops")) * 5)
        for level in range(3)
    ]
    shown = {key[1:3]: v.n for key, v in told(*said).items() if key[0] == "first_response_running_facts"}
    assert shown == {
        ("ops", ""): 10,
        ("ops", "people"): 5,
        ("people", ""): 5,
        ("people", "ops"): 5,
        ("ops", "hr"): 5,
        ("hr", ""): 5,
        ("hr", "ops"): 5,
        ("it", ""): 10,
        ("it", "hr"): 5,
        ("hr", "it"): 5,
        ("it", "ops"): 5,
    }


def test_the_tree_is_that_of_the_instant(store: ClickHouse, told: Told) -> None:
    said = [runs(case, level=level) for case in range(5) for level in (1, 2)]
    assert of_legal(told(*said), "running_facts", "").n == 5
    moved = [DepartmentDepth(who, 0, depth) for who, depth in DEPTHS.items()]
    store.write_department_depths([*moved, DepartmentDepth("legal", NOON, 2)], 2)
    assert ("first_response_running_facts", "legal", "hr", "") in told(as_of=NOON - 1)
    write(store, [runs(5, level=2)])
    assert of_legal(told(as_of=NOON - 1), "running_facts", "").n == 5
    assert of_legal(told(as_of=NOON), "running_facts", "").n == 6


def test_opening_hours_that_are_not_written_are_not_guessed(told: Told) -> None:
    told(runs(1))
    with pytest.raises(NotCovered, match=r"written from 2026-03-02 .* needed from .* write them for all that time"):
        told(as_of=START + 61 * DAY)
    with pytest.raises(NotCovered):
        told(runs(2, since=START - 1))


def test_a_newer_version_of_the_opening_hours_replaces_the_older_whole(store: ClickHouse, told: Told) -> None:
    assert of_legal(told(runs(1)), "p50_seconds").value == 36 * 3600
    closed_from_nine = [(START, 0), (NINE, 9 * HOUR), (START + 60 * DAY, 9 * HOUR)]
    store.write_calendar_time([CalendarTime(who, *row) for who in ("*", "legal") for row in closed_from_nine], 2)
    assert of_legal(told(), "p50_seconds").value == 9 * 3600

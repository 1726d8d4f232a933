"""History: what is published of a period, when it is revised, and that later facts leave it alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from histories import DAY, HOUR, config_mark, keyed, write

from deploy import config_files
from deploy.calendar_time import write_hours_and_tree
from deploy.demo import EXAMPLE
from ingest import event as e
from ingest.connectors.simulated import simulate
from sinks import published
from sinks.clickhouse import ClickHouse, connect
from sinks.recompute import NotCovered
from sinks.store import CalendarTime, DepartmentDepth
from streams.cases import Cases
from streams.departments import Departments
from streams.effects import carry_out
from streams.fact import Fact, Facts, Outcome, WatermarkPassed, decode, encode
from streams.indicators import INDICATORS, Aggregation

MONDAY = 1_772_409_600_000_000  # 2 March 2026, 00:00 UTC
NINE, NOON, SIX = MONDAY + 9 * HOUR, MONDAY + 12 * HOUR, MONDAY + 18 * HOUR
TUESDAY, WEDNESDAY, THURSDAY = (MONDAY + n * DAY for n in (1, 2, 3))
RESOLUTION = [i for i in INDICATORS if i.measure == "resolution"]
QUANTILES = {i.name for i in INDICATORS if i.aggregation in (Aggregation.p50, Aggregation.p90)}

Row = tuple[Any, ...]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ClickHouse]:
    """Legal and whoever has no calendar are open from 9 to 17 on every day of March; the tree has one level."""
    opened = connect(f"chdb://{tmp_path / 'store'}")
    opened.migrate()
    rows = [(MONDAY - DAY, 0)]
    for n in range(30):
        rows += [(NINE + n * DAY, n * 8 * HOUR), (NINE + n * DAY + 8 * HOUR, (n + 1) * 8 * HOUR)]
    opened.write_calendar_time([CalendarTime(who, *row) for who in ("*", "legal", "it") for row in rows], 1)
    opened.write_department_depths([DepartmentDepth(who, 0, 0) for who in ("legal", "it", "hr")], 1)
    yield opened
    opened.close()


def runs(case: int, version: int = 1, since: int = NINE, **fields: Any) -> Fact:
    """A resolution of legal that runs since nine o'clock of Monday, unless ``fields`` say else."""
    said: dict[str, Any] = {
        "case_id": f"desk/C{case}",
        "measure": "resolution",
        "opener": case.to_bytes(16, "big"),
        "level": 0,
        "department": "legal",
        "start": since,
        "since": since,
        "calendar": "legal",
    }
    return Fact(version=version, **(said | fields))


def took(case: int, hours: int, at: int, version: int = 1, outcome: Outcome = Outcome.met, **fields: Any) -> Fact:
    ended: dict[str, Any] = {"stop": at, "since": at, "counts_at": at, "calendar": "", "outcome": outcome}
    return runs(case, version, **({"start": NINE} | ended | {"business_us": hours * HOUR} | fields))


def publish(store: ClickHouse, since: int, until: int, as_of: int) -> int:
    return published.publish(store, since, until, as_of, RESOLUTION)


def rows(store: ClickHouse, period: str = "day", table: str = "published", **more: str) -> list[Row]:
    """Indicator without its measure, start, revision, value, n: of legal."""
    sql = (
        "SELECT replace(indicator, 'resolution_', ''), toUnixTimestamp64Micro(period_start), revision, value, n"
        f" FROM {table} WHERE period = '{period}' AND department = '{more.get('department', 'legal')}'"
        " AND counterpart = '' ORDER BY indicator, period_start, revision"
    )
    return store.query(sql).rows


def of(found: Sequence[Row], indicator: str) -> list[Row]:
    return [row[1:] for row in found if row[0] == indicator]


def everything(store: ClickHouse) -> list[Row]:
    return store.query("SELECT * FROM published_revisions ORDER BY ALL").rows


# -- what is published


def test_a_fact_belongs_to_the_hour_and_the_day_in_which_it_counts(store: ClickHouse) -> None:
    """A period ends with its last instant, as a window does: noon is the end of the morning's last hour."""
    write(store, [took(1, 1, NOON), took(2, 1, NOON + 1, outcome=Outcome.missed), took(3, 1, TUESDAY)])
    publish(store, MONDAY, TUESDAY, TUESDAY)
    assert of(rows(store), "attainment_ratio") == [(MONDAY, 1, 2 / 3, 3)]
    assert of(rows(store, "hour"), "attainment_ratio") == [
        (NOON - HOUR, 1, 1, 1),
        (NOON, 1, 0, 1),
        (TUESDAY - HOUR, 1, 1, 1),
    ]


def test_a_period_that_has_not_ended_is_not_published(store: ClickHouse) -> None:
    write(store, [took(1, 1, NOON), took(2, 1, SIX)])
    publish(store, MONDAY, THURSDAY, SIX + HOUR - 1)
    assert rows(store) == []
    assert of(rows(store, "hour"), "facts") == [(NOON - HOUR, 1, 1, 1), (SIX - HOUR, 1, 1, 1)]
    publish(store, MONDAY, THURSDAY, TUESDAY - 1)
    assert rows(store) == []
    publish(store, MONDAY, THURSDAY, TUESDAY)
    assert of(rows(store), "facts") == [(MONDAY, 1, 2, 2)]


def test_what_runs_is_censored_at_the_end_of_the_period(store: ClickHouse) -> None:
    """On Monday one took two hours, and another had run for six when its office closed. It begins at nine sharp,
    and so it runs, for no time yet, when the hour before ends."""
    write(store, [took(1, 2, NINE + 2 * HOUR), runs(2, since=NINE + 2 * HOUR)])
    publish(store, MONDAY, TUESDAY, TUESDAY)
    day, hour = rows(store), rows(store, "hour")
    assert of(day, "p50_seconds") == [(MONDAY, 1, 2 * 3600, 2)]
    assert of(day, "p90_seconds") == [(MONDAY, 1, 6 * 3600, 2)]
    assert of(day, "running_facts") == [(MONDAY, 1, 1, 1)]
    assert of(hour, "p90_seconds")[:4] == [
        (NINE - HOUR, 1, 0, 1),
        (NINE, 1, 3600, 1),
        (NINE + HOUR, 1, 2 * 3600, 2),
        (NINE + 2 * HOUR, 1, 3600, 1),
    ]
    assert len(of(hour, "running_facts")) == 16


def test_opening_hours_are_needed_for_all_that_time(store: ClickHouse) -> None:
    write(store, [runs(1)])
    with pytest.raises(NotCovered):
        publish(store, MONDAY - 2 * DAY, TUESDAY, TUESDAY)
    with pytest.raises(NotCovered):
        publish(store, MONDAY, TUESDAY, MONDAY + 60 * DAY)
    assert everything(store) == []


# -- later facts


def test_publishing_again_changes_nothing(store: ClickHouse) -> None:
    write(store, [took(1, 2, NOON), runs(2), took(3, 7, SIX, outcome=Outcome.missed)])
    assert publish(store, MONDAY, TUESDAY, TUESDAY) > 0
    before = everything(store)
    assert publish(store, MONDAY, TUESDAY, TUESDAY) == 0
    assert publish(store, MONDAY, WEDNESDAY, TUESDAY + HOUR) == len(everything(store)) - len(before)
    assert [row for row in everything(store) if row in before] == before


def test_what_ran_on_monday_stays_as_it_was_whatever_becomes_of_it(store: ClickHouse) -> None:
    """It is passed on to it on Tuesday, stands for two hours on Wednesday, and is solved on Thursday."""
    write(store, [runs(1), took(2, 2, NOON)])
    publish(store, MONDAY, TUESDAY, TUESDAY)
    monday = everything(store)
    assert of(rows(store), "p90_seconds") == [(MONDAY, 1, 8 * 3600, 2)]
    gone = runs(1, 5, outcome=Outcome.retracted)
    ten = 10 * HOUR
    passed: dict[str, Any] = {"department": "it", "start": NINE}
    life = [
        (TUESDAY, [gone, runs(1, 5, since=TUESDAY + ten, business_us=9 * HOUR, calendar="it", **passed)]),
        (WEDNESDAY, [runs(1, 6, since=WEDNESDAY + ten, business_us=17 * HOUR, calendar="", **passed)]),
        (THURSDAY, [took(1, 20, THURSDAY + ten, 7, **passed)]),
    ]
    for day, facts in life:
        write(store, facts)
        publish(store, MONDAY, day + DAY, day + DAY)
        assert [row for row in everything(store) if row in monday] == monday
    assert {row[2] for row in rows(store) + rows(store, "hour")} == {1}, "nothing was revised"
    it = rows(store, department="it")
    assert of(it, "p50_seconds") == [
        (TUESDAY, 1, 16 * 3600, 1),
        (WEDNESDAY, 1, 17 * 3600, 1),
        (THURSDAY, 1, 20 * 3600, 1),
    ]
    assert of(it, "facts") == [(THURSDAY, 1, 1, 1)]


def test_a_late_fact_revises_its_own_periods_and_no_others(store: ClickHouse) -> None:
    write(store, [took(1, 1, NOON), took(2, 1, NOON + DAY)])
    publish(store, MONDAY, WEDNESDAY, WEDNESDAY)
    write(store, [took(3, 3, SIX, outcome=Outcome.missed)])
    assert publish(store, MONDAY, WEDNESDAY, WEDNESDAY + 1) > 0
    assert of(rows(store), "attainment_ratio") == [(MONDAY, 2, 0.5, 2), (TUESDAY, 1, 1, 1)]
    assert of(rows(store, "hour"), "attainment_ratio") == [
        (NOON - HOUR, 1, 1, 1),
        (SIX - HOUR, 1, 0, 1),
        (NOON - HOUR + DAY, 1, 1, 1),
    ]
    kept = of(rows(store, table="published_revisions"), "attainment_ratio")
    assert kept == [(MONDAY, 1, 1, 1), (MONDAY, 2, 0.5, 2), (TUESDAY, 1, 1, 1)]
    as_of = store.query("SELECT DISTINCT revision, toUnixTimestamp64Micro(as_of) FROM published_revisions ORDER BY ALL")
    assert as_of.rows == [(1, WEDNESDAY), (1, WEDNESDAY + 1), (2, WEDNESDAY + 1)]


def test_a_solution_that_is_learned_of_late_ends_what_was_thought_to_run(store: ClickHouse) -> None:
    """It was solved at noon of Monday; that came on Wednesday."""
    write(store, [runs(1)])
    publish(store, MONDAY, WEDNESDAY, WEDNESDAY)
    assert of(rows(store), "p50_seconds") == [(MONDAY, 1, 8 * 3600, 1), (TUESDAY, 1, 16 * 3600, 1)]
    write(store, [took(1, 3, NOON, 2)])
    publish(store, MONDAY, WEDNESDAY, WEDNESDAY)
    assert of(rows(store), "p50_seconds") == [(MONDAY, 2, 3 * 3600, 1), (TUESDAY, 2, None, 0)]
    assert of(rows(store), "running_facts") == [(MONDAY, 2, 0, 0), (TUESDAY, 2, 0, 0)]
    assert publish(store, MONDAY, WEDNESDAY, WEDNESDAY) == 0


def test_a_clock_that_was_missed_and_goes_on_is_counted_once_before_and_after_it_stops(store: ClickHouse) -> None:
    overdue = runs(1, outcome=Outcome.missed, due=NOON, counts_at=NOON)
    write(store, [overdue])
    publish(store, MONDAY, TUESDAY, TUESDAY)
    before = everything(store)
    assert of(rows(store), "attainment_ratio") == [(MONDAY, 1, 0, 1)]
    assert of(rows(store), "p50_seconds") == [(MONDAY, 1, 8 * 3600, 1)]
    write(store, [took(1, 12, NOON + DAY, 2, Outcome.missed, due=NOON, counts_at=NOON)])
    assert publish(store, MONDAY, TUESDAY, WEDNESDAY) == 0
    assert everything(store) == before


def test_a_case_that_is_excluded_takes_its_values_with_it(store: ClickHouse) -> None:
    write(store, [took(1, 1, NOON), runs(2)])
    publish(store, MONDAY, TUESDAY, TUESDAY)
    write(store, [took(1, 1, NOON, 2, Outcome.retracted), runs(2, 2, outcome=Outcome.retracted)])
    publish(store, MONDAY, TUESDAY, TUESDAY)
    assert {row[2:] for row in rows(store)} == {(2, None, 0), (2, 0, 0)}
    assert publish(store, MONDAY, TUESDAY, TUESDAY) == 0
    write(store, [took(1, 1, NOON, 3)])
    publish(store, MONDAY, TUESDAY, TUESDAY)
    assert of(rows(store), "attainment_ratio") == [(MONDAY, 3, 1, 1)]


def test_history_that_is_published_long_after_is_told_from_how_things_ended(store: ClickHouse) -> None:
    """Solved on Tuesday after ten hours of work, two of them on that day."""
    write(store, [took(1, 10, TUESDAY + 11 * HOUR)])
    publish(store, MONDAY, WEDNESDAY, THURSDAY)
    assert of(rows(store), "running_facts") == [(MONDAY, 1, 1, 1)]
    assert of(rows(store), "p50_seconds") == [(MONDAY, 1, 8 * 3600, 1), (TUESDAY, 1, 10 * 3600, 1)]


def test_days_may_be_published_without_their_hours_and_leave_hours_alone(store: ClickHouse) -> None:
    write(store, [took(1, 2, NOON), runs(2)])
    publish(store, MONDAY, TUESDAY, TUESDAY)
    both = everything(store)
    published.publish(store, MONDAY, WEDNESDAY, WEDNESDAY, RESOLUTION, {"day": DAY})
    assert [row for row in everything(store) if row in both] == both
    assert of(rows(store), "p90_seconds") == [(MONDAY, 1, 8 * 3600, 2), (TUESDAY, 1, 16 * 3600, 1)]
    assert len(of(rows(store, "hour"), "running_facts")) == 16


# -- of a simulated company


def test_a_published_hour_is_the_streams_window_at_its_end(
    store: ClickHouse, sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    """Hour after hour: what the stream said at the end of each is what is published of it, also in the end."""
    configuration = config_files.load(EXAMPLE).configuration
    begin = int(next(iter(simulate(7, 1))).time.timestamp()) // 86_400 * 86_400 * 1_000_000
    since = begin + 7 * HOUR
    hours = sample(60, 6)
    for table in ("calendar_time_versions", "department_depths_versions"):
        store.execute(f"TRUNCATE TABLE crossdesk_public.{table}")
    write_hours_and_tree(store, configuration, begin - DAY, begin + 30 * DAY)
    of_cases: dict[str, bytes] = {}
    cases = Cases(of_cases, 0, lambda _: configuration)
    state: dict[bytes, bytes] = {}
    departments = Departments(state, 1, lambda _: configuration)
    records = [config_mark(1), *(e.encode(r) for r in simulate(7, 4))]
    said: list[bytes] = []
    for record in enumerate(records):  # in larger batches most watermarks would go into the last
        effects = cases.batch([record])
        carry_out(effects.changes, of_cases)
        said += [o.value for o in effects.outputs if o.topic == "facts"]
    streamed: dict[tuple[str, str, str, int], tuple[float | None, int]] = {}
    done = 0
    for n in range(1, hours + 1):
        end = since + n * HOUR
        last = max(i for i, raw in enumerate(said) if isinstance(m := decode(raw), WatermarkPassed) and m.until <= end)
        mark = encode(WatermarkPassed(source="helpdesk", partition=0, until=end))
        batch = said[done : last + 1]
        departments.batch(keyed(enumerate(batch, done + n - 1)))
        state.update({k: v for k, v in departments.changes.items() if v is not None})
        departments.batch([(last + n, b"", mark)])
        store.write_facts([raw for raw in batch if isinstance(decode(raw), Facts)])
        done = last + 1
        assert departments.meta.as_of == end
        streamed |= {
            (v.indicator, v.department, v.counterpart, end - HOUR): (v.value, v.n)
            for v in departments.indicators()
            if v.window in ("", "1h") and v.n
        }
        published.publish(store, end - HOUR, end, end)
    sql = (
        "SELECT indicator, department, counterpart, toUnixTimestamp64Micro(period_start), value, n FROM published"
        " WHERE period = 'hour' AND revision = 1"
    )
    stored = {row[:4]: row[4:] for row in store.query(sql).rows}
    assert stored.keys() == streamed.keys()
    for key, (value, n) in streamed.items():
        assert stored[key] == (pytest.approx(value, rel=0.01) if key[0] in QUANTILES else value, n), key
    tally("published values against the stream", len(stored))


def test_a_pair_that_has_too_few_left_says_nothing_in_its_next_revision(store: ClickHouse) -> None:
    """No facts would be an answer; and those that are left are too few to tell of."""
    write(store, [took(case, 1, NOON, counterpart="hr") for case in range(5)])
    sql = "SELECT revision, value, n FROM published WHERE counterpart = 'hr' AND period = 'day' AND indicator = 'resolution_facts'"
    publish(store, MONDAY, TUESDAY, TUESDAY)
    assert store.query(sql).rows == [(1, 5, 5)]
    write(store, [took(0, 1, NOON, version=2, outcome=Outcome.cancelled, counterpart="hr")])
    publish(store, MONDAY, TUESDAY, TUESDAY)
    assert store.query(sql).rows == [(2, None, 0)]
    assert of(rows(store), "facts") == [(MONDAY, 2, 4, 4)]
    assert publish(store, MONDAY, TUESDAY, TUESDAY) == 0


def test_a_department_that_is_hidden_then_is_not_published(store: ClickHouse) -> None:
    tree = [DepartmentDepth(who, 0, 0) for who in ("it", "hr")]
    store.write_department_depths(
        [*tree, DepartmentDepth("legal", 0, 0), DepartmentDepth("legal", TUESDAY, 0, True)], 2
    )
    write(store, [took(1, 1, NOON), took(2, 1, TUESDAY + HOUR)])
    publish(store, MONDAY, WEDNESDAY, WEDNESDAY)
    assert {row[1] for row in rows(store, "hour")} == set(range(NINE - HOUR, TUESDAY - HOUR, HOUR))
    assert rows(store) == [], "Monday ended when it was"

"""Generations: what is computed anew lies beside what is there, nobody sees it before the switch, and nothing is lost."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from histories import DAY, HOUR, write

from deploy import generation
from deploy.embedded import Embedded
from deploy.generation import Difference, compare, told
from deploy.log import Log, LogError
from sinks import columns, published, recompute
from sinks.clickhouse import ClickHouse, connect
from sinks.store import CalendarTime, DepartmentDepth, NoGeneration
from streams.fact import Fact, Outcome
from streams.indicators import INDICATORS, IndicatorValue

HERE = Path(__file__).parent
ROOT = HERE.parent
MONDAY = 1_772_409_600_000_000  # 2 March 2026, 00:00 UTC
VIEWS = ("facts", "indicators", "combined", "reciprocity", "echo", "ran", "published_revisions", "published")


# -- in the store


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[ClickHouse, ClickHouse]]:
    """Of the generations 1 and 2 of one store."""
    opened = tuple(connect(f"chdb://{tmp_path / 'store'}", n) for n in (1, 2))
    for store in opened:
        store.migrate()
    first, second = opened
    yield first, second
    first.close()
    second.close()


def took(case: int, hours: int, **fields: Any) -> Fact:
    """A resolution of IT that began on Monday morning."""
    end = MONDAY + (9 + hours) * HOUR
    said: dict[str, Any] = {
        "version": 1,
        "case_id": f"desk/{case}",
        "measure": "resolution",
        "opener": case.to_bytes(16, "big"),
        "department": "it",
        "start": MONDAY + 9 * HOUR,
        "since": end,
        "stop": end,
        "counts_at": end,
        "business_us": hours * HOUR,
        "outcome": Outcome.met,
    }
    return Fact(**(said | fields))


def hours_of(store: ClickHouse, table: str = "facts") -> list[int]:
    """How long all took that everybody sees."""
    return [row[0] // HOUR for row in store.query(f"SELECT business_us FROM {table} ORDER BY case_id").rows]


def shown(store: ClickHouse) -> set[str]:
    """The databases behind the views that everybody reads."""
    sql = (
        "SELECT extract(as_select, 'FROM `?(crossdesk_[0-9]+)') FROM system.tables"
        " WHERE database IN ('crossdesk_public', 'crossdesk_cases')"
        f" AND NOT startsWith(as_select, 'SELECT * FROM crossdesk_public.') AND name IN {VIEWS}"
    )
    found = [row[0] for row in store.query(sql).rows]
    assert len(found) == len(VIEWS)
    return set(found)


def test_a_new_store_shows_generation_1_whoever_makes_it(tmp_path: Path) -> None:
    store = connect(f"chdb://{tmp_path / 'store'}", 3)
    store.migrate()
    assert store.current_generation() == 1
    assert store.generations() == [1, 3]
    write(store, [took(1, 2)])
    assert hours_of(store) == []
    assert hours_of(store, "crossdesk_3.facts") == [2]
    store.close()


def test_nobody_sees_another_generation_before_the_switch_and_back_again_it_is_as_it_was(
    stores: tuple[ClickHouse, ClickHouse],
) -> None:
    first, second = stores
    write(first, [took(1, 2), took(2, 3)])
    write(second, [took(1, 5)])
    value = IndicatorValue(
        indicator="resolution_facts", department="it", counterpart="", window="7d", as_of=MONDAY, value=2, n=2
    )
    first.write_indicators([value])
    second.write_indicators([msgspec.structs.replace(value, value=1, n=1)])
    for store in stores:
        assert hours_of(store) == [2, 3]
    second.switch(2)
    assert first.current_generation() == second.current_generation() == 2
    for store in stores:
        assert hours_of(store) == [5]
        assert store.query("SELECT n FROM indicators").rows == [(1,)]
    write(first, [took(3, 4)])
    assert hours_of(first) == [5], "what comes for the other generation stays there"
    first.switch(1)
    assert hours_of(second) == [2, 3, 4]
    assert second.query("SELECT n FROM indicators").rows == [(2,)]


def test_a_switch_that_was_stopped_in_the_middle_is_finished_by_whoever_comes_next(
    stores: tuple[ClickHouse, ClickHouse],
) -> None:
    first, second = stores
    first._insert(columns.switch(2, 2))
    first._writer.command("CREATE OR REPLACE VIEW crossdesk_public.indicators AS SELECT * FROM crossdesk_2.indicators")
    assert shown(first) == {"crossdesk_1", "crossdesk_2"}
    assert first.migrate() == []
    assert shown(first) == {"crossdesk_2"}
    assert second.current_generation() == 2


def test_who_opens_the_store_does_not_change_what_is_shown(stores: tuple[ClickHouse, ClickHouse]) -> None:
    first, second = stores
    first.switch(2)
    first.migrate()
    assert shown(second) == {"crossdesk_2"}


def test_a_generation_that_is_not_there_cannot_be_shown(stores: tuple[ClickHouse, ClickHouse]) -> None:
    with pytest.raises(NoGeneration, match="no generation 7; it has 1, 2"):
        stores[0].switch(7)
    assert stores[0].current_generation() == 1


def test_the_current_generation_cannot_be_dropped_and_another_leaves_nothing(
    stores: tuple[ClickHouse, ClickHouse],
) -> None:
    first, second = stores
    write(first, [took(1, 2)])
    write(second, [took(1, 5)])
    with pytest.raises(NoGeneration, match="Generation 1 is the current one"):
        second.drop(1)
    first.drop(2)
    first.drop(2)
    assert first.generations() == [1]
    assert second.migrate() != []
    assert hours_of(second, "crossdesk_2.facts") == []
    assert hours_of(first) == [2]


def test_the_second_computation_is_of_its_own_generation(stores: tuple[ClickHouse, ClickHouse]) -> None:
    first, second = stores
    tuesday = MONDAY + DAY
    write(first, [took(1, 2), took(2, 3)])
    write(second, [took(1, 2), took(3, 6, department="hr"), took(4, 6, department="hr", outcome=Outcome.missed)])
    first.write_calendar_time([CalendarTime("*", MONDAY - DAY, 0), CalendarTime("*", MONDAY + 9 * DAY, 10 * DAY)], 1)
    first.write_department_depths([DepartmentDepth(who, 0, 0) for who in ("it", "hr")], 1)
    ratio = [i for i in INDICATORS if i.name == "resolution_attainment_ratio"]
    said = {
        store.generation: {
            (v.department, v.n) for v in recompute.indicators_at(store, tuesday, ratio) if v.window == "7d"
        }
        for store in stores
    }
    assert said == {1: {("it", 2)}, 2: {("it", 1), ("hr", 2)}}
    of_day = {"day": DAY}
    published.publish(second, MONDAY, tuesday, tuesday, ratio, of_day)
    assert first.query("SELECT count() FROM published").rows == [(0,)]
    published.publish(first, MONDAY, tuesday, tuesday, ratio, of_day)
    assert published.publish(second, MONDAY, tuesday, tuesday, ratio, of_day) == 0
    sql = "SELECT department, n, revision FROM {}.published ORDER BY department"
    assert first.query(sql.format("crossdesk_public")).rows == [("it", 2, 1)]
    assert first.query(sql.format("crossdesk_2")).rows == [("hr", 2, 1), ("it", 1, 1)]


# -- compared


def test_facts_are_compared_in_all_but_the_version(
    stores: tuple[ClickHouse, ClickHouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "AT_ONCE", 3)  # in many parts
    first, second = stores
    both = [took(n, 1) for n in range(20)]
    write(first, [*both, took(30, 2), took(31, 2), *(took(n, 1) for n in range(40, 45))])
    write(second, [msgspec.structs.replace(fact, version=fact.version + 9) for fact in both])
    write(second, [took(30, 3), took(31, 2, norm="it/resolution"), took(50, 1), took(50, 1, measure="ownership")])
    assert compare(first, 1, 2) == [
        Difference("ownership", 0, 0, 0, 1, ((), (), ("desk/50",))),
        Difference(
            "resolution", 20, 2, 5, 1, (("desk/30", "desk/31"), ("desk/40", "desk/41", "desk/42"), ("desk/50",))
        ),
    ]
    assert compare(first, 2, 2) == [Difference("ownership", 1), Difference("resolution", 23)]
    assert [row[2:5] for row in compare(second, 2, 1)] == [(0, 1, 0), (2, 1, 5)]


def test_a_fact_that_is_not_determined_is_the_same_as_itself_only(stores: tuple[ClickHouse, ClickHouse]) -> None:
    first, second = stores
    open_ended: dict[str, Any] = {"stop": None, "counts_at": None, "outcome": Outcome.running}
    write(first, [took(1, 1, **open_ended), took(2, 1, **open_ended)])
    write(second, [took(1, 1, **open_ended), took(2, 1, **open_ended, due=MONDAY)])
    assert compare(first, 1, 2) == [Difference("resolution", 1, 1, 0, 0, (("desk/2",), (), ()))]


def test_what_differs_is_told_with_cases_and_in_one_line() -> None:
    lines = list(told([Difference("ownership", 3), Difference("silence", 1, 2, cases=(("desk/1", "desk/2"), (), ()))]))
    assert lines[0].split() == ["measure", "the", "same", "changed", "gone", "new"]
    assert lines[-2:] == ["silence, changed: desk/1, desk/2", "generations: 6 facts, 2 differ"]
    assert list(told([])) == ["generations: 0 facts, 0 differ"]


# -- in the log


def test_events_and_sources_are_everybodys_and_what_was_computed_is_a_generations(tmp_path: Path) -> None:
    with Log(tmp_path / "log") as log, log.transaction():
        log.append("events", [("desk/1", b"one")], 0)
        log.say("events", [("desk/2", b"said by the first")], 0)
        log.append("events", [("desk/2", b"two")], 0)
        log.append_facts(0, [(b"k", b"v")])
        log.store("cases", {b"k": b"v"})
        for name in ("source:desk", "cases", "store:facts", "published"):
            log.set_position(name, 3)
    with Log(tmp_path / "log", 2) as log:
        assert log.generations() == [1, 2]
        assert [r.value for r in log.read("events", 0, 9)] == [b"one", b"two"]
        assert [r.value for r in log.of_key("events", "desk/2")] == [b"two"]
        assert [log.position(name) for name in ("source:desk", "cases", "store:facts", "published")] == [3, 0, 0, 0]
        assert log.position("cases", 1) == 3
        assert (log.end_of_facts(), log.read_facts(0, 9), log.state("cases")) == (0, [], {})
        assert log.behind() == 2
        assert log.unfinished(2)
        assert not log.unfinished(1)
        log.finish()
        log.switch(2)
    with Log(tmp_path / "log") as log:
        assert log.generation == log.current == 2
        assert not log.unfinished(2)
    with Log(tmp_path / "log", 1) as log:
        assert len(log.read("events", 0, 9)) == 3
        assert log.row_of_state("cases", b"k") == b"v"


def test_of_a_generation_that_is_forgotten_nothing_is_left_and_no_offset_is_given_twice(tmp_path: Path) -> None:
    with Log(tmp_path / "log", 2) as log, log.transaction():
        log.append("events", [("desk/1", b"one")], 0)
        log.say("events", [("desk/1", b"said by the second")], 0)
        log.set_position("cases", 2)
    with Log(tmp_path / "log") as log:
        log.forget(2)
        assert log.generations() == [1]
        assert log.position("cases", 2) == 0
        assert not log.unfinished(2)
        assert log.end("events") == 2
        with log.transaction():
            log.append("events", [("desk/1", b"two")], 0)
        assert [r.offset for r in log.read("events", 0, 9)] == [0, 2]
        with pytest.raises(LogError, match="the current one"):
            log.forget(1)
    with Log(tmp_path / "log", 2) as log:
        assert [r.value for r in log.read("events", 0, 9)] == [b"one", b"two"]


# -- on the command line

TAKES_IN = """
import sys
{imports}
from itertools import islice
from pathlib import Path
from deploy import config_files
from deploy.demo import EXAMPLE
from deploy.embedded import Embedded
from deploy.intake import bring_up_to_date
from ingest.connectors.simulated import simulate

with Embedded(Path(sys.argv[1])) as embedded:
    embedded.apply(config_files.load(EXAMPLE).configuration.files)
    list(embedded.accept("simulated", islice(simulate(3, 5), int(sys.argv[2])), size=500))
    bring_up_to_date(embedded, history=True)
"""
SOME, ALL = 1_600, 2_400
"""Records. Some are there when it is measured anew, and the rest come later."""


class Said(NamedTuple):
    code: int
    out: str
    err: str


Facts = dict[str, tuple[Any, ...]]


def run(*words: str | Path, at: Path) -> Said:
    env = os.environ | {"PYTHONPATH": f"{ROOT}:{HERE}"}
    done = subprocess.run(
        [sys.executable, *map(str, words)], cwd=at, env=env, capture_output=True, text=True, timeout=120
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Said(done.returncode, done.stdout, done.stderr)


def crossdesk(*words: str, at: Path, others: bool = False) -> Said:
    """``others``: the one with other measures."""
    command = [HERE / "other_measures.py"] if others else ["-m", "deploy.cli"]
    return run(*command, *words, "--data", "d", at=at)


def take_in(at: Path, records: int, others: bool = False) -> Said:
    imports = "import other_measures" if others else ""
    return run("-c", TAKES_IN.format(imports=imports), at / "d", str(records), at=at)


def read(at: Path, sql: str) -> list[tuple[Any, ...]]:
    """As everybody does."""
    store = connect(f"chdb://{at / 'd' / 'store'}")
    rows = store.query(sql).rows
    store.close()
    return rows


def facts_of(at: Path) -> Facts:
    """What everybody reads, but versions."""
    return {id: tuple(rest) for id, *rest in read(at, "SELECT fact_id, * EXCEPT (fact_id, version) FROM facts")}


def published_of(at: Path) -> list[Any]:
    return read(at, "SELECT indicator, department, counterpart, period_start, value, n FROM published ORDER BY ALL")


def measures_that_differ(one: Facts, other: Facts) -> set[str]:
    return {(one.get(id) or other[id])[1] for id in one.keys() | other.keys() if one.get(id) != other.get(id)}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Facts]:
    """The facts of all records, as each of the two measures them alone."""
    found = {}
    for name in ("ours", "others"):
        at = tmp_path_factory.mktemp(name)
        assert take_in(at, ALL, others=name == "others").code == 0
        found[name] = facts_of(at)
    assert measures_that_differ(found["ours"], found["others"]) == {"first_response"}
    return found


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which some records are measured by ours."""
    at = tmp_path_factory.mktemp("measured")
    assert take_in(at, SOME).code == 0
    return at


@pytest.fixture
def at(measured: Path, tmp_path: Path) -> Path:
    shutil.copytree(measured / "d", tmp_path / "d", symlinks=True)
    return tmp_path


def test_a_changed_measure_is_rolled_out_and_back_without_gap_or_mixture_and_nothing_is_lost(
    at: Path, undisturbed: dict[str, Facts]
) -> None:
    before = facts_of(at)
    refused = crossdesk("repair", "HD-100001", at=at, others=True)
    assert refused.code == 1
    assert "`crossdesk rebuild`" in refused.err

    rebuilt = crossdesk("rebuild", at=at, others=True)
    assert rebuilt.code == 0, rebuilt.err
    rows = re.findall(r"^(\w+) +(\d+) +(\d+) +(\d+) +(\d+)$", rebuilt.out, re.MULTILINE)
    counted = {measure: list(map(int, counts)) for measure, *counts in rows}
    assert {measure for measure, counts in counted.items() if any(counts[1:])} == {"first_response"}
    assert sum(map(sum, counted.values())) >= len(before)
    assert re.search(r"^first_response, \w+: helpdesk/HD-\d+", rebuilt.out, re.MULTILINE)
    assert "Everybody still reads generation 1" in rebuilt.out
    assert facts_of(at) == before
    days = published_of(at)

    assert crossdesk("switch", at=at, others=True).code == 0
    after = facts_of(at)
    assert measures_that_differ(before, after) == {"first_response"}
    of_it = {indicator.name for indicator in INDICATORS if "first_response" in indicator.measures}
    changed = {row[0] for row in {*days} ^ {*published_of(at)}}
    assert "first_response_p50_seconds" in changed <= of_it

    for wanted, facts in (
        ("1", before),
        ("2", after),
    ):  # nothing has come since: it is fine as it is, whoever measured it
        assert crossdesk("switch", wanted, at=at, others=True).code == 0
        assert facts_of(at) == facts

    assert take_in(at, ALL, others=True).code == 0
    assert facts_of(at) == undisturbed["others"]

    refused = crossdesk("switch", "1", at=at, others=True)
    assert refused.code == 1
    assert "records have come that this one cannot add to it" in refused.err
    assert facts_of(at) == undisturbed["others"]

    back = crossdesk("switch", "1", at=at)
    assert back.code == 0, back.err
    assert "Bringing generation 1 up to the end of the log" in back.err
    assert facts_of(at) == undisturbed["ours"]

    assert crossdesk("switch", "2", at=at, others=True).code == 0
    assert facts_of(at) == undisturbed["others"]


def test_what_is_measured_anew_by_the_same_measures_is_the_same(at: Path) -> None:
    """Also where cases speak to each other, and where one was repaired or the configuration marked again."""
    assert crossdesk("repair", "HD-100001", at=at).code == 0
    with Log(at / "d" / "log.sqlite3") as log:
        ((said,),) = log.db.execute("SELECT count() FROM events WHERE generation = 1").fetchall()
    assert said > 1
    before = facts_of(at)
    rebuilt = crossdesk("rebuild", at=at)
    assert f"generations: {len(before):,} facts, 0 differ\n\nNothing differs." in rebuilt.out
    assert crossdesk("switch", at=at).code == 0
    assert facts_of(at) == before


def test_a_rebuild_that_is_killed_goes_on_and_ends_like_one_that_is_not(
    at: Path, sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    before, started = facts_of(at), time.monotonic()
    undisturbed = crossdesk("rebuild", at=at)
    takes, killed, times = time.monotonic() - started, 0, sample(20, 3)
    for n in range(times):
        command = [sys.executable, "-m", "deploy.cli", "rebuild", "--data", "d"]
        process = subprocess.Popen(
            command, cwd=at, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL
        )
        time.sleep((0.4 + 0.5 * n / times) * takes)
        killed += process.poll() is None
        process.kill()
        process.wait()
        assert facts_of(at) == before
    tally("kill -9 of a rebuild", killed)
    assert killed
    assert crossdesk("rebuild", at=at).out == undisturbed.out


def test_what_another_crossdesk_began_is_begun_again(at: Path) -> None:
    before = facts_of(at)
    with Embedded(at / "d", generation=2, store=False) as begun:
        begun.fold()
    rebuilt = crossdesk("rebuild", at=at, others=True)
    assert rebuilt.code == 0, rebuilt.err
    assert "Generation 2 was begun by another crossdesk: beginning again." in rebuilt.err
    assert re.search(r"^first_response, \w+: helpdesk/HD-\d+", rebuilt.out, re.MULTILINE)
    assert facts_of(at) == before


def test_a_complete_generation_is_made_anew_an_incomplete_one_cannot_be_read_and_each_can_be_dropped(at: Path) -> None:
    with Log(at / "d" / "log.sqlite3", 2):
        """Begun, and no more."""
    refused = crossdesk("switch", at=at)
    assert "generation 2 is not complete: `crossdesk rebuild` goes on with it" in refused.err
    begun = crossdesk("rebuild", at=at)
    assert "Generation 2 was begun already: going on with it." in begun.err
    again = crossdesk("rebuild", at=at)
    assert "Generation 2 is there already: measuring it anew." in again.err
    assert again.out == begun.out
    assert "generation 1 is the current one" in crossdesk("rebuild", "--drop", "1", at=at).err
    assert crossdesk("rebuild", "--drop", "2", at=at).out == "generation 2 is not in d any more\n"
    refused = crossdesk("switch", "2", at=at)
    assert refused.code == 1
    assert "d has no generation 2, only 1: `crossdesk rebuild` makes the next one" in refused.err
    assert "d has no generation 2, only 1" in crossdesk("rebuild", "--drop", "2", at=at).err

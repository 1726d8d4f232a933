"""The embedded mode: durable, the same facts as the core alone, and errors that say what to do."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from adversary import MONDAY, SOURCE, WEEK, company, mark
from histories import facts_in, keep
from test_prometheus import series

from deploy import config_files
from deploy.ahead import Prepared, prepare
from deploy.demo import EXAMPLE
from deploy.embedded import Embedded
from deploy.log import Log, LogError, LogLocked
from deploy.serve import exporter_of
from deploy.succession import Refused
from ingest import event as e
from ingest.connectors.simulated import simulate
from ingest.feedback import answered
from streams import fact
from streams.cases import Cases
from streams.configuration import Files
from streams.fact import Fact, Outcome
from streams.indicators import IndicatorValue
from streams.morale import last_monday

RUN = Path(__file__).with_name("embedded_run.py")
DAYS = 12

Facts = dict[str, tuple[object, ...]]


def stored_facts(folder: Path) -> Facts:
    """The facts of the store, by id."""
    with Embedded(folder) as embedded:
        assert embedded.store is not None
        rows = embedded.store.query(
            "SELECT fact_id, outcome, toString(start), toString(stop), toString(due), toString(counts_at),"
            " business_us, calendar_us, flags FROM facts"
        ).rows
    return {str(id): tuple(rest) for id, *rest in rows}


def stored_indicators(folder: Path) -> list[IndicatorValue]:
    with Embedded(folder) as embedded:
        return [msgspec.structs.replace(v, offset=0) for v in embedded.indicators()]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Facts, list[IndicatorValue]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    subprocess.run([sys.executable, RUN, folder, str(DAYS)], check=True, capture_output=True)
    return stored_facts(folder), stored_indicators(folder)


def test_a_run_that_is_killed_again_and_again_ends_like_one_that_is_not(
    undisturbed: tuple[Facts, list[IndicatorValue]],
    tmp_path: Path,
    sample: Callable[[int, int], int],
    tally: Callable[[str, int], None],
) -> None:
    rnd = random.Random(7)
    wanted, killed = sample(50, 6), 0
    folder = tmp_path / "killed"
    while killed < wanted:
        process = subprocess.Popen([sys.executable, RUN, folder, str(DAYS)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        before = [process.stdout.readline() for _ in range(rnd.randrange(3))]
        time.sleep(rnd.random() * (0.4 if before else 2.0))
        process.kill()
        rest = process.stdout.read()
        process.wait()
        process.stdout.close()
        killed += 1
        if "done" in rest or any(
            "done" in line for line in before
        ):  # faster than we killed it: once more from the start
            folder = tmp_path / f"killed-{killed}"
    subprocess.run([sys.executable, RUN, folder, str(DAYS)], check=True, capture_output=True)
    tally("kill -9 of an embedded run", killed)
    facts, indicators = undisturbed
    assert len(facts) > 10_000
    assert stored_facts(folder) == facts
    assert stored_indicators(folder) == indicators


def test_the_store_holds_what_the_core_alone_says(undisturbed: tuple[Facts, list[IndicatorValue]]) -> None:
    configuration = config_files.load(EXAMPLE).configuration
    state: dict[str, bytes] = {}
    cases = Cases(state, 0, lambda _: configuration)
    log = [e.encode(record) for record in (e.config_mark(1, e.instant(0)), *simulate(3, DAYS))]
    last: dict[str, Fact] = {}
    done = 0
    while done < len(log):  # what cases say to each other comes back as input
        records = list(enumerate(log[done:], done))
        done = len(log)
        effects = cases.batch(records)
        state.update({k: v for k, v in effects.changes.items() if v is not None})
        for output in effects.outputs:
            if output.topic == "events":
                log.append(output.value)
            elif output.topic == "facts":
                for fact in facts_in([output.value]):
                    keep(last, fact)
    alone = {id: (str(f.outcome), f.business_us) for id, f in last.items() if f.outcome is not Outcome.retracted}
    assert {id: (row[0], row[5]) for id, row in undisturbed[0].items()} == alone


def test_two_processes_do_not_write_one_folder(tmp_path: Path) -> None:
    with Embedded(tmp_path, store=False), pytest.raises(LogLocked, match="in use by another crossdesk"):
        Embedded(tmp_path, store=False)


def test_what_is_no_log_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "log.sqlite3").write_bytes(b"this is not a database, but somebody's letter" * 100)
    with pytest.raises(LogError, match="name another --data folder"):
        Embedded(tmp_path, store=False)
    assert (tmp_path / "log.sqlite3").read_bytes().startswith(b"this is not")


def test_a_full_disk_says_so_and_keeps_what_was_stored(tmp_path: Path) -> None:
    with Embedded(tmp_path, store=False) as embedded:
        embedded.apply(config_files.load(EXAMPLE).configuration.files)
        taking = embedded.accept("simulated", simulate(3, 3), size=400)
        stored = next(taking).records
        (pages,) = embedded.log.db.execute("PRAGMA page_count").fetchone()
        embedded.log.db.execute(f"PRAGMA max_page_count={pages + 5}")  # SQLite's own way to run out of room
        with pytest.raises(LogError, match=r"disk of .* is full: make room and start again"):
            list(taking)
    with Embedded(tmp_path, store=False) as embedded:
        assert embedded.log.position("source:simulated") >= stored
        list(embedded.accept("simulated", simulate(3, 3), size=400))
        healed = [msgspec.structs.replace(v, offset=0) for v in embedded.indicators()]
    with Embedded(tmp_path / "other", store=False) as embedded:
        embedded.apply(config_files.load(EXAMPLE).configuration.files)
        list(embedded.accept("simulated", simulate(3, 3), size=400))
        assert healed == [msgspec.structs.replace(v, offset=0) for v in embedded.indicators()]


def a_week_of_answers() -> list[Prepared]:
    """Of five persons, and that it is published."""
    items = {"empathy": 6}
    answers = [answered(SOURCE, f"{n}", MONDAY, items=items, wave="spring", department="IT") for n in range(5)]
    return [*map(prepare, answers), prepare(mark(MONDAY + WEEK, random.Random(1)))]


def test_answers_that_were_sealed_when_the_disk_was_full_are_sealed_when_it_has_room(tmp_path: Path) -> None:
    large = Prepared("rejected", "", b"{}" + b" " * 100_000, 0.0)
    with Embedded(tmp_path, store=False) as embedded:
        embedded.apply(config_files.load(EXAMPLE).configuration.files)
        (pages,) = embedded.log.db.execute("PRAGMA page_count").fetchone()
        embedded.log.db.execute(f"PRAGMA max_page_count={pages + 5}")
        with pytest.raises(LogError, match=r"disk of .* is full"):
            list(embedded.accept("survey", [*a_week_of_answers(), large]))
        assert not list(embedded.log.every("sealed"))
        embedded.log.db.execute(f"PRAGMA max_page_count={pages + 500}")
        list(embedded.accept("survey", [*a_week_of_answers(), large]))
        assert len(list(embedded.log.every("sealed"))) == 1


def test_morale_is_told_as_far_as_everything_is_known(tmp_path: Path) -> None:
    asked = "SELECT DISTINCT toUnixTimestamp64Micro(as_of), indicator, department, n FROM morale ORDER BY ALL"
    with Embedded(tmp_path) as embedded:
        embedded.apply(company(1, {"it": ""}, {"IT": "it"}, sources=["hr"]).files)
        list(embedded.accept("survey", [*a_week_of_answers(), prepare(e.watermark("hr", MONDAY + 2 * WEEK))]))
        assert embedded.store is not None
        assert embedded.store.query(asked).rows == []
        embedded.flush()
        monday = last_monday(embedded.as_of or 0)
        said = {(monday, v.indicator, v.department, v.n) for v in embedded.morale()}
        assert [*map(tuple, embedded.store.query(asked).rows)] == sorted(said)
        assert {("favourable_ratio", "it", 5)} < {row[1:] for row in said}
        shown = series(exporter_of(embedded))
        favourable = "SELECT value, n FROM morale WHERE indicator = 'favourable_ratio' AND item = '' AND window = '91d'"
        ((value, n),) = embedded.store.query(f"{favourable} AND department = 'it'").rows
        assert shown['crossdesk_morale_favourable_ratio{department="it",window="91d"}'] == value
        assert shown['crossdesk_morale_favourable_answers{department="it",window="91d"}'] == n == 5
        embedded.apply(company(2, {"it": "", "hr": ""}, {"IT": "it"}, sources=["hr"]).files)
        assert {row[2] for row in embedded.store.query(asked).rows} == {"", "it", "hr"}, "under another tree at once"


def test_what_another_configuration_seals_of_answers_that_are_told_again_is_said_once(tmp_path: Path) -> None:
    """Three of eight were still to come, too few for another batch; of ten it is five."""
    eight, ten = (company(1, {"it": ""}, {"IT": "it"}, heads={"it": n}).files for n in (8, 10))
    for files, batches in ((eight, 0), (ten, 1), (ten, 1)):
        with Embedded(tmp_path, store=False) as embedded:
            embedded.apply(files)
            list(embedded.accept("survey", a_week_of_answers()))
            assert len(list(embedded.log.every("sealed"))) == batches


def test_the_same_configuration_makes_no_new_version(tmp_path: Path) -> None:
    files = config_files.load(EXAMPLE).configuration.files
    with Embedded(tmp_path, store=False) as embedded:
        assert embedded.apply(files)[0] == 1
        assert embedded.apply(files)[0] == 1


def test_a_norm_in_force_cannot_be_changed_for_the_past(tmp_path: Path) -> None:
    files = config_files.load(EXAMPLE).configuration.files
    plain = msgspec.json.decode(files.model_dump_json(exclude_defaults=True))
    norms = next(iter(plain["norms"].values()))["norms"]
    norms[0]["first_response"] = "1bm"
    changed = Files.model_validate_json(msgspec.json.encode(plain))
    with Embedded(tmp_path, store=False) as embedded:
        embedded.apply(files)
        list(embedded.accept("simulated", simulate(3, 2)))
        with pytest.raises(Refused):
            embedded.apply(changed)
        assert embedded.configuration is not None
        assert embedded.configuration.version == 1


def test_an_unreadable_record_is_set_aside_and_the_rest_flows(tmp_path: Path) -> None:
    with Embedded(tmp_path, store=False) as embedded:
        embedded.apply(config_files.load(EXAMPLE).configuration.files)
        with embedded.log.transaction():
            embedded.log.append("events", [("helpdesk/X", b'{"type": "crossdesk.nonsense"}')], 0)
        list(embedded.accept("simulated", simulate(3, 2)))
        assert embedded.indicators()
        ((reason, (count, _)),) = embedded.rejected().items()
        assert "crossdesk.nonsense" in reason
        assert count == 1


def test_repairing_a_case_changes_nothing_that_was_right(tmp_path: Path) -> None:
    with Embedded(tmp_path, store=False) as embedded:
        embedded.apply(config_files.load(EXAMPLE).configuration.files)
        list(embedded.accept("simulated", simulate(3, 3)))
        (case,) = embedded.log.db.execute("SELECT key FROM events WHERE key <> '' LIMIT 1").fetchone()
        facts, before = embedded.log.end_of_facts(), embedded.log.end("events")
        embedded.repair(case)
        embedded.repair(case)
        assert embedded.log.end("events") == before + 2
        assert embedded.log.end_of_facts() == facts
        once, twice = (record.value for record in embedded.log.of_key("events", case)[-2:])
        assert len(once) == len(twice)


def test_the_log_of_another_format_is_refused(tmp_path: Path) -> None:
    Log(tmp_path / "log.sqlite3").close()
    db = sqlite3.connect(tmp_path / "log.sqlite3")
    db.execute("UPDATE positions SET next = 99 WHERE name = 'format'")
    db.commit()
    db.close()
    with pytest.raises(LogError, match="another version of crossdesk"):
        Log(tmp_path / "log.sqlite3")


def test_a_fact_lies_under_its_key_and_a_mark_under_none() -> None:
    configuration = config_files.load(EXAMPLE).configuration
    log = [e.encode(record) for record in (e.config_mark(1, e.instant(0)), *simulate(3, 3))]
    said = [o for o in Cases({}, 0, lambda _: configuration).batch(enumerate(log)).outputs if o.topic == "facts"]
    assert {len(output.key) for output in said} == {0, 31}
    decoded = [fact.decode(output.value) for output in said]
    assert [output.key for output in said] == list(map(fact.record_key, decoded))
    assert [output.value for output in said] == list(map(fact.encode, decoded)), "a record has one spelling"
    places = {(f.case_id, f.measure, f.opener, f.levels, f.departments) for f in decoded if isinstance(f, fact.Facts)}
    assert len({output.key for output in said if output.key}) == len(places)

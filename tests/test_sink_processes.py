"""The sinks as processes: killed between insert and commit, stopped while loaded, healthy, and silent about secrets."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from on_kafka import Installation, Process, ended
from real_prometheus import debian
from sinks_on_kafka import (
    Group,
    environment,
    expected_facts,
    facts_in_folder,
    facts_said,
    indicator_said,
    say,
    sink,
    value_of,
    wait_until,
)

from deploy.kafka.broker import Broker, free_port
from ingest import topics as declared

PARTITIONS = 4
FACTS = facts_said(4, PARTITIONS)
DYING = Path(__file__).with_name("dying_sink.py")
PASSWORD = "correct-horse-battery"
BATCH = 400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def lag(installation: Installation) -> int:
    with closing(Group(installation.settings, f"{installation.prefix}-clickhouse-1")) as group:
        return group.lag(*map(declared.name, ("facts", "events", "indicators")))


def drained(process: Process, installation: Installation) -> bool:
    assert process.process.poll() is None, process.said()
    return lag(installation) == 0


def test_facts_are_exact_after_the_sink_died_again_and_again_between_insert_and_commit(
    installation: Installation, folder: Path, tmp_path: Path, sample: Callable[[int, int], int]
) -> None:
    deaths, dice = sample(50, 6), random.Random(5)
    say(installation, FACTS)
    settings = {"clickhouse_dsn": f"chdb://{folder}", "batch_records": len(FACTS) // (3 * deaths), "instance": "one"}
    log = tmp_path / "log"
    for _ in range(deaths):
        with log.open("ab") as file:
            died = subprocess.run(
                [sys.executable, DYING],
                env={**environment(installation, **settings), "DIES_AFTER": str(dice.randint(1, 3))},
                stdout=file,
                stderr=file,
                timeout=120,
                check=False,
            )
        assert died.returncode == 9, log.read_text()
    assert lag(installation) > 0, "it has always had something to do"
    last = sink("clickhouse", installation, log, **settings)
    with ended(last):
        wait_until(lambda: drained(last, installation), "everything is committed")
        assert last.stop() == 0
    assert facts_in_folder(folder) == expected_facts(FACTS)


def test_it_stops_while_loaded_and_goes_on_where_it_stopped(
    installation: Installation, folder: Path, tmp_path: Path
) -> None:
    say(installation, FACTS)
    settings = {"clickhouse_dsn": f"chdb://{folder}", "batch_records": BATCH}
    first = sink("clickhouse", installation, tmp_path / "log", **settings)
    with ended(first):
        wait_until(lambda: 0 < lag(installation) < len(FACTS), "some of it is committed")
        started = time.monotonic()
        assert first.stop() == 0
        assert time.monotonic() - started < 15
    left = lag(installation)
    assert left > 0, "it had more to do"
    second = sink("clickhouse", installation, tmp_path / "log", **settings)
    with ended(second):
        wait_until(lambda: drained(second, installation), "everything is committed")
        written = re.search(
            rf'crossdesk_sink_records_total{{topic="{declared.name("facts")}"}} (\S+)', second.asked("/metrics")[1]
        )
        assert written is not None
        assert left <= float(written[1]) <= left + BATCH, "at most one batch is written again"
        assert second.stop() == 0
    assert facts_in_folder(folder) == expected_facts(FACTS)


def test_it_stops_while_clickhouse_is_away_and_says_nothing_secret(installation: Installation, tmp_path: Path) -> None:
    say(installation, FACTS)
    dsn = tmp_path / "dsn"
    dsn.write_text(f"clickhouse://crossdesk:{PASSWORD}@127.0.0.1:{free_port()}/\n")
    process = sink("clickhouse", installation, tmp_path / "log", clickhouse_dsn_file=dsn, stuck_seconds=2)
    with ended(process):
        wait_until(lambda: "the store takes nothing" in process.said(), "it says so")
        wait_until(lambda: "records wait, and no offset was committed" in process.why_not_ready(), "it is not ready")
        assert process.asked("/live") == (200, "ok\n")
        said = process.asked("/metrics")[1]
        started = time.monotonic()
        assert process.stop() == 0
        assert time.monotonic() - started < 15
    assert lag(installation) == len(FACTS)
    assert PASSWORD not in process.said() + said
    assert process.said().count("ERROR the store takes nothing") == 1


def test_a_broker_that_goes_away_is_waited_for_and_that_is_said_once(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(declared, "PREFIX", "away")
    with Broker(tmp_path / "kafka") as broker:
        installation = Installation(broker, "away", PARTITIONS)
        say(installation, FACTS[:500])
        stages = [
            sink("clickhouse", installation, tmp_path / "1", clickhouse_dsn=f"chdb://{folder}", stuck_seconds=3),
            sink("prometheus", installation, tmp_path / "2", stuck_seconds=3),
        ]
        with ended(*stages):
            for stage in stages:
                stage.wait_until_ready()
            wait_until(lambda: drained(stages[0], installation), "everything is committed")
            broker.stop(kill=True)
            for stage in stages:
                wait_until(lambda stage=stage: "no broker has answered" in stage.why_not_ready(), "it is not ready")  # type: ignore[misc]
            broker.start()
            say(installation, [*FACTS[500:], indicator_said(value_of(department="it"))])
            wait_until(lambda: drained(stages[0], installation), "everything is committed")
            wait_until(lambda: 'first_response_facts{department="it"' in stages[1].asked("/metrics")[1], "it is shown")
            for stage in stages:
                stage.wait_until_ready()
                assert stage.said().count("ERROR no broker answers; records wait there and nothing is lost") == 1
                assert stage.said().count("the broker answers again, after") == 1
                assert stage.stop() == 0
    assert facts_in_folder(folder) == expected_facts(FACTS)


def test_its_metrics_say_what_there_is_to_do_and_promtool_finds_no_fault(
    installation: Installation, folder: Path, tmp_path: Path
) -> None:
    say(installation, [*FACTS, indicator_said(value_of())])
    installation.configure()
    stages = [
        sink("clickhouse", installation, tmp_path / "1", clickhouse_dsn=f"chdb://{folder}"),
        sink("prometheus", installation, tmp_path / "2"),
    ]
    with ended(*stages):
        for stage in stages:
            stage.wait_until_ready()
        wait_until(lambda: drained(stages[0], installation), "everything is committed")
        facts = declared.name("facts")
        row = f'crossdesk_consumer_lag_records{{partition="0",topic="{facts}"}} 0.0'
        wait_until(lambda: row in stages[0].asked("/metrics")[1], "there is no lag")
        for stage in stages:
            body = stage.asked("/metrics")[1]
            checked = subprocess.run(
                [debian("promtool"), "check", "metrics"], input=body.encode(), capture_output=True, check=False
            )
            assert (checked.stdout + checked.stderr).decode() == ""
        shown = stages[1].asked("/metrics")[1]
        assert 'crossdesk_first_response_facts{department="it",window="7d"} 1.0' in shown
        assert [stage.stop() for stage in stages] == [0, 0]


REFUSED = [
    ({}, "CROSSDESK_SINKS_CLICKHOUSE_DSN_FILE is not set; the file holds clickhouse://"),
    (
        {"clickhouse_dsn": "chdb:///x", "batch_size": "7"},
        "CROSSDESK_SINKS_BATCH_SIZE is not a setting; there are BATCH_",
    ),
    ({"clickhouse_dsn": "chdb:///x"}, "`crossdesk topics check` says all, `apply` mends it"),
]


@pytest.mark.parametrize(("settings", "said"), REFUSED, ids=["no address", "unknown", "no topics"])
def test_it_does_not_start_on_what_cannot_be(
    kafka: Broker, settings: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSDESK_KAFKA_BOOTSTRAP_SERVERS", kafka.address)
    monkeypatch.setenv("CROSSDESK_KAFKA_TOPIC_PREFIX", "nobody-made-these")
    for name, value in settings.items():
        monkeypatch.setenv(f"CROSSDESK_SINKS_{name.upper()}", value)
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli", "sink", "clickhouse"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert said in done.stderr

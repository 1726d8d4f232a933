"""All stages together, as processes on a real broker: what a platform team deploys."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
from chaos import compared
from clickhouse_process import ClickHouseServer
from on_kafka import DRAIN_SECONDS, Installation, Process, ended, folded, worker
from real_prometheus import asked, prometheus

from deploy.ahead import Prepared, prepare
from deploy.kafka.broker import Broker
from ingest import topics as declared
from ingest.connectors.simulated import simulate
from ingest.publish import Publisher
from sinks.clickhouse import ClickHouse, connect
from sinks.prometheus import Exporter
from streams.indicators import IndicatorValue

PARTITIONS = 4
OTHERS = Path(__file__).with_name("other_measures.py")
ROOT = Path(__file__).parents[1]
LOG = ROOT.parent / "shared" / "data" / "uci498" / "incident_event_log.zip"
LONGEST_DRAIN = 900.0
ENOUGH_TO_DIFFER = 12_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ClickHouseServer]:
    with ClickHouseServer(tmp_path / "clickhouse") as running:
        yield running


def sink(what: str, installation: Installation, server: ClickHouseServer, log: Path, generation: int = 1) -> Process:
    return Process(["sink", what], told(installation, server, generation), log)


def told(installation: Installation, server: ClickHouseServer, generation: int = 1) -> dict[str, str]:
    return {
        **installation.environment,
        "CROSSDESK_SINKS_CLICKHOUSE_DSN": server.dsn(),
        "CROSSDESK_SINKS_GENERATION": str(generation),
        "CROSSDESK_SINKS_HEALTH_PORT": "0",
        "CROSSDESK_STREAMS_GENERATION": str(generation),
        "CROSSDESK_STREAMS_HEALTH_PORT": "0",
    }


def scraped(process: Process) -> dict[str, float]:
    """What a stage says of departments."""
    lines = process.asked("/metrics")[1].splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if "department=" in line and not line.startswith("#"))
    return {name: float(number) for name, number in pairs}


def stored(store: ClickHouse) -> dict[str, float]:
    """What an exporter would say of the indicators that ClickHouse has."""
    rows = store.query(
        "SELECT indicator, department, counterpart, window, toUnixTimestamp64Micro(as_of), value, n, low, high, beyond, offset"
        " FROM indicators"
    ).rows
    exporter = Exporter()
    names = (
        "indicator",
        "department",
        "counterpart",
        "window",
        "as_of",
        "value",
        "n",
        "low",
        "high",
        "beyond",
        "offset",
    )
    values = [IndicatorValue(**dict(zip(names, row, strict=True))) for row in rows]
    exporter.update(values)
    lines = exporter.render("")[1].decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if "department=" in line and not line.startswith("#"))
    return {name: float(number) for name, number in pairs}


def stored_in(server: ClickHouseServer) -> dict[str, float]:
    store = connect(server.dsn())
    try:
        return stored(store)
    finally:
        store.close()


def differences(of_stores: dict[str, float], shown: dict[str, float]) -> dict[str, tuple[float, float | None]]:
    """Until everything has been told one may be ahead of the other. That nothing is shown is a difference too."""
    if len(shown) < 100:
        return {"series": (len(shown), None)}
    return {
        name: (value, of_stores.get(name))
        for name, value in shown.items()
        if "crossdesk_pair_" not in name and not math.isclose(value, of_stores.get(name, math.nan))
    }


def test_prometheus_scrapes_three_stages_and_says_what_clickhouse_says(
    installation: Installation, server: ClickHouseServer, tmp_path: Path
) -> None:
    installation.configure()
    installation.say([prepare(record) for record in simulate(1, 10)])
    stages = [
        worker(installation, tmp_path / "worker.log"),
        sink("clickhouse", installation, server, tmp_path / "clickhouse.log"),
        sink("prometheus", installation, server, tmp_path / "prometheus.log"),
    ]
    with ended(*stages):
        for stage in stages:
            stage.wait_until_ready()
        installation.drain()
        until = time.monotonic() + DRAIN_SECONDS
        while differ := differences(of_stores := stored_in(server), scraped(stages[2])):
            assert time.monotonic() < until, differ
            time.sleep(0.5)
        assert len(scraped(stages[2])) > 500
        (folder := tmp_path / "scraping").mkdir()
        targets = [re.sub(r"^http://", "", stage.url()) for stage in stages]
        with prometheus(folder, targets, "1s") as address:
            until = time.monotonic() + 30
            while sum(sample["value"][1] == "1" for sample in asked(address, "up")) < len(targets):
                assert time.monotonic() < until, (folder / "log").read_text()
                time.sleep(0.3)
            name = 'crossdesk_first_response_attainment_ratio{department="it",window="7d"}'
            (sample,) = asked(address, name)
            assert float(sample["value"][1]) == pytest.approx(of_stores[name])
            assert {one["metric"]["topic"] for one in asked(address, "crossdesk_consumer_lag_records")} > {
                declared.name("events"),
                declared.name("facts"),
            }


def test_a_changed_measure_is_rolled_out_under_load_and_back_again_without_gap_or_mixture(
    installation: Installation, server: ClickHouseServer, tmp_path: Path
) -> None:
    """Of two measures of a first response, facts of one crossdesk never stand beside those of the other."""
    installation.configure()
    records = [prepare(record) for record in simulate(1, 14)]
    saying = Thread(target=slowly, args=(installation, records, 250))
    other = Installation.__new__(Installation)
    other.__dict__.update(installation.__dict__, generation=2)
    now = [
        worker(installation, tmp_path / "worker-1.log"),
        sink("clickhouse", installation, server, tmp_path / "clickhouse-1.log"),
        exporter := sink("prometheus", installation, server, tmp_path / "prometheus.log"),
    ]
    with ended(*now):
        for stage in now:
            stage.wait_until_ready()
        saying.start()
        while len(scraped(exporter)) < 100 or facts_in_store(server) < ENOUGH_TO_DIFFER:
            time.sleep(0.5)
        crossdesk(["topics", "apply", "--generation", "2"], told(installation, server))
        then = [
            Process(["streams"], told(installation, server, 2), tmp_path / "worker-2.log", program=[str(OTHERS)]),
            sink("clickhouse", installation, server, tmp_path / "clickhouse-2.log", 2),
        ]
        with ended(*then), Watching(exporter, server) as watching:
            rebuilt = crossdesk(["rebuild", "--kafka", "--workers", "0"], told(installation, server))
            assert "Everybody still reads generation 1" in rebuilt
            assert re.search(r"^first_response, (changed|gone|new): ", rebuilt, re.MULTILINE), rebuilt
            assert "generation 2 is the current one" in crossdesk(["switch", "--kafka"], told(installation, server))
            watching.until_shown(2)
            assert "generation 1 is the current one" in crossdesk(
                ["switch", "--kafka", "1"], told(installation, server)
            )
            watching.until_shown(1)
            saying.join()
            installation.drain()
            other.drain()
            installation.drain_sink()
            other.drain_sink()
        assert watching.looks > 20
        assert not watching.gaps
        assert installation.facts() == folded(records)
        assert other.facts() != installation.facts()
        for generation, of in ((1, installation), (2, other)):
            store = connect(server.dsn(), generation)
            ((count,),) = store.query(f"SELECT count() FROM crossdesk_{generation}.facts").rows
            store.close()
            assert count == len(of.facts())


def facts_in_store(server: ClickHouseServer) -> int:
    store = connect(server.dsn())
    try:
        ((count,),) = store.query("SELECT count() FROM facts").rows
        return int(count)
    finally:
        store.close()


def slowly(installation: Installation, records: list[Prepared], rate: int) -> None:
    """So many records a second."""
    with Publisher(installation.settings) as publisher:
        for first in range(0, len(records), rate):
            began = time.monotonic()
            for record in records[first : first + rate]:
                publisher.say(record.topic, record.key, record.value)
            publisher.settle()
            time.sleep(max(0.0, 1 - (time.monotonic() - began)))


def crossdesk(words: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli", *words], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Watching:
    """Looks, again and again, at what everybody sees: is anything missing, does time go back, whose numbers are shown?"""

    def __init__(self, exporter: Process, server: ClickHouseServer) -> None:
        self.exporter, self.store = exporter, connect(server.dsn())
        self.gaps: list[str] = []
        self.looks = 0
        self._as_of = 0.0
        self._end = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._end.wait(0.3):
            shown = scraped(self.exporter)
            as_of = max((v for name, v in shown.items() if "as_of_timestamp" in name), default=0.0)
            if len(shown) < 100 or as_of < self._as_of:
                self.gaps.append(f"{len(shown)} series as of {as_of}, after {self._as_of}")
            self._as_of = as_of
            ((facts,),) = self.store.query("SELECT count() FROM facts").rows
            if not facts:
                self.gaps.append("no facts in ClickHouse")
            self.looks += 1

    def until_shown(self, generation: int) -> None:
        until = time.monotonic() + 30
        while self.store.current_generation() != generation:
            assert time.monotonic() < until
            time.sleep(0.1)
        time.sleep(3)

    def __enter__(self) -> Watching:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self.store.close()


def test_a_broker_that_goes_away_is_waited_for_and_nothing_is_lost(
    server: ClickHouseServer, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    """For a minute, or (in a sample) long enough that every session with it is over."""
    monkeypatch.setattr(declared, "PREFIX", prefix)
    records = [prepare(record) for record in simulate(1, 6)]
    with Broker(tmp_path / "kafka") as broker:
        installation = Installation(broker, prefix, 2)
        installation.configure()
        start: dict[str, Callable[[], Process]] = {
            "worker": lambda: worker(installation, tmp_path / "worker.log", "w"),
            "clickhouse": lambda: sink("clickhouse", installation, server, tmp_path / "clickhouse.log"),
        }
        stages = {name: begin() for name, begin in start.items()}
        with ended(*stages.values()):
            for stage in stages.values():
                stage.wait_until_ready()
            saying = Thread(target=slowly, args=(installation, records, 400))
            saying.start()
            time.sleep(4)
            broker.stop(kill=True)
            time.sleep(60 if full else 15)
            broker.start()
            saying.join()
            for name, stage in stages.items():
                if stage.process.poll() is not None:  # as whoever supervises it would
                    stages[name] = start[name]()
            with ended(*stages.values()):
                installation.drain(120)
                installation.drain_sink(120)
                assert installation.facts() == folded(records)
                assert facts_in_store(server) == len(folded(records))
        for stage in stages.values():
            assert "Traceback" not in stage.said()


@pytest.mark.full
@pytest.mark.parametrize("what", ["demo", "log"])
def test_what_was_measured_on_kafka_is_what_is_measured_in_one_process(
    what: str,
    installation: Installation,
    server: ClickHouseServer,
    tmp_path: Path,
    tally: Callable[[str, int], None],
) -> None:
    """120 days of the simulated company, and the public log of ServiceNow: row for row, but for versions."""
    if what == "log" and not LOG.exists():
        pytest.skip("the public log of UCI 498 does not lie beside the project")
    words = ["demo", "--days", "120"] if what == "demo" else ["replay", str(LOG), "--connector", "servicenow_log"]
    environment = told(installation, server)
    alone = tmp_path / "alone"
    crossdesk([*words, "--no-serve", "--data", str(alone)], environment)
    stages = [worker(installation, tmp_path / f"{i}.log") for i in range(2)]
    stages.append(sink("clickhouse", installation, server, tmp_path / "clickhouse.log"))
    with ended(*stages):
        crossdesk([*words, "--kafka", "--data", str(tmp_path / "said")], environment)
        installation.drain(LONGEST_DRAIN)
        installation.drain_sink(LONGEST_DRAIN)
        facts, differ = compared(server, alone)
    assert facts > 100_000
    assert differ == 0
    tally("facts on Kafka against one process", facts)

"""An installation on Kafka read as one log: what commands say of it is what they say of a folder that holds the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from clickhouse_process import ClickHouseServer
from histories import DAY, HOUR, START
from kafka import KafkaProducer
from on_kafka import Installation, Process, ended, example, worker
from test_compare import VENDORS
from test_norms_plan import halved, written
from test_reproduce import MONDAY, NINE, SERIES, case, files, mark, replied

from deploy import config_files
from deploy.ahead import prepare
from deploy.cli import main
from deploy.configurations import Configurations
from deploy.demo import EXAMPLE
from deploy.embedded import Embedded
from deploy.norms_plan import stored
from deploy.topic_log import NAME, Marks, log_of_topics
from ingest import event as e
from ingest import topics as declared
from ingest.connectors.simulated import simulate
from streams.cases import META, Meta
from streams.configuration import Files
from streams.effects import GENERATION

PARTITIONS = 3


def crossdesk(installation: Installation, *words: object, **more: str) -> Result:
    return CliRunner(env={**installation.environment, **more}).invoke(main, [str(word) for word in words])


def in_force(installation: Installation, files: Files) -> None:
    with Configurations(installation.settings) as configurations:
        configurations.apply(files)


def in_folder(folder: Path, files: Files, records: Iterable[e.Record]) -> Path:
    with Embedded(folder, store=False) as embedded:
        embedded.apply(files)
        for _ in embedded.accept("test", records):
            pass
    return folder


def measured(installation: Installation, records: Iterable[e.Record], log: Path) -> None:
    """By a worker: what cases say to each other lies among the events too."""
    installation.say(map(prepare, records))
    with ended(running := worker(installation, log)):
        running.wait_until_ready()
        installation.drain()


# -- what commands say
def test_a_plan_is_what_it_is_of_a_folder_that_holds_the_same(
    installation: Installation, tmp_path: Path, tally: Callable[[str, int], None]
) -> None:
    records = list(simulate(3, 12, cases_per_day=40.0))
    folder, new = in_folder(tmp_path / "d", example().files, records), written(tmp_path / "new", halved())
    installation.configure()
    measured(installation, records, tmp_path / "worker.log")
    on_kafka = crossdesk(installation, "norms", "plan", new, "--json", "--kafka")
    assert on_kafka.exit_code == 0, on_kafka.output
    found = json.loads(on_kafka.stdout)
    assert found == json.loads(crossdesk(installation, "norms", "plan", new, "--json", "--data", folder).stdout)
    assert any(row["turned"]["now_missed"] for row in found["rows"])
    tally("norms planned on Kafka", len(found["rows"]))


@pytest.mark.parametrize("name", VENDORS)
def test_what_a_vendor_says_is_compared_as_in_a_folder_that_holds_the_same(
    name: str, installation: Installation, tmp_path: Path
) -> None:
    vendor = VENDORS[name]
    configured = config_files.load(vendor.folder).configuration.files
    records = [*vendor.events(), e.watermark(vendor.connector.source, vendor.until)]
    folder = in_folder(tmp_path / "d", configured, records)
    in_force(installation, configured)
    measured(installation, records, tmp_path / "worker.log")
    words = ["compare", name, *vendor.files(), "--json"]
    on_kafka, in_one = (crossdesk(installation, *words, *more) for more in (["--kafka"], ["--data", folder]))
    assert on_kafka.stdout == in_one.stdout
    assert on_kafka.exit_code == in_one.exit_code
    assert json.loads(on_kafka.stdout)["summary"]["compared"] > 10


def test_a_published_value_comes_out_again_and_what_came_after_it_is_named(
    installation: Installation, tmp_path: Path
) -> None:
    """It was answered at noon, and that was told on Wednesday."""
    in_force(installation, files())
    told = [*case(0, 1), *case(1, 2), *case(2, 3), *case(3, 6), mark(START + 2 * DAY)]
    with ClickHouseServer(tmp_path / "clickhouse") as server:
        dsn = {"CROSSDESK_SINKS_CLICKHOUSE_DSN": server.dsn()}
        environment = {**installation.environment, **dsn, "CROSSDESK_SINKS_HEALTH_PORT": "0"}

        def published(records: list[e.Record]) -> Result:
            installation.say(map(prepare, records))
            stages = worker(installation, tmp_path / "w"), Process(["sink", "clickhouse"], environment, tmp_path / "s")
            with ended(*stages):
                for stage in stages:
                    stage.wait_until_ready()
                installation.drain()
                installation.drain_sink()
            done = crossdesk(installation, "publish", **dsn)
            assert "published up to 2026-03-04 00:00 UTC" in done.output, done.output
            again = crossdesk(installation, "publish", **dsn)
            assert "UTC: 0 new revisions" in again.output, "nothing has changed since"
            return crossdesk(installation, "reproduce", SERIES, MONDAY, "--kafka", **dsn)

        first = published(told)
        assert first.exit_code == 0, first.output
        assert "0.75 (n 4" in first.output
        assert "the same, bit for bit" in first.output
        hour = crossdesk(installation, "reproduce", SERIES, f"{MONDAY}T10", "--kafka", **dsn)
        assert hour.exit_code == 0, hour.output
        second = published([replied(3, NINE + 3 * HOUR, 7)])
        assert second.exit_code == 0, second.output
        assert "Revision 1 said 0.75 (n 4" in second.output
        assert "desk/C3: missed → met" in second.output
        assert "late event: replied of 2026-03-02 12:00:00 UTC" in second.output
        assert "does not explain" not in second.output
        going_on = Process(["publish", "--every", "1"], environment, tmp_path / "publishing")
        with ended(going_on):
            going_on.wait_until_said("published up to 2026-03-04 00:00 UTC: 0 new revisions")
            going_on.process.terminate()
            assert going_on.process.wait(20) == 0
        not_there = crossdesk(installation, "reproduce", SERIES, "2026-02-02", "--kafka", **dsn)
        assert (not_there.exit_code, "is not published: there is" in not_there.output) == (1, True)


@pytest.mark.parametrize(
    "words", [("norms", "plan", EXAMPLE), ("reproduce", SERIES, MONDAY), ("compare", "jira", *VENDORS["jira"].files())]
)
def test_a_folder_is_not_named_beside_kafka(words: tuple[str, ...], installation: Installation, tmp_path: Path) -> None:
    said = crossdesk(installation, *words, "--kafka", "--data", tmp_path)
    assert (said.exit_code, "leave one of them out" in said.output) == (2, True)


def test_what_is_missing_is_said(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        f"{NAME} has no norms yet: `crossdesk apply`"
        in crossdesk(installation, "norms", "plan", EXAMPLE, "--kafka").output
    )
    installation.configure()
    assert f"{NAME} has nothing to replay" in crossdesk(installation, "norms", "plan", EXAMPLE, "--kafka").output
    monkeypatch.delenv("CROSSDESK_SINKS_CLICKHOUSE_DSN", raising=False)
    said = crossdesk(installation, "reproduce", SERIES, MONDAY, "--kafka")
    assert "CROSSDESK_SINKS_CLICKHOUSE_DSN_FILE is not set" in said.output


# -- the log
def test_it_holds_what_the_workers_of_the_current_generation_fold(installation: Installation) -> None:
    """Neither what cases say to each other in another generation, nor what cannot be read."""
    in_force(installation, files())
    installation.say(map(prepare, [*case(0, 1), *case(1, 2), mark(START + DAY)]))
    foreign = e.encode(replied(0, NINE + 5 * HOUR, 9))
    producer = KafkaProducer(**installation.settings.client)
    topic = declared.name("events")
    for header in (b"1", b"2"):
        other = e.encode(replied(0, NINE + int(header) * HOUR, 20 + int(header)))
        producer.send(topic, other, key=b"desk/C0", headers=[(GENERATION, header)]).get(30)
    producer.send(topic, foreign, key=b"desk/C0", headers=[("traceparent", b"00")]).get(30)
    producer.close()
    for value in (b"\xff", b"{}", None):
        installation.put("events", 0, b"desk/C0", value)
    for generation, told in ((1, "C0-21"), (2, "C0-22")):
        with Configurations(installation.settings) as configurations:
            configurations.set_generation(generation)
        with log_of_topics(installation.settings) as log:
            held = {s.case: [e.decode(r).id for r in s.records] for s in stored(log, {"desk": 0})}
            folder = log.path.parent
        assert set(held) == {"desk/C0", "desk/C1"}
        own = [record.id for record in case(0, 1)]
        assert held["desk/C0"] == [*own, e.event_id("desk", told), e.event_id("desk", "C0-9")]
        assert not folder.exists()
    with log_of_topics(installation.settings, {"C1"}) as log:
        assert [s.case for s in stored(log, {"desk": 0})] == ["desk/C1"]
        (meta,) = (log.row_of_state("cases", META.encode()),)
        assert meta is not None
        assert msgspec.msgpack.decode(meta, type=Meta).marks == {"desk": START + DAY}


def test_a_watermark_stands_where_all_partitions_have_it() -> None:
    marks, said = Marks(2), []
    for partition, second in ((0, 10), (0, 20), (1, 5), (1, 30), (0, 15), (0, 30), (1, 30)):
        row = (0, partition, 0, "", e.encode(e.watermark("desk", e.instant(second))))
        said.append([e.decode(raw) for _, raw in marks.in_order(row)])
    until = [[m.data.until for m in some if isinstance(m, e.Watermark)] for some in said]
    assert until == [[], [], [e.instant(5)], [e.instant(20)], [], [e.instant(30)], []]
    assert marks.reached == {"desk": 30}


def test_a_version_of_the_configuration_is_said_once() -> None:
    marks = Marks(2)
    told = e.encode(e.config_mark(1, e.instant(0))), e.encode(e.config_mark(2, e.instant(0)))
    said = [list(marks.in_order((0, partition, 0, "", raw))) for raw in told for partition in (0, 1)]
    assert said == [[("", told[0])], [], [("", told[1])], []]

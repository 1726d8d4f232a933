"""The sink into ClickHouse, on a real broker and chDB: exact whatever comes between, and patient while the store is away."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pytest
from clickhouse_process import ClickHouseServer
from kafka import KafkaConsumer
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from on_kafka import Installation, example
from sinks_on_kafka import (
    AS_OF,
    Group,
    Running,
    Said,
    expected_facts,
    facts_said,
    hiding_it_in,
    indicator_said,
    say,
    stored_facts,
    value_of,
    wait_until,
)
from test_prometheus import series

from deploy.sink_cli import write_departments
from ingest import event as e
from ingest import topics as declared
from sinks.clickhouse import ClickHouse, connect
from sinks.clickhouse_sink import ClickHouseSink, Topics
from sinks.consumer import Follower, Member
from sinks.gathering import Gathering
from sinks.prometheus import Exporter
from sinks.record import ConsumerStopped, UnusableRecord
from sinks.store import Full, Unavailable
from streams.configuration import encode
from streams.sealed import Batch as SealedBatch
from streams.sealed import Item, Joined, Kind
from streams.sealed import encode as encode_batch

PARTITIONS = 3
FACTS = facts_said(3, PARTITIONS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    with ClickHouseServer(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


BATCH = SealedBatch(
    id=bytes(16),
    kind=Kind.answers,
    wave="spring",
    closed=1_768_176_000_000_000,  # Monday, 12 January 2026
    joined=Joined.cell,
    department="it",
    site="",
    about="",
    persons=6,
    items={"enps": Item(n=5, promoters=2, detractors=1)},
    proof=bytes(16),
)


class Sink(Running):
    """One process of the group, in threads of this one."""

    def __init__(
        self,
        installation: Installation,
        store: Any,
        *,
        size: int = 500,
        seconds: float = 0.1,
        opened: Callable[[], Full] | None = None,
    ) -> None:
        self.installation = installation
        name, client = declared.name, installation.settings.client
        self.topics = Topics(name("facts"), name("indicators"), name("events"), name("sealed"), name("config"))
        self.group = f"{installation.prefix}-clickhouse-1"
        self.exporter, self.gathering = Exporter(), Gathering(size, seconds)
        self.configurations = Follower(client, self.group)
        self.member = Member(client, self.group, self.topics.shared, self.gathering, session_seconds=6)
        self.stage = ClickHouseSink(
            self.topics,
            self.gathering,
            self.configurations,
            opened or (lambda: store),
            write_departments,
            self.exporter,
        )
        super().__init__(self.stage.run)
        self.member.start()
        self.thread.start()

    def until_all_is_committed(self) -> None:
        self.until(lambda: self.lag() == 0, "everything is committed")

    def lag(self, *topics: str) -> int:
        """Records that are not committed, seen from outside."""
        with closing(Group(self.installation.settings, self.group)) as group:
            return group.lag(*(topics or self.topics.shared))

    def end(self) -> None:
        self.stop.set()
        self.thread.join(30)
        assert not self.thread.is_alive()
        self.member.close()
        self.configurations.close()


@contextmanager
def running(installation: Installation, store: Any, **settings: Any) -> Iterator[Sink]:
    sink = Sink(installation, store, **settings)
    try:
        yield sink
    finally:
        sink.end()


class Through:
    """A store that may be taken away, or refuse something."""

    def __init__(self, store: ClickHouse) -> None:
        self.store, self.away, self.poison = store, "", b"\0no such bytes"
        self.attempts = 0

    def write_facts(self, facts: Sequence[bytes]) -> None:
        self.attempts += 1
        if self.away:
            raise Unavailable(self.away)
        if any(self.poison in fact for fact in facts):
            raise RuntimeError("Cannot parse input: expected another number\nat row 7")
        self.store.write_facts(facts)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


def test_each_topic_goes_into_its_table(installation: Installation, store: ClickHouse) -> None:
    watermark = e.Watermark(
        id=e.event_id("demo", "w"),
        source="demo",
        subject="",
        time=e.instant(AS_OF),
        specversion="1.0",
        data=e.WatermarkData(until=e.instant(AS_OF)),
    )
    created = b'{"id":"one","type":"case.created","source":"demo","subject":"1","time":"2026-01-01T09:00:00Z"}'
    say(installation, FACTS)
    say(installation, [Said("events", 0, b"demo/1", created), Said("events", 1, None, e.encode(watermark))])
    say(installation, [indicator_said(value_of(value=0.5, offset=7)), indicator_said(value_of(value=0.4, offset=6))])
    say(installation, [Said("sealed", 0, BATCH.id, encode_batch(BATCH))] * 2)
    installation.configure()
    with running(installation, store) as sink:
        sink.until_all_is_committed()
        sink.until(lambda: bool(store.query("SELECT 1 FROM departments").rows), "departments are there")
        sink.until(
            lambda: bool(store.query("SELECT 1 FROM morale WHERE department = 'hr'").rows), "the tree is in morale"
        )
    assert stored_facts(store) == expected_facts(FACTS)
    assert store.query("SELECT indicator, department, value FROM indicators").rows == [
        ("first_response_facts", "it", 0.5)
    ], "the highest offset stands, not the last that came"
    events = store.query("SELECT id, case_id, offset, appended_at > '2020-01-01' FROM crossdesk_raw.events").rows
    assert events == [("one", "demo/1", 0, 1)]
    names = {row[0] for row in store.query("SELECT id FROM departments").rows}
    assert names == set(example().departments)
    depths = {row[0] for row in store.query("SELECT DISTINCT depth FROM department_depths").rows}
    assert depths == {0, 1, 2}, "and where they lie in the tree"
    sealed = store.query("SELECT week, department, item, persons, n, promoters FROM sealed").rows
    assert sealed == [("2026-W02", "it", "enps", 6, 5, 2)], "once, however often it was said"
    asked = "SELECT value, n, wave FROM morale WHERE indicator = 'enps_points' AND department = 'it' AND window = ''"
    assert store.query(asked).rows == [(20.0, 5, BATCH.wave)], "and what they say together"


def test_who_hides_from_a_date_on_is_told_of_no_more_from_then_on(
    installation: Installation, store: ClickHouse
) -> None:
    asked = "SELECT department FROM indicators ORDER BY department"
    said = [indicator_said(value_of(department=who)) for who in ("it", "hr", "legal")]
    say(installation, [Said("config", 0, b"1", encode(hiding_it_in(8))), *said])
    with running(installation, store) as sink:
        sink.until(lambda: bool(store.query("SELECT 1 FROM departments").rows), "departments are there")
        sink.until_all_is_committed()
        assert store.query(asked).rows == [("hr",), ("it",)]
        sink.until(lambda: store.query(asked).rows == [("hr",)], "legal lies beside it now")


def test_a_new_version_of_the_configuration_brings_its_departments(
    installation: Installation, store: ClickHouse
) -> None:
    files = example().files
    installation.configure()
    with running(installation, store) as sink:
        sink.until(lambda: versions(store) == {1}, "the first version is there")
        renamed = files.model_copy(update={"version": 2})
        say(installation, [Said("config", 0, b"generation", b"2"), Said("config", 0, b"2", encode(renamed))])
        sink.until(lambda: versions(store) == {2}, "the second version stands")
        assert sink.failed is None


def versions(store: ClickHouse) -> set[int]:
    return {row[0] for row in store.query("SELECT DISTINCT version FROM departments").rows}


def test_while_the_store_is_away_records_wait_and_the_group_holds(
    installation: Installation, store: ClickHouse, caplog: pytest.LogCaptureFixture
) -> None:
    through = Through(store)
    through.away = "Cannot reserve 1.00 MiB, not enough space"
    say(installation, FACTS)
    caplog.set_level(logging.INFO, "crossdesk.sinks")
    with running(installation, through) as sink:
        sink.until(lambda: through.attempts >= 3, "it comes back again and again")
        sink.until(lambda: not sink.gathering.room, "the next batch is gathered meanwhile, and no more than that")
        assert series(sink.exporter)["crossdesk_sink_unavailable_seconds"] > 0
        assert sink.lag(sink.topics.facts) == len(FACTS)
        held = sink.member.reached.keys()
        assert len([p for p in held if p[0] == sink.topics.facts]) == PARTITIONS
        through.away = ""
        sink.until_all_is_committed()
        assert series(sink.exporter)["crossdesk_sink_unavailable_seconds"] == 0
    assert stored_facts(store) == expected_facts(FACTS)
    said = [record.getMessage() for record in caplog.records if record.name == "crossdesk.sinks"]
    assert len(said) == 2, said
    assert said[0].startswith(
        "the store takes nothing: Cannot reserve 1.00 MiB, not enough space. Make room on its disk."
    )
    assert "records wait and their offsets are held, nothing is lost" in said[0]
    assert said[1].startswith("the store takes records again, after")


def test_a_store_that_is_away_at_the_start_is_waited_for_and_that_can_be_stopped(
    installation: Installation, store: ClickHouse
) -> None:
    attempts: list[int] = []

    def opened() -> Full:
        attempts.append(1)
        raise Unavailable("nobody answers")

    say(installation, FACTS[:100])
    with running(installation, store, opened=opened) as sink:
        sink.until(lambda: len(attempts) >= 2, "it is tried again")
    assert sink.failed is None
    assert sink.lag(sink.topics.facts) == 100


@pytest.mark.parametrize("fault", ["full", "error", "cut_reading", "cut_answering"])
def test_whatever_goes_wrong_between_us_and_a_server_facts_are_exact(
    installation: Installation, server: ClickHouseServer, fault: str
) -> None:
    server.forget_everything()
    say(installation, FACTS)
    with closing(connect(server.dsn())) as store:
        store.migrate()
        server.misbehave(fault, times=3)
        with running(installation, store) as sink:
            sink.until_all_is_committed()
        assert stored_facts(store) == expected_facts(FACTS)
        assert series(sink.exporter)["crossdesk_sink_backoffs_total"] >= 1


def test_a_server_that_is_killed_and_started_again_is_waited_for(
    installation: Installation, server: ClickHouseServer
) -> None:
    server.forget_everything()
    parts = FACTS[: len(FACTS) // 2], FACTS[len(FACTS) // 2 :]
    say(installation, parts[0])
    with closing(connect(server.dsn())) as store:
        store.migrate()
        with running(installation, store, size=100) as sink:
            sink.until(lambda: 0 < sink.lag() < len(parts[0]), "it is in the middle")
            server.stop(kill=True)
            say(installation, parts[1])
            sink.until(lambda: series(sink.exporter)["crossdesk_sink_backoffs_total"] > 0, "it has noticed")
            server.start()
            sink.until_all_is_committed()
        assert stored_facts(store) == expected_facts(FACTS)


def test_another_member_that_comes_and_goes_changes_nothing(
    installation: Installation, store: ClickHouse, sample: Callable[[int, int], int]
) -> None:
    parts = sample(12, 4)
    with running(installation, store, size=200) as sink:
        for turn in range(parts):
            say(installation, FACTS[turn * len(FACTS) // parts : (turn + 1) * len(FACTS) // parts])
            with running(installation, store, size=200) as other:
                wait_until(lambda other=other: len(other.member.reached) > 0, "the other has partitions")  # type: ignore[misc]
            assert other.failed is None
        sink.until_all_is_committed()
    assert stored_facts(store) == expected_facts(FACTS)


UNREADABLE = [
    ("facts", b"\xdc\x00\x15\x00\xcf of another release", "it does not begin as facts do"),
    ("indicators", b"\x91\xa1x", "Expected `array` of at least length 7, got 1"),
    ("config", b'{"version":"Miller"}', "version: Input should be a valid integer"),
]


@pytest.mark.parametrize(("topic", "value", "reason"), UNREADABLE, ids=[topic for topic, *_ in UNREADABLE])
def test_a_record_that_cannot_be_read_is_named_and_nothing_behind_it_is_committed(
    installation: Installation, store: ClickHouse, topic: str, value: bytes, reason: str
) -> None:
    partition = 0 if topic == "config" else 1
    behind = [indicator_said(value_of(), partition=1), *(record for record in FACTS if record.partition == 1)]
    say(installation, [Said(topic, partition, b"3", value), *behind])
    with running(installation, store) as sink:
        wait_until(lambda: sink.failed is not None, "it has stopped")
    assert isinstance(sink.failed, UnusableRecord)
    assert f"{declared.name(topic)}, partition {partition}, offset 0: {reason}" in str(sink.failed)
    assert "Nothing is lost meanwhile" in str(sink.failed)
    assert "Miller" not in str(sink.failed)
    if topic != "config":
        assert sink.lag(declared.name(topic)) == 1 + sum(record.topic == topic for record in behind)


def test_a_record_that_the_store_refuses_is_found_and_named(installation: Installation, store: ClickHouse) -> None:
    through = Through(store)
    say(installation, FACTS)
    of_first = [record for record in FACTS if record.partition == 0]
    last = {record.key: n for n, record in enumerate(of_first)}  # others are overtaken before they are stored
    at, poisoned = next((n, r) for n, r in enumerate(of_first) if n > 100 and r.key and last[r.key] == n)
    through.poison = poisoned.value or b""
    with running(installation, through, size=10_000, seconds=2) as sink:
        wait_until(lambda: sink.failed is not None, "it has stopped")
    named = f"{declared.name('facts')}, partition 0, offset {at}: the store refuses it: Cannot parse input"
    assert named in str(sink.failed)
    assert "at row 7" not in str(sink.failed), "its first line says enough"


def test_facts_come_in_any_order_and_several_times(installation: Installation, store: ClickHouse) -> None:
    """A paused worker wakes up and says old versions again; the topic is read anew."""
    shuffled = [*FACTS, *FACTS]
    random.Random(7).shuffle(shuffled)
    say(installation, shuffled)
    with running(installation, store, size=997) as sink:
        sink.until_all_is_committed()
    assert stored_facts(store) == expected_facts(FACTS)


def test_a_topic_that_is_missing_is_named(installation: Installation) -> None:
    follower = Follower(installation.settings.client, "test")
    try:
        with pytest.raises(ConsumerStopped, match=r"there is no topic nowhere: `crossdesk topics apply` makes"):
            follower.follow("nowhere")
    finally:
        follower.close()


def test_a_member_that_does_not_come_into_its_group_joins_it_anew(
    installation: Installation, store: ClickHouse, caplog: pytest.LogCaptureFixture
) -> None:
    """Here because another one is asleep and holds everybody up."""
    asleep = KafkaConsumer(
        **installation.settings.client,
        group_id=f"{installation.prefix}-clickhouse-1",
        partition_assignment_strategy=[CooperativeStickyAssignor],
    )
    with closing(asleep):
        asleep.subscribe([declared.name("facts")])
        asleep.topics()  # asks the broker: who joins before it knows the partitions joins twice, and may wait for ever
        wait_until(lambda: not asleep.poll(100) and bool(asleep.assignment()), "the other one is in the group")
        say(installation, FACTS)
        with running(installation, store) as sink:
            sink.member.rejoin_seconds = 1.0
            sink.until(lambda: "joining it anew" in caplog.text, "it does not wait for ever")
            asleep.close()
            sink.until_all_is_committed()
    assert stored_facts(store) == expected_facts(FACTS)


def test_without_a_broker_it_says_so() -> None:
    with pytest.raises(ConsumerStopped, match=r"the group g cannot be joined: "):
        Member({"bootstrap_servers": ["127.0.0.1:1"], "bootstrap_timeout_ms": 500}, "g", ["t"], Gathering(1, 1))

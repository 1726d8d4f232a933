"""What is said to Kafka is there once, in order, in the right partition; and what is not there was not accepted."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from aiokafka.partitioner import DefaultPartitioner as AsOthers
from kafka import KafkaConsumer, TopicPartition

from deploy.ahead import Prepared, prepare
from deploy.kafka.broker import Broker
from deploy.topics import Topics
from ingest import event as e
from ingest import topics as declared
from ingest.broker import BrokerSettings, BrokerUnavailable
from ingest.connectors.simulated import simulate
from ingest.publish import Publisher

PARTITIONS = 3


@pytest.fixture(scope="module")
def records() -> list[Prepared]:
    return [prepare(record) for record in simulate(1, 3)]


@pytest.fixture
def broker(kafka: Broker, monkeypatch: pytest.MonkeyPatch, prefix: str) -> BrokerSettings:
    """With topics that are this test's alone."""
    monkeypatch.setattr(declared, "PREFIX", prefix)
    return made(kafka)


def made(kafka: Broker) -> BrokerSettings:
    settings = BrokerSettings(bootstrap_servers=kafka.address)
    with Topics(settings, list(declared.topics()), PARTITIONS) as found:
        found.apply()
    return settings


def held(broker: BrokerSettings, topic: str) -> dict[int, list[tuple[str, bytes]]]:
    """Of each partition the keys and values, in order."""
    consumer = KafkaConsumer(**broker.client, auto_offset_reset="earliest", consumer_timeout_ms=1)
    try:
        partitions = [TopicPartition(declared.name(topic), p) for p in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        found: dict[int, list[tuple[str, bytes]]] = {p: [] for p in range(PARTITIONS)}
        while any(consumer.position(p) < ends[p] for p in partitions):
            for fetched in consumer.poll(1000).values():
                for record in fetched:
                    found[record.partition].append(((record.key or b"").decode(), record.value))
        return found
    finally:
        consumer.close()


def say_all(publisher: Publisher, records: Sequence[Prepared]) -> None:
    for record in records:
        publisher.say(record.topic, record.key, record.value)
    publisher.settle()


def test_each_event_is_there_once_in_order_and_a_case_in_one_partition(
    broker: BrokerSettings, records: list[Prepared]
) -> None:
    with Publisher(broker) as publisher:
        say_all(publisher, records)
    found = held(broker, "events")
    where: dict[str, set[int]] = defaultdict(set)
    for partition, there in found.items():
        for key, _ in there:
            where[key].add(partition)
            assert not key or partition == AsOthers()(key.encode(), [*range(PARTITIONS)], [])
        cases = {key for key, _ in there if key}
        assert there == [(r.key, r.value) for r in records if r.key in cases or not r.key], "marks where they were said"
    assert where.pop("") == set(range(PARTITIONS))
    assert {len(partitions) for partitions in where.values()} == {1}
    assert len({*map(min, where.values())}) == PARTITIONS


def test_what_was_rejected_lies_in_one_partition(broker: BrokerSettings) -> None:
    with Publisher(broker) as publisher:
        publisher.say("rejected", "", b"no case is known")
        publisher.settle()
    assert sum(map(len, held(broker, "rejected").values())) == 1


def test_an_event_of_the_largest_size_is_taken(broker: BrokerSettings) -> None:
    value = bytes(n * 7919 % 251 for n in range(e.MAX_RECORD_BYTES))
    with Publisher(broker) as publisher:
        publisher.say("events", "desk/C1", value)
        publisher.settle()
    assert [there for there in held(broker, "events").values() if there] == [[("desk/C1", value)]]


def test_who_says_much_waits_for_what_was_said(
    broker: BrokerSettings, records: list[Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.publish.OUTSTANDING", 10)
    with Publisher(broker) as publisher:
        for record in records[:500]:
            publisher.say(record.topic, record.key, record.value)
            assert len(publisher._waiting) <= 10 + PARTITIONS
        publisher.settle()
    assert sum(map(len, held(broker, "events").values())) >= 500


# -- a broker that goes


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Broker]:
    """A broker that may be ended."""
    with Broker(tmp_path / "kafka") as broker:
        yield broker
        broker.stop(kill=True)


def test_a_broker_that_is_killed_and_comes_back_has_everything_once(own: Broker, records: list[Prepared]) -> None:
    settings = made(own)
    half = len(records) // 2
    with Publisher(settings) as publisher:
        say_all(publisher, records[:half])
        for record in records[half : half + 500]:
            publisher.say(record.topic, record.key, record.value)
        own.stop(kill=True)
        own.start()
        say_all(publisher, records[half + 500 :])
    found = held(settings, "events")
    for there in found.values():
        cases = {key for key, _ in there if key}
        assert there == [(r.key, r.value) for r in records if r.key in cases or not r.key]
    assert sum(bool(key) for there in found.values() for key, _ in there) == sum(bool(r.key) for r in records)


def test_who_closes_does_not_wait_for_what_is_not_acknowledged(own: Broker, records: list[Prepared]) -> None:
    publisher = Publisher(made(own), wait=60)
    say_all(publisher, records[:100])
    own.stop(kill=True)
    publisher.say("events", "helpdesk/1", records[0].value)
    began = time.monotonic()
    publisher.close()
    assert time.monotonic() - began < 20
    assert publisher._producer._closed


def test_what_a_broker_that_stays_away_did_not_take_is_not_accepted(own: Broker, records: list[Prepared]) -> None:
    settings = made(own)
    with Publisher(settings, wait=2) as publisher:
        say_all(publisher, records[:100])
        own.stop(kill=True)
        with pytest.raises(BrokerUnavailable, match=r"acknowledged|takes no record"):
            say_all(publisher, records[100:200])

"""Topics, on a real broker: made as declared, checked, mended; and the broker itself, as somebody who tries crossdesk runs it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deploy.cli import main
from deploy.kafka.broker import Broker, BrokerError, free_port
from deploy.topics import Topics, refuse_differences
from ingest import topics as declarations
from ingest.broker import BrokerSettings, BrokerUnavailable
from ingest.topics import Topic, TopicsDiffer, name, topics

Crossdesk = Callable[..., Result]

DERIVED = ("cases", "facts", "departments", "pairs", "indicators")


def settings(broker: Broker) -> BrokerSettings:
    return BrokerSettings(bootstrap_servers=broker.address)


@pytest.fixture
def declared(prefix: str) -> list[Topic]:
    """The topics under names of this test alone: the broker is everybody's."""
    return [topic._replace(name=f"{prefix}.{topic.name}") for topic in topics()]


@pytest.fixture
def crossdesk(kafka: Broker) -> Crossdesk:
    def run(*words: str) -> Result:
        return CliRunner(env={"CROSSDESK_KAFKA_BOOTSTRAP_SERVERS": kafka.address}).invoke(main, ["topics", *words])

    return run


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Broker]:
    """A broker that may be ended."""
    broker = Broker(tmp_path / "kafka")
    yield broker
    broker.stop(kill=True)


def test_what_is_computed_belongs_to_a_generation() -> None:
    names = {topic.name for topic in topics(1)}, {topic.name for topic in topics(2)}
    assert names[0] ^ names[1] == {name(topic, g) for topic in DERIVED for g in (1, 2)}
    with pytest.raises(KeyError):
        name("fact")


def test_retention_counts_from_when_a_record_came() -> None:
    assert {topic.config["message.timestamp.type"] for topic in topics()} == {"LogAppendTime"}


def test_topics_are_made_once_and_then_found(kafka: Broker, declared: list[Topic]) -> None:
    with Topics(settings(kafka), declared, 3) as found:
        assert [(d.topic, d.mends) for d in found.apply()] == [(topic.name, True) for topic in declared]
        assert found.differences() == []
        assert found.apply() == []
    with Topics(settings(kafka), declared) as again:
        assert again.partitions == 3, "as many as there are"
        assert again.differences() == []


def test_what_is_set_otherwise_is_said_and_mended(kafka: Broker, declared: list[Topic]) -> None:
    events = next(topic for topic in declared if topic.name.endswith("events"))
    kept_less = [topic._replace(config={**topic.config, "retention.ms": "1000"}) for topic in declared]
    with Topics(settings(kafka), kept_less, 2) as before:
        before.apply()
    with Topics(settings(kafka), declared) as found:
        said = {d.topic: d for d in found.differences()}
        assert said[events.name].what == f"retention.ms is 1000 instead of {events.config['retention.ms']}"
        found.apply()
        assert [d for d in found.differences() if d.topic == events.name] == []


def test_partitions_are_not_added(kafka: Broker, declared: list[Topic]) -> None:
    with Topics(settings(kafka), declared, 2) as before:
        before.apply()
    with Topics(settings(kafka), declared, 4) as found:
        assert {d.what for d in found.apply()} == {"has 2 partitions instead of 4"}
        assert not any(d.mends for d in found.differences())
        assert len(found.differences()) == sum(topic.spread for topic in declared)


def test_the_command_makes_topics_and_says_what_differs(crossdesk: Crossdesk) -> None:
    missing = crossdesk("check", "--generation", "7")
    assert missing.exit_code == 1
    assert "crossdesk.facts.7: is not there" in missing.output
    assert "`crossdesk topics apply` mends that" in missing.output
    made = crossdesk("apply", "--generation", "7", "--partitions", "2", "--replication", "1")
    assert made.exit_code == 0, made.output
    assert "mended: crossdesk.facts.7: is not there" in made.output
    assert "13 topics are as declared, with 2 partitions" in crossdesk("check", "--generation", "7").output
    more = crossdesk("apply", "--generation", "7", "--partitions", "5")
    assert more.exit_code == 1
    assert "cannot be mended: crossdesk.events: has 2 partitions instead of 5" in more.output
    assert "Leave out --partitions 5" in more.output


def test_a_stage_refuses_to_start_on_topics_that_differ(
    kafka: Broker, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    monkeypatch.setattr(declarations, "PREFIX", prefix)
    with pytest.raises(TopicsDiffer, match=r"\.events: is not there\. `crossdesk topics check` says all"):
        refuse_differences(settings(kafka))
    with Topics(settings(kafka), list(topics()), 5) as made:
        made.apply()
    assert refuse_differences(settings(kafka)) == 5
    with pytest.raises(TopicsDiffer, match=r"\.cases\.2: is not there"):
        refuse_differences(settings(kafka), 2)


def test_a_topic_that_is_made_again_is_another(kafka: Broker, prefix: str) -> None:
    one = Topic(prefix, "anything", {})
    with Topics(settings(kafka), [one], 1) as found:
        found.apply()
        before = found.id_of(prefix)
        assert found.id_of(prefix) == before
        found._admin.delete_topics([prefix])
        while found.differences() == []:
            time.sleep(0.05)
        found.apply()
        assert found.id_of(prefix) != before


def test_too_many_replicas_are_the_brokers_to_refuse(crossdesk: Crossdesk) -> None:
    refused = crossdesk("apply", "--generation", "8", "--replication", "3")
    assert refused.exit_code == 1
    assert "the broker does not make crossdesk." in refused.output
    assert "replication factor" in refused.output


def test_a_broker_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.topics.ANSWER_MS", 300)
    nobody = f"127.0.0.1:{free_port()}"
    with pytest.raises(
        BrokerUnavailable, match=f"no broker answers at {nobody}; is CROSSDESK_KAFKA_BOOTSTRAP_SERVERS right"
    ):
        Topics(BrokerSettings(bootstrap_servers=nobody), list(topics()))
    said = CliRunner(env={"CROSSDESK_KAFKA_BOOTSTRAP_SERVERS": nobody}).invoke(main, ["topics", "check"])
    assert said.exit_code == 1
    assert "is CROSSDESK_KAFKA_BOOTSTRAP_SERVERS right?" in said.output


# -- the broker for trials


@pytest.mark.parametrize("kill", [False, True], ids=["in order", "kill -9"])
def test_a_broker_that_was_stopped_comes_back_with_what_it_held(own: Broker, declared: list[Topic], kill: bool) -> None:
    own.start()
    with Topics(settings(own), declared, 1) as found:
        found.apply()
    own.stop(kill=kill)
    assert own.pid() is None
    same = Broker(own.folder)
    assert same.address == own.address
    with same, Topics(settings(same), declared) as found:
        assert found.differences() == []


def test_one_folder_has_one_broker_and_one_port_too(own: Broker, tmp_path: Path) -> None:
    own.start()
    with pytest.raises(BrokerError, match=r"runs in .* already"):
        Broker(own.folder).start()
    with pytest.raises(BrokerError, match="another broker answers at"):
        Broker(tmp_path / "other", port=own.port).start()


def test_a_broker_that_does_not_start_says_why(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "kafka", properties={"log.retention.ms": "soon"})
    with pytest.raises(BrokerError, match=r"(?s)could not format its folder.*soon"):
        broker.start()
    assert broker.pid() is None


def test_the_kafka_before_serves_too(tmp_path: Path, declared: list[Topic]) -> None:
    with Broker(tmp_path / "kafka", version="3.9.1") as broker, Topics(settings(broker), declared, 2) as found:
        found.apply()
        assert found.differences() == []

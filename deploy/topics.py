"""Topics on the broker: made as they are declared (``ingest.topics``), and found to be so when a stage starts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewTopic
from kafka.errors import KafkaError

from ingest.broker import ANSWER_MS, BrokerSettings, BrokerUnavailable
from ingest.topics import PARTITIONS, Topic, TopicsDiffer
from ingest.topics import topics as all_topics

BROKERS_DEFAULT = -1


class Difference(NamedTuple):
    """``topic`` is not as declared. ``mends``: whether :meth:`Topics.apply` changes that."""

    topic: str
    what: str
    mends: bool

    def __str__(self) -> str:
        return f"{self.topic}: {self.what}"


class Topics:
    """The declared topics on one broker. ``partitions``: of those that have several (None: as many as those that are there have, or
    ``ingest.topics.PARTITIONS``). ``replication``: how many brokers hold each (None: as the brokers are set). Raises
    :class:`BrokerUnavailable`, as all its methods do.
    """

    def __init__(
        self,
        broker: BrokerSettings,
        declared: Sequence[Topic],
        partitions: int | None = None,
        replication: int | None = None,
    ) -> None:
        self.declared, self.replication = declared, replication or BROKERS_DEFAULT
        with _asking(broker.unanswered):
            self._admin = KafkaAdminClient(
                **broker.client, client_id="crossdesk-topics", bootstrap_timeout_ms=ANSWER_MS
            )
            found = self._existing()
        self.partitions = (
            partitions or max((found.get(t.name, 0) for t in declared if t.spread), default=0) or PARTITIONS
        )

    def differences(self) -> list[Difference]:
        """In the order in which topics are declared."""
        with _asking("the broker does not say what topics it has"):
            return list(self._differences())

    def refuse_differences(self, generation: int = 1) -> None:
        """Raises :class:`ingest.topics.TopicsDiffer`."""
        if found := self.differences():
            both = f" (both with --generation {generation})" if generation != 1 else ""
            raise TopicsDiffer(f"{found[0]}. `crossdesk topics check` says all, `apply` mends it{both}")

    def id_of(self, topic: str) -> str:
        """Tells a topic from others that had its name before it, or have it on another broker."""
        with _asking("the broker does not say what topics it has"):
            (described,) = self._admin.describe_topics([topic])
            return str(described["topic_id"])

    def apply(self) -> list[Difference]:
        """Make what is missing, and set what is set otherwise: what was different. Partitions are not added, for that would move
        cases from one to another.
        """
        found = self.differences()
        with _asking("the broker refuses"):
            existing = self._existing()
            missing = [t for t in self.declared if t.name not in existing]
            new = [NewTopic(t.name, self._wanted(t), self.replication, topic_configs=dict(t.config)) for t in missing]
            if new:
                self._made(self._admin.create_topics(new, raise_errors=False))
                self._admin.wait_for_topics([t.name for t in missing])
            mended = {difference.topic for difference in found if difference.mends} & existing.keys()
            if mended:
                self._admin.alter_configs(
                    [_resource(t.name, dict(t.config)) for t in self.declared if t.name in mended]
                )
        self._wait()
        return found

    def remove(self) -> None:
        """All of them that are there, with what they hold."""
        with _asking("the broker does not remove them"):
            if there := list(self._existing()):
                self._admin.delete_topics(there)

    def _wait(self) -> None:
        """A broker learns a little later what it has agreed to."""
        until = time.monotonic() + ANSWER_MS / 1000
        while left := [difference for difference in self.differences() if difference.mends]:
            if time.monotonic() > until:
                raise BrokerUnavailable(
                    f"the broker has taken the changes, but after {ANSWER_MS / 1000:.0f} s {left[0]}"
                )
            time.sleep(0.05)

    def _made(self, response: dict[str, Any]) -> None:
        for topic in response["topics"]:
            if topic["error_code"]:
                raise BrokerUnavailable(f"the broker does not make {topic['name']}: {topic['error_message']}")

    def _differences(self) -> Iterator[Difference]:
        existing = self._existing()
        there = [t for t in self.declared if t.name in existing]
        configs: dict[str, Any] = {}
        if there:
            said = self._admin.describe_configs([_resource(t.name) for t in there], config_filter="all")
            configs = said["topic"]
        for topic in self.declared:
            if topic.name not in existing:
                yield Difference(topic.name, "is not there", mends=True)
                continue
            count, wanted = existing[topic.name], self._wanted(topic)
            if count != wanted:
                yield Difference(topic.name, f"has {count} partitions instead of {wanted}", mends=False)
            for name, value in topic.config.items():
                is_set = configs[topic.name][name]["value"]
                if is_set != value:
                    yield Difference(topic.name, f"{name} is {is_set} instead of {value}", mends=True)

    def _existing(self) -> dict[str, int]:
        """Name -> how many partitions."""
        names = {topic.name for topic in self.declared}
        there = [name for name in self._admin.list_topics() if name in names]
        described = self._admin.describe_topics(there) if there else []
        return {topic["name"]: len(topic["partitions"]) for topic in described}

    def _wanted(self, topic: Topic) -> int:
        return self.partitions if topic.spread else 1

    def close(self) -> None:
        self._admin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def _asking(what: str) -> Iterator[None]:
    try:
        yield
    except KafkaError as error:
        raise BrokerUnavailable(f"{what}: {error}") from error


def _resource(topic: str, configs: dict[str, str] | None = None) -> ConfigResource:
    return ConfigResource(ConfigResourceType.TOPIC, topic, configs)


def refuse_differences(broker: BrokerSettings, generation: int = 1) -> int:
    """What a stage asks before it starts: how many partitions there are. Raises :class:`ingest.topics.TopicsDiffer` where topics
    are not as declared, and :class:`BrokerUnavailable`.
    """
    with Topics(broker, list(all_topics(generation))) as found:
        found.refuse_differences(generation)
        return found.partitions

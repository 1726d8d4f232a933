"""How far the stages have come on Kafka: what their groups have committed, and where the topics end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Self

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import CoordinatorNotAvailableError, KafkaError

from ingest import topics as declared
from ingest.broker import ANSWER_MS, BrokerSettings, BrokerUnavailable
from sinks.consumer import Consumer

Offsets = Mapping[TopicPartition, int]
"""Of each partition."""

LOOK_SECONDS = 0.5


class GroupNames(NamedTuple):
    """Of the stages of one generation."""

    streams: str
    clickhouse: str

    @classmethod
    def of(cls, generation: int) -> GroupNames:
        return cls(f"{declared.PREFIX}-streams-{generation}", f"{declared.PREFIX}-clickhouse-{generation}")


class Groups:
    """Raises :class:`ingest.broker.BrokerUnavailable`, as all its methods do."""

    def __init__(self, broker: BrokerSettings) -> None:
        try:
            self._admin = KafkaAdminClient(**broker.client, bootstrap_timeout_ms=ANSWER_MS)
            self._consumer = Consumer(**broker.client, bootstrap_timeout_ms=ANSWER_MS)
        except KafkaError as error:
            raise BrokerUnavailable(f"{broker.unanswered}: {error}") from error

    def committed(self, group: str) -> Offsets:
        """Empty where it never was."""
        try:
            (found,) = self._admin.list_group_offsets(group).values()
        except CoordinatorNotAvailableError:  # nobody has ever been in any group
            return {}
        except KafkaError as error:
            raise BrokerUnavailable(f"the broker does not say how far {group} is: {error}") from error
        return {partition: at.offset for partition, at in found.items()}

    def ends(self, topic: str) -> Offsets:
        """Where its partitions end now."""
        try:
            there = [TopicPartition(topic, number) for number in self._consumer.partitions_for_topic(topic) or ()]
            return dict(self._consumer.end_offsets(there))
        except KafkaError as error:
            raise BrokerUnavailable(f"the broker does not say where {topic} ends: {error}") from error

    def behind(self, group: str, offsets: Offsets) -> int:
        """How many records the group has still to do until it has reached all ``offsets``."""
        committed = self.committed(group)
        return sum(max(end - committed.get(partition, 0), 0) for partition, end in offsets.items())

    def wait(self, group: str, offsets: Offsets, seen: Callable[[int], None], patience: float) -> bool:
        """Until the group has reached all ``offsets``; ``seen`` is told what is left. False: it has not moved for ``patience``
        seconds.
        """
        least, until = None, 0.0
        while left := self.behind(group, offsets):
            seen(left)
            if least is None or left < least:
                least, until = left, time.monotonic() + patience
            elif time.monotonic() > until:
                return False
            time.sleep(LOOK_SECONDS)
        seen(0)
        return True

    def forget(self, group: str) -> None:
        """What it has committed. Nobody may be in it."""
        try:
            said = self._admin.delete_groups([group]).get(group, "OK")
        except CoordinatorNotAvailableError:
            return
        except KafkaError as error:
            raise BrokerUnavailable(f"the broker does not forget {group}: {error}") from error
        if said not in ("OK", "GroupIdNotFoundError"):
            raise BrokerUnavailable(f"{group} cannot be forgotten ({said}): stop its stages first")

    def close(self) -> None:
        self._consumer.close()
        self._admin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

"""What lies in a topic, from one offset to another: for commands that look something up. No group, nothing committed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

from kafka import TopicPartition
from kafka.errors import KafkaError

from ingest.broker import ANSWER_MS, BrokerSettings, BrokerUnavailable
from ingest.topics import TopicsDiffer, name
from sinks.consumer import Consumer

AT_ONCE = 5_000
WAIT_SECONDS = 30.0


class Stretch(NamedTuple):
    """From ``first`` up to but not including ``end``: there may be no record at some of the offsets."""

    first: int
    end: int


class Kept(NamedTuple):
    """A record of a topic; ``value`` None takes back what was said under its key. ``at``: when the broker took it in, in ms."""

    offset: int
    key: bytes
    value: bytes | None
    at: int = 0
    headers: Sequence[tuple[str, bytes]] = ()


class TopicReader:
    """Topics by their short names (``ingest.topics``). Raises :class:`BrokerUnavailable` from every method."""

    def __init__(self, broker: BrokerSettings) -> None:
        try:
            self._consumer = Consumer(
                **broker.client,
                client_id="crossdesk-reader",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
                max_poll_records=AT_ONCE,
                bootstrap_timeout_ms=ANSWER_MS,
            )
        except KafkaError as error:
            raise BrokerUnavailable(f"{broker.unanswered}: {error}") from error

    def stretches(self, topic: str) -> dict[int, Stretch]:
        """Partition -> what it holds now."""
        full = name(topic)
        try:
            partitions = [TopicPartition(full, number) for number in self._consumer.partitions_for_topic(full) or ()]
            firsts, ends = self._consumer.beginning_offsets(partitions), self._consumer.end_offsets(partitions)
        except KafkaError as error:
            raise BrokerUnavailable(f"the broker does not say what {full} holds: {error}") from error
        return {p.partition: Stretch(firsts[p], ends[p]) for p in partitions}

    def held(self, topic: str) -> Iterator[tuple[int, Kept]]:
        """Every record that is there now, with its partition, one partition after the other. Raises :class:`TopicsDiffer` too."""
        stretches = self.stretches(topic)
        if not stretches:
            raise TopicsDiffer(
                f"there is no topic {name(topic)}: `crossdesk topics apply` makes those that are missing"
            )
        for partition, stretch in stretches.items():
            for kept in self.read(topic, partition, stretch):
                yield partition, kept

    def read(self, topic: str, partition: int, stretch: Stretch) -> Iterator[Kept]:
        """Its records, in order. One is read at a time."""
        full = name(topic)
        there = TopicPartition(full, partition)
        try:
            self._consumer.assign([there])
            self._consumer.seek(there, stretch.first)
            until = time.monotonic() + WAIT_SECONDS
            while self._consumer.position(there) < stretch.end:
                records = self._consumer.poll(1000).get(there, ())
                if records:
                    until = time.monotonic() + WAIT_SECONDS
                elif time.monotonic() > until:
                    raise BrokerUnavailable(f"the broker gives no record of {full} since {WAIT_SECONDS:.0f} s")
                for record in records:
                    if record.offset < stretch.end:
                        yield Kept(record.offset, record.key or b"", record.value, record.timestamp, record.headers)
        except KafkaError as error:
            raise BrokerUnavailable(f"{full} cannot be read: {error}") from error

    def close(self) -> None:
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

"""What is said to Kafka: events under their case, marks to every partition. What the broker has acknowledged is accepted."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import Any, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError
from kafka.partitioner.default import murmur2

from ingest.broker import ANSWER_MS, BrokerSettings, BrokerUnavailable
from ingest.event import LARGEST_RECORD_BYTES
from ingest.topics import name

OUTSTANDING = 50_000
PLACED = 10_000
POSITIVE = 0x7FFFFFFF
LINGER_MS = 20
BATCH_BYTES = 256 * 1024
WAIT_SECONDS = 120.0
CLOSE_SECONDS = 1.0


class Publisher:
    """Says records to the topics of one installation, in order, each once: the broker knows what it was told before. No more than
    ``OUTSTANDING`` wait for their acknowledgement; who says more waits too. A broker that is away is waited for ``wait`` seconds.

    Raises :class:`ingest.broker.BrokerUnavailable` from every method: what was said may be there then, and can be said again.
    """

    def __init__(self, broker: BrokerSettings, *, wait: float = WAIT_SECONDS) -> None:
        self.wait = wait
        milliseconds = int(wait * 1000)
        try:
            self._producer = KafkaProducer(
                **broker.client,
                client_id="crossdesk-ingest",
                acks="all",
                enable_idempotence=True,
                compression_type="lz4",
                linger_ms=LINGER_MS,
                batch_size=BATCH_BYTES,
                max_request_size=LARGEST_RECORD_BYTES,
                max_block_ms=milliseconds,
                delivery_timeout_ms=milliseconds,
                request_timeout_ms=min(30_000, milliseconds // 2),
                bootstrap_timeout_ms=ANSWER_MS,
            )
        except KafkaError as error:
            raise BrokerUnavailable(f"{broker.unanswered}: {error}") from error
        self._waiting: deque[Any] = deque()
        self._partitions: dict[str, list[int]] = {}
        self._placed: dict[tuple[str, bytes], int] = {}

    def say(self, topic: str, key: str, value: bytes) -> None:
        """``topic`` by its short name (``ingest.topics``). An event without a key is a mark, and goes to every partition."""
        self._settle(OUTSTANDING)
        full = name(topic)
        try:
            if key:
                record_key = key.encode()
                partition = self._partition(full, record_key)
                self._waiting.append(self._producer.send(full, value, key=record_key, partition=partition))
            elif topic == "events":
                for partition in self._of(full):
                    self._waiting.append(self._producer.send(full, value, partition=partition))
            else:
                self._waiting.append(self._producer.send(full, value))
        except KafkaError as error:
            raise BrokerUnavailable(f"{full} takes no record: {error}") from error

    def settle(self) -> None:
        """Wait until everything has been acknowledged."""
        if self._waiting:
            try:
                self._producer.flush(self.wait)  # now, and not when more might have come
            except KafkaError as error:
                raise BrokerUnavailable(f"the broker has not acknowledged a record: {error}") from error
        self._settle(0)

    def _settle(self, left: int) -> None:
        while len(self._waiting) > left:
            try:
                self._waiting[0].get(timeout=self.wait)
            except KafkaError as error:
                raise BrokerUnavailable(f"the broker has not acknowledged a record: {error}") from error
            self._waiting.popleft()

    def _partition(self, topic: str, key: bytes) -> int:
        """Where Kafka's own clients put it. What is said of a case comes together, and the hash takes them long."""
        known = self._placed.get((topic, key))
        if known is None:
            if len(self._placed) >= PLACED:
                self._placed.clear()
            partitions = self._of(topic)
            known = self._placed[topic, key] = partitions[(murmur2(key) & POSITIVE) % len(partitions)]
        return known

    def _of(self, topic: str) -> list[int]:
        if topic not in self._partitions:
            self._partitions[topic] = sorted(self._producer.partitions_for(topic))
        return self._partitions[topic]

    def close(self) -> None:
        """What is not acknowledged by now is not waited for."""
        try:
            self._producer.close(timeout=CLOSE_SECONDS)
        except KafkaError:  # it waits for that all the same, then raises, and is not closed
            sender = self._producer._sender
            sender.force_close()
            sender.join(CLOSE_SECONDS)
            with suppress(KafkaError):
                self._producer.close(timeout=CLOSE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

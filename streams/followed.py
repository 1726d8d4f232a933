"""Topics of one partition that a worker reads for itself, from their beginning, whoever else does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

ONLY = 0
"""Its partition."""


@asynccontextmanager
async def at_beginning(topic: str, client: Mapping[str, Any]) -> AsyncIterator[tuple[AIOKafkaConsumer, TopicPartition]]:
    """A consumer of ``topic``, and that one's partition. ``client``: the arguments of a client of aiokafka."""
    partition = TopicPartition(topic, ONLY)
    consumer = AIOKafkaConsumer(**client, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        yield consumer, partition
    finally:
        await consumer.stop()


class Followed:
    """A topic that is read whole when a worker starts, and followed from then on. ``client``: the arguments of a client of
    aiokafka. ``hear`` is called with the key and the value of each record.
    """

    def __init__(self, topic: str, client: Mapping[str, Any], hear: Callable[[bytes, bytes], object]) -> None:
        self.topic, self.client, self.hear = topic, client, hear
        self.complete = asyncio.Event()
        """All that was there at the start has been read."""

    async def follow(self) -> None:
        """Read it from its beginning, and go on."""
        async with at_beginning(self.topic, self.client) as (consumer, partition):
            end = (await consumer.end_offsets([partition]))[partition]
            while True:
                if await consumer.position(partition) >= end:
                    self.complete.set()
                for records in (await consumer.getmany(timeout_ms=1000)).values():
                    for record in records:
                        if record.value is not None:
                            self.hear(record.key, record.value)

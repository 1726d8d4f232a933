"""A topic of one partition that each worker reads whole when it starts, and goes on to follow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

ONLY = 0
"""Its partition."""


class Followed:
    """``client``: the arguments of a client of aiokafka. ``hear`` is called with the key and the value of each record."""

    def __init__(self, topic: str, client: Mapping[str, Any], hear: Callable[[bytes, bytes], object]) -> None:
        self.topic, self.client, self.hear = topic, client, hear
        self.complete = asyncio.Event()
        """All that was there at the start has been read."""

    async def follow(self) -> None:
        """Read it from its beginning, and go on."""
        partition = TopicPartition(self.topic, ONLY)
        consumer = AIOKafkaConsumer(**self.client, auto_offset_reset="earliest", enable_auto_commit=False)
        await consumer.start()
        try:
            consumer.assign([partition])
            end = (await consumer.end_offsets([partition]))[partition]
            while True:
                if await consumer.position(partition) >= end:
                    self.complete.set()
                for records in (await consumer.getmany(timeout_ms=1000)).values():
                    for record in records:
                        if record.value is not None:
                            self.hear(record.key, record.value)
        finally:
            await consumer.stop()

"""Topics filled as a worker fills them: with record batches, as fast as the broker takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

from aiokafka import AIOKafkaProducer

from ingest.broker import BrokerSettings
from ingest.event import LARGEST_RECORD_BYTES
from streams.app import BATCH_BYTES
from streams.changelog import acknowledged
from streams.transport import Record, send_all


def fill(broker: BrokerSettings, topic: str, records: Mapping[int, Iterable[Record]]) -> None:
    """``records`` by partition, each in order. All replicas have them when it returns."""
    asyncio.run(_fill(broker.aiokafka, topic, records))


async def _fill(client: Mapping[str, Any], topic: str, records: Mapping[int, Iterable[Record]]) -> None:
    producer = AIOKafkaProducer(
        **client, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES, max_request_size=LARGEST_RECORD_BYTES
    )
    worker = SimpleNamespace(producer=SimpleNamespace(_ensure_producer=lambda: producer))
    await producer.start()
    try:
        for partition, of_partition in records.items():
            await acknowledged(await send_all(worker, topic, partition, of_partition))
    finally:
        await producer.stop()

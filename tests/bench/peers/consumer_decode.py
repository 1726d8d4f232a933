"""A bare consumer that decodes each record into its event: what any worker in Python costs at least."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition
from bench.peers.task import Clock, asked

from ingest.event import Mark, decode

TIMES = 4
"""It is quick, and keeps nothing: it reads the topic so often, or it would be done too soon to be measured."""


async def main() -> None:
    task = asked()
    clock = Clock(task._replace(until=TIMES * task.until))
    partition = TopicPartition(task.topic, 0)
    async with AIOKafkaConsumer(
        task.topic, bootstrap_servers=task.broker, group_id=task.group, auto_offset_reset="earliest"
    ) as consumer:
        for time in range(TIMES):
            if time:
                consumer.seek(partition, 0)
            before, offset = time * task.until, 0
            while offset < task.until - 1:
                for record in (await consumer.getmany(partition, timeout_ms=1000)).get(partition, ()):
                    offset = record.offset
                    clock.reaches(before + offset, event=not isinstance(decode(record.value), Mark))
                    if offset == task.until - 1:
                        break
        await consumer.commit({partition: task.until})
        clock.answer()


if __name__ == "__main__":
    asyncio.run(main())

"""Our worker, of the benchmark: the whole agent ``cases``. It decodes, folds, says facts, writes its state to the changelog, and
commits, each acknowledged before the next.
"""

from __future__ import annotations

import os
import sys

from bench.peers.task import Clock, asked

from deploy.configurations import Configurations
from deploy.demo import Demo
from deploy.memory import collect_rarely, keep_freed
from deploy.topics import Topics
from ingest import topics as declared
from ingest.broker import broker_settings
from ingest.topics import name
from streams.app import Streams
from streams.settings import CASES, Settings, Worker
from streams.settings import Topics as Named
from streams.transport import Batch


def main() -> None:
    keep_freed()
    task = asked()
    clock = Clock(task)
    settings = broker_settings({"CROSSDESK_KAFKA_BOOTSTRAP_SERVERS": task.broker})
    generation = 2 + int(task.group.rsplit("-", 1)[1])  # whose state is empty
    with Topics(settings, list(declared.topics(generation)), 1) as topics:
        topics.apply()
    with Configurations(settings) as configurations:
        if not configurations.read().versions:
            configurations.add(Demo(1, 1).configuration().files)
    named = Named(
        partitions=1,
        events=task.topic,
        cases_state=name("cases", generation),
        departments_state=name("departments", generation),
        **{
            topic: name(topic, generation)
            for topic in ("config", "facts", "pairs", "indicators", "rejected", "feedback", "sealed")
        },
    )
    collect_rarely()
    running = Streams(
        Worker(Settings(generation=generation, agents=frozenset({CASES})), named, task.group, settings.aiokafka)
    )
    stage = running.cases
    assert stage is not None
    take = stage.take

    async def measured(batch: Batch) -> bool:
        last = False
        for record in batch:
            last |= clock.reaches(record.offset, event=record.key is not None)
        done = await take(batch)
        if last:
            for _ in range(2):  # who asks while another commit is under way gets that one, from before this batch
                await running.app.consumer.commit()
            clock.answer()
            sys.stdout.flush()
            os._exit(0)
        return done

    stage.take = measured  # type: ignore[method-assign]
    running.run()


if __name__ == "__main__":
    main()

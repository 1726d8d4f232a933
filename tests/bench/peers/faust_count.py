"""Plain Faust: an agent that counts the events of each case in a table, which lies in memory and in a changelog. Its settings are
its defaults, and it takes orjson where it is installed.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import faust
from bench.peers.task import Clock, Task, asked


def application(task: Task, clock: Clock, **settings: Any) -> faust.App:
    app = faust.App(
        task.group,
        broker=f"kafka://{task.broker}",
        datadir=task.folder,
        consumer_auto_offset_reset="earliest",
        topic_replication_factor=1,
        topic_disable_leader=True,
        **settings,
    )
    events = app.topic(task.topic, key_type=str, value_serializer="json")
    counts = app.Table("counts", default=int, key_type=str, value_type=int, partitions=1)

    @app.agent(events)
    async def count(stream: faust.StreamT[Any]) -> None:
        async for event in stream.events():
            if event.key is not None:
                counts[event.key] += 1
            if clock.reaches(event.message.offset, event=event.key is not None):
                await stream.ack(event)
                await app.producer.flush()
                await app.consumer.commit()
                clock.answer()
                os.kill(os.getpid(), signal.SIGTERM)

    return app


def main(**settings: Any) -> None:
    task = asked()
    app = application(task, Clock(task), **settings)
    # Below the level of information nothing is said, and each line of its debugging log made nevertheless, for a spinner.
    sys.argv[1:] = ["worker", "--loglevel", "info", "--without-web"]
    app.main()


if __name__ == "__main__":
    main()

"""A crossdesk in which a rebalance breaks off the first recovery of a worker at its worst. ``python late_worker.py COMMAND …`` is
its command line.

- The last that was fetched of each changelog comes late, as what waits for room may: when the next recovery has begun, in which
  what lies before has not been read.
- A fetch that waits for records goes on waiting while partitions are assigned and sought anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from faust.types import TP

from streams.transport import Consumer, ConsumerThread, Listener

HELD, LATE = "held back", "comes late"
FETCH_SECONDS, SEEK_SECONDS = 30.0, 0.5

in_time = Consumer.getmany
assigned_at_once = Listener.on_partitions_assigned
seek_at_once = ConsumerThread._seek_wait
held: dict[TP, Any] = {}
"""Of each partition the last: what was fetched before it is gone with the first recovery."""
let_go = False
paused: list[Any] = []


async def getmany(self: Consumer, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ARG001
    global let_go
    async for tp, message in in_time(self, FETCH_SECONDS):
        if tp.topic in self.app.batched_topics or let_go:
            yield tp, message
        elif not held or any(one.value.generation == message.value.generation for one in held.values()):
            held[tp] = message
            print(f"{HELD}: {tp.topic}, {tp.partition}, from {message.value[0].offset}", flush=True)
        else:
            let_go = True
            for late in held.items():
                print(f"{LATE}: {late[0].topic}, {late[0].partition}", flush=True)
                yield late
                self._read_offset[late[0]] = None  # it does not come this way
            yield tp, message


async def assigned_without_records(self: Listener, assigned: Iterable[TP]) -> None:
    """Until they are sought: what a fetch takes before that comes again."""
    paused[:] = [tp for tp in assigned if tp.topic in self._thread.app.tables.changelog_topics]
    self._thread._ensure_consumer().pause(*paused)
    await assigned_at_once(self, assigned)


async def seek_slowly(self: ConsumerThread, consumer: Any, partitions: Mapping[TP, int]) -> None:
    """They have been sought and have records, and whoever seeks does not know it yet."""
    consumer.resume(*paused)
    paused.clear()
    await seek_at_once(self, consumer, partitions)
    await asyncio.sleep(SEEK_SECONDS)


if __name__ == "__main__":  # whoever imports this for its words has the transport as it is
    from deploy.cli import main

    setattr(Consumer, "getmany", getmany)  # noqa: B010  # by its name there
    setattr(Listener, "on_partitions_assigned", assigned_without_records)  # noqa: B010
    setattr(ConsumerThread, "_seek_wait", seek_slowly)  # noqa: B010
    main()

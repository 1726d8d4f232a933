"""A crossdesk to which the last that a worker first fetches of each changelog comes late, as what waits for room may: when its next
recovery has begun, in which what lies before has not been read. ``python late_worker.py COMMAND …`` is its command line.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from faust.types import TP

from streams.transport import Consumer

HELD, LATE = "held back", "comes late"

in_time = Consumer.getmany
held: dict[TP, Any] = {}
"""Of each partition the last: what was fetched before it is gone with the first recovery."""
let_go = False


async def getmany(self: Consumer, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
    global let_go
    async for tp, message in in_time(self, timeout):
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
            yield tp, message


setattr(Consumer, "getmany", getmany)  # noqa: B010  # by its name there

if __name__ == "__main__":
    from deploy.cli import main

    main()

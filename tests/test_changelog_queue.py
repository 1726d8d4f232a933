"""What a worker recovers from: nothing that was fetched before its partition was sought or assigned anew."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from faust.types import TP
from mode.utils.queues import FlowControlEvent

from streams.changelog import ChangelogQueue
from streams.transport import Batch

ONE, OTHER = TP("state", 0), TP("state", 1)


def fetched(thread: Any, tp: TP, offset: int) -> Any:
    batch = Batch([SimpleNamespace(offset=offset)], tp, thread.epoch[tp], thread)
    return SimpleNamespace(message=SimpleNamespace(tp=tp, value=batch))


def test_what_was_fetched_before_a_seek_is_passed_over_for_it_comes_again() -> None:
    thread = SimpleNamespace(epoch={ONE: 1, OTHER: 1}, app=SimpleNamespace(consumer_generation_id=1))
    before = [fetched(thread, ONE, 10), fetched(thread, OTHER, 20)]
    thread.epoch[ONE] += 1
    after = fetched(thread, ONE, 5)

    async def recovered() -> list[Any]:
        flow = FlowControlEvent(initially_suspended=False)
        queue = ChangelogQueue(8, flow_control=flow, clear_on_resume=True)
        for event in (*before, after):
            await queue.put(event)
        return [await queue.get() for _ in range(2)]

    assert asyncio.run(recovered()) == [before[1], after]


def test_who_waits_already_gets_nothing_that_is_put_late() -> None:
    thread = SimpleNamespace(epoch={ONE: 1}, app=SimpleNamespace(consumer_generation_id=1))
    late = fetched(thread, ONE, 10)
    thread.epoch[ONE] += 1
    after = fetched(thread, ONE, 5)

    async def recovered() -> Any:
        queue = ChangelogQueue(8, flow_control=FlowControlEvent(initially_suspended=False), clear_on_resume=True)
        waits = asyncio.ensure_future(queue.get())
        await asyncio.sleep(0)
        await queue.put(late)
        await asyncio.sleep(0)
        assert not waits.done()
        await queue.put(after)
        return await waits

    assert asyncio.run(recovered()) is after

"""The third agent: answers are sealed (docs/sealing.md), by the one worker that has the one partition of the feedback.

It keeps nothing on the broker but what is sealed: whoever gets the partition reads what has been sealed, and then the feedback from
its beginning. So single answers lie in that topic alone, for as long as it holds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from streams.changelog import acknowledged
from streams.configurations import Configurations
from streams.effects import Effects
from streams.followed import ONLY, at_beginning
from streams.sealed import decode
from streams.sealing import Sealing
from streams.settings import SEALING, Topics
from streams.stages import Stage, named_versions
from streams.transport import Batch, Record, send_all


class SealingStage(Stage):
    """``generation``: while another one is current, that one's worker seals, and what comes here is let by. ``client``: the
    arguments of a client of aiokafka.
    """

    name = SEALING

    def __init__(
        self, app: Any, topics: Topics, known: Configurations, client: Mapping[str, Any], generation: int
    ) -> None:
        super().__init__(app, known)
        self.topics, self.client, self.generation = topics, client, generation
        self.fold: Sealing | None = None
        self.next_offset = 0
        """Of the feedback, what ``fold`` has not folded."""

    async def take(self, batch: Batch) -> bool:
        if not await batch.owned() or not await self.configured(batch):
            return False
        if self.known.generation == self.generation:
            if not await self.reach(batch):
                return False
            fold = self.fold
            assert fold is not None
            effects = fold.batch(_numbered(batch))
            if not await batch.owned() or not await self.say(effects, batch):
                self.fold = None  # it has gone on
                return False
            self.next_offset = batch.next_offset
        self.did(batch)
        return True

    async def reach(self, batch: Batch) -> bool:
        """Have folded all that lies before the batch. False: a configuration is missing, and the worker stops."""
        first = batch[0].offset
        if self.fold is not None and self.next_offset == first:
            return True
        self.fold = None
        sealed = [decode(record.value) for record in await self.read(self.topics.sealed)]
        before = await self.read(self.topics.feedback, first)
        if not await self.configured(batch, before):
            return False
        fold = Sealing({}, self.known.version, sealed)
        effects = fold.batch(_numbered(before))  # what a worker that was killed had not said
        if not await batch.owned() or not await self.say(effects, batch):
            return False
        self.fold = fold
        return True

    def place(self, batch: Batch) -> str:
        """Its offsets are numbers of answers."""
        return str(batch.tp)

    async def say(self, effects: Effects, batch: Batch) -> bool:
        """Returns when all replicas have it: whether the partition is still ours. The state is in memory alone."""
        records: list[Record] = [(output.key, output.value, []) for output in effects.outputs]
        await acknowledged(await send_all(self.app, self.topics.sealed, ONLY, records))
        return await batch.owned()

    def versions(self, batch: Iterable[Any]) -> Iterable[int]:
        return named_versions(batch)

    async def read(self, topic: str, until: int | None = None) -> list[Any]:
        """All its records, or those before the offset ``until``."""
        async with at_beginning(topic, self.client) as (consumer, partition):
            end = (await consumer.end_offsets([partition]))[partition] if until is None else until
            found: list[Any] = []
            while await consumer.position(partition) < end:
                for records in (await consumer.getmany(timeout_ms=1000)).values():
                    found += (record for record in records if record.offset < end)
            return found


def _numbered(records: Iterable[Any]) -> list[tuple[int, bytes]]:
    return [(record.offset, record.value or b"") for record in records]

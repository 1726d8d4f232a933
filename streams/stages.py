"""The agents of a worker: the two folds, state in changelogged tables, effects in order (DESIGN 5.7).

A batch is the records of one fetch of one partition. What it leads to happens in this order, each acknowledged by all replicas
before the next: outputs, rows of state (the partition's own row last), the offset. A crash anywhere repeats work and loses none.
Any error ends the process: whoever starts it again finds everything as it was acknowledged last.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Generic

from aiokafka.partitioner import murmur2
from faust.types import TP

from ingest import event as e
from streams import fact as f
from streams import indicators as i
from streams.cases import Cases
from streams.changelog import ChangelogTable, Key, acknowledged
from streams.configurations import ANY, Configurations
from streams.departments import Departments
from streams.effects import GENERATION, Output, carry_out
from streams.followed import ONLY, Followed
from streams.pair_facts import Untold, decode, encode
from streams.settings import CASES, DEPARTMENTS, Topics
from streams.told import Told
from streams.transport import Batch, Record, Sent, send_all

log = logging.getLogger("crossdesk.streams")


_Way = tuple[Sequence[list[Record]], bytes | None, list[tuple[str, bytes]]]
"""Of outputs with one topic and owner: where they go, under which key (None: each has its own; empty: none), with which headers."""


class Stage:
    """An agent that takes one batch after the other, under the configurations that it names."""

    name: str

    def __init__(self, app: Any, known: Configurations) -> None:
        self.app, self.known = app, known
        self.refused: dict[TP, int] = {}
        """In which epoch a batch of a partition was not done: those behind it are not either, for it comes again first."""
        self.records = self.last_batch = 0

    async def run(self, stream: Any) -> None:
        """The agent: one batch after the other."""
        async for batch in stream:
            try:
                if self.refused.get(batch.tp) != batch.epoch and not await self.take(batch):
                    self.refused[batch.tp] = batch.epoch
            except Exception as error:  # Faust would start the agent again and stay, stuck
                log.exception("%s: stopped by an error", self.place(batch))
                await self.app.crash(error)
                return  # the batches behind it wait already

    async def take(self, batch: Batch) -> bool:
        """All effects of a batch, in order; or (False) none that matters: it comes again, here or at whoever has the partition."""
        raise NotImplementedError

    def place(self, batch: Batch) -> str:
        """What of the log is in hand, for whoever must find it."""
        return f"{batch.tp}, up to offset {batch.next_offset}"

    def did(self, batch: Batch) -> None:
        """All that it led to is there."""
        batch.ack()
        self.records, self.last_batch = self.records + len(batch), len(batch)

    async def configured(self, batch: Batch, records: Iterable[Any] | None = None) -> bool:
        """Whether every version that a mark of the batch, or of ``records``, names has come, before anything is folded under it."""
        app = self.app

        def given_up() -> bool:
            return batch.stale or app.should_stop or app.rebalancing

        def missing(version: int) -> Callable[[], None]:
            what = (
                "a configuration; `crossdesk apply FOLDER --kafka` says one"
                if version == ANY
                else f"version {version} of the configuration"
            )
            return lambda: log.warning("%s: waiting for %s", batch.tp.topic, what)

        for version in (ANY, *self.versions(batch if records is None else records)):
            if not await self.known.hold(version, given_up, missing(version)):
                return False
        return True

    def versions(self, batch: Iterable[Any]) -> Iterable[int]:
        """Those that marks among the records name."""
        raise NotImplementedError


class FoldStage(Stage, Generic[Key]):
    """One of the two folds over the partitions that are ours: what :class:`Cases` and :class:`Departments` have in common."""

    def __init__(self, app: Any, topics: Topics, table: ChangelogTable[Key], known: Configurations) -> None:
        super().__init__(app, known)
        self.topics = topics
        self.table: ChangelogTable[Key] = table
        self.folds: dict[int, tuple[dict[Key, bytes], Any]] = {}

    async def take(self, batch: Batch) -> bool:
        if not await batch.owned() or not await self.configured(batch):
            return False
        partition = batch.tp.partition
        rows, fold = self.fold(partition)
        changes, sent = await self.compute(fold, batch)
        await acknowledged(sent)
        if not await batch.owned():
            del self.folds[partition]  # it has gone on, and the rows have not
            return False
        await self.table.write(partition, changes, batch.next_offset - 1)
        carry_out(changes, rows)
        self.did(batch)
        return True

    def fold(self, partition: int) -> tuple[dict[Key, bytes], Any]:
        """The rows of a partition, and the fold over them: another one when they have been recovered anew."""
        rows, found = self.table.rows[partition], self.folds.get(partition)
        if found is None or found[0] is not rows:
            self.folds = dict(self.ours())  # what others have by now is let go
            found = self.folds[partition] = (rows, self.new_fold(partition, rows))
        return found

    def ours(self) -> list[tuple[int, tuple[dict[Key, bytes], Any]]]:
        """The folds over what is here, by partition."""
        return [(p, found) for p, found in list(self.folds.items()) if found[0] is self.table.rows.get(p)]

    def new_fold(self, partition: int, rows: dict[Key, bytes]) -> Any:
        raise NotImplementedError

    async def compute(self, fold: Any, batch: Batch) -> tuple[dict[Key, bytes | None], list[Sent]]:
        """Fold it, and say what must be said: the changes of rows, and what is on its way."""
        raise NotImplementedError


class CasesStage(FoldStage[str]):
    """What cases of one generation say to each other is for that generation alone, and lies among the events of all."""

    name = CASES

    def __init__(
        self, app: Any, topics: Topics, table: ChangelogTable[str], known: Configurations, generation: int
    ) -> None:
        super().__init__(app, topics, table, known)
        self.generation = str(generation).encode()

    def is_ours(self, headers: Iterable[tuple[str, bytes]]) -> bool:
        """Whoever else writes to the topic may have headers of other names."""
        return all(name != GENERATION or value == self.generation for name, value in headers)

    def new_fold(self, partition: int, rows: dict[str, bytes]) -> Cases:
        return Cases(rows, partition, self.known.version, lambda department: self.partition_of(department.encode()))

    def partition_of(self, key: bytes) -> int:
        return partition_of(key, self.topics.partitions)

    def versions(self, batch: Iterable[Any]) -> Iterable[int]:
        return named_versions(record for record in batch if not record.key)

    async def compute(self, fold: Cases, batch: Batch) -> tuple[dict[str, bytes | None], list[Sent]]:
        for_us = [record for record in batch if not record.headers or self.is_ours(record.headers)]
        effects = fold.batch([(record.offset, record.value or b"") for record in for_us])
        sent: list[Sent] = []
        for (topic, partition), records in self.addressed(effects.outputs).items():
            sent += await send_all(self.app, topic, partition, records)
        return effects.changes, sent

    def addressed(self, outputs: Iterable[Output]) -> dict[tuple[str, int], list[Record]]:
        """Outputs by topic and partition, each in the order in which it was said. What nobody owns goes to all partitions."""
        found: defaultdict[tuple[str, int], list[Record]] = defaultdict(list)
        ways: dict[tuple[str, str], _Way] = {}
        for output in outputs:
            way = ways.get((output.topic, output.owner))
            if way is None:
                way = ways[output.topic, output.owner] = self._way(output, found)
            to, key, headers = way
            record = (output.key if key is None else key or None, output.value, headers)
            for records in to:
                records.append(record)
        return found

    def _way(self, output: Output, found: Mapping[tuple[str, int], list[Record]]) -> _Way:
        topic = {"events": self.topics.events, "facts": self.topics.facts, "rejected": self.topics.rejected}[
            output.topic
        ]
        owner = output.owner.encode()
        if not owner:
            return [found[topic, partition] for partition in range(self.topics.partitions)], b"", []
        headers = [(GENERATION, self.generation)] if output.topic == "events" else []
        return [found[topic, self.partition_of(owner)]], None if output.topic == "facts" else owner, headers


class DepartmentsStage(FoldStage[bytes]):
    name = DEPARTMENTS

    def __init__(
        self,
        app: Any,
        topics: Topics,
        table: ChangelogTable[bytes],
        known: Configurations,
        client: Mapping[str, Any],
    ) -> None:
        super().__init__(app, topics, table, known)
        self.told: dict[int, Told] = {}
        self.untold = Untold(topics.partitions)
        self.others = Followed(topics.pairs, client, lambda key, record: self.untold.hear(key, decode(record)))

    def new_fold(self, partition: int, rows: dict[bytes, bytes]) -> Departments:
        self.told[partition] = Told(partition, self.untold)
        return Departments(rows, self.topics.partitions, self.known.version)

    def versions(self, batch: Iterable[Any]) -> Iterable[int]:
        for record in batch:
            if not record.key:
                mark = f.decode(record.value)
                if isinstance(mark, f.ConfigPassed):
                    yield mark.version

    async def compute(self, fold: Departments, batch: Batch) -> tuple[dict[bytes, bytes | None], list[Sent]]:
        effects = fold.batch([(record.offset, record.key or b"", record.value) for record in batch])
        return effects.changes, []

    async def tell(self) -> None:
        """What indicators say now, where that is new. Readers keep the highest offset, so it may be said at any time.

        Of departments first. Then how many facts stand behind the pairs of all our partitions: that decides which are told.
        """
        if not (self.known and self.others.complete.is_set()):
            return
        for partition, fold, told in self.telling():
            await self.say(partition, await told.departments(fold))
        for _, fold, told in self.telling():
            records: list[Record] = [(key, encode(facts), []) for key, facts in await told.counts(fold)]
            await acknowledged(await send_all(self.app, self.topics.pairs, ONLY, records))
        for partition, _, told in self.telling():
            await self.say(partition, await told.of_pairs())

    async def say(self, partition: int, values: Iterable[i.IndicatorValue]) -> None:
        await acknowledged(await send_all(self.app, self.topics.indicators, partition, map(as_record, values)))

    def telling(self) -> Iterator[tuple[int, Departments, Told]]:
        """The partitions for which this worker speaks: each is looked at when its turn comes."""
        for partition in self.recovered():
            if self.app.consumer.leased and partition in self.recovered():
                _, fold = self.fold(partition)
                yield partition, fold, self.told[partition]

    def recovered(self) -> list[int]:
        """The partitions whose rows are all here."""
        if self.app.rebalancing or not self.app.tables.actives_ready:
            return []
        return [tp.partition for tp in self.app.consumer.assignment() if tp.topic == self.topics.facts]


def named_versions(records: Iterable[Any]) -> Iterator[int]:
    """Those that marks among events or answers name. What cannot be read is the fold's to set aside, or to let by."""
    for record in records:
        with suppress(e.Unreadable):
            mark = e.decode(record.value or b"")
            if isinstance(mark, e.ConfigMark):
                yield mark.data.version


def as_record(value: i.IndicatorValue) -> Record:
    return (i.key(value), i.encode(value), [])


@lru_cache(maxsize=1 << 16)
def partition_of(key: bytes, partitions: int) -> int:
    """As kafka-python and Kafka's own clients choose it."""
    number: int = murmur2(key)
    return (number & 0x7FFFFFFF) % partitions

"""The cluster shell: the two folds as Faust agents, state in changelogged tables, effects in order (DESIGN 5.7).

A batch is the records of one fetch of one partition. What it leads to happens in this order, each acknowledged by all replicas before
the next: outputs, rows of state (the partition's own row last), the offset. A crash anywhere repeats work and loses none.
Any error ends the process: whoever starts it again finds everything as it was acknowledged last.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import lru_cache
from typing import Any, Generic

import faust
from aiokafka.partitioner import murmur2
from faust.types import TP

from ingest import event as e
from streams import fact as f
from streams import indicators as i
from streams.cases import Cases
from streams.changelog import BYTES, TEXT, ChangelogTable, Key, acknowledged
from streams.configurations import Configurations
from streams.departments import Departments
from streams.effects import Output, carry_out
from streams.settings import CASES, DEPARTMENTS, Broker, Settings, Topics
from streams.told import Told
from streams.transport import Batch, BatchedApp, Record, Sent, raw_topic, send_all

log = logging.getLogger("crossdesk.streams")

RECORD_BYTES = 16 * 1024 * 1024
BATCH_BYTES = 1_000_000


class Stage(Generic[Key]):
    """One of the two folds over the partitions that are ours: what :class:`Cases` and :class:`Departments` have in common."""

    def __init__(self, app: BatchedApp, settings: Settings, table: ChangelogTable[Key], known: Configurations) -> None:
        self.app, self.topics, self.table, self.known = app, settings.topics, table, known
        self.folds: dict[int, tuple[dict[Key, bytes], Any]] = {}
        self.records = self.batches = self.last_batch = 0
        self.busy = asyncio.Lock()

    async def run(self, stream: AsyncIterator[Batch]) -> None:
        """The agent: one batch after the other."""
        async for batch in stream:
            try:
                async with self.busy:
                    await self.take(batch)
            except Exception as error:  # noqa: BLE001  # Faust would start the agent again and stay, stuck
                log.exception("%s, up to offset %d: stopped by an error", batch.tp, batch.next_offset)
                await self.app.crash(error)

    async def take(self, batch: Batch) -> None:
        """All effects of a batch, in order, or none that matters: then it comes again, here or at whoever has the partition."""
        if not await batch.owned() or not await self.configured(batch):
            return
        partition = batch.tp.partition
        rows, fold = self.fold(partition)
        changes, sent = await self.compute(fold, batch)
        await acknowledged(sent)
        if not await batch.owned():
            del self.folds[partition]  # it has gone on, and the rows have not
            return
        await self.table.write(partition, changes, batch.next_offset - 1)
        carry_out(changes, rows)
        batch.ack()
        self.records, self.batches, self.last_batch = self.records + len(batch), self.batches + 1, len(batch)

    def fold(self, partition: int) -> tuple[dict[Key, bytes], Any]:
        """The rows of a partition, and the fold over them: another one when they have been recovered anew."""
        rows, found = self.table.rows[partition], self.folds.get(partition)
        if found is None or found[0] is not rows:
            found = self.folds[partition] = (rows, self.new_fold(partition, rows))
        return found

    async def configured(self, batch: Batch) -> bool:
        """Whether every version that a mark of the batch names has come, before anything is folded under it."""
        for version in self.versions(batch):
            if version not in self.known:
                log.warning("%s: waiting for version %d of the configuration", batch.tp, version)
            if not await self.known.hold(version, lambda: batch.stale):
                return False
        return await self.known.hold(0, lambda: batch.stale)

    def new_fold(self, partition: int, rows: dict[Key, bytes]) -> Any:
        raise NotImplementedError

    def versions(self, batch: Batch) -> Iterable[int]:
        raise NotImplementedError

    async def compute(self, fold: Any, batch: Batch) -> tuple[dict[Key, bytes | None], list[Sent]]:
        """Fold it, and say what must be said: the changes of rows, and what is on its way."""
        raise NotImplementedError


class CasesStage(Stage[str]):
    def new_fold(self, partition: int, rows: dict[str, bytes]) -> Cases:
        return Cases(rows, partition, self.known.__getitem__, lambda department: self.partition_of(department.encode()))

    def partition_of(self, key: bytes) -> int:
        return partition_of(key, self.topics.partitions)

    def versions(self, batch: Batch) -> Iterable[int]:
        for record in batch:
            if not record.key:
                try:
                    mark = e.decode(record.value or b"")
                except e.Unreadable:
                    continue  # the fold sets it aside
                if isinstance(mark, e.ConfigMark):
                    yield mark.data.version

    async def compute(self, fold: Cases, batch: Batch) -> tuple[dict[str, bytes | None], list[Sent]]:
        effects = fold.batch([(record.offset, record.value or b"") for record in batch])
        sent: list[Sent] = []
        for (topic, partition), records in self.addressed(effects.outputs).items():
            sent += await send_all(self.app, topic, partition, records)
        return effects.changes, sent

    def addressed(self, outputs: Iterable[Output]) -> dict[tuple[str, int], list[Record]]:
        """Outputs by topic and partition, each in the order in which it was said. What nobody owns goes to all partitions."""
        topics = {"events": self.topics.events, "facts": self.topics.facts, "rejected": self.topics.rejected}
        found: defaultdict[tuple[str, int], list[Record]] = defaultdict(list)
        for output in outputs:
            topic, owner = topics[output.topic], output.owner.encode()
            if owner:
                key = output.key if output.topic == "facts" else owner
                found[topic, self.partition_of(owner)].append((key, output.value, []))
            else:
                for partition in range(self.topics.partitions):
                    found[topic, partition].append((None, output.value, []))
        return found


class DepartmentsStage(Stage[bytes]):
    def __init__(
        self, app: BatchedApp, settings: Settings, table: ChangelogTable[bytes], known: Configurations
    ) -> None:
        super().__init__(app, settings, table, known)
        self.told: dict[int, Told] = {}

    def new_fold(self, partition: int, rows: dict[bytes, bytes]) -> Departments:
        self.told[partition] = Told()
        return Departments(rows, self.topics.partitions, self.known.__getitem__)

    def versions(self, batch: Batch) -> Iterable[int]:
        for record in batch:
            if not record.key:
                mark = f.decode(record.value)
                if isinstance(mark, f.ConfigPassed):
                    yield mark.version

    async def compute(self, fold: Departments, batch: Batch) -> tuple[dict[bytes, bytes | None], list[Sent]]:
        effects = fold.batch([(record.offset, record.key or b"", record.value) for record in batch])
        return effects.changes, []

    async def tell(self) -> None:
        """What indicators say now, where that is new. Readers keep the highest offset, so it may be said at any time."""
        for partition in list(self.folds):
            async with self.busy:
                rows, fold = self.folds.get(partition, (None, None))
                if rows is None or self.table.rows.get(partition) is not rows:
                    continue
                values = await self.told[partition].news(fold)
                sent = await send_all(self.app, self.topics.indicators, partition, map(as_record, values))
            await acknowledged(sent)


def as_record(value: i.IndicatorValue) -> Record:
    return (i.key(value), i.encode(value), [])


@lru_cache(maxsize=1 << 16)
def partition_of(key: bytes, partitions: int) -> int:
    """As kafka-python and Kafka's own clients choose it."""
    number: int = murmur2(key)
    return (number & 0x7FFFFFFF) % partitions


class Streams:
    """A worker: an app of Faust, and what it works on. :meth:`run` returns when it was told to stop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.known = Configurations(settings.topics.config, settings.broker.client)
        self.app = new_app(settings)
        topics, partitions = settings.topics, settings.topics.partitions
        self.stages: dict[str, Stage[Any]] = {}
        if CASES in settings.agents:
            rows = ChangelogTable(self.app, CASES, topics.cases_state, partitions, TEXT)
            self.stages[topics.events] = CasesStage(self.app, settings, rows, self.known)
        if DEPARTMENTS in settings.agents:
            kept = ChangelogTable(self.app, DEPARTMENTS, topics.departments_state, partitions, BYTES)
            stage = self.stages[topics.facts] = DepartmentsStage(self.app, settings, kept, self.known)
            self.app.task(self.ending(lambda: every(settings.tell_seconds, stage.tell)))
        self.app.batched_topics = frozenset(self.stages)
        for topic, stage in self.stages.items():
            source = raw_topic(self.app, topic, partitions)
            self.app.agent(source, name=topic, concurrency=1)(stage.run)
        self.app.task(self.ending(self.known.follow))

    def ending(self, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """An error in a task would go unheard: it ends the process."""

        async def task() -> None:
            try:
                await work()
            except Exception as error:  # noqa: BLE001  # it does end here
                log.exception("stopped by an error")
                await self.app.crash(error)

        return task

    @property
    def partitions(self) -> list[TP]:
        """That are ours now."""
        return [tp for tp in self.app.consumer.assignment() if tp.topic in self.stages]


async def every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await work()
        await asyncio.sleep(seconds)


def new_app(settings: Settings) -> BatchedApp:
    """Settings that were measured: see docs/kafka.md."""
    return BatchedApp(
        settings.group,
        broker=[f"kafka://{server}" for server in settings.broker.servers],
        broker_credentials=credentials(settings.broker),
        broker_session_timeout=settings.session_seconds,
        broker_heartbeat_interval=1,
        broker_rebalance_timeout=10,
        broker_commit_interval=0.5,
        broker_max_poll_records=settings.most_records,
        consumer_max_fetch_size=4 * 1024 * 1024,
        consumer_group_instance_id=settings.instance or None,
        consumer_auto_offset_reset="earliest",
        producer_acks=-1,
        producer_linger_ms=0,
        producer_max_batch_size=BATCH_BYTES,
        producer_max_request_size=RECORD_BYTES,
        stream_wait_empty=True,
        stream_recovery_delay=0,
        stream_buffer_maxsize=8,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        store="memory://",
        datadir=None,
    )


def credentials(broker: Broker) -> Any:
    if broker.sasl_mechanism:
        return faust.SASLCredentials(
            username=broker.sasl_username,
            password=broker.sasl_password,
            ssl_context=broker.ssl_context,
            mechanism=broker.sasl_mechanism,
        )
    return faust.SSLCredentials(broker.ssl_context) if broker.ssl_context else None

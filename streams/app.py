"""The cluster shell: the two folds as Faust agents, state in changelogged tables, effects in order (DESIGN 5.7).

A batch is the records of one fetch of one partition. What it leads to happens in this order, each acknowledged by all replicas
before the next: outputs, rows of state (the partition's own row last), the offset. A crash anywhere repeats work and loses none.
Any error ends the process: whoever starts it again finds everything as it was acknowledged last.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache, partial
from time import monotonic
from typing import Any, Generic, NamedTuple

import faust
from aiokafka.partitioner import murmur2
from faust.types import TP

from ingest import event as e
from streams import fact as f
from streams import indicators as i
from streams.cases import Cases
from streams.changelog import BYTES, TEXT, ChangelogTable, Key, acknowledged
from streams.clock import NEVER
from streams.configurations import ANY, Configurations
from streams.departments import Departments
from streams.effects import GENERATION, Output, carry_out
from streams.settings import CASES, DEPARTMENTS, Topics, Worker
from streams.told import Told
from streams.transport import Batch, BatchedApp, Record, Sent, raw_topic, send_all

log = logging.getLogger("crossdesk.streams")

BATCH_BYTES = 1_000_000
ASK_SECONDS = 2.0
LONGEST_REST = 5.0


class Stage(Generic[Key]):
    """One of the two folds over the partitions that are ours: what :class:`Cases` and :class:`Departments` have in common."""

    name: str

    def __init__(self, app: Any, topics: Topics, table: ChangelogTable[Key], known: Configurations) -> None:
        self.app, self.topics, self.known = app, topics, known
        self.table: ChangelogTable[Key] = table
        self.folds: dict[int, tuple[dict[Key, bytes], Any]] = {}
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
                log.exception("%s, up to offset %d: stopped by an error", batch.tp, batch.next_offset)
                await self.app.crash(error)
                return  # the batches behind it wait already

    async def take(self, batch: Batch) -> bool:
        """All effects of a batch, in order; or (False) none that matters: it comes again, here or at whoever has the partition."""
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
        batch.ack()
        self.records, self.last_batch = self.records + len(batch), len(batch)
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

    async def configured(self, batch: Batch) -> bool:
        """Whether every version that a mark of the batch names has come, before anything is folded under it."""
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

        for version in (ANY, *self.versions(batch)):
            if not await self.known.hold(version, given_up, missing(version)):
                return False
        return True

    def new_fold(self, partition: int, rows: dict[Key, bytes]) -> Any:
        raise NotImplementedError

    def versions(self, batch: Batch) -> Iterable[int]:
        raise NotImplementedError

    async def compute(self, fold: Any, batch: Batch) -> tuple[dict[Key, bytes | None], list[Sent]]:
        """Fold it, and say what must be said: the changes of rows, and what is on its way."""
        raise NotImplementedError


class CasesStage(Stage[str]):
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
        for_us = [record for record in batch if not record.headers or self.is_ours(record.headers)]
        effects = fold.batch([(record.offset, record.value or b"") for record in for_us])
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
                headers = [(GENERATION, self.generation)] if output.topic == "events" else []
                found[topic, self.partition_of(owner)].append((key, output.value, headers))
            else:
                for partition in range(self.topics.partitions):
                    found[topic, partition].append((None, output.value, []))
        return found


class DepartmentsStage(Stage[bytes]):
    name = DEPARTMENTS

    def __init__(self, app: Any, topics: Topics, table: ChangelogTable[bytes], known: Configurations) -> None:
        super().__init__(app, topics, table, known)
        self.told: dict[int, Told] = {}

    def new_fold(self, partition: int, rows: dict[bytes, bytes]) -> Departments:
        self.told[partition] = Told()
        return Departments(rows, self.topics.partitions, self.known.version)

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
        for partition in self.recovered():
            if self.known and self.app.consumer.leased and partition in self.recovered():
                _, fold = self.fold(partition)
                values = await self.told[partition].news(fold)
                await acknowledged(await send_all(self.app, self.topics.indicators, partition, map(as_record, values)))

    def recovered(self) -> list[int]:
        """The partitions whose rows are all here."""
        if self.app.rebalancing or not self.app.tables.actives_ready:
            return []
        return [tp.partition for tp in self.app.consumer.assignment() if tp.topic == self.topics.facts]


def as_record(value: i.IndicatorValue) -> Record:
    return (i.key(value), i.encode(value), [])


@lru_cache(maxsize=1 << 16)
def partition_of(key: bytes, partitions: int) -> int:
    """As kafka-python and Kafka's own clients choose it."""
    number: int = murmur2(key)
    return (number & 0x7FFFFFFF) % partitions


class Figures(NamedTuple):
    """How a worker is doing. ``offsets``: of each partition that is ours, what is committed and where it ended when the broker was
    last asked, ``asked`` (``time.monotonic``). ``recovering``: records of changelogs still to be read. ``watermarks``: of each
    source the least over our partitions, ``as_of`` the same of what indicators tell, in microseconds. ``counts``: what the folds
    count.
    """

    offsets: Mapping[tuple[str, int], tuple[int, int]]
    asked: float
    recovering: int
    rows: int
    records: Mapping[str, int]
    batch: Mapping[str, int]
    watermarks: Mapping[str, int]
    as_of: int | None
    counts: Mapping[str, int]


class Streams:
    """A worker: an app of Faust, and what it works on."""

    def __init__(self, worker: Worker) -> None:
        topics, partitions = worker.topics, worker.topics.partitions
        self.known = Configurations(topics.config, worker.client)
        self.app: Any = new_app(worker)
        self.ends: dict[TP, int] = {}
        self.asked = 0.0
        self.cases: CasesStage | None = None
        self.departments: DepartmentsStage | None = None
        if CASES in worker.settings.agents:
            rows = ChangelogTable(self.app, CASES, topics.cases_state, partitions, TEXT)
            self.cases = CasesStage(self.app, topics, rows, self.known, worker.settings.generation)
            self.serve(topics.events, partitions, self.cases)
        if DEPARTMENTS in worker.settings.agents:
            kept = ChangelogTable(self.app, DEPARTMENTS, topics.departments_state, partitions, BYTES)
            self.departments = DepartmentsStage(self.app, topics, kept, self.known)
            self.serve(topics.facts, partitions, self.departments)
            self.app.task(self.ending(partial(every, worker.settings.tell_seconds, self.departments.tell)))
        self.app.task(self.ending(self.known.follow))
        self.app.task(self.ending(partial(every, ASK_SECONDS, self.ask)))

    def run(self) -> None:
        """Until SIGTERM or SIGINT: then the batch in hand is finished and committed. Raises SystemExit, not 0 after an error."""
        worker = faust.Worker(self.app, loglevel="warn", quiet=True, redirect_stdouts=False, override_logging=False)
        worker.spinner = None
        worker.execute_from_commandline()

    def serve(self, topic: str, partitions: int, stage: Stage[Any]) -> None:
        self.app.batched_topics |= {topic}
        self.app.agent(raw_topic(self.app, topic, partitions), name=topic, concurrency=1)(stage.run)

    @property
    def stages(self) -> list[Stage[Any]]:
        return [stage for stage in (self.cases, self.departments) if stage is not None]

    def ending(self, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """An error in a task would go unheard: it ends the process. Who is stopped already finds its clients closed."""

        async def task() -> None:
            try:
                await work()
            except Exception as error:  # it does end here
                if self.app.should_stop:
                    log.info("while it stopped: %r", error)
                    return
                log.exception("stopped by an error")
                await self.app.crash(error)

        return task

    async def ask(self) -> None:
        """Where the partitions that are ours end."""
        ours = [tp for tp in self.app.consumer.assignment() if tp.topic in self.app.batched_topics]
        ends = await self.app.consumer.highwaters(*ours) if ours else {}
        self.ends = {TP(tp.topic, tp.partition): end for tp, end in ends.items()}
        self.asked = monotonic()

    def figures(self) -> Figures:
        """From any thread."""
        recovery, consumer = self.app.tables.recovery, self.app._consumer  # which is not made from here
        committed = dict(consumer._committed_offset) if consumer is not None else {}
        recovering = recovery.active_remaining_total() if recovery.in_recovery and consumer is not None else 0
        marks: dict[str, int] = {}
        counts: Counter[str] = Counter()
        if self.cases is not None:
            for _, (_, fold) in self.cases.ours():
                counts.update(dict(fold.meta.counts))
                for source, until in list(fold.meta.marks.items()):
                    marks[source] = min(until, marks.get(source, until))
        told = [fold for _, (_, fold) in self.departments.ours()] if self.departments is not None else []
        return Figures(
            offsets={(tp.topic, tp.partition): (committed.get(tp) or 0, end) for tp, end in list(self.ends.items())},
            asked=self.asked,
            recovering=max(recovering, 0),
            rows=sum(len(rows) for stage in self.stages for rows in list(stage.table.rows.values())),
            records={stage.name: stage.records for stage in self.stages},
            batch={stage.name: stage.last_batch for stage in self.stages},
            watermarks=marks,
            as_of=min((fold.meta.as_of for fold in told if fold.meta.as_of != NEVER), default=None),
            counts=counts,
        )


async def every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """So often, but no more than half of the time."""
    while True:
        began = monotonic()
        await work()
        await asyncio.sleep(rest(seconds, monotonic() - began))


def rest(seconds: float, took: float) -> float:
    """What took longer than ``LONGEST_REST`` has waited for a broker, and not worked."""
    return max(seconds, min(took, LONGEST_REST))


def new_app(worker: Worker) -> BatchedApp:
    """With the settings that were measured to lose nothing (tests/chaos) and to be fast."""
    settings = worker.settings
    return BatchedApp(
        worker.group,
        broker=[f"kafka://{server}" for server in worker.client["bootstrap_servers"]],
        broker_credentials=credentials(**worker.client),
        broker_session_timeout=settings.session_seconds,
        broker_heartbeat_interval=1,
        broker_rebalance_timeout=10,
        broker_commit_interval=0.5,
        broker_max_poll_records=settings.batch_records,
        consumer_max_fetch_size=4 * 1024 * 1024,
        consumer_group_instance_id=settings.instance or None,
        consumer_auto_offset_reset="earliest",
        producer_acks=-1,
        producer_linger_ms=0,
        producer_max_batch_size=BATCH_BYTES,
        producer_max_request_size=e.LARGEST_RECORD_BYTES,
        stream_wait_empty=True,
        stream_recovery_delay=0,
        stream_buffer_maxsize=8,
        topic_disable_leader=True,
        table_standby_replicas=0,  # every worker would read and hold all, and not notice what moves
        topic_allow_declare=False,
        web_enabled=False,
        store="memory://",
        datadir=None,
    )


def credentials(
    *,
    ssl_context: Any = None,
    sasl_mechanism: str = "",
    sasl_plain_username: str = "",
    sasl_plain_password: str = "",
    **_: Any,
) -> Any:
    """What aiokafka is given, as Faust wants it."""
    if sasl_mechanism:
        return faust.SASLCredentials(
            username=sasl_plain_username,
            password=sasl_plain_password,
            ssl_context=ssl_context,
            mechanism=sasl_mechanism,
        )
    return faust.SSLCredentials(ssl_context) if ssl_context else None

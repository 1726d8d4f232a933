"""The cluster shell: the folds as Faust agents, and how a worker is doing."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from time import monotonic
from typing import Any, NamedTuple

import faust
from faust.types import TP
from mode.loop import use

from ingest import event as e
from streams.changelog import BYTES, TEXT, ChangelogTable
from streams.clock import NEVER
from streams.configurations import Configurations
from streams.recovery import Tables
from streams.sealing_stage import SealingStage
from streams.settings import CASES, DEPARTMENTS, SEALING, Worker
from streams.stages import CasesStage, DepartmentsStage, FoldStage, Stage
from streams.transport import POLL_SECONDS, BatchedApp, raw_topic

log = logging.getLogger("crossdesk.streams")

BATCH_BYTES = 1_000_000
ASK_SECONDS = 2.0
LONGEST_WORK = 5.0
"""What took longer has waited for a broker, and not worked."""


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
        self.feedback = topics.feedback
        self.ends: dict[TP, int] = {}
        self.asked = 0.0
        self.cases: CasesStage | None = None
        self.departments: DepartmentsStage | None = None
        generation = worker.settings.generation
        if CASES in worker.settings.agents:
            rows = ChangelogTable(self.app, CASES, topics.cases_state, partitions, TEXT)
            self.cases = CasesStage(self.app, topics, rows, self.known, generation)
            self.serve(topics.events, partitions, self.cases)
        if DEPARTMENTS in worker.settings.agents:
            kept = ChangelogTable(self.app, DEPARTMENTS, topics.departments_state, partitions, BYTES)
            self.departments = DepartmentsStage(self.app, topics, kept, self.known, worker.client)
            self.serve(topics.facts, partitions, self.departments)
            self.app.task(self.ending(self.departments.others.follow))
            self.app.task(self.ending(partial(every, worker.settings.tell_seconds, self.departments.tell, self.behind)))
        if SEALING in worker.settings.agents:
            self.serve(topics.feedback, 1, SealingStage(self.app, topics, self.known, worker.client, generation))
        self.app.task(self.ending(self.known.follow))
        self.app.task(self.ending(partial(every, ASK_SECONDS, self.ask)))

    def run(self) -> None:
        """Until SIGTERM or SIGINT: then the batch in hand is finished and committed. Raises SystemExit, not 0 after an error."""
        use(
            "uvloop"
        )  # rows and facts go out a MiB at a time, and that with fewer steps in Python: a twentieth less of the whole
        worker = faust.Worker(self.app, loglevel="warn", quiet=True, redirect_stdouts=False, override_logging=False)
        worker.spinner = None
        worker.execute_from_commandline()

    def serve(self, topic: str, partitions: int, stage: Stage) -> None:
        self.app.batched_topics |= {topic}
        self.app.agent(raw_topic(self.app, topic, partitions), name=topic, concurrency=1)(stage.run)

    @property
    def stages(self) -> list[FoldStage[Any]]:
        """Those whose progress may be seen: that of sealing would tell when somebody has answered."""
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

    def behind(self) -> bool:
        """Whether batches wait behind those in hand: what indicators say now will soon be otherwise."""
        return any(sum(not batch.done for batch in queue) > 1 for queue in self.app.consumer.inflight.values())

    async def ask(self) -> None:
        """Where the partitions that are ours end. Of the feedback nobody asks: its offsets are numbers of answers."""
        ours = [tp for tp in self.app.consumer.assignment() if tp.topic in self.app.batched_topics - {self.feedback}]
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


async def every(seconds: float, work: Callable[[], Awaitable[None]], busy: Callable[[], bool] = lambda: False) -> None:
    """So often, but for no more than two thirds of the time, and for one while others are ``busy``."""
    while True:
        began = monotonic()
        await work()
        ended = monotonic()
        took = min(ended - began, LONGEST_WORK)
        await asyncio.sleep(max(seconds, took / 2))
        while busy() and monotonic() < ended + 2 * took:
            await asyncio.sleep(POLL_SECONDS)


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
        TableManager=Tables,
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

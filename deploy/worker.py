"""A worker of the cluster as a process, with what it says about itself."""

from __future__ import annotations

import logging
import os
from threading import Event, Thread
from time import CLOCK_BOOTTIME, clock_gettime, monotonic

from deploy.groups import GroupNames
from deploy.health import HealthServer, Lag, Moving
from deploy.memory import collect_rarely, keep_freed
from deploy.rejected.ledger import Row
from deploy.rejected.limit import RejectedLimit
from deploy.stage import log_to_stderr
from deploy.topics import refuse_differences
from ingest.broker import BrokerSettings, broker_settings
from ingest.environment import read
from ingest.topics import name
from sinks.prometheus import Exporter
from streams.app import Figures, Streams
from streams.settings import ENVIRONMENT, Settings, Topics, Worker

log = logging.getLogger("crossdesk.streams")

LOOK_SECONDS = 1.0
SILENT_SECONDS = 10.0
STUCK_EXIT = 70


def run() -> None:
    """Until SIGTERM. Raises ``BadSettings``, ``BrokerUnavailable``, ``TopicsDiffer``, and SystemExit."""
    keep_freed()
    log_to_stderr()
    logging.getLogger("mode.timers").setLevel(logging.ERROR)  # a large batch makes its timers late, as it should
    settings = read(Settings, ENVIRONMENT, os.environ)
    broker = broker_settings(os.environ)
    worker = worker_of(settings, broker)
    collect_rarely()
    running = Streams(worker)
    exporter = Exporter()
    watch = Watch(running, settings, exporter, broker)
    server = HealthServer(
        settings.health_host,
        settings.health_port,
        exporter.render,
        watch.not_live,
        watch.not_ready,
        variable=f"{ENVIRONMENT}HEALTH_PORT",
    )
    log.info("started: http://%s:%d/ready, /live and /metrics", settings.health_host, server.port)
    watch.start()
    try:
        running.run()
    finally:
        watch.stop()
        server.close()


def worker_of(settings: Settings, broker: BrokerSettings) -> Worker:
    """What a worker on this broker is made of. Raises ``BadSettings``, ``BrokerUnavailable``, ``TopicsDiffer``."""
    generation = settings.generation
    topics = Topics(
        partitions=refuse_differences(broker, generation),
        cases_state=name("cases", generation),
        departments_state=name("departments", generation),
        **{
            topic: name(topic, generation)
            for topic in ("events", "config", "facts", "pairs", "indicators", "rejected", "feedback", "sealed")
        },
    )
    return Worker(settings, topics, GroupNames.of(generation).streams, broker.aiokafka)


class Watch:
    """Looks at a worker from a thread of its own, so that it sees too when its loop hangs."""

    def __init__(self, running: Streams, settings: Settings, exporter: Exporter, broker: BrokerSettings) -> None:
        self.running, self.settings, self.events = running, settings, name("events")
        self.moving = Moving(now(), settings.stuck_seconds)
        self.figures: Figures | None = None
        self.stuck_since: float | None = None
        self.missed = False
        """A broker that answers."""
        self.recovering = 0
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="watch", daemon=True)
        self._metrics = Metrics(exporter)
        self._rejected = RejectedLimit(broker, settings.rejected_limit, self._is_ours, self._many_unreadable)

    def start(self) -> None:
        self._thread.start()
        self._rejected.start()

    def stop(self) -> None:
        self._stopping.set()
        self._rejected.stop()

    def not_live(self) -> str:
        return self.not_ready() if self.stuck_for > self.settings.stuck_seconds else ""

    def not_ready(self) -> str:
        figures = self.figures
        if self.recovering:
            return f"recovering: {self.recovering:,} records of state are still to be read"
        if figures is None or not figures.asked:
            return "not a member of its group yet"
        if self.silent > self.settings.stuck_seconds:
            return f"no broker has answered for {self.silent:.0f} s"
        return self._unmoved() or self._rejected.not_ready()

    def _is_ours(self, row: Row) -> bool:
        """Whether it lies in a partition of ours."""
        return self.figures is not None and (self.events, row.partition) in self.figures.offsets

    def _many_unreadable(self) -> bool:
        """Ever since the events are folded. How many of them nobody has handled, only the topic tells."""
        return self.figures is not None and self.figures.counts.get("unreadable", 0) > self.settings.rejected_limit

    @property
    def silent(self) -> float:
        """For how many seconds no broker has said where our partitions end."""
        return monotonic() - self.figures.asked if self.figures is not None and self.figures.asked else 0.0

    @property
    def stuck_for(self) -> float:
        """For how many seconds it has been seen not to go on."""
        return now() - self.stuck_since if self.stuck_since is not None else 0.0

    def _unmoved(self) -> str:
        return self.moving.reason(now())

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self._look()
            except Exception:
                log.exception("it could not be seen how the worker is doing")
            if reason := self.not_live():
                log.critical("%s. It ends here; started again, it goes on from what is committed", reason)
                os._exit(STUCK_EXIT)

    def _look(self) -> None:
        self.figures = figures = self.running.figures()
        self._hear()
        self._metrics.saw(figures)
        self.moving.saw(now(), figures.offsets)
        before, self.recovering = self.recovering, figures.recovering
        goes_on = self.recovering < before if self.recovering else not self._unmoved()
        if goes_on:
            self.stuck_since = None
        elif self.stuck_since is None:
            self.stuck_since = now()

    def _hear(self) -> None:
        if self.silent > SILENT_SECONDS and not self.missed:
            self.missed = True
            log.error("no broker answers; records wait there and nothing is lost, we go on when one does")
        elif self.missed and self.silent <= SILENT_SECONDS:
            self.missed = False
            log.warning("the broker answers again")


def now() -> float:
    """Seconds of a clock that goes on while the process is stopped, or the machine sleeps."""
    return clock_gettime(CLOCK_BOOTTIME)


class Metrics:
    """A worker's own, for Prometheus."""

    def __init__(self, exporter: Exporter) -> None:
        self._lag = Lag(exporter)
        self._records = exporter.count("streams_records_total", "Records folded.", ("stage",))
        self._batch = exporter.level("streams_batch_records", "Records in the last batch.", ("stage",))
        self._rows = exporter.level("streams_state_rows", "Rows of state in memory.", ())
        self._recovering = exporter.level("streams_recovery_records", "Records of changelogs still to be read.", ())
        self._marks = exporter.level(
            "streams_watermark_timestamp_seconds", "Everything of the source is known up to then.", ("source",)
        )
        self._as_of = exporter.level("streams_as_of_timestamp_seconds", "Up to when indicators tell.", ())
        self._counted = exporter.level(
            "streams_noticed_events", "Late, held, unreadable, contradicting events.", ("kind",)
        )
        self._known: dict[str, int] = {}

    def saw(self, figures: Figures) -> None:
        self._lag.saw(figures.offsets)
        for stage, records in figures.records.items():
            self._records.add(records - self._known.get(stage, 0), stage=stage)
            self._known[stage] = records
            self._batch.set(figures.batch[stage], stage=stage)
        self._rows.set(figures.rows)
        self._recovering.set(figures.recovering)
        for source, until in figures.watermarks.items():
            self._marks.set(until / 1e6, source=source)
        if figures.as_of is not None:
            self._as_of.set(figures.as_of / 1e6)
        for kind, number in figures.counts.items():
            self._counted.set(number, kind=kind)

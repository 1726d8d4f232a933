"""The stage that takes in what sources tell: a thread for each that is asked, a port for webhooks, and what is due by the day."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from time import monotonic

from deploy.configurations import Configurations
from deploy.directory import of_topic, refresh
from deploy.folder import Stopped as AppliedMeanwhile
from deploy.health import HealthServer
from deploy.ingest_metrics import Metrics
from deploy.ingesting import Shared, Way, api_of, cursors_of, inboxes_of, pollers_of, secret_in, take_file, ways_of
from deploy.memory import collect_rarely
from deploy.reconcile_cli import said_on_kafka, walked
from deploy.rejected.limit import RejectedLimit, of_sources
from deploy.sources_file import load
from deploy.stage import log_to_stderr, run_until_stopped
from deploy.succession import Refused
from deploy.topic_reader import TopicReader
from deploy.topics import refuse_differences
from ingest.answers.keys import BadKeys, Keys
from ingest.answers.store import AnswersError, AnswerStore
from ingest.api import Stopped
from ingest.broker import BrokerSettings, BrokerUnavailable
from ingest.connector import has_hooks, reads_files
from ingest.connectors import CONNECTORS
from ingest.environment import BadSettings
from ingest.event import Answered, Created, Rated, encode, watermark
from ingest.inbox import Inbox
from ingest.intake import Answer
from ingest.polling import Poller
from ingest.publish import Publisher
from ingest.settings import ENVIRONMENT, IngestSettings, identity_of
from ingest.sources import SourceEntry
from ingest.topics import TopicsDiffer
from ingest.webhooks.app import Hooks, HookSource
from ingest.webhooks.serving import serve
from sinks.prometheus import Exporter

log = logging.getLogger("crossdesk.ingest")

JOIN_SECONDS = 5.0
REFRESH = timedelta(hours=1)
CHORE_SECONDS = 60.0
GRACE = timedelta(seconds=60)
"""How long a webhook may be on its way before its source is believed to have said all."""
MARK_SECONDS = 5.0


def run_stage(settings: IngestSettings, broker: BrokerSettings) -> None:
    """Until SIGTERM. Raises ``BadSettings``, ``BrokerUnavailable``, ``TopicsDiffer``, ``AnswersError``, ``CannotServe``."""
    collect_rarely()
    log_to_stderr()
    identity, entries = identity_of(settings), load(settings.sources).sources
    refuse_differences(broker, 1)
    exporter, limit = Exporter(), RejectedLimit(broker, settings.rejected_limit, of_sources)
    with ExitStack() as ends:
        store = open_store(settings, entries)
        if store is not None:
            ends.enter_context(store)
        with TopicReader(broker) as reader:
            persons = Shared(of_topic(reader))
        ways = ways_of(entries, identity, persons, store.keep_all if store is not None else no_store)
        stage = Stage(settings, broker, ways, store, cursors_of(broker))
        metrics = Metrics(exporter, stage)
        host, variable = settings.health_host, f"{ENVIRONMENT}HEALTH_PORT"
        health = HealthServer(
            host,
            settings.health_port,
            exporter.render,
            ready=lambda: stage.not_ready() or limit.not_ready(),
            variable=variable,
        )
        ends.enter_context(closing(health))
        limit.start()
        ends.callback(limit.stop)
        log.info("started: http://%s:%d/ready, /live and /metrics", host, health.port)
        ended = run_until_stopped(stage.run, lambda _: metrics.look(), patience=2 * JOIN_SECONDS + 10)
    if not ended:
        log.warning("stopped in the middle of a question that does not end; it will be asked again")
        os._exit(0)
    log.info("stopped")


def take_file_of(entry: SourceEntry, path: Path, settings: IngestSettings, broker: BrokerSettings) -> str:
    """What became of it."""
    refuse_differences(broker, 1)
    if not reads_files(type(entry.built())):
        raise BadSettings(f"{entry.name} is read from no file: its connector is {entry.connector}")
    with ExitStack() as ends:
        store = open_store(settings, [entry])
        if store is not None:
            ends.enter_context(store)
        with TopicReader(broker) as reader:
            persons = of_topic(reader)
        ways = ways_of([entry], identity_of(settings), persons, store.keep_all if store is not None else no_store)
        way = ways[entry.name]
        take_file(way, path, broker)
    counts = ", ".join(f"{getattr(way.counts, kind):,} {kind}" for kind in way.counts.__struct_fields__)
    return f"{path}: {counts}"


def refuse_without_a_store(settings: IngestSettings, entries: Iterable[SourceEntry]) -> None:
    """Raises :class:`ingest.environment.BadSettings` where a source tells answers, and it is not set where they wait."""
    telling = [entry.name for entry in entries if {Answered, Rated} & CONNECTORS[entry.connector].tells]
    if telling and settings.answers is None:
        raise BadSettings(
            f"{telling[0]} tells answers or ratings, and there is nowhere to keep them until their week is over: set"
            f" {ENVIRONMENT}ANSWERS to a file and {ENVIRONMENT}ANSWERS_KEY_FILE to that of its key (docs/feedback.md)"
        )


def open_store(settings: IngestSettings, entries: Iterable[SourceEntry]) -> AnswerStore | None:
    """Where answers wait, if it is set. Raises :class:`ingest.environment.BadSettings`."""
    refuse_without_a_store(settings, entries)
    if settings.answers is None or settings.answers_key is None:
        return None
    try:
        return AnswerStore(settings.answers, Keys(settings.answers_key.get_secret_value()))
    except BadKeys as error:
        raise BadSettings(f"{ENVIRONMENT}ANSWERS_KEY_FILE: {error}") from None


def no_store(answers: Sequence[Answer]) -> None:
    raise AnswersError(f"{answers[0].source} told an answer, and its connector does not say that it can")


class Stage:
    def __init__(
        self,
        settings: IngestSettings,
        broker: BrokerSettings,
        ways: Mapping[str, Way],
        store: AnswerStore | None,
        cursors: Mapping[str, str],
    ) -> None:
        self.settings, self.broker, self.ways, self.store = settings, broker, ways, store
        self.stop = Event()
        self.pollers: Mapping[str, Poller] = pollers_of(ways, broker, cursors, self.stop)
        self.inboxes: Mapping[str, Inbox] = inboxes_of(ways, broker, self.stop)
        hooked = {name: self._hooked(way) for name, way in ways.items() if has_hooks(type(way.connector))}
        self.hooks = Hooks(hooked, lambda: Publisher(broker)) if hooked else None
        self.marked: dict[str, float] = {}
        """Sources that are not asked: up to when all of them is believed to have been said, in seconds since 1970."""
        self.missing: dict[str, int] = {}
        """Events of each source that had not been said when it was last walked whole."""

    def _hooked(self, way: Way) -> HookSource:
        poller = self.pollers.get(way.entry.name)
        secrets = [secret_in(path) for path in way.entry.hook_secret_files]
        return HookSource(way.connector, secrets, way.intake, poller.ring if poller else _nobody_to_ask(way))

    def not_ready(self) -> str:
        return self.hooks.away if self.hooks is not None else ""

    def run(self, stop: Event) -> None:
        """Until ``stop``."""
        work: list[Callable[[], None]] = [poller.run for poller in self.pollers.values()]
        work += [inbox.run for inbox in self.inboxes.values()]
        work.append(self._chores)
        if self.settings.reconcile_hours:
            work.append(self._reconcile)
        with ExitStack() as ends:
            if self.hooks is not None:
                settings, hooks = self.settings, self.hooks
                hooks.start()
                ends.callback(hooks.close)
                port = ends.enter_context(
                    serve(
                        hooks.app,
                        settings.hooks_host,
                        settings.hooks_port,
                        certificate=settings.tls_certificate,
                        key=settings.tls_key,
                    )
                )
                log.info("webhooks are taken at %s:%d/hooks/SOURCE", settings.hooks_host, port)
                if told := self._told_by_hooks():
                    work.append(lambda: self._mark(told, hooks))
            ends.callback(self._join, [_started(one) for one in work])
            stop.wait()
            self.stop.set()
            for poller in self.pollers.values():
                poller.wake()

    def _join(self, threads: Sequence[Thread]) -> None:
        end = monotonic() + JOIN_SECONDS
        for thread in threads:
            thread.join(max(0.0, end - monotonic()))

    # -- what is due
    def _chores(self) -> None:
        """Answers leave when their week is over; what HR systems have said joins the configuration."""
        refreshed, version = datetime.min.replace(tzinfo=UTC), 0
        while not self.stop.is_set():
            try:
                with Publisher(self.broker) as publisher:
                    while not self.stop.is_set():
                        now = datetime.now(UTC)
                        if now - refreshed >= REFRESH:
                            with Configurations(self.broker) as configurations:
                                in_force = refresh(configurations)
                            refreshed, version = now, in_force.version if in_force else 0
                        if self.store is not None:
                            self.store.publish(now, publisher, version)
                        self.stop.wait(CHORE_SECONDS)
            except (BrokerUnavailable, AnswersError, Refused, TopicsDiffer, AppliedMeanwhile) as error:
                log.warning("%s", error)
                self.stop.wait(CHORE_SECONDS)

    def _reconcile(self) -> None:
        """Each source that is asked is compared with what was said of it, and what is missing is said."""
        while not self.stop.wait(self.settings.reconcile_hours * 3600.0):
            for name in self.pollers:
                way = self.ways[name]
                try:
                    said = said_on_kafka(self.broker, name)
                    with (
                        api_of(way.entry, way.connector, way.budget, self.stop) as api,
                        Publisher(self.broker) as publisher,
                    ):
                        found = walked(way.connector, api, way.people.identity, said, publisher)
                except Stopped:
                    return
                except Exception as error:  # noqa: BLE001  # one source stops no other, nor the next time
                    log.warning("%s could not be compared with what was said of it: %s", name, error)
                else:
                    self.missing[name] = found.missing.total()
                    if self.missing[name]:
                        log.warning("%s: %d events were missing, and have been said", name, self.missing[name])

    def _told_by_hooks(self) -> list[str]:
        """Sources of cases that nobody asks: their watermark is that nothing which they sent waits."""
        return [
            name
            for name, way in self.ways.items()
            if name not in self.pollers and has_hooks(type(way.connector)) and Created in way.connector.tells
        ]

    def _mark(self, sources: Sequence[str], hooks: Hooks) -> None:
        while not self.stop.is_set():
            try:
                with Publisher(self.broker) as publisher:
                    while not self.stop.wait(MARK_SECONDS):
                        if not hooks.away:
                            self._mark_once(sources, hooks, publisher)
            except BrokerUnavailable as error:
                log.info("no watermark is said: %s", error)

    def _mark_once(self, sources: Sequence[str], hooks: Hooks, publisher: Publisher) -> None:
        now = datetime.now(UTC)
        for source in sources:
            until = min(now, hooks.oldest(source) or now) - GRACE
            publisher.say("events", "", encode(watermark(source, until)))
            self.marked[source] = until.timestamp()
        publisher.settle()


def _started(work: Callable[[], None]) -> Thread:
    thread = Thread(target=work, name="ingest", daemon=True)
    thread.start()
    return thread


def _nobody_to_ask(way: Way) -> Callable[[str], None]:
    """Said once: a source sends many."""
    warned = Event()

    def ring(subject: str) -> None:  # noqa: ARG001
        if not warned.is_set():
            warned.set()
            log.warning(
                "%s: its webhooks tell only that a case has changed, and without `url` nobody can be asked",
                way.entry.name,
            )

    return ring

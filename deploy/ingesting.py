"""The stage that takes in what sources tell: pollers, each in a thread of its own, and the port for webhooks."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import NamedTuple

from deploy.topic_reader import TopicReader
from ingest.api import Budget, HttpApi
from ingest.broker import BrokerSettings
from ingest.connector import Api, Connector
from ingest.environment import BadSettings
from ingest.identity import Identity, People
from ingest.intake import Answers, Counts, Intake, Persons
from ingest.polling import Poller
from ingest.publish import Publisher
from ingest.sources import SourceEntry
from sinks.prometheus import Exporter

log = logging.getLogger("crossdesk.ingest")

CURSORS = "cursors"
JOIN_SECONDS = 5.0


class Way(NamedTuple):
    """All that the documents of one source need: their connector, its people, what was counted, and to where they go."""

    entry: SourceEntry
    connector: Connector
    people: People
    counts: Counts
    persons: Persons
    answers: Answers

    @contextmanager
    def open(self, broker: BrokerSettings) -> Iterator[Intake]:
        """A way of one's own: of one thread."""
        with Publisher(broker) as publisher:
            yield Intake(self.connector, self.people, publisher, self.persons, self.answers, self.counts)


def secret_in(path: Path) -> str:
    """Raises :class:`ingest.environment.BadSettings`."""
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadSettings(f"cannot read the secret {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadSettings(f"the secret {path} is no text in UTF-8") from None
    if not secret:
        raise BadSettings(f"the secret {path} is empty")
    return secret


def api_of(entry: SourceEntry, connector: Connector, budget: Budget, stop: Event) -> AbstractContextManager[Api]:
    """The source's API, with the secret as the file has it now."""
    if entry.secret_file is None:
        raise BadSettings(f"{entry.name}: secret_file is missing")
    headers = connector.authorization(secret_in(entry.secret_file))
    try:
        return HttpApi(entry.url, headers, budget, stop.wait, ca_file=entry.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise BadSettings(f"{entry.name}: ca_file {entry.ca_file} cannot be used: {error}") from None


def cursors_of(broker: BrokerSettings) -> dict[str, str]:
    """Source -> from where to go on."""
    with closing(TopicReader(broker)) as reader:
        ((partition, stretch),) = reader.stretches(CURSORS).items()
        return {kept.key.decode(): (kept.value or b"").decode() for kept in reader.read(CURSORS, partition, stretch)}


def pollers_of(
    ways: Mapping[str, Way], broker: BrokerSettings, cursors: Mapping[str, str], stop: Event
) -> dict[str, Poller]:
    """Of the sources that have an API."""
    return {name: _poller(way, broker, cursors.get(name, ""), stop) for name, way in ways.items() if way.entry.url}


def _poller(way: Way, broker: BrokerSettings, cursor: str, stop: Event) -> Poller:
    entry, budget = way.entry, Budget(way.entry.requests_per_minute)
    return Poller(
        lambda: api_of(entry, way.connector, budget, stop),
        lambda: way.open(broker),
        source=entry.name,
        cursor=cursor,
        every=entry.every.total_seconds(),
        stop=stop,
    )


class Threads:
    """One for each poller."""

    def __init__(self, pollers: Mapping[str, Poller], stop: Event) -> None:
        self._pollers, self._stop = pollers, stop
        self._threads = [Thread(target=p.run, name=f"poll-{name}", daemon=True) for name, p in pollers.items()]

    def run(self) -> None:
        """Until ``stop``."""
        for thread in self._threads:
            thread.start()
        self._stop.wait()
        for poller in self._pollers.values():
            poller.wake()
        end = monotonic() + JOIN_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - monotonic()))


def ways_of(
    entries: Iterator[SourceEntry], identity: Identity, persons: Persons, answers: Callable[[SourceEntry], Answers]
) -> dict[str, Way]:
    ways = {}
    for entry in entries:
        connector = entry.built()
        ways[entry.name] = Way(entry, connector, People(identity, entry.name), Counts(), persons, answers(entry))
    return ways


class Metrics:
    """Of the intake, for Prometheus."""

    def __init__(self, exporter: Exporter, ways: Mapping[str, Way], pollers: Mapping[str, Poller]) -> None:
        self._ways, self._pollers = ways, pollers
        of = ("source",)
        self._said = exporter.level("ingest_said_records", "Since the start, by what they are.", ("source", "kind"))
        self._up = exporter.level("ingest_source_up", "1: it answered when it was last asked; 0: it fails.", of)
        self._until = exporter.level(
            "ingest_watermark_timestamp_seconds", "Everything of the source up to then has been said.", of
        )
        self._pages = exporter.level("ingest_pages", "Read and acknowledged since the start.", of)
        self._failures = exporter.level("ingest_failures", "Of the source, since the start.", of)
        self._unresolved = exporter.level(
            "ingest_unresolved_persons_ratio", "Persons known only by the source's own id, of all that were told.", of
        )

    def look(self) -> None:
        for name, way in self._ways.items():
            for kind in way.counts.__struct_fields__:
                self._said.set(getattr(way.counts, kind), source=name, kind=kind)
            told = way.people.known + way.people.unknown
            if told:
                self._unresolved.set(way.people.unknown / told, source=name)
        for name, poller in self._pollers.items():
            standing = poller.standing
            self._up.set(0 if standing.failing else 1, source=name)
            self._pages.set(standing.pages, source=name)
            self._failures.set(standing.failures, source=name)
            if standing.until:
                self._until.set(standing.until, source=name)

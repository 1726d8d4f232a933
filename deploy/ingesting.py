"""What the sources of sources.yaml become: each a connector, its people, its API and its way to the log."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Event, Lock
from typing import NamedTuple, get_args

from deploy.topic_reader import TopicReader
from ingest.api import Budget, HttpApi
from ingest.broker import BrokerSettings
from ingest.connector import Api, Connector
from ingest.environment import BadSettings, content
from ingest.event import PersonEvent
from ingest.files import open_log
from ingest.identity import Identity, People
from ingest.inbox import Inbox
from ingest.intake import Answers, Counts, Intake, Persons, Sink, Told
from ingest.mail.imap import ImapApi
from ingest.polling import Poller
from ingest.publish import Publisher
from ingest.sources import SourceEntry

CURSORS = "cursors"
PERSONS = frozenset(get_args(PersonEvent))


class Way(NamedTuple):
    """All that the documents of one source need."""

    entry: SourceEntry
    connector: Connector
    people: People
    counts: Counts
    budget: Budget
    persons: Persons
    answers: Answers

    def intake(self, sink: Sink) -> Intake:
        return Intake(self.connector, self.people, sink, self.persons, self.answers, self.counts)

    @property
    def cursor_key(self) -> str:
        """Of the topic of cursors. A source that tells where persons are begins anew under another key of pseudonyms: by their new
        ones nobody has been told of.
        """
        return f"{self.entry.name}/{self.people.identity.key_id}" if self.connector.tells & PERSONS else self.entry.name

    @contextmanager
    def open(self, broker: BrokerSettings) -> Iterator[Intake]:
        """For one thread."""
        with Publisher(broker) as publisher:
            yield self.intake(publisher)


def ways_of(entries: Iterable[SourceEntry], identity: Identity, persons: Persons, answers: Answers) -> dict[str, Way]:
    """By the names of the sources."""
    return {entry.name: _way(entry, identity, persons, answers) for entry in entries}


def _way(entry: SourceEntry, identity: Identity, persons: Persons, answers: Answers) -> Way:
    people, budget = People(identity, entry.name), Budget(entry.requests_per_minute)
    return Way(entry, entry.built(), people, Counts(), budget, persons, answers)


class Shared:
    """One directory for the threads of all sources."""

    def __init__(self, persons: Persons) -> None:
        self._persons, self._lock = persons, Lock()

    def __call__(self, told: Told) -> list[tuple[str, bytes]]:
        with self._lock:
            return list(self._persons(told))


def secret_in(path: Path) -> str:
    """Raises :class:`ingest.environment.BadSettings`."""
    secret = content(path, "a secret of sources.yaml").strip()
    if not secret:
        raise BadSettings(f"the secret {path} is empty")
    return secret


def api_of(entry: SourceEntry, connector: Connector, budget: Budget, stop: Event) -> AbstractContextManager[Api]:
    """The source's API, with the secret as its file has it now. Raises :class:`ingest.environment.BadSettings`."""
    if entry.secret_file is None:
        raise BadSettings(f"{entry.name}: secret_file is missing")
    told = connector.authorization(secret_in(entry.secret_file))
    try:
        if entry.url.startswith("imap"):
            return ImapApi(entry.url, **told, ca_file=entry.ca_file)
        return HttpApi(entry.url, told, budget, stop.wait, ca_file=entry.ca_file)
    except ValueError as error:
        raise BadSettings(f"{entry.name}: {error}") from None
    except (OSError, ssl.SSLError) as error:
        raise BadSettings(f"{entry.name}: ca_file {entry.ca_file} cannot be used: {error}") from None


def cursors_of(broker: BrokerSettings) -> dict[str, str]:
    """The key of a source's cursor -> from where to go on."""
    with TopicReader(broker) as reader:
        ((partition, stretch),) = reader.stretches(CURSORS).items()
        return {kept.key.decode(): (kept.value or b"").decode() for kept in reader.read(CURSORS, partition, stretch)}


def pollers_of(
    ways: Mapping[str, Way], broker: BrokerSettings, cursors: Mapping[str, str], stop: Event
) -> dict[str, Poller]:
    """Of the sources that have an API."""
    return {
        name: _poller(way, broker, cursors.get(way.cursor_key, ""), stop) for name, way in ways.items() if way.entry.url
    }


def _poller(way: Way, broker: BrokerSettings, cursor: str, stop: Event) -> Poller:
    entry = way.entry
    return Poller(
        lambda: api_of(entry, way.connector, way.budget, stop),
        lambda: way.open(broker),
        source=entry.name,
        cursor=cursor,
        cursor_key=way.cursor_key,
        every=entry.every.total_seconds(),
        stop=stop,
    )


def inboxes_of(ways: Mapping[str, Way], broker: BrokerSettings, stop: Event) -> dict[str, Inbox]:
    """Of the sources that have a folder for their files. Raises :class:`ingest.environment.BadSettings`."""
    return {name: _inbox(way, way.entry.folder, broker, stop) for name, way in ways.items() if way.entry.folder}


def _inbox(way: Way, folder: Path, broker: BrokerSettings, stop: Event) -> Inbox:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadSettings(f"{way.entry.name}: the folder {folder} is not there, or files cannot be moved in it")
    every = way.entry.every.total_seconds()
    return Inbox(folder, lambda: way.open(broker), source=way.entry.name, every=every, stop=stop)


def take_file(way: Way, path: Path, broker: BrokerSettings) -> None:
    """All that a file of the source tells. Raises ``ingest.connector.BadFile``."""
    with open_log(path) as lines, way.open(broker) as intake:
        intake.take(way.connector.filed(lines, str(path)))
        intake.settle()

"""Where what was rejected lies: in a folder, or on Kafka. How it is read there, and how it is written that it is handled."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from typing import NamedTuple

import msgspec

from deploy import serve
from deploy.folder import asked, exists, identity_of, log_of, opened
from deploy.intake import bring_up_to_date
from deploy.log import Log
from deploy.log_sink import LogSink
from deploy.rejected.replay import NotReplayed, Origin
from ingest.api import Budget
from ingest.connector import is_polled
from ingest.environment import read
from ingest.identity import Identity, People
from ingest.intake import Answer, Intake, Sink, Told
from ingest.settings import ENVIRONMENT, IngestSettings
from ingest.settings import identity_of as identity_of_settings
from ingest.sources import SourceEntry

Values = Callable[[], Iterable[bytes]]
"""Reads the topic from its beginning, in its order."""


class Desk(NamedTuple):
    """``values``: see :data:`Values`; ``held``: what lies at a partition and offset of the events."""

    values: Values
    sink: Sink
    held: Callable[[int, int], bytes | None]
    identity: Callable[[], Identity]


def values_of(folder: Path | None) -> Values:
    """Of the folder, or on Kafka where there is none. Nothing is written."""
    return _on_kafka if folder is None else lambda: _in_folder(folder)


def _on_kafka() -> Iterable[bytes]:
    from deploy import cluster_asked  # whoever needs no Kafka does not wait for it

    return cluster_asked.set_aside()


def _in_folder(folder: Path) -> Iterable[bytes]:
    body = asked(folder, "/rejected", {})
    if body is None:
        with log_of(folder) as log:
            body = serve.set_aside(log)
    return map(bytes, msgspec.json.decode(body, type=list[msgspec.Raw]))


@contextmanager
def desk(folder: Path | None) -> Iterator[Desk]:
    """To write too. What is said in a folder is folded at the end; raises ``deploy.folder.Stopped`` where it is in use."""
    with ExitStack() as stack:
        if folder is None:
            yield _desk_on_kafka(stack)
            return
        exists(folder)
        embedded = stack.enter_context(opened(folder))
        log = embedded.log
        before = log.end("events")
        yield Desk(lambda: _values_in(log), LogSink(log), lambda _, at: _held_in(log, at), lambda: identity_of(folder))
        if log.end("events") > before:
            embedded.fold()
            bring_up_to_date(embedded)


@contextmanager
def discarding(folder: Path | None) -> Iterator[Desk]:
    """To write about what was rejected, and nothing else: no store is opened."""
    with ExitStack() as stack:
        if folder is None:
            yield _desk_on_kafka(stack)
            return
        log = stack.enter_context(log_of(folder))
        yield Desk(lambda: _values_in(log), LogSink(log), lambda _, at: _held_in(log, at), lambda: identity_of(folder))


def _values_in(log: Log) -> Iterable[bytes]:
    return (record.value for record in log.read("rejected", 0, 1 << 30))


def _held_in(log: Log, offset: int) -> bytes | None:
    for record in log.read("events", offset, 1):
        if record.offset == offset:
            return record.value
    return None


def _desk_on_kafka(stack: ExitStack) -> Desk:
    from deploy.topic_reader import Stretch, TopicReader
    from ingest.broker import broker_settings
    from ingest.publish import Publisher

    broker = broker_settings(os.environ)
    reader = stack.enter_context(TopicReader(broker))
    publisher = stack.enter_context(Publisher(broker))

    def held(partition: int, offset: int) -> bytes | None:
        there = reader.stretches("events").get(partition)
        if there is None or not there.first <= offset < there.end:
            return None
        found = [record.value for record in reader.read("events", partition, Stretch(offset, offset + 1))]
        return found[0] if found else None

    def identity() -> Identity:
        return identity_of_settings(read(IngestSettings, ENVIRONMENT, os.environ))

    return Desk(_on_kafka, publisher, held, identity)


# -- sources that are asked again
class Origins:
    """The sources of a file, each opened when it is first asked for, and closed with ``stack``."""

    def __init__(self, sources: Path, desk: Desk, stack: ExitStack) -> None:
        self._sources, self._desk, self._stack = sources, desk, stack
        self._opened: dict[str, Origin] = {}

    def __call__(self, name: str) -> Origin:
        """Raises :class:`NotReplayed`, and ``ingest.environment.BadSettings``."""
        if name not in self._opened:
            self._opened[name] = self._open(name)
        return self._opened[name]

    def _open(self, name: str) -> Origin:
        from deploy.ingesting import api_of

        entry = self._entry(name)
        connector = entry.built()
        if not entry.url or not is_polled(type(connector)):
            raise NotReplayed(f"{name} has no API to ask: mend it at its source, send it again, and discard this one")
        people = People(self._desk.identity(), name)
        api = api_of(entry, connector, Budget(entry.requests_per_minute), Event())
        return Origin(Intake(connector, people, self._desk.sink, _persons, _answers), self._stack.enter_context(api))

    def _entry(self, name: str) -> SourceEntry:
        from deploy import sources_file

        if not self._sources.exists():
            raise NotReplayed(
                f"there is no {self._sources}, which says how {name or 'its source'} is asked: name the file with --sources;"
                " or mend what was sent, send it again, and discard this record of it"
            )
        for entry in sources_file.load(self._sources).sources:
            if entry.name == name:
                return entry
        raise NotReplayed(
            f"{self._sources} names no source {name!r}: mend it where it came from, send it again, and discard this one"
        )


def _persons(told: Told) -> Iterable[tuple[str, bytes]]:
    source = told.events[0].source
    raise NotReplayed(f"it tells of a person: the next poll of {source} hears of it by itself; discard this one")


def _answers(answers: Sequence[Answer]) -> None:
    raise NotReplayed(f"it is an answer: the next poll of {answers[0].source} hears of it by itself; discard this one")

"""Where what sources tell is said: cases, weekly scores and suggestions to the log, persons to the directory, answers to
where they wait for the end of their week, and what cannot be read to where it waits for somebody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import msgspec
from msgspec import Struct

from ingest.connector import Connector, Document, Rejected
from ingest.event import (
    Absent,
    Answered,
    CaseEvent,
    Joined,
    Left,
    Moved,
    OpenFeedback,
    OpenPositions,
    PersonEvent,
    Rated,
    encode,
)
from ingest.identity import People

Answer = Answered | Rated


class Sink(Protocol):
    """What says records to a log, in order; ``topic`` by its short name. What :meth:`settle` has returned for is durable. Both may
    raise ``ingest.broker.BrokerUnavailable``: what was said may be there then, and can be said again.
    """

    def say(self, topic: str, key: str, value: bytes) -> None: ...

    def settle(self) -> None: ...


class Told(NamedTuple):
    """What a document says of persons, or of open positions. ``whole``: all that its source has to say of where they were, or how
    many; else changes, told alone.
    """

    events: Sequence[PersonEvent | OpenPositions]
    whole: bool


Persons = Callable[[Told], Iterable[tuple[str, bytes]]]
"""What the directory (``ingest.directory``) holds of them because of it: keys and records."""
Answers = Callable[[Sequence[Answer]], None]
"""Keeps answers, all or none: they are durable when this returns."""


class Counts(Struct):
    """Of one source, since the start: for ``/metrics``."""

    events: int = 0
    persons: int = 0
    answers: int = 0
    rejected: int = 0


class Intake:
    """One source's way to the log. One thread at a time. ``counts`` go on, where the way is a new one."""

    def __init__(
        self,
        connector: Connector,
        people: People,
        sink: Sink,
        persons: Persons,
        answers: Answers,
        counts: Counts | None = None,
    ) -> None:
        self.connector, self.people, self.sink = connector, people, sink
        self.counts = Counts() if counts is None else counts
        self._persons, self._answers = persons, answers
        self._answered: list[Answer] = []
        self._known: dict[str, bytes] = {}
        self._directed: dict[str, bytes] = {}

    def take(self, documents: Iterable[Document | Rejected]) -> None:
        """Say what they mean. Durable when the sink is settled."""
        for document in documents:
            if isinstance(document, Rejected):
                self._say(document)
            else:
                self._take(document)

    def settle(self) -> None:
        """What was taken is durable when this returns."""
        answered, self._answered = self._answered, []
        if answered:
            self._answers(answered)
        self.sink.settle()
        self._known |= self._directed
        self._directed = {}

    def _take(self, document: Document) -> None:
        told: list[PersonEvent | OpenPositions] = []
        whole = self.connector.is_history(document)
        for made in self.connector.parse(document, self.people):
            if isinstance(made, Joined | Moved | Left | Absent | OpenPositions):
                told.append(made)
            else:
                whole = whole and not isinstance(made, Rejected)
                self._say(made)
        if told:
            self._direct(Told(told, whole))

    def _direct(self, told: Told) -> None:
        """What was said and is durable is not said again."""
        self.counts.persons += len(told.events)
        for key, record in self._persons(told):
            if self._known.get(key) != record:
                self.sink.say("directory", key, record)
                self._directed[key] = record

    def _say(self, made: CaseEvent | Answer | OpenFeedback | Rejected) -> None:
        counts = self.counts
        if isinstance(made, Rejected):
            counts.rejected += 1
            self.sink.say("rejected", made.subject, msgspec.json.encode(made))
        elif isinstance(made, Answered | Rated):
            counts.answers += 1
            self._answered.append(made)
        else:
            counts.events += 1
            self.sink.say("events", made.key, encode(made))

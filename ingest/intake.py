"""Where what sources tell is said: cases and weekly scores to the log, persons to the directory, answers to
where they wait for the end of their week, and what cannot be read to where it waits for somebody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec
from msgspec import Struct

from ingest.connector import Connector, Document, FromOutside, Rejected
from ingest.event import Absent, Answered, Joined, Left, Moved, PersonEvent, Rated, encode
from ingest.identity import People

Answer = Answered | Rated


class Sink(Protocol):
    """What says records to a log, in order; ``topic`` by its short name. What :meth:`settle` has returned for is durable. Both may
    raise ``ingest.broker.BrokerUnavailable``: what was said may be there then, and can be said again.
    """

    def say(self, topic: str, key: str, value: bytes) -> None: ...

    def settle(self) -> None: ...


Persons = Callable[[PersonEvent], Iterable[tuple[str, bytes]]]
"""What the directory must be told because of it: keys and records. Nothing, where it knows that."""
Answers = Callable[[Answer], None]
"""Keeps an answer: it is durable when this returns."""


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

    def take(self, documents: Iterable[Document | Rejected]) -> None:
        """Say what they mean. Durable when the sink is settled."""
        for document in documents:
            made = [document] if isinstance(document, Rejected) else self.connector.parse(document, self.people)
            for one in made:
                self._say(one)

    def settle(self) -> None:
        """What was taken is durable when this returns."""
        self.sink.settle()

    def _say(self, made: FromOutside | Rejected) -> None:
        counts = self.counts
        if isinstance(made, Rejected):
            counts.rejected += 1
            self.sink.say("rejected", made.subject, msgspec.json.encode(made))
        elif isinstance(made, Answered | Rated):
            counts.answers += 1
            self._answers(made)
        elif isinstance(made, Joined | Moved | Left | Absent):
            counts.persons += 1
            for key, record in self._persons(made):
                self.sink.say("directory", key, record)
        else:
            counts.events += 1
            self.sink.say("events", made.key, encode(made))

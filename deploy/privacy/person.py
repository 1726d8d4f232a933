"""What is stored of one person, as a copy for whoever asks, and as counts. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec
from msgspec import Struct, field

from ingest.event import Instant


class Held(NamedTuple):
    """A record of a topic, by the topic's short name."""

    topic: str
    key: str
    value: bytes


class _Event(Struct, frozen=True):
    """What is said of an event in words; what is no event of ours has none of it."""

    type: str = ""
    time: Instant | None = None


class Stored(Struct):
    """Of one topic: how many records name the pseudonym, by type of event, and from when to when these happened."""

    records: int = 0
    types: Counter[str] = field(default_factory=Counter)
    first: Instant | None = None
    last: Instant | None = None

    def add(self, value: bytes) -> None:
        self.records += 1
        try:
            event = _event.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        if event.type and event.time:
            self.types[event.type] += 1
            self.first = min(self.first or event.time, event.time)
            self.last = max(self.last or event.time, event.time)


_event = msgspec.json.Decoder(_Event)


def of_person(pseudonym: str, records: Iterable[Held]) -> Iterator[Held]:
    """Those that name the person, wherever in them."""
    named = pseudonym.encode()
    return (held for held in records if named in held.value or pseudonym in held.key)


def counted(records: Iterable[Held]) -> dict[str, Stored]:
    """By topic."""
    found: dict[str, Stored] = {}
    for held in records:
        found.setdefault(held.topic, Stored()).add(held.value)
    return found


def told(pseudonym: str, found: dict[str, Stored]) -> Iterator[str]:
    """In lines."""
    yield pseudonym
    if not found:
        yield "nothing is stored under it"
    for topic, stored in found.items():
        span = f", {stored.first:%Y-%m-%d} to {stored.last:%Y-%m-%d}" if stored.first and stored.last else ""
        yield f"{stored.records:>8,}  {topic}{span}"
        yield from (f"{n:>14,}  {name}" for name, n in stored.types.most_common())

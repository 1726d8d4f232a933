"""What is stored of one person, as a copy for whoever asks, and as counts. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct, field

from ingest.event import Instant

CONFIG = "config"


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


class _Company(Struct, frozen=True):
    people: list[dict[str, Any]] = []


class _Files(Struct, frozen=True):
    """A version of the configuration, as far as it tells of persons."""

    company: _Company = _Company()
    directory: dict[str, Any] = {}


_event = msgspec.json.Decoder(_Event)
_files = msgspec.json.Decoder(_Files)


def of_person(pseudonym: str, records: Iterable[Held]) -> Iterator[Held]:
    """Those that name the person, wherever in them. A version of the configuration names all: of it, what it says of this one."""
    named = pseudonym.encode()
    for held in records:
        if named in held.value or pseudonym in held.key:
            yield held._replace(value=_alone(pseudonym, held.value)) if held.topic == CONFIG else held


def _alone(pseudonym: str, version: bytes) -> bytes:
    files = _files.decode(version)
    written = [entry for entry in files.company.people if entry.get("person") == pseudonym]
    return msgspec.json.encode({"people": written, "directory": files.directory.get(pseudonym, {})})


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

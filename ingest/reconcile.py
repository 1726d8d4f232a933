"""A source compared with what was said of it: which of its events are missing, by their ids, and are said again.

What is compared lies on the topic of events: cases, weekly scores and suggestions. Persons and answers are kept elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Struct

from ingest.connector import Api, Connector, Document, Rejected
from ingest.event import TYPE_PREFIX, TYPES, Absorbed, CaseEvent, Instant, OpenFeedback, Revive, Watermark, encode
from ingest.identity import People
from ingest.intake import Sink

ID_BYTES = 16
BUCKETS = 4096
EXAMPLES = 3
_MARK = TYPE_PREFIX + "watermark"
_FOREIGN = tuple(name for name, kind in TYPES.items() if kind in (Absorbed, Revive, Watermark))


class Ids:
    """Ids of events: 16 bytes each, and one that says whether the source has told it too. With what is kept in hand that is 20 MB a
    million. Each is in one of 4096 buckets, through which a look-up searches.
    """

    def __init__(self) -> None:
        self._buckets = [bytearray() for _ in range(BUCKETS)]
        self._told = [bytearray() for _ in range(BUCKETS)]

    def add(self, id: str) -> None:
        key = _bytes(id)
        number = _bucket(key)
        if _place(self._buckets[number], key) < 0:
            self._buckets[number] += key
            self._told[number].append(0)

    def tell(self, id: str) -> bool:
        """Whether it is there. From now on it counts as told."""
        key = _bytes(id)
        number = _bucket(key)
        place = _place(self._buckets[number], key)
        if place < 0:
            return False
        self._told[number][place] = 1
        return True

    @property
    def untold(self) -> int:
        return sum(told.count(0) for told in self._told)

    def __len__(self) -> int:
        return sum(map(len, self._told))


def _bytes(id: str) -> bytes:
    """Raises ``ValueError``."""
    return UUID(id).bytes


def _bucket(key: bytes) -> int:
    """The digits of an id are as good as thrown by dice."""
    return key[0] << 4 | key[1] >> 4


def _place(bucket: bytearray, key: bytes) -> int:
    """Which of those in the bucket it is, or -1. What is found across two of them is none."""
    at = bucket.find(key)
    while at % ID_BYTES and at >= 0:
        at = bucket.find(key, at + 1)
    return at // ID_BYTES if at >= 0 else -1


# -- what was said
class _Until(Struct, frozen=True):
    until: Instant | None = None


class _Said(Struct, frozen=True):
    """What is read of a record: the rest may be of any release."""

    id: str
    type: str
    source: str
    time: Instant
    data: msgspec.Raw = msgspec.Raw(b"{}")


_said = msgspec.json.Decoder(_Said)
_until = msgspec.json.Decoder(_Until)


class Said:
    """What lies on the topic of events of one source: the ``ids`` of its events since ``since``, and in ``until`` how far it is in
    every partition. Whoever reads says first which partitions there are: one may be empty.
    """

    def __init__(self, source: str, since: datetime | None = None) -> None:
        self.source, self.since = source, since
        self.ids = Ids()
        self._marks: dict[int, datetime | None] = {}
        self._key, self._named = f"{source}/".encode(), source.encode()

    def expect(self, partition: int) -> None:
        self._marks.setdefault(partition, None)

    def hear(self, partition: int, key: bytes, value: bytes | None) -> None:
        """One record. What cannot be read was not said."""
        self.expect(partition)
        if value is None or not (key.startswith(self._key) or (not key and self._named in value)):
            return
        try:
            record = _said.decode(value)
            if record.source == self.source:
                self._take(partition, record)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
            return

    def _take(self, partition: int, record: _Said) -> None:
        if record.type == _MARK:
            until, before = _until.decode(record.data).until, self._marks[partition]
            if until is not None:
                self._marks[partition] = until if before is None else max(until, before)
        elif record.type not in _FOREIGN and (self.since is None or record.time >= self.since):
            self.ids.add(record.id)

    @property
    def until(self) -> datetime | None:
        """The least: up to then all was said before what we read ended. None where it has none in some partition."""
        marks = self._marks.values()
        return None if not marks or None in marks else min(mark for mark in marks if mark is not None)


# -- the comparison
class Found(Struct):
    """``told``: how many of the source's events are there. ``missing``: by type, of which up to three cases are ``examples``.
    ``later``: what happened after the watermark ``until``, so that it is not polled yet; without one, all. ``rejected``: how often
    something of the source could not be read. ``untold``: what was said and the source does not tell any more.
    """

    until: datetime | None = None
    told: int = 0
    missing: Counter[str] = msgspec.field(default_factory=Counter)
    examples: dict[str, list[str]] = {}
    later: int = 0
    rejected: int = 0
    untold: int = 0

    def miss(self, event: Logged) -> None:
        name = str(event.__struct_config__.tag).removeprefix(TYPE_PREFIX)
        self.missing[name] += 1
        examples = self.examples.setdefault(name, [])
        if len(examples) < EXAMPLES and event.subject not in examples:
            examples.append(event.subject)


Known = Collection[str] | Callable[[str], bool]
Logged = CaseEvent | OpenFeedback


def missing(
    connector: Connector,
    documents: Iterable[Document],
    people: People,
    known: Known,
    since: datetime | None = None,
) -> Iterator[Logged | Rejected]:
    """The events since ``since`` that the documents mean and whose ids are not ``known``; and what cannot be read."""
    is_known = known if callable(known) else known.__contains__
    for document in documents:
        for made in connector.parse(document, people):
            if isinstance(made, CaseEvent | OpenFeedback):
                if (since is None or made.time >= since) and not is_known(made.id):
                    yield made
            elif isinstance(made, Rejected):
                yield made


def reconcile(
    connector: Connector, api: Api, people: People, said: Said, now: datetime, sink: Sink | None = None
) -> Found:
    """Walk all that the source tells, and say to the ``sink``, if there is one, what is missing. Raises what ``fetch`` and the sink
    raise: then some of it is said, and the rest is missing still.

    ``said`` must have been read before: what is polled meanwhile happened after its watermark.
    """
    found = Found(until=said.until)
    for page in connector.fetch(api, "", now):
        for made in missing(connector, page.documents, people, said.ids.tell, said.since):
            if isinstance(made, Rejected):
                found.rejected += 1
                continue
            said.ids.add(made.id)  # another document may tell it too
            said.ids.tell(made.id)
            if found.until is None or made.time > found.until:
                found.later += 1
                continue
            found.miss(made)
            if sink is not None:
                sink.say("events", made.key, encode(made))
        if sink is not None:
            sink.settle()
    found.untold = said.ids.untold
    found.told = len(said.ids) - found.untold - found.later - found.missing.total()
    return found

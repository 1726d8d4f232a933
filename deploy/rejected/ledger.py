"""What could not be read, as people deal with it: each record of ``crossdesk.rejected`` has a short name that stays, and is handled
when somebody has replayed or discarded it.

The topic keeps its records for ever. That one is handled is a record of its own, under the same key.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

REPLAYED, DISCARDED = "replayed", "discarded"
NAME_DIGITS = 12
_QUOTED = re.compile(r"'[^']*'")
_SOURCE = re.compile(r'"source"\s*:\s*"([^"\\/]{1,128})"')


class Record(Struct, frozen=True, omit_defaults=True):
    """A record of the topic: what a connector rejected (``ingest.connector.Rejected``), what the fold set aside
    (``streams.cases.rejected``), or that one is ``handled``: ``of`` is its name, ``times`` how often it had been rejected by then.
    """

    reason: str = ""
    source: str = ""
    place: str = ""
    subject: str = ""
    partition: int = -1
    offset: int = -1
    bytes: int = 0
    raw: str = ""
    handled: str = ""
    of: str = ""
    by: str = ""
    times: int = 0


_record = msgspec.json.Decoder(Record)


def decoded(value: bytes) -> Record:
    """What is no record of ours can be discarded too."""
    try:
        return _record.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Record(reason="no record of crossdesk lies here", raw=value.decode("utf-8", "replace"))


def name_of(record: Record) -> str:
    """Of what lies on the topic of events, where: ``12-3405``. Of anything else a digest of what it is."""
    if record.offset >= 0:
        return f"{record.partition}-{record.offset}"
    parts = (record.source, record.subject, record.place, record.reason, record.raw)
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:NAME_DIGITS]


class Row(Struct, kw_only=True):
    """All that was rejected under one name, ``times`` over; ``why`` it was discarded."""

    name: str
    reason: str = ""
    source: str = ""
    place: str = ""
    subject: str = ""
    partition: int = -1
    offset: int = -1
    times: int = 0
    handled: str = ""
    handled_times: int = 0
    why: str = ""

    @property
    def of_events(self) -> bool:
        """It lies on the topic of events."""
        return self.offset >= 0

    @property
    def key(self) -> str:
        """Of the records about it."""
        return str(self.offset) if self.of_events else self.subject

    @property
    def where(self) -> str:
        return f"partition {self.partition}, offset {self.offset} of the log" if self.of_events else self.place

    @property
    def count(self) -> int:
        """Of several webhooks nothing tells one from the other; whatever has a place comes again with each poll, or when the events
        are measured anew.
        """
        return 1 if self.of_events or self.place or self.subject else self.times

    @property
    def open(self) -> int:
        """How many are not handled. What was replayed and is rejected again could not be read after all."""
        since = max(self.times - self.handled_times, 0)
        if not self.handled:
            return self.count
        if self.of_events or (self.handled == DISCARDED and (self.place or self.subject)):
            return 0
        return min(since, self.count)

    def is_of(self, source: str) -> bool:
        return source in ("", self.source)


class Ledger:
    """What was rejected, without what was kept of it: a few hundred bytes a name."""

    def __init__(self, values: Iterable[bytes] = ()) -> None:
        self._rows: dict[str, Row] = {}
        for value in values:
            self.add(value)

    def add(self, value: bytes) -> None:
        """In the order of the topic: whoever handled it last counts."""
        record = decoded(value)
        if record.handled:
            row = self._row(record.of)
            row.handled, row.why = record.handled, record.reason
            row.handled_times = max(row.handled_times, record.times)
            return
        row = self._row(name_of(record))
        row.times += 1
        if row.times == 1:
            row.reason, row.place, row.subject = record.reason, record.place, record.subject
            row.partition, row.offset = record.partition, record.offset
            row.source = record.source or _source_in(record.raw)

    def _row(self, name: str) -> Row:
        return self._rows.setdefault(name, Row(name=name))

    def rows(self, source: str = "", *, handled: bool = False) -> Iterator[Row]:
        """Those that nobody has handled, or the others."""
        return (r for r in self._rows.values() if r.times and r.is_of(source) and bool(r.open) is not handled)

    def named(self, name: str) -> Row | None:
        """Handled or not."""
        row = self._rows.get(name)
        return row if row is not None and row.times else None

    def unhandled(self, counted: Callable[[Row], bool] = lambda _: True) -> int:
        return sum(row.open for row in self.rows() if counted(row))


def _source_in(raw: str) -> str:
    """As the record itself says, where so much of it can be read."""
    found = _SOURCE.search(raw)
    return found[1] if found else ""


class Group(Struct, frozen=True):
    """Rows of one source and kind of reason: ``reason`` and the rest is the first one's."""

    count: int
    source: str
    reason: str
    first: Row


def groups(rows: Iterable[Row]) -> list[Group]:
    """The most frequent first. Reasons that differ only in what they quote are one."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.source, kind(row.reason)), []).append(row)
    made = []
    for (source, _), alike in found.items():
        others = any(row.reason != alike[0].reason for row in alike)
        reason = alike[0].reason + (", and others" if others else "")
        made.append(Group(sum(row.open or row.count for row in alike), source, reason, alike[0]))
    return sorted(made, key=lambda group: (-group.count, group.source, group.reason))


def kind(reason: str) -> str:
    """Without what it quotes."""
    return _QUOTED.sub("", reason)


def kept(values: Iterable[bytes], names: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All that was kept of these, each once."""
    left = set(names)
    for value in values:
        record = decoded(value)
        name = "" if record.handled else name_of(record)
        if name in left:
            left.remove(name)
            yield name, _whole(value, record)


def _whole(value: bytes, record: Record) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = None
    whole: dict[str, Any] = found if isinstance(found, dict) else msgspec.to_builtins(record)
    return whole


def handled(row: Row, how: str, why: str = "") -> bytes:
    """The record that says so. It is the same however often it is said."""
    said = {"handled": how, "of": row.name, "by": "", "times": row.times, "reason": why}
    return msgspec.json.encode(said)


def beyond(unhandled: int, limit: int) -> str:
    """Why a stage is not ready, or nothing."""
    if unhandled <= limit:
        return ""
    return f"{unhandled:,} records were rejected, more than {limit:,}: see `crossdesk rejected list`"

"""Any system that can post JSON: each object is a row, read through a mapping (``ingest/mapping.py`` says what it may contain).

A row comes alone, in any order, and again. So only what a row says of itself can be told, never what differs from the row before:
the mapping says under ``events`` what a row means. The same row in a file, through ``event_log``, makes the same events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import AfterValidator, BeforeValidator

from ingest.changes import Row
from ingest.connector import Document, Doorbell, FromOutside, Hook, Rejected, Tells
from ingest.event import Created, Unreadable
from ingest.identity import Identity, People
from ingest.mapping import EVENTS, LogMapping
from ingest.posted import Posted
from ingest.reading import decoded
from ingest.rows import pick
from ingest.times import zone
from ingest.translate import Translator

_CLASSIFIED = "{classified: {%s: COLUMN}}, and {created: {%s: COLUMN}} for what it was at first"
INSTEAD: Mapping[str, str] = {
    "state": "solved, closed, paused, resumed, reopened",
    "group": "{routed: {group: COLUMN}}",
    "assignee": "claimed, by who acts",
    "exclude": "{excluded: {reason: COLUMN}}",
    "session": "replied, of the first message only that one side writes",
    **{name: _CLASSIFIED % (name, name) for name in ("service", "priority", "channel")},
}
"""What of a mapping means something by how it differs from the row before, and what says the same of one row."""


def _of_json(given: object) -> object:
    return {"format": "ndjson", **given} if isinstance(given, dict) else given


def _row_by_row(mapping: LogMapping) -> LogMapping:
    if mapping.format != "ndjson":
        raise ValueError("posted rows are JSON: leave out 'format', and name columns by dotted paths")
    if mapping.events is None:
        raise ValueError(
            "a posted row comes alone, and what differs from the row before cannot be seen in it: "
            "say under 'events' what each row means; a log of snapshots is read as a file, by 'event_log'"
        )
    if differing := [f"instead of {name!r}: {say}" for name, say in INSTEAD.items() if getattr(mapping, name)]:
        raise ValueError(
            "a posted row comes alone, and what differs from the row before cannot be seen in it; "
            f"say under 'events', {'; '.join(differing)}"
        )
    if len(mapping.order) > 1:
        raise ValueError("'order': of a row that comes alone only one number counts; name the one that orders all")
    if mapping.created is None and not _creates(mapping):
        raise ValueError(
            "when a case was created must stand in its rows: say under 'events' which row means 'created', "
            "or name under 'created' the time that every row has"
        )
    zone(mapping.zone)
    return mapping


def _creates(mapping: LogMapping) -> bool:
    """Whether a row of its own tells that a case was created."""
    return mapping.events is not None and any(one.type == "created" for one in mapping.events.values.values())


class Reader(NamedTuple):
    translator: Translator
    paths: Sequence[tuple[str, Sequence[str]]]

    def row(self, document: Document) -> Row:
        """Raises ``Unreadable``."""
        return self.translator.row(pick(document, self.paths))


class HttpJson(Posted):
    """``mapping``: what a row means."""

    name: ClassVar[str] = "http_json"
    tells: ClassVar[Tells] = frozenset(EVENTS.values())
    mapping: Annotated[LogMapping, BeforeValidator(_of_json), AfterValidator(_row_by_row)]

    # -- webhooks
    def told_by(self, hook: Hook) -> Iterator[Document | Doorbell | Rejected]:
        """One row, or a list of them."""
        body = decoded(hook.body, Any)
        rows: list[Any] = body if isinstance(body, list) else [body]
        for number, row in enumerate(rows, 1):
            if isinstance(row, dict):
                yield row
            else:
                yield Rejected(source=self.source, reason="no JSON object", place=f"row {number}")

    # -- what it means
    def means(self, document: Document, people: People) -> Iterator[FromOutside | Rejected]:
        reader = self._reader(people.identity)
        row = reader.row(document)
        lacking = self._lacking(row)
        for made in reader.translator.case([row]):
            if not (lacking and isinstance(made, Created)):
                yield made
        if lacking:
            raise Unreadable(lacking, subject=row.subject)

    def _lacking(self, row: Row) -> str:
        """Why this row cannot say when its case was created, as each must where no row of its own does: all rows say the same."""
        at = self.mapping.created
        if at is None or _creates(self.mapping):
            return ""
        if row.created is None:
            return f"when the case was created is not told: {at.column!r} is empty"
        if row.created > row.time:
            return f"the case was created after it changed: {at.column!r} lies after {self.mapping.time.column!r}"
        return ""

    def _reader(self, identity: Identity) -> Reader:
        if identity not in self._readers:
            translator = Translator(self.mapping, self.source, identity, bots=self.bots)
            paths = [(column, column.split(".")) for column in translator.columns]
            self._readers[identity] = Reader(translator, paths)
        return self._readers[identity]

    @cached_property
    def _readers(self) -> dict[Identity, Reader]:
        return {}

"""CONTRACT: what happened. CloudEvents 1.0 envelopes (https://cloudevents.io), one typed payload for each type.

An event names a case, groups and pseudonyms as its source does, never departments: which department that is, is
looked up when the case is folded, as of the event's time. Fields that a type does not know are not lost: records
are stored and passed on as the bytes that came in, and decoding ignores what it does not know.

Longer than 400 lines because it is one list: every type of event, each a few lines.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

TYPE_PREFIX = "crossdesk."
MAX_RECORD_BYTES = 1 << 20
"""Of what comes from outside."""
LARGEST_RECORD_BYTES = 16 * MAX_RECORD_BYTES
"""What a case of thousands of events says to another, or is folded anew from."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PUBLISHED = "_answers"
"""The source of the watermarks in ``crossdesk.feedback``: the answers that leave in a week stand before its mark."""
NAMESPACE = uuid.UUID("6f9c3a52-6a0b-5d7e-9a43-0c8a5f2c1d10")


class Actor(StrEnum):
    """Who acted, as a class: what counts as an answer depends on it, never on who it was."""

    requester = "requester"
    provider_human = "provider_human"
    provider_bot = "provider_bot"
    system = "system"
    third_party = "third_party"


class Waiting(StrEnum):
    """Whom a pause waits for."""

    requester = "requester"
    other_department = "other_department"
    third_party = "third_party"


Name = Annotated[str, Meta(max_length=512)]
Key = Annotated[str, Meta(min_length=1, max_length=512)]
Source = Annotated[str, Meta(min_length=1, max_length=128, pattern="^[^/\\x00]+$")]
Subject = Annotated[str, Meta(min_length=1, max_length=512, pattern="^[^\\x00]+$")]
Instant = Annotated[datetime, Meta(tz=True)]
Score = Annotated[int, Meta(ge=0, le=10)]


class Envelope(Struct, tag_field="type", kw_only=True, frozen=True, omit_defaults=True):
    """What every event carries.

    ``id`` is computed by :func:`event_id`; ``source`` names the connector's instance; ``subject`` is the source's own
    key of the case (or the person); ``time`` is when it happened there, ``observedtime`` when the connector saw it; when the
    log took it in is the log's own time stamp. ``sequence`` orders what happened at one instant. ``who`` is a pseudonym.
    """

    id: Annotated[str, Meta(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    source: Source
    subject: Subject
    time: Instant
    specversion: Annotated[str, Meta(pattern=r"^1\.0$")]
    sequence: Annotated[int, Meta(ge=0)] = 0
    observedtime: Instant | UnsetType = UNSET
    actor: Actor = Actor.system
    who: Name = ""
    datacontenttype: str = "application/json"

    @property
    def key(self) -> str:
        """The case (or person) across sources: the key of the record in the log."""
        return f"{self.source}/{self.subject}"


class Payload(Struct, kw_only=True, frozen=True, omit_defaults=True):
    """No fields."""


class CreatedData(Payload):
    """``requester`` is a pseudonym, ``requester_group`` what the source calls the requester's unit."""

    requester: Name = ""
    requester_group: Name = ""
    service: Name = ""
    priority: Name = ""
    channel: Name = ""


class ClassifiedData(Payload):
    """What is empty has not changed."""

    service: Name = ""
    priority: Name = ""
    channel: Name = ""


class RoutedData(Payload):
    """``group`` is empty when the case is taken from everybody."""

    group: Name = ""
    reason: Name = ""


class ActedData(Payload):
    """``group`` in whose name the actor acted, where the source tells; else the case's own group."""

    group: Name = ""


class PausedData(Payload):
    """``reason`` is empty where the source gives none."""

    owner: Waiting
    reason: Name = ""


class PromisedData(Payload):
    promise: Key
    due: Instant


class PromiseData(Payload):
    promise: Key


class NeedByData(Payload):
    due: Instant


class MergedData(Payload):
    """``into``: the subject of the case that goes on, in the same source."""

    into: Key


class ChildData(Payload):
    """This case was opened to serve the case ``parent``, of the same source."""

    parent: Key


class CorrectedData(Payload):
    """``supersedes``: the id of an event of this case that is void, or happened at ``at`` instead."""

    supersedes: Key
    at: Instant | UnsetType = UNSET


class ExcludedData(Payload):
    reason: Key
    role: Name = ""
    reverted: bool = False


class ThankedData(Payload):
    """``for_speed``: the thanks name timeliness."""

    group: Name = ""
    for_speed: bool = False


class Created(Envelope, tag=TYPE_PREFIX + "created"):
    data: CreatedData = CreatedData()


class Classified(Envelope, tag=TYPE_PREFIX + "classified"):
    data: ClassifiedData


class Routed(Envelope, tag=TYPE_PREFIX + "routed"):
    data: RoutedData


class Claimed(Envelope, tag=TYPE_PREFIX + "claimed"):
    data: ActedData = ActedData()


class Replied(Envelope, tag=TYPE_PREFIX + "replied"):
    """A public message by whoever serves."""

    data: ActedData = ActedData()


class Noted(Envelope, tag=TYPE_PREFIX + "noted"):
    """An internal note: work, but no answer."""

    data: ActedData = ActedData()


class BotReplied(Envelope, tag=TYPE_PREFIX + "bot_replied"):
    data: ActedData = ActedData()


class AskedRequester(Envelope, tag=TYPE_PREFIX + "asked_requester"):
    data: ActedData = ActedData()


class RequesterReplied(Envelope, tag=TYPE_PREFIX + "requester_replied"):
    data: Payload = Payload()


class Paused(Envelope, tag=TYPE_PREFIX + "paused"):
    data: PausedData


class Resumed(Envelope, tag=TYPE_PREFIX + "resumed"):
    data: Payload = Payload()


class Promised(Envelope, tag=TYPE_PREFIX + "promised"):
    data: PromisedData


class PromiseAccepted(Envelope, tag=TYPE_PREFIX + "promise_accepted"):
    data: PromiseData


class Delivered(Envelope, tag=TYPE_PREFIX + "delivered"):
    data: PromiseData


class NeedBy(Envelope, tag=TYPE_PREFIX + "need_by"):
    data: NeedByData


class Solved(Envelope, tag=TYPE_PREFIX + "solved"):
    data: ActedData = ActedData()


class Reopened(Envelope, tag=TYPE_PREFIX + "reopened"):
    data: Payload = Payload()


class Closed(Envelope, tag=TYPE_PREFIX + "closed"):
    data: Payload = Payload()


class Merged(Envelope, tag=TYPE_PREFIX + "merged"):
    data: MergedData


class Unmerged(Envelope, tag=TYPE_PREFIX + "unmerged"):
    data: Payload = Payload()


class ChildLinked(Envelope, tag=TYPE_PREFIX + "child_linked"):
    data: ChildData


class Deleted(Envelope, tag=TYPE_PREFIX + "deleted"):
    data: Payload = Payload()


class Restored(Envelope, tag=TYPE_PREFIX + "restored"):
    data: Payload = Payload()


class Corrected(Envelope, tag=TYPE_PREFIX + "corrected"):
    data: CorrectedData


class Excluded(Envelope, tag=TYPE_PREFIX + "excluded"):
    data: ExcludedData


class Thanked(Envelope, tag=TYPE_PREFIX + "thanked"):
    data: ThankedData = ThankedData()


CaseEvent = (
    Created
    | Classified
    | Routed
    | Claimed
    | Replied
    | Noted
    | BotReplied
    | AskedRequester
    | RequesterReplied
    | Paused
    | Resumed
    | Promised
    | PromiseAccepted
    | Delivered
    | NeedBy
    | Solved
    | Reopened
    | Closed
    | Merged
    | Unmerged
    | ChildLinked
    | Deleted
    | Restored
    | Corrected
    | Excluded
    | Thanked
)


class PlaceData(Payload):
    """A person's place in the organisation, as the source names it."""

    department: Name
    site: Name = ""


class AbsentData(Payload):
    until: Instant


class Joined(Envelope, tag=TYPE_PREFIX + "joined"):
    data: PlaceData


class Moved(Envelope, tag=TYPE_PREFIX + "moved"):
    data: PlaceData


class Left(Envelope, tag=TYPE_PREFIX + "left"):
    data: Payload = Payload()


class Absent(Envelope, tag=TYPE_PREFIX + "absent"):
    data: AbsentData


PersonEvent = Joined | Moved | Left | Absent


class OpenPositionsData(Payload):
    count: Annotated[int, Meta(ge=0, lt=1 << 31)]


class OpenPositions(Envelope, tag=TYPE_PREFIX + "open_positions"):
    """So many positions of a department are open from ``time`` on, until it is told otherwise. It is about nobody: the subject is
    the department, as the HR system names it.
    """

    data: OpenPositionsData


class AnsweredData(Payload, kw_only=True):
    """One answer to one wave: no name, no case; ``person`` is a pseudonym that is good for this wave only."""

    wave: Key
    person: Key
    department: Name
    site: Name = ""
    about: Name = ""
    items: Annotated[Mapping[str, Score], Meta(max_length=32)]


class RatedData(Payload):
    week: Key
    person: Key
    department: Name
    about: Name
    score: Score
    best: Score


class ExternalScoreData(Payload):
    """How content the organisation's own customers were in a week."""

    week: Key
    score: float
    answers: Annotated[int, Meta(ge=0)]


class Topic(StrEnum):
    """What a suggestion is about: a closed list, for a text of one's own can tell who wrote it."""

    reliability = "reliability"
    responsiveness = "responsiveness"
    assurance = "assurance"
    empathy = "empathy"
    tangibles = "tangibles"
    communication = "communication"
    working_here = "working_here"
    other = "other"


class YouSaidData(Payload):
    """A suggestion or complaint to ``department``, as the source names it; ``wave``: the survey that it came out of."""

    department: Key
    week: Key
    topic: Topic
    wave: Name = ""


class WeDidData(Payload):
    week: Key


class Answered(Envelope, tag=TYPE_PREFIX + "answered"):
    data: AnsweredData


class Rated(Envelope, tag=TYPE_PREFIX + "rated"):
    data: RatedData


class ExternalScore(Envelope, tag=TYPE_PREFIX + "external_score"):
    data: ExternalScoreData


class YouSaid(Envelope, tag=TYPE_PREFIX + "you_said"):
    """The subject is the source's own key of the suggestion."""

    data: YouSaidData


class WeDid(Envelope, tag=TYPE_PREFIX + "we_did"):
    """What became of a suggestion was told to those who made it. The subject is that of its ``you_said``; the first one counts."""

    data: WeDidData


Suggestion = YouSaid | WeDid
OpenFeedback = ExternalScore | Suggestion
"""Feedback that no single person gives: it goes to the log of events at once."""
FeedbackEvent = Answered | Rated | OpenFeedback


class WatermarkData(Payload):
    """Everything of ``source`` up to and including ``until`` has been published."""

    until: Instant


class ConfigData(Payload):
    version: Annotated[int, Meta(ge=1)]


class Watermark(Envelope, tag=TYPE_PREFIX + "watermark"):
    data: WatermarkData


class ConfigMark(Envelope, tag=TYPE_PREFIX + "config"):
    data: ConfigData


Mark = Watermark | ConfigMark


class Entry(Struct, array_like=True, frozen=True, gc=False):
    """Events of one case on their way to another: ``path`` is the cases they came through, the first is their own."""

    path: tuple[str, ...]
    child: bool
    events: tuple[bytes, ...]


class AbsorbedData(Payload):
    """A versioned upsert by ``origin``; no entries: released."""

    origin: Key
    version: int
    entries: tuple[Entry, ...] = ()


class ReviveData(Payload):
    """All stored records of a case, as they were."""

    records: tuple[bytes, ...]


class Absorbed(Envelope, tag=TYPE_PREFIX + "absorbed"):
    data: AbsorbedData


class Revive(Envelope, tag=TYPE_PREFIX + "revive"):
    data: ReviveData


InternalEvent = Absorbed | Revive

Event = CaseEvent | PersonEvent | OpenPositions | FeedbackEvent | Mark
Record = Event | InternalEvent

TYPES: Mapping[str, type[Envelope]] = {str(t.__struct_config__.tag): t for t in get_args(Record)}

_OF_NAMESPACE = hashlib.sha1(NAMESPACE.bytes, usedforsecurity=False)
_VARIANT = {f"{digit:x}": f"{digit & 3 | 8:x}" for digit in range(16)}

_decoder = msgspec.json.Decoder(Record)
_encoder = msgspec.json.Encoder()


class Unreadable(ValueError):
    """A record or row that cannot be read: set it aside with ``reason`` (topic ``crossdesk.rejected``) and go on."""

    def __init__(self, reason: str, *, place: str = "", subject: str = "") -> None:
        super().__init__(f"{place}: {reason}" if place else reason)
        self.reason, self.place, self.subject = reason, place, subject


def event_id(source: str, native: str, ordinal: int = 0) -> str:
    """The id of the ``ordinal``-th event made of the source's change ``native``: the same by every way in, on every host.

    A UUID of version 5 (RFC 9562) in :data:`NAMESPACE`, in a third of the time that ``uuid.uuid5`` takes.
    """
    sha = _OF_NAMESPACE.copy()
    sha.update(f"{source}\x1f{native}\x1f{ordinal}".encode())
    digits = sha.hexdigest()
    variant = _VARIANT[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def instant(microseconds: int) -> datetime:
    """UTC microseconds since 1970 as the instant of an event."""
    return EPOCH + timedelta(microseconds=microseconds)


def watermark(source: str, until: datetime) -> Watermark:
    """The mark that everything of ``source`` up to ``until`` has been said."""
    return Watermark(
        id=event_id(source, f"watermark|{until.isoformat()}"),
        source=source,
        subject=source,
        time=until,
        specversion="1.0",
        data=WatermarkData(until=until),
    )


def config_mark(version: int, at: datetime) -> ConfigMark:
    """The mark that events from here on are folded under ``version`` of the configuration, put in force at ``at``."""
    return ConfigMark(
        id=event_id("crossdesk", f"config|{version}"),
        source="crossdesk",
        subject="config",
        time=at,
        specversion="1.0",
        data=ConfigData(version),
    )


def decode(record: bytes) -> Record:
    """Raises :class:`Unreadable` for anything that is not a record of ours."""
    try:
        event: Record = _decoder.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable(f"no event of a known type: {error}") from None
    return event


def encode(event: Record) -> bytes:
    """One line of JSON in UTF-8."""
    return _encoder.encode(event)


def json_schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema (2020-12) of every public type, by its name."""
    schemas = {}
    for event in get_args(Event):
        (root,), parts = msgspec.json.schema_components([event], ref_template="#/$defs/{name}")
        name = str(event.__struct_config__.tag)
        schemas[name] = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"{name}.json",
            **root,
            "$defs": parts,
        }
    return schemas

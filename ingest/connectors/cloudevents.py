"""Whoever makes our events himself: CloudEvents 1.0 of the types of ``ingest/event.py``, as their HTTP binding sends them.

Structured, batched and binary mode in JSON (https://github.com/cloudevents/spec). What no type of ours names is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar, get_args

import msgspec
from msgspec import Struct

from ingest import event as e
from ingest.connector import Document, Doorbell, FromOutside, Hook, Rejected, Tells
from ingest.event import EPOCH, TYPES, Actor, Unreadable
from ingest.feedback import answered, rated, we_did, week_of, you_said
from ingest.identity import HEX_DIGITS, People
from ingest.posted import Posted
from ingest.reading import decoded
from ingest.times import LAST

ANY_FORMAT = "application/cloudevents"
STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
JSON = "application/json"
ATTRIBUTE = "ce-"
LAST_SEQUENCE = (1 << 63) - 1
SHOWN = 80
"""So many characters of what a sender wrote are said back."""

_YOU_SAID = str(e.YouSaid.__struct_config__.tag)
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_ESCAPED = re.compile(r"\\(.)")
_WHOLE = re.compile(r"[0-9]{1,19}")
_PSEUDONYM = re.compile(rf"[0-9a-f]{{{HEX_DIGITS}}}")

S = TypeVar("S", bound=Struct)


class CloudEvents(Posted):
    """Persons are named by pseudonyms, or by work e-mail or HR number, which become pseudonyms here."""

    name: ClassVar[str] = "cloudevents"
    tells: ClassVar[Tells] = frozenset(get_args(FromOutside))

    # -- webhooks
    def signed_part(self, hook: Hook) -> bytes:
        """The body; in binary mode, where the attributes are headers, these too: ``name:value`` and a line feed each, by name."""
        if _media_type(hook.headers.get("content-type", "")).startswith(ANY_FORMAT):
            return hook.body
        signing = {self.signature.header.lower(), (self.signature.timestamp_header or "").lower()}
        signed = sorted(set(hook.headers) - signing)
        head = [f"{name}:{hook.headers[name]}\n" for name in signed if name.startswith(ATTRIBUTE)]
        return "".join(head).encode() + hook.body

    def told_by(self, hook: Hook) -> Iterator[Document | Doorbell | Rejected]:
        yield from self._documents(hook)

    def _documents(self, hook: Hook) -> Iterator[Document | Rejected]:
        """Raises ``Unreadable``."""
        media_type = _media_type(hook.headers.get("content-type", ""))
        if media_type == BATCHED:
            for number, one in enumerate(decoded(hook.body, list[Any]), 1):
                if isinstance(one, dict):
                    yield one
                else:
                    yield Rejected(source=self.source, reason="no JSON object", place=f"event {number}")
        elif media_type == STRUCTURED:
            yield decoded(hook.body, dict[str, Any])
        elif media_type.startswith(ANY_FORMAT):
            raise Unreadable(f"format {media_type[:SHOWN]!r} is not read: send {STRUCTURED} or {BATCHED}")
        else:
            yield _binary(hook, media_type)

    # -- what it means
    def means(self, document: Document, people: People) -> Iterator[FromOutside | Rejected]:
        event = _in_utc(self._event(document))
        if isinstance(event, e.Answered):
            data = event.data
            yield answered(
                people,
                _pseudonym(data.person, people),
                event.time,
                items=data.items,
                wave=data.wave,
                about=data.about,
                department=data.department,
                site=data.site,
            )
        elif isinstance(event, e.Rated):
            yield _rated(event, people)
        elif isinstance(event, e.YouSaid | e.WeDid):
            yield _suggestion(event)
        else:
            yield self._hidden(event, people)

    def _event(self, document: Document) -> FromOutside:
        """Raises ``Unreadable``."""
        given = {name: value for name, value in document.items() if value is not None}
        subject = _case(given)
        if reason := self._refusal(given):
            raise Unreadable(reason, subject=subject)
        given.pop("datacontenttype", None)  # JSON, by every mode
        sequence = given.get("sequence")
        if isinstance(sequence, str) and _WHOLE.fullmatch(sequence):
            given["sequence"] = int(sequence)
        try:
            event = e.decode(msgspec.json.encode(given))
        except Unreadable as error:
            raise Unreadable(error.reason, subject=subject) from None
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise Unreadable(f"no JSON: {error}", subject=subject) from None
        if event.sequence > LAST_SEQUENCE:
            raise Unreadable(f"'sequence' is larger than {LAST_SEQUENCE}", subject=subject)
        return event  # type: ignore[return-value]  # what else there is was refused

    def _refusal(self, given: Document) -> str:
        """Why it is none that may come from outside. Empty: it may."""
        kind, source, content = given.get("type"), given.get("source"), given.get("datacontenttype", JSON)
        if isinstance(kind, str) and kind in TYPES and TYPES[kind] not in self.tells:
            return f"{kind!r} is said by crossdesk itself: it is not taken from outside"
        if source != self.source:
            return f"source {str(source)[:SHOWN]!r} is not {self.source!r}, as the events of this source must say"
        if "data_base64" in given or not (isinstance(content, str) and _is_json(content)):
            return "the data is no JSON: send it as 'data', with a datacontenttype of application/json or none"
        data = given.get("data")
        if kind == _YOU_SAID and isinstance(data, dict) and data.get("topic") not in list(e.Topic):
            # a text is not said back: it may tell who wrote it
            return f"the topic of a suggestion must be one of {', '.join(e.Topic)}"
        return ""

    def _hidden(self, event: FromOutside, people: People) -> FromOutside:
        """No person by any name but a pseudonym."""
        is_bot = event.who in self.bots
        changed: dict[str, Any] = {"who": "" if is_bot else _pseudonym(event.who, people)}
        if is_bot:
            changed["actor"] = Actor.provider_bot
        if isinstance(event, e.Created):
            requester = _pseudonym(event.data.requester, people)
            changed["data"] = msgspec.structs.replace(event.data, requester=requester)
        elif isinstance(event, get_args(e.PersonEvent)):
            changed["subject"] = _pseudonym(event.subject, people)
        return msgspec.structs.replace(event, **changed)


def _case(given: Document) -> str:
    """Which case it is of, to be told with what is wrong with it. The subject of other events is a person: that is never told."""
    kind, subject = given.get("type"), given.get("subject")
    of_case = isinstance(kind, str) and TYPES.get(kind) in get_args(e.CaseEvent)
    return subject if of_case and isinstance(subject, str) else ""


def _rated(event: e.Rated, people: People) -> e.Rated:
    """Raises ``Unreadable``."""
    _check_week(event)
    data = event.data
    person = _pseudonym(data.person, people)
    return rated(
        people, person, event.time, about=data.about, score=data.score, best=data.best, department=data.department
    )


def _suggestion(event: e.YouSaid | e.WeDid) -> e.YouSaid | e.WeDid:
    """Nobody's. Raises ``Unreadable``."""
    _check_week(event)
    if isinstance(event, e.WeDid):
        return we_did(event.source, event.subject, event.time)
    data = event.data
    return you_said(
        event.source, event.subject, event.time, department=data.department, topic=data.topic, wave=data.wave
    )


def _check_week(event: e.Rated | e.YouSaid | e.WeDid) -> None:
    """Raises ``Unreadable``."""
    if event.data.week != (week := week_of(event.time)):
        raise Unreadable(f"week {event.data.week[:SHOWN]!r} is not that of its time, {week!r}")


def _pseudonym(person: str, people: People) -> str:
    """Only of the key that is in force: what else looks like one may be an id of the sender's."""
    key_id, _, digits = person.partition(":")
    if key_id == people.identity.key_id and _PSEUDONYM.fullmatch(digits):
        return person
    return people.person(person, person)


def _in_utc(event: S) -> S:
    """All its times. Raises ``Unreadable`` for one that no source has."""
    changed: dict[str, Any] = {}
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if isinstance(value, datetime):
            changed[name] = _utc(value, name)
        elif isinstance(value, Struct):
            changed[name] = _in_utc(value)
    return msgspec.structs.replace(event, **changed)


def _utc(at: datetime, name: str) -> datetime:
    try:
        at = at.astimezone(UTC)
    except OverflowError:
        at = LAST
    if not EPOCH <= at < LAST:
        raise Unreadable(f"{name!r} lies outside {EPOCH.year} to {LAST.year}")
    return at


# -- HTTP
def _binary(hook: Hook, media_type: str) -> Document:
    """The attributes are headers, the body is the data. Raises ``Unreadable``."""
    given: dict[str, Any] = {
        name.removeprefix(ATTRIBUTE): _attribute(value, name)
        for name, value in hook.headers.items()
        if name.startswith(ATTRIBUTE)
    }
    if not given:
        raise Unreadable(f"no CloudEvent: neither a content type {STRUCTURED} nor headers {ATTRIBUTE}*")
    if hook.body:
        if not _is_json(media_type):
            raise Unreadable(f"content type {media_type[:SHOWN]!r} is not read: send {JSON}")
        given |= {"datacontenttype": JSON, "data": decoded(hook.body, Any)}
    return given


def _attribute(value: str, name: str) -> str:
    """The value of a header, of which quotes and percent signs are taken away. Raises ``Unreadable``."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = _ESCAPED.sub(r"\1", value[1:-1])
    try:
        return _PERCENT.sub(lambda match: bytes.fromhex(match[1].decode()), value.encode()).decode()
    except UnicodeError:
        raise Unreadable(f"{name!r} is no UTF-8") from None


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _is_json(content_type: str) -> bool:
    _, _, kind = _media_type(content_type).partition("/")
    return kind == "json" or kind.endswith("+json")

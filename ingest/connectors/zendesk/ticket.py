"""A ticket of Zendesk as its API tells it: what is read of it, of its audits and of its chats, and who is who. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import Annotated, Any

from msgspec import Meta, Struct

from ingest.connector import Document
from ingest.event import Actor
from ingest.identity import People
from ingest.reading import converted
from ingest.times import time_reader

MACHINE = -1
RULE = "rule"
CHAT = "ChatStartedEvent"
"""Of an audit: holds the chat as far as it has come."""
MESSAGE = "ChatMessage"
ASKS, SERVES = ("end-user", "visitor"), "agent"
TAGS = "tags"

Id = int | str
Number = Annotated[int, Meta(ge=0, lt=1 << 53)]
time_of = time_reader(("iso",), UTC)
time_of_message = time_reader(("epoch_ms",), UTC)
_USER = re.compile(r"(?:agent:)?(\d{1,18})")


# -- what is read of an answer: nothing else
class Origin(Struct, frozen=True):
    ticket_ids: tuple[Id, ...] = ()


class Source(Struct, frozen=True, rename={"origin": "from"}):
    rel: str | None = None
    origin: Origin = Origin()


class Via(Struct, frozen=True):
    channel: str | None = None
    source: Source = Source()


class Event(Struct, frozen=True):
    """``value`` is of any type, as the field is."""

    type: str
    field_name: str | None = None
    value: Any = None
    previous_value: Any = None
    author_id: int | None = None
    public: bool = False
    via: Via = Via()


class Audit(Struct, frozen=True):
    id: Number
    created_at: str
    author_id: int | None = None
    via: Via = Via()
    events: tuple[Event, ...] = ()


class Ticket(Struct, frozen=True):
    id: int
    status: str
    updated_at: str
    requester_id: int | None = None
    organization_id: int | None = None


class User(Struct, frozen=True):
    role: str | None = None
    email: str | None = None


class Told(Struct, frozen=True):
    """A ticket, its audits, and the users named in them, by id."""

    ticket: Ticket
    audits: tuple[Audit, ...] = ()
    users: dict[str, User] = {}


class Line(Struct, frozen=True):
    """Of a chat: a message, or that somebody came or went. ``timestamp``: milliseconds since 1970. ``is_history_context``: it was
    said in an earlier one.
    """

    type: str
    chat_index: Annotated[int, Meta(ge=0, lt=1 << 32)]
    timestamp: Number
    actor_id: Id | None = None
    actor_type: str | None = None
    is_history_context: bool | None = None

    @property
    def user(self) -> str:
        """An agent is also called ``agent:9002``; a visitor nobody knows has no number."""
        found = _USER.fullmatch(str(self.actor_id))
        return found[1] if found else ""


class Chat(Struct, frozen=True):
    chat_id: str
    history: tuple[Line, ...] = ()

    @property
    def messages(self) -> list[Line]:
        return [line for line in self.history if line.type == MESSAGE and not line.is_history_context]


class Who:
    """The persons of a ticket."""

    def __init__(self, told: Told, people: People, bots: frozenset[str]) -> None:
        self._told, self._people, self._bots = told, people, bots

    def acts(self, user: int | None) -> Actor:
        if user is None or user == MACHINE:
            return Actor.system
        if str(user) in self._bots:
            return Actor.provider_bot
        if user == self._told.ticket.requester_id:
            return Actor.requester
        known = self._told.users.get(str(user))
        if known is None:
            return Actor.system  # who it was cannot be said: no answer is made of it
        return Actor.requester if known.role == "end-user" else Actor.provider_human

    def speaks(self, line: Line) -> tuple[Actor, int | None]:
        """Whom a chat does not name by a user it knows only as visitor, agent or machine."""
        user = int(line.user) if line.user else None
        actor = self.acts(user)
        if actor is Actor.system and line.actor_type in ASKS:
            return Actor.requester, self._told.ticket.requester_id
        if actor is Actor.system and line.actor_type == SERVES and user is not None:
            return Actor.provider_human, user
        return actor, user

    def person(self, user: Any) -> str:
        if user is None:
            return ""
        known = self._told.users.get(str(user))
        return self._people.person(str(user), (known and known.email) or "")


def creates(some: Sequence[Event]) -> bool:
    """Rules may set fields in the audit of a creation too."""
    return any(event.type == "Create" and event.via.channel != RULE for event in some)


def labels(value: Any) -> Sequence[str]:
    """The tags in an event."""
    return [tag for tag in value if isinstance(tag, str)] if isinstance(value, list | tuple) else text(value).split()


def chat_of(event: Event) -> Chat | None:
    """Raises ``Unreadable``."""
    return converted(event.value, Chat) if event.type == CHAT and isinstance(event.value, Mapping) else None


def named(told: Document) -> set[str]:
    """The users of a ticket and its audits."""
    ids = {told["ticket"].get("requester_id")}
    for audit in told["audits"]:
        ids.add(audit.get("author_id"))
        for event in audit.get("events", ()):
            ids.add(event.get("author_id"))
            if event.get("field_name") == "assignee_id":
                ids.add(event.get("value"))
            if event.get("type") == CHAT:
                ids |= set(_speakers(event.get("value")))
    return {str(user) for user in ids if user not in (None, "", MACHINE)}


def _speakers(chat: Any) -> Iterator[str]:
    for line in chat.get("history", ()) if isinstance(chat, dict) else ():
        found = _USER.fullmatch(str(line.get("actor_id")))
        if found and line.get("type") == MESSAGE:
            yield found[1]


def text_of(values: Mapping[str | None, Event], field: str) -> str:
    return text(values[field].value) if field in values else ""


def text(value: Any) -> str:
    return str(value) if isinstance(value, int | str) else ""

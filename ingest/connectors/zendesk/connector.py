"""Zendesk Support: tickets that changed, each with its audits, and satisfaction ratings; webhooks are doorbells.

Read are the cursor of ``/api/v2/incremental/tickets``, ``/tickets/{id}`` and its audits, ``/users/show_many`` and
``/satisfaction_ratings``, as https://developer.zendesk.com/api-reference/ describes them. What was written is not read, only who
wrote it, when, and whether the requester sees it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from ingest import event as e
from ingest.change import Change, Message, events, in_sessions
from ingest.changes import State
from ingest.connector import (
    Api,
    Document,
    Doorbell,
    FromOutside,
    Hook,
    Page,
    Refused,
    Rejected,
    Tells,
    tells,
)
from ingest.connectors.zendesk.ticket import (
    RULE,
    TAGS,
    Audit,
    Event,
    Id,
    Ticket,
    Told,
    Who,
    chat_of,
    creates,
    labels,
    named,
    text,
    text_of,
    time_of,
    time_of_message,
)
from ingest.event import Actor, ClassifiedData, CreatedData, MergedData, NeedByData, Rated, RoutedData, Unreadable
from ingest.exclusion import Labelled
from ingest.feedback import rated
from ingest.identity import People
from ingest.mapping import Meaning
from ingest.names import name_at
from ingest.reading import as_cursor, converted, decoded
from ingest.signatures import base64_of_hmac, recent, signed
from ingest.translate import meanings, state_of

LATEST = timedelta(minutes=1)
"""What changed within it the export leaves out."""
USERS_AT_ONCE = 100
PARTS = 8
"""So many may have acted in one audit, and be told in their order."""
STATES: Mapping[str, Any] = {
    "new": "open",
    "open": "open",
    "pending": {"paused": {"owner": "requester", "reason": "pending", "asks": True}},
    "hold": {"paused": {"owner": "third_party", "reason": "on-hold"}},
    "solved": "solved",
    "closed": "closed",
    "deleted": "ignore",
}
SCORES = {"good": 1, "bad": 0}
"""A comment that stands with a score makes it ``good_with_comment``."""
TRANSCRIPT = "chat_transcript"
"""By which a chat that has ended comes as a comment once more."""
FIELDS = ("Create", "Change")
COMMENTS = ("Comment", "VoiceComment")
PERSONS = (Actor.requester, Actor.provider_human)


# -- what is read of an answer: nothing else
class Rating(Struct, frozen=True):
    score: str
    updated_at: str
    requester_id: int
    group_id: int | None = None


class Detail(Struct, frozen=True):
    id: Id = ""


class Body(Struct, frozen=True):
    ticket_id: Id = ""
    detail: Detail = Detail()


class Cursor(Struct):
    """``ratings``: seconds since 1970."""

    tickets: str = ""
    ratings: int = 0


class Zendesk(Labelled):
    """``user``: whose token it is (an e-mail address). ``states``: what other statuses mean, or the same in another way.
    ``service``: the field of a ticket that says what it is about; a custom field by its id.
    """

    name: ClassVar[str] = "zendesk"
    signs_time: ClassVar[bool] = True
    tells: ClassVar[Tells] = tells(
        "created classified routed claimed replied noted bot_replied asked_requester requester_replied paused resumed need_by "
        "solved reopened closed merged deleted restored excluded rated"
    )
    user: str
    service: str = "ticket_form_id"
    states: Mapping[str, Meaning] = {}

    @cached_property
    def _states(self) -> Mapping[str, State | None]:
        return meanings({**{name: Meaning.model_validate(given) for name, given in STATES.items()}, **self.states})

    # -- the API
    def authorization(self, secret: str) -> Mapping[str, str]:
        return {"authorization": "Basic " + b64encode(f"{self.user}/token:{secret}".encode()).decode()}

    def fetch(self, api: Api, cursor: str, now: datetime) -> Iterator[Page]:
        at = msgspec.json.decode(cursor, type=Cursor) if cursor else Cursor()
        more = True
        while more:
            page = api.get(
                "/api/v2/incremental/tickets/cursor.json",
                {"cursor": at.tickets} if at.tickets else {"start_time": "0"},
            )
            more = not page["end_of_stream"]
            at.tickets = page["after_cursor"] or at.tickets
            yield Page(self._documents(api, page["tickets"]), as_cursor(at), None, True)
        since = {"start_time": str(at.ratings), "score": "received"}
        ratings = list(_pages(api, "/api/v2/satisfaction_ratings.json", since, "satisfaction_ratings"))
        at.ratings = max([at.ratings, *(int(time_of(rating["updated_at"]).timestamp()) for rating in ratings)])
        yield Page([{"rating": rating} for rating in ratings], as_cursor(at), now - LATEST, False)

    def case(self, api: Api, subject: str) -> Sequence[Document]:
        try:
            ticket = api.get(f"/api/v2/tickets/{subject}.json")["ticket"]
        except Refused as refused:
            if refused.status == 404:
                return ()
            raise
        return self._documents(api, [ticket])

    def group_name(self, api: Api, group: str, *, asks: bool) -> str:
        return name_at(api, "/api/v2/organizations/{}.json" if asks else "/api/v2/groups/{}.json", group)

    def _documents(self, api: Api, tickets: Sequence[Document]) -> list[Document]:
        """Of each ticket its audits, with the users who are named in them."""
        found = [{"ticket": ticket, "audits": self._audits(api, ticket)} for ticket in tickets]
        users = self._users(api, sorted({user for one in found for user in named(one)}))
        return [{**one, "users": {user: users[user] for user in named(one) if user in users}} for one in found]

    def _audits(self, api: Api, ticket: Document) -> list[Document]:
        """None of a deleted ticket: they are gone."""
        if ticket["status"] == "deleted":
            return []
        return list(_pages(api, f"/api/v2/tickets/{ticket['id']}/audits.json", {}, "audits"))

    def _users(self, api: Api, ids: Sequence[str]) -> dict[str, Document]:
        users: dict[str, Document] = {}
        for first in range(0, len(ids), USERS_AT_ONCE):
            some = ",".join(ids[first : first + USERS_AT_ONCE])
            users |= {str(user["id"]): user for user in api.get("/api/v2/users/show_many.json", {"ids": some})["users"]}
        return users

    # -- webhooks
    def verify(self, hook: Hook, secrets: Sequence[str]) -> None:
        stamp = hook.headers.get("x-zendesk-webhook-signature-timestamp", "")
        recent(stamp, time_of, hook.at)
        signed(hook.headers.get("x-zendesk-webhook-signature", ""), stamp.encode() + hook.body, secrets, base64_of_hmac)

    def told_by(self, hook: Hook) -> Iterator[Document | Doorbell | Rejected]:
        """Of an event of a ticket, or of a trigger whose body has a ``ticket_id``."""
        body = decoded(hook.body, Body)
        subject = body.ticket_id or body.detail.id
        if not subject:
            raise Unreadable("names no ticket: neither ticket_id nor detail.id")
        yield Doorbell(str(subject))

    # -- what it means
    def means(self, document: Document, people: People) -> Iterator[FromOutside | Rejected]:
        if "rating" in document:
            yield self._rating(converted(document["rating"], Rating), people)
            return
        told = converted(document, Told)
        ticket, who = told.ticket, Who(told, people, self.bots)
        subject = str(ticket.id)
        if not told.audits and ticket.status != "deleted":
            reason = "no audit says how it came about: let the user whose token it is see all tickets"
            raise Unreadable(reason, subject=subject)
        changes: list[Change] = []
        for audit in told.audits:
            for read in (self._changes, self._said):
                try:
                    changes.extend(read(audit, ticket, who))  # those before one that cannot be read stay
                except Unreadable as error:
                    yield Rejected(source=self.source, reason=error.reason, place=f"audit {audit.id}", subject=subject)
        if ticket.status == "deleted":
            native = f"deleted|{ticket.id}|{ticket.updated_at}"
            gone = ((e.Deleted, None),)
            changes.append(Change(subject=subject, native=native, time=time_of(ticket.updated_at), further=gone))
        for change in in_sessions(changes):
            yield from events(change, self.source)

    def _changes(self, audit: Audit, ticket: Ticket, who: Who) -> Iterator[Change]:
        """One for each who acted in it, and of the others that were merged into this one. Raises ``Unreadable``."""
        at = time_of(audit.created_at)
        acted: dict[tuple[Actor, int | None], list[Event]] = {}
        for event in audit.events:
            author = event.author_id or audit.author_id
            actor = Actor.system if event.via.channel == RULE else who.acts(author)
            acted.setdefault((actor, author if actor in PERSONS else None), []).append(event)
        for part, ((actor, author), some) in enumerate(acted.items()):
            change = Change(
                subject=str(ticket.id),
                native=f"{audit.id}|{part}" if part else str(audit.id),
                time=at,
                order=audit.id * PARTS + min(part, PARTS - 1),
                actor=actor,
                who=who.person(author),
            )
            self._read(change, audit, some, ticket, who)
            yield change
        for event in audit.events:
            for merged in event.via.source.origin.ticket_ids if event.via.source.rel == "merge" else ():
                into = ((e.Merged, MergedData(into=str(ticket.id))),)
                native = f"{audit.id}|{merged}"
                yield Change(subject=str(merged), native=native, time=at, order=audit.id * PARTS, further=into)

    def _read(self, change: Change, audit: Audit, some: Sequence[Event], ticket: Ticket, who: Who) -> None:
        """What one actor did in an audit: a person, or the rules that followed. Raises ``Unreadable``."""
        values = {event.field_name: event for event in some if event.type in FIELDS}
        if creates(some):
            change.created = CreatedData(
                requester=who.person(ticket.requester_id),
                requester_group=text(ticket.organization_id),
                service=text_of(values, self.service),
                priority=text_of(values, "priority"),
                channel=audit.via.channel or "",
            )
        else:
            service, priority = text_of(values, self.service), text_of(values, "priority")
            change.classified = ClassifiedData(service=service, priority=priority)
        if (status := values.get("status")) is not None:
            change.before = state_of(text(status.previous_value), self._states)
            change.after = state_of(text(status.value), self._states)
            if status.previous_value == "deleted":
                change.further += ((e.Restored, None),)
        if (group := values.get("group_id")) is not None:
            change.routed, change.acting = RoutedData(group=text(group.value)), text(group.previous_value)
        if assignee := text_of(values, "assignee_id"):
            change.assignee = who.person(assignee)
        if due := text_of(values, "due_at"):
            change.further += ((e.NeedBy, NeedByData(due=time_of(due))),)
        if tags := [event for event in some if event.type in FIELDS and event.field_name == TAGS]:
            change.excluded = self.excluded(labels(tags[0].previous_value), labels(tags[-1].value))
        with_creation = creates(audit.events)  # a person's comment is the request then, whoever wrote it down
        for event in some:
            request = with_creation and event.via.channel != RULE
            again = event.via.source.rel == "merge" or event.via.channel == TRANSCRIPT
            if event.type in COMMENTS and not again and not request:
                change.message = Message.public if event.public else change.message or Message.internal

    def _said(self, audit: Audit, ticket: Ticket, who: Who) -> Iterator[Change]:
        """The messages of the chats that began then. What opened the ticket is the request. Raises ``Unreadable``."""
        for event in audit.events:
            if (chat := chat_of(event)) is None:
                continue
            asking = creates(audit.events)
            for line in chat.messages:
                actor, user = who.speaks(line)
                asking = asking and actor is Actor.requester
                if asking:
                    continue
                yield Change(
                    subject=str(ticket.id),
                    native=f"chat|{chat.chat_id}|{line.chat_index}",
                    time=time_of_message(str(line.timestamp)),
                    order=line.chat_index,
                    actor=actor,
                    who=who.person(user) if actor in PERSONS else "",
                    message=Message.public,
                    session=chat.chat_id,
                )

    def _rating(self, rating: Rating, people: People) -> Rated:
        """Raises ``Unreadable``."""
        score = SCORES.get(rating.score.removesuffix("_with_comment"))
        if score is None:
            raise Unreadable(f"unknown score {rating.score!r} of a rating")
        person = people.person(str(rating.requester_id))
        return rated(people, person, time_of(rating.updated_at), about=text(rating.group_id), score=score, best=1)


def _pages(api: Api, path: str, query: Mapping[str, str], key: str) -> Iterator[Document]:
    """All that a list of the API has, page by page."""
    query = {**query, "page[size]": "100"}
    while True:
        page = api.get(path, query)
        yield from page[key]
        if not page.get("meta", {}).get("has_more"):
            return
        query["page[after]"] = page["meta"]["after_cursor"]

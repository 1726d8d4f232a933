"""Freshservice: tickets that changed, each with its activities, conversations and rating; webhooks of workflows are doorbells.

Read is the API of https://api.freshservice.com: lists of tickets, ``/tickets/{id}`` with its ``activities``, ``conversations`` and
``csat_response``, and once in a run groups and agents. What was written is not read, only who wrote it, when, and whether the
requester sees it. An activity is a sentence of the product, "set Status as Pending and set Group as Network": read are the
fields that it names, and nothing else of it.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta, Struct
from pydantic import Field

from ingest import event as e
from ingest.change import Change, Message, events
from ingest.changes import OPEN, Meant, State
from ingest.connector import (
    Api,
    Document,
    Doorbell,
    FromOutside,
    Hook,
    Page,
    Rejected,
    Tells,
    tells,
)
from ingest.connectors.freshservice.activities import AGENT, GROUP, PRIORITY, SOURCE, STATUS, Activity, in_order
from ingest.connectors.freshservice.lists import Lists
from ingest.event import (
    Actor,
    ChildData,
    ClassifiedData,
    CreatedData,
    ExcludedData,
    Rated,
    RoutedData,
    Unreadable,
)
from ingest.exclusion import Labelled
from ingest.feedback import rated
from ingest.identity import People
from ingest.mapping import Meaning
from ingest.names import name_at
from ingest.ordering import order_of_change, order_of_message
from ingest.reading import as_cursor, converted, decoded
from ingest.signatures import token
from ingest.times import time_reader
from ingest.translate import meanings, state_of

LATEST = timedelta(minutes=1)
"""What changes within it the lists may not have yet."""
OVERLAP = timedelta(minutes=5)
FIRST = "1970-01-01T00:00:00Z"
PASSES = ("", "deleted", "spam")
"""The filters of the lists: a list without has neither deleted tickets nor spam."""
STATES: Mapping[str, Any] = {
    "Open": "open",
    "Pending": {"paused": {"owner": "requester", "reason": "pending"}},
    "Resolved": "solved",
    "Closed": "closed",
}
OPENED = "2"
"""The number of the status that a ticket begins with."""
NOBODY = "none"
HEADER = "x-crossdesk-token"

Id = int | str
Story = Sequence[tuple[datetime, Activity]]
_time = time_reader(("iso",), UTC)


# -- what is read of an answer: nothing else
class Related(Struct, frozen=True):
    parent_id: Id | None = None


class Ticket(Struct, frozen=True):
    id: Id
    created_at: str
    updated_at: str
    status: Id | None = None
    requester_id: Id | None = None
    department_id: Id | None = None
    group_id: Id | None = None
    deleted: bool = False
    spam: bool = False
    tags: tuple[str, ...] | None = None
    related_tickets: Related | None = None


class Conversation(Struct, frozen=True):
    id: Annotated[int, Meta(ge=0, lt=1 << 51)]
    created_at: str
    user_id: Id | None = None
    private: bool = False


class Score(Struct, frozen=True):
    acquired_score: int | None = None
    total_score: int | None = None


class Rating(Struct, frozen=True):
    created_at: str
    score: Score = Score()


class User(Struct, frozen=True):
    agent: bool = False
    email: str | None = None


class Told(Struct, frozen=True):
    """A ticket, all that happened to it (None: not shown), its users by id, and the ids of groups and agents by their names."""

    ticket: Ticket
    activities: tuple[Activity, ...] | None = ()
    conversations: tuple[Conversation, ...] = ()
    rating: Rating | None = None
    users: dict[str, User] = {}
    groups: dict[str, str] = {}
    agents: dict[str, str] = {}

    @property
    def subject(self) -> str:
        return str(self.ticket.id)

    @property
    def gone(self) -> bool:
        return self.ticket.deleted or self.ticket.spam


class Body(Struct, frozen=True):
    ticket_id: Id = ""


class Cursor(Struct):
    """Up to when each list was read; of the one that is being read: from when on, which page is next, and the newest in it."""

    read: dict[str, str] = {}
    listed: int = 0
    since: str = ""
    page: int = 1
    newest: str = ""


class Who:
    """The persons of a ticket."""

    def __init__(self, told: Told, people: People, bots: frozenset[str]) -> None:
        self._told, self._people, self._bots = told, people, bots
        self.requester = self.person(told.ticket.requester_id)

    def acts(self, user: Id | None) -> Actor:
        if str(user) in self._bots:
            return Actor.provider_bot
        if user is not None and user == self._told.ticket.requester_id:
            return Actor.requester
        known = self._told.users.get(str(user))
        if known is None:
            return Actor.system  # a workflow, or who it was cannot be said: no answer is made of it
        return Actor.provider_human if known.agent else Actor.requester

    def person(self, user: Id | None) -> str:
        if user is None or str(user) in self._bots:
            return ""
        known = self._told.users.get(str(user))
        if known is None and user != self._told.ticket.requester_id:
            return ""
        return self._people.person(str(user), (known and known.email) or "")

    def agent(self, name: str) -> str:
        """Who has another name by now, or shares it, has a pseudonym of the name."""
        found = self._told.agents.get(name)
        return self._people.person(name) if found is None else self.person(found)


class Freshservice(Labelled):
    """``service``: the field that says what a ticket is about, as activities call it. ``groups``: ids of groups names that they
    had. ``states``: what further statuses mean, or the known ones in another way, by their names.
    """

    name: ClassVar[str] = "freshservice"
    signs_body: ClassVar[bool] = False
    tells: ClassVar[Tells] = tells(
        "created classified routed claimed replied noted bot_replied asked_requester requester_replied paused resumed solved "
        "reopened closed child_linked deleted excluded rated"
    )
    service: Annotated[str, Field(min_length=1)] = "Category"
    groups: Mapping[str, str] = {}
    states: Mapping[str, Meaning] = {}

    @cached_property
    def _states(self) -> Mapping[str, State | None]:
        return meanings({**{name: Meaning.model_validate(given) for name, given in STATES.items()}, **self.states})

    # -- the API
    def authorization(self, secret: str) -> Mapping[str, str]:
        return {"authorization": "Basic " + b64encode(f"{secret}:X".encode()).decode()}

    def fetch(self, api: Api, cursor: str, now: datetime) -> Iterator[Page]:
        at = msgspec.json.decode(cursor, type=Cursor) if cursor else Cursor()
        lists = Lists(api)
        while True:
            name = PASSES[at.listed]
            at.since = at.since or _before(at.read.get(name, FIRST))
            rows = lists.tickets(name, at.since, at.page)
            at.page += 1
            at.newest = max([at.newest, *(row["updated_at"] for row in rows)])
            if not rows:
                at.read[name] = max(at.read.get(name, FIRST), at.newest)
                at.listed, at.since, at.page, at.newest = (at.listed + 1) % len(PASSES), "", 1, ""
            documents = [lists.ticket(str(row["id"]), row) for row in rows]
            done = not rows and at.listed == 0
            yield Page([one for one in documents if one], as_cursor(at), now - LATEST if done else None, not done)
            if done:
                return

    def case(self, api: Api, subject: str) -> Sequence[Document]:
        document = Lists(api).ticket(subject)
        return [document] if document else []

    def group_name(self, api: Api, group: str, *, asks: bool) -> str:
        return name_at(api, "/api/v2/departments/{}" if asks else "/api/v2/groups/{}", group)

    # -- webhooks
    def verify(self, hook: Hook, secrets: Sequence[str]) -> None:
        token(hook.headers.get(HEADER, ""), secrets)

    def told_by(self, hook: Hook) -> Iterator[Document | Doorbell | Rejected]:
        """Of a workflow, whose body has a ``ticket_id``: a number, behind the letters that name its type or without."""
        given = str(decoded(hook.body, Body).ticket_id)
        subject = given.rpartition("-")[2]
        if not subject.isdecimal():
            raise Unreadable("names no ticket: no number in ticket_id")
        yield Doorbell(subject)

    # -- what it means
    def means(self, document: Document, people: People) -> Iterator[FromOutside | Rejected]:
        told = converted(document, Told)
        who = Who(told, people, self.bots)
        if told.activities is not None:
            story = in_order([(_time(one.created_at), one) for one in told.activities])
            yield from self._made([self._opened(told, who, story)], "ticket", told)
            yield from self._changes(story, told, who)
        elif not told.gone:
            raise Unreadable("its activities are not shown to the user whose key it is", subject=told.subject)
        for one in told.conversations:
            yield from self._made(_said(one, told, who), f"conversation {one.id}", told)
        yield from self._made(_related(told), "ticket", told)
        yield from self._made(self._labelled(told), "ticket", told)
        if told.rating is not None:
            yield _rating(told.rating, told.ticket, who, people)

    def _made(self, changes: Iterable[Change], place: str, told: Told) -> Iterator[FromOutside | Rejected]:
        try:
            for change in changes:
                yield from events(change, self.source)
        except Unreadable as error:
            yield Rejected(source=self.source, reason=error.reason, place=place, subject=told.subject)

    def _opened(self, told: Told, who: Who, story: Story) -> Change:
        """What is told of it at the creation stays; what it is by now is told by the activities that changed it."""
        first = story[0][1].fields if story and story[0][1].creates else {}
        created = CreatedData(
            requester=who.requester,
            requester_group=_text(told.ticket.department_id),
            service=first.get(self.service, ""),
            priority=first.get(PRIORITY, ""),
            channel=first.get(SOURCE, ""),
        )
        return Change(subject=told.subject, native=told.subject, time=_time(told.ticket.created_at), created=created)

    def _labelled(self, told: Told) -> Iterator[Change]:
        """When a tag came nothing tells: it counts from the beginning."""
        excluded = self.excluded((), told.ticket.tags or ())
        if excluded is not None:
            native, at = f"{told.subject}|{excluded.reason}", _time(told.ticket.created_at)
            yield Change(subject=told.subject, native=native, time=at, excluded=excluded)

    def _changes(self, story: Story, told: Told, who: Who) -> Iterator[FromOutside | Rejected]:
        """An activity tells what is, and not what was before: that is what the one before it told."""
        before, told_of, often = OPEN, set[str](), Counter[str]()
        for order, (at, activity) in enumerate(story):
            fields = activity.fields
            told_of |= fields.keys()
            try:
                after = state_of(fields.get(STATUS, ""), self._states)
                change = self._change(order, at, activity, told, who)
            except Unreadable as error:
                place = f"activity of {activity.created_at}"
                yield Rejected(source=self.source, reason=error.reason, place=place, subject=told.subject)
                continue
            often[change.native] += 1
            if often[change.native] > 1:
                change.native += f"|{often[change.native]}"
            change.before, change.after = before, after
            before = after or before
            yield from events(change, self.source)
        ticket = told.ticket
        lacking = [STATUS] if _text(ticket.status) not in ("", OPENED) and STATUS not in told_of else []
        lacking += [GROUP] if _text(ticket.group_id) and GROUP not in told_of else []
        if lacking and not told.gone:
            reason = f"no activity sets its {' and '.join(lacking)}: give the user whose key it is the language English"
            yield Rejected(source=self.source, reason=reason, place="activities", subject=told.subject)

    def _change(self, order: int, at: datetime, activity: Activity, told: Told, who: Who) -> Change:
        """Raises ``Unreadable``."""
        fields, user = activity.fields, activity.actor.id if activity.actor else None
        known = [f"{name}={fields[name]}" for name in (STATUS, GROUP, PRIORITY, SOURCE, self.service) if name in fields]
        change = Change(
            subject=told.subject,
            native="|".join([told.subject, at.isoformat(), *known, *([AGENT] if AGENT in fields else [])]),
            time=at,
            order=order_of_change(order),
            actor=who.acts(user),
            who=who.person(user),
        )
        if order or not activity.creates:
            change.classified = ClassifiedData(
                service=fields.get(self.service, ""), priority=fields.get(PRIORITY, ""), channel=fields.get(SOURCE, "")
            )
        if (group := fields.get(GROUP)) is not None:
            change.routed = RoutedData(group=self._group(group, told))
        if (agent := fields.get(AGENT, NOBODY)).casefold() != NOBODY:
            change.assignee = who.agent(agent)
        return change

    def _group(self, name: str, told: Told) -> str:
        """Raises ``Unreadable``."""
        if name.casefold() == NOBODY:
            return ""
        number = self.groups.get(name) or told.groups.get(name)
        if number is None:
            raise Unreadable(f"no group {name!r}, or several: say under 'groups' which id it had")
        return number


def _said(one: Conversation, told: Told, who: Who) -> Iterator[Change]:
    """Raises ``Unreadable``."""
    actor = who.acts(one.user_id)
    yield Change(
        subject=told.subject,
        native=str(one.id),
        time=_time(one.created_at),
        order=order_of_message(one.id, actor),
        actor=actor,
        who=who.person(one.user_id),
        message=Message.internal if one.private else Message.public,
    )


def _related(told: Told) -> Iterator[Change]:
    """To another ticket, or to none any more. Raises ``Unreadable``."""
    ticket, subject = told.ticket, told.subject
    if ticket.related_tickets is not None and (parent := _text(ticket.related_tickets.parent_id)):
        child = ((e.ChildLinked, ChildData(parent=parent)),)
        yield Change(subject=subject, native=f"child|{subject}|{parent}", time=_time(ticket.created_at), further=child)
    gone: tuple[Meant, ...] = ((e.Deleted, None),) if ticket.deleted else ()
    if ticket.spam:
        gone += ((e.Excluded, ExcludedData(reason="spam")),)
    if gone:
        native = f"gone|{subject}|{ticket.updated_at}"
        yield Change(subject=subject, native=native, time=_time(ticket.updated_at), further=gone)


def _rating(rating: Rating, ticket: Ticket, who: Who, people: People) -> Rated:
    """Raises ``Unreadable``."""
    score, best = rating.score.acquired_score, rating.score.total_score
    if score is None or best is None or not 0 <= score <= best:
        raise Unreadable(f"rating {score} of {best} cannot be read")
    return rated(people, who.requester, _time(rating.created_at), about=_text(ticket.group_id), score=score, best=best)


def _before(stamp: str) -> str:
    return stamp if stamp == FIRST else (_time(stamp) - OVERLAP).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(value: Id | None) -> str:
    return "" if value is None else str(value)

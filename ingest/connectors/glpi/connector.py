"""GLPI: tickets that changed, each with its history, follow-ups, solutions, tasks and satisfaction; webhooks are doorbells.

Read is the API ``apirest.php`` as https://github.com/glpi-project/glpi/blob/main/apirest.md describes it. What was written is not
read, only who wrote it, when, and whether the requester sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import groupby
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Struct
from pydantic import AfterValidator

from ingest import event as e
from ingest.change import Change, Message, events
from ingest.changes import OPEN, State
from ingest.connector import (
    Api,
    Connector,
    Document,
    Doorbell,
    FromOutside,
    Hook,
    Page,
    Rejected,
    Tells,
    tells,
)
from ingest.connectors.glpi import history as h
from ingest.connectors.glpi.case import ASKS, SERVES, Part, Satisfaction, Serving, Ticket, Told, Who
from ingest.connectors.glpi.history import Entry, Id, text
from ingest.connectors.glpi.session import Session
from ingest.event import (
    Actor,
    ChildData,
    ClassifiedData,
    CreatedData,
    MergedData,
    NeedByData,
    PromisedData,
    Rated,
    RoutedData,
    Unreadable,
)
from ingest.feedback import rated
from ingest.identity import People
from ingest.mapping import Meaning
from ingest.names import name_at
from ingest.ordering import order_of_change, order_of_message
from ingest.reading import as_cursor, converted, decoded
from ingest.signatures import hex_of_hmac, recent, signed
from ingest.times import time_reader, zone
from ingest.translate import meanings, state_of

LATEST = timedelta(minutes=1)
"""What changes within it may still be on its way into the history."""
OVERLAP = timedelta(minutes=5)
SECOND = timedelta(seconds=1)
FIRST = "1970-01-01 00:00:00"
ROWS_AT_ONCE = 50
STATES: Mapping[str, Any] = {
    "1": "open",
    "2": "working",
    "3": "working",
    "4": {"paused": {"owner": "requester", "reason": "pending"}},
    "5": "solved",
    "6": "closed",
}
KINDS = ("followup", "solution", "task")
"""They are numbered apart."""
PASSES = (("present", h.CHANGED, "0"), ("deleted", h.CHANGED, "1"), ("rated", h.RATED, "0"))
"""What is searched for, by which field it is sorted, and whether it is in the dustbin."""

_second = time_reader(("epoch_s",), UTC)


class Item(Struct, frozen=True):
    id: Id = ""
    itemtype: str = ""
    items_id: Id = ""
    tickets_id: Id = ""


class Body(Struct, frozen=True):
    item: Item = Item()


class Cursor(Struct):
    """Up to when each was read, as GLPI writes it."""

    present: str = FIRST
    deleted: str = FIRST
    rated: str = FIRST


def _known(name: str) -> str:
    """Raises ``ingest.times.UnknownZone``."""
    zone(name)
    return name


class Glpi(Connector):
    """``zone``: of GLPI's times, which have no offset. ``states``: what a status means in another way, by its number."""

    name: ClassVar[str] = "glpi"
    signs_time: ClassVar[bool] = True
    tells: ClassVar[Tells] = tells(
        "created classified routed claimed replied noted bot_replied asked_requester requester_replied paused resumed promised "
        "need_by solved reopened closed merged child_linked deleted restored rated"
    )
    zone: Annotated[str, AfterValidator(_known)] = "UTC"
    states: Mapping[str, Meaning] = {}

    @cached_property
    def _states(self) -> Mapping[str, State | None]:
        return meanings({**{name: Meaning.model_validate(given) for name, given in STATES.items()}, **self.states})

    @cached_property
    def _time(self) -> Callable[[str], datetime]:
        return time_reader(("iso",), zone(self.zone))

    # -- the API
    def authorization(self, secret: str) -> Mapping[str, str]:
        """``secret``: the user's token, and behind a blank the application's, where GLPI asks for one."""
        user, _, application = secret.strip().partition(" ")
        known = {"authorization": f"user_token {user}"}
        return {**known, "app-token": application.strip()} if application else known

    def fetch(self, api: Api, cursor: str, now: datetime) -> Iterator[Page]:
        at = msgspec.json.decode(cursor, type=Cursor) if cursor else Cursor()
        session = Session(api)
        for name, field, dustbin in PASSES:
            since, skip, more = self._before(getattr(at, name)), 0, True
            while more:
                found = self._search(session, field, dustbin, since, skip)
                rows = found.get("data", [])
                skip += len(rows)
                more = bool(rows) and skip < found["totalcount"]
                if rows:
                    newest = rows[-1][str(field)]
                    setattr(at, name, max(getattr(at, name), newest))
                    # from the last second on, not from the last row: rows move to the end while they are read
                    onwards = str(datetime.fromisoformat(newest) - SECOND)
                    since, skip = (onwards, 0) if onwards > since else (since, skip)
                tickets = [session.ticket(str(row["2"])) for row in rows]
                done = name == PASSES[-1][0] and not more
                yield Page([one for one in tickets if one], as_cursor(at), now - LATEST if done else None, not done)

    def _before(self, stamp: str) -> str:
        """Where to begin again: five minutes earlier, and an hour more when clocks are set back, for its times come twice."""
        if stamp == FIRST:
            return FIRST
        at = datetime.fromisoformat(stamp)
        here = at.replace(tzinfo=zone(self.zone))
        twice = here.utcoffset() != here.replace(fold=1).utcoffset()
        return str(at - OVERLAP - timedelta(hours=1 if twice else 0))

    def _search(self, session: Session, field: int, dustbin: str, since: str, skip: int) -> Any:
        query = {
            "criteria[0][field]": str(field),
            "criteria[0][searchtype]": "morethan",
            "criteria[0][value]": since,
            "forcedisplay[0]": "2",
            "forcedisplay[1]": str(field),
            "sort": str(field),
            "order": "ASC",
            "is_deleted": dustbin,
            "range": f"{skip}-{skip + ROWS_AT_ONCE - 1}",
        }
        return session.get("search/Ticket", query)

    def case(self, api: Api, subject: str) -> Sequence[Document]:
        ticket = Session(api).ticket(subject)
        return [ticket] if ticket else []

    def group_name(self, api: Api, group: str, *, asks: bool) -> str:  # noqa: ARG002 - they are the same ones
        return name_at(Session(api), "Group/{}", group)

    # -- webhooks
    def verify(self, hook: Hook, secrets: Sequence[str]) -> None:
        stamp = hook.headers.get("x-glpi-timestamp", "")
        recent(stamp, _second, hook.at)
        signed(hook.headers.get("x-glpi-signature", ""), hook.body + stamp.encode(), secrets, hex_of_hmac)

    def told_by(self, hook: Hook) -> Iterator[Document | Doorbell | Rejected]:
        """Of a ticket, or of what belongs to one."""
        item = decoded(hook.body, Body).item
        if item.itemtype not in ("", "Ticket"):
            raise Unreadable(f"is of a {item.itemtype[:40]!r}: let the webhook tell of tickets only")
        subject = text(item.items_id if item.itemtype else item.tickets_id or item.id)
        if not subject.isdecimal():
            raise Unreadable("names no ticket: no number in item.id, item.items_id or item.tickets_id")
        yield Doorbell(subject)

    # -- what it means
    def means(self, document: Document, people: People) -> Iterator[FromOutside | Rejected]:
        told = converted(document, Told)
        who = Who(told, people, self.bots)
        serving = Serving(h.at_first(told.log, h.GROUP, told.linked_groups(SERVES)))
        yield from self._made(self._opened(told, who, serving.current), "ticket", told)
        log = sorted(told.log, key=lambda row: row.id)
        for _, rows in groupby(log, key=lambda row: (row.date_mod, row.user_name)):
            some = list(rows)
            yield from self._made(self._changed(some, told, who, serving), f"history {some[0].id}", told)
        for kind, parts in enumerate((told.followups, told.solutions, told.tasks)):
            for part in parts:
                yield from self._made(self._written(part, kind, told, who), f"{KINDS[kind]} {part.id}", told)
        yield from self._made(self._merged(told, who), "merged", told)
        for one in told.satisfaction:
            if one.date_answered:
                yield self._rating(one, one.date_answered, serving.current, who.requester, people)

    def _made(self, changes: Iterator[Change], place: str, told: Told) -> Iterator[FromOutside | Rejected]:
        try:
            for change in changes:
                yield from events(change, self.source)
        except Unreadable as error:
            yield Rejected(source=self.source, reason=error.reason, place=place, subject=told.subject)

    def _opened(self, told: Told, who: Who, group: str) -> Iterator[Change]:
        """That it was asked, and how GLPI took it in: when it was asked may have been written in later. Raises ``Unreadable``."""
        ticket, subject = told.ticket, told.subject
        created = CreatedData(
            requester=who.requester,
            requester_group=next(iter(told.linked_groups(ASKS)), ""),
            service=h.first(told.log, h.CATEGORY, ticket.itilcategories_id),
            priority=h.first(told.log, h.PRIORITY, ticket.priority),
            channel=h.first(told.log, h.CHANNEL, ticket.requesttypes_id),
        )
        yield Change(subject=subject, native=f"created|{subject}", time=self._time(ticket.date), created=created)
        at = self._time(ticket.date_creation or ticket.date)
        parent = told.parent
        if parent and not text(ticket.is_deleted):  # of two that were merged one is linked so too, and deleted
            child = ((e.ChildLinked, ChildData(parent=parent)),)
            yield Change(subject=subject, native=f"child|{subject}|{parent}", time=at, further=child)
        recipient = text(ticket.users_id_recipient)
        yield Change(
            subject=subject,
            native=f"opened|{subject}",
            time=at,
            actor=who.acts(recipient),
            who=who.person(recipient),
            routed=RoutedData(group=group) if group else None,
            assignee=who.person(next(iter(h.at_first(told.log, h.TECHNICIAN, told.linked_users(SERVES))), "")),
            before=OPEN,
            after=state_of(h.first(told.log, h.STATUS, ticket.status), self._states),
        )

    def _changed(self, rows: Sequence[Entry], told: Told, who: Who, serving: Serving) -> Iterator[Change]:
        """What one actor did at once. Raises ``Unreadable``."""
        head, group = rows[0], serving.current
        copied = {part for parts in told.copied.values() for part in parts}
        merging = any(row.adds_followup and row.after in copied for row in rows)
        change = Change(
            subject=told.subject,
            native=str(head.id),
            time=self._time(head.date_mod),
            order=order_of_change(head.id),
            actor=who.acts(head.user),
            who=who.person(head.user),
        )
        for row in rows:
            if row.linked_action == h.FIELD:
                self._field(change, row, told.ticket)
            elif row.linked_action in (h.LINKED, h.UNLINKED):
                _link(change, row, who, serving, merging=merging)
            elif row.linked_action == h.DELETED:
                change.further += ((e.Deleted, None),)
            elif row.linked_action == h.RESTORED:
                change.further += ((e.Restored, None),)
        if serving.current != group:
            change.routed = RoutedData(group=serving.current)
        yield change

    def _field(self, change: Change, row: Entry, ticket: Ticket) -> None:
        """Raises ``Unreadable``."""
        known = change.classified or ClassifiedData()
        if row.id_search_option == h.STATUS:
            change.before = change.before or state_of(row.before, self._states)
            change.after = state_of(row.after, self._states)
        elif row.id_search_option == h.PRIORITY:
            change.classified = msgspec.structs.replace(known, priority=row.after)
        elif row.id_search_option == h.CATEGORY:
            change.classified = msgspec.structs.replace(known, service=row.after)
        elif row.id_search_option == h.CHANNEL:
            change.classified = msgspec.structs.replace(known, channel=row.after)
        elif row.id_search_option == h.DUE and row.after and not text(ticket.slas_id_ttr):
            due = self._time(row.after)
            if change.actor is Actor.requester:
                change.further += ((e.NeedBy, NeedByData(due=due)),)
            elif change.actor is Actor.provider_human:
                promise = f"{ticket.id}|time_to_resolve"
                change.further += ((e.Promised, PromisedData(promise=promise, due=due)),)

    def _written(self, part: Part, kind: int, told: Told, who: Who) -> Iterator[Change]:
        """What was copied from a ticket that was merged is told there. A task is work, and no answer. Raises ``Unreadable``."""
        actor, person = who.wrote(part)
        task = KINDS[kind] == "task"
        if text(part.sourceitems_id) or (task and actor is Actor.requester):
            return
        yield Change(
            subject=told.subject,
            native=f"{KINDS[kind]}|{part.id}",
            time=self._time(part.date_creation or part.date or ""),
            order=order_of_message(part.id * len(KINDS) + kind, actor),
            actor=actor,
            who=person,
            message=Message.internal if task or text(part.is_private) else Message.public,
        )

    def _merged(self, told: Told, who: Who) -> Iterator[Change]:
        """Of the others that were merged into this one: when, tells the history of the first follow-up that was copied.

        Raises ``Unreadable``.
        """
        added = {row.after: row for row in told.log if row.adds_followup}
        for source, parts in told.copied.items():
            row = added.get(parts[0])
            if row is None:
                raise Unreadable(f"ticket {source} was merged into this one, the history does not say when")
            yield Change(
                subject=source,
                native=f"merged|{source}|{told.subject}",
                time=self._time(row.date_mod),
                order=order_of_change(row.id),
                actor=who.acts(row.user),
                who=who.person(row.user),
                further=((e.Merged, MergedData(into=told.subject)),),
            )

    def _rating(self, given: Satisfaction, at: str, group: str, requester: str, people: People) -> Rated:
        """Raises ``Unreadable``."""
        scaled = given.satisfaction_scaled_to_5
        score, best = (given.satisfaction, 5) if scaled is None else (scaled * 2, 10)
        if score is None or not 0 <= score <= best:
            raise Unreadable(f"satisfaction {score} is not between 0 and {best}")
        return rated(people, requester, self._time(at), about=group, score=round(score), best=best)


def _link(change: Change, row: Entry, who: Who, serving: Serving, *, merging: bool) -> None:
    """A user or group was linked to the ticket, or no longer is. Raises ``Unreadable``."""
    if row.id_search_option == h.GROUP:
        serving.change(row, merging=merging)
    elif row.id_search_option == h.TECHNICIAN and row.linked_action == h.LINKED and not merging:
        change.assignee = change.assignee or who.person(row.linked)
    elif row.id_search_option == 0 and row.itemtype_link in ("User", "Group"):
        raise Unreadable(f"the history does not say in which role a {row.itemtype_link.lower()} was linked or unlinked")

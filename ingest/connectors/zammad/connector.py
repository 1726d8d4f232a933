"""Zammad: tickets that changed, each with its history and its articles; webhooks are doorbells.

Read are ``/api/v1/tickets/search``, ``/tickets/{id}``, ``/ticket_history/{id}``, ``/ticket_articles/by_ticket/{id}`` and
``/users/{id}``, as https://docs.zammad.org/en/latest/api/intro.html describes them. What was written is not read, only who wrote
it, when, and whether the requester sees it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

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
    Refused,
    Rejected,
    Tells,
    tells,
)
from ingest.connectors.zammad.ticket import (
    MACHINE,
    REMOVED,
    Article,
    Body,
    Case,
    Id,
    Row,
    Told,
    Update,
    Who,
    author_of,
    is_part_of_something_else,
    text,
    time_of,
    together,
)
from ingest.event import (
    EPOCH,
    Actor,
    ClassifiedData,
    CreatedData,
    MergedData,
    NeedByData,
    PromisedData,
    RoutedData,
    Unreadable,
)
from ingest.exclusion import Labelled
from ingest.identity import People
from ingest.mapping import Meaning
from ingest.names import name_at
from ingest.reading import converted, decoded
from ingest.signatures import signed
from ingest.translate import meanings, state_of

LATEST = timedelta(minutes=1)
"""What changed within it may not be committed yet."""
OVERLAP = timedelta(minutes=5)
AT_ONCE = "100"
STATES: Mapping[str, Any] = {
    "new": "open",
    "open": "open",
    "pending reminder": {"paused": {"owner": "requester", "reason": "pending reminder"}},
    "pending close": {"paused": {"owner": "requester", "reason": "pending close"}},
    "closed": "closed",
    "merged": "ignore",
    "removed": "ignore",
}
PERSONS = (Actor.requester, Actor.provider_human)


class Cursor(Struct):
    """The latest ``updated_at`` that was seen, as Zammad wrote it."""

    updated: str = ""


class Zammad(Labelled):
    """``states``: what other states mean, or the same in another way. ``asking``: ids of the roles of those who only ask.
    ``service``, ``need_by``, ``promised``: the attributes of a ticket that say what it is about, by when the requester needs it,
    and by when it was promised; empty where there is none.
    """

    name: ClassVar[str] = "zammad"
    tells: ClassVar[Tells] = tells(
        "created classified routed claimed replied noted bot_replied asked_requester requester_replied paused resumed need_by "
        "promised solved reopened closed merged deleted restored excluded"
    )
    states: Mapping[str, Meaning] = {}
    asking: frozenset[str] = frozenset({"3"})
    service: str = ""
    need_by: str = ""
    promised: str = ""

    @cached_property
    def _states(self) -> Mapping[str, State | None]:
        return meanings({**{name: Meaning.model_validate(given) for name, given in STATES.items()}, **self.states})

    # -- the API
    def authorization(self, secret: str) -> Mapping[str, str]:
        return {"authorization": f"Token token={secret}"}

    def fetch(self, api: Api, cursor: str, now: datetime) -> Iterator[Page]:
        """By the data base, not by the search index, which lags behind and may not be there. Paged by the time of change: whatever
        changes meanwhile moves to the end. How many the server gives at once is its own business: the end is where nothing comes.
        """
        at = msgspec.json.decode(cursor, type=Cursor) if cursor else Cursor()
        since = _stamp(time_of(at.updated) - OVERLAP if at.updated else EPOCH)
        users: dict[str, Document] = {}
        seen: set[tuple[str, str]] = set()
        number = 1
        while found := api.get("/api/v1/tickets/search", _changed(since, number)):
            fresh = [one for one in found if (str(one["id"]), one["updated_at"]) not in seen]
            seen.update((str(one["id"]), one["updated_at"]) for one in fresh)
            latest = max((one["updated_at"] for one in found), key=time_of)
            number = 1 if time_of(latest) > time_of(since) else number + 1
            since = max(since, latest, key=time_of)
            at.updated = max(at.updated or latest, latest, key=time_of)
            documents = [told for one in fresh if (told := _told(api, one, users)) is not None]
            yield Page(documents, msgspec.json.encode(at).decode(), None, True)
        yield Page([], msgspec.json.encode(at).decode(), now - LATEST, False)

    def case(self, api: Api, subject: str) -> Sequence[Document]:
        ticket = _or_none(api, f"/api/v1/tickets/{subject}", {"expand": "true"})
        told = None if ticket is None else _told(api, ticket, {})
        return () if told is None else (told,)

    def group_name(self, api: Api, group: str, *, asks: bool) -> str:
        return name_at(api, "/api/v1/organizations/{}" if asks else "/api/v1/groups/{}", group)

    # -- webhooks
    def verify(self, hook: Hook, secrets: Sequence[str]) -> None:
        signed(hook.headers.get("x-hub-signature", ""), hook.body, secrets, _hex_of_sha1, "sha1=")

    def told_by(self, hook: Hook) -> Iterator[Document | Doorbell | Rejected]:
        """Of the payload that Zammad sends, or of one of your own that has a ``ticket_id``."""
        body = decoded(hook.body, Body)
        subject = str((body.ticket and body.ticket.id) or body.ticket_id)
        if not subject:
            raise Unreadable("names no ticket: neither ticket.id nor ticket_id")
        yield Doorbell(subject)

    # -- what it means
    def means(self, document: Document, people: People) -> Iterator[FromOutside | Rejected]:
        case = Case(converted(document, Told))
        attributes = document["ticket"]
        who = Who(case, people, self.bots, self.asking)
        for place, change in self._changes(case, who, attributes):
            try:
                made = change()
            except Unreadable as error:
                yield Rejected(source=self.source, reason=error.reason, place=place, subject=case.subject)
            else:
                yield from events(made, self.source)

    def _changes(self, case: Case, who: Who, attributes: Document) -> Iterator[tuple[str, Callable[[], Change]]]:
        """Where it stands, and what makes it or raises ``Unreadable``."""
        yield "created", partial(self._creation, case, who, attributes)
        for update in case.updates:
            yield f"history {update.native}", partial(self._update, case, who, update)
        saved = together(case)
        for article, at in case.articles:
            if not is_part_of_something_else(article, at, case):
                yield f"article {article.id}", partial(self._message, case, who, article, saved.get(article.id))
        if (row := case.merged()) is not None:
            yield f"history {row.id}", partial(self._merge, case, who, row)
        for row, before, after in case.labelled():
            yield f"history {row.id}", partial(self._label, case, who, row, before, after)

    def _creation(self, case: Case, who: Who, attributes: Document) -> Change:
        ticket, at = case.ticket, case.created
        priority = case.text_at_first("priority", ticket.priority)
        state = case.text_at_first("state", ticket.state)
        owner = case.id_at_first("owner", ticket.owner_id)
        group = case.id_at_first("group", ticket.group_id)
        dates = {name: case.text_at_first(name, attributes.get(name)) for name in (self.need_by, self.promised) if name}
        actor = who.acts(ticket.created_by_id, at)
        return Change(
            subject=case.subject,
            native=f"created|{case.subject}",
            time=at,
            actor=actor,
            who=who.person(ticket.created_by_id) if actor in PERSONS else "",
            created=CreatedData(
                requester=who.person(case.customer(at)),
                requester_group=text(case.id_at_first("organization", ticket.organization_id)),
                service=case.text_at_first(self.service, attributes.get(self.service)) if self.service else "",
                priority=priority,
                channel=ticket.create_article_type or "",
            ),
            before=OPEN,
            after=state_of(state, self._states),
            routed=None if group is None else RoutedData(group=str(group)),
            assignee=who.person(owner),
            further=(*_gone("", state), *self._dates(dates)),
        )

    def _update(self, case: Case, who: Who, update: Update) -> Change:
        at = update.at
        last = {row.attribute: row for row in update.rows}
        actor = Actor.system if update.by_rule else who.acts(update.by, at)
        change = Change(
            subject=case.subject,
            native=str(update.native),
            time=at,
            order=update.native,
            actor=actor,
            who=who.person(update.by) if actor in PERSONS else "",
        )
        if "state" in last:
            first = next(row for row in update.rows if row.attribute == "state")
            before, after = first.value_from or "", last["state"].value_to or ""
            change.before = state_of(case.before_removal(first) or before, self._states)
            change.after = state_of(after, self._states)
            change.further += tuple(_gone(before, after))
        if "group" in last:
            change.routed = RoutedData(group=text(last["group"].id_to))
        if "owner" in last:
            change.assignee = who.person(last["owner"].id_to)
        change.classified = ClassifiedData(
            service=_to(last, self.service) if self.service else "", priority=_to(last, "priority")
        )
        change.further += tuple(self._dates({name: _to(last, name) for name in (self.need_by, self.promised) if name}))
        return change

    def _message(self, case: Case, who: Who, article: Article, update: Update | None) -> Change:
        """``update``: what was saved together with it. Both happened at once, or an answer would come after the solution."""
        at = time_of(article.created_at)
        author, actor = author_of(article, who, at)
        saved = case.saved.get(article.id)
        change = Change(
            subject=case.subject,
            native=f"article|{article.id}",
            time=at if update is None else update.at,
            order=update.native if update else saved.id if saved else article.id,
            actor=actor,
            who=who.person(author) if actor in PERSONS else "",
        )
        if not (actor is Actor.requester and article.preferences and article.preferences.automatic):
            change.message = Message.internal if article.internal else Message.public
        if article.preferences and article.preferences.automatic and actor is Actor.provider_human:
            change.actor, change.who = Actor.provider_bot, ""
        return change

    def _merge(self, case: Case, who: Who, row: Row) -> Change:
        """The row itself has the time of the change before: when it happened is told by the state that it brought."""
        after = (one.created_at for one in case.changed if one.id > row.id and one.attribute == "state")
        change = self._by_row(case, who, row, time_of(next(after, row.created_at)))
        change.further = ((e.Merged, MergedData(into=text(row.id_to))),)
        return change

    def _label(self, case: Case, who: Who, row: Row, before: frozenset[str], after: frozenset[str]) -> Change:
        change = self._by_row(case, who, row, time_of(row.created_at))
        change.excluded = self.excluded(before, after)
        return change

    def _by_row(self, case: Case, who: Who, row: Row, at: datetime) -> Change:
        actor = Actor.system if row.sourceable_type else who.acts(row.created_by_id, at)
        person = who.person(row.created_by_id) if actor in PERSONS else ""
        return Change(subject=case.subject, native=str(row.id), time=at, order=row.id, actor=actor, who=person)

    def _dates(self, given: Mapping[str, str]) -> Iterator[Meant]:
        """What is due, by the names of the attributes; one that was emptied says nothing."""
        for name, due in given.items():
            if due and name == self.need_by:
                yield e.NeedBy, NeedByData(due=time_of(due))
            elif due:
                yield e.Promised, PromisedData(promise=name, due=time_of(due))


# -- asking
def _changed(since: str, number: int) -> dict[str, str]:
    return {
        "condition[ticket.updated_at][operator]": "after (absolute)",
        "condition[ticket.updated_at][value]": since,
        "sort_by": "updated_at",
        "order_by": "asc",
        "expand": "true",
        "per_page": AT_ONCE,
        "page": str(number),
    }


def _told(api: Api, ticket: Document, users: dict[str, Document]) -> Document | None:
    """The ticket with all that belongs to it; None: it was deleted meanwhile. ``users`` are those who are known already."""
    history = _or_none(api, f"/api/v1/ticket_history/{ticket['id']}", {})
    if history is None:
        return None
    rows = history["history"]
    articles = _articles(api, ticket["id"])
    passed, after = {ticket["id"]}, rows
    while (into := _merged_into(after)) is not None and into not in passed:
        passed.add(into)
        articles += _articles(api, into)
        after = (_or_none(api, f"/api/v1/ticket_history/{into}", {}) or {"history": []})["history"]
    known = history.get("assets", {}).get("User", {})
    named = _named(ticket, rows, articles)
    for user in named - users.keys():
        users[user] = known.get(user) or _or_none(api, f"/api/v1/users/{user}", {}) or {}
    found = {user: users[user] for user in sorted(named) if users[user]}
    return {"ticket": ticket, "history": rows, "articles": articles, "users": found}


def _articles(api: Api, ticket: Id) -> list[Document]:
    return list(_or_none(api, f"/api/v1/ticket_articles/by_ticket/{ticket}", {"expand": "true"}) or ())


def _or_none(api: Api, path: str, query: Mapping[str, str]) -> Any:
    try:
        return api.get(path, query)
    except Refused as refused:
        if refused.status == 404:
            return None
        raise


def _merged_into(rows: Iterable[Document]) -> int | None:
    return next((row.get("id_to") for row in rows if row["type"] == "merged_into"), None)


def _named(ticket: Document, rows: Iterable[Document], articles: Iterable[Document]) -> set[str]:
    """The users who are named in them."""
    ids = {ticket.get(name) for name in ("customer_id", "created_by_id", "owner_id")}
    for row in rows:
        ids.add(row.get("created_by_id"))
        if row.get("attribute") in ("owner", "customer"):
            ids |= {row.get("id_from"), row.get("id_to")}
    for article in articles:
        ids |= {article.get("created_by_id"), article.get("origin_by_id")}
    return {str(user) for user in ids if user not in (None, "", MACHINE)}


def _gone(before: str, after: str) -> Iterator[Meant]:
    if after == REMOVED != before:
        yield e.Deleted, None
    if before == REMOVED != after:
        yield e.Restored, None


def _to(rows: Mapping[str | None, Row], attribute: str) -> str:
    return (rows[attribute].value_to or "") if attribute in rows else ""


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _hex_of_sha1(key: bytes, message: bytes) -> str:
    return hmac.digest(key, message, "sha1").hex()

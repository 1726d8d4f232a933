"""A ticket of Zammad as its API tells it: what is read of it, who is who, and what it was before its history began to tell.

What a ticket was when it was created stands nowhere: it is what it is now, but for what its history says has changed since.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Struct

from ingest.event import Actor, Unreadable
from ingest.identity import People
from ingest.times import time_reader

TOGETHER = timedelta(seconds=5)
"""An article and the change of the ticket that were saved by one click are this near to each other."""
REMOVED = "removed"
ADDED, TAKEN = "added", "removed"
"""What happens to a tag."""
MACHINE = 1
"""The user as whom Zammad itself acts; as the owner: nobody."""

Id = int | str
Number = Annotated[int, Meta(ge=0, lt=1 << 53)]
time_of = time_reader(("iso", "%Y-%m-%d %H:%M:%S %Z"), UTC)


# -- what is read of an answer: nothing else
class Ticket(Struct, frozen=True):
    id: Id
    state: str
    created_at: str
    created_by_id: int | None = None
    customer_id: int | None = None
    organization_id: int | None = None
    group_id: int | None = None
    owner_id: int | None = None
    priority: str | None = None
    create_article_type: str | None = None


class Row(Struct, frozen=True):
    """Of the history: what happened to ``object`` ``o_id``. ``sourceable_type``: the kind of rule that did it."""

    id: Number
    o_id: int
    object: str
    type: str
    created_at: str
    created_by_id: int | None = None
    sourceable_type: str | None = None
    attribute: str | None = None
    value_from: str | None = None
    value_to: str | None = None
    id_from: int | None = None
    id_to: int | None = None


class Preferences(Struct, frozen=True, rename={"automatic": "is-auto-response"}):
    automatic: bool = False


class Article(Struct, frozen=True):
    """``origin_by_id``: in whose name ``created_by_id`` wrote it down."""

    id: Number
    sender: str
    created_at: str
    type: str | None = None
    internal: bool = False
    created_by_id: int | None = None
    origin_by_id: int | None = None
    preferences: Preferences | None = None


class User(Struct, frozen=True):
    email: str | None = None
    role_ids: tuple[Id, ...] = ()


class Told(Struct, frozen=True):
    """A ticket, its history, its articles, and the users named in them, by id."""

    ticket: Ticket
    history: tuple[Row, ...] = ()
    articles: tuple[Article, ...] = ()
    users: dict[str, User] = {}


class Named(Struct, frozen=True):
    id: Id = ""


class Body(Struct, frozen=True):
    ticket: Named | None = None
    ticket_id: Id = ""


class Update(NamedTuple):
    """What was changed of a ticket at one instant by one."""

    native: int
    at: datetime
    by: int | None
    by_rule: bool
    rows: Sequence[Row]


class Case:
    """A ticket as it was from its beginning. Raises ``Unreadable`` for a time that is none."""

    def __init__(self, told: Told) -> None:
        self.ticket, self.users = told.ticket, told.users
        self.subject = str(told.ticket.id)
        self.created = time_of(told.ticket.created_at)
        self.history = sorted(told.history, key=lambda row: row.id)
        self.changed = [row for row in self.history if row.object == "Ticket" and row.type == "updated"]
        self.updates = list(_updates(self.changed))
        self.saved = {
            row.o_id: row for row in self.history if row.object == "Ticket::Article" and row.type == "created"
        }
        self.articles = [(one, time_of(one.created_at)) for one in sorted(told.articles, key=lambda one: one.id)]
        self.articles = [one for one in self.articles if self._is_its_own(one[0])]
        self._customers = [(time_of(row.created_at), row.id_to) for row in self.changed if row.attribute == "customer"]

    def first(self, attribute: str) -> Row | None:
        """The first change of it, which says what it had been."""
        return next((row for row in self.changed if row.attribute == attribute), None)

    def id_at_first(self, attribute: str, now: int | None) -> int | None:
        row = self.first(attribute)
        return now if row is None else row.id_from

    def text_at_first(self, attribute: str, now: Any) -> str:
        row = self.first(attribute)
        return text(now if row is None else row.value_from)

    def customer(self, at: datetime) -> int | None:
        """Who was the requester then."""
        then = self.id_at_first("customer", self.ticket.customer_id)
        for since, customer in self._customers:
            if since <= at:
                then = customer
        return then

    def before_removal(self, row: Row) -> str:
        """The state to which a ticket is restored, if ``row`` restores it."""
        if row.value_from != REMOVED:
            return ""
        states = (one for one in reversed(self.changed) if one.attribute == "state" and one.id < row.id)
        return next((one.value_from or "" for one in states if one.value_to == REMOVED), "")

    def labelled(self) -> Iterator[tuple[Row, frozenset[str], frozenset[str]]]:
        """Each tag that came or went, with all that were there before and after."""
        tags: frozenset[str] = frozenset()
        for row in self.history:
            if row.object == "Ticket" and row.attribute == "tag" and row.type in (ADDED, TAKEN):
                before, one = tags, {row.value_to or ""}
                tags = tags | one if row.type == ADDED else tags - one
                yield row, before, tags

    def merged(self) -> Row | None:
        return next((row for row in self.history if row.type == "merged_into"), None)

    def _is_its_own(self, article: Article) -> bool:
        """Merging moves articles to the other ticket; that they were written stays in the history of this one."""
        moved = any(row.type in ("merged_into", "received_merge") for row in self.history)
        return article.id in self.saved or not moved


class Who:
    """The persons of a ticket. ``asking``: roles that serve nobody."""

    def __init__(self, case: Case, people: People, bots: frozenset[str], asking: frozenset[str]) -> None:
        self._case, self._people, self._bots, self._asking = case, people, bots, asking

    def acts(self, user: int | None, at: datetime) -> Actor:
        if user is None or user == MACHINE:
            return Actor.system
        if str(user) in self._bots:
            return Actor.provider_bot
        if user == self._case.customer(at):
            return Actor.requester
        known = self._case.users.get(str(user))
        if known is None:
            return Actor.system  # who it was cannot be said: no answer is made of it
        return Actor.requester if {str(role) for role in known.role_ids} <= self._asking else Actor.provider_human

    def person(self, user: int | None) -> str:
        if user is None or user == MACHINE:
            return ""
        known = self._case.users.get(str(user))
        return self._people.person(str(user), (known and known.email) or "")


def _updates(rows: Sequence[Row]) -> Iterator[Update]:
    together: dict[tuple[str, int | None, str | None], list[Row]] = {}
    for row in rows:
        together.setdefault((row.created_at, row.created_by_id, row.sourceable_type), []).append(row)
    for (at, by, rule), some in together.items():
        yield Update(some[0].id, time_of(at), by, bool(rule), some)


def together(case: Case) -> dict[int, Update]:
    """Which article was saved with which change: the nearest that the same person made, each once."""
    near = [
        (abs(at - update.at), article.id, index)
        for article, at in case.articles
        for index, update in enumerate(case.updates)
        if update.by == article.created_by_id and not update.by_rule and abs(at - update.at) <= TOGETHER
    ]
    found: dict[int, Update] = {}
    taken: set[int] = set()
    for _, article, index in sorted(near):
        if article not in found and index not in taken:
            found[article] = case.updates[index]
            taken.add(index)
    return found


def is_part_of_something_else(article: Article, at: datetime, case: Case) -> bool:
    """The first that came with the ticket is the request; after a merge Zammad notes in the ticket that it was merged."""
    if article is case.articles[0][0] and at - case.created <= TOGETHER:
        return True
    merged, saved = case.merged(), case.saved.get(article.id)
    return merged is not None and saved is not None and saved.id > merged.id


def author_of(article: Article, who: Who, at: datetime) -> tuple[int | None, Actor]:
    """Who speaks, which need not be who wrote it down. Raises ``Unreadable``."""
    if article.sender == "Customer":
        author = article.origin_by_id or article.created_by_id
        return author, Actor.requester
    if article.sender == "System":
        return None, Actor.system
    if article.sender == "Agent":
        actor = who.acts(article.created_by_id, at)
        return article.created_by_id, actor
    raise Unreadable(f"unknown sender {article.sender!r} of an article: it is none of Agent, Customer, System")


def text(value: Any) -> str:
    return str(value) if isinstance(value, int | str) else ""

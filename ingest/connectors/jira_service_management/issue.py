"""What is read of an issue of Jira and of its webhooks, Cloud and Data Center alike, and its fields as they were at any time. Pure.

A changelog tells what a field was before and after: so what an issue was when it was created follows from what it is now, and a
change means the same whatever was changed later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct

from ingest.changes import OPEN, State
from ingest.event import Actor
from ingest.identity import People
from ingest.mapping import Means

LARGEST = 1 << 47
Number = Annotated[int, Meta(ge=0, lt=LARGEST)]
Raw = dict[str, Any]
Values = tuple[str, ...]

SEVERAL = "components"
"""The field that holds more than one value, of which each is added and removed for itself."""
BY_NAME = "priority"
"""The field whose values are known by their names: their ids are another in every installation."""
LABELS = "labels"
"""The field whose values a changelog names in one text, with blanks between."""
LINK = "link"
PARENT = "parent"
RELATIONS = {LINK: LINK, "parent": PARENT, "parent issue": PARENT, "issueparentassociation": PARENT}
"""What a changelog calls fields that it gives no id, or several."""
FIELD_OF = {"component": SEVERAL, "due date": "duedate", "issue type": "issuetype"}
"""What Data Center calls a field in a changelog, where that is another word than its id."""
_issue_of_comment = re.compile(r"/issue/(\d{1,15})/comment/")
PUBLIC = "sd.public.comment"
APPROVAL = {"paused": {"owner": "other_department", "reason": "approval"}}
STATES: Mapping[str, Any] = {
    **dict.fromkeys(("open", "to do", "backlog", "reopened", "waiting for support"), "open"),
    **dict.fromkeys(("in progress", "work in progress", "escalated", "in review", "under review"), "working"),
    **dict.fromkeys(("under investigation", "investigating", "planning", "implementing"), "working"),
    "waiting for customer": {"paused": {"owner": "requester", "reason": "waiting for customer", "asks": True}},
    "pending": {"paused": {"owner": "third_party", "reason": "pending"}},
    "waiting for approval": APPROVAL,
    "awaiting cab approval": APPROVAL,
    "peer review / change manager approval": APPROVAL,
    **dict.fromkeys(("resolved", "done", "completed"), "solved"),
    **dict.fromkeys(("closed", "canceled", "cancelled", "declined"), "closed"),
}
"""By the names of statuses in the workflows that it brings, in small letters."""
CATEGORIES: Mapping[str, State] = {"new": OPEN, "indeterminate": State(Means.working), "done": State(Means.solved)}


class User(Struct, frozen=True, rename="camel"):
    """Cloud knows a person by ``account_id``, Data Center by ``key`` (which stays) and ``name``."""

    account_id: str | None = None
    key: str | None = None
    name: str | None = None
    email_address: str | None = None
    account_type: str | None = None

    @property
    def ids(self) -> Values:
        return tuple(one for one in (self.account_id, self.key, self.name) if one)


class Item(
    Struct,
    frozen=True,
    rename={
        "kind": "fieldtype",
        "field_id": "fieldId",
        "before": "from",
        "before_text": "fromString",
        "after": "to",
        "after_text": "toString",
    },
):
    """One field of a change. Data Center gives no ``field_id``; ``kind``: ``jira`` or ``custom``."""

    field: str
    kind: str = "jira"
    field_id: str | None = None
    before: int | str | None = None
    before_text: str | None = None
    after: int | str | None = None
    after_text: str | None = None


class History(Struct, frozen=True):
    id: Number
    created: str
    author: User | None = None
    items: tuple[Item, ...] = ()


class Property(Struct, frozen=True):
    key: str = ""
    value: Any = None


class Comment(Struct, frozen=True, rename={"jsd_public": "jsdPublic"}):
    """``visibility``: the role or group that alone can see it."""

    id: Number
    created: str
    author: User | None = None
    jsd_public: bool | None = None
    properties: tuple[Property, ...] = ()
    visibility: Raw | None = None

    @property
    def is_internal(self) -> bool:
        if self.jsd_public is False or self.visibility is not None:
            return True
        return any(
            one.key == PUBLIC and isinstance(one.value, dict) and one.value.get("internal") in (True, "true")
            for one in self.properties
        )


class Status(Struct, frozen=True):
    id: int | str
    name: str


class IssueType(Struct, frozen=True):
    subtask: bool = False


class Fields(Struct, frozen=True):
    """Of the fields of an issue, besides those that :class:`Past` follows."""

    created: str
    status: Status
    issuetype: IssueType | None = None
    reporter: User | None = None
    creator: User | None = None
    assignee: User | None = None


class Issue(Struct, frozen=True):
    id: Number
    fields: Raw
    properties: dict[str, Any] = {}


# -- documents and webhooks
class Told(Struct, frozen=True):
    """``names`` of custom fields by their ids, ``statuses``: their categories by their ids, ``keys``: the ids of linked issues."""

    issue: Issue
    histories: tuple[History, ...] = ()
    comments: tuple[Comment, ...] = ()
    names: dict[str, str] = {}
    statuses: dict[str, str] = {}
    keys: dict[str, Number] = {}


class HookProject(Struct, frozen=True):
    key: str = ""


class HookFields(Struct, frozen=True):
    project: HookProject = HookProject()
    reporter: User | None = None


class HookIssue(Struct, frozen=True):
    id: Number
    fields: HookFields = HookFields()


class HookComment(Struct, frozen=True, rename={"address": "self"}):
    address: str = ""


class HookLink(Struct, frozen=True, rename="camel"):
    source_issue_id: Number
    destination_issue_id: Number


class Body(Struct, frozen=True, rename="camel"):
    """``timestamp``: milliseconds since 1970."""

    webhook_event: str = ""
    timestamp: Number | None = None
    issue: HookIssue | None = None
    comment: HookComment | None = None
    issue_link: HookLink | None = None
    user: User | None = None

    @property
    def subjects(self) -> list[int]:
        """Of a comment Data Center tells no more than its address."""
        if self.issue is not None:
            return [self.issue.id]
        if self.issue_link is not None:
            return [self.issue_link.source_issue_id, self.issue_link.destination_issue_id]
        found = _issue_of_comment.search(self.comment.address) if self.comment is not None else None
        return [int(found[1])] if found else []


# -- in time
class Past:
    """``fields`` of an issue when it was created; :meth:`step` goes on by one change.

    ``histories`` in their order; ``names``: of its custom fields, by their ids.
    """

    def __init__(
        self, issue: Issue, histories: Sequence[History], fields: Iterable[str], names: Mapping[str, str]
    ) -> None:
        self._named = {name.casefold(): field for field, name in names.items()}
        self._values = {field: values_of(issue.fields.get(field), field) for field in fields}
        for history in reversed(histories):
            for item in reversed(history.items):
                self._put(item, *reversed(sides(item, self.field(item))))
        if SEVERAL in self._values:
            self._values[SEVERAL] = tuple(sorted(self._values[SEVERAL]))

    def __getitem__(self, field: str) -> str:
        """Of several values the one that has been there the longest; empty: none."""
        values = self._values.get(field, ())
        return values[0] if values else ""

    def field(self, item: Item) -> str:
        """Its id."""
        name = item.field.casefold()
        if item.kind == "custom":
            return item.field_id or self._named.get(name) or f"custom {name}"
        return RELATIONS.get(name) or item.field_id or FIELD_OF.get(name, name)

    def step(self, history: History) -> None:
        for item in history.items:
            self._put(item, *sides(item, self.field(item)))

    def _put(self, item: Item, gone: str, there: str) -> None:
        field = self.field(item)
        if field not in self._values:
            return
        others = tuple(one for one in self._values[field] if one not in (gone, there)) if field == SEVERAL else ()
        self._values[field] = (*others, there) if there else others


class Who:
    """The persons of an issue, as far as it names them. ``participants``: who asks together with the reporter."""

    def __init__(
        self, users: Iterable[User | None], people: People, bots: frozenset[str], participants: Iterable[str] = ()
    ) -> None:
        there = sorted((user for user in users if user is not None), key=lambda user: bool(user.email_address))
        self._known = {one: user for user in there for one in user.ids}
        self._participants, self._people, self._bots = frozenset(participants), people, bots

    def acts(self, user: User | None, reporter: str) -> Actor:
        if user is None or not user.ids:
            return Actor.system
        if not self._bots.isdisjoint(user.ids):
            return Actor.provider_bot
        if user.account_type == "app":
            return Actor.system
        asks = user.account_type == "customer" or reporter in user.ids or not self._participants.isdisjoint(user.ids)
        return Actor.requester if asks else Actor.provider_human

    def person(self, one: str) -> str:
        """By any of the ids of a person."""
        user = self._known.get(one)
        return self._people.person(user.ids[0], user.email_address or "") if user else self._people.person(one)

    def named(self, user: User | None, actor: Actor) -> str:
        """Empty for who is no person."""
        if user is None or actor not in (Actor.requester, Actor.provider_human):
            return ""
        return self.person(user.ids[0])


def sides(item: Item, field: str) -> tuple[str, str]:
    """What a field was before and after: ids where there are such, else texts; empty: none."""
    if field == BY_NAME:
        return item.before_text or "", item.after_text or ""
    return _known(item.before, item.before_text), _known(item.after, item.after_text)


def values_of(value: Any, field: str = "") -> Values:
    """A field as it is now, named as a changelog names it."""
    if isinstance(value, list):
        return tuple(one for part in value for one in values_of(part, field))
    if isinstance(value, dict):
        if isinstance(value.get("requestType"), dict):
            return values_of(value["requestType"], field)
        keys = ("name",) if field == BY_NAME else ("accountId", "id", "key", "name", "value")
        return next((values_of(value[key]) for key in keys if value.get(key) not in (None, "")), ())
    return (str(value),) if isinstance(value, int | float | str) and value != "" else ()


def _known(value: int | str | None, text: str | None) -> str:
    return (text or "") if value in (None, "") else str(value)

"""A record of ServiceNow: what is read of it, who acted, and how it came to be what it is. Pure.

It shows how it stands now; how it began follows from taking its audit back, entry by entry.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Struct, structs

from ingest.change import Message
from ingest.event import Actor, Unreadable
from ingest.identity import People
from ingest.reading import converted
from ingest.times import time_reader

AT_ONCE = timedelta(seconds=5)
"""The rows of one update are stamped one by one."""

MACHINES = frozenset(("", "system", "guest", "glide.maint"))
MESSAGES = {"comments": Message.public, "work_notes": Message.internal}
PERSONS = (Actor.requester, Actor.provider_human)

utc = time_reader(("iso",), UTC)


# -- what is read of an answer: nothing else
class Reference(Struct, frozen=True):
    value: str | None = None


Value = int | str | Reference | None


class Fields(Struct, frozen=True):
    """What is read of a record, by our names: in which columns it is, the connector knows."""

    requester: str = ""
    requester_group: str = ""
    group: str = ""
    assignee: str = ""
    state: str = ""
    hold: str = ""
    close_code: str = ""
    parent: str = ""
    due: str = ""
    service: str = ""
    priority: str = ""
    channel: str = ""
    labels: str = ""
    opened: str = ""
    resolved: str = ""
    closed: str = ""


class Audit(Struct, frozen=True):
    """``record_checkpoint``: which update of the record it was part of; 0: its creation."""

    sys_id: str
    fieldname: str
    sys_created_on: str
    record_checkpoint: Annotated[int, Meta(ge=0, lt=1 << 53)]
    user: str = ""
    oldvalue: str | None = None
    newvalue: str | None = None


class Record(Struct, frozen=True):
    sys_id: str
    sys_created_on: str
    sys_created_by: str = ""


class Journal(Struct, frozen=True):
    sys_id: str
    element: str
    sys_created_on: str
    sys_created_by: str = ""


class Sla(Struct, frozen=True):
    sys_id: str
    sys_created_on: str
    sla: Value = None
    stage: str = ""
    original_breach_time: str = ""
    end_time: str = ""


class User(Struct, frozen=True):
    """``serves``: is a member of some group."""

    sys_id: str
    user_name: str = ""
    email: str | None = None
    active: bool = True
    serves: bool = False


class Told(Struct, frozen=True):
    """A record with all that belongs to it, and the users who are named there."""

    record: dict[str, Any]
    audits: tuple[Audit, ...] = ()
    journals: tuple[Journal, ...] = ()
    slas: tuple[Sla, ...] = ()
    users: tuple[User, ...] = ()


class Deletion(Struct, frozen=True):
    sys_id: str
    documentkey: str
    sys_created_on: str


class Update(NamedTuple):
    """``part``: several of one number are told apart by it."""

    number: int
    part: int
    at: datetime
    user: str
    before: Fields
    after: Fields

    @property
    def order(self) -> int:
        """Between two updates there is room for a message."""
        return 2 * self.number


class Who:
    """The persons of a record: in audits and messages by user name, in its fields by id."""

    def __init__(self, users: Collection[User], people: People, bots: frozenset[str]) -> None:
        self._people, self._bots = people, bots
        self._named = {user.user_name: user for user in users}
        self._ids = {user.sys_id: user for user in users}

    def acts(self, name: str, requester: str) -> Actor:
        """Whoever is in no group asks, and serves nobody; of who has left it is not known any more."""
        user = self._named.get(name)
        if name in self._bots or (user is not None and user.sys_id in self._bots):
            return Actor.provider_bot
        if user is None or name in MACHINES:
            return Actor.system  # who it was cannot be said: no answer is made of it
        if user.sys_id == requester:
            return Actor.requester
        return Actor.provider_human if user.serves or not user.active else Actor.requester

    def person(self, sys_id: str) -> str:
        known = self._ids.get(sys_id)
        return self._people.person(sys_id, (known and known.email) or "")

    def acting(self, name: str, requester: str) -> dict[str, Any]:
        actor = self.acts(name, requester)
        return {"actor": actor, "who": self.person(self._named[name].sys_id) if actor in PERSONS else ""}


def history(
    record: Mapping[str, Any], audits: Sequence[Audit], columns: Mapping[str, str]
) -> tuple[Fields, list[Update]]:
    """As it was created, and its updates in their order. Raises :class:`Unreadable`."""
    given = {name: record.get(column) for name, column in columns.items()}
    now = Fields(**{name: text(value) for name, value in converted(given, dict[str, Value]).items()})
    changed = _together(audit for audit in audits if audit.record_checkpoint)
    for audit in (audit for some in reversed(changed) for audit in reversed(some)):
        now = _with(now, audit.fieldname, audit.oldvalue, columns)
    first, updates, parts = now, [], dict.fromkeys((some[0].record_checkpoint for some in changed), 0)
    for some in changed:
        before, number = now, some[0].record_checkpoint
        for audit in some:
            now = _with(now, audit.fieldname, audit.newvalue, columns)
        updates.append(Update(number, parts[number], utc(some[0].sys_created_on), some[0].user, before, now))
        parts[number] += 1
    return first, updates


def must_be_whole(first: Fields, updates: Sequence[Update], begun: datetime) -> None:
    """Raises :class:`Unreadable` if nobody says how the record stands, or if it ended after it had begun and no audit says so."""
    last = updates[-1].after if updates else first
    if not last.state:
        raise Unreadable("it has no state: name its column under 'state', and let the user read it")
    ended = max((utc(at) for at in (last.resolved, last.closed) if at), default=begun)
    if ended - begun > AT_ONCE and all(update.before.state == update.after.state for update in updates):
        raise Unreadable(
            "it has ended and no audit says when: let the user read sys_audit, and let the table be audited"
        )


def text(value: Value) -> str:
    found = value.value if isinstance(value, Reference) else value
    return "" if found is None else str(found)


def _with(fields: Fields, column: str, value: str | None, columns: Mapping[str, str]) -> Fields:
    names = [name for name, known in columns.items() if known == column]
    return structs.replace(fields, **dict.fromkeys(names, value or ""))


def _together(audits: Iterable[Audit]) -> list[list[Audit]]:
    """The audits of each update, in their order: of one number, by one user, at once. Raises :class:`Unreadable`."""
    found: list[list[Audit]] = []
    by_user = sorted(audits, key=lambda one: (one.record_checkpoint, one.user, one.sys_created_on, one.sys_id))
    for _, some in groupby(by_user, key=lambda one: (one.record_checkpoint, one.user)):
        since: datetime | None = None
        for audit in some:
            at = utc(audit.sys_created_on)
            if since is None or at - since > AT_ONCE:
                since = at
                found.append([])
            found[-1].append(audit)
    return sorted(found, key=lambda some: (some[0].sys_created_on, some[0].record_checkpoint, some[0].sys_id))

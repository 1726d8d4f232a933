"""A ticket of GLPI with all that belongs to it, as far as it is read: who is who in it, and which groups serve it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from ingest.connectors.glpi import history as h
from ingest.connectors.glpi.history import Entry, Id, Number, text
from ingest.event import Actor
from ingest.identity import People

ASKS, SERVES, WATCHES = 1, 2, 3
"""In which role a user or group is linked to a ticket."""
SON_OF = 3
"""How a ticket is linked to another."""


# -- what is read of an answer: nothing else
class Ticket(Struct, frozen=True):
    id: Id
    date: str
    status: Id
    date_creation: str | None = None
    priority: Id | None = None
    itilcategories_id: Id | None = None
    requesttypes_id: Id | None = None
    users_id_recipient: Id | None = None
    slas_id_ttr: Id | None = None
    is_deleted: Id = 0


class Linked(Struct, frozen=True):
    """A user or a group of a ticket; a user without account by ``alternative_email``."""

    type: int
    users_id: Id | None = None
    groups_id: Id | None = None
    alternative_email: str | None = None


class Part(Struct, frozen=True):
    """A follow-up, a solution or a task. ``sourceitems_id``: of the ticket that was merged into this one."""

    id: Number
    date_creation: str | None = None
    date: str | None = None
    users_id: Id | None = None
    is_private: Id = 0
    sourceitems_id: Id | None = None


class Link(Struct, frozen=True):
    tickets_id_1: Id
    tickets_id_2: Id
    link: int

    def is_of(self, subject: str) -> bool:
        return text(self.tickets_id_1) == subject


class Satisfaction(Struct, frozen=True):
    """``satisfaction`` of 5, or of as many as the entity says: then ``satisfaction_scaled_to_5`` is told too."""

    date_answered: str | None = None
    satisfaction: float | None = None
    satisfaction_scaled_to_5: float | None = None


class Told(Struct, frozen=True):
    """``emails`` of the users who are named, by id."""

    ticket: Ticket
    log: tuple[Entry, ...] = ()
    users: tuple[Linked, ...] = ()
    groups: tuple[Linked, ...] = ()
    followups: tuple[Part, ...] = ()
    solutions: tuple[Part, ...] = ()
    tasks: tuple[Part, ...] = ()
    links: tuple[Link, ...] = ()
    satisfaction: tuple[Satisfaction, ...] = ()
    emails: dict[str, str] = {}

    @property
    def subject(self) -> str:
        return str(self.ticket.id)

    @property
    def parent(self) -> str:
        """The ticket that this one was opened to serve."""
        return next(
            (text(one.tickets_id_2) for one in self.links if one.link == SON_OF and one.is_of(self.subject)), ""
        )

    @property
    def copied(self) -> dict[str, list[str]]:
        """The follow-ups that were copied from a ticket when it was merged into this one, by that ticket: the first first."""
        found: dict[str, list[str]] = {}
        for part in sorted(self.followups, key=lambda part: part.id):
            if source := text(part.sourceitems_id):
                found.setdefault(source, []).append(str(part.id))
        return found

    def linked_users(self, role: int) -> list[str]:
        return [text(row.users_id) for row in self.users if row.type == role]

    def linked_groups(self, role: int) -> list[str]:
        return [text(row.groups_id) for row in self.groups if row.type == role]

    @property
    def named(self) -> set[str]:
        """All users in it."""
        found = {text(self.ticket.users_id_recipient), *(text(row.users_id) for row in self.users)}
        found |= {text(part.users_id) for part in (*self.followups, *self.solutions, *self.tasks)}
        for row in self.log:
            found.add(row.user)
            if row.id_search_option in (h.REQUESTER, h.TECHNICIAN, h.OBSERVER):
                found |= row.numbers
        return found - {""}


class Who:
    """The persons of a ticket."""

    def __init__(self, told: Told, people: People, bots: frozenset[str]) -> None:
        self._people, self._bots, self._emails = people, bots, told.emails
        self._asks = h.ever(told.log, h.REQUESTER, told.linked_users(ASKS))
        serves = h.ever(told.log, h.TECHNICIAN, told.linked_users(SERVES))
        self._watches = h.ever(told.log, h.OBSERVER, told.linked_users(WATCHES)) - serves
        first = next((row for row in told.users if row.type == ASKS), Linked(ASKS))
        self.requester = self.person(text(first.users_id), first.alternative_email or "")
        self._without_account = "" if text(first.users_id) else self.requester

    def acts(self, user: str) -> Actor:
        """Who watches a ticket and does not serve it is of those who asked."""
        if not user:
            return Actor.system
        if user in self._bots:
            return Actor.provider_bot
        return Actor.requester if user in self._asks or user in self._watches else Actor.provider_human

    def wrote(self, part: Part) -> tuple[Actor, str]:
        user = text(part.users_id)
        if not user and self._without_account:
            return Actor.requester, self._without_account
        return self.acts(user), self.person(user)

    def person(self, user: str, email: str = "") -> str:
        if user in self._bots:
            return ""
        return self._people.person(user, self._emails.get(user, "") or email)


class Serving:
    """The groups that serve a ticket, the newest last."""

    def __init__(self, groups: Sequence[str]) -> None:
        self._groups = list(groups)

    @property
    def current(self) -> str:
        return self._groups[-1] if self._groups else ""

    def change(self, row: Entry, *, merging: bool) -> None:
        """A group that comes with a ticket that is merged takes nothing over. Raises ``Unreadable``."""
        group = row.linked
        if row.linked_action == h.LINKED and merging:
            self._groups[:0] = [] if group in self._groups else [group]
            return
        if group in self._groups:
            self._groups.remove(group)
        if row.linked_action == h.LINKED:
            self._groups.append(group)

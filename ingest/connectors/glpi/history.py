"""GLPI's history of an item, line by line: what a field was and is, and what was linked. Pure.

Of a name only the number in brackets behind it is read: ``Hardware > Printer (12)``, ``Doe Jane (7)``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from ingest.event import Unreadable

# how a search and the history number a field or a link of a ticket
PRIORITY, CATEGORY, CHANNEL, STATUS, DUE, CHANGED, RATED = 3, 7, 9, 12, 18, 19, 61
REQUESTER, TECHNICIAN, GROUP, OBSERVER = 4, 5, 8, 66
NAMED = (CATEGORY, CHANNEL)
"""Fields that the history tells by name and number; others by their value alone."""
# what a line tells
FIELD, DELETED, RESTORED, LINKED, UNLINKED, PART = 0, 13, 14, 15, 16, 17

NUMBER = re.compile(r"\((\d{1,15})\)\s*$")

Id = int | str
Number = Annotated[int, Meta(ge=0, lt=1 << 48)]


class Entry(Struct, frozen=True):
    """A line: a field's value, or the name of what was linked, before and after. ``old_id`` and ``new_id`` since GLPI 11."""

    id: Number
    date_mod: str
    user_name: str | None = None
    linked_action: int = FIELD
    itemtype_link: str | None = None
    id_search_option: int = 0
    old_value: Id | None = None
    new_value: Id | None = None
    old_id: Id | None = None
    new_id: Id | None = None

    @property
    def user(self) -> str:
        """Empty where no person acted: a task of GLPI's own, or a rule."""
        found = NUMBER.search(self.user_name or "")
        return found[1] if found else ""

    @property
    def numbers(self) -> set[str]:
        """Of all that is named."""
        found = [NUMBER.search(text(value)) for value in (self.old_value, self.new_value)]
        return {match[1] for match in found if match}

    @property
    def linked(self) -> str:
        """The number of what was linked, or no longer is. Raises ``Unreadable``."""
        return named(self.new_value or self.old_value, None)

    @property
    def adds_followup(self) -> bool:
        """Its number is :attr:`after`."""
        return self.linked_action == PART and self.itemtype_link == "ITILFollowup"

    @property
    def before(self) -> str:
        return self._value(self.old_value, self.old_id)

    @property
    def after(self) -> str:
        return self._value(self.new_value, self.new_id)

    def _value(self, value: Id | None, number: Id | None) -> str:
        return named(value, number) if self.id_search_option in NAMED else text(value)


def first(log: Sequence[Entry], option: int, now: Id | None) -> str:
    """What a field was in the beginning: what the history says of it first, else what it is. Raises ``Unreadable``."""
    rows = [row for row in log if row.linked_action == FIELD and row.id_search_option == option]
    return min(rows, key=lambda row: row.id).before if rows else text(now)


def ever(log: Sequence[Entry], option: int, now: Iterable[str]) -> frozenset[str]:
    """Who is linked ``now``, or by the history once was."""
    return frozenset({*now}.union(*(row.numbers for row in log if row.id_search_option == option))) - {""}


def at_first(log: Sequence[Entry], option: int, now: Iterable[str]) -> list[str]:
    """Who was linked from the beginning: who is ``now``, or once was, and by the history nobody added."""
    added: set[str] = set()
    found: list[str] = []
    for row in sorted(log, key=lambda row: row.id):
        if row.id_search_option == option and row.linked_action == LINKED:
            added |= row.numbers
        elif row.id_search_option == option and row.linked_action == UNLINKED:
            found += row.numbers - added - {*found}
    return found + [one for one in now if one and one not in added and one not in found]


def named(value: Id | None, number: Id | None) -> str:
    """The number of what is named, empty for none. Raises ``Unreadable``."""
    found = NUMBER.search(text(value))
    told = found[1] if found else text(number)
    if not told and text(value):
        raise Unreadable("what the history names has no number in brackets")
    return text(told)


def text(value: Id | None) -> str:
    """GLPI's none is 0."""
    return "" if value in (None, 0, "0") else str(value)

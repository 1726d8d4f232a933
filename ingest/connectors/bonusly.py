"""Bonusly: recognition, as thanks from whoever gave it to the departments of those who received it.

Read is ``/api/v1/bonuses``, as https://docs.bonus.ly/ describes it. A bonus belongs to no case: it is a subject of its own. Of the
reason only its hashtags are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta, Struct
from pydantic import Field

from ingest.change import Change, events
from ingest.connector import Api, Connector, Document, FromOutside, Page, Refused, Rejected, Tells, tells
from ingest.event import EPOCH, Actor, Thanked, ThankedData, Unreadable
from ingest.identity import People
from ingest.reading import as_cursor, converted
from ingest.times import time_reader

OVERLAP = timedelta(minutes=5)
LIMIT = "100"
PATH = "/api/v1/bonuses"
SUBJECT = "bonus/"

Id = Annotated[int, Meta(ge=0)] | Annotated[str, Meta(min_length=1)]
Raw = dict[str, Any]
_time = time_reader(("iso",), UTC)
_hashtag = re.compile(r"(?<![&\w])#([\w-]+)")


# -- what is read of a bonus: nothing else
class User(Struct, frozen=True):
    """Besides, the property that names the department."""

    id: Id
    email: str | None = None
    external_unique_id: str | int | None = None
    custom_properties: Raw | None = None


class Bonus(Struct, frozen=True):
    """``receiver``: where there is one only; ``child_bonuses``: what others gave on top of it."""

    id: Id
    created_at: str
    giver: Raw | None = None
    receiver: Raw | None = None
    receivers: tuple[Raw, ...] | None = None
    child_bonuses: tuple[Raw, ...] | None = None
    reason: str | None = None
    value: str | None = None
    hashtag: str | None = None


class Told(Struct, frozen=True):
    bonus: Raw


class Cursor(Struct):
    """``since``: from when the list is read, which has the latest first; ``skip``: so many of it were read, 0 between two walks;
    ``newest``: the time of the latest one that was ever seen.
    """

    since: str = ""
    skip: int = 0
    newest: str = ""


class Bonusly(Connector):
    """``department``: the property of a user that names the department. ``speed``: hashtags that thank for being in time."""

    name: ClassVar[str] = "bonusly"
    tells: ClassVar[Tells] = tells("thanked")
    department: Annotated[str, Field(min_length=1)] = "department"
    speed: frozenset[str] = frozenset()

    @cached_property
    def _speed(self) -> frozenset[str]:
        return frozenset(tag.removeprefix("#").casefold() for tag in self.speed)

    # -- the API
    def authorization(self, secret: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {secret}"}

    def fetch(self, api: Api, cursor: str, now: datetime) -> Iterator[Page]:
        at = msgspec.json.decode(cursor, type=Cursor) if cursor else Cursor()
        if at.skip:
            yield from self._walk(api, at)
        yield from self._walk(api, at)
        yield Page((), as_cursor(at), now - OVERLAP, False)

    def _walk(self, api: Api, at: Cursor) -> Iterator[Page]:
        """To the page that is empty: how many are on a page is the source's choice."""
        while bonuses := api.get(PATH, _query(at))["result"]:
            at.skip += len(bonuses)
            at.newest = max([at.newest, *(str(bonus.get("created_at")) for bonus in bonuses)], key=_moment)
            yield Page([{"bonus": bonus} for bonus in bonuses], as_cursor(at), None, True)
        at.skip = 0
        if (newest := _moment(at.newest)) > EPOCH:
            at.since = (newest - OVERLAP).strftime("%Y-%m-%dT%H:%M:%SZ")

    def case(self, api: Api, subject: str) -> Sequence[Document]:
        try:
            return [{"bonus": api.get(f"{PATH}/{subject.removeprefix(SUBJECT)}")["result"]}]
        except Refused as refused:
            if refused.status == 404:
                return ()
            raise

    # -- what it means
    def means(self, document: Document, people: People) -> Iterator[FromOutside | Rejected]:
        bonus = converted(converted(document, Told).bonus, Bonus)
        receivers = _receivers(bonus)
        yield from self._thanks(bonus, receivers, people)
        for raw in bonus.child_bonuses or ():
            try:
                child = converted(raw, Bonus)
            except Unreadable as error:
                yield Rejected(
                    source=self.source, reason=error.reason, place="child_bonuses", subject=f"{SUBJECT}{bonus.id}"
                )
            else:
                yield from self._thanks(child, _receivers(child) or receivers, people)

    def _thanks(self, bonus: Bonus, receivers: Sequence[Raw], people: People) -> Iterator[FromOutside | Rejected]:
        """One for each department, however many of it received."""
        subject = f"{SUBJECT}{bonus.id}"
        try:
            groups, wrong = self._groups(receivers)
            at, (actor, who) = _time(bonus.created_at), self._gave(bonus.giver, people)
        except Unreadable as error:
            yield Rejected(source=self.source, reason=error.reason, subject=subject)
            return
        for order, group in enumerate(groups):
            data = ThankedData(group=group, for_speed=not self._speed.isdisjoint(_hashtags(bonus)))
            yield from events(
                Change(
                    subject=subject,
                    native=f"{subject}|{group}",
                    time=at,
                    order=order,
                    actor=actor,
                    who=who,
                    further=((Thanked, data),),
                ),
                self.source,
            )
        if wrong:
            yield Rejected(source=self.source, reason=wrong, subject=subject)

    def _groups(self, receivers: Sequence[Raw]) -> tuple[list[str], str]:
        """The departments of the receivers, and what is wrong with those who have none. Raises ``Unreadable``."""
        if not receivers:
            raise Unreadable("names no receiver: is the token that of an administrator?")
        found = {self._group(receiver) for receiver in receivers}
        lacking = f"a receiver has no {self.department!r}: fill that property in, or name another under 'department'"
        return sorted(found - {""}), lacking if "" in found else ""

    def _group(self, user: Raw) -> str:
        """A property stands beside the others, or among ``custom_properties``. Raises ``Unreadable``."""
        value = user.get(self.department)
        if value is None:
            value = (converted(user, User).custom_properties or {}).get(self.department)
        if not isinstance(value, str | None):
            raise Unreadable(f"{self.department!r} of a receiver is no text: name another property under 'department'")
        return (value or "").strip()

    def _gave(self, giver: Raw | None, people: People) -> tuple[Actor, str]:
        """Raises ``Unreadable``."""
        if giver is None:
            return Actor.system, ""
        user = converted(giver, User)
        if str(user.id) in self.bots:
            return Actor.provider_bot, ""
        return Actor.requester, people.person(str(user.id), user.email or str(user.external_unique_id or ""))


def _query(at: Cursor) -> dict[str, str]:
    query = {"limit": LIMIT, "skip": str(at.skip), "include_children": "true"}
    return {**query, "start_time": at.since} if at.since else query


def _receivers(bonus: Bonus) -> tuple[Raw, ...]:
    return bonus.receivers or (() if bonus.receiver is None else (bonus.receiver,))


def _hashtags(bonus: Bonus) -> set[str]:
    text = " ".join((bonus.hashtag or "", bonus.value or "", bonus.reason or ""))
    return {tag.casefold() for tag in _hashtag.findall(text)}


def _moment(stamp: str) -> datetime:
    """One that cannot be read is never the newest: it is rejected where it is parsed, and stops no walk."""
    try:
        return _time(stamp)
    except Unreadable:
        return EPOCH

"""From a change of a case as its source recorded it, with what was before, to the events it means. Pure.

Nothing else need be known of the case: a webhook that tells one change and a poll that tells all of them make the same events.
A log of snapshots, in which only the difference to the row before is a change, is the business of ``ingest/changes.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import Enum
from typing import Any

from msgspec import Struct

from ingest.changes import OPEN, ORDINAL_OF, PER_CHANGE, Meant, State, turn
from ingest.event import (
    ActedData,
    Actor,
    BotReplied,
    CaseEvent,
    Claimed,
    Classified,
    ClassifiedData,
    Created,
    CreatedData,
    Excluded,
    ExcludedData,
    Noted,
    Payload,
    Replied,
    RequesterReplied,
    Routed,
    RoutedData,
    event_id,
)
from ingest.mapping import Means
from ingest.sessions import Sessions


class Message(Enum):
    """For whom something was written: who asked can read it, or only those who serve."""

    public = "public"
    internal = "internal"


class Change(Struct, kw_only=True, gc=False):
    """``native`` is the source's own id of it, by every way in the same. ``order``: of several at one instant the least came first.
    ``who`` and ``assignee`` are pseudonyms. What is None, or empty, did not change; a ``before`` of None is not known.
    ``created``: it opened the case, and what was written with it is the request. ``acting``: the group in whose name something was
    written, where that is not the one that has the case afterwards: who hands over with a note does not work for the receiver.
    ``session``: of which chat a message is a part. ``excluded``: its labels say so. ``further``: whatever else it means.
    """

    subject: str
    native: str
    time: datetime
    order: int = 0
    actor: Actor = Actor.system
    who: str = ""
    created: CreatedData | None = None
    classified: ClassifiedData | None = None
    before: State | None = None
    after: State | None = None
    routed: RoutedData | None = None
    acting: str = ""
    assignee: str = ""
    message: Message | None = None
    session: str = ""
    excluded: ExcludedData | None = None
    further: tuple[Meant, ...] = ()


def events(change: Change, source: str) -> list[CaseEvent]:
    """In the order in which they happened. At most one of a kind: of several the first."""
    made: dict[type[CaseEvent], CaseEvent] = {}
    for kind, data, who in _meant(change):
        if kind in made:
            continue
        ordinal, creates = ORDINAL_OF[kind], kind is Created
        fields: dict[str, Any] = {} if data is None else {"data": data}
        made[kind] = kind(
            id=event_id(
                source, change.subject if creates else change.native, ordinal
            ),  # created once, whatever tells it
            source=source,
            subject=change.subject,
            time=change.time,
            specversion="1.0",
            sequence=0 if creates else change.order * PER_CHANGE + ordinal,
            actor=Actor.requester if creates else change.actor,
            who=change.who if who is None else who,
            **fields,
        )
    return sorted(made.values(), key=lambda event: ORDINAL_OF[type(event)])


def in_sessions(changes: Iterable[Change]) -> list[Change]:
    """All changes of one case, in the order in which they happened; of each reply the first message only."""
    sessions, found = Sessions(), sorted(changes, key=lambda one: (one.time, one.order))
    for change in found:
        if change.routed is not None or change.after is not None:
            sessions.interrupt()
        if change.message is Message.public and sessions.goes_on(change.session, change.actor, change.who):
            change.message = None
    return found


def _meant(change: Change) -> Iterator[tuple[type[CaseEvent], Payload | None, str | None]]:
    """The kind, its data, and who did it where that is another than who made the change."""
    if change.created is not None:
        yield Created, change.created, change.created.requester
    if change.classified is not None and change.classified != ClassifiedData():
        yield Classified, change.classified, None
    if change.routed is not None:
        yield Routed, change.routed, None
    if change.assignee:
        yield Claimed, None, change.assignee
    if change.after is not None:
        before = OPEN if change.before is None else change.before
        for kind, data in turn(before, change.after, change.actor):
            yield kind, data, None
        begun = change.after.means is Means.working and before.means is Means.open
        if begun and change.actor is Actor.provider_human and change.routed is None:
            yield Claimed, None, None
    if change.message is not None and change.created is None and (kind_of := _written(change.message, change.actor)):
        named = bool(change.acting) and kind_of is not RequesterReplied
        yield kind_of, ActedData(group=change.acting) if named else None, None
    if change.excluded is not None:
        yield Excluded, change.excluded, None
    for kind, data in change.further:
        yield kind, data, None


def _written(message: Message, actor: Actor) -> type[CaseEvent] | None:
    """A message is of the kind that its writer makes it; a note of a machine is none."""
    if actor is Actor.requester:
        return RequesterReplied
    by_machine = actor in (Actor.provider_bot, Actor.system)
    if message is Message.internal:
        return None if by_machine else Noted
    return BotReplied if by_machine else Replied

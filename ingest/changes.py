"""From the rows of one case to its events, pure: each row is a snapshot, what differs from the one before happened.

The ordinal of an event is that of its kind, in `ORDINALS`: one row makes at most one event of a kind, so that a change
in how rows are translated renumbers nothing. A value that is missing is never a change.

That a case was created is no row of a log but follows from there being any: its id is made of the case alone, so that it
is the same event when a first row that could not be read comes mended, or when an old one has left the log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from ingest.event import (
    Actor,
    AskedRequester,
    CaseEvent,
    Claimed,
    Classified,
    ClassifiedData,
    Closed,
    Created,
    CreatedData,
    Excluded,
    Noted,
    Paused,
    PausedData,
    Payload,
    Reopened,
    RequesterReplied,
    Resumed,
    Routed,
    RoutedData,
    Solved,
    event_id,
)
from ingest.exclusion import Reason, turned
from ingest.mapping import EVENTS, LogMapping, Means
from ingest.sessions import Sessions

ORDINALS = {
    "created": 0,
    "child_linked": 1,
    "restored": 2,
    "unmerged": 3,
    "resumed": 4,
    "reopened": 5,
    "classified": 6,
    "need_by": 7,
    "routed": 8,
    "claimed": 9,
    "requester_replied": 10,
    "replied": 11,
    "bot_replied": 12,
    "asked_requester": 13,
    "promised": 14,
    "promise_accepted": 15,
    "noted": 16,
    "paused": 17,
    "delivered": 18,
    "solved": 19,
    "closed": 20,
    "thanked": 21,
    "merged": 22,
    "deleted": 23,
    "excluded": 24,
}
"""Also the order of the events of one row: who takes a case and solves it in one row did so in this order. Only add."""

ORDINAL_OF: Mapping[type[CaseEvent], int] = {EVENTS[name]: ordinal for name, ordinal in ORDINALS.items()}
PER_CHANGE = 1 << 5
"""So many numbers are between two changes: each kind of event has its ordinal there."""
_PER_ORDER = 1 << 16
_LAST_TIE = _PER_ORDER // PER_CHANGE - 1
_DONE = (Means.solved, Means.closed)
_BY_ITS_KIND = {
    Created: Actor.requester,
    EVENTS["requester_replied"]: Actor.requester,
    EVENTS["bot_replied"]: Actor.provider_bot,
}
_MESSAGE_OF = {
    Actor.requester: "requester_replied",
    Actor.provider_bot: "bot_replied",
    Actor.system: "bot_replied",
}
_MESSAGES = frozenset(("replied", *_MESSAGE_OF.values()))
_INTERRUPTS = frozenset((Routed, Solved, Closed, Reopened, Paused, Resumed))


class State(Struct, frozen=True):
    means: Means
    pause: PausedData | None = None
    asks: bool = False


OPEN = State(Means.open)

Meant = tuple[type[CaseEvent], Payload | None]


def turn(before: State, after: State, actor: Actor) -> Iterator[Meant]:
    """What it means that a case goes from one state to another."""
    if before == after or (before.means is Means.closed and after.means is Means.solved):
        return
    if before.means is Means.paused:
        yield Resumed, None
    if after.means in _DONE:
        if before.means not in _DONE:
            yield Solved, None
        if after.means is Means.closed:
            yield Closed, None
        return
    if before.means in _DONE:
        yield Reopened, None
    if after.pause is not None:
        if after.asks and actor is not Actor.requester:
            yield AskedRequester, None
        yield Paused, after.pause


class Row(Struct, gc=False, kw_only=True):
    """One row as read: pseudonyms instead of persons, instants instead of texts; "" and None are missing. ``labelled``: it tells
    the labels of the case, which exclude it for ``reason`` or do not.
    """

    line: int
    subject: str
    native: str
    time: datetime
    order: tuple[int, ...] = ()
    actor: Actor = Actor.provider_human
    who: str = ""
    created: datetime | None = None
    requester: str = ""
    requester_group: str = ""
    group: str = ""
    assignee: str = ""
    service: str = ""
    priority: str = ""
    channel: str = ""
    state: State | None = None
    labelled: bool = False
    reason: Reason | None = None
    session: str = ""
    kind: str = ""
    data: Payload | None = None


def in_order(row: Row) -> tuple[datetime, tuple[int, ...], int]:
    return row.time, row.order, row.line


class Case:
    """What is known of one case so far; `step` takes its rows in order."""

    def __init__(self, source: str, mapping: LogMapping) -> None:
        self._source = source
        self._automatic = mapping.automatic_close
        events = mapping.events.values.values() if mapping.events else ()
        self._created_by_row = any(happening.type == "created" for happening in events)
        self._snapshots_only = mapping.events is None
        self._actor_known = mapping.actor is not None
        self._last: Row | None = None
        self._tie = 0
        self._sequence = 0
        self._made: list[CaseEvent] = []
        self._state = OPEN
        self._group = self._assignee = self._service = self._priority = self._channel = ""
        self._claimed = False
        self._reason: Reason | None = None
        self._sessions = Sessions() if mapping.session else None
        self._last_touch_when_solved: datetime | None = None

    def step(self, row: Row) -> list[CaseEvent]:
        """The events of the next row."""
        first = self._last is None
        self._made = []
        self._number(row)
        asked = row.time
        if first:
            asked = min(row.created or row.time, row.time)  # a case that was touched had been opened
            self._create(row, asked)
        else:
            self._classify(row)
        self._remember(row)
        routed = self._route(row, asked)
        self._assign(row)
        if row.labelled:
            self._exclude(row, asked)
        if row.state is not None and row.state is not self._state:
            self._enter(row, row.state, for_others=routed and not first)
        if row.kind:
            self._happen(row)
        elif self._snapshots_only and not self._made:
            self._work(row)
        if self._state.means is Means.solved:
            self._last_touch_when_solved = row.time
        self._last = row
        return self._made

    def _make(
        self,
        kind: Any,
        row: Row,
        data: Payload | None = None,
        *,
        at: datetime | None = None,
        actor: Actor | None = None,
        who: str | None = None,
    ) -> None:
        if self._sessions is not None and kind in _INTERRUPTS:
            self._sessions.interrupt()
        ordinal = ORDINAL_OF[kind]
        fields = {} if data is None else {"data": data}
        self._made.append(
            kind(
                id=event_id(self._source, row.native, ordinal),
                source=self._source,
                subject=row.subject,
                time=row.time if at is None else at,
                specversion="1.0",
                sequence=self._sequence + ordinal,
                actor=row.actor if actor is None else actor,
                who=row.who if who is None else who,
                **fields,
            )
        )

    def _number(self, row: Row) -> None:
        """A sequence is order · 65,536 + rank among the rows of one instant and order · 32 + ordinal."""
        order = row.order[0] if row.order else 0
        last = self._last
        tied = last is not None and last.time == row.time and last.order[:1] == row.order[:1]
        self._tie = min(self._tie + 1, _LAST_TIE) if tied else 0
        self._sequence = order * _PER_ORDER + self._tie * PER_CHANGE

    def _create(self, row: Row, asked: datetime) -> None:
        if self._created_by_row:
            return
        data = CreatedData(
            requester=row.requester,
            requester_group=row.requester_group,
            service=row.service,
            priority=row.priority,
            channel=row.channel,
        )
        self._made.append(
            Created(
                id=event_id(self._source, row.subject, ORDINALS["created"]),
                source=self._source,
                subject=row.subject,
                time=asked,
                specversion="1.0",
                actor=Actor.requester,
                who=row.requester,
                data=data,
            )
        )

    def _classify(self, row: Row) -> None:
        service = row.service if row.service != self._service else ""
        priority = row.priority if row.priority != self._priority else ""
        channel = row.channel if row.channel != self._channel else ""
        if service or priority or channel:
            self._make(Classified, row, ClassifiedData(service=service, priority=priority, channel=channel))

    def _remember(self, row: Row) -> None:
        self._service = row.service or self._service
        self._priority = row.priority or self._priority
        self._channel = row.channel or self._channel

    def _route(self, row: Row, at: datetime) -> bool:
        """A new group begins with nobody, unless the row names the person. The first row's group was there when asked."""
        if not row.group or row.group == self._group:
            return False
        self._group = row.group
        self._claimed = False
        if not row.assignee:
            self._assignee = ""
        self._make(Routed, row, RoutedData(group=row.group), at=at)
        return True

    def _assign(self, row: Row) -> None:
        if row.assignee and row.assignee != self._assignee:
            self._assignee = row.assignee
            self._claimed = True
            self._make(Claimed, row, who=row.assignee)

    def _exclude(self, row: Row, at: datetime) -> None:
        """The labels of the first row were there when asked."""
        data = turned(self._reason, row.reason)
        if data is not None:
            self._reason = row.reason
            self._make(Excluded, row, data, at=at)

    def _enter(self, row: Row, state: State, *, for_others: bool) -> None:
        """``for_others``: the row hands the case over, so that who wrote it does not work on it."""
        before = self._state
        if before.means is Means.closed and state.means is Means.solved:
            return
        self._state = state
        for kind, data in turn(before, state, row.actor):
            if kind is Closed:
                self._close(row, before)
            else:
                self._make(kind, row, data)
        if state.means is Means.working and not self._claimed and row.actor is Actor.provider_human and not for_others:
            self._claimed = True
            self._make(Claimed, row)

    def _close(self, row: Row, before: State) -> None:
        since, job = self._last_touch_when_solved, self._automatic
        if job and since and before.means is Means.solved and job.after <= row.time - since <= job.after + job.within:
            self._make(Closed, row, actor=Actor.system, who="")
        else:
            self._make(Closed, row)

    def _happen(self, row: Row) -> None:
        """What the row itself says; a message is of the kind that its writer makes it."""
        name, data = row.kind, row.data
        if name == "replied" and row.actor in _MESSAGE_OF:
            name = _MESSAGE_OF[row.actor]
            data = None
        kind = EVENTS[name]
        if self._sessions is not None and name in _MESSAGES and row.session:
            actor = row.actor if self._actor_known else _BY_ITS_KIND.get(kind, row.actor)
            if self._sessions.goes_on(row.session, actor, row.who):
                return
        if all(type(event) is not kind for event in self._made):
            self._make(kind, row, data, actor=None if self._actor_known else _BY_ITS_KIND.get(kind))

    def _work(self, row: Row) -> None:
        """A row in which nothing changed that is read: work, if a person wrote it."""
        if row.actor is Actor.requester:
            self._make(RequesterReplied, row)
        elif row.actor in (Actor.provider_human, Actor.third_party):
            self._make(Noted, row)

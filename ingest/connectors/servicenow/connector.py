"""ServiceNow: the records of a task table that changed, each with its audit, messages and SLAs; webhooks are doorbells.

Read by the Table API (``/api/now/table/TABLE``): the table itself, ``sys_audit``, ``sys_journal_field`` without its texts,
``task_sla``, ``sys_user``, ``sys_user_grmember`` and ``sys_audit_delete``, as https://www.servicenow.com/docs describes them.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

import msgspec
from msgspec import Meta, Struct
from pydantic import Field, model_validator

from ingest import event as e
from ingest.change import Change, events
from ingest.changes import OPEN, State
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
from ingest.connectors.servicenow import tables
from ingest.connectors.servicenow.record import (
    AT_ONCE,
    MESSAGES,
    Deletion,
    Fields,
    Journal,
    Record,
    Sla,
    Told,
    Update,
    Who,
    history,
    must_be_whole,
    text,
    utc,
)
from ingest.event import (
    ChildData,
    ClassifiedData,
    CreatedData,
    MergedData,
    NeedByData,
    PromiseData,
    PromisedData,
    RoutedData,
    Unreadable,
)
from ingest.exclusion import Labelled
from ingest.identity import People
from ingest.mapping import Meaning, Means
from ingest.names import name_at
from ingest.reading import as_cursor, converted, decoded
from ingest.signatures import base64_of_hmac, recent, signed
from ingest.translate import meanings

INCIDENT = "incident"
INCIDENT_STATES: Mapping[str, Any] = {
    "1": "open",
    "2": "working",
    "3": {"paused": {"owner": "requester"}},
    "6": "solved",
    "7": "closed",
    "8": "closed",
}
TASK_STATES: Mapping[str, Any] = {"1": "open", "2": "working", "3": "closed", "4": "closed", "7": "closed"}
HOLDS: Mapping[str, Any] = {
    "1": {"paused": {"owner": "requester", "reason": "awaiting caller", "asks": True}},
    "2": {"paused": {"owner": "requester", "reason": "awaiting evidence"}},
    "3": {"paused": {"owner": "other_department", "reason": "awaiting problem"}},
    "4": {"paused": {"owner": "third_party", "reason": "awaiting vendor"}},
    "5": {"paused": {"owner": "other_department", "reason": "awaiting change"}},
}
DONE = (Means.solved, Means.closed)
COLUMNS: Mapping[str, str] = {
    "group": "assignment_group",
    "assignee": "assigned_to",
    "hold": "hold_reason",
    "close_code": "close_code",
    "due": "due_date",
    "priority": "priority",
    "channel": "contact_type",
    "opened": "opened_at",
    "resolved": "resolved_at",
    "closed": "closed_at",
}
Column = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]*$")]


class Body(Struct, frozen=True):
    sys_id: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]


class Cursor(Struct):
    """Up to which ``sys_updated_on`` records, and up to which ``sys_created_on`` deletions were read."""

    changed: str = ""
    deleted: str = ""


class ServiceNow(Labelled):
    """``user``: whose password the secret is; without one it is a REST API key. ``table``: incidents, or another table of tasks.
    ``requester``, ``requester_group``, ``service``, ``parent``: the columns that say who asks, of which unit, for what, and which
    case this one serves; null: none does. ``state``: the one that says how it stands. ``states``, ``holds``: what further states
    and hold reasons mean, by number. ``duplicates``: the close codes by which a case is merged into its parent. ``promises``: ids
    of the SLA definitions that are promises. ``labels``: the column that holds the labels of ``exclude``, several with commas
    between, or whatever else tells such cases. ``deletions``: whether they may be read.
    """

    name: ClassVar[str] = "servicenow"
    signs_time: ClassVar[bool] = True
    tells: ClassVar[Tells] = tells(
        "created classified routed claimed replied noted bot_replied asked_requester requester_replied paused resumed promised "
        "delivered need_by solved reopened closed merged unmerged child_linked deleted excluded"
    )
    user: str = ""
    table: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] = INCIDENT
    requester: Column = "caller_id"
    requester_group: Column | None = "caller_id.department"
    service: Column | None = "category"
    parent: Column | None = "parent_incident"
    state: Column = "state"
    states: Mapping[str, Meaning] = {}
    holds: Mapping[str, Meaning] = {}
    duplicates: frozenset[str] = frozenset(("Duplicate",))
    promises: frozenset[str] = frozenset()
    labels: Column | None = None
    deletions: bool = True

    @model_validator(mode="after")
    def _told_where(self) -> Self:
        if self.exclude and not self.labels:
            raise ValueError("'exclude' names labels: say under 'labels' which column holds them")
        return self

    @cached_property
    def _states(self) -> Mapping[str, State | None]:
        return _meanings(INCIDENT_STATES if self.table == INCIDENT else TASK_STATES, self.states)

    @cached_property
    def _holds(self) -> Mapping[str, State | None]:
        return _meanings(HOLDS, self.holds)

    @cached_property
    def _columns(self) -> Mapping[str, str]:
        """By our names."""
        named = ("requester", "requester_group", "service", "parent", "state", "labels")
        return {**COLUMNS, **{name: column for name in named if (column := getattr(self, name))}}

    # -- the API
    def authorization(self, secret: str) -> Mapping[str, str]:
        if not self.user:
            return {"x-sn-apikey": secret}
        return {"authorization": "Basic " + b64encode(f"{self.user}:{secret}".encode()).decode()}

    def fetch(self, api: Api, cursor: str, now: datetime) -> Iterator[Page]:
        at = msgspec.json.decode(cursor, type=Cursor) if cursor else Cursor()
        for rows in tables.changed(api, self.table, self._columns, at.changed):
            at.changed = max(at.changed, rows[-1]["sys_updated_on"])
            yield Page(self._documents(api, rows), as_cursor(at), None, True)
        for rows in tables.deleted(api, self.table, at.deleted) if self.deletions else ():
            at.deleted = max(at.deleted, rows[-1]["sys_created_on"])
            yield Page([{"deleted": gone} for gone in rows], as_cursor(at), None, True)
        yield Page([], as_cursor(at), now - tables.OVERLAP, False)

    def case(self, api: Api, subject: str) -> Sequence[Document]:
        try:
            return self._documents(api, [tables.record(api, self.table, self._columns, subject)])
        except Refused as refused:
            if refused.status != 404:
                raise
        return [{"deleted": gone} for gone in tables.deletions(api, self.table, subject)] if self.deletions else ()

    def _documents(self, api: Api, rows: Sequence[Document]) -> list[Document]:
        return tables.documents(api, rows, self._columns, self.promises)

    def group_name(self, api: Api, group: str, *, asks: bool) -> str:
        table = "cmn_department" if asks else "sys_user_group"
        return name_at(api, f"/api/now/table/{table}/{{}}", group, {"sysparm_fields": "name"})

    # -- webhooks
    def verify(self, hook: Hook, secrets: Sequence[str]) -> None:
        stamp = hook.headers.get("x-crossdesk-timestamp", "")
        recent(stamp, utc, hook.at)
        signed(hook.headers.get("x-crossdesk-signature", ""), stamp.encode() + hook.body, secrets, base64_of_hmac)

    def told_by(self, hook: Hook) -> Iterator[Document | Doorbell | Rejected]:
        """Of the business rule that the page of this connector shows."""
        yield Doorbell(decoded(hook.body, Body).sys_id)

    # -- what it means
    def means(self, document: Document, people: People) -> Iterator[FromOutside | Rejected]:
        if "deleted" in document:
            gone = converted(document["deleted"], Deletion)
            made: Iterator[Change | Rejected] = iter((_deleted(gone),))
        else:
            made = self._changes(converted(document, Told), people)
        for one in made:
            if isinstance(one, Rejected):
                yield one
            else:
                yield from events(one, self.source)

    def _changes(self, told: Told, people: People) -> Iterator[Change | Rejected]:
        """Raises ``Unreadable`` where the history of the record cannot be known."""
        record, who = converted(told.record, Record), Who(told.users, people, self.bots)
        subject = record.sys_id
        try:
            first, updates = history(told.record, told.audits, self._columns)
            begun = utc(record.sys_created_on)
            must_be_whole(first, updates, begun)
            yield self._asked(record, first, updates, who)
            created = Update(
                0, 0, begun, record.sys_created_by, Fields(requester=first.requester, group=first.group), first
            )
            yield from self._updates(subject, [created, *updates], who)
        except Unreadable as error:
            raise Unreadable(error.reason, subject=subject) from None
        for journal in told.journals:
            try:
                if (change := _message(subject, journal, [created, *updates], who)) is not None:
                    yield change
            except Unreadable as error:
                yield Rejected(
                    source=self.source, reason=error.reason, place=f"entry {journal.sys_id}", subject=subject
                )
        for sla in told.slas:
            try:
                yield from self._promise(subject, sla)
            except Unreadable as error:
                yield Rejected(source=self.source, reason=error.reason, place=f"SLA {sla.sys_id}", subject=subject)

    def _asked(self, record: Record, first: Fields, updates: Sequence[Update], who: Who) -> Change:
        """It was with its first group from when it was asked. Raises ``Unreadable``."""
        at = utc(record.sys_created_on)
        if first.opened:
            at = min(at, utc(first.opened))
        callers = [first.requester, *(update.after.requester for update in updates)]
        return Change(
            subject=record.sys_id,
            native=record.sys_id,
            time=at,
            created=CreatedData(
                requester=who.person(next((caller for caller in callers if caller), "")),
                requester_group=first.requester_group,
                service=first.service,
                priority=first.priority,
                channel=first.channel,
            ),
            routed=RoutedData(group=first.group) if first.group else None,
            **who.acting(record.sys_created_by, first.requester),
        )

    def _updates(self, subject: str, updates: Sequence[Update], who: Who) -> Iterator[Change | Rejected]:
        state, merged = OPEN, False
        for update in updates:
            native = f"{subject}|{update.number}" + (f"|{update.part}" if update.part else "")
            acting = who.acting(update.user, update.after.requester)
            change = Change(subject=subject, native=native, time=update.at, order=update.order, before=state, **acting)
            for read in (_read, self._turn):
                try:
                    read(change, update, who)
                except Unreadable as error:
                    place = f"update {update.number}"
                    yield Rejected(source=self.source, reason=error.reason, place=place, subject=subject)
            state = change.after or state
            now = update.after
            into = now.parent if now.close_code in self.duplicates and state.means in DONE else ""
            if into and not merged:
                change.further += ((e.Merged, MergedData(into=into)),)
            elif now.parent and now.parent != update.before.parent:
                change.further += ((e.ChildLinked, ChildData(parent=now.parent)),)
            if merged and state.means not in DONE:
                change.further += ((e.Unmerged, None),)
            change.excluded = self.excluded(update.before.labels.split(","), now.labels.split(","))
            merged = bool(into) or (merged and state.means in DONE)
            yield change

    def _turn(self, change: Change, update: Update, _: Who) -> None:
        """Raises ``Unreadable``."""
        now, was = update.after, update.before
        if (now.state, now.hold) == (was.state, was.hold):
            return
        if now.state not in self._states:
            raise Unreadable(f"unknown state {now.state!r} of {self.table}: say under 'states' what it means")
        state = self._states[now.state]
        if state is not None and state.means is Means.paused and now.hold:
            if now.hold not in self._holds:
                raise Unreadable(f"unknown hold reason {now.hold!r}: say under 'holds' what it means")
            state = self._holds[now.hold]
        change.after = state

    def _promise(self, subject: str, sla: Sla) -> Iterator[Change]:
        """What it was at first: pauses move its breach time, and they are told apart. Raises ``Unreadable``."""
        if text(sla.sla) not in self.promises:
            return
        if not sla.original_breach_time:
            raise Unreadable("an SLA without original breach time: repair it in ServiceNow")
        promised = PromisedData(promise=sla.sys_id, due=utc(sla.original_breach_time))
        at, native = utc(sla.sys_created_on), sla.sys_id
        yield Change(subject=subject, native=native, time=at, further=((e.Promised, promised),))
        if sla.stage == "completed" and sla.end_time:
            done = ((e.Delivered, PromiseData(promise=sla.sys_id)),)
            yield Change(subject=subject, native=f"{native}|{sla.end_time}", time=utc(sla.end_time), further=done)


def _read(change: Change, update: Update, who: Who) -> None:
    """All but its state. Raises ``Unreadable``."""
    was, now = update.before, update.after
    if update.number:
        change.classified = ClassifiedData(
            service=now.service if now.service != was.service else "",
            priority=now.priority if now.priority != was.priority else "",
            channel=now.channel if now.channel != was.channel else "",
        )
    if now.group != was.group:
        change.routed = RoutedData(group=now.group)
    if now.assignee and now.assignee != was.assignee:
        change.assignee = who.person(now.assignee)
    if now.due and now.due != was.due:
        change.further += ((e.NeedBy, NeedByData(due=utc(now.due))),)


def _message(subject: str, journal: Journal, updates: Sequence[Update], who: Who) -> Change | None:
    """What came with the creation is the request. Raises ``Unreadable``."""
    at, created = utc(journal.sys_created_on), updates[0]
    if journal.sys_created_by == created.user and abs(at - created.at) <= AT_ONCE:
        return None
    if journal.element not in MESSAGES:
        raise Unreadable(f"unknown kind of message {journal.element!r}: neither {' nor '.join(MESSAGES)}")
    order = 0
    for update in updates:
        if update.at == at and update.user == journal.sys_created_by:
            # who hands a case over and says so, says it before: it is not the receiver who speaks
            order = update.order - (update.before.group != update.after.group)
    caller = [update.after.requester for update in updates if update.at <= at]
    return Change(
        subject=subject,
        native=journal.sys_id,
        time=at,
        order=order,
        message=MESSAGES[journal.element],
        **who.acting(journal.sys_created_by, caller[-1] if caller else ""),
    )


def _deleted(gone: Deletion) -> Change:
    at = utc(gone.sys_created_on)
    return Change(subject=gone.documentkey, native=gone.sys_id, time=at, further=((e.Deleted, None),))


def _meanings(known: Mapping[str, Any], settings: Mapping[str, Meaning]) -> dict[str, State | None]:
    return meanings({**{name: Meaning.model_validate(given) for name, given in known.items()}, **settings})

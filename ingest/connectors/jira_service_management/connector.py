"""Jira Service Management, Cloud and Data Center: issues that changed, each with its changelog and comments, and satisfaction.

Read are ``/rest/api/3/search/jql`` (Data Center: ``/rest/api/2/search``), ``/issue/{id}`` with its changelog and comments, and
``/status``, as https://developer.atlassian.com/cloud/jira/platform/rest/v3/ and https://docs.atlassian.com/software/jira/docs/api/REST/
describe them. Webhooks are doorbells: their time of a change is another by some milliseconds than the changelog's, so that they
cannot tell the same event. Only that an issue was deleted nothing else tells.

Longer than 400 lines because what an issue means is told in one place.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Struct
from pydantic import AfterValidator, Field

from ingest import event as e
from ingest.change import Change, Message, events
from ingest.changes import State
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
from ingest.connectors.jira_service_management.api import CHANNEL, JiraApi
from ingest.connectors.jira_service_management.issue import (
    CATEGORIES,
    LABELS,
    LARGEST,
    LINK,
    PARENT,
    STATES,
    Body,
    Comment,
    Fields,
    History,
    Item,
    Past,
    Told,
    Who,
    sides,
    values_of,
)
from ingest.event import ClassifiedData, CreatedData, Rated, RoutedData, Unreadable
from ingest.exclusion import Labelled
from ingest.feedback import rated
from ingest.identity import People
from ingest.mapping import Meaning
from ingest.reading import converted, decoded
from ingest.signatures import hex_of_hmac, signed, token
from ingest.times import time_reader, zone
from ingest.translate import meanings

OVERLAP = 5 * 60 * 1000
"""In milliseconds. A change is found a little later than it was made: the index follows."""
LATEST = timedelta(minutes=1)
STARS = 5
READ = ("created", "updated", "status", "issuetype", "creator", "assignee", "issuelinks", "comment")
DELETED = "jira:issue_deleted"

FieldName = Annotated[str, Field(pattern=r"^\w*$")]
ProjectKey = Annotated[str, Field(pattern=r"^\w+$")]
Zone = Annotated[str, AfterValidator(lambda name: str(zone(name)))]
_time = time_reader(("iso",), UTC)
_milliseconds = time_reader(("epoch_ms",), UTC)
_day = re.compile(r"\d{4}-\d{2}-\d{2}")


class Cursor(Struct):
    """``updated``: milliseconds since 1970, of the issue that changed last."""

    updated: int = 0


class JiraServiceManagement(Labelled):
    """Fields are named by their ids (``customfield_10050``); empty: there is no such field.

    ``user``: whose API token it is (an e-mail address); without, the secret is a bearer token. ``projects``: keys of those that are
    read. ``group``: the field that names the team, where it is empty the project does. ``merges``, ``children``: links, in the
    words of the issue that is merged into the other, or serves it. ``zone``: where a due date ends. ``states``: what statuses mean.
    """

    name: ClassVar[str] = "jira_service_management"
    tells: ClassVar[Tells] = tells(
        "created classified routed claimed replied noted bot_replied asked_requester requester_replied paused resumed promised "
        "need_by solved reopened closed merged unmerged child_linked deleted excluded rated"
    )
    deployment: Literal["cloud", "server"] = "cloud"
    user: str = ""
    projects: Annotated[tuple[ProjectKey, ...], Field(min_length=1)]
    group: FieldName = "project"
    service: FieldName = "issuetype"
    requester_group: FieldName = ""
    participants: FieldName = ""
    due: FieldName = "duedate"
    promise: FieldName = ""
    satisfaction: FieldName = ""
    satisfaction_date: FieldName = ""
    merges: frozenset[str] = frozenset({"duplicates"})
    children: frozenset[str] = frozenset({"causes"})
    zone: Zone = "UTC"
    states: Mapping[str, Meaning] = {}

    @cached_property
    def _states(self) -> Mapping[str, State | None]:
        known = {name: Meaning.model_validate(given) for name, given in STATES.items()}
        return meanings({**known, **{name.strip().casefold(): meaning for name, meaning in self.states.items()}})

    @cached_property
    def followed(self) -> tuple[str, ...]:
        """Fields whose history is of use."""
        named = (self.group, self.service, self.requester_group, self.due, self.promise)
        return tuple(dict.fromkeys(("project", "priority", "reporter", PARENT, *filter(None, named))))

    @cached_property
    def _midnight(self) -> Callable[[str], datetime]:
        return time_reader(("iso",), zone(self.zone))

    @cached_property
    def _is_cloud(self) -> bool:
        return self.deployment == "cloud"

    @cached_property
    def _fields(self) -> tuple[str, ...]:
        labels = LABELS if self.exclude else ""
        further = (*self.followed, self.participants, self.satisfaction, self.satisfaction_date, labels)
        return tuple(dict.fromkeys((*READ, *filter(None, further))))

    def _source_of(self, api: Api) -> JiraApi:
        return JiraApi(
            api,
            is_cloud=self._is_cloud,
            fields=self._fields,
            followed=self.followed,
            knows=lambda status: _folded(status) in self._states,
            relates=lambda key, text: self.relation(key, text) is not None,
        )

    # -- the API
    def authorization(self, secret: str) -> Mapping[str, str]:
        if not self.user:
            return {"authorization": f"Bearer {secret}"}
        return {"authorization": "Basic " + b64encode(f"{self.user}:{secret}".encode()).decode()}

    def fetch(self, api: Api, cursor: str, now: datetime) -> Iterator[Page]:
        """Each page begins where the one before ended by time, not by place: what changes meanwhile moves to the end."""
        jira, at = self._source_of(api), msgspec.json.decode(cursor, type=Cursor) if cursor else Cursor()
        since, onward, more = max(at.updated - OVERLAP, 0), "", True
        while more:
            found = jira.search(self._jql(since), onward)
            newest = max([since, *(_stamp(issue["fields"]["updated"]) for issue in found.issues)])
            at.updated = max(at.updated, newest)
            more = bool(found.onward)
            documents = jira.documents(found.issues, found.names)
            yield Page(documents, msgspec.json.encode(at).decode(), None if more else now - LATEST, more)
            since, onward = (newest, "") if newest > since else (since, found.onward)

    def _jql(self, since: int) -> str:
        """``since`` in milliseconds: a date in words would be one of the time zone of the user."""
        projects = ", ".join(f'"{key}"' for key in self.projects)
        changed = f" AND updated >= {since}" if since else ""
        return f"project in ({projects}){changed} ORDER BY updated ASC, key ASC"

    def case(self, api: Api, subject: str) -> Sequence[Document]:
        """None also of a project that is not read."""
        jira = self._source_of(api)
        try:
            issue = jira.issue(subject)
        except Refused as refused:
            if refused.status == 404:
                return ()
            raise
        there = self._is_read(issue["fields"]["project"]["key"])
        return jira.documents([issue], issue.get("names") or {}) if there else ()

    def _is_read(self, project: str) -> bool:
        return project.casefold() in {key.casefold() for key in self.projects}

    # -- webhooks
    def verify(self, hook: Hook, secrets: Sequence[str]) -> None:
        """Signed; by a Data Center that cannot sign, the user and password (``user:password``) of basic authentication."""
        given = hook.headers.get("x-hub-signature", "")
        basic = hook.headers.get("authorization", "")
        if not given and basic and not self._is_cloud:
            token(basic, ["Basic " + b64encode(secret.encode()).decode() for secret in secrets])
            return
        signed(given, hook.body, secrets, hex_of_hmac, "sha256=")

    def told_by(self, hook: Hook) -> Iterator[Document | Doorbell | Rejected]:
        body = decoded(hook.body, Body)
        if not body.subjects:
            raise Unreadable(f"webhook {body.webhook_event!r} names no issue: do not send such")
        project = body.issue.fields.project.key if body.issue else ""
        if project and not self._is_read(project):
            return
        if body.webhook_event == DELETED:
            yield {"deleted": msgspec.to_builtins(body)}
            return
        yield from (Doorbell(str(subject)) for subject in body.subjects)

    # -- what it means
    def means(self, document: Document, people: People) -> Iterator[FromOutside | Rejected]:
        if "deleted" in document:
            yield from events(self._deleted(converted(document["deleted"], Body), people), self.source)
            return
        yield from Story(self, converted(document, Told), people).told()

    def _deleted(self, body: Body, people: People) -> Change:
        """Raises ``Unreadable``."""
        if body.issue is None or body.timestamp is None:
            raise Unreadable("a deletion without its issue or timestamp")
        reporter = body.issue.fields.reporter
        who = Who((body.user, reporter), people, self.bots)
        actor = who.acts(body.user, reporter.ids[0] if reporter and reporter.ids else "")
        return Change(
            subject=str(body.issue.id),
            native=f"deleted|{body.issue.id}",
            time=_milliseconds(str(body.timestamp)),
            actor=actor,
            who=who.named(body.user, actor),
            further=((e.Deleted, None),),
        )

    def end(self, text: str) -> datetime:
        """An instant, or the end of a day. Raises ``Unreadable``."""
        if not _day.fullmatch(text):
            return _time(text)
        try:
            following = date.fromisoformat(text) + timedelta(days=1)
        except (ValueError, OverflowError):
            raise Unreadable(f"impossible date {text!r}") from None
        return self._midnight(following.isoformat())

    def state(self, status: int | str | None, name: str | None, categories: Mapping[str, str]) -> State | None:
        """By its name, else by the category that it has. Raises ``Unreadable``."""
        folded = _folded(name)
        if folded in self._states:
            return self._states[folded]
        category = categories.get(str(status), "")
        if category not in CATEGORIES:
            raise Unreadable(f"unknown status {name!r}: say under 'states' what it means")
        return CATEGORIES[category]

    def relation(self, key: str, text: str) -> type[e.Merged] | type[e.ChildLinked] | None:
        """What a link means, as the changelog puts it: ``This issue duplicates IT-7``."""
        if any(text.endswith(f" {words} {key}") for words in self.merges):
            return e.Merged
        return e.ChildLinked if any(text.endswith(f" {words} {key}") for words in self.children) else None


class Story:
    """What happened to an issue, from its creation on. A change that cannot be read is rejected for itself."""

    def __init__(self, settings: JiraServiceManagement, told: Told, people: People) -> None:
        """Raises ``Unreadable``."""
        self._settings, self._told, self._people = settings, told, people
        self._subject = str(told.issue.id)
        self._fields = converted(told.issue.fields, Fields)
        authors = [*(one.author for one in told.histories), *(one.author for one in told.comments)]
        users = (self._fields.reporter, self._fields.creator, self._fields.assignee, *authors)
        participants = values_of(told.issue.fields.get(settings.participants))
        self._who = Who(users, people, settings.bots, participants)
        self._unread: list[Rejected] = []
        self._entries = sorted(self._timed(), key=lambda one: one[:2])
        self._histories = [entry for _, _, entry in self._entries if isinstance(entry, History)]
        self._past = Past(told.issue, self._histories, settings.followed, told.names)

    def _timed(self) -> Iterator[tuple[datetime, int, History | Comment]]:
        """When it was, what it is in the order of that instant, and what. Of one transition the comment comes first."""
        entries: tuple[History | Comment, ...] = (*self._told.histories, *self._told.comments)
        for entry in entries:
            try:
                yield _time(entry.created), entry.id + (0 if isinstance(entry, Comment) else LARGEST), entry
            except Unreadable as error:
                self._unread.append(self._rejected(error, entry))

    def told(self) -> Iterator[FromOutside | Rejected]:
        """Raises ``Unreadable``."""
        yield from self._unread
        yield from self._created()
        owners = [(_time(self._fields.created), self._group)]
        for at, order, entry in self._entries:
            actor = self._who.acts(entry.author, self._past["reporter"])
            who = self._who.named(entry.author, actor)
            change = Change(subject=self._subject, native="", time=at, order=order, actor=actor, who=who)
            yield from self._changed(change, entry) if isinstance(entry, History) else self._said(change, entry)
            owners.append((at, self._group))
        yield from self._rated(owners)

    @property
    def _group(self) -> str:
        """A project is told from another field's value that has the same number."""
        named = self._past[self._settings.group] if self._settings.group != "project" else ""
        return named or (f"project:{project}" if (project := self._past["project"]) else "")

    def _created(self) -> Iterator[FromOutside | Rejected]:
        past, settings, fields = self._past, self._settings, self._fields
        actor = self._who.acts(fields.creator, past["reporter"])
        channel = self._told.issue.properties.get(CHANNEL)
        change = Change(
            subject=self._subject,
            native=f"created|{self._subject}",
            time=_time(fields.created),
            actor=actor,
            who=self._who.named(fields.creator, actor),
            created=CreatedData(
                requester=self._who.person(past["reporter"]),
                requester_group=past[settings.requester_group],
                service=past[settings.service],
                priority=past["priority"],
                channel=_text(channel.get("value")) if isinstance(channel, dict) else "",
            ),
            routed=RoutedData(group=self._group),
        )
        turn, label = self._first("status"), self._first(LABELS)
        status = (turn.before, turn.before_text) if turn else (fields.status.id, fields.status.name)
        labels = _labels(label.before_text) if label else values_of(self._told.issue.fields.get(LABELS))
        change.excluded = settings.excluded((), labels)
        try:
            change.after = settings.state(*status, self._told.statuses)
        except Unreadable as error:
            yield self._rejected(error)
        for field in (settings.due, settings.promise, PARENT):
            try:
                self._set(change, field, past[field])
            except Unreadable as error:
                yield self._rejected(error)
        yield from events(change, settings.source)

    def _first(self, field: str) -> Item | None:
        """The first change of a field."""
        items = (item for history in self._histories for item in history.items)
        return next((item for item in items if self._past.field(item) == field), None)

    def _changed(self, change: Change, history: History) -> Iterator[FromOutside | Rejected]:
        change.native = f"change|{history.id}"
        past, service = self._past, self._settings.service
        before = self._group, past[service], past["priority"]
        past.step(history)
        if self._group != before[0]:
            change.routed = RoutedData(group=self._group)
        now = past[service], past["priority"]
        change.classified = ClassifiedData(
            service=now[0] if now[0] != before[1] else "", priority=now[1] if now[1] != before[2] else ""
        )
        for item in history.items:
            try:
                self._read(change, item)
            except Unreadable as error:
                yield self._rejected(error, history)
        yield from events(change, self._settings.source)

    def _read(self, change: Change, item: Item) -> None:
        """Raises ``Unreadable``."""
        field = self._past.field(item)
        _, after = sides(item, field)
        if field == "status":
            change.before = self._settings.state(item.before, item.before_text, self._told.statuses)
            change.after = self._settings.state(item.after, item.after_text, self._told.statuses)
        elif field == "assignee":
            change.assignee = self._who.person(after)
        elif field == LABELS:
            change.excluded = self._settings.excluded(_labels(item.before_text), _labels(item.after_text))
        elif field == LINK:
            self._link(change, item)
        else:
            self._set(change, field, after)

    def _set(self, change: Change, field: str, value: str) -> None:
        """A field that is of use whenever it gets a value. Raises ``Unreadable``."""
        settings = self._settings
        if not value or not field:
            return
        if field == PARENT and self._fields.issuetype is not None and self._fields.issuetype.subtask:
            change.further += ((e.ChildLinked, e.ChildData(parent=value)),)
        elif field == settings.due:
            change.further += ((e.NeedBy, e.NeedByData(due=settings.end(value))),)
        elif field == settings.promise:
            promise = f"{self._subject}|{settings.promise}"
            change.further += ((e.Promised, e.PromisedData(promise=promise, due=settings.end(value))),)

    def _link(self, change: Change, item: Item) -> None:
        """Raises ``Unreadable``."""
        gone, there = str(item.before or ""), str(item.after or "")
        if self._settings.relation(gone, item.before_text or "") is e.Merged:
            change.further += ((e.Unmerged, None),)
        kind = self._settings.relation(there, item.after_text or "")
        if kind is None:
            return
        if there not in self._told.keys:
            raise Unreadable(f"linked is {there!r}, which cannot be seen: let the user of the token browse its project")
        other = str(self._told.keys[there])
        data = e.MergedData(into=other) if kind is e.Merged else e.ChildData(parent=other)
        change.further += ((kind, data),)

    def _said(self, change: Change, comment: Comment) -> Iterator[FromOutside]:
        change.native = f"comment|{comment.id}"
        change.message = Message.internal if comment.is_internal else Message.public
        yield from events(change, self._settings.source)

    def _rated(self, owners: Sequence[tuple[datetime, str]]) -> Iterator[Rated | Rejected]:
        """Of whoever had the case when it was rated."""
        fields, settings = self._told.issue.fields, self._settings
        given, at = fields.get(settings.satisfaction), fields.get(settings.satisfaction_date)
        stars = given.get("rating") if isinstance(given, dict) else given
        if stars is None:
            return
        try:
            if not isinstance(stars, int) or not 1 <= stars <= STARS:
                raise Unreadable(f"a rating is 1 to {STARS} stars")
            if not isinstance(at, str):
                raise Unreadable("a rating without a date: say which field is the 'satisfaction_date'")
            when = _time(at)
            about = [group for since, group in owners if since <= when] or [owners[0][1]]
            person = self._who.person(self._past["reporter"])
            yield rated(self._people, person, when, about=about[-1], score=stars, best=STARS)
        except Unreadable as error:
            yield self._rejected(error)

    def _rejected(self, error: Unreadable, entry: History | Comment | None = None) -> Rejected:
        kind = "comment" if isinstance(entry, Comment) else "change"
        place = f"{kind} {entry.id}" if entry is not None else "creation"
        return Rejected(source=self._settings.source, reason=error.reason, place=place, subject=self._subject)


def _stamp(text: str) -> int:
    return (_time(text) - e.EPOCH) // timedelta(milliseconds=1)


def _folded(name: str | None) -> str:
    return (name or "").strip().casefold()


def _labels(text: str | None) -> Sequence[str]:
    return (text or "").split()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""

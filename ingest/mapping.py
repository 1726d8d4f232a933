"""The mapping file: what the columns of a log mean.

A log has one row for each change: a snapshot of the case after it (``group``, ``state``, ...: what differs from the row
before becomes events), or one event (``events``), or both. YAML, every scalar read as text (a state ``No`` stays ``No``)::

    format: csv                     # or ndjson: a column is then a dotted path
    zone: Europe/Lisbon             # of times without offset
    missing: ["?"]                  # besides empty
    case: number
    time: {column: changed_at, format: "%d/%m/%Y %H:%M"}     # or iso, epoch_s, epoch_ms; a list tries each
    order: [version]                # whole numbers that order rows of one instant
    change: [number, version]       # names the change for ever: event ids are made of it
    created: {column: opened_at}    # when it was asked; else the time of the case's first row
    requester: caller               # persons become pseudonyms
    requester_group: unit
    group: team
    assignee: assigned_to
    actor: {person: changed_by, class: role, classes: {customer: requester}, patterns: {"^svc-": provider_bot}}
                                    # without: all is done by people who serve. Who is the requester acts as one
    service: category
    priority: priority
    channel: contact_type
    state:
      column: status
      values: {New: open, In work: working, Waiting: {paused: {owner: requester, reason: info, asks: true}},
               Done: solved, Closed: closed, Draft: ignore}
    automatic_close: {after: 5 days, within: 1 hour}
    exclude: {column: tags, labels: {test: test, probe: monitoring, imported: migrated}}     # several: with commas between, or
                                    # as `separator` says. With such a label a case counts nowhere
    session: chat                   # many messages of one session are one reply
    events:
      column: kind
      values: {comment: replied, assign: {routed: {group: to.team}}, view: ignore,
               hold: {paused: {owner: {value: requester}, reason: why}}, due: {promised: {promise: id, due: {column: until}}}}

A ``replied`` of a requester is ``requester_replied``, one of a bot ``bot_replied``. A log whose rows never mean ``created`` has
cases that begin with their first row.
"""

from __future__ import annotations

import re
from datetime import timedelta
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Any, Literal, Self, get_args

import msgspec
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ingest.event import TYPE_PREFIX, Actor, CaseEvent, Corrected, Waiting
from ingest.exclusion import Exclude

EVENTS = {str(t.__struct_config__.tag).removeprefix(TYPE_PREFIX): t for t in get_args(CaseEvent) if t is not Corrected}
"""What a row may mean. A correction names an event of ours, which no source knows."""


class BadMapping(ValueError):
    """The mapping cannot be used: mend every one of ``problems``."""

    def __init__(self, problems: list[str], *, place: str = "") -> None:
        super().__init__("\n".join(f"{place}: {problem}" if place else problem for problem in problems))
        self.problems, self.place = problems, place


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, given: object) -> object:
        if isinstance(given, dict):
            known = {field.alias or name for name, field in cls.model_fields.items()}
            unknown = [f"unknown key {key!r}{_meant(str(key), known)}" for key in given if key not in known]
            if unknown:
                raise ValueError("; ".join(unknown))
        return given


def _meant(word: str, known: set[str]) -> str:
    close = get_close_matches(word, known, 1)
    return f"; did you mean {close[0]!r}?" if close else f" (known: {', '.join(sorted(known))})"


def _several(given: object) -> object:
    return [given] if isinstance(given, str) else given


def _span(given: object) -> object:
    if isinstance(given, str):
        match = re.fullmatch(r"(\d+)\s*(day|hour|minute|second)s?", given.strip())
        if match is None:
            raise ValueError(f"{given!r} is no span of time; write '5 days', '1 hour', '30 minutes' or '10 seconds'")
        return timedelta(**{match[2] + "s": int(match[1])})
    return given


def _pattern(given: object) -> object:
    try:
        re.compile(str(given))
    except re.error as error:
        raise ValueError(f"{given!r} is no regular expression: {error}") from None
    return given


Column = Annotated[str, Field(min_length=1)]
Columns = Annotated[tuple[Column, ...], BeforeValidator(_several)]
Formats = Annotated[tuple[Column, ...], BeforeValidator(_several), Field(min_length=1)]
Span = Annotated[timedelta, BeforeValidator(_span)]
Pattern = Annotated[str, BeforeValidator(_pattern)]


class At(Part):
    """A time: a column, and how it is written."""

    column: Column
    format: Formats = ("iso",)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: object) -> object:
        return {"column": given} if isinstance(given, str) else given


class Acting(Part):
    """Who changed the row. The class is looked up by the value of ``class``, else of ``person``; nobody is ``system``."""

    person: Column | None = None
    class_: Column | None = Field(None, alias="class")
    classes: dict[str, Actor] = {}
    patterns: dict[Pattern, Actor] = {}
    otherwise: Actor = Actor.provider_human

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: object) -> object:
        return {"person": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.person is None and self.class_ is None:
            raise ValueError("name a column for 'person', 'class' or both")
        return self


class Means(StrEnum):
    open = "open"
    working = "working"
    paused = "paused"
    solved = "solved"
    closed = "closed"
    ignore = "ignore"


class Pause(Part):
    """Whom the case waits for and why. ``asks``: entering it is a public question to the requester."""

    owner: Waiting
    reason: Annotated[str, Field(max_length=512)] = ""
    asks: bool = False


class Meaning(Part):
    """What a state means: a word, or ``{paused: {owner: ...}}``."""

    means: Means = Means.paused
    paused: Pause | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: object) -> object:
        return {"means": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _owned(self) -> Self:
        if self.means is Means.paused and self.paused is None:
            raise ValueError("say for whom a paused case waits: {paused: {owner: requester}}")
        return self


class States(Part):
    column: Column
    values: Annotated[dict[str, Meaning], Field(min_length=1)]


class AutomaticClose(Part):
    """A job, not a person, closes what nobody touched for ``after`` since it was solved; it runs once in ``within``."""

    after: Span
    within: Span = timedelta(0)


class Given(Part):
    """Where a field of an event comes from: a column, or one constant ``value``; ``values`` translates what a column holds."""

    column: Column | None = None
    value: str | None = None
    values: dict[str, str] = {}
    format: Formats = ("iso",)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: object) -> object:
        return {"column": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.column is None) == (self.value is None):
            raise ValueError("name a column or a value, one of them")
        return self


class Happening(Part):
    """What a row of one event means: a type, ``{type: {field: column}}``, or ``ignore``."""

    type: str
    fields: dict[str, Given] = {}

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: object) -> object:
        if isinstance(given, str):
            return {"type": given}
        if isinstance(given, dict) and len(given) == 1 and "type" not in given:
            ((name, fields),) = given.items()
            return {"type": name, "fields": fields}
        raise ValueError("write a type of event, or {type: {field: column}}")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.type == "ignore":
            return self
        if self.type not in EVENTS:
            raise ValueError(f"no type of event {self.type!r}{_meant(self.type, {*EVENTS, 'ignore'})}")
        known = {field.name: field for field in data_fields(self.type)}
        for name, given in self.fields.items():
            if name not in known:
                raise ValueError(f"{self.type!r} has no field {name!r}{_meant(name, set(known))}")
            _fitting(given, known[name])
        if lacking := sorted(name for name, field in known.items() if field.required and name not in self.fields):
            raise ValueError(f"{self.type!r} needs {', '.join(lacking)}")
        return self


class Events(Part):
    column: Column
    values: Annotated[dict[str, Happening], Field(min_length=1)]


class Excluding(Part):
    """The labels by which a case counts nowhere, and why."""

    column: Column
    labels: Annotated[Exclude, Field(min_length=1)]
    separator: Annotated[str, Field(min_length=1)] = ","


class LogMapping(Part):
    """See the module. What is not named is not read."""

    format: Literal["csv", "ndjson"] = "csv"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    zone: str = "UTC"
    missing: frozenset[str] = frozenset()
    case: Column
    time: At
    order: Columns = ()
    change: Columns = ()
    created: At | None = None
    requester: Column | None = None
    requester_group: Column | None = None
    group: Column | None = None
    assignee: Column | None = None
    actor: Acting | None = None
    service: Column | None = None
    priority: Column | None = None
    channel: Column | None = None
    state: States | None = None
    automatic_close: AutomaticClose | None = None
    exclude: Excluding | None = None
    session: Column | None = None
    events: Events | None = None

    @model_validator(mode="after")
    def _useful(self) -> Self:
        if not (self.state or self.group or self.events):
            raise ValueError("nothing would happen to any case: map 'state', 'group' or 'events'")
        if self.automatic_close and not self.state:
            raise ValueError("'automatic_close' needs 'state'")
        if self.session and not self.events:
            raise ValueError("'session' needs 'events': they say which row is a message")
        persons = {self.requester, self.assignee, self.actor and self.actor.person}
        if named := sorted(persons.intersection(self.change) - {None}, key=str):
            raise ValueError(f"'change' names the person column {named[0]!r}: ids of events leave, persons do not")
        return self


def _fitting(given: Given, field: msgspec.structs.FieldInfo) -> None:
    written = [*given.values.values(), *([] if given.value is None else [given.value])]
    if field.name == "requester" and written:
        raise ValueError("'requester' is a person: name the column only, it becomes a pseudonym")
    for value in written:
        try:
            msgspec.convert(value, field.type, strict=False)
        except msgspec.ValidationError as error:
            raise ValueError(f"{field.name!r}: {error}") from None


def data_fields(event: str) -> tuple[msgspec.structs.FieldInfo, ...]:
    """The fields of the payload of an event type."""
    data = next(f for f in msgspec.structs.fields(EVENTS[event]) if f.name == "data")
    return msgspec.structs.fields(data.type)


def parse(text: str, *, place: str = "") -> LogMapping:
    """Raises :class:`BadMapping` with all that is wrong."""
    try:
        given = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise BadMapping([f"no YAML: {' '.join(str(error).split())}"], place=place) from None
    return check(given, place=place)


def check(given: Any, *, place: str = "") -> LogMapping:
    """The same from plain values."""
    if not isinstance(given, dict):
        raise BadMapping(["is no mapping of keys to values"], place=place)
    try:
        return LogMapping.model_validate(given)
    except ValidationError as error:
        raise BadMapping([_problem(e) for e in error.errors()], place=place) from None


def _problem(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"] if part != "[key]")
    what = "is missing" if error["type"] == "missing" else error["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what


class _Loader(yaml.BaseLoader):
    """All scalars are text, so that YAML's own ideas of ``No``, ``-100`` and dates stay out; no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen if isinstance(key, yaml.ScalarNode) else True:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} is no key or stands twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)

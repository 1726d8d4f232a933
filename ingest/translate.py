"""Rows into changes: how a :class:`~ingest.mapping.LogMapping` reads one row, whatever it comes from. Pure.

A row is the values of `Translator.columns`, as text: from a CSV file, a line of JSON or a posted body.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from ingest import mapping as m
from ingest.changes import OPEN, Case, Row, State, in_order
from ingest.connector import Rejected
from ingest.event import Actor, CaseEvent, PausedData, Payload, Unreadable
from ingest.exclusion import Reason, reason_of
from ingest.identity import Identity
from ingest.mapping import Means
from ingest.times import time_reader, zone

MAX_TEXT = 512
MAX_ORDER = 1 << 46
_TEXTS = 1 << 16
_PERSONS = (Actor.requester, Actor.provider_human, Actor.third_party)

Values = Sequence[str]


class Translator:
    """One source read by one mapping. ``columns`` are what it wants of a row, in this order."""

    def __init__(
        self, mapping: m.LogMapping, source: str, identity: Identity, *, where: str = "", bots: Collection[str] = ()
    ) -> None:
        """``where`` is the zone of times without offset, before the mapping's own; ``bots`` are further ids of bots.

        Raises ``ingest.times.UnknownZone``.
        """
        self.mapping, self.source = mapping, source
        self.columns: list[str] = []
        self._zone = zone(where or mapping.zone)
        self._identity = identity
        self._texts: dict[str, str] = {}
        self._persons: dict[str, str] = {}
        self._missing = frozenset(word.strip() for word in mapping.missing) | {""}
        self._read_subject = self._text(mapping.case)
        self._read_time = self._time(mapping.time)
        self._order = [(name, self._index(name)) for name in mapping.order]
        self._fields = self._snapshot_fields()
        self._read_state = self._state(mapping.state) if mapping.state else None
        self._read_reason = self._reason(mapping.exclude) if mapping.exclude else None
        self._read_actor = self._actor(mapping.actor, bots) if mapping.actor else None
        self._read_event = self._event(mapping.events) if mapping.events else None
        self._native = [self._index(name) for name in mapping.change or self._impersonal()]

    def row(self, values: Values, line: int = 0) -> Row:
        """Raises :class:`Unreadable` for what has no place in a case."""
        subject = self._read_subject(values)
        if not subject:
            raise Unreadable(f"no case: {self.mapping.case!r} is empty")
        try:
            native = "|".join([values[i].strip() for i in self._native])
            row = Row(line=line, subject=subject, native=native, time=self._read_time(values))
            if self._order:
                row.order = tuple([_whole(values[i], name) for name, i in self._order])
            for name, read in self._fields:
                setattr(row, name, read(values))
            if self._read_state is not None:
                row.state = self._read_state(values)
            if self._read_reason is not None:
                row.labelled, row.reason = self._read_reason(values)
            if self._read_actor is not None:
                row.actor, row.who = self._read_actor(values)
                if row.who and row.who == row.requester:
                    row.actor = Actor.requester
            if self._read_event is not None:
                row.kind, row.data = self._read_event(values)
        except Unreadable as error:
            raise Unreadable(error.reason, subject=subject) from None
        return row

    def case(self, rows: list[Row], place: str = "") -> Iterator[CaseEvent | Rejected]:
        """The events of one case from all its rows, in any order. A row that comes twice counts once."""
        rows.sort(key=in_order)
        case = Case(self.source, self.mapping)
        seen: dict[tuple[str, str], Row] = {}
        for row in rows:
            known = seen.setdefault((row.native, row.kind), row)
            if known is row:
                yield from case.step(row)
            elif msgspec.structs.replace(row, line=known.line) != known:
                reason = f"another change of this case has the same id {row.native!r}; name more columns under 'change'"
                yield Rejected(source=self.source, reason=reason, place=f"{place}:{row.line}", subject=row.subject)

    # -- reading one column ------------------------------------------------------------------------------------------

    def _index(self, column: str) -> int:
        if column not in self.columns:
            self.columns.append(column)
        return self.columns.index(column)

    def _known(self, raw: str, column: str) -> str:
        """``raw`` without blanks, empty if it is a word for missing; one object for each text."""
        text = raw.strip()
        if text in self._missing:
            text = ""
        if len(text) > MAX_TEXT:
            raise Unreadable(f"{column!r} has {len(text)} characters, more than {MAX_TEXT}")
        if len(self._texts) >= _TEXTS:
            self._texts.clear()
        self._texts[raw] = text
        return text

    def _text(self, column: str) -> Callable[[Values], str]:
        index, texts, known = self._index(column), self._texts, self._known

        def read(values: Values) -> str:
            raw = values[index]
            text = texts.get(raw)
            return known(raw, column) if text is None else text

        return read

    def _person(self, column: str) -> Callable[[Values], str]:
        text, persons, identity, source = self._text(column), self._persons, self._identity, self.source

        def read(values: Values) -> str:
            native = text(values)
            pseudonym = persons.get(native)
            if pseudonym is None:
                pseudonym = persons[native] = identity.pseudonym(native, source)
            return pseudonym

        return read

    def _time(self, at: m.At) -> Callable[[Values], datetime]:
        index, read = self._index(at.column), time_reader(at.format, self._zone)
        return lambda values: read(values[index])

    def _time_if_any(self, at: m.At) -> Callable[[Values], datetime | None]:
        text, read = self._text(at.column), time_reader(at.format, self._zone)
        return lambda values: read(found) if (found := text(values)) else None

    def _snapshot_fields(self) -> list[tuple[str, Callable[[Values], Any]]]:
        fields: list[tuple[str, Callable[[Values], Any]]] = []
        for name in ("requester_group", "group", "service", "priority", "channel", "session"):
            if (column := getattr(self.mapping, name)) is not None:
                fields.append((name, self._text(column)))
        for name in ("requester", "assignee"):
            if (column := getattr(self.mapping, name)) is not None:
                fields.append((name, self._person(column)))
        if self.mapping.created is not None:
            fields.append(("created", self._time_if_any(self.mapping.created)))
        return fields

    def _state(self, states: m.States) -> Callable[[Values], State | None]:
        text = self._text(states.column)
        known = meanings(states.values)
        return lambda values: state_of(text(values), known)

    def _reason(self, excluding: m.Excluding) -> Callable[[Values], tuple[bool, Reason | None]]:
        """An empty column of a snapshot has no label. A row of one event need not tell them, and then says nothing."""
        index, snapshots = self._index(excluding.column), self.mapping.events is None
        known: dict[str, tuple[bool, Reason | None]] = dict.fromkeys(self._missing, (False, None))
        known[""] = (snapshots, None)

        def read(values: Values) -> tuple[bool, Reason | None]:
            raw = values[index].strip()
            return known.get(raw) or (True, reason_of(raw.split(excluding.separator), excluding.labels))

        return read

    def _actor(self, acting: m.Acting, bots: Collection[str]) -> Callable[[Values], tuple[Actor, str]]:
        native = self._text(acting.person) if acting.person else lambda _: ""
        person = self._person(acting.person) if acting.person else lambda _: ""
        named = self._text(acting.class_) if acting.class_ else native
        patterns = [(re.compile(pattern), actor) for pattern, actor in acting.patterns.items()]
        automatic = frozenset(bot.strip() for bot in bots)
        known: dict[tuple[str, str], Actor] = {}

        def find(who: str, name: str) -> Actor:
            if who in automatic:
                return Actor.provider_bot
            if not who and not name:
                return Actor.system
            if name in acting.classes:
                return acting.classes[name]
            return next((actor for pattern, actor in patterns if pattern.search(name)), acting.otherwise)

        def read(values: Values) -> tuple[Actor, str]:
            key = who, name = native(values), named(values)
            actor = known.get(key)
            if actor is None:
                actor = known[key] = find(who, name)
            return actor, person(values) if actor in _PERSONS else ""

        return read

    def _event(self, events: m.Events) -> Callable[[Values], tuple[str, Payload | None]]:
        text = self._text(events.column)
        readers = {name: self._payload(happening) for name, happening in events.values.items()}
        kinds = {name: happening.type for name, happening in events.values.items()}

        def read(values: Values) -> tuple[str, Payload | None]:
            name = text(values)
            if name not in kinds:
                raise Unreadable(f"unknown kind of row {name!r}: say under 'events' what it means")
            return ("", None) if kinds[name] == "ignore" else (kinds[name], readers[name](values))

        return read

    def _payload(self, happening: m.Happening) -> Callable[[Values], Payload | None]:
        if happening.type == "ignore":
            return lambda _: None
        kind = next(f.type for f in msgspec.structs.fields(m.EVENTS[happening.type]) if f.name == "data")
        types = {field.name: field.type for field in m.data_fields(happening.type)}
        fields = [(name, self._field(name, types[name], given)) for name, given in happening.fields.items()]
        if happening.type == "created":
            names = {name for name, _ in fields}
            fields += [(name, read) for name, read in self._fields if name in types and name not in names]

        def read(values: Values) -> Payload:
            data = {name: found for name, field in fields if (found := field(values)) != ""}
            try:
                return msgspec.convert(data, kind, strict=False)  # type: ignore[no-any-return]
            except msgspec.ValidationError as error:
                raise Unreadable(f"{happening.type}: {error}") from None

        return read

    def _field(self, name: str, kind: Any, given: m.Given) -> Callable[[Values], Any]:
        if given.value is not None:
            constant = given.value
            return lambda _: constant
        assert given.column is not None
        if name == "requester":
            return self._person(given.column)
        text, meanings = self._text(given.column), given.values
        if "datetime" in repr(kind):
            parse = time_reader(given.format, self._zone)
            return lambda values: parse(found) if (found := text(values)) else ""
        return lambda values: meanings.get(found := text(values), found)

    def _impersonal(self) -> list[str]:
        """What names a change where the mapping does not: all that is read but persons."""
        mapping = self.mapping
        persons = {mapping.requester, mapping.assignee, mapping.actor and mapping.actor.person}
        for happening in mapping.events.values.values() if mapping.events else ():
            persons |= {given.column for name, given in happening.fields.items() if name == "requester"}
        return [column for column in self.columns if column not in persons]


def meanings(values: Mapping[str, m.Meaning]) -> dict[str, State | None]:
    """What each state means; None says nothing. The same meaning is the same object."""
    known: dict[str, State | None] = {"": None}
    same: dict[State, State] = {OPEN: OPEN}
    for name, meaning in values.items():
        if meaning.means is Means.ignore:
            known[name] = None
            continue
        state = State(meaning.means)
        if meaning.paused is not None:
            pause = PausedData(owner=meaning.paused.owner, reason=meaning.paused.reason)
            state = State(meaning.means, pause, meaning.paused.asks)
        known[name] = same.setdefault(state, state)
    return known


def state_of(name: str, known: Mapping[str, State | None]) -> State | None:
    """Raises :class:`Unreadable`."""
    try:
        return known[name]
    except KeyError:
        raise Unreadable(f"unknown state {name!r}: say under 'state' what it means") from None


def _whole(text: str, column: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number < MAX_ORDER:
        raise Unreadable(f"{column!r} orders rows and is no whole number: {text[:40]!r}")
    return number

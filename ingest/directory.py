"""Who is where in the organisation, since when: what person events say, as one dated history per person and source. Pure.
How many positions of a department are open is kept beside them, as one history per department and source.

A record of the topic ``directory`` has the key of its events, ``source/pseudonym``, and holds all that this source says of
the person. It replaces the one before it: so a date that was corrected is mended, and does not stand beside the wrong one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec import Struct

from ingest.event import Absent, Joined, Left, Moved, OpenPositions, PersonEvent
from ingest.intake import Told


class Place(NamedTuple):
    """From ``since`` on, until the next. ``department``: as the source names it, empty where it names none; None: has left.
    ``event``: of a change that was told alone, its id, by which it can be corrected.
    """

    since: datetime
    department: str | None
    site: str = ""
    event: str = ""


class Absence(NamedTuple):
    """``until`` is no part of it."""

    since: datetime
    until: datetime


class History(Struct, frozen=True, omit_defaults=True):
    """What one source says of one person, in order."""

    places: tuple[Place, ...] = ()
    absences: tuple[Absence, ...] = ()


class Open(NamedTuple):
    """So many positions from ``since`` on, until the next."""

    since: datetime
    number: int


class Positions(Struct, frozen=True):
    """What one source says of the open positions of a department, in order."""

    positions: tuple[Open, ...] = ()


POSITIONS = "positions/"
"""Before the name of a department in the key of a record: no pseudonym has a slash."""

_decoder = msgspec.json.Decoder(History)
_of_positions = msgspec.json.Decoder(Positions)


class Directory:
    """All histories. It is told what sources say (``ingest.intake.Persons``), and knows what the topic holds."""

    def __init__(self) -> None:
        self._held: dict[str, History] = {}
        self._positions: dict[str, Positions] = {}

    def load(self, records: Iterable[tuple[str, bytes | None]]) -> None:
        """What the topic holds, in its order; None takes back what was said under its key. Raises ``msgspec.DecodeError``:
        records are our own, so an unreadable one is a bug, or from a newer release.
        """
        for key, record in records:
            self._held.pop(key, None)  # who was told last stands last
            if _names(key)[1].startswith(POSITIONS):
                self._positions.pop(key, None)
                if record is not None:
                    self._positions[key] = _of_positions.decode(record)
            elif record is not None:
                self._held[key] = _decoder.decode(record)

    def __call__(self, told: Told) -> Iterator[tuple[str, bytes]]:
        """What the topic must hold because of it."""
        of: dict[str, list[PersonEvent]] = {}
        positions: dict[str, list[OpenPositions]] = {}
        for event in told.events:
            if isinstance(event, OpenPositions):
                positions.setdefault(f"{event.source}/{POSITIONS}{event.subject}", []).append(event)
            else:
                of.setdefault(event.key, []).append(event)
        for key, events in of.items():
            before = self._held.get(key, History())
            places = _whole(before, events) if told.whole else _changed(before, events)
            self._held.pop(key, None)
            history = self._held[key] = History(places, _absences(before, events))
            yield key, msgspec.json.encode(history)
        for key, counted in positions.items():
            held = {} if told.whole else {one.since: one for one in self._positions.get(key, Positions()).positions}
            held |= {event.time: Open(event.time, event.data.count) for event in counted}
            self._positions[key] = Positions(tuple(sorted(held.values())))
            yield key, msgspec.json.encode(self._positions[key])

    def histories(self) -> Mapping[str, Mapping[str, History]]:
        """Pseudonym -> source -> history, in alphabetical order."""
        found: dict[str, dict[str, History]] = {}
        for (source, person), history in sorted((_names(key), history) for key, history in self._held.items()):
            found.setdefault(person, {})[source] = history
        return dict(sorted(found.items()))

    def newest_key(self) -> str:
        """The id of the key of pseudonyms under which somebody was told of last. Under an older one are the same people."""
        last = next(reversed(self._held), "")
        return _names(last)[1].partition(":")[0]

    def positions(self) -> Mapping[tuple[str, str], tuple[Open, ...]]:
        """Source and its name of the department -> how many were open since when, in alphabetical order."""
        found = {(source, name.removeprefix(POSITIONS)): open.positions for (source, name), open in self._named()}
        return dict(sorted(found.items()))

    def _named(self) -> Iterator[tuple[tuple[str, str], Positions]]:
        return ((_names(key), positions) for key, positions in self._positions.items())


def _names(key: str) -> tuple[str, str]:
    source, _, person = key.partition("/")
    return source, person


def _whole(before: History, told: Iterable[PersonEvent]) -> tuple[Place, ...]:
    """Where nothing is told of places, these stay."""
    places = {event.time: _place(event) for event in _in_order(told)}
    return tuple(places.values()) or before.places


def _changed(before: History, told: Iterable[PersonEvent]) -> tuple[Place, ...]:
    """A change replaces what was said of the same instant, and what was told under its id before."""
    places = list(before.places)
    for event in _in_order(told):
        places = [place for place in places if place.since != event.time and place.event != event.id]
        places.append(_place(event)._replace(event=event.id))
    return tuple(sorted(places, key=lambda place: place.since))


def _absences(before: History, told: Iterable[PersonEvent]) -> tuple[Absence, ...]:
    """They come apart from the rest, so those from before stay, but for those that a new one overlaps: it is the same with other
    dates.
    """
    absences = list(before.absences)
    for event in told:
        if isinstance(event, Absent):
            since, until = event.time, event.data.until
            absences = [one for one in absences if one.until <= since or until <= one.since]
            absences.append(Absence(since, until))
    return tuple(sorted(absences))


def _in_order(told: Iterable[PersonEvent]) -> list[Joined | Moved | Left]:
    changes = [event for event in told if not isinstance(event, Absent)]
    return sorted(changes, key=lambda event: (event.time, event.sequence))


def _place(event: Joined | Moved | Left) -> Place:
    if isinstance(event, Left):
        return Place(event.time, None)
    return Place(event.time, event.data.department, event.data.site)

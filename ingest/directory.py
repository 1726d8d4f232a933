"""Who is where in the organisation, since when: what person events say, as one dated history per person and source. Pure.

A record of the topic ``directory`` has the key of its events, ``source/pseudonym``, and holds all that this source says of
the person. It replaces the one before it: so a date that was corrected is mended, and does not stand beside the wrong one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec import Struct

from ingest.event import Absent, Joined, Left, Moved, PersonEvent
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


_decoder = msgspec.json.Decoder(History)


class Directory:
    """All histories. It is told what sources say (``ingest.intake.Persons``), and knows what the topic holds."""

    def __init__(self) -> None:
        self._held: dict[str, History] = {}

    def load(self, records: Iterable[tuple[str, bytes | None]]) -> None:
        """What the topic holds, in its order; None takes back what was said under its key. Raises ``msgspec.DecodeError``:
        records are our own, so an unreadable one is a bug, or from a newer release.
        """
        for key, record in records:
            if record is None:
                self._held.pop(key, None)
            else:
                self._held[key] = _decoder.decode(record)

    def __call__(self, told: Told) -> Iterator[tuple[str, bytes]]:
        """What the topic must hold because of it."""
        of: dict[str, list[PersonEvent]] = {}
        for event in told.events:
            of.setdefault(event.key, []).append(event)
        for key, events in of.items():
            before = self._held.get(key, History())
            places = _whole(before, events) if told.whole else _changed(before, events)
            history = self._held[key] = History(places, _absences(before, events))
            yield key, msgspec.json.encode(history)

    def histories(self) -> Mapping[str, Mapping[str, History]]:
        """Pseudonym -> source -> history, in alphabetical order."""
        found: dict[str, dict[str, History]] = {}
        for (source, person), history in sorted((_names(key), history) for key, history in self._held.items()):
            found.setdefault(person, {})[source] = history
        return dict(sorted(found.items()))


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

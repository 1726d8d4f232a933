"""What happens to a person in the organisation, as events: who is meant is a pseudonym from the first. And how many positions are
open. Pure.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ingest.event import (
    Absent,
    AbsentData,
    Joined,
    Left,
    Moved,
    OpenPositions,
    OpenPositionsData,
    PlaceData,
    event_id,
)
from ingest.identity import People


def joined(people: People, person: str, at: datetime, department: str, site: str = "") -> Joined:
    return Joined(**_of(people, person, at, "joined"), data=PlaceData(department=department, site=site))


def moved(people: People, person: str, at: datetime, department: str, site: str = "") -> Moved:
    return Moved(**_of(people, person, at, "moved"), data=PlaceData(department=department, site=site))


def left(people: People, person: str, at: datetime) -> Left:
    return Left(**_of(people, person, at, "left"))


def absent(people: People, person: str, at: datetime, until: datetime) -> Absent:
    return Absent(**_of(people, person, at, "absent"), data=AbsentData(until=until))


def open_positions(people: People, department: str, at: datetime, count: int) -> OpenPositions:
    return OpenPositions(**_of(people, department, at, "open_positions"), data=OpenPositionsData(count=count))


def _of(people: People, person: str, at: datetime, what: str) -> dict[str, Any]:
    """An id is no secret: it is made of the pseudonym, never of what the source calls the person."""
    return {
        "id": event_id(people.source, f"{what}|{person}|{at.isoformat()}"),
        "source": people.source,
        "subject": person,
        "time": at,
        "specversion": "1.0",
    }

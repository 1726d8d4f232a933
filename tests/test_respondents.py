"""Who of the simulated company can be asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ingest.event import Joined, Left, Moved, PersonEvent, PlaceData, event_id
from ingest.simulation.company import TIDEWELL, UNITS
from ingest.simulation.respondents import Respondents

AT = datetime(2026, 1, 14, 6, tzinfo=UTC)


def event(kind: Any, who: str, **fields: Any) -> PersonEvent:
    found: PersonEvent = kind(id=event_id("s", who), source="s", subject=who, time=AT, specversion="1.0", **fields)
    return found


def test_people_are_asked_where_they_are_by_now() -> None:
    respondents = Respondents("7", TIDEWELL)
    mover, leaver, comer = UNITS[0].people[0], UNITS[0].people[1], "k1:new"
    before = {one.person: one.unit for one in respondents}
    respondents.hear(event(Moved, mover, data=PlaceData(department="Legal")))
    respondents.hear(event(Joined, comer, data=PlaceData(department="Legal")))
    respondents.hear(event(Left, leaver))
    after = {one.person: one.unit for one in respondents}
    assert dict(after.items() - before.items()) == {mover: "Legal", comer: "Legal"}
    assert before.keys() - after.keys() == {leaver}


def test_everybody_has_the_same_nature_whenever_they_are_asked() -> None:
    first, again, other = (Respondents(seed, TIDEWELL) for seed in ("7", "7", "8"))
    assert list(first) == list(again)
    person = UNITS[0].people[0]
    assert first.lean(person) == again.lean(person) != other.lean(person)
    assert first.willing("it") == again.willing("it") != other.willing("it")
    assert all(0.35 <= first.willing(unit.department) <= 0.85 for unit in UNITS)

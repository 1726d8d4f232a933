"""What departments of the simulated company live through with each other, case by case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingest.connectors.simulated import START
from ingest.event import Actor, CaseEvent, Created, CreatedData, Replied, Routed, RoutedData, event_id
from ingest.feedback import week_begins
from ingest.simulation.company import TIDEWELL
from ingest.simulation.experience import Experience, Kind, microseconds
from ingest.simulation.world import Places

WEEK = timedelta(weeks=1)


def at(hour: int, minute: int = 0, day: int = 14) -> datetime:
    """In UTC; in Berlin it is an hour later."""
    return datetime(2026, 1, day, hour, minute, tzinfo=UTC)


def event(kind: Any, when: datetime, actor: Actor = Actor.system, **fields: Any) -> CaseEvent:
    found: CaseEvent = kind(
        id=event_id("s", f"{kind} {when}"),
        source="s",
        subject="HD-1",
        time=when,
        specversion="1.0",
        actor=actor,
        **fields,
    )
    return found


def lived(*events: CaseEvent, until: datetime) -> dict[tuple[str, str], dict[Kind, float]]:
    experience = Experience(Places(TIDEWELL, START))
    for one in events:
        experience.hear(one)
    return experience.lately(microseconds(until))


ASKED = event(Created, at(7), Actor.requester, data=CreatedData(requester_group="Marketing", priority="normal"))
TO_IT = event(Routed, at(7, 1), data=RoutedData(group="IT Service Desk"))
END = week_begins(at(7)) + WEEK


def test_speed_is_how_often_the_time_fits_into_what_was_promised() -> None:
    """IT promises four open hours, and had the case from 8:00 on; it was closed for an hour at noon."""
    for answered_at, speed in ((at(9), 1.0), (at(12), 0.0), (at(7, 30), 3.0)):
        told = lived(ASKED, TO_IT, event(Replied, answered_at, Actor.provider_human), until=END)
        assert told == {("marketing", "it"): {Kind.answer: pytest.approx(speed)}}


def test_who_has_waited_in_vain_for_longer_than_promised_has_lived_through_that() -> None:
    assert lived(ASKED, TO_IT, until=at(9)) == {}
    assert lived(ASKED, TO_IT, until=at(6, day=15))["marketing", "it"][Kind.answer] == pytest.approx(-1.0)


def test_what_lies_four_weeks_back_is_forgotten() -> None:
    answer = event(Replied, at(9), Actor.provider_human)
    assert lived(ASKED, TO_IT, answer, until=at(9) + 4 * WEEK - timedelta(seconds=1)) != {}
    assert lived(ASKED, TO_IT, answer, until=at(9) + 4 * WEEK) == {}

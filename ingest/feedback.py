"""Answers and ratings as events: no name, no case, no exact time, and of each person one in a wave (FEATURES EVT-7); and
suggestions, of which it is known what they are about, to whom and in which week. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from ingest.event import (
    Answered,
    AnsweredData,
    Rated,
    RatedData,
    Topic,
    WeDid,
    WeDidData,
    YouSaid,
    YouSaidData,
    event_id,
)
from ingest.identity import People

FLOOR = 5
"""Answers of fewer pseudonyms than these do not leave: they wait for the next week's. No setting lowers it."""


def week_of(at: datetime) -> str:
    """Its ISO week, as ``2026-W48``."""
    year, week, _ = at.astimezone(UTC).isocalendar()
    return f"{year}-W{week:02}"


def week_begins(at: datetime) -> datetime:
    at = at.astimezone(UTC)
    return datetime.combine(at.date() - timedelta(days=at.weekday()), datetime.min.time(), UTC)


def rated(
    people: People, person: str, at: datetime, *, about: str, score: int, best: int, department: str = ""
) -> Rated:
    """``person`` (a pseudonym) rated what ``about`` did, 0 to ``best``. ``department``: the rater's, where the source has it."""
    week = week_of(at)
    in_wave = people.identity.in_wave(person, week)
    return Rated(
        id=event_id(people.source, f"rated|{week}|{in_wave}|{about}"),
        source=people.source,
        subject=in_wave,
        time=week_begins(at),
        specversion="1.0",
        data=RatedData(week=week, person=in_wave, department=department, about=about, score=score, best=best),
    )


def answered(
    people: People,
    person: str,
    at: datetime,
    *,
    items: Mapping[str, int],
    wave: str = "",
    about: str = "",
    department: str = "",
    site: str = "",
) -> Answered:
    """``person`` (a pseudonym) answered a survey, ``items`` 0 to 10. ``wave`` is what the survey calls it, else the week."""
    wave = wave or week_of(at)
    in_wave = people.identity.in_wave(person, wave)
    return Answered(
        id=event_id(people.source, f"answered|{wave}|{in_wave}|{about}"),
        source=people.source,
        subject=in_wave,
        time=week_begins(at),
        specversion="1.0",
        data=AnsweredData(wave=wave, person=in_wave, department=department, site=site, about=about, items=items),
    )


def you_said(source: str, suggestion: str, at: datetime, *, department: str, topic: Topic, wave: str = "") -> YouSaid:
    """A suggestion to ``department``, called so by its source: told again, it is the same event."""
    week = week_of(at)
    return YouSaid(
        id=event_id(source, f"you_said|{suggestion}"),
        source=source,
        subject=suggestion,
        time=week_begins(at),
        specversion="1.0",
        data=YouSaidData(department=department, week=week, topic=topic, wave=wave),
    )


def we_did(source: str, suggestion: str, at: datetime) -> WeDid:
    """Those who made the suggestion were told in that week what became of it."""
    week = week_of(at)
    return WeDid(
        id=event_id(source, f"we_did|{suggestion}|{week}"),
        source=source,
        subject=suggestion,
        time=week_begins(at),
        specversion="1.0",
        data=WeDidData(week=week),
    )

"""Answers and ratings as events: no name, no case, no exact time, and of each person one in a wave (FEATURES EVT-7). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from ingest.event import Answered, AnsweredData, Rated, RatedData, event_id
from ingest.identity import People


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

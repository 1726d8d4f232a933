"""Every measure's docstring holds timelines of cases; here they are run.

A line is ``DAY HH:MM kind [argument] [=> what became determined at that instant]``. All departments work Monday to
Friday from 09:00 to 17:00 UTC and promise a first and next response and acceptance in 4 business hours and resolution in
8. ``created DEPARTMENT`` names who asks; ``routed DEPARTMENT`` to whom (nobody, if empty); ``paused PARTY`` whom it
waits for; any other kind names in whose name it was done (``bot``, ``system`` and ``requester`` are no departments).
``now`` only lets time pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from ingest import event as e
from streams.cases import Cases
from streams.company import CompanyFile
from streams.configuration import Configuration, Files
from streams.fact import Fact, Outcome, decode
from streams.measure import Measure
from streams.measures import MEASURES
from streams.norms import NormsFile

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DEPARTMENTS = ("finance", "it", "legal", "hr")
LINE = re.compile(r"^(\w{3}) (\d\d):(\d\d) (\w+)\s*([\w-]*)\s*(?:=> (.+))?$")
ACTORS = {"bot": e.Actor.provider_bot, "system": e.Actor.system, "requester": e.Actor.requester}


def configuration() -> Configuration:
    """Four departments, one level, one group each."""
    norms = [
        {
            "department": d,
            "hours": {"mon-fri": "09:00-17:00"},
            "first_response": "4bh",
            "next_response": "4bh",
            "resolution": "8bh",
            "acceptance": {"*": "4bh"},
        }
        for d in DEPARTMENTS
    ]
    company: dict[str, Any] = {
        "organisation": "test",
        "zone": "UTC",
        "hours": {"mon-fri": "09:00-17:00"},
        "sources": ["desk"],
        "departments": [{"id": d, "name": d} for d in DEPARTMENTS],
        "groups": [{"source": "desk", "group": d, "department": d} for d in DEPARTMENTS],
    }
    return Configuration(
        Files(
            version=1,
            company=CompanyFile.model_validate(company),
            norms={"norms.yaml": NormsFile.model_validate({"norms": norms})},
        )
    )


def timelines(measure: type[Measure]) -> Iterator[list[str]]:
    """The indented blocks of the docstring whose lines begin with a day."""
    block: list[str] = []
    for line in (measure.__doc__ or "").splitlines():
        if LINE.match(line.strip()):
            block.append(line.strip())
        elif block:
            yield block
            block = []
    if block:
        yield block


class Story:
    """One case that happens line by line, each followed by the watermark."""

    def __init__(self) -> None:
        self.config = configuration()
        self.state: dict[str, bytes] = {}
        self.cases = Cases(self.state, 0, lambda _: self.config)
        self.offset = 0
        self.facts: dict[str, Fact] = {}
        self.last = MONDAY
        self.count = 0
        self.write(e.ConfigMark(**self.envelope(MONDAY, e.Actor.system), data=e.ConfigData(1)))

    def envelope(self, at: datetime, actor: e.Actor) -> dict[str, Any]:
        self.count += 1
        return {
            "id": e.event_id("desk", str(self.count)),
            "source": "desk",
            "subject": "C1",
            "time": at,
            "specversion": "1.0",
            "sequence": self.count,
            "actor": actor,
        }

    def write(self, record: e.Record) -> None:
        effects = self.cases.batch([(self.offset, e.encode(record))])
        self.offset += 1
        for key, value in effects.changes.items():
            if value is not None:
                self.state[key] = value
        for output in effects.outputs:
            fact = decode(output.value)
            if isinstance(fact, Fact):
                self.facts[fact.fact_id] = fact

    def line(self, day: str, hour: int, minute: int, kind: str, what: str) -> datetime:
        at = MONDAY + timedelta(days=DAYS.index(day), hours=hour, minutes=minute)
        while at < self.last:
            at += timedelta(weeks=1)
        self.last = at
        if kind != "now":
            self.write(self.event(kind, what, at))
        self.write(e.Watermark(**self.envelope(at, e.Actor.system), data=e.WatermarkData(at)))
        return at

    def event(self, kind: str, what: str, at: datetime) -> e.Record:
        requester = kind in ("created", "requester_replied", "reopened")
        actor = ACTORS.get(what, e.Actor.requester if requester else e.Actor.provider_human)
        if kind == "bot_replied":
            actor = e.Actor.provider_bot
        cls: Any = e.TYPES[e.TYPE_PREFIX + kind]
        data: dict[str, Any] = {
            "created": {"requester_group": what},
            "routed": {"group": what},
            "paused": {"owner": what},
        }.get(kind, {"group": what} if what and what not in ACTORS else {})
        fields = {"data": payload(cls, data)} if data else {}
        event: e.Record = cls(**self.envelope(at, actor), **fields)
        return event


def payload(cls: Any, data: dict[str, Any]) -> Any:
    field = next(f for f in msgspec.structs.fields(cls) if f.name == "data")
    return msgspec.convert(data, field.type)


def described(fact: Fact, config: Configuration) -> str:
    """As the docstrings say it: outcome, and once it has ended its business time and target."""
    if fact.stop is None:
        return str(fact.outcome)
    hours, minutes = divmod(fact.business_us // 60_000_000, 60)
    parts = [str(fact.outcome), f"{hours}h" if hours else "", f"{minutes}m" if minutes or not hours else ""]
    norm = config.norm(fact.measure, fact.department, fact.counterpart, fact.start)
    if norm is not None and fact.norm == norm.name:
        parts += ["of", str(norm.target)]
    return " ".join(p for p in parts if p)


CASES = [(m, block) for m in MEASURES for block in timelines(m)]


def test_every_measure_draws_at_least_one_timeline() -> None:
    assert {m.name for m, _ in CASES} == {m.name for m in MEASURES}


@pytest.mark.parametrize(("measure", "block"), CASES, ids=[f"{m.name}: {block[-1]}" for m, block in CASES])
def test_the_timeline_in_the_docstring_comes_true(measure: type[Measure], block: list[str]) -> None:
    story = Story()
    told: dict[str, str] = {}
    for line in block:
        match = LINE.match(line)
        assert match is not None
        day, hour, minute, kind, what, expected = match.groups()
        story.line(day, int(hour), int(minute), kind, what)
        now = {
            id: described(f, story.config)
            for id, f in story.facts.items()
            if f.measure.startswith(measure.name)
            and f.outcome not in (Outcome.running, Outcome.paused, Outcome.retracted)
        }
        new = sorted(text for id, text in now.items() if told.get(id) != text)
        told = now
        wanted = sorted(t.strip() for t in (expected or "").split(",") if t.strip())
        assert new == wanted, f"{measure.name}, line {line!r}"

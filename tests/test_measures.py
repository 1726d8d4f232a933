"""Every measure's docstring holds timelines of cases; here they are run.

A line is ``DAY HH:MM kind [argument] [=> what became determined at that instant]``. All departments work Monday to
Friday from 09:00 to 17:00 UTC and promise a first and next response and acceptance in 4 business hours, resolution and
finishing in 8; of high priority a first response in 1 and resolution in 4, of low a first response in 8. ``created
DEPARTMENT`` names who asks; ``routed DEPARTMENT`` to whom (nobody, if empty), ``returned DEPARTMENT`` the same because
something is missing; ``paused PARTY`` whom it waits for, ``paused_unexplained PARTY`` without a reason; ``promised HOUR``
until when, that day; ``classified PRIORITY``; ``thanked_for_speed`` says for what. Any other kind names in whose name it was
done (``bot``, ``system`` and ``requester`` are no departments; ``bot-it`` is a bot of it). ``now`` only lets time pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import msgspec
import pytest
from histories import facts_in, keep

from ingest import event as e
from streams.cases import Cases
from streams.company import CompanyFile
from streams.configuration import Configuration, Files
from streams.fact import Fact, Outcome
from streams.measure import Measure
from streams.measures import MEASURES
from streams.measures.after_hours import AFTER_HOURS, MILLION
from streams.norm_entry import NormsFile
from streams.timeline import microseconds

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DEPARTMENTS = ("finance", "it", "legal", "hr")
DRAWN = {
    "acceptance": ("acceptance", "first_time_complete"),
    "ownership": ("ownership", "rework"),
    "resolution": ("resolution", "exceeded", "breach"),
    "thanks": ("thanks", "timely_thanks"),
}
"""What a measure calls its facts, where it does not call them after itself."""
LINE = re.compile(r"^(\w{3}) (\d\d):(\d\d) (\w+)\s*([\w-]*)\s*(?:=> (.+))?$")
ACTORS = {"bot": e.Actor.provider_bot, "system": e.Actor.system, "requester": e.Actor.requester}


def configuration(hours: Mapping[str, str] = MappingProxyType({})) -> Configuration:
    """Four departments, one level, one group each. ``hours``: on working days, of those that have others."""
    norms = [
        {
            "department": d,
            "hours": {"mon-fri": hours.get(d, "09:00-17:00")},
            "first_response": ["4bh", {"priority": "high", "target": "1bh"}, {"priority": "low", "target": "8bh"}],
            "next_response": "4bh",
            "resolution": ["8bh", {"priority": "high", "target": "4bh"}],
            "acceptance": {"*": "4bh"},
            "finish": {"*": "8bh"},
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

    def __init__(self, config: Configuration | None = None) -> None:
        self.config = config or configuration()
        self.state: dict[str, bytes] = {}
        self.cases = Cases(self.state, 0, lambda _: self.config)
        self.offset = 0
        self.facts: dict[str, Fact] = {}
        self.told: list[bytes] = []
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
        self.take(e.encode(record))

    def heard(self) -> None:
        """What cases have said to each other."""
        told, self.told = self.told, []
        for record in told:
            self.take(record)

    def take(self, record: bytes) -> None:
        effects = self.cases.batch([(self.offset, record)])
        self.offset += 1
        self.told += [output.value for output in effects.outputs if output.topic == "events"]
        for key, value in effects.changes.items():
            if value is not None:
                self.state[key] = value
        for fact in facts_in(output.value for output in effects.outputs if output.topic == "facts"):
            keep(self.facts, fact)

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
        requester = kind in ("created", "requester_replied", "promise_accepted", "reopened")
        class_, _, group = what.partition("-") if what.partition("-")[0] in ACTORS else ("", "", what)
        actor = ACTORS.get(class_, e.Actor.requester if requester else e.Actor.provider_human)
        if kind == "bot_replied":
            actor = e.Actor.provider_bot
        reason = {"reason": "needs_info"} if kind == "returned" else {"reason": "asked"} if kind == "paused" else {}
        kind = {"returned": "routed", "paused_unexplained": "paused"}.get(kind, kind)
        cls: Any = e.TYPES[e.TYPE_PREFIX + kind.removesuffix("_for_speed")]
        known: dict[str, dict[str, Any]] = {
            "created": {"requester_group": what},
            "classified": {"priority": what},
            "routed": {"group": what, **reason},
            "paused": {"owner": what, **reason},
            "promised": {"promise": "p", "due": at.replace(hour=int(what) if what.isdigit() else 0)},
            "promise_accepted": {"promise": "p"},
            "delivered": {"promise": "p"},
            "thanked_for_speed": {"for_speed": True},
            "you_said": {"department": what, "week": f"{at:%G-W%V}", "topic": "other"},
            "we_did": {"week": f"{at:%G-W%V}"},
        }
        data = known.get(kind, {"group": group} if group else {})
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
    if fact.measure == AFTER_HOURS:
        acts = fact.business_us // MILLION
        return f"{fact.outcome} {acts} act{'s' if acts > 1 else ''}"
    hours, minutes = divmod(fact.business_us // 60_000_000, 60)
    parts = [str(fact.outcome), f"{hours}h" if hours else "", f"{minutes}m" if minutes or not hours else ""]
    norm = config.norms.named(fact.norm)
    if norm is not None:
        parts += ["of", str(norm.target)]
    return " ".join(p for p in parts if p)


CASES = [(m, block) for m in MEASURES for block in timelines(m)]


def test_every_measure_draws_at_least_one_timeline() -> None:
    assert {m.name for m, _ in CASES} == {m.name for m in MEASURES}


@pytest.mark.parametrize(("measure", "block"), CASES, ids=[f"{m.name}: {block[-1]}" for m, block in CASES])
def test_the_timeline_in_the_docstring_comes_true(measure: type[Measure], block: list[str]) -> None:
    comes_true(measure.name, block, described)


def comes_true(measure: str, block: list[str], describe: Callable[[Fact, Configuration], str]) -> None:
    story = Story()
    told: dict[str, str] = {}
    for line in block:
        match = LINE.match(line)
        assert match is not None, line
        day, hour, minute, kind, what, expected = match.groups()
        story.line(day, int(hour), int(minute), kind, what)
        now = {
            id: describe(f, story.config)
            for id, f in ((id, f.known_by(microseconds(story.last))) for id, f in story.facts.items())
            if f.measure.startswith(DRAWN.get(measure, (measure,)))
            and f.outcome not in (Outcome.running, Outcome.paused, Outcome.retracted)
        }
        new = sorted(text for id, text in now.items() if told.get(id) != text)
        told = now
        wanted = sorted(t.strip() for t in (expected or "").split(",") if t.strip())
        assert new == wanted, f"{measure}, line {line!r}"


# -- what the docstrings are too short for: whose fact it is, whom it serves, and the edges

EDGES = """
after_hours: each department by its own acts, and each episode by itself
    Mon 08:00 created   finance
    Mon 08:00 routed    it
    Mon 08:59 claimed   it
    Mon 10:00 noted     legal
    Mon 16:59 solved    it        => met 1 act: it for nobody, met 1 act: legal for nobody, missed 1 act: it for nobody
    Mon 18:00 replied   it
    Mon 19:00 reopened
    Mon 20:00 replied   it
    Mon 20:00 noted     it
    Tue 09:00 closed    system    => missed 2 acts: it for nobody
after_hours: what nobody owns is nobody's evening, and a deleted case has had its work
    Mon 09:00 created   finance
    Mon 20:00 noted
    Tue 07:00 routed    it
    Tue 08:00 asked_requester it
    Tue 09:00 deleted   it        => missed 1 act: it for nobody
loop: told too late, five weeks after
    Mon 00:00 you_said  it
    Fri 17:00 now
    Mon 00:00 now
    Fri 17:00 now
    Mon 00:00 now
    Fri 17:00 now
    Mon 00:00 now
    Fri 17:00 now
    Mon 00:00 now
    Fri 16:59 now
    Fri 17:00 now                 => missed: it for nobody (other)
    Mon 00:00 we_did              => missed 200h: it for nobody (other)
loop: what became of what nobody said yet
    Mon 00:00 we_did
    Mon 00:00 you_said  hr        => met 0m: hr for nobody (other)
loop: of a department that nobody knows
    Mon 00:00 you_said  catering
    Mon 00:00 we_did              => met 0m: _unmapped for nobody (other)
thanks: whoever solved, whoever had it
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    legal
    Mon 12:00 thanked   requester => met 2h: legal for finance (timely), met 2h: legal for finance
thanks: before the solution nobody is thanked for it
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 thanked   requester
    Mon 11:00 solved    it
    Mon 12:00 thanked   requester => met 1h: it for finance (timely), met 1h: it for finance
thanks: at the end of the fifth day they are in time
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    it
    Fri 17:00 now
    Mon 10:00 thanked   requester => met 40h: it for finance (timely), met 40h: it for finance
thanks: and a minute later too late
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    it
    Fri 17:00 now
    Mon 10:01 thanked   requester => missed 0m: it for finance
thanks: for being in time, whatever was left
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Tue 16:00 solved    it
    Tue 17:00 thanked_for_speed requester => met 1h: it for finance (timely), met 1h: it for finance
thanks: a quarter of the promised time was left, to the minute
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 15:00 solved    it
    Mon 16:00 thanked   requester => met 1h: it for finance (timely), met 1h: it for finance
thanks: and a minute less
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 15:01 solved    it
    Mon 16:01 thanked   requester => met 1h: it for finance, missed 1h: it for finance
thanks: among themselves they count for nothing
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    it
    Mon 11:00 thanked   it
    Mon 11:00 thanked   bot
    Mon 11:00 thanked   system
thanks: nor do those for somebody else
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    it
    Mon 11:00 thanked   requester-legal
    Mon 12:00 thanked   requester-it => met 2h: it for finance (timely), met 2h: it for finance
thanks: a case counts once, whatever comes after
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    it
    Mon 11:00 thanked   requester => met 1h: it for finance (timely), met 1h: it for finance
    Mon 12:00 reopened
    Mon 13:00 replied   it
    Tue 14:00 solved    legal
    Tue 15:00 thanked   requester
thanks: nor when the five days were over
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    it
    Fri 17:00 now
    Mon 11:00 reopened            => missed 0m: it for finance
    Mon 12:00 replied   it
    Mon 13:00 solved    it
    Mon 14:00 thanked   requester
thanks: who works on it again waits for the thanks of the next solution
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    it
    Mon 11:00 reopened            => cancelled 0m: it for finance (reopened)
    Mon 11:30 thanked   requester
    Mon 12:00 noted     legal
    Mon 12:30 solved    legal
    Mon 14:00 thanked   requester => met 1h 30m: legal for finance (timely), met 1h 30m: legal for finance
thanks: a courtesy is thanks, and counts once
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    it
    Mon 11:00 reopened            => cancelled 0m: it for finance (reopened)
    Mon 11:30 solved    it        => met 1h: it for finance (courtesy_reopen), met 1h: it for finance (courtesy_reopen)
    Mon 12:00 thanked   requester
thanks: what is deleted was not solved
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 11:00 deleted   it
    Mon 12:00 thanked   requester
acceptance: a bot takes nothing up
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 routed    legal
    Mon 11:00 noted     bot
    Mon 12:00 noted     legal     => met 2h of 4bh: legal for it
acceptance: nor does who is not the receiver
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 routed    legal
    Mon 11:00 noted     hr
    Mon 12:00 claimed   legal     => met 2h of 4bh: legal for it
acceptance: what ends before is cancelled
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 routed    legal
    Mon 11:00 solved    system    => cancelled 1h of 4bh: legal for it (unanswered)
acceptance: closing is no taking up
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 routed    legal
    Mon 11:00 closed    legal     => cancelled 1h of 4bh: legal for it (unanswered)
acceptance: nor is deleting
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 11:10 routed    legal
    Mon 12:10 deleted   legal     => cancelled 1h of 4bh: legal for it (unanswered)
acceptance: who passes it on has received it
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 routed    legal
    Mon 11:00 routed    hr        => met 1h of 4bh: legal for it (pass_through)
    Mon 13:00 replied   hr        => met 2h of 4bh: hr for legal
acceptance: the pool is no receiver, and the giver who held it last
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 routed
    Mon 11:00 routed    legal
    Mon 12:00 noted     legal     => met 1h of 4bh: legal for it
acceptance: routed again to whom it is
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 routed    legal
    Mon 11:00 routed    legal
    Mon 12:00 noted     legal     => met 2h of 4bh: legal for it
acceptance: a case that is solved waits for nobody
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    it
    Mon 11:00 routed    legal     => cancelled 0m of 4bh: legal for it (unanswered)
    Tue 17:00 now
first_resolution: a deleted case has none
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 11:00 deleted   it        => cancelled 2h: it for finance (unanswered)
first_resolution: whoever solved
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    legal     => done 1h: legal for finance
first_resolution: a bot solves for the owner
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    bot-hr    => done 1h: it for finance
first_resolution: the owner of the end
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 12:00 routed    legal
    Mon 15:00 solved    system    => done 6h: legal for finance
first_response: an answer in the instant of the question is none
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 09:00 replied   it
    Mon 11:00 replied   it        => met 2h of 4bh: it for finance
first_response: nor is a bot's
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 replied   bot
    Mon 11:00 replied   it        => met 2h of 4bh: it for finance
first_response: a question back is one
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 asked_requester it  => met 1h of 4bh: it for finance
first_response: a deleted case has none
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 11:00 deleted   it        => cancelled 2h of 4bh: it for finance (unanswered)
first_response: solved without a word
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    it        => met 1h of 4bh: it for finance (silent_solve)
first_response: what the system closes does not start again
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    system    => cancelled 1h of 4bh: it for finance (unanswered)
    Mon 11:00 reopened
    Mon 12:00 replied   it
first_response: a bot's solution is asked about once
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 09:30 solved    bot       => cancelled 30m of 4bh: it for finance (unanswered)
    Mon 10:00 reopened
    Mon 10:30 replied   it        => met 30m of 4bh: it for finance
    Mon 11:00 solved    it
    Mon 12:00 reopened
    Mon 13:00 replied   it
first_response: who was asked, whoever answers
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 routed    legal
    Mon 11:00 replied   legal     => met 2h of 4bh: it for finance
next_response: a bot's is none
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 replied   it
    Mon 11:00 requester_replied
    Mon 12:00 replied   bot
    Mon 13:00 replied   it        => met 2h of 4bh: it for finance
next_response: before the first answer there is no next
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 09:30 replied   bot
    Mon 10:00 requester_replied
    Mon 11:00 replied   it
next_response: nor was there one before the request
    Mon 09:00 replied   it
    Mon 10:00 created   finance
    Mon 10:00 routed    it
    Mon 11:00 requester_replied
    Mon 12:00 replied   it
next_response: who writes to a solved case waits for nobody
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 replied   it
    Mon 11:00 solved    it
    Mon 12:00 requester_replied
    Mon 13:00 replied   it
next_response: coming back is writing again
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 replied   it
    Mon 11:00 solved    it
    Mon 12:00 reopened
    Mon 13:00 replied   it        => met 1h of 4bh: it for finance
next_response: unless the system reopens it
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 replied   it
    Mon 11:00 solved    it
    Mon 12:00 reopened  system
    Mon 13:00 replied   it
next_response: or nobody ever answered
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    bot
    Mon 11:00 reopened
    Mon 12:00 replied   it
next_response: or it was open anyway
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 replied   it
    Mon 11:00 reopened
    Mon 12:00 replied   it
next_response: a silent solution was an answer
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    it
    Mon 11:00 reopened
    Mon 12:00 solved    it        => met 1h of 4bh: it for finance (silent_solve)
next_response: who was asked, whoever answers
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 replied   it
    Mon 11:00 requester_replied
    Mon 12:00 routed    legal
    Mon 13:00 replied   legal     => met 2h of 4bh: it for finance
next_response: while nobody owns it the wait is for the first owner
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 replied   it
    Mon 11:00 routed
    Mon 12:00 requester_replied
    Mon 13:00 routed    legal
    Mon 14:00 replied   legal     => met 2h of 4bh: legal for finance
next_response: a deleted case has none
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 replied   it
    Mon 11:00 requester_replied
    Mon 12:00 deleted   it        => cancelled 1h of 4bh: it for finance (unanswered)
next_response: the system's solution is no answer
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 replied   it
    Mon 11:00 requester_replied
    Mon 12:00 solved    system    => cancelled 1h of 4bh: it for finance (unanswered)
orphan: until it ends
    Mon 09:00 created   finance
    Mon 10:00 solved    it        => done 1h: _unowned for nobody
    Mon 11:00 routed
    Mon 12:00 reopened
    Mon 13:00 routed    it        => done 1h: _unowned for nobody
orphan: back to nobody is still nobody
    Mon 09:00 created   finance
    Mon 10:00 routed
    Mon 11:00 routed    it        => done 2h: _unowned for nobody
ownership: a stint may begin while the requester is asked
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 paused    requester
    Mon 11:00 routed    legal     => done 1h: it for nobody
    Mon 13:00 resumed
    Mon 14:00 solved    legal     => met 1h of 8bh: legal for it
ownership: others that are waited for do not stop it
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 paused    third_party
    Mon 11:00 routed    legal     => done 2h: it for nobody
    Mon 13:00 resumed
    Mon 14:00 solved    legal     => met 3h of 8bh: legal for it
ownership: a receiver has until the norm says, less the time in which the requester was asked
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 routed    legal     => done 1h: it for nobody
    Mon 11:00 paused    requester
    Tue 10:00 resumed
    Wed 09:00 now                 => missed: legal for it
    Wed 09:01 solved    legal     => missed 8h 1m of 8bh: legal for it
ownership: who had it before nobody had it hands it over
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 routed              => done 1h: it for nobody
    Mon 12:00 routed    legal
    Mon 13:00 solved    legal     => met 1h of 8bh: legal for it
ownership: a case that comes back to life is handed over by nobody, unless another has it then
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    it        => done 1h: it for nobody
    Mon 11:00 reopened            => done 0m: it for nobody
    Mon 12:00 solved    it        => done 1h: it for nobody
    Mon 13:00 routed    legal
    Mon 14:00 reopened
    Mon 15:00 solved    legal     => met 1h of 8bh: legal for it
first_response: of a higher priority from the beginning, which is over
    Mon 09:00 created    finance
    Mon 09:00 routed     it
    Mon 11:00 classified high     => missed: it for finance
    Mon 12:00 replied    it       => missed 3h of 1bh: it for finance
first_response: of a higher priority in time
    Mon 09:00 created    finance
    Mon 09:00 routed     it
    Mon 09:30 classified high
    Mon 10:00 replied    it       => met 1h of 1bh: it for finance
first_response: of a lower priority, but overdue by then
    Mon 09:00 created    finance
    Mon 09:00 routed     it
    Mon 13:00 now                 => missed: it for finance
    Mon 14:00 classified low
    Mon 15:00 replied    it       => missed 6h of 4bh: it for finance
first_response: of a lower priority
    Mon 09:00 created    finance
    Mon 09:00 routed     it
    Mon 12:00 classified low
    Mon 17:00 replied    it       => met 8h of 8bh: it for finance
resolution: pauses are carried when the priority changes
    Mon 09:00 created    finance
    Mon 09:00 routed     it
    Mon 10:00 paused     requester
    Mon 12:00 resumed
    Mon 13:00 classified high
    Mon 15:00 solved     it       => met 4h of 4bh: it for finance, missed 0m: it for finance
resolution: nor does a change while the requester is asked end the pause
    Mon 09:00 created    finance
    Mon 09:00 routed     it
    Mon 14:00 paused     requester
    Mon 15:00 classified high
    Mon 16:00 resumed             => missed: it for finance
ping_pong: work in turns
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 routed    legal
    Mon 11:00 solved    legal
    Mon 11:30 reopened
    Mon 12:00 solved    it
    Mon 12:30 reopened
    Mon 13:00 routed    it        => done 3h: legal for it (finished)
    Mon 14:00 routed    legal     => done 1h: it for legal
ping_pong: what is delivered is finished too
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 routed    legal
    Mon 11:00 delivered
    Mon 13:00 routed    it        => done 3h: legal for it (finished)
ping_pong: what a bot solves is not
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 routed    legal
    Mon 11:00 solved    bot
    Mon 12:00 reopened
    Mon 13:00 routed    it        => done 3h: legal for it
ping_pong: nor what somebody else solves
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 routed    legal
    Mon 11:00 solved    hr
    Mon 12:00 reopened
    Mon 13:00 routed    it        => done 3h: legal for it
ping_pong: through the pool
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 routed    legal
    Mon 11:00 routed
    Mon 12:00 routed    it        => done 2h: legal for it
ping_pong: routed again to whom it is
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 routed    legal
    Mon 11:00 routed    legal
    Mon 12:00 routed    it        => done 2h: legal for it
reopening: of whoever solved
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    legal
    Tue 10:00 reopened            => missed 8h: legal for finance
reopening: a bot solves for the owner
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    bot-hr
    Tue 10:00 reopened            => missed 8h: it for finance
reopening: closing solves
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 closed    system
    Tue 10:00 reopened            => missed 8h: it for finance
rework: from whoever gave it, and of whoever solves it again
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 routed    legal
    Mon 11:00 routed    hr
    Mon 12:00 routed    legal     => done 0m: legal for hr
    Mon 13:00 routed    it        => done 0m: it for legal
    Mon 14:00 solved    it
    Tue 10:00 reopened            => done 0m: it for nobody
rework: whoever says thank you makes none
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    it
    Mon 12:00 reopened            => done 0m: it for nobody
    Mon 12:30 solved    it
    Mon 14:00 reopened            => done 0m: it for nobody
    Mon 14:10 noted     it
    Mon 14:30 solved    it
rework: nor does who routes it again to whom it is, or another who gets what was closed
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 routed    it
    Mon 11:00 solved    it
    Mon 12:00 routed    legal
    Mon 13:00 reopened
    Mon 14:00 routed    it        => done 0m: it for legal
rework: who put it back into the pool takes it once more
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 routed
    Mon 11:00 routed    it        => done 0m: it for nobody
    Mon 12:00 routed
    Mon 13:00 routed    legal
    Mon 14:00 routed    it        => done 0m: it for legal
resolution: reopening what is open is nothing
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 reopened
    Mon 11:00 solved    it        => met 2h of 8bh: it for finance
resolution: a deleted case has none
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 11:00 deleted   it        => cancelled 2h of 8bh: it for finance (unanswered)
reopening: who works on it again has no courtesy before him
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    it
    Mon 12:00 reopened            => missed 2h: it for finance
    Mon 12:10 noted     it
    Mon 12:30 solved    it
    Tue 12:30 reopened            => missed 8h: it for finance
reopening: nor does an hour and more
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    it
    Mon 12:00 reopened            => missed 2h: it for finance
    Mon 13:01 solved    it
    Tue 12:00 reopened            => missed 6h 59m: it for finance
reopening: a courtesy may be paid twice
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 solved    it
    Mon 12:00 reopened            => missed 2h: it for finance
    Mon 12:10 solved    it
    Mon 13:00 reopened            => missed 3h: it for finance (courtesy_reopen)
    Mon 13:10 solved    it
resolution: of whoever solved, by the norm of whoever took it on
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 11:00 solved    legal     => met 2h of 8bh: legal for finance
resolution: a bot solves for the owner
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 11:00 solved    bot-hr    => met 2h of 8bh: it for finance
silence: a bot breaks none
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 replied   bot
    Mon 11:00 replied   it        => done 2h: it for finance
silence: nor does reopening what is open
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 reopened
    Mon 11:00 replied   it        => done 2h: it for finance
silence: while nobody owned it
    Mon 09:00 created   finance
    Mon 10:00 routed
    Mon 11:00 routed    it        => done 2h: _unowned for finance
    Mon 12:00 replied   it        => done 1h: it for finance
silence: of whoever had it when it began
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 replied   it        => done 1h: it for finance
    Mon 11:00 routed    legal
    Mon 12:00 replied   legal     => done 2h: it for finance
silence: may begin while the requester is asked
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 paused    requester
    Mon 11:00 replied   it        => done 1h: it for finance
    Mon 12:00 resumed
    Mon 13:00 replied   it        => done 1h: it for finance
silence: others that are waited for do not stop it
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 paused    third_party
    Mon 11:00 replied   it        => done 2h: it for finance
    Mon 12:00 resumed
    Mon 13:00 replied   it        => done 2h: it for finance
waiting_requester: asked twice
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 10:00 paused    requester
    Mon 11:00 resumed
    Mon 12:00 paused    requester
    Mon 14:00 resumed
    Mon 15:00 solved    it        => done 3h: it for finance
waiting_closed: between two episodes, whoever it is moved to meanwhile
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 11:00 solved    it
    Mon 12:00 routed    legal
    Mon 14:00 reopened
    Mon 15:00 solved    legal     => done 3h: it for finance
waiting_provider: each owner, in all episodes
    Mon 09:00 created   finance
    Mon 09:00 routed    it
    Mon 11:00 solved    it        => done 2h: it for finance
    Mon 12:00 routed    legal
    Mon 14:00 reopened
    Mon 15:00 routed    it
    Mon 16:00 solved    it        => done 1h: legal for finance, done 3h: it for finance
"""


def edges() -> Iterator[tuple[str, list[str]]]:
    """The title of each, which begins with the measure, and its lines."""
    block: list[str] = []
    for line in EDGES.strip().splitlines():
        if not line.startswith(" "):
            title, block = line, []
            yield title, block
        else:
            block.append(line.strip())


def described_whole(fact: Fact, config: Configuration) -> str:
    flags = f" ({fact.flags})" if fact.flags else ""
    return f"{described(fact, config)}: {fact.department} for {fact.counterpart or 'nobody'}{flags}"


@pytest.mark.parametrize(("title", "block"), list(edges()), ids=[title for title, _ in edges()])
def test_at_the_edges(title: str, block: list[str]) -> None:
    comes_true(title.partition(":")[0], block, described_whole)


def test_a_merged_case_lends_its_request_and_its_early_answer() -> None:
    """It asked at 09:00 and was answered at 10:00; the case into which it is merged was opened at 11:00."""
    story = Story()
    at = {hour: MONDAY + timedelta(hours=hour) for hour in (9, 10, 11, 12)}
    asked = story.event("created", "finance", at[9])
    answered = story.event("replied", "it", at[10])
    merged = e.Merged(**story.envelope(at[12], e.Actor.system), data=e.MergedData(into="C1"))
    story.write(story.event("created", "finance", at[11]))
    story.write(story.event("routed", "it", at[11]))
    for event in (asked, answered, merged):
        story.write(msgspec.structs.replace(event, subject="C2"))
    story.write(e.Watermark(**story.envelope(at[12], e.Actor.system), data=e.WatermarkData(at[12])))
    story.heard()
    responses = {fact.case_id: fact for fact in story.facts.values() if fact.measure == "first_response"}
    first = responses["desk/C1"]
    assert (first.outcome, first.department, first.business_us, first.stop) == (
        Outcome.met,
        "it",
        3_600_000_000,
        round(at[10].timestamp() * 1_000_000),
    )
    assert responses["desk/C2"].outcome is Outcome.retracted


def test_a_round_trip_takes_the_time_in_which_nobody_had_the_case_too() -> None:
    """Legal, which is closed in the afternoon, gave it to nobody at 12:30: 30 minutes, 3.5 hours, and one of hr."""
    story = Story(configuration({"legal": "09:00-13:00"}))
    for hour, minute, kind, what in (
        (9, 0, "created", "finance"),
        (9, 0, "routed", "it"),
        (12, 0, "routed", "legal"),
        (12, 30, "routed", ""),
        (16, 0, "routed", "hr"),
        (17, 0, "routed", "it"),
    ):
        story.line("Mon", hour, minute, kind, what)
    found = [described(f, story.config) for f in story.facts.values() if f.measure == "round_trip"]
    assert found == ["done 5h"]

"""A source that cannot be asked for three hours makes no department guilty, and afterwards all is as if it had never failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from datetime import UTC, datetime, time, timedelta
from threading import Event
from typing import NamedTuple

import pytest
from histories import Overheard, config_mark, facts_in, live
from sandbox_client import IDENTITY, connector_of

from deploy.sandbox.engine import VENDORS, Sandbox
from ingest import event as e
from ingest.api import Budget, HttpApi, SourceDown
from ingest.connectors.simulated import START, example_configuration
from ingest.identity import People
from ingest.intake import Intake
from ingest.polling import Poller
from streams.company import CompanyFile
from streams.configuration import Configuration, Files
from streams.fact import Fact, Outcome
from streams.norm_entry import NormsFile

BEGIN = datetime.combine(START, time(), UTC)
DAYS = 5
DOWN = BEGIN + timedelta(days=2, hours=9)
BACK = DOWN + timedelta(hours=3)
EVERY = timedelta(minutes=20)


class Memory:
    def __init__(self) -> None:
        self.events: list[bytes] = []

    def say(self, topic: str, key: str, value: bytes) -> None:  # noqa: ARG002
        if topic == "events":
            self.events.append(value)

    def settle(self) -> None:
        """It is durable already."""


class Asked:
    """A sandbox that lives through the days, a poller that asks it, and the fold over what that says."""

    def __init__(self, vendor: str, ends: ExitStack) -> None:
        self.sandbox = ends.enter_context(Sandbox(vendor, seed=11, days=DAYS, cases_per_day=80, at=BEGIN))
        source, connector = self.sandbox.source, connector_of(self.sandbox)
        headers = connector.authorization(self.sandbox.secret)
        self.api = ends.enter_context(HttpApi(self.sandbox.url, headers, Budget(60_000_000), lambda _: False))
        self.log, self.failures, self.folded = Memory(), 0, 0
        self.intake = Intake(connector, People(IDENTITY, source), self.log, lambda _: (), lambda _: None)
        self.poller = Poller(
            lambda: nullcontext(self.api),
            lambda: nullcontext(self.intake),
            source=source,
            cursor="",
            every=1,
            stop=Event(),
        )
        self.cases = Overheard({1: configuration(self.sandbox)})
        self.cases.log.append(config_mark(1))

    def live_until(self, at: datetime, *, down: bool = False) -> list[Fact]:
        """What is said meanwhile."""
        first = len(self.cases.said)
        self.sandbox.faults.errors = 1.0 if down else 0.0
        while self.sandbox.now < at:
            self.sandbox.advance(EVERY)
            try:
                self.poller.poll(self.api, self.intake, self.sandbox.now)
            except SourceDown:
                self.failures += 1
        self.cases.log += self.log.events[self.folded :]
        self.folded = len(self.log.events)
        self.cases.run((500,))
        return list(facts_in(self.cases.said[first:]))

    def facts(self) -> dict[str, Fact]:
        return live(self.cases.held)


def configuration(sandbox: Sandbox) -> Configuration:
    """The company's, with groups and people as the vendor and we name them."""
    company = sandbox.company(lambda address: IDENTITY.pseudonym(address, sandbox.source))
    norms = {"norms.yaml": NormsFile.model_validate(example_configuration(1)[1])}
    return Configuration(Files(version=1, company=CompanyFile.model_validate(company), norms=norms))


class Lived(NamedTuple):
    """``before``: the facts when it went down; ``meanwhile``: what was said while it was; ``until``: of its watermark then."""

    failing: Asked
    working: Asked
    before: dict[str, Fact]
    meanwhile: list[Fact]
    until: float


@pytest.fixture(scope="module", params=sorted(VENDORS))
def lived(request: pytest.FixtureRequest) -> Iterator[Lived]:
    with ExitStack() as ends:
        failing, working = Asked(request.param, ends), Asked(request.param, ends)
        failing.live_until(DOWN)
        before = failing.facts()
        meanwhile = failing.live_until(BACK, down=True)
        until = failing.poller.standing.until
        end = BEGIN + timedelta(days=DAYS)
        failing.live_until(end)
        working.live_until(end)
        yield Lived(failing, working, before, meanwhile, until)


def test_nothing_becomes_missed_while_nobody_answers(lived: Lived) -> None:
    assert lived.failing.failures >= 3 * 3
    assert lived.meanwhile == []
    back = int(BACK.timestamp()) * 1_000_000
    overdue = [f for f in lived.before.values() if f.outcome is Outcome.running and f.due is not None and f.due < back]
    assert overdue, "there were clocks to be unjust about"


def test_it_says_since_when_it_is_not_known(lived: Lived) -> None:
    assert DOWN - 2 * EVERY < datetime.fromtimestamp(lived.until, UTC) <= DOWN
    marks = [r.data.until for r in map(e.decode, lived.failing.log.events) if isinstance(r, e.Watermark)]
    assert not [until for until in marks if DOWN < until < BACK]


def test_afterwards_all_is_as_if_it_had_never_failed(lived: Lived) -> None:
    failing, working = lived.failing.facts(), lived.working.facts()
    assert len(working) > 1_000
    assert any(fact.outcome is Outcome.missed for fact in working.values())
    assert {id: failing.get(id) for id in working} == working
    assert failing.keys() == working.keys()

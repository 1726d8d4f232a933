"""A source that is down makes indicators stale, never departments guilty (DESIGN 5.3).

Two helpdesks of the simulated company, of which one is down for an afternoon: it tells later what happened meanwhile.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from histories import Overheard, config_mark, facts_in, keyed, live

from ingest import event as e
from ingest.connectors.simulated import example_configuration, simulate
from ingest.simulation.company import TIDEWELL
from streams.company import CompanyFile
from streams.configuration import Configuration, Files
from streams.departments import Departments
from streams.effects import carry_out
from streams.fact import Fact, Outcome, WatermarkPassed, decode
from streams.indicators import IndicatorValue
from streams.norm_entry import NormsFile

((_down, _back),) = TIDEWELL.outages
DOWN, BACK = datetime.fromtimestamp(_down, UTC), datetime.fromtimestamp(_back, UTC)
START, DAYS, CASES_PER_DAY = date(2026, 1, 16), 8, 60.0
FAILS, WORKS = "helpdesk", "phones"
TICK = timedelta(microseconds=1)
TEN_MINUTES = timedelta(minutes=10)


def configuration() -> Configuration:
    """The example company, in which both sources have the same groups."""
    company, norms = example_configuration(1)
    company["sources"] = [FAILS, WORKS]
    company["groups"] = [{**group, "source": source} for group in company["groups"] for source in (FAILS, WORKS)]
    files = {"norms.yaml": NormsFile.model_validate(norms)}
    return Configuration(Files(version=1, company=CompanyFile.model_validate(company), norms=files))


def told(seed: int, source: str) -> list[e.Record]:
    """What the source says, in the order in which it says it."""
    records = simulate(seed, DAYS, start=START, cases_per_day=CASES_PER_DAY)
    return [msgspec.structs.replace(record, source=source) for record in records]


def without_outage(records: Iterable[e.Record]) -> Iterator[e.Record]:
    """The same, had it never failed: everything when it happened, and the watermarks between."""
    mark = next(record for record in records if isinstance(record, e.Watermark))
    meanwhile = (DOWN + n * TEN_MINUTES for n in range((BACK - DOWN) // TEN_MINUTES))
    marks = [msgspec.structs.replace(mark, time=at, data=e.WatermarkData(until=at - TICK)) for at in meanwhile]
    at_once = [msgspec.structs.replace(record, observedtime=msgspec.UNSET) for record in records]
    yield from sorted([*at_once, *marks], key=lambda record: (record.time, record.sequence))


def heard(record: e.Record) -> datetime:
    """When the source said it."""
    return record.time if record.observedtime is msgspec.UNSET else record.observedtime


class Followed:
    """Both folds over what the sources say, as they say it."""

    def __init__(self, *sources: Iterable[e.Record]) -> None:
        self.versions = {1: configuration()}
        self.cases = Overheard(self.versions)
        self.cases.log.append(config_mark(1))
        self.state: dict[bytes, bytes] = {}
        self.departments = Departments(self.state, 1, self.versions.__getitem__)
        self.coming = heapq.merge(*sources, key=heard)
        self.ahead: e.Record | None = None
        self.read = 0

    def until(self, at: datetime) -> list[Fact]:
        """Go on to what is said before that instant; the facts that were said because of it."""
        first = self.read
        while (record := self.ahead or next(self.coming, None)) is not None:
            self.ahead = record
            if heard(record) >= at:
                break
            self.cases.log.append(e.encode(record))
            self.ahead = None
        self.cases.run((500,))
        new = self.cases.said[first:]
        carry_out(self.departments.batch(keyed(enumerate(new, first))).changes, self.state)
        self.read += len(new)
        return list(facts_in(new))

    def facts(self) -> dict[str, Fact]:
        return live(self.cases.held)

    def indicators(self) -> list[IndicatorValue]:
        return [msgspec.structs.replace(value, offset=0) for value in self.departments.indicators()]


def missed(facts: Iterable[Fact], source: str) -> set[str]:
    return {fact.fact_id for fact in facts if fact.source == source and fact.outcome is Outcome.missed}


@pytest.fixture(scope="module")
def failing() -> list[e.Record]:
    return told(1, FAILS)


@pytest.fixture(scope="module")
def working() -> list[e.Record]:
    return list(without_outage(told(2, WORKS)))


def test_nothing_becomes_missed_by_silence(failing: list[e.Record], working: list[e.Record]) -> None:
    run = Followed(failing, working)
    run.until(DOWN)
    overdue = [f for f in run.facts().values() if f.source == FAILS and f.outcome is Outcome.running and f.due]
    meanwhile = run.until(BACK)
    assert not [fact for fact in meanwhile if fact.source == FAILS]
    assert missed(meanwhile, WORKS), "the other source's clocks go on"
    back = int(BACK.timestamp()) * 1_000_000
    assert any(fact.due is not None and fact.due < back for fact in overdue), "there were clocks to be unjust about"


def test_indicators_say_since_when_they_are_stale(failing: list[e.Record], working: list[e.Record]) -> None:
    last = max(r.data.until for r in failing if isinstance(r, e.Watermark) and r.time < DOWN)
    run = Followed(failing, working)
    for at in (DOWN + TEN_MINUTES, DOWN + timedelta(hours=2), BACK):
        run.until(at)
        assert {e.instant(value.as_of) for value in run.indicators()} == {last}
    marks = [mark for mark in map(decode, run.cases.said) if isinstance(mark, WatermarkPassed)]
    assert max(e.instant(mark.until) for mark in marks if mark.source == WORKS) > BACK - TEN_MINUTES
    run.until(BACK + TEN_MINUTES)
    assert min(e.instant(value.as_of) for value in run.indicators()) >= BACK - TICK


def test_when_it_is_back_all_is_as_if_it_had_never_failed(
    failing: list[e.Record], working: list[e.Record], tally: Callable[[str, int], None]
) -> None:
    run, other = Followed(failing, working), Followed(without_outage(failing), working)
    unjust = missed(run.until(BACK), FAILS) - missed(other.until(BACK), FAILS)
    for at in (BACK + TEN_MINUTES, BACK + timedelta(days=10)):
        unjust |= missed(run.until(at), FAILS) - missed(other.until(at), FAILS) - missed(other.facts().values(), FAILS)
        assert run.facts() == other.facts()
        assert run.indicators() == other.indicators()
    assert not unjust, "nor was any missed in between"
    tally("facts of a source that was down for an afternoon", len(run.facts()))

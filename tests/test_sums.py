"""What must add up: whom a case waited for, to its time since it was asked; pairs, to their departments; and rework, to stints."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator

import pytest
from histories import HOUR, config_mark

from deploy import config_files
from deploy.demo import EXAMPLE
from ingest import event as e
from ingest.connectors.simulated import simulate
from streams.cases import Cases
from streams.configuration import Configuration
from streams.effects import carry_out
from streams.fact import Fact, Facts, Outcome, WatermarkPassed, decode
from streams.indicators import INDICATORS
from streams.rolling import Rolling
from streams.timeline import microseconds

PAIRED = sorted({i.measure for i in INDICATORS if i.pairs})


class Folded:
    """What a log says in the end, of each case that counts; ``now``: its last watermark."""

    def __init__(self, records: Iterable[e.Record], config: Configuration) -> None:
        state: dict[str, bytes] = {}
        cases = Cases(state, 0, lambda _: config)
        held: dict[bytes, bytes] = {}
        self.now, self.asked = 0, dict[str, int]()
        log = enumerate([config_mark(1), *map(e.encode, self.noted(records))])
        for offset, record in log:
            effects = cases.batch([(offset, record)])
            carry_out(effects.changes, state)
            assert not any(output.topic == "events" for output in effects.outputs), "cases that speak to each other"
            for output in effects.outputs:
                if output.topic == "facts" and isinstance(said := decode(output.value), WatermarkPassed):
                    self.now = max(self.now, said.until)
                elif output.topic == "facts" and output.key:
                    held[output.key] = output.value
        self.records = [said for said in map(decode, held.values()) if isinstance(said, Facts)]

    def noted(self, records: Iterable[e.Record]) -> Iterator[e.Record]:
        for record in records:
            if isinstance(record, e.Created):
                at = microseconds(record.time)
                self.asked[record.key] = min(at, self.asked.get(record.key, at))
            yield record

    @property
    def facts(self) -> list[Fact]:
        return [f for record in self.records for f in record if f.outcome is not Outcome.retracted]


def alone(records: Iterable[e.Record]) -> list[e.Record]:
    """Without the cases that are merged or serve others: what those speak of began elsewhere."""
    known = list(records)
    speaks = {r.key for r in known if isinstance(r, e.Merged | e.ChildLinked)}
    speaks |= {f"{r.source}/{r.data.into}" for r in known if isinstance(r, e.Merged)}
    speaks |= {f"{r.source}/{r.data.parent}" for r in known if isinstance(r, e.ChildLinked)}
    return [r for r in known if not isinstance(r, e.CaseEvent) or r.key not in speaks]


@pytest.fixture(scope="module")
def company() -> Folded:
    return Folded(alone(simulate(11, 40, cases_per_day=40)), config_files.load(EXAMPLE).configuration)


def check_waits(folded: Folded) -> int:
    """Of every case, at every level."""
    waited: defaultdict[tuple[str, int], int] = defaultdict(int)
    ends: dict[str, int] = {}
    for fact in folded.facts:
        if fact.measure.startswith("waiting_"):
            so_far = folded.now - fact.since if fact.outcome is Outcome.running else 0
            waited[fact.case_id, fact.level] += fact.calendar_us + so_far
            ends[fact.case_id] = folded.now if fact.stop is None else fact.stop
    assert waited
    for (case, level), time in waited.items():
        assert time == ends[case] - folded.asked[case], (case, level)
    return len(ends)


def test_whom_a_case_waited_for_adds_up_to_its_time(company: Folded, tally: Callable[[str, int], None]) -> None:
    tally("cases whose six clocks add up to the microsecond", check_waits(company))


def test_pairs_add_up_to_their_department_at_every_level(company: Folded, tally: Callable[[str, int], None]) -> None:
    """What nobody else is part of, or a department and itself, is in no pair: a hand-over among its children, say."""
    rolling = Rolling(1, config_files.load(EXAMPLE).configuration.calendar)
    rolling.load(record for record in company.records if record.outcome is not Outcome.retracted)
    own, pairs, inside = (
        Counter[tuple[str, str, int]](),
        Counter[tuple[str, str, int]](),
        Counter[tuple[str, str, int]](),
    )
    for series, group in rolling.groups.items():
        n = len(group.determined) + sum(map(len, group.running.values()))
        (pairs if series.counterpart else own)[series.measure, series.department, series.level] += n
    for record in company.records:
        for fact in record:
            if fact.counterpart in ("", fact.department) and fact.outcome not in (Outcome.retracted, Outcome.cancelled):
                both = fact.outcome in (Outcome.missed, Outcome.excused) and fact.runs
                inside[fact.measure, fact.department, fact.level] += 2 if both else 1
    checked = [place for place in own if place[0] in PAIRED]
    assert {measure for measure, _, _ in checked} == set(PAIRED)
    assert {level for _, _, level in checked} == {0, 1, 2}
    for place in checked:
        assert own[place] == pairs[place] + inside[place], place
    tally("departments whose pairs add up", len(checked))


def test_each_stint_of_a_department_but_its_first_is_rework(company: Folded, tally: Callable[[str, int], None]) -> None:
    """Where it is not, only a thank-you has been heard, or the organisation moved the group."""
    rework, seen = set(), set[tuple[str, int, str]]()
    repeated: dict[tuple[str, int, bytes], Fact] = {}
    for fact in sorted(company.facts, key=lambda f: (f.start, f.stop or company.now)):
        if fact.measure == "rework":
            rework.add((fact.case_id, fact.level, fact.opener))
        elif fact.measure == "ownership":
            if (fact.case_id, fact.level, fact.department) in seen:
                repeated[fact.case_id, fact.level, fact.opener] = fact
            seen.add((fact.case_id, fact.level, fact.department))
    assert rework <= repeated.keys()
    assert {level for _, level, _ in rework} == {0, 1, 2}
    others = [fact for key, fact in repeated.items() if key not in rework]
    assert 0 < len(others) < len(repeated) / 5
    assert all(f.stop is not None and f.business_us <= HOUR and not f.counterpart for f in others)
    tally("stints that are rework", len(rework))

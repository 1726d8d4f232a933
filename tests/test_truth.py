"""What is measured is what happened: the fold of the simulated events against the simulation's own account.

The simulation knows what happened because it decided it, and writes down what each measure must say
(``ingest/simulation``); here its events go through the real fold, and both are compared to the microsecond.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from itertools import islice
from typing import Any, NamedTuple

import pytest
from histories import facts_in, keep

from ingest import event as e
from ingest.connectors.simulated import example_configuration, simulate, simulate_with_feedback, truth
from ingest.simulation.account import Account
from ingest.simulation.feedback import Week
from ingest.simulation.measured import Measured
from ingest.simulation.truth import Cell, Run, Truth, WrongTruth, read
from streams.cases import Cases
from streams.company import CompanyFile
from streams.configuration import Configuration, Files
from streams.effects import carry_out
from streams.fact import Fact, Outcome
from streams.norm_entry import NormsFile

BATCH = 2000
RESPONSES = ("first_response", "next_response")
Value = tuple[str, str, int, str, str, str, int, int | None, int | None, int, int]
"""Case, measure, level, department, counterpart, outcome, start, stop, due, calendar and business time."""


class Both(NamedTuple):
    """What the fold says, and what the simulation says; the cases that a human deleted, and those that were put back into the
    pool."""

    got: Counter[Value]
    right: Counter[Value]
    deleted: set[str]
    pooled: set[str]


def configuration(seed: int, departments: int | None = None) -> Configuration:
    company, norms = example_configuration(seed, departments)
    files = {"norms.yaml": NormsFile.model_validate(norms)}
    return Configuration(Files(version=1, company=CompanyFile.model_validate(company), norms=files))


class Folded:
    """All that the fold holds in the end, as of the last watermark."""

    def __init__(self, config: Configuration, records: Iterator[e.Record]) -> None:
        self.config, self.now, self.offset = config, 0, 0
        self.held: dict[str, Fact] = {}
        self.state: dict[str, bytes] = {}
        self.cases = Cases(self.state, 0, lambda _: config)
        told = self.batch([e.encode(e.config_mark(1, e.EPOCH))])
        while batch := [*told, *(e.encode(record) for record in islice(records, BATCH))]:
            told = self.batch(batch)
        self.now = self.cases.meta.marks["helpdesk"]

    def batch(self, records: list[bytes]) -> list[bytes]:
        """What cases tell each other comes back as the first of the next batch."""
        effects = self.cases.batch(enumerate(records, self.offset))
        self.offset += len(records)
        carry_out(effects.changes, self.state)
        for output in effects.outputs:
            if output.topic == "facts":
                for fact in facts_in([output.value]):
                    keep(self.held, fact)
        return [output.value for output in effects.outputs if output.topic == "events"]

    def values(self) -> Iterator[Value]:
        for fact in self.held.values():
            if fact.outcome is not Outcome.retracted:
                yield self.value(fact.known_by(self.now))

    def value(self, fact: Fact) -> Value:
        """With what has gone by since the fact was said, where it still runs."""
        calendar_us, business_us, now = fact.calendar_us, fact.business_us, self.now
        if fact.stop is None and fact.outcome is not Outcome.met:
            if not fact.measure.startswith("waiting_"):
                calendar_us = now - fact.start
            elif fact.calendar:
                calendar_us += now - fact.since
            if fact.calendar:
                business_us += self.config.calendar(fact.calendar).worked(fact.since, now)
        return (
            fact.case_id.split("/")[1], fact.measure, fact.level, fact.department, fact.counterpart,
            fact.outcome.value, fact.start, fact.stop, fact.due, calendar_us, business_us,
        )  # fmt: skip


def known(v: Measured) -> Value:
    return (
        v.case, v.measure, v.level, v.department, v.counterpart, v.outcome, v.start, v.stop, v.due, v.calendar_us,
        v.business_us,
    )  # fmt: skip


def both(seed: int, days: int, departments: int | None = None, **more: Any) -> Both:
    """Every value by the fold, and by the simulation."""
    right: Counter[Value] = Counter()
    recorder = Truth(each=lambda value: right.update([known(value)]))
    deleted: set[str] = set()
    pooled: set[str] = set()

    def records() -> Iterator[e.Record]:
        for record in simulate(seed, days, departments=departments, recorder=recorder, **more):
            if isinstance(record, e.Deleted) and record.actor is e.Actor.provider_human:
                deleted.add(record.subject)
            elif isinstance(record, e.Routed) and not record.data.group:
                pooled.add(record.subject)
            yield record

    folded = Folded(configuration(seed, departments), records())
    assert folded.now == recorder.now
    return Both(Counter(folded.values()), right, deleted, pooled)


def totals(values: Counter[Value]) -> dict[Cell, tuple[int, int, int]]:
    """n and sums of each cell."""
    sums: dict[Cell, list[int]] = defaultdict(lambda: [0, 0, 0])
    for (_, measure, level, department, counterpart, outcome, _, _, _, calendar_us, business_us), n in values.items():
        cell = sums[Cell(measure, level, department, counterpart, outcome)]
        for i, amount in enumerate((1, calendar_us, business_us)):
            cell[i] += n * amount
    return {cell: (n, calendar_us, business_us) for cell, (n, calendar_us, business_us) in sums.items()}


def differences(got: Counter[Value], right: Counter[Value]) -> list[str]:
    """The first cases of which they say different things."""
    wrong = sorted({value[:2] for value in (got - right) + (right - got)})
    return [
        f"{case} {measure}\n"
        + "".join(f"   is        {v[2:]}\n" for v in got - right if v[:2] == (case, measure))
        + "".join(f"   should be {v[2:]}\n" for v in right - got if v[:2] == (case, measure))
        for case, measure in wrong[:10]
    ]


def check(run: Both, tally: Callable[[str, int], None]) -> None:
    got, right = run.got, run.right
    assert not differences(got, right), "\n".join(differences(got, right))
    assert totals(got) == totals(right)
    tally("measured values of the simulated company", right.total())


@pytest.fixture(scope="module")
def months() -> list[Both]:
    """By two seeds."""
    return [both(seed, 30) for seed in (1, 2)]


@pytest.mark.parametrize("number", [0, 1])
def test_everything_that_is_measured_is_what_happened(
    months: list[Both], number: int, tally: Callable[[str, int], None]
) -> None:
    check(months[number], tally)


@pytest.mark.parametrize("departments", [2, 30])
def test_companies_of_other_sizes(departments: int, tally: Callable[[str, int], None]) -> None:
    check(both(5, 8, departments), tally)


@pytest.mark.full
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_four_months_with_all_that_changes_in_them(seed: int, tally: Callable[[str, int], None]) -> None:
    check(both(seed, 120), tally)


def test_an_hour_in_which_a_clock_changes(tally: Callable[[str, int], None]) -> None:
    """Northern clocks go forward on 29 March, southern ones back on 5 April."""
    check(both(3, 12, start=date(2026, 3, 26)), tally)


# What is in it


def test_what_only_a_rare_story_shows_is_there(months: list[Both]) -> None:
    assert any(v[1] == "ping_pong" and v[0] in run.pooled for run in months for v in run.right)
    assert any(v[1] in RESPONSES and v[0] in run.deleted for run in months for v in run.right)


def test_every_measure_and_every_outcome_is_there(months: list[Both]) -> None:
    outcomes: dict[str, set[str]] = defaultdict(set)
    for value in months[0].right:
        outcomes[value[1]].add(value[5])
    judged, ended = {"met", "missed", "running"}, {"done", "running"}
    waits = ("provider", "requester", "other_department", "third_party", "unowned", "closed")
    wanted = {
        "acceptance": judged,
        "after_hours": {"met", "missed"},
        "first_resolution": ended | {"cancelled"},
        "first_response": judged | {"cancelled"},
        "next_response": judged,
        "orphan": {"done"},
        "bot_touch": {"done"},
        "breach": {"done"},
        "exceeded": judged,
        "first_time_complete": judged,
        "margin": {"done"},
        "ownership": ended | {"paused", "met", "missed"},
        "pause": judged,
        "promise_final": judged,
        "promise_first": judged,
        "ping_pong": {"done"},
        "reopening": judged,
        "self_service": judged,
        "rework": {"done"},
        "round_trip": {"done"},
        "resolution": judged | {"paused", "cancelled"},
        "silence": ended | {"paused"},
        "thanks": judged | {"cancelled"},
        "timely_thanks": {"met", "missed"},
        "excluded": {"done"},
        **{f"waiting_{party}": {"done"} for party in waits},
    }
    assert outcomes.keys() == wanted.keys()
    assert all(outcomes[name] >= some for name, some in wanted.items())


# Suggestions, which are no cases


@pytest.mark.parametrize("seed", [1, 2])
def test_of_how_many_suggestions_it_was_told_what_became_of_them(seed: int, tally: Callable[[str, int], None]) -> None:
    """In 20 business days, later, or not yet."""
    said: Counter[Value] = Counter()
    recorder = Truth(each=lambda value: said.update([known(value)]) if value.measure == "loop" else None)
    log: list[e.Record] = []
    for one in simulate_with_feedback(seed, 120, cases_per_day=60, recorder=recorder):
        if isinstance(one, Week):
            log += one.suggestions
        elif isinstance(one, e.Watermark):
            log.append(one)
    folded = Counter(Folded(configuration(seed), iter(log)).values())
    assert not differences(folded, said), "\n".join(differences(folded, said))
    got: Counter[tuple[str, str]] = Counter()
    for _, _, level, department, _, outcome, _, stop, *_ in folded:
        if level == 2:
            got[department, "not yet" if stop is None else "in time" if outcome == "met" else "late"] += 1
    assert recorder.heard is not None
    right: Counter[tuple[str, str]] = Counter()
    for row in recorder.heard.suggestions:
        right[row.department, "in time"] += row.in_time
        right[row.department, "late"] += row.late
        right[row.department, "not yet"] += row.said - row.in_time - row.late
    assert got == +right
    assert {what for _, what in got} == {"in time", "late", "not yet"}
    tally("suggestions", got.total())


# The truth itself


def test_truth_is_the_sum_of_what_is_recorded() -> None:
    values: Counter[Value] = Counter()
    recorder = Truth(each=lambda value: values.update([known(value)]))
    for _ in simulate(4, 5, recorder=recorder):
        pass
    found = {cell: (t.n, t.calendar_us, t.business_us) for cell, t in truth(4, 5).totals.items()}
    assert found == totals(values)


def test_events_are_the_same_whether_anybody_records_the_truth() -> None:
    assert list(simulate(4, 12, recorder=Truth())) == list(simulate(4, 12))


def test_a_truth_file_holds_all_of_it() -> None:
    found = truth(4, 3, departments=5)
    assert found.run is not None
    again = read(found.written(), found.run)
    assert (again.totals, again.now) == (found.totals, found.now)
    assert again.written() == found.written()


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (Run(5, 2, "2026-01-05"), "the truth of seed 4, 2 days from 2026-01-05, not of seed 5, 2 days"),
        (Run(4, 2, "2026-01-05", departments=9), "not of seed 4, 2 days from 2026-01-05, 9 departments: delete it"),
    ],
)
def test_a_truth_file_of_another_run_says_what_it_is_of(run: Run, says: str) -> None:
    with pytest.raises(WrongTruth, match=says):
        read(truth(4, 2).written(), run)


@pytest.mark.parametrize("text", [b"", b"{}", b'{"truth": {"seed": "x"}}', b"\xff\xfe"])
def test_what_is_no_truth_file_says_so(text: bytes) -> None:
    with pytest.raises(WrongTruth, match="no truth file"):
        read(text, Run(1, 2, "2026-01-05"))


def test_a_truth_that_nobody_began_says_so() -> None:
    with pytest.raises(ValueError, match="give it to `simulate`"):
        Truth().add(Account("HD-1", "it", 0))
    with pytest.raises(ValueError, match="give it to `simulate`"):
        Truth().written()

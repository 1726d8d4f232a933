"""What the people of the simulated company answer: whose it is nobody can tell, what it adds up to is known."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from msgspec import UNSET

from ingest.connectors.simulated import START, example_configuration, simulate, simulate_with_feedback
from ingest.event import (
    Actor,
    Answered,
    AnsweredData,
    PersonEvent,
    Rated,
    Record,
    Topic,
    WeDid,
    YouSaid,
    decode,
    encode,
)
from ingest.feedback import FLOOR, week_of
from ingest.simulation.company import TIDEWELL, UNITS
from ingest.simulation.feedback import Feedback, Week
from ingest.simulation.heard import Heard, Voices
from ingest.simulation.opinion import ITEMS
from ingest.simulation.truth import Truth, read
from ingest.survey import Item

DAYS = 120
ON_TEN = {1: 0, 2: 2, 3: 5, 4: 8, 5: 10}
"""A scale of five as events have it."""
WEEK = timedelta(weeks=1)
HEADS = {unit.name: unit.heads for unit in UNITS}
DEPARTMENT = {entry["group"]: entry["department"] for entry in example_configuration()[0]["groups"]}
DEPARTMENT |= {unit.name: unit.department for unit in UNITS} | {"": ""}


@dataclass
class Told:
    records: list[Record]
    weeks: list[Week]
    heard: Heard

    def answers(self) -> Iterator[Answered | Rated]:
        return (answer for week in self.weeks for answer in week.answers)


def told(seed: int) -> Told:
    """Four months of the example company."""
    feedback, records = Feedback(seed, TIDEWELL, START), list(simulate(seed, DAYS))
    weeks = [week for record in records for week in feedback.hear(record)]
    return Told(records, weeks, feedback.heard)


def weeks_of(seed: int, days: int, **more: Any) -> list[Week]:
    return [one for one in simulate_with_feedback(seed, days, **more) if isinstance(one, Week)]


def said(weeks: list[Week]) -> list[bytes]:
    return [encode(record) for week in weeks for record in (*week.answers, *week.suggestions)]


@pytest.fixture(scope="module")
def months() -> Told:
    return told(1)


@pytest.fixture(scope="module")
def others() -> list[Heard]:
    """What was heard under other seeds."""
    return [told(seed).heard for seed in (2, 3)]


# -- when, and in which order


def test_events_are_the_same_whether_anybody_is_asked() -> None:
    asked = [encode(one) for one in simulate_with_feedback(1, 20) if not isinstance(one, Week)]
    assert asked == [encode(one) for one in simulate(1, 20)]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert said(weeks_of(3, 15)) == said(weeks_of(3, 15))
    assert not set(said(weeks_of(3, 15))) & set(said(weeks_of(4, 15)))


@pytest.mark.parametrize("days", [28, 31])
def test_a_longer_run_begins_with_the_weeks_of_a_shorter_one(days: int) -> None:
    short = weeks_of(3, days)
    assert len(short) == 4
    assert weeks_of(3, 44)[:4] == short


def test_a_week_comes_behind_its_events_and_before_most_of_the_next() -> None:
    begins = datetime(2026, 1, 7, tzinfo=UTC)
    now = begins
    seen = 0
    for one in simulate_with_feedback(1, 30, start=begins.date()):
        if not isinstance(one, Week):
            now = one.time
            continue
        seen += 1
        assert timedelta(0) <= now - (one.begins + WEEK) + timedelta(microseconds=1) < timedelta(minutes=10)
        assert one.week == week_of(one.begins)
    assert seen == 4


def test_a_record_has_no_time_but_its_monday_and_no_other_trace_of_when(months: Told) -> None:
    for week in months.weeks:
        assert week.begins.weekday() == 0
        for record in (*week.answers, *week.suggestions):
            assert record.time == week.begins
            assert (record.sequence, record.observedtime, record.who, record.actor) == (0, UNSET, "", Actor.system)
            assert decode(encode(record)) == record


def test_the_order_of_a_week_tells_nothing(months: Told) -> None:
    for week in months.weeks:
        ids = [answer.id for answer in week.answers]
        ascending = sum(a < b for a, b in pairwise(ids))
        same = sum(a.data.department == b.data.department for a, b in pairwise(week.answers))
        shares = Counter(answer.data.department for answer in week.answers)
        expected = sum(n * (n - 1) for n in shares.values()) / len(ids)
        assert abs(ascending - len(ids) / 2) < 5 * (len(ids) / 12) ** 0.5 + 1
        assert abs(same - expected) < 5 * expected**0.5 + 5


def test_fewer_than_five_persons_wait_for_the_next_week() -> None:
    weeks = weeks_of(1, 70, departments=2, cases_per_day=1.0)
    filled = [week for week in weeks if week.answers]
    assert all(len({answer.subject for answer in week.answers}) >= FLOOR for week in filled)
    assert len(filled) < len(weeks)
    assert any(answer.time < week.begins for week in filled for answer in week.answers)


# -- who


def test_nobody_of_the_events_is_in_an_answer(months: Told) -> None:
    known = {person for unit in UNITS for person in unit.people}
    known |= {event.subject for event in months.records if isinstance(event, PersonEvent)}
    known |= {event.who for event in months.records if event.who}
    text = b"\n".join(said(months.weeks)).decode()
    assert len(known) > 560
    assert not [person for person in known if person.partition(":")[2] in text]


def test_a_person_answers_once_in_a_wave_about_whom_and_is_another_in_the_next(months: Told) -> None:
    waves: dict[str, set[str]] = defaultdict(set)
    seen: set[tuple[str, str, str]] = set()
    for answer in months.answers():
        data = answer.data
        wave = data.wave if isinstance(data, AnsweredData) else data.week
        assert (wave, data.person, data.about) not in seen
        seen.add((wave, data.person, data.about))
        waves[wave].add(data.person)
    assert len(waves) == 4 + len(months.weeks)
    assert sum(map(len, waves.values())) == len(set().union(*waves.values()))


def test_waves_are_four_weeks_apart_and_can_be_answered_for_two(months: Told) -> None:
    asked: dict[str, set[datetime]] = defaultdict(set)
    for answer in months.answers():
        if isinstance(answer, Answered):
            asked[answer.data.wave].add(answer.time)
    opened = sorted(min(times) for times in asked.values())
    assert all(b - a == 4 * WEEK for a, b in pairwise(opened))
    assert all(times == {min(times), min(times) + WEEK} for times in asked.values())


def test_departments_answer_at_rates_of_their_own(months: Told) -> None:
    asked, answered = Counter[str](), Counter[str]()
    for row in months.heard.asked:
        asked[row.department] += row.n
    for answer in months.answers():
        if isinstance(answer, Answered) and not answer.data.about:
            answered[DEPARTMENT[answer.data.department]] += 1
    rates = {department: answered[department] / n for department, n in asked.items()}
    assert all(0.2 < rate < 1 for rate in rates.values())
    assert 0.4 < answered.total() / asked.total() < 0.8
    assert max(rates.values()) - min(rates.values()) > 0.2


def test_everybody_is_asked_once_in_a_wave(months: Told) -> None:
    heads = sum(unit.heads for unit in UNITS)
    waves = Counter[str]()
    for row in months.heard.asked:
        waves[row.wave] += row.n
    assert len(waves) == 4
    assert len(set(waves.values())) > 1, "some have come or gone meanwhile"
    assert all(0.95 * heads < n < 1.05 * heads for n in waves.values())
    places = {(row.department, row.site) for row in months.heard.asked}
    assert places >= {(row.voices.department, row.voices.site) for row in months.heard.persons if row.voices.site}


def test_larger_departments_have_sites_and_others_none(months: Told) -> None:
    sites: dict[str, set[str]] = defaultdict(set)
    for answer in months.answers():
        if isinstance(answer, Answered):
            sites[DEPARTMENT[answer.data.department]].add(answer.data.site)
    assert sites["production"] == {"Berlin", "Bengaluru"}
    assert sites["sales"] == {"Berlin", "New York", "Singapore"}
    assert sites["it"] == {"Berlin Centre", "Berlin Park"}
    assert sites["legal"] == {""}


@pytest.mark.parametrize("departments", [None, 2, 30])
def test_every_department_and_whoever_it_is_about_is_in_the_company_file(departments: int | None) -> None:
    company, _ = example_configuration(5, departments)
    known = {(entry["source"], entry["group"]) for entry in company["groups"]}
    named = set()
    for week in weeks_of(5, 28, departments=departments):
        for answer in week.answers:
            named |= {(answer.source, name) for name in (answer.data.department, answer.data.about) if name}
        named |= {(one.source, one.data.department) for one in week.suggestions if isinstance(one, YouSaid)}
    assert named
    assert named <= known


def test_nobody_rates_or_judges_their_own_department(months: Told) -> None:
    for answer in months.answers():
        assert DEPARTMENT[answer.data.department] != DEPARTMENT[answer.data.about]


# -- what


def test_scores_are_on_the_scales_of_the_events(months: Told) -> None:
    given: dict[str, set[int]] = defaultdict(set)
    left_out = 0
    for answer in months.answers():
        if isinstance(answer, Rated):
            assert answer.data.best == 5
            given["score"].add(answer.data.score)
            continue
        assert (set(answer.data.items) == {"enps"}) == (not answer.data.about)
        left_out += bool(answer.data.about) and len(answer.data.items) < len(ITEMS)
        for item, score in answer.data.items.items():
            given[item].add(score)
    assert given.keys() == {*Item, "score"}
    assert given["score"] == {1, 2, 3, 4, 5}
    assert given["enps"] <= set(range(11))
    assert len(given["enps"]) > 7
    assert all(given[item] == set(ON_TEN.values()) for item in ITEMS)
    assert left_out > 50


def shares(heard: Heard, item: str) -> dict[str, float]:
    """Of the answers about each department, how many were favourable."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for one in heard.items:
        if one.item == item:
            sums[one.voices.about][0] += one.favourable
            sums[one.voices.about][1] += one.n
    return {about: favourable / n for about, (favourable, n) in sums.items()}


def test_who_serves_well_is_liked(months: Told, others: list[Heard]) -> None:
    for heard in (months.heard, *others):
        responsiveness = shares(heard, "responsiveness")
        assert responsiveness["facilities"] == min(responsiveness.values())
        assert responsiveness["it"] - responsiveness["facilities"] > 0.3
        for item in (*ITEMS, "score"):
            assert 0.2 < sum(shares(heard, item).values()) / len(responsiveness) < 0.8
        enps = [one for one in heard.items if one.item == "enps"]
        score = 100 * sum(one.promoters - one.detractors for one in enps) / sum(one.n for one in enps)
        assert -30 < score < 40


def test_legal_is_liked_least_by_those_whose_hand_overs_lie_there(months: Told) -> None:
    sums: dict[bool, list[int]] = defaultdict(lambda: [0, 0])
    for one in months.heard.items:
        if one.voices.about == "legal" and one.item in ("responsiveness", "communication"):
            sums[one.voices.department == "procurement"][0] += one.sum
            sums[one.voices.department == "procurement"][1] += one.n
    assert sums[True][0] / sums[True][1] < sums[False][0] / sums[False][1] - 2


def test_some_cases_are_rated_each_week(months: Told) -> None:
    solved = sum(str(record.__struct_config__.tag) == "crossdesk.solved" for record in months.records)
    ratings = [sum(isinstance(answer, Rated) for answer in week.answers) for week in months.weeks]
    assert all(n > 30 for n in ratings)
    assert 0.1 < sum(ratings) / solved < 0.3


# -- what it adds up to


def test_the_truth_is_what_was_published(months: Told) -> None:
    persons: Counter[Voices] = Counter()
    sums: dict[tuple[Voices, str], list[int]] = defaultdict(lambda: [0] * 5)
    for answer in months.answers():
        data = answer.data
        of, about = DEPARTMENT[data.department], DEPARTMENT[data.about]
        if isinstance(answer, Answered):
            voices, items = Voices("answers", answer.data.wave, of, answer.data.site, about), answer.data.items
        else:
            voices, items = Voices("ratings", answer.data.week, of, "", about), {"score": answer.data.score}
        persons[voices] += 1
        for item, score in items.items():
            favourable = item != "enps" and score >= (4 if item == "score" else ON_TEN[4])
            row = (1, score, favourable, item == "enps" and score >= 9, item == "enps" and score <= 6)
            for i, amount in enumerate(row):
                sums[voices, item][i] += amount
    assert {row.voices: row.n for row in months.heard.persons} == persons
    assert {(row.voices, row.item): list(row[2:]) for row in months.heard.items} == sums


def test_who_gets_worse_is_liked_less_and_less(months: Told, others: list[Heard]) -> None:
    for heard in (months.heard, *others):
        fell = [row for row in heard.planted if row.item == "responsiveness"]
        assert [row.about for row in fell] == ["controlling"] * 4
        before, after = fell[:2], fell[2:]
        assert min(row.expected for row in before) > max(row.expected for row in after) + 0.1
        all_of_them = [sum(r.favourable for r in rows) / sum(r.n for r in rows) for rows in (before, after)]
        assert all_of_them[0] > all_of_them[1] + 0.1
        same = [row for row in heard.planted if row.item == "tangibles"]
        assert abs(same[0].expected - same[-1].expected) < 0.1


def test_what_was_planted_lies_within_its_bounds(months: Told, others: list[Heard]) -> None:
    rows = [row for heard in (months.heard, *others) for row in heard.planted]
    assert len(rows) == 3 * 4 * (len(ITEMS) + 1)
    for row in rows:
        assert 0 <= row.low <= row.expected <= row.high <= 1
        assert row.low <= row.favourable / row.n <= row.high
    assert all(row.high - row.low < 0.3 for row in rows if not row.item)
    assert {row.about for row in rows} == {"controlling"}


def test_the_truth_file_has_a_section_for_it_if_anybody_was_asked() -> None:
    recorder, silent = Truth(), Truth()
    for _ in simulate_with_feedback(4, 15, recorder=recorder):
        pass
    for _ in simulate(4, 15, recorder=silent):
        pass
    assert recorder.run is not None
    again = read(recorder.written(), recorder.run)
    assert again.heard == recorder.heard
    assert again.written() == recorder.written()
    assert b'"feedback"' not in silent.written()
    assert read(silent.written(), recorder.run).heard is None
    assert again.totals == silent.totals


# -- suggestions


def test_it_is_told_later_what_became_of_suggestions(months: Told) -> None:
    made: dict[str, tuple[datetime, YouSaid]] = {}
    loops: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    delays: list[int] = []
    for week in months.weeks:
        for one in week.suggestions:
            if isinstance(one, YouSaid):
                assert one.subject not in made
                made[one.subject] = week.begins, one
                loops[one.data.wave, DEPARTMENT[one.data.department]][0] += 1
            else:
                assert isinstance(one, WeDid)
                then, what = made[one.subject]
                delays.append((week.begins - then) // WEEK)
                loops[what.data.wave, DEPARTMENT[what.data.department]][1 if delays[-1] <= 4 else 2] += 1
    assert {(row.wave, row.department): list(row[2:]) for row in months.heard.suggestions} == loops
    assert 20 < len(made) < 100
    assert 0.2 < len(delays) / len(made) < 1
    assert min(delays) >= 1
    assert 5 not in delays
    assert any(delay > 4 for delay in delays)
    assert {one.data.topic for _, one in made.values()} > {Topic.other, Topic.responsiveness}
    assert len({one.data.wave for _, one in made.values()}) == 4


# -- what cannot be


def test_what_cannot_be_simulated_cannot_be_asked_either() -> None:
    with pytest.raises(ValueError, match="seed must be a whole number such as 1"):
        simulate_with_feedback("1", 10)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="days must be a whole number of at least 1"):
        simulate_with_feedback(1, 0)
    with pytest.raises(ValueError, match="departments must be a whole number from 2 to 500"):
        simulate_with_feedback(1, 10, departments=1)

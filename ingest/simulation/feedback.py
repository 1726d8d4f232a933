"""What the people of a simulated company answer: surveys, ratings and suggestions, published as the intake does it.

It listens to the company's events and adds none to them: its chances are its own, made of the seed and of whom or what they are
about, so that nobody's answer depends on how many others answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import NamedTuple

from ingest.event import Answered, CaseEvent, PersonEvent, Rated, Record, WeDid, YouSaid
from ingest.feedback import FLOOR, answered, rated, week_begins, week_of
from ingest.identity import Identity, People
from ingest.simulation.experience import Experience, Kind, Solution, microseconds
from ingest.simulation.heard import Heard, Tally, Voices
from ingest.simulation.measured import Measured
from ingest.simulation.opinion import BEST, QUESTIONS, Opinion, of_case, of_department, of_working_here
from ingest.simulation.parts import Company
from ingest.simulation.respondents import Respondent, Respondents
from ingest.simulation.suggestions import Suggestions
from ingest.simulation.world import SOURCE, Places
from ingest.survey import Item

FIRST_WAVE = date(2026, 1, 12)
"""A Monday, from which all waves are counted."""
EVERY, OPEN = 4, 2
"""Weeks from one wave to the next, and in which it can be answered."""
SECOND_WEEK = 0.35
"""Who answers does so in the second week, with this probability."""
TWO = 0.7
"""How likely it is that somebody says something about two departments, and not one."""
RATED = 0.25
WEEK = timedelta(weeks=1)
TICK = timedelta(microseconds=1)

Lately = dict[str, dict[str, dict[Kind, float]]]
"""Who asked -> of whom -> how fast that was."""


class Week(NamedTuple):
    """What is published when a week is over: answers and ratings for the topic of feedback, in random order, and suggestions
    for that of events.
    """

    week: str
    begins: datetime
    answers: list[Answered | Rated]
    suggestions: list[YouSaid | WeDid]


class _Voice(NamedTuple):
    record: Answered | Rated
    voices: Voices
    opinions: list[tuple[Opinion, int]]


class Feedback:
    """``seed`` and ``start`` as those of the events."""

    def __init__(self, seed: int, company: Company, start: date) -> None:
        self._seed = f"crossdesk feedback {seed}"
        places = self._places = Places(company, start)
        self._names = {d.id: d.groups[0] for d in company.departments}
        self._people = People(Identity(f"{self._seed}: nobody lives there".encode(), "k1"), SOURCE)
        self._respondents = Respondents(self._seed, company)
        self._experience = Experience(places)
        self._tally = Tally(frozenset(d.id for d in company.departments if d.worse[1] > 0))
        self._suggestions = Suggestions(self._seed, self._names, self._tally)
        self._begins = week_begins(datetime(start.year, start.month, start.day, tzinfo=UTC))
        self._rated: dict[str, _Voice] = {}
        self._due: list[_Voice] = []
        self._in_wave: list[_Voice] = []

    @property
    def heard(self) -> Heard:
        """What has been published so far, in sums."""
        return self._tally.heard()

    def measured(self, now: int) -> Iterator[Measured]:
        """What must be measured of the suggestions that have been published, as of ``now`` in microseconds."""
        return self._suggestions.measured(self._places, now)

    def hear(self, record: Record) -> Iterator[Week]:
        """The weeks that are over when ``record`` is said. All are told it, in the order of the log."""
        while record.time >= self._begins + WEEK - TICK:
            yield self._week()
        if isinstance(record, PersonEvent):
            self._respondents.hear(record)
        elif isinstance(record, CaseEvent):
            solution = self._experience.hear(record)
            if solution is not None:
                self._rate(solution, record.id, record.time)

    # -- a week
    def _week(self) -> Week:
        begins, week = self._begins, week_of(self._begins)
        self._begins += WEEK
        wave, number = _wave(begins)
        new = [*self._rated.values()]
        self._rated = {}
        if number < OPEN:
            survey = list(self._survey(wave, number))
            self._in_wave += survey
            new += survey
        suggestions: list[YouSaid | WeDid] = [*self._suggestions.done(begins)]
        if number == OPEN - 1:
            suggestions += self._suggestions.said(wave, begins, _least_liked(self._in_wave))
            self._in_wave = []
        self._due += new
        return Week(week, begins, self._published(week), suggestions)

    def _published(self, week: str) -> list[Answered | Rated]:
        """All that is due, or nothing of it, where so few are due that one could be told from the others."""
        if len({voice.record.subject for voice in self._due}) < FLOOR:
            return []
        due = sorted(self._due, key=lambda voice: voice.record.id)
        self._due = []
        for voice in due:
            self._tally.answered(voice.voices, voice.opinions)
        Random(f"{self._seed} order {week}").shuffle(due)
        return [voice.record for voice in due]

    # -- ratings
    def _rate(self, solution: Solution, case: str, at: datetime) -> None:
        """Some say what they think of a solution; of several to one department in a week the last counts."""
        rng = Random(f"{self._seed} rated {case}")
        department = self._places.department(solution.unit, microseconds(at))
        if rng.random() >= RATED or department == solution.provider:
            return
        opinion = of_case(solution.speed, self._respondents.lean(solution.requester), rng)
        record = rated(
            self._people,
            solution.requester,
            at,
            about=self._names[solution.provider],
            score=opinion.given,
            best=BEST,
            department=solution.unit,
        )
        voices = Voices("ratings", record.data.week, department, "", solution.provider)
        self._rated[record.id] = _Voice(record, voices, [(opinion, opinion.given)])

    # -- surveys
    def _survey(self, wave: str, number: int) -> Iterator[_Voice]:
        """Who answers in that week of the wave, and what."""
        lately: Lately = {}
        for (asker, provider), speeds in self._experience.lately(microseconds(self._begins)).items():
            lately.setdefault(asker, {})[provider] = speeds
        for one in self._respondents:
            rng = Random(f"{self._seed} {wave} {one.person}")
            department = self._places.department(one.unit, microseconds(self._begins - TICK))
            if not number:
                self._tally.asked(wave, department, one.site)
            answers, late = rng.random() < self._respondents.willing(department), rng.random() < SECOND_WEEK
            if answers and late == (number > 0):
                yield from self._answers(wave, one, department, lately.get(department, {}), rng)

    def _answers(
        self, wave: str, one: Respondent, department: str, known: dict[str, dict[Kind, float]], rng: Random
    ) -> Iterator[_Voice]:
        lean = self._respondents.lean(one.person)
        yield self._answer(wave, one, department, "", [of_working_here(list(known.values()), lean, rng)])
        for about in rng.sample(sorted(known), min(len(known), 2 if rng.random() < TWO else 1)):
            if opinions := list(of_department(known[about], lean, rng)):
                yield self._answer(wave, one, department, about, opinions)

    def _answer(self, wave: str, one: Respondent, department: str, about: str, opinions: list[Opinion]) -> _Voice:
        """Scores are put on the scale of the events as a connector does it."""
        scored = [(opinion, _score(opinion)) for opinion in opinions]
        record = answered(
            self._people,
            one.person,
            self._begins - TICK,
            items={opinion.item: score for opinion, score in scored},
            wave=wave,
            about=self._names[about] if about else "",
            department=one.unit,
            site=one.site,
        )
        return _Voice(record, Voices("answers", wave, department, one.site, about), scored)


def _wave(begins: datetime) -> tuple[str, int]:
    """The wave that was opened last, and in which of its weeks the week is. Weeks have no names of waves: pseudonyms would be
    the same in both.
    """
    number = (begins.date() - FIRST_WAVE).days // 7 % EVERY
    return f"pulse-{week_of(begins - number * WEEK)}", number


def _score(opinion: Opinion) -> int:
    return opinion.given if opinion.item == Item.enps else QUESTIONS[Item(opinion.item)].score(opinion.given)


def _least_liked(answers: Iterable[_Voice]) -> Iterator[tuple[str, str, str]]:
    """Who, about whom, and the item that was given least, where so many answered that nobody is meant."""
    given: dict[tuple[str, str], list[list[Opinion]]] = {}
    for voice in answers:
        if voice.voices.about:
            opinions = [opinion for opinion, _ in voice.opinions]
            given.setdefault((voice.voices.department, voice.voices.about), []).append(opinions)
    for (department, about), all_of_them in given.items():
        if len(all_of_them) >= FLOOR:
            sums: dict[str, list[int]] = {}
            for opinion in (opinion for opinions in all_of_them for opinion in opinions):
                sums.setdefault(opinion.item, []).append(opinion.given)
            yield department, about, min(sorted(sums), key=lambda item: sum(sums[item]) / len(sums[item]))

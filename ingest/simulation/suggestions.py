"""What people of a simulated company suggest when a survey is over, and when they are told what became of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from random import Random

from ingest.event import Topic, WeDid, YouSaid
from ingest.feedback import we_did, you_said
from ingest.simulation.account import US
from ingest.simulation.heard import IN_TIME, Tally
from ingest.simulation.measured import Measured
from ingest.simulation.parts import DAY
from ingest.simulation.world import SOURCE, Places

SUGGEST = 0.5
"""How likely it is that those who answered about a department suggest something to it."""
OTHERWISE = 0.15
"""How likely it is that this has to do with none of the questions."""
LEAST_LISTENING, MOST_LISTENING = 0.4, 0.95
SOON = 0.8
LATE = (6, 7, 8)
"""In weeks: beyond 20 business days whatever the holidays."""
WEEK = timedelta(weeks=1)


US_OF_A_WEEK = 7 * DAY * US


@dataclass
class Suggestion:
    """To the department ``about``: the weeks in which it was said, and told what became of it, as UTC microseconds."""

    about: str
    said: int
    told: int | None = None


class Suggestions:
    def __init__(self, seed: str, names: Mapping[str, str], tally: Tally) -> None:
        """``names``: what the source calls a department."""
        self._seed, self._names, self._tally = seed, names, tally
        self._made: dict[str, Suggestion] = {}
        self._due: dict[datetime, list[tuple[str, str, str, int]]] = defaultdict(list)

    def said(self, wave: str, at: datetime, worst: Iterable[tuple[str, str, str]]) -> list[YouSaid]:
        """Of those who answered in a wave that is over: who, about whom, and which item they liked least."""
        found: list[tuple[str, Topic]] = []
        for department, about, item in sorted(worst):
            rng = Random(f"{self._seed} said {wave} {department} {about}")
            if rng.random() < SUGGEST:
                found.append((about, Topic.other if rng.random() < OTHERWISE else Topic(item)))
        Random(f"{self._seed} said {wave}").shuffle(found)
        return [self._one(wave, n, at, about, topic) for n, (about, topic) in enumerate(found, 1)]

    def done(self, at: datetime) -> list[WeDid]:
        """What is told in the week that began at ``at``."""
        told = []
        for suggestion, wave, about, weeks in self._due.pop(at, []):
            self._tally.followed_up(wave, about, weeks)
            self._made[suggestion].told = _ticks(at)
            told.append(we_did(SOURCE, suggestion, at))
        return told

    def measured(self, places: Places, now: int) -> Iterator[Measured]:
        """Whether it was told in 20 working days after the week in which it was said, at ``now``, in microseconds."""
        for key, made in self._made.items():
            department, stop = places.department(self._names[made.about], made.said), made.told
            opening = places.opening(department)
            due = opening.due_days(made.said + US_OF_A_WEEK, Fraction(20))
            in_time, end = stop is not None and stop <= due, now if stop is None else stop
            outcome = "met" if in_time else "missed" if due <= now else "running"
            lasted, time = end - made.said, opening.worked(made.said, end)
            for level, label in enumerate(places.path(department)):
                yield Measured(key, "loop", level, label, "", made.said, stop, outcome, lasted, time, due)

    def _one(self, wave: str, number: int, at: datetime, about: str, topic: Topic) -> YouSaid:
        suggestion = f"{wave}-{number}"
        self._tally.suggested(wave, about)
        self._made[suggestion] = Suggestion(about, _ticks(at))
        rng = Random(f"{self._seed} done {suggestion}")
        listening = Random(f"{self._seed} listening {about}").uniform(LEAST_LISTENING, MOST_LISTENING)
        if rng.random() < listening:
            weeks = rng.randint(1, IN_TIME) if rng.random() < SOON else rng.choice(LATE)
            self._due[at + weeks * WEEK].append((suggestion, wave, about, weeks))
        return you_said(SOURCE, suggestion, at, department=self._names[about], topic=topic, wave=wave)


def _ticks(at: datetime) -> int:
    return round(at.timestamp()) * US

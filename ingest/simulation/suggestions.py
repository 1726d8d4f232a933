"""What people of a simulated company suggest when a survey is over, and when they are told what became of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from random import Random

from ingest.event import Topic, WeDid, YouSaid
from ingest.feedback import we_did, you_said
from ingest.simulation.heard import IN_TIME, Tally
from ingest.simulation.world import SOURCE

SUGGEST = 0.5
"""How likely it is that those who answered about a department suggest something to it."""
OTHERWISE = 0.15
"""How likely it is that this has to do with none of the questions."""
LEAST_LISTENING, MOST_LISTENING = 0.4, 0.95
SOON = 0.8
LATE = (6, 7, 8)
"""In weeks: beyond 20 business days whatever the holidays."""
WEEK = timedelta(weeks=1)


class Suggestions:
    def __init__(self, seed: str, names: Mapping[str, str], tally: Tally) -> None:
        """``names``: what the source calls a department."""
        self._seed, self._names, self._tally = seed, names, tally
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
            told.append(we_did(SOURCE, suggestion, at))
        return told

    def _one(self, wave: str, number: int, at: datetime, about: str, topic: Topic) -> YouSaid:
        suggestion = f"{wave}-{number}"
        self._tally.suggested(wave, about)
        rng = Random(f"{self._seed} done {suggestion}")
        listening = Random(f"{self._seed} listening {about}").uniform(LEAST_LISTENING, MOST_LISTENING)
        if rng.random() < listening:
            weeks = rng.randint(1, IN_TIME) if rng.random() < SOON else rng.choice(LATE)
            self._due[at + weeks * WEEK].append((suggestion, wave, about, weeks))
        return you_said(SOURCE, suggestion, at, department=self._names[about], topic=topic, wave=wave)

"""Companies that answer for years, who publishes it, and an adversary who knows who answered when and solves for single answers.

What is in a batch is not asked of the fold: each answer gets scores that show in the sums whether it is there.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from msgspec.structs import replace

from ingest import event as e
from ingest.feedback import answered, rated, week_of
from ingest.identity import Identity, People
from streams.company import CompanyFile
from streams.configuration import Configuration, Files
from streams.effects import carry_out
from streams.sealed import Batch, Kind, decode
from streams.sealing import Sealing

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = timedelta(weeks=1)
SOURCE = People(Identity(b"a key of the tests", "t"), "hr")
PRIME = (1 << 61) - 1
Log = Sequence[tuple[int, bytes]]
Row = Mapping[int, int]


# -- what can be solved for
def recovered(releases: Iterable[Row]) -> set[int]:
    """The unknowns that follow from sums: each maps an unknown to how often it is in. By elimination modulo a large prime."""
    pivots: dict[int, dict[int, int]] = {}
    for release in releases:
        row = {unknown: times % PRIME for unknown, times in release.items()}
        while row and (least := min(row)) in pivots:
            _subtract(row, pivots[least], row[least])
        if row:
            inverse = pow(row[least], -1, PRIME)
            pivots[least] = {unknown: times * inverse % PRIME for unknown, times in row.items()}
    for pivot in sorted(pivots, reverse=True):
        row = pivots[pivot]
        for unknown in [unknown for unknown in row if unknown > pivot and unknown in pivots]:
            if unknown in row:
                _subtract(row, pivots[unknown], row[unknown])
    return {pivot for pivot, row in pivots.items() if len(row) == 1}


def _subtract(row: dict[int, int], other: Row, times: int) -> None:
    for unknown, value in other.items():
        left = (row.get(unknown, 0) - times * value) % PRIME
        if left:
            row[unknown] = left
        else:
            del row[unknown]


# -- who answers
class Answer(NamedTuple):
    """``published``: with which week it leaves, ``day``: on which it was given, both from the beginning."""

    number: int
    kind: Kind
    wave: str
    person: str
    department: str
    site: str
    about: str
    day: int
    published: int

    def event(self, scores: Mapping[str, int]) -> e.Answered | e.Rated:
        at = MONDAY + timedelta(days=self.day)
        if self.kind is Kind.ratings:
            return rated(
                SOURCE, self.person, at, about=self.about, score=scores["rating"], best=10, department=self.department
            )
        return answered(
            SOURCE,
            self.person,
            at,
            items=scores,
            wave=self.wave,
            about=self.about,
            department=self.department,
            site=self.site,
        )


class Life(NamedTuple):
    """``versions``: of the configuration, by the week from which it is in force."""

    answers: Sequence[Answer]
    weeks: int
    versions: Mapping[int, Configuration]

    def configuration(self, version: int) -> Configuration:
        return [*self.versions.values()][version - 1]

    def in_force(self, week: int) -> int:
        return sum(since <= week for since in self.versions)


def company(version: int, parents: Mapping[str, str], groups: Mapping[str, str], **more: Any) -> Configuration:
    """``parents``: of each department, empty at the top; ``groups``: the department of each name that the source uses."""
    heads: Mapping[str, int] = more.pop("heads", {})
    sites: Mapping[str, Mapping[str, int]] = more.pop("sites", {})
    departments = [
        {
            "id": d,
            **({"parent": parent} if parent else {}),
            **({"head_count": heads[d]} if d in heads else {}),
            "sites": sites.get(d, {}),
        }
        for d, parent in parents.items()
    ]
    written = {
        "organisation": "test",
        "zone": "UTC",
        "hours": "always",
        "departments": departments,
        "groups": [{"source": "hr", "group": group, "department": d} for group, d in groups.items()],
        **more,
    }
    return Configuration(Files(version=version, company=CompanyFile.model_validate(written)))


def tree(dice: random.Random, departments: Sequence[str]) -> dict[str, str]:
    """A random forest: each under one that is before it in a random order, or at the top."""
    order = dice.sample(departments, len(departments))
    return {d: dice.choice(["", *order[:i]]) if i else "" for i, d in enumerate(order)}


def life(dice: random.Random, weeks: int, people: int, waves_every: int = 4) -> Life:
    """A company that is reorganised about every quarter: the tree is another one, groups go to others, one is unknown."""
    departments = [f"d{n}" for n in range(dice.randint(3, 9))]
    groups = [f"g{n}" for n in range(len(departments) + 1)]
    sites = ["", "north", "south"][: dice.randint(1, 3)]
    starts = [0, *sorted(dice.sample(range(1, weeks), dice.randint(0, weeks // 13) if weeks > 13 else weeks > 1))]
    versions = {}
    for number, week in enumerate(starts, 1):
        mapped = {group: dice.choice(departments) for group in dice.sample(groups, len(groups) - 1)}
        heads = {d: dice.randint(1, 20) for d in departments if dice.random() < 0.5}
        versions[week] = company(number, tree(dice, departments), mapped, heads=heads)
    return Life(list(_answers(dice, weeks, people, waves_every, groups, sites)), weeks, versions)


def _answers(
    dice: random.Random, weeks: int, people: int, waves_every: int, groups: Sequence[str], sites: Sequence[str]
) -> Iterator[Answer]:
    persons = {f"p{n}": (dice.choice(groups), dice.choice(sites)) for n in range(people)}
    numbers = iter(range(10**9))
    for first in range(0, weeks, waves_every):
        abouts = dice.choice([[""], ["", *dice.sample(groups, 2)], dice.sample(groups, 3)])
        for person, (group, site) in persons.items():
            for about in abouts:
                if dice.random() < 0.6:
                    day = first * 7 + int(dice.expovariate(1 / 6))
                    late = 1 + (dice.random() < 0.05) * dice.randint(1, 6)
                    yield Answer(
                        next(numbers), Kind.answers, f"wave {first}", person, group, site, about, day, day // 7 + late
                    )
            if dice.random() < 0.05:
                persons[person] = dice.choice(groups), dice.choice(sites)
    for week in range(weeks):
        for person in dice.sample([*persons], dice.randint(0, min(12, people))):
            wave = week_of(MONDAY + week * WEEK)
            place = dice.choice([persons[person][0], ""]), "", dice.choice(groups[:3])
            yield Answer(next(numbers), Kind.ratings, wave, person, *place, week * 7 + dice.randrange(7), week + 1)


def department_of_twelve(dice: random.Random, weeks: int) -> Life:
    """Everybody answers every four weeks, on any day."""
    place = "g", "", ""
    answers = [
        Answer(n * weeks + first, Kind.answers, f"wave {first}", f"p{n}", *place, day, day // 7 + 1)
        for first in range(0, weeks, 4)
        for n in range(12)
        for day in [first * 7 + dice.randrange(28)]
    ]
    return Life(answers, weeks, {0: company(1, {"d": ""}, {"g": "d"})})


# -- scores that show where an answer is: 1, 2, 4 or 8 in one item of 32, and 0 in all others
PLACES = {Kind.answers: 32 * 4, Kind.ratings: 4}
ITEMS = [f"i{n}" for n in range(32)]


class Code:
    """Which score each answer has in each of :attr:`runs`, and who is in a batch by its sums."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self.ranked: dict[tuple[str, str], list[Answer]] = defaultdict(list)
        for answer in answers:
            self.ranked[answer.kind, answer.wave].append(answer)
        self.rank = {one.number: rank for same in self.ranked.values() for rank, one in enumerate(same)}
        self.runs = max((-(-len(same) // PLACES[same[0].kind]) for same in self.ranked.values()), default=1)

    def scores(self, answer: Answer, run: int) -> dict[str, int]:
        where, place = divmod(self.rank[answer.number], PLACES[answer.kind])
        names = ITEMS if answer.kind is Kind.answers else ["rating"]
        item, bit = divmod(place, 4)
        return {name: (1 << bit) * (n == item and where == run) for n, name in enumerate(names)}

    def members(self, batch: Batch, run: int) -> list[Answer]:
        names = ITEMS if batch.kind is Kind.answers else ["rating"]
        found = []
        for n, name in enumerate(names):
            total = batch.items[name].total or 0
            assert total < 16, "an answer is in it twice"
            found += [run * PLACES[batch.kind] + n * 4 + bit for bit in range(4) if total >> bit & 1]
        return [self.ranked[batch.kind, batch.wave][rank] for rank in found]


# -- who publishes
def log_of(life: Life, scores: Callable[[Answer], Mapping[str, int]], dice: random.Random) -> dict[int, list[bytes]]:
    """What the store of answers says at the end of each week."""
    leaving: dict[int, list[Answer]] = defaultdict(list)
    for answer in life.answers:
        leaving[answer.published].append(answer)
    said: dict[int, list[bytes]] = {}
    for week in range(1, max([life.weeks, *leaving]) + 5):
        until = MONDAY + week * WEEK
        shuffled = dice.sample(leaving[week], len(leaving[week]))
        said[week] = [
            *(e.encode(answer.event(scores(answer))) for answer in shuffled),
            e.encode(e.config_mark(life.in_force(week), until)),
            e.encode(mark(until, dice)),
        ]
    return said


def mark(until: datetime, dice: random.Random) -> e.Watermark:
    return replace(e.watermark(e.PUBLISHED, until), id=str(UUID(int=dice.getrandbits(128))))


class Shell:
    """Runs the fold over what is in the log: ``size`` says how many records come at once."""

    def __init__(self, configuration: Callable[[int], Configuration], size: Callable[[], int] = lambda: 10**9) -> None:
        self.configuration, self.size = configuration, size
        self.state: dict[str, bytes] = {}
        self.said: list[bytes] = []
        self.fold = Sealing({}, configuration, ())

    @property
    def sealed(self) -> list[Batch]:
        """Each once, as whoever reads the topic has them."""
        return [*{batch.id + batch.proof: batch for batch in map(decode, self.said)}.values()]

    def start(self, configuration: Callable[[int], Configuration] | None = None, *, state: bool = True) -> None:
        """Anew, from what is stored, or without the state from what has been sealed alone."""
        self.configuration = configuration or self.configuration
        self.state = dict(self.state) if state else {}
        self.fold = Sealing(self.state, self.configuration, self.sealed)

    def run(self, log: Log) -> None:
        while log:
            size = self.size()
            effects = self.fold.batch(log[:size])
            self.said += [output.value for output in effects.outputs]
            carry_out(effects.changes, self.state)
            log = log[size:]

    def crash(self, log: Log, dice: random.Random) -> None:
        """Over a batch, somewhere between its first output and the last row of its state."""
        effects = self.fold.batch(log)
        outputs, changes = [output.value for output in effects.outputs], [*effects.changes.items()]
        done = dice.randint(0, len(outputs) + len(changes))
        self.said += outputs[:done]
        carry_out(
            {key: row for key, row in changes[: max(0, done - len(outputs))] if row is not None or key in self.state},
            self.state,
        )
        self.start()


def numbered(said: Mapping[int, Sequence[bytes]], first: int = 0, last: int = 10**9) -> list[tuple[int, bytes]]:
    """The log of the weeks from ``first`` to ``last``: the offsets are those of the whole."""
    records = [(week, record) for week, those in said.items() for record in those]
    return [(offset, record) for offset, (week, record) in enumerate(records) if first <= week <= last]


# -- what the adversary has
def membership(
    life: Life, seed: int, publish: Callable[[Mapping[int, Sequence[bytes]], random.Random], Sequence[Batch]]
) -> list[tuple[Batch, list[Answer]]]:
    """Every batch that ``publish`` makes of the log, and who is in it: found by letting each answer be a different one."""
    code = Code(life.answers)
    found: dict[bytes, tuple[Batch, list[Answer]]] = {}
    for run in range(code.runs):
        said = log_of(life, lambda answer, run=run: code.scores(answer, run), random.Random(seed))  # type: ignore[misc]
        batches = publish(said, random.Random(seed + 1))
        keys = [batch.id + batch.proof for batch in batches]
        assert len({*keys}) == len(keys)
        assert run == 0 or found.keys() == {*keys}, "what is sealed follows from who answers, and not from what"
        for key, batch in zip(keys, batches, strict=True):
            found.setdefault(key, (batch, []))[1].extend(code.members(batch, run))
    return [*found.values()]


def everything(life: Life, sealed: Sequence[tuple[Batch, Sequence[Answer]]]) -> Iterator[Row]:
    """Every batch; and each day the sums of whole batches of windows, over each node of each tree there has been."""
    yield from (Counter(answer.number for answer in members) for _, members in sealed)
    seen: set[tuple[int, ...]] = set()
    for configuration in life.versions.values():
        for week in range(1, life.weeks + 5):
            until = MONDAY + week * WEEK
            closed = [
                (n, batch) for n, (batch, _) in enumerate(sealed) if until - 4 * WEEK < e.instant(batch.closed) <= until
            ]
            below: dict[tuple[str, str], list[int]] = defaultdict(list)
            for n, batch in closed:
                for node in ["", *configuration.company.line(batch.department, batch.closed)]:
                    below[node, batch.about].append(n)
                    below[node, "*"].append(n)
            for batches in map(tuple, below.values()):
                if batches not in seen:
                    seen.add(batches)
                    yield Counter(answer.number for n in batches for answer in sealed[n][1])


def naive(life: Life, days: int = 28, guard: int = 5) -> Iterator[Row]:
    """What others publish: each day mean and count of the last 28 days, of whatever has at least five answers."""
    of_department: dict[tuple[str, str, str], list[Answer]] = defaultdict(list)
    for answer in life.answers:
        of_department[answer.kind, answer.department, answer.about].append(answer)
    for answers in of_department.values():
        seen: set[tuple[int, ...]] = set()
        for day in range(life.weeks * 7):
            window = tuple(answer.number for answer in answers if day - days < answer.day <= day)
            if len(window) >= guard and window not in seen:
                seen.add(window)
                yield Counter(window)

"""Batches to pool: written by hand, of random companies that are reorganised, and of the simulated one."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cache
from typing import Any, NamedTuple

from adversary import MONDAY, WEEK, Shell, mark, numbered

from ingest import event as e
from ingest.connectors.simulated import example_configuration, simulate_with_feedback
from ingest.simulation.feedback import Week
from ingest.simulation.heard import Heard
from ingest.simulation.truth import Truth
from streams.company import CompanyFile
from streams.configuration import Configuration, Files
from streams.sealed import ENPS, RATING, Batch, Item, Joined, Kind
from streams.timeline import microseconds

SPRING = microseconds(MONDAY)
"""The Monday on which all that is written by hand begins."""
WEEK_US = 7 * 86_400_000_000


def batch(department: str = "it", persons: int = 10, week: int = 0, **more: Any) -> Batch:
    """Closed when so many weeks are over. All favourable, unless it says otherwise."""
    fields = {
        "kind": Kind.answers,
        "wave": "spring",
        "joined": Joined.cell,
        "site": "",
        "about": "",
        "items": {"empathy": Item(persons, total=8 * persons, favourable=persons)},
        **more,
    }
    named = (department, week, fields["kind"], fields["wave"], fields["site"], fields["about"])
    id_ = repr(named).encode()
    return Batch(id=id_, closed=SPRING + week * WEEK_US, department=department, persons=persons, proof=b"", **fields)


def favourable(n: int, of: int, item: str = "empathy") -> dict[str, Item]:
    return {item: Item(of, total=5 * of, favourable=n)}


def rated_favourable(n: int, of: int) -> dict[str, Item]:
    return favourable(n, of, RATING)


def would_recommend(promoters: int, detractors: int, of: int) -> dict[str, Item]:
    return {ENPS: Item(of, promoters=promoters, detractors=detractors)}


# -- random ones
class Pooled(NamedTuple):
    batches: list[Batch]
    configuration: Configuration
    until: int
    """When the last week is over."""


def random_batches(dice: random.Random, weeks: int = 30) -> Pooled:
    """Departments move within the tree, not all say how many they are, and some are in no file."""
    departments = [f"d{n}" for n in range(dice.randint(2, 9))]
    configuration = _reorganised(dice, departments, weeks)
    asked = ["", *departments, "elsewhere"]
    found = {}
    for _ in range(dice.randint(1, 150)):
        kind, week, persons = dice.choice([*Kind]), dice.randrange(weeks), dice.randint(5, 30)
        one = batch(
            dice.choice(asked),
            persons,
            week,
            kind=kind,
            wave=f"2026-W{10 + week // 2}" if kind is Kind.ratings else f"wave {week // 4 * 7 % 5}",
            joined=dice.choice([*Joined]),
            site=dice.choice(["", "north", "south", "west"]),
            about=dice.choice(asked),
            items=_items(dice, kind, persons),
        )
        found[one.id] = one
    return Pooled([*found.values()], configuration, SPRING + weeks * WEEK_US)


def _items(dice: random.Random, kind: Kind, persons: int) -> dict[str, Item]:
    items = {}
    for name in [RATING] if kind is Kind.ratings else dice.sample([ENPS, "empathy", "assurance"], dice.randint(1, 3)):
        n = dice.randint(5, persons + 2)
        promoters, liked = dice.randint(0, n), dice.choice([0, n, dice.randint(0, n)])
        items[name] = (
            Item(n, promoters=promoters, detractors=dice.randint(0, n - promoters))
            if name == ENPS
            else Item(n, total=5 * n, favourable=liked)
        )
    return items


def _reorganised(dice: random.Random, departments: list[str], weeks: int) -> Configuration:
    days = sorted(dice.sample(range(weeks * 7), 3))
    written = []
    for n, department in enumerate(departments):
        above: Mapping[str, list[str]] = {"department": departments[:n]}
        parents = [
            {**({"department": dice.choice(above["department"])} if n and dice.random() < 0.7 else {}), **since}
            for since in ({}, *({"since": f"{MONDAY + timedelta(days=day):%Y-%m-%d}"} for day in days))
        ]
        heads: dict[str, Any] = {"head_count": dice.randint(0, 120)} if dice.random() < 0.7 else {}
        if "head_count" in heads and dice.random() < 0.4:
            heads["sites"] = {site: dice.randint(0, heads["head_count"] // 2) for site in ("north", "south")}
        written.append({"id": department, "parent": parents, **heads})
    file = {"organisation": "t", "zone": "UTC", "hours": "always", "departments": written, "groups": []}
    return Configuration(Files(version=1, company=CompanyFile.model_validate(file)))


# -- the simulated company
class Simulated(NamedTuple):
    pooled: Pooled
    heard: Heard


@cache
def simulated(seed: int, days: int) -> Simulated:
    """What sealing makes of all weeks of the example company."""
    recorder = Truth()
    dice = random.Random(seed)
    configuration = Configuration(Files(version=1, company=CompanyFile.model_validate(example_configuration(seed)[0])))
    weeks = [one for one in simulate_with_feedback(seed, days, recorder=recorder) if isinstance(one, Week)]
    shell = Shell(lambda _: configuration)
    shell.run(numbered(dict(enumerate(_published(weeks, dice)))))
    assert recorder.heard is not None
    return Simulated(Pooled(shell.sealed, configuration, microseconds(weeks[-1].begins + WEEK)), recorder.heard)


def _published(weeks: list[Week], dice: random.Random) -> Iterator[list[bytes]]:
    for week in weeks:
        until = week.begins + WEEK
        yield [*map(e.encode, (*week.answers, e.config_mark(1, until), mark(until, dice)))]

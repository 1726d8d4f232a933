"""The views of a department where a company of 500 has answered for three years: how long they take, and how long sealing did."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count
from time import perf_counter

from adversary import Answer, Life, Shell, company, log_of, numbered

from streams.configuration import Configuration
from streams.sealed import ENPS, Batch, Kind

ANSWERS, DEPARTMENTS, YEARS = 100_000, 500, 3
QUESTIONS = ("reliability", "responsiveness", "assurance", "empathy", "tangibles", "communication")
WEEKS = 52 * YEARS
WAVES = range(0, WEEKS, 13)


def departments() -> dict[str, str]:
    """Each with what is above it: eight divisions, and below these two levels more."""
    names = [f"d{n}" for n in range(DEPARTMENTS)]
    return {name: names[(n - 8) // 8] if n >= 8 else "" for n, name in enumerate(names)}


def configured() -> Configuration:
    parents = departments()
    return company(1, parents, {d: d for d in parents})


def answers(dice: random.Random) -> Iterator[Answer]:
    """In each quarter somebody of each department about working there, and about another department."""
    names, numbers = [*departments()], count()
    each = ANSWERS / (len(WAVES) * len(names) * 2)
    left = 0.0
    for first in WAVES:
        for n, department in enumerate(names):
            for about in ("", names[(n * 7 + first % 3) % len(names)]):
                left += each
                for person in range(int(left)):
                    day = first * 7 + min(int(dice.expovariate(1 / 6)), 20)
                    who = f"{department}-{person}"
                    yield Answer(
                        next(numbers), Kind.answers, f"wave {first}", who, department, "", about, day, day // 7 + 1
                    )
                left -= int(left)


def sealed(configuration: Configuration) -> tuple[list[Batch], int, float]:
    """The batches, of how many answers, and the seconds that sealing took."""
    dice = random.Random(1)
    life = Life(list(answers(dice)), WEEKS, {0: configuration})

    def scores(_: Answer) -> dict[str, int]:
        return {name: dice.choice((2, 4, 6, 8, 10)) for name in QUESTIONS} | {ENPS: dice.randint(0, 10)}

    log = numbered(log_of(life, scores, dice))
    shell = Shell(lambda _: configuration, lambda: 1000)
    began = perf_counter()
    shell.run(log)
    seconds = perf_counter() - began
    return shell.sealed, len(life.answers), seconds

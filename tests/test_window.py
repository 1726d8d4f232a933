"""A window that moves on says what one says that is counted anew."""

from __future__ import annotations

import random
from bisect import insort

import pytest

from streams.fact import DONE, MET, MISSED
from streams.window import GOES_ON, Determined, Window, between

HOUR = 3_600_000_000


def some_fact(rnd: random.Random, after: int) -> Determined:
    """About a third in any one hour, and often at the very edge of a window."""
    counts_at = after + rnd.choice((0, 1, rnd.randrange(3 * HOUR)))
    lasted = rnd.choice((GOES_ON, 0, rnd.randrange(5), rnd.randrange(HOUR)))
    return Determined(counts_at, lasted, rnd.choice((MET, MISSED, DONE)), rnd.choice(("", "A", "B")))


def says(window: Window) -> tuple[object, ...]:
    counts = [window.count(outcome) for outcome in (MET, MISSED, DONE)]
    return window.n, window.ended, window.total_us, window.cases, counts


def by_definition(facts: list[Determined], since: int, until: int) -> tuple[object, ...]:
    inside = [fact for fact in facts if since < fact.counts_at <= until]
    ended = sorted(fact.business_us for fact in inside if fact.business_us != GOES_ON)
    counts = [sum(fact.outcome is outcome for fact in inside) for outcome in (MET, MISSED, DONE)]
    return len(inside), ended, sum(ended), len({fact.case for fact in inside} - {""}), counts


@pytest.mark.parametrize("seed", range(40))
def test_it_says_what_its_definition_says_wherever_it_moves(seed: int) -> None:
    rnd, window, until = random.Random(seed), Window(), 0
    facts = sorted(some_fact(rnd, -HOUR) for _ in range(rnd.choice((0, 3, 100))))
    for _ in range(100):
        for _ in range(rnd.randrange(4)):
            fact = some_fact(rnd, until - 2 * HOUR)
            insort(facts, fact)
            window.put(fact)
        for _ in range(rnd.randrange(4)):
            if facts:
                window.take(facts.pop(rnd.randrange(len(facts))))
        until += rnd.choice((0, 1, HOUR // 60, HOUR // 60, 5 * HOUR, -HOUR))
        window.move(facts, until - HOUR, until)
        assert says(window) == by_definition(facts, until - HOUR, until)


def test_a_step_looks_at_what_comes_and_goes_alone() -> None:
    facts = [Determined(at, at, MET, "") for at in range(1_000)]
    window = Window()
    window.move(facts, 100, 900)
    kept = window.ended
    window.move(facts, 102, 905)
    assert window.ended is kept
    assert says(window) == by_definition(facts, 102, 905)


def test_the_edges_are_exact() -> None:
    facts = [Determined(at, 7, MET, "") for at in (10, 11, 20, 21)]
    assert [fact.counts_at for fact in between(facts, 10, 20)] == [11, 20]

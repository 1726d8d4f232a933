"""The folds survive what can happen to a cluster: in the end they say what a fold without crashes says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cluster import Rules
from scheduler import run, schedule


def test_no_schedule_ends_otherwise_than_a_fold_without_crashes(
    sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    seeds = sample(2000, 100)
    for seed in range(seeds):
        wrong = run(schedule(seed))
        assert not wrong, f"schedule {seed}:\n" + "\n".join(wrong[:5])
    tally("schedules of crashes, hand-overs and paused workers", seeds)


@pytest.mark.parametrize("rule", Rules._fields)
def test_each_rule_of_the_shell_matters(rule: str) -> None:
    """Without it some schedule ends otherwise, or cannot go on: so the schedules are hard enough."""
    assert any(fails(seed, Rules()._replace(**{rule: False})) for seed in range(100))


def fails(seed: int, rules: Rules) -> bool:
    try:
        return bool(run(schedule(seed), rules))
    except LookupError:  # a row that refers to what is not there
        return True

"""An adversary who sees every release, and knows who answered when and where, solves for what a person answered: for nobody's."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import adversary
import pytest
from adversary import Life, Shell, numbered, recovered

from streams.configuration import Configuration
from streams.sealed import Batch

Published = Mapping[int, Sequence[bytes]]
WAITED = 3
"""Weeks, at most, that something has waited for its wave to close."""
Publish = Callable[[Published, random.Random], list[Batch]]
Kept = Callable[[adversary.Log, random.Random], adversary.Log]
Configured = Callable[[int], Configuration]


def straight(life: Life) -> Publish:
    def publish(said: Published, _: random.Random) -> list[Batch]:
        shell = Shell(life.configuration)
        shell.run(numbered(said))
        return shell.sealed

    return publish


def interrupted(life: Life, *, kept: Kept = lambda log, _: log, other: Configured | None = None) -> Publish:
    """In pieces of any size; killed between outputs and state; started anew; the state lost, and the log read again as far as it is
    ``kept``, ``other``: under another configuration than the first time.
    """

    def publish(said: Published, dice: random.Random) -> list[Batch]:
        shell = Shell(life.configuration, lambda: dice.randint(1, dice.choice([5, 500])))
        week = 0
        while week < max(said):
            week, before = min(max(said), week + dice.randint(1, 4)), week
            what = dice.random()
            if what < 0.3:
                crash(shell, numbered(said, before + 1, week), dice)
            elif what < 0.5:
                shell.start()
            elif what < 0.7:
                shell.start(dice.choice([life.configuration, other or life.configuration]), state=False)
                shell.run(kept(numbered(said, before - WAITED, week), dice))
            shell.run(numbered(said, before + 1, week))
        return shell.sealed

    return publish


def crash(shell: Shell, log: adversary.Log, dice: random.Random) -> None:
    """One batch, up to somewhere in a week."""
    shell.crash(log[: dice.randint(1, len(log))], dice)


def a_part(log: adversary.Log, dice: random.Random) -> adversary.Log:
    """Retention cuts anywhere."""
    return log[dice.randint(0, len(log)) :] if dice.random() < 0.7 else log


def check(sealed: Sequence[tuple[Batch, Sequence[adversary.Answer]]]) -> None:
    """Every number is one of a whole batch, each batch has five persons of one wave and cell, and each answer is in one at most."""
    times = Counter(answer.number for _, members in sealed for answer in members)
    assert set(times.values()) <= {1}
    for batch, members in sealed:
        assert batch.persons == len({answer.person for answer in members}) >= 5
        assert {sums.n for sums in batch.items.values()} == {len(members)}
        assert {(answer.kind, answer.wave) for answer in members} == {(batch.kind, batch.wave)}
        if batch.site:
            assert {answer.site for answer in members} == {batch.site}


def test_an_adversary_solves_for_no_answer(
    sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    """Two years of a company, its reorganisations, every window over every node each day; and who answered when is known."""
    for seed in range(companies := sample(200, 10)):
        life = adversary.life(random.Random(seed), 104, random.Random(seed).randint(15, 50))
        found = adversary.membership(life, seed, straight(life))
        assert len(found) > 20
        check(found)
        assert recovered(adversary.everything(life, found)) == set()
        tally("answers that nobody can solve for", len(life.answers))
    tally("companies of two years", companies)


def test_the_same_adversary_solves_for_more_than_half_of_what_others_publish() -> None:
    found = total = 0
    for seed in range(5):
        life = adversary.department_of_twelve(random.Random(seed), 104)
        found += len(recovered(adversary.naive(life)))
        total += len(life.answers)
        assert recovered(adversary.everything(life, adversary.membership(life, seed, straight(life)))) == set()
    assert found > total / 2


@pytest.mark.parametrize(
    ("releases", "known"),
    [
        ([{1: 1, 2: 1}, {1: 1}], {1, 2}),
        ([{1: 1, 2: 1}, {2: 1, 3: 1}, {1: 1, 3: 1}], {1, 2, 3}),
        ([{1: 1, 2: 1}, {3: 1, 4: 1}, {1: 1, 2: 1, 3: 1, 4: 1}], set()),
        ([{1: 8, 2: 8}, {1: 7, 2: 7, 3: 1}], {3}),
        ([dict.fromkeys(range(5), 1), dict.fromkeys(range(6), 1)], {5}),
    ],
)
def test_the_adversary_can_count(releases: list[dict[int, int]], known: set[int]) -> None:
    assert recovered(releases) == known


def test_after_any_interruption_the_same_is_sealed(sample: Callable[[int, int], int]) -> None:
    """Also when the state is lost, as long as the log holds what waits."""
    for seed in range(sample(200, 10)):
        life = adversary.life(random.Random(seed), 52, random.Random(seed).randint(15, 40))
        expected = adversary.membership(life, seed, straight(life))
        found = adversary.membership(life, seed, interrupted(life))
        assert sorted(map(repr, found)) == sorted(map(repr, expected))


def test_however_the_log_is_cut_the_same_is_said_and_stored() -> None:
    life = adversary.life(random.Random(3), 30, 30)
    said = adversary.log_of(life, lambda answer: {"rating": 7, "empathy": answer.number % 11}, random.Random(3))
    whole, pieces = Shell(life.configuration), Shell(life.configuration, lambda: 7)
    for shell in (whole, pieces):
        shell.run(numbered(said))
    assert whole.said == pieces.said != []
    assert whole.state == pieces.state


def test_after_crashes_the_same_is_stored(sample: Callable[[int, int], int]) -> None:
    for seed in range(sample(200, 20)):
        dice = random.Random(seed)
        life = adversary.life(dice, 16, 30)
        log = numbered(adversary.log_of(life, lambda answer: {"rating": 7, "enps": answer.number % 11}, dice))
        straight, killed = Shell(life.configuration), Shell(life.configuration)
        straight.run(log)
        while killed.fold.meta.offset < log[-1][0]:
            there = log[killed.fold.meta.offset + 1 :]
            killed.crash(there[: dice.randint(1, 300)], dice)
        assert killed.sealed == straight.sealed
        killed.run([(log[-1][0] + 1, b"nothing")])
        straight.run([(log[-1][0] + 1, b"nothing")])
        assert killed.state == straight.state


def test_nothing_is_sealed_twice_when_what_is_left_is_read_again_under_another_configuration(
    sample: Callable[[int, int], int],
) -> None:
    """A reorganisation that reaches back, other head counts, other names of groups: what has been sealed stays as it was."""
    for seed in range(sample(200, 10)):
        life = adversary.life(random.Random(seed), 52, random.Random(seed).randint(15, 40))
        stranger = adversary.life(random.Random(seed + 1000), 52, 1)
        other = [*stranger.versions.values()]
        publish = interrupted(life, kept=a_part, other=lambda v, o=other: o[min(v, len(o)) - 1])  # type: ignore[misc]
        found = adversary.membership(life, seed, publish)
        assert len(found) > 10
        check(found)
        assert recovered(adversary.everything(life, found)) == set()


def test_in_any_tree_and_wave_every_number_is_a_sum_of_whole_batches(
    sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    for seed in range(trees := sample(2000, 100)):
        dice = random.Random(seed)
        life = adversary.life(dice, dice.randint(2, 6), dice.randint(3, 40), dice.randint(2, 4))
        publish = straight(life) if seed % 2 else interrupted(life)
        found = adversary.membership(life, seed, publish)
        check(found)
        tally("batches of random trees", len(found))
        assert recovered(adversary.everything(life, found)) == set()
    tally("random trees and waves", trees)

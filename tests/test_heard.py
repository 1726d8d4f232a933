"""What is known of answers as they are decided: sums, and between which bounds chance and sealing may lead."""

from __future__ import annotations

from ingest.simulation.heard import ItemSum, Tally, Voices
from ingest.simulation.opinion import Opinion


def test_bounds_are_as_wide_as_chance() -> None:
    """Four standard deviations: of a hundred answers that were as likely favourable as not, and a hundred that were certain."""
    tally = Tally(frozenset({"it"}))
    voices = Voices("answers", "w", "legal", "", "it")
    for n in range(100):
        tally.answered(voices, [(Opinion("empathy", 4 if n < 60 else 3, 0.5), 8)])
        tally.answered(voices, [(Opinion("empathy", 5, 1.0), 10)])
    tally.answered(Voices("ratings", "w", "legal", "", "it"), [(Opinion("score", 1, 0.5), 1)])
    tally.answered(Voices("answers", "w", "legal", "", "hr"), [(Opinion("empathy", 1, 0.5), 0)])
    everything, empathy = tally.heard().planted
    assert everything[2:] == empathy[2:]
    assert empathy == ("it", "empathy", "w", 200, 160, 0.75, 0.65, 0.85)


def test_of_sealed_answers_the_share_is_known_but_for_what_is_held_back() -> None:
    row = ItemSum(
        Voices("answers", "w", "legal", "", "it"), "empathy", n=10, sum=0, favourable=6, promoters=0, detractors=0
    )
    assert row.favourable_of(10) == (0.6, 0.6)
    assert row.favourable_of(8) == (0.5, 0.75)
    assert row.favourable_of(5) == (0.2, 1.0)

"""The order of the records that the benchmark's workers read."""

from __future__ import annotations

import random
from collections import Counter

from bench.topic import spread

WIDTH = 50


def test_no_batch_wherever_it_begins_has_more_than_two_events_of_a_case() -> None:
    r = random.Random(1)
    cases = ["", "busy", "busier", *map(str, range(300))]  # the empty one is nobody's: marks
    records = [(r.choice(cases[:3] if r.random() < 0.5 else cases), b"%d" % n) for n in range(5_000)]
    out = list(spread(records, WIDTH))
    most = max(max(Counter(key for key, _ in out[at : at + WIDTH] if key).values()) for at in range(len(out) - WIDTH))
    assert most == 2


def test_a_case_keeps_its_order_and_loses_only_what_still_waits_at_the_end() -> None:
    records = [("a", b"1"), ("a", b"2"), ("a", b"3"), ("a", b"4"), ("", b"mark"), ("b", b"5"), ("", b"mark")]
    assert list(spread(records, 4)) == [
        ("a", b"1"),
        ("a", b"2"),
        ("", b"mark"),  # the third waits until the first is four places away
        ("b", b"5"),
        ("a", b"3"),
        ("a", b"4"),
        ("", b"mark"),
    ]

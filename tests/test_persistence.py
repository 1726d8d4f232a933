"""Waits between attempts at a store that is away."""

from __future__ import annotations

from itertools import islice
from random import Random
from threading import Event

import pytest
from test_prometheus import series

from sinks.persistence import Persistence, waits
from sinks.prometheus import Exporter
from sinks.store import Unavailable


def test_waits_double_up_to_the_longest_and_are_never_two_processes_at_once() -> None:
    one, other = (list(islice(waits(Random(seed), 30.0), 12)) for seed in (1, 2))
    for n, wait in enumerate(one):
        longest = min(0.5 * 2**n, 30.0)
        assert longest / 2 <= wait <= longest
    assert not set(one) & set(other)


def test_whoever_wants_it_to_stop_need_not_wait() -> None:
    stop, exporter = Event(), Exporter()

    def fails() -> None:
        stop.set()
        raise Unavailable("nobody answers")

    assert not Persistence(stop, exporter).done(fails, "records wait")
    assert series(exporter)["crossdesk_sink_backoffs_total"] == 1


def test_what_is_no_outage_is_not_tried_again() -> None:
    attempts: list[int] = []

    def fails() -> None:
        attempts.append(1)
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        Persistence(Event(), Exporter()).done(fails, "records wait")
    assert len(attempts) == 1

"""What a worker does now and then beside its folds: how often, and what becomes of an error in it."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest

from streams import app
from streams.app import Streams
from streams.transport import POLL_SECONDS


class Crashed(Exception):
    pass


def run_with_an_error(*, should_stop: bool) -> None:
    async def crash(error: Exception) -> None:
        raise Crashed from error

    async def work() -> None:
        raise RuntimeError("the producer is closed")

    worker = cast(Streams, SimpleNamespace(app=SimpleNamespace(should_stop=should_stop, crash=crash)))
    asyncio.run(cast(Any, Streams.ending(worker, work)()))


def test_an_error_in_a_task_ends_the_worker() -> None:
    with pytest.raises(Crashed):
        run_with_an_error(should_stop=False)


def test_a_worker_that_is_stopping_does_not_crash_when_its_clients_are_closed_before_its_tasks() -> None:
    run_with_an_error(should_stop=True)


class Clock:
    """Time passes only where somebody works or sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.began: list[float] = []

    async def pass_by(self, seconds: float) -> None:
        self.now += seconds


def rests_of(monkeypatch: pytest.MonkeyPatch, seconds: float, took: float, busy_until: float) -> list[float]:
    """How long a task rests that works three times, where others are busy up to an instant."""
    clock = Clock()

    async def work() -> None:
        clock.began.append(clock.now)
        if len(clock.began) > 3:
            raise Crashed
        await clock.pass_by(took)

    monkeypatch.setattr(app, "monotonic", lambda: clock.now)
    monkeypatch.setattr(asyncio, "sleep", clock.pass_by)
    with pytest.raises(Crashed):
        asyncio.run(app.every(seconds, work, lambda: clock.now < busy_until))
    return [after - before - took for before, after in pairwise(clock.began)]


@pytest.mark.parametrize(
    ("took", "rests"),
    [
        pytest.param(0.1, 0.5, id="no more often than it is to be"),
        pytest.param(2.0, 1.0, id="half as long as it worked"),
        pytest.param(90.0, 2.5, id="what a broker was away for is no work"),
    ],
)
def test_a_task_rests(took: float, rests: float, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rests_of(monkeypatch, 0.5, took, 0.0) == pytest.approx([rests] * 3)


def test_a_task_waits_for_others_that_are_busy_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rests_of(monkeypatch, 0.5, 2.0, 9.0) == pytest.approx([4.0, 1.0, 1.0], abs=2 * POLL_SECONDS)


def test_a_worker_is_behind_where_a_batch_waits_for_another() -> None:
    done, waits = SimpleNamespace(done=True), SimpleNamespace(done=False)
    for queue, behind in (([], False), ([done, done, waits], False), ([done, waits, waits], True)):
        worker = cast(Streams, SimpleNamespace(app=SimpleNamespace(consumer=SimpleNamespace(inflight={"one": queue}))))
        assert Streams.behind(worker) is behind

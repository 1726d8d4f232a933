"""What a worker does now and then beside its folds: how often, and what becomes of an error in it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from streams.app import Streams, rest


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


@pytest.mark.parametrize(("took", "rests"), [(0.1, 0.5), (2.0, 2.0), (90.0, 5.0)])
def test_a_task_rests_as_long_as_it_worked_but_not_as_long_as_a_broker_was_away(took: float, rests: float) -> None:
    assert rest(0.5, took) == rests

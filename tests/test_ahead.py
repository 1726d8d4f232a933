"""The process that reads a source ahead of the one that folds it."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from functools import partial

import pytest
from histories import START, envelope

from deploy.ahead import CHUNK, CHUNKS_AHEAD, prepare, reader
from ingest import event as e
from ingest.connector import BadFile, Rejected

MORE_THAN_FITS = CHUNK * (CHUNKS_AHEAD + 3) + 1


def says(count: int, failure: Exception | None = None) -> Iterator[e.Record | Rejected]:
    for number in range(count):
        yield e.Noted(**envelope("C1", START, f"note {number}", number))
    if failure is not None:
        raise failure


@pytest.mark.parametrize("count", [0, 1, CHUNK, MORE_THAN_FITS])
def test_all_comes_in_its_order_however_late_it_is_fetched(count: int) -> None:
    with reader() as read:
        records = read(partial(says, count))
        time.sleep(0.5)
        assert list(records) == list(map(prepare, says(count)))


def test_what_was_said_before_a_failure_comes_before_it() -> None:
    with reader() as read:
        records = read(partial(says, CHUNK + 1, BadFile("is damaged", "export it again", place="log.csv")))
        assert [next(records) for _ in range(CHUNK + 1)] == list(map(prepare, says(CHUNK + 1)))
        with pytest.raises(BadFile, match="export it again"):
            next(records)


@pytest.mark.parametrize("fetched", [None, 0, 1])
def test_it_ends_when_nobody_listens(fetched: int | None) -> None:
    with reader() as read:
        (process,) = multiprocessing.active_children()
        if fetched is not None:
            records = read(partial(says, 100 * MORE_THAN_FITS))
            for _ in range(fetched):
                next(records)
    assert not process.is_alive()

"""Batches by size and by age, and what of them may be committed when partitions come and go."""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Timer
from typing import NamedTuple

import pytest

from sinks.gathering import Batch, Gathering
from sinks.record import Partition

A, B = ("facts", 0), ("facts", 1)
NEVER = 3600.0


class Polled(NamedTuple):
    topic: str
    partition: int
    offset: int
    timestamp: int = 0
    key: bytes | None = b"key"
    value: bytes | None = b"value"


def polled(partition: Partition, offsets: Sequence[int]) -> dict[Partition, list[Polled]]:
    return {partition: [Polled(*partition, offset) for offset in offsets]}


def gathering(size: int = 3, seconds: float = NEVER, max_bytes: int = 1000) -> Gathering:
    found = Gathering(size, seconds, max_bytes)
    found.assigned([A, B])
    return found


def taken(found: Gathering) -> Batch:
    batch = found.take(0)
    assert batch is not None
    return batch


def test_a_batch_is_ready_when_it_is_full() -> None:
    found = gathering()
    found.add(polled(A, [0, 1]))
    assert found.room == 1
    assert found.take(0) is None
    found.add(polled(B, [7]))
    assert found.room == 0
    batch = taken(found)
    assert [record.offset for record in batch.of_topic("facts")] == [0, 1, 7]
    assert len(batch) == 3
    assert found.take(0) is None, "it was taken out"


def test_large_records_fill_it_too() -> None:
    found = gathering(max_bytes=10)
    found.add(polled(A, [0, 1]))
    assert found.room == 0
    assert len(taken(found)) == 2
    assert found.room == 3


def test_a_batch_is_ready_some_time_after_its_first_record() -> None:
    found = gathering(seconds=0.2)
    found.add(polled(A, [0]))
    started = time.monotonic()
    assert found.take(0.05) is None
    assert found.take(NEVER) is not None
    assert 0.15 < time.monotonic() - started < 5


def test_whoever_waits_is_woken_by_the_record_that_fills_it() -> None:
    found = gathering(size=1)
    Timer(0.1, found.add, [polled(A, [0])]).start()
    started = time.monotonic()
    assert found.take(NEVER) is not None
    assert time.monotonic() - started < 5


def test_only_what_was_written_is_committed_and_once() -> None:
    found = gathering()
    found.add(polled(A, [4, 5, 9]))
    batch = taken(found)
    assert found.to_commit() == {}
    found.written(batch)
    assert found.to_commit() == {A: 10}
    found.committed({A: 10})
    assert found.to_commit() == {}


def test_what_was_written_during_a_commit_is_committed_next() -> None:
    found = gathering(size=1)
    for offset in (0, 1):
        found.add(polled(A, [offset]))
        found.written(taken(found))
    found.committed({A: 1})
    assert found.to_commit() == {A: 2}


def test_a_partition_that_is_revoked_takes_along_what_was_gathered_of_it() -> None:
    found = gathering()
    found.add(polled(A, [0, 1]))
    found.add(polled(B, [0]))
    found.revoked([A])
    assert found.room == 2
    found.add(polled(B, [1, 2]))
    assert taken(found).records.keys() == {B}


def test_a_batch_that_is_written_after_a_partition_was_revoked_is_not_committed_there() -> None:
    found = gathering()
    found.add(polled(A, [0, 1]))
    found.add(polled(B, [0]))
    batch = taken(found)
    found.revoked([A])
    found.written(batch)
    assert found.to_commit() == {B: 1}


def test_nor_when_the_partition_has_come_back_meanwhile_for_another_may_have_gone_on() -> None:
    found = gathering()
    found.add(polled(A, [0, 1, 2]))
    batch = taken(found)
    found.revoked([A])
    found.assigned([A])
    found.written(batch)
    assert found.to_commit() == {}


def test_what_was_written_and_not_committed_is_forgotten_with_its_partition() -> None:
    found = gathering()
    found.add(polled(A, [0, 1, 2]))
    found.written(taken(found))
    found.revoked([A])
    assert found.to_commit() == {}


def test_whoever_takes_hears_why_nothing_comes_any_more() -> None:
    found = gathering()
    found.add(polled(A, [0, 1, 2]))
    found.fail(RuntimeError("the broker refuses us"))
    with pytest.raises(RuntimeError, match="refuses us"):
        found.take(NEVER)

"""Batches between the thread that polls and the one that writes: by size or by age, and what may be committed of them.

A partition is held from when it is assigned until it is revoked. What was gathered of it before is not written after that, and
what is being written just then is not committed: whoever has the partition next repeats it, which changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from threading import Condition
from typing import NamedTuple

from sinks.record import Partition, Record

MEBIBYTE = 1 << 20
MAX_BYTES = 64 * MEBIBYTE


class Batch(NamedTuple):
    """``holds``: of each partition, which of the times that it was assigned to us."""

    records: Mapping[Partition, Sequence[Record]]
    holds: Mapping[Partition, int]

    def __len__(self) -> int:
        return sum(map(len, self.records.values()))

    def of_topic(self, topic: str) -> list[Record]:
        """Of each partition in order."""
        return [record for (name, _), records in self.records.items() if name == topic for record in records]


class Gathering:
    """The next batch, while the one before is being written. It is ready when it holds ``size`` records, or ``max_bytes``, or
    ``seconds`` after its first record came.
    """

    def __init__(self, size: int, seconds: float, max_bytes: int = MAX_BYTES) -> None:
        self.size, self.seconds, self.max_bytes = size, seconds, max_bytes
        self._changed = Condition()
        self._numbers = count()
        self._holds: dict[Partition, int] = {}
        self._records: dict[Partition, list[Record]] = {}
        self._count = self._bytes = 0
        self._since = 0.0
        self._written: dict[Partition, int] = {}
        self._error: BaseException | None = None

    # -- for whoever polls
    def assigned(self, partitions: Iterable[Partition]) -> None:
        with self._changed:
            self._holds.update((partition, next(self._numbers)) for partition in partitions)

    def revoked(self, partitions: Iterable[Partition]) -> None:
        with self._changed:
            for partition in partitions:
                self._holds.pop(partition, None)
                self._written.pop(partition, None)
                dropped = self._records.pop(partition, [])
                self._count, self._bytes = self._count - len(dropped), self._bytes - _bytes(dropped)

    def add(self, fetched: Mapping[Partition, Sequence[Record]]) -> None:
        with self._changed:
            if not self._count:
                self._since = time.monotonic()
            for partition, records in fetched.items():
                self._records.setdefault(partition, []).extend(records)
                self._count, self._bytes = self._count + len(records), self._bytes + _bytes(records)
            self._changed.notify_all()

    @property
    def room(self) -> int:
        """How many records may be added before the batch is taken."""
        return max(self.size - self._count, 0) if self._bytes < self.max_bytes else 0

    def wait_for_room(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self.room > 0, seconds)

    def to_commit(self) -> dict[Partition, int]:
        """Where to go on in each partition of which something was written and not committed yet."""
        with self._changed:
            return dict(self._written)

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        with self._changed:
            for partition, offset in offsets.items():
                if self._written.get(partition) == offset:
                    del self._written[partition]

    def fail(self, error: BaseException) -> None:
        """Nothing more will come: :meth:`take` raises why."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    # -- for whoever writes
    def holds(self, topic: str) -> bool:
        """Whether a partition of it is ours."""
        with self._changed:
            return any(name == topic for name, _ in self._holds)

    def take(self, wait: float) -> Batch | None:
        """The batch when it is ready, or None after ``wait`` seconds. Raises what whoever polls has failed with."""
        until = time.monotonic() + wait
        with self._changed:
            while True:
                if self._error is not None:
                    raise self._error
                now = time.monotonic()
                ready = self._since + self.seconds if self._count else float("inf")
                if not self.room or ready <= now:
                    return self._out()
                if until <= now:
                    return None
                self._changed.wait(min(until, ready) - now)

    def written(self, batch: Batch) -> None:
        """It is in the store, for good."""
        with self._changed:
            for partition, records in batch.records.items():
                if self._holds.get(partition) == batch.holds.get(partition):
                    self._written[partition] = records[-1].offset + 1

    def _out(self) -> Batch:
        batch = Batch(self._records, {p: self._holds[p] for p in self._records})
        self._records, self._count, self._bytes = {}, 0, 0
        self._changed.notify_all()
        return batch


def _bytes(records: Iterable[Record]) -> int:
    return sum(len(record.value or b"") for record in records)

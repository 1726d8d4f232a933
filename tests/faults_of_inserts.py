"""What a ClickHouse server does wrong when a test tells it to (clickhouse_server.py)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple

FAULTS = {
    "error": "500 and no word of ClickHouse's, as from a proxy",
    "full": "the disk is full",
    "hang": "is late by some seconds, and then does what was asked",
    "cut_reading": "reads the beginning and hangs up",
    "cut_answering": "does what was asked and hangs up",
}


class Fault(NamedTuple):
    what: str
    seconds: float = 0.0


NO_FAULT = Fault("")


class Faults:
    """Those ahead: each insert takes one."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []
        self._under_way = 0
        self._lock = Lock()

    def plan(self, fault: Fault, times: int) -> None:
        """Instead of those that were ahead."""
        if fault.what not in FAULTS:
            raise ValueError(f"'{fault.what}' is none of {', '.join(FAULTS)}")
        with self._lock:
            self._planned = [fault] * times

    @contextmanager
    def next(self) -> Iterator[Fault]:
        with self._lock:
            fault = self._planned.pop() if self._planned else NO_FAULT
            self._under_way += 1
        try:
            yield fault
        finally:
            with self._lock:
                self._under_way -= 1

    def ahead(self) -> dict[str, int]:
        with self._lock:
            return {"planned": len(self._planned), "inserts under way": self._under_way}

"""What a worker of the benchmark is asked, and what it answers: ``{"events": n, "seconds": s}``, as its last line."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import NamedTuple


class Task(NamedTuple):
    """Read ``topic`` from its beginning up to the offset ``until``, with one partition. The clock runs from when the record at
    ``warm`` is reached to when everything has been committed. ``group`` is new in each run; ``folder`` is for what it stores.
    """

    broker: str
    topic: str
    group: str
    warm: int
    until: int
    folder: Path

    @property
    def arguments(self) -> list[str]:
        return [word for name, value in self._asdict().items() for word in (f"--{name}", str(value))]


def asked() -> Task:
    """By the command line: :attr:`Task.arguments`."""
    parser = argparse.ArgumentParser()
    for name in ("broker", "topic", "group"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("warm", "until"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    return Task(**vars(parser.parse_args()))


class Clock:
    """Told of each record as it is reached: starts at the first that counts, and counts events from then on. Anew where the worker
    goes back before it, as one may in its first rebalance.
    """

    def __init__(self, task: Task) -> None:
        self.warm, self.last = task.warm, task.until - 1
        self.events = 0
        self.began = 0.0

    def reaches(self, offset: int, *, event: bool) -> bool:
        """Whether it is the last. What is no event is a mark."""
        if self.warm <= offset <= self.last:
            if offset == self.warm:
                self.events, self.began = 0, time.perf_counter()
            self.events += event
        return offset == self.last

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began

    def answer(self) -> None:
        """Now: all is committed."""
        print(json.dumps({"events": self.events, "seconds": self.seconds}), file=sys.__stdout__, flush=True)

"""A process that keeps answers and publishes them, until it is killed (test_answers).

``store key kept said go|end``: it writes to the file ``kept`` what is durable, and to ``said`` what was published. Its clock does
not go back: that a week has begun stands in ``kept`` before the store is told so. At the end comes one more week of answers, for
a week that was cut off after fewer than five persons would be held back.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from ingest.answers.keys import Keys
from ingest.answers.store import AnswerStore
from ingest.event import PUBLISHED, Answered
from ingest.feedback import answered
from ingest.identity import Identity, People

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
WEEK = timedelta(days=7)
EACH_WEEK = 30
BEGINS = "begins"
SURVEY = People(Identity(b"a key of the tests", "t"), "survey")


def answer_of(number: int, week: int) -> Answered:
    return answered(SURVEY, f"person {number}", MONDAY + week * WEEK, items={"enps": number % 11}, department="finance")


def lines_of(file: Path) -> list[str]:
    """Without the last one, if whoever wrote it was killed."""
    return file.read_text().split("\n")[:-1] if file.exists() else []


class File:
    """One write for each line: a process that is killed leaves it whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, line: str) -> None:
        os.write(self.number, f"{line}\n".encode())


class Sink:
    def __init__(self, file: File, week: int) -> None:
        self.file, self.week = file, week

    def say(self, topic: str, key: str, value: bytes) -> None:
        assert topic == "feedback"
        if key == PUBLISHED:
            return
        self.file.write(f"{self.week}\t{key}\t{value.decode()}")

    def settle(self) -> None:
        pass


def main() -> None:
    store, key, kept, said, what = sys.argv[1:]
    weeks = [int(line.split()[0]) for line in lines_of(Path(kept))]
    told, acknowledged = File(Path(said)), File(Path(kept))
    with AnswerStore(Path(store), Keys(key)) as opened:
        first = max(weeks, default=0)
        last = first + 2
        for week in range(first + 1, last + 1) if what == "end" else count(first):
            acknowledged.write(f"{week} {BEGINS}")
            opened.publish(MONDAY + week * WEEK, Sink(told, week))
            for number in range(EACH_WEEK) if what == "go" or week < last else ():
                opened.keep(answer_of(number, week))
                acknowledged.write(f"{week} {number}")


if __name__ == "__main__":
    main()

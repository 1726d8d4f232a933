"""The log of the embedded mode: what is read is what was stored, also where it is still at hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.log import Log, LogError, Stored


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with Log(tmp_path / "log.sqlite3") as opened:
        yield opened


def append(log: Log, first: int, last: int) -> None:
    with log.transaction():
        log.append("events", [(f"desk/{i}", b"%d" % i) for i in range(first, last)], 7)


def append_and_fail(log: Log) -> None:
    with log.transaction():
        log.append("events", [("desk/3", b"lost")], 7)
        log.db.execute("INSERT INTO nowhere VALUES (1)")


def stored(first: int, last: int) -> list[Stored]:
    return [Stored(i, f"desk/{i}", 7, b"%d" % i) for i in range(first, last)]


def test_what_was_written_last_and_what_lies_before_it_read_alike(log: Log, tmp_path: Path) -> None:
    append(log, 0, 3)
    append(log, 3, 7)
    asked = [(first, most) for first in range(9) for most in (1, 2, 4, 100)]
    at_hand = [log.read("events", first, most) for first, most in asked]
    log.close()
    with Log(tmp_path / "log.sqlite3") as again:
        assert at_hand == [again.read("events", first, most) for first, most in asked]
    assert at_hand == [stored(first, min(first + most, 7)) for first, most in asked]


def test_nothing_is_read_of_a_transaction_that_failed(log: Log) -> None:
    append(log, 0, 3)
    with pytest.raises(LogError):
        append_and_fail(log)
    assert log.read("events", 0, 100) == stored(0, 3)
    append(log, 3, 4)
    assert log.read("events", 2, 100) == stored(2, 4)

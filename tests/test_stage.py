"""A stage as a process: how it ends, and what it says."""

from __future__ import annotations

import logging
import time
from threading import Event

import pytest

from deploy.stage import Seldom, run_until_stopped


def test_what_the_work_fails_with_is_raised() -> None:
    def fails(_: Event) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        run_until_stopped(fails, lambda _: None)


def test_it_is_looked_at_while_it_works() -> None:
    looks: list[float] = []

    def work(stop: Event) -> None:
        stop.wait(1.5)

    assert run_until_stopped(work, looks.append)
    assert len(looks) >= 1


def test_work_that_does_not_end_is_not_waited_for_for_ever() -> None:
    goes_on = Event()

    def work(stop: Event) -> None:
        stop.set()
        goes_on.wait(30)

    started = time.monotonic()
    assert not run_until_stopped(work, lambda _: None, patience=0.2)
    assert time.monotonic() - started < 5
    goes_on.set()


def said(name: str, level: int, text: str, created: float) -> logging.LogRecord:
    record = logging.LogRecord(name, level, "", 0, text, None, None)
    record.created = created
    return record


def test_of_libraries_the_same_is_said_once_a_minute_and_of_us_always() -> None:
    seldom = Seldom()
    away = [said("kafka.net", logging.ERROR, "connection lost", at) for at in (100.0, 101.0, 159.0, 160.0, 161.0)]
    assert [seldom.filter(record) for record in away] == [True, False, False, True, False]
    assert seldom.filter(said("kafka.net", logging.ERROR, "wrong password", 161.0))
    assert not seldom.filter(said("kafka.net", logging.INFO, "connected", 300.0))
    ours = [said("crossdesk.sinks", logging.INFO, "started", at) for at in (1.0, 1.0)]
    assert all(map(seldom.filter, ours))

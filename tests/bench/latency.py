"""How long an event takes from when it is said until whoever scrapes can see that it is counted.

The simulated company is said at :data:`RATE` events a second, in steps: a minute of that is some days of its life. What came before
is said as fast as the broker takes it: then windows hold more facts, and telling what they say takes longer. An event is visible
when all departments that are shown tell at least up to its time.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import quantiles
from threading import Event, Thread
from typing import NamedTuple

from bench.kafka import BenchmarkError, say
from bench.waiting import ready, wait_until
from on_kafka import Installation, Process, ended, worker
from sinks_on_kafka import sink

from deploy.ahead import Prepared
from deploy.memory import collect_rarely
from ingest.publish import Publisher

RATE = 1_000
SECONDS = 60
WARM = 0.5
"""The share of these events after which latencies count."""
STEP_SECONDS = 0.05
LOOK_SECONDS = 0.1
PATIENCE = 900.0
SECOND_US = 1_000_000

_AS_OF = re.compile(r"^crossdesk_as_of_timestamp_seconds\{.*\} (\S+)$", re.MULTILINE)


class Moment(NamedTuple):
    """``at``: by ``time.monotonic``. ``until``: the time in microseconds that an event has, or up to which all departments tell."""

    at: float
    until: int


class Latency(NamedTuple):
    """In seconds."""

    p50: float
    p99: float


def latency(installation: Installation, records: Sequence[Prepared], folder: Path, seconds: int = SECONDS) -> Latency:
    """Of the last events of ``records``, said in so many seconds; those of the first half do not count."""
    collect_rarely()
    first = [number for number, record in enumerate(records) if record.key][-RATE * seconds]
    installation.configure()
    stages = [
        worker(installation, folder / "worker.log"),
        sink("prometheus", installation, folder / "prometheus.log"),
    ]
    with ended(*stages):
        for stage in stages:
            ready(stage)
        say(f"saying the {first:,} records before")
        installation.say(records[:first])
        installation.drain(PATIENCE)
        say(f"saying {RATE:,} events a second for {seconds} s")
        with Looking(stages[1]) as looking:
            said = paced(installation, records[first:])
            wait_until(lambda: looking.until >= said[-1].until, "visible all", stages[1])
    counted = said[int(len(said) * WARM) :]
    late = list(latencies(counted, looking.looks))
    rate = len(said) / (said[-1].at - said[0].at)
    if rate < 0.98 * RATE:
        raise BenchmarkError(f"only {rate:.0f} events a second could be said: this machine is too busy")
    percentiles = quantiles(late, n=100)
    return Latency(percentiles[49], percentiles[98])


def paced(installation: Installation, records: Sequence[Prepared]) -> list[Moment]:
    """When each event was said."""
    said: list[Moment] = []
    with Publisher(installation.settings) as publisher:
        began = time.monotonic()
        for record in records:
            if record.key:
                while len(said) > (time.monotonic() - began) * RATE:
                    time.sleep(STEP_SECONDS)
                said.append(Moment(time.monotonic(), microseconds(record.time)))
            publisher.say(record.topic, record.key, record.value)
        publisher.settle()
    return said


class Looking:
    """Scrapes, again and again, from a thread: what is seen counts from when it has come."""

    def __init__(self, exporter: Process) -> None:
        self.exporter = exporter
        self.looks: list[Moment] = []
        self._end = Event()
        self._thread = Thread(target=self._run, daemon=True)

    @property
    def until(self) -> int:
        return self.looks[-1].until if self.looks else 0

    def _run(self) -> None:
        while not self._end.wait(LOOK_SECONDS):
            shown = _AS_OF.findall(self.exporter.asked("/metrics")[1])
            if shown:
                self.looks.append(Moment(time.monotonic(), min(microseconds(float(one)) for one in shown)))

    def __enter__(self) -> Looking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def latencies(said: Sequence[Moment], looks: Sequence[Moment]) -> Iterator[float]:
    """Of each event, until the first look that shows its time. What departments tell never goes back."""
    for event in said:
        seen = max(
            bisect_left(looks, event.until, key=lambda look: look.until),
            bisect_left(looks, event.at, key=lambda look: look.at),
        )
        yield looks[seen].at - event.at


def microseconds(seconds: float) -> int:
    return round(seconds * SECOND_US)
